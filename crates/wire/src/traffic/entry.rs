//! Hosts that no service declares: all of one object, named `<namespace>/<name>`.

use bytes::Bytes;
use ripstop_model::{
    Admission, EntryPort, HostEntry, ObjectName, Resolution, RuleId, ServiceKey, Waypoint, WaypointCallers,
};

use super::{
    endpoint, selector_from_wire, selector_to_wire, slashed,
    value::{host_from_wire, protocol_from_wire, protocol_to_wire, visibility_from_wire, visibility_to_wire},
};
use crate::{
    DecodeError, Encoded,
    address::canary,
    field::{Context, shared, texts},
    place::Place,
    ripstop::{self, host_entry},
    type_url,
};

/// The hosts of the object `name`, which do not name it again.
pub(super) fn encode((namespace, name): &ObjectName, hosts: &[HostEntry]) -> Encoded {
    let message = ripstop::HostEntries {
        namespace: namespace.to_string(),
        name: name.to_string(),
        hosts: hosts.iter().map(to_wire).collect(),
    };
    Encoded::new(type_url::HOST_ENTRIES, slashed(namespace, name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<Vec<HostEntry>, DecodeError> {
    let context = Context::new(type_url::HOST_ENTRIES, name);
    let message: ripstop::HostEntries = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    let object = (context.required("namespace", message.namespace)?, context.required("name", message.name)?);
    Place::new(context).field("hosts").all(message.hosts, |place, entry| from_wire(place, &object, entry))
}

fn to_wire(entry: &HostEntry) -> ripstop::HostEntry {
    let resolution = match entry.resolution {
        Resolution::Passthrough => host_entry::Resolution::Passthrough,
        Resolution::Static => host_entry::Resolution::Static,
        Resolution::Dns => host_entry::Resolution::Dns,
        Resolution::DnsRoundRobin => host_entry::Resolution::DnsRoundRobin,
        Resolution::DynamicDns => host_entry::Resolution::DynamicDns,
    };
    ripstop::HostEntry {
        id: entry.id.to_string(),
        host: entry.host.to_string(),
        addresses: entry.addresses.iter().map(ToString::to_string).collect(),
        ports: entry.ports.iter().map(port_to_wire).collect(),
        internal: entry.internal,
        unallocated: !entry.allocates,
        resolution: resolution.into(),
        endpoints: entry.endpoints.iter().map(endpoint::to_wire).collect(),
        selector: entry.selector.as_ref().map(selector_to_wire),
        visibility: visibility_to_wire(&entry.visibility),
        subject_alt_names: texts(&entry.subject_alt_names),
        created: entry.created,
        waypoint: entry.waypoint.as_ref().map(waypoint_to_wire),
    }
}

fn from_wire(place: &Place<'_>, object: &ObjectName, entry: ripstop::HostEntry) -> Result<HostEntry, DecodeError> {
    let resolution = place.field("resolution");
    Ok(HostEntry {
        id: RuleId(place.field("id").required(entry.id)?),
        object: object.clone(),
        host: host_from_wire(&place.field("host"), &entry.host)?,
        addresses: place.field("addresses").all(entry.addresses, |place, block| place.parsed(&block))?,
        ports: place.field("ports").all(entry.ports, port_from_wire)?,
        internal: entry.internal,
        allocates: !entry.unallocated,
        resolution: match resolution.enumerated(entry.resolution)? {
            host_entry::Resolution::NoResolution => return Err(resolution.error("it is missing")),
            host_entry::Resolution::Passthrough => Resolution::Passthrough,
            host_entry::Resolution::Static => Resolution::Static,
            host_entry::Resolution::Dns => Resolution::Dns,
            host_entry::Resolution::DnsRoundRobin => Resolution::DnsRoundRobin,
            host_entry::Resolution::DynamicDns => Resolution::DynamicDns,
        },
        endpoints: place.field("endpoints").all(entry.endpoints, endpoint::from_wire)?,
        selector: entry.selector.map(selector_from_wire),
        visibility: visibility_from_wire(&place.field("visibility"), entry.visibility)?,
        subject_alt_names: shared(entry.subject_alt_names),
        created: entry.created,
        waypoint: match entry.waypoint {
            Some(waypoint) => Some(waypoint_from_wire(&place.field("waypoint"), waypoint)?),
            None => None,
        },
    })
}

fn waypoint_to_wire(waypoint: &Waypoint) -> ripstop::Waypoint {
    let canary = waypoint.canary.as_ref();
    ripstop::Waypoint {
        namespace: waypoint.service.namespace.to_string(),
        hostname: waypoint.service.hostname.to_string(),
        for_gateways: waypoint.callers == WaypointCallers::WorkloadsAndGateways,
        refuses: waypoint.admission == Admission::Refused,
        canary_namespace: canary.map(|canary| canary.service.namespace.to_string()).unwrap_or_default(),
        canary_hostname: canary.map(|canary| canary.service.hostname.to_string()).unwrap_or_default(),
        canary_percent: canary.map_or(0, |canary| canary.percent.into()),
    }
}

fn waypoint_from_wire(place: &Place<'_>, waypoint: ripstop::Waypoint) -> Result<Waypoint, DecodeError> {
    let namespace = place.field("namespace").required(waypoint.namespace)?;
    let hostname = place.field("hostname").required(waypoint.hostname)?;
    let callers =
        if waypoint.for_gateways { WaypointCallers::WorkloadsAndGateways } else { WaypointCallers::Workloads };
    let admission = if waypoint.refuses { Admission::Refused } else { Admission::Admitted };
    let canary = canary(&waypoint.canary_namespace, &waypoint.canary_hostname, waypoint.canary_percent);
    Ok(Waypoint { service: ServiceKey::new(namespace, &hostname), callers, admission, canary })
}

fn port_to_wire(port: &EntryPort) -> ripstop::EntryPort {
    ripstop::EntryPort {
        port: port.port.into(),
        name: port.name.to_string(),
        protocol: protocol_to_wire(port.protocol).into(),
        target: port.target.into(),
    }
}

fn port_from_wire(place: &Place<'_>, port: ripstop::EntryPort) -> Result<EntryPort, DecodeError> {
    Ok(EntryPort {
        port: place.field("port").short(port.port)?,
        name: port.name.into(),
        protocol: protocol_from_wire(&place.field("protocol"), port.protocol)?,
        target: place.field("target").short(port.target)?,
    })
}

#[cfg(test)]
pub(super) mod tests;
