//! Who would get a call.

use std::{net::IpAddr, sync::Arc};

use ripstop_decide::{Callee, Client, Target, backend_settings, peer_authentication};
use ripstop_model::{ClientTlsMode, EndpointAddress, Health, MtlsMode, ServiceKey, SpiffeId, TunnelProtocol, Workload};

use crate::{World, parties::Caller};

/// Somebody who would get it.
pub(crate) struct Endpoint {
    pub(crate) who: Who,
    /// Address, as far as known.
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    /// The backend it belongs to.
    pub(crate) backend: String,
    /// The service that was called.
    pub(crate) service: Option<ServiceKey>,
}

/// A workload, or something outside of the mesh.
pub(crate) enum Who {
    Workload(Arc<Workload>),
    Foreign(String),
}

/// How an endpoint is reached.
pub(crate) struct Transport {
    /// The identity that the caller proves; nothing: plaintext.
    pub(crate) peer: Option<SpiffeId>,
    /// In words.
    pub(crate) told: String,
}

/// Ready endpoints of a backend, and why others are left out.
pub(crate) fn of_target(world: &World, client: Client<'_>, target: &Target) -> (Vec<Endpoint>, Option<String>) {
    let (Some(callee), None) = (&target.callee, target.missing) else { return (Vec::new(), None) };
    let backend = target.backend.to_string();
    let port = target.backend.port.unwrap_or_default();
    match callee {
        Callee::Service(service) => {
            let settings = backend_settings(&world.program, client, callee, &target.backend);
            let wanted = settings.subset.as_ref().map(|subset| &subset.labels);
            let (mut found, mut unready, mut elsewhere) = (Vec::new(), 0, 0);
            for workload in world.program.endpoints(&service.key) {
                if wanted.is_some_and(|labels| !labels.matches(&workload.labels)) {
                    elsewhere += 1;
                } else if workload.health == Health::Unhealthy && !service.publish_not_ready {
                    unready += 1;
                } else if let Some(target_port) = workload.target_port(&service.key, port) {
                    found.push(Endpoint {
                        address: workload.addresses.first().copied(),
                        who: Who::Workload(workload.clone()),
                        port: target_port,
                        backend: backend.clone(),
                        service: Some(service.key.clone()),
                    });
                }
            }
            let why = found.is_empty().then(|| {
                format!("{backend} has no ready endpoint ({unready} not ready, {elsewhere} outside of the subset)")
            });
            (found, why)
        }
        Callee::Entry(entry) => {
            let ports =
                entry.ports.iter().find(|declared| declared.port == port).map_or(port, |declared| declared.target);
            let address = |address: &EndpointAddress| match address {
                EndpointAddress::Ip(address) => (Some(*address), address.to_string()),
                EndpointAddress::Name(name) => (None, name.to_string()),
                EndpointAddress::Unix(path) => (None, format!("unix://{path}")),
                EndpointAddress::Network => (None, "its network's gateway".into()),
            };
            let mut found: Vec<Endpoint> = entry
                .endpoints
                .iter()
                .map(|endpoint| {
                    let (address, name) = address(&endpoint.address);
                    let who = match address.and_then(|address| world.program.workload_at(address)) {
                        Some(workload) => Who::Workload(workload.clone()),
                        None => Who::Foreign(name),
                    };
                    Endpoint { who, address, port: ports, backend: backend.clone(), service: None }
                })
                .collect();
            if found.is_empty() {
                let who = Who::Foreign(target.backend.host.to_string());
                found.push(Endpoint { who, address: None, port: ports, backend, service: None });
            }
            (found, None)
        }
    }
}

/// How `caller` reaches `workload` at `port`.
pub(crate) fn transport(
    world: &World,
    caller: &Caller,
    workload: &Workload,
    port: u16,
    plaintext: bool,
    tls: Option<ClientTlsMode>,
) -> Transport {
    let plain = |told: String| Transport { peer: None, told };
    if plaintext {
        return plain("plaintext, as asked".into());
    }
    if workload.tunnel != TunnelProtocol::Hbone {
        return plain("plaintext: the callee is not in the mesh".into());
    }
    if tls == Some(ClientTlsMode::Disable) {
        return plain("plaintext: a DestinationRule sets tls.mode DISABLE".into());
    }
    let mode = peer_authentication(&world.program, workload, port);
    if mode.mode == MtlsMode::Disable {
        return plain(format!("plaintext: mutual TLS is DISABLE on port {port} ({})", mode.trace));
    }
    match caller {
        Caller::Identity(identity) => {
            Transport { peer: Some(identity.clone()), told: format!("mutual TLS as {identity}") }
        }
        Caller::Workload(caller) if caller.uid == workload.uid => {
            plain("plaintext: the workload calls itself, inside of its own namespace".into())
        }
        Caller::Workload(caller) if caller.tunnel == TunnelProtocol::Hbone => match caller.identity() {
            Ok(identity) => Transport { told: format!("mutual TLS as {identity}"), peer: Some(identity) },
            Err(error) => plain(format!("plaintext: the caller has no identity ({error})")),
        },
        Caller::Workload(_) => plain("plaintext: the caller is not in the mesh".into()),
        Caller::Address(_) | Caller::Outside => {
            plain("plaintext: nothing is known of the caller but its address".into())
        }
    }
}
