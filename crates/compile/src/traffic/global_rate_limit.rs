//! `globalRateLimits` of a `TrafficPolicy`.

use std::{sync::Arc, time::Duration};

use ripstop_api::ripstop;
use ripstop_model::{DescriptorEntry, DescriptorValue, GlobalRateLimit, LimitDescriptor, UnknownLimit};

use super::{
    Naming, nonempty,
    policy::{TOO_MANY, requests},
    rule_id,
};
use crate::Declared;

/// How long an answer may take, where nothing is said (Envoy's default).
const TIMEOUT: Duration = Duration::from_millis(20);

/// A limit that a service counts; nothing: it does not say which, or what the service is told.
pub(super) fn compile(
    declared: &Declared,
    written: &ripstop::GlobalRateLimit,
    index: usize,
    naming: &Naming,
) -> Option<GlobalRateLimit> {
    let service = written.service.as_ref()?;
    let descriptors: Vec<LimitDescriptor> = written.descriptors.iter().filter_map(descriptor).collect();
    if descriptors.is_empty() || service.host.is_empty() {
        return None;
    }
    Some(GlobalRateLimit {
        id: rule_id(declared, &format!("spec.globalRateLimits[{index}]")),
        host: host(declared, service, naming),
        port: service.port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)?,
        domain: nonempty(&written.domain)?,
        requests: written.requests_meant.as_ref().map(requests).unwrap_or_default(),
        descriptors,
        hits: written.hits_addend.unwrap_or(1).max(1),
        timeout: written.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(TIMEOUT),
        on_failure: match written.failure_mode {
            ripstop::WhenUnknown::Allow => UnknownLimit::Passes,
            ripstop::WhenUnknown::Deny => UnknownLimit::Refused,
        },
        status: written.status.and_then(|status| status.try_into().ok()).unwrap_or(TOO_MANY),
        tells: written.headers.unwrap_or(true),
        dry_run: written.dry_run,
    })
}

/// The whole name of a service of limits.
fn host(declared: &Declared, service: &ripstop::LimitService, naming: &Naming) -> Arc<str> {
    naming.name(&service.host, declared.object.id.namespace.as_str()).into()
}

fn descriptor(written: &ripstop::LimitDescriptor) -> Option<LimitDescriptor> {
    let entries: Vec<DescriptorEntry> = written.entries.iter().filter_map(entry).collect();
    // What lacks a part would count other requests together.
    (!entries.is_empty() && entries.len() == written.entries.len()).then_some(LimitDescriptor(entries))
}

fn entry(written: &ripstop::DescriptorEntry) -> Option<DescriptorEntry> {
    let (key, value): (Arc<str>, _) = if let Some(name) = &written.header {
        let name: Arc<str> = name.to_ascii_lowercase().into();
        (name.clone(), DescriptorValue::Header(name))
    } else if let Some(text) = &written.constant {
        ("generic_key".into(), DescriptorValue::Constant(text.as_str().into()))
    } else {
        // As Envoy calls them that has them, too.
        let given = [
            (&written.identity, "identity", DescriptorValue::Identity),
            (&written.path, "path", DescriptorValue::Path),
            (&written.method, "method", DescriptorValue::Method),
            (&written.host, "host", DescriptorValue::Host),
            (&written.source_address, "remote_address", DescriptorValue::SourceAddress),
            (&written.destination_workload, "destination_workload", DescriptorValue::DestinationWorkload),
            (&written.destination_service, "destination_service", DescriptorValue::DestinationService),
        ];
        let (_, key, value) = given.into_iter().find(|(given, ..)| given.is_some())?;
        (key.into(), value)
    };
    Some(DescriptorEntry {
        key: written.key.as_deref().and_then(nonempty).unwrap_or(key),
        value,
        default: written.default_value.as_deref().and_then(nonempty),
    })
}
