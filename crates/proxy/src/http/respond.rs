//! Giving answers that the proxy makes itself.

use ripstop_exchange::{Downstream, Fault};

use super::{
    filters::{
        edits::Edits,
        respond::{Asker, Local, Reset, Tried},
    },
    head::Head,
};
use crate::{backends::BackendError, error::Error};

/// Gives an answer of the proxy's own, with what a rule changes of it, if the client still takes one.
pub async fn answer(downstream: &mut Downstream<'_>, head: Option<&Head>, local: &Local, edits: &Edits<'_>) {
    if let Err(error) = try_answer(downstream, head, local, edits).await {
        tracing::debug!(%error, "a client could not be answered");
        downstream.reset();
    }
}

async fn try_answer(
    downstream: &mut Downstream<'_>,
    head: Option<&Head>,
    local: &Local,
    edits: &Edits<'_>,
) -> Result<(), Fault> {
    let asker = head.map_or(Asker::Http, Head::asker);
    let reply = local.reply(asker, edits);
    let fields = reply.fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    downstream.reply(reply.status, fields, &reply.body)?;
    downstream.finish().await
}

/// Nobody could be connected to.
pub fn unreachable(error: &Error) -> Local {
    match error {
        Error::NoEndpoint(_) | Error::NoAddress(_) => Local::no_healthy_upstream(),
        Error::TooManyRequests { .. } => Local::reset(Reset::Overflow, Tried::Once, None),
        error => Local::reset(Reset::ConnectFailure, Tried::Once, Some(&error.to_string())),
    }
}

/// It may not come in, or nobody knows yet whether it may. A caller who may know more is told the number of the decision;
/// see [`Local::denied`].
pub fn refused(error: &Error, decision: Option<u64>) -> Local {
    match error {
        Error::Denied { code, .. } => Local::denied(decision.map(|decision| (*code, decision))),
        Error::Misdirected(_) => Local::direct(421, error.to_string().as_bytes()),
        error => unreachable(error),
    }
}

/// There is no connection to a backend.
pub fn unavailable(error: &BackendError, tried: Tried) -> Local {
    let reset = match error {
        BackendError::Overflow(_) => Reset::Overflow,
        _ if error.is_limited() => Reset::Limited,
        BackendError::Timeout { .. } => Reset::ConnectTimeout,
        _ => Reset::ConnectFailure,
    };
    let why = error.to_string();
    Local::reset(reset, tried, (!reset.is_overload()).then_some(why.as_str()))
}
