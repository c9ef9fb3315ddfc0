//! Limits that services count.

use std::time::Duration;

use ripstop_model::{
    DescriptorEntry, DescriptorValue, GlobalRateLimit, LimitDescriptor, RequestMatch, RuleId, UnknownLimit,
};

use super::{match_from_wire, match_to_wire};
use crate::{
    DecodeError,
    place::Place,
    ripstop::{self, descriptor_entry::Value},
    traffic::value::{duration_to_wire, set_duration, text_from_wire, text_to_wire},
};

pub(super) fn to_wire(limit: &GlobalRateLimit) -> ripstop::GlobalRateLimit {
    ripstop::GlobalRateLimit {
        id: limit.id.to_string(),
        host: limit.host.to_string(),
        port: limit.port.into(),
        domain: limit.domain.to_string(),
        matches: (limit.requests != RequestMatch::default()).then(|| match_to_wire(&limit.requests)),
        descriptors: limit.descriptors.iter().map(descriptor_to_wire).collect(),
        hits: limit.hits,
        timeout: Some(duration_to_wire(limit.timeout)),
        refuses_unknown: limit.on_failure == UnknownLimit::Refused,
        status: limit.status.into(),
        tells: limit.tells,
        dry_run: limit.dry_run,
    }
}

pub(super) fn from_wire(place: &Place<'_>, limit: ripstop::GlobalRateLimit) -> Result<GlobalRateLimit, DecodeError> {
    let timeout = set_duration(&place.field("timeout"), limit.timeout)?;
    if timeout < Duration::from_millis(1) {
        return Err(place.field("timeout").error("it is shorter than a millisecond"));
    }
    if limit.hits == 0 {
        return Err(place.field("hits").error("0 counts nothing"));
    }
    let descriptors = place.field("descriptors").all(limit.descriptors, descriptor_from_wire)?;
    if descriptors.is_empty() {
        return Err(place.field("descriptors").error("without any, nothing is counted"));
    }
    let matches = limit.matches.map(|matches| match_from_wire(&place.field("matches"), matches)).transpose()?;
    Ok(GlobalRateLimit {
        id: RuleId(place.field("id").required(limit.id)?),
        host: place.field("host").required(limit.host)?,
        port: match place.field("port").short(limit.port)? {
            0 => return Err(place.field("port").error("0 is no port")),
            port => port,
        },
        domain: place.field("domain").required(limit.domain)?,
        requests: matches.unwrap_or_default(),
        descriptors,
        hits: limit.hits,
        timeout,
        on_failure: if limit.refuses_unknown { UnknownLimit::Refused } else { UnknownLimit::Passes },
        status: match place.field("status").short(limit.status)? {
            status @ 400..600 => status,
            status => return Err(place.field("status").error(format!("{status} is no status of an error"))),
        },
        tells: limit.tells,
        dry_run: limit.dry_run,
    })
}

fn descriptor_to_wire(LimitDescriptor(entries): &LimitDescriptor) -> ripstop::LimitDescriptor {
    ripstop::LimitDescriptor { entries: entries.iter().map(entry_to_wire).collect() }
}

fn descriptor_from_wire(
    place: &Place<'_>,
    descriptor: ripstop::LimitDescriptor,
) -> Result<LimitDescriptor, DecodeError> {
    let entries = place.field("entries").all(descriptor.entries, entry_from_wire)?;
    if entries.is_empty() {
        return Err(place.field("entries").error("without any, nothing is counted"));
    }
    Ok(LimitDescriptor(entries))
}

fn entry_to_wire(entry: &DescriptorEntry) -> ripstop::DescriptorEntry {
    let value = match &entry.value {
        DescriptorValue::Identity => Value::Identity(true),
        DescriptorValue::Header(name) => Value::Header(name.to_string()),
        DescriptorValue::Path => Value::Path(true),
        DescriptorValue::Method => Value::Method(true),
        DescriptorValue::Host => Value::Host(true),
        DescriptorValue::SourceAddress => Value::SourceAddress(true),
        DescriptorValue::Constant(text) => Value::Constant(text.to_string()),
        DescriptorValue::DestinationWorkload => Value::DestinationWorkload(true),
        DescriptorValue::DestinationService => Value::DestinationService(true),
    };
    ripstop::DescriptorEntry {
        key: entry.key.to_string(),
        default: text_to_wire(entry.default.as_ref()),
        value: Some(value),
    }
}

fn entry_from_wire(place: &Place<'_>, entry: ripstop::DescriptorEntry) -> Result<DescriptorEntry, DecodeError> {
    let value = match place.field("value").set(entry.value)? {
        Value::Identity(_) => DescriptorValue::Identity,
        Value::Header(name) => DescriptorValue::Header(place.field("header").required(name)?),
        Value::Path(_) => DescriptorValue::Path,
        Value::Method(_) => DescriptorValue::Method,
        Value::Host(_) => DescriptorValue::Host,
        Value::SourceAddress(_) => DescriptorValue::SourceAddress,
        Value::Constant(text) => DescriptorValue::Constant(place.field("constant").required(text)?),
        Value::DestinationWorkload(_) => DescriptorValue::DestinationWorkload,
        Value::DestinationService(_) => DescriptorValue::DestinationService,
    };
    Ok(DescriptorEntry { key: place.field("key").required(entry.key)?, value, default: text_from_wire(entry.default) })
}
