//! Further attempts.

use ripstop_model::RetryPolicy;

use crate::{
    DecodeError,
    field::{shared, texts},
    place::Place,
    ripstop,
    traffic::value::{duration_to_wire, maybe_duration, set_duration},
};

pub(crate) fn retry_to_wire(policy: &RetryPolicy) -> ripstop::RetryPolicy {
    ripstop::RetryPolicy {
        attempts: policy.attempts,
        per_try_timeout: policy.per_try_timeout.map(duration_to_wire),
        on: texts(&policy.on),
        status_codes: policy.status_codes.iter().map(|code| u32::from(*code)).collect(),
        backoff: Some(duration_to_wire(policy.backoff)),
        remote_localities: policy.remote_localities,
        ignore_previous_hosts: policy.ignore_previous_hosts,
    }
}

pub(crate) fn retry_from_wire(place: &Place<'_>, policy: ripstop::RetryPolicy) -> Result<RetryPolicy, DecodeError> {
    Ok(RetryPolicy {
        attempts: policy.attempts,
        per_try_timeout: maybe_duration(&place.field("per_try_timeout"), policy.per_try_timeout)?,
        on: shared(policy.on),
        status_codes: place.field("status_codes").shorts(policy.status_codes)?,
        backoff: set_duration(&place.field("backoff"), policy.backoff)?,
        remote_localities: policy.remote_localities,
        ignore_previous_hosts: policy.ignore_previous_hosts,
    })
}
