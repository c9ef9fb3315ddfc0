//! Waypoints of services and workloads: the address of each, as Istio has it.

use ripstop_model::{Admission, Canary, ServiceKey, Waypoint, WaypointCallers};

use crate::{DecodeError, field::Context, workload as proto, workload::gateway_address::Destination};

/// Port that a waypoint takes tunnels on.
const HBONE_PORT: u16 = 15008;

pub(super) fn to_wire(waypoint: &Waypoint) -> proto::GatewayAddress {
    let ServiceKey { namespace, hostname } = &waypoint.service;
    let hostname = proto::NamespacedHostname { namespace: namespace.to_string(), hostname: hostname.to_string() };
    proto::GatewayAddress { hbone_mtls_port: HBONE_PORT.into(), destination: Some(Destination::Hostname(hostname)) }
}

/// Whether it is there and refuses.
pub(super) fn refuses(waypoint: Option<&Waypoint>) -> bool {
    waypoint.is_some_and(|waypoint| waypoint.admission == Admission::Refused)
}

/// The waypoint of a `whole` ("service", "workload"). One that is told of otherwise than by its service could not be called,
/// and must not be passed by.
pub(super) fn from_wire(
    context: Context<'_>,
    whole: &str,
    message: proto::GatewayAddress,
    callers: WaypointCallers,
    refuses: bool,
    canary: Option<Canary>,
) -> Result<Waypoint, DecodeError> {
    let field = |leaf: &str| format!("{whole}.waypoint.{leaf}");
    if message.hbone_mtls_port != u32::from(HBONE_PORT) {
        let reason = format!("{} is not the port of tunnels, {HBONE_PORT}", message.hbone_mtls_port);
        return Err(context.error(field("hbone_mtls_port"), reason));
    }
    let Some(Destination::Hostname(name)) = message.destination else {
        return Err(context.error(field("destination"), "expected the host name of a service"));
    };
    let namespace = context.required(&field("hostname.namespace"), name.namespace)?;
    let hostname = context.required(&field("hostname.hostname"), name.hostname)?;
    Ok(Waypoint {
        service: ServiceKey::new(namespace, &hostname),
        callers,
        admission: if refuses { Admission::Refused } else { Admission::Admitted },
        canary,
    })
}

/// The canary of that name; nothing: there is none, or one of a newer release that asks for what is not known.
pub(crate) fn canary(namespace: &str, hostname: &str, percent: u32) -> Option<Canary> {
    let percent = u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent))?;
    let service = ServiceKey::new(namespace, hostname);
    (!namespace.is_empty() && !hostname.is_empty()).then_some(Canary { service, percent })
}
