//! Endpoints that are written down: those of declared hosts, and those that services select
//! (istio.md 1.4, 1.5).

use std::sync::Arc;

use ripstop_model::{
    EndpointAddress, EntryPort, HostEntry, HostPattern, Labels, Resolution, Selector, Service, ServicePort,
    StaticEndpoint, TargetPort, Workload,
};

use crate::{Located, Program, layer::in_namespace};

/// An endpoint of a declared host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EntryEndpoint<'p> {
    /// One that is written down, inside the entry or by itself.
    Declared(&'p StaticEndpoint),
    /// A workload, healthy or not.
    Workload(&'p Workload),
    /// The host itself, wherever its name leads.
    Host(&'p Arc<str>),
}

/// Endpoints of a declared host: its own ones; or what it selects in its namespace, endpoints that
/// are written down in order of name, then workloads that are not in quarantine in order of their uid; or, if it is found by
/// DNS and has neither, the host itself. None, if it is the caller who says where it is.
///
/// Names are endpoints only where DNS is asked for them.
pub fn static_endpoints<'p>(program: &'p Program, entry: &'p HostEntry) -> Vec<EntryEndpoint<'p>> {
    let by_name = match entry.resolution {
        Resolution::Passthrough | Resolution::DynamicDns => return Vec::new(),
        Resolution::Static => false,
        Resolution::Dns | Resolution::DnsRoundRobin => true,
    };
    let usable = |endpoint: &&StaticEndpoint| by_name || !matches!(endpoint.address, EndpointAddress::Name(_));
    let Some(selector) = &entry.selector else {
        let host = match &entry.host {
            HostPattern::Exact(host) if by_name && entry.endpoints.is_empty() => Some(host),
            _ => None,
        };
        let own = entry.endpoints.iter().filter(usable).map(EntryEndpoint::Declared);
        return own.chain(host.map(EntryEndpoint::Host)).collect();
    };
    let mut workloads: Vec<&Workload> = program
        .workloads()
        .map(AsRef::as_ref)
        .filter(|workload| {
            workload.namespace == entry.object.0 && workload.quarantine.is_none() && selector.matches(&workload.labels)
        })
        .collect();
    workloads.sort_by(|a, b| a.uid.cmp(&b.uid));
    let declared = selected(program, &entry.object.0, selector).filter(usable).map(EntryEndpoint::Declared);
    declared.chain(workloads.into_iter().map(EntryEndpoint::Workload)).collect()
}

/// Endpoints that no process stands for and that the service selects in its namespace
/// (`PILOT_ENABLE_K8S_SELECT_WORKLOAD_ENTRIES`), in order of name. Names and sockets are none, and a
/// headless service, which balances nothing, has none.
pub fn service_entries<'p>(program: &'p Program, service: &'p Service) -> impl Iterator<Item = &'p StaticEndpoint> {
    let selector = service.selector.as_ref().filter(|selector| !selector.is_empty() && !service.headless);
    let endpoints = selector.into_iter().flat_map(|selector| selected(program, &service.key.namespace, selector));
    endpoints.filter(|endpoint| matches!(endpoint.address, EndpointAddress::Ip(_) | EndpointAddress::Network))
}

/// The endpoint's port behind a port of a declared host: its own one of that name, else the host's
/// target; nothing: it is a socket.
pub fn entry_port(endpoint: &StaticEndpoint, port: &EntryPort) -> Option<u16> {
    match endpoint.address {
        EndpointAddress::Unix(_) => None,
        _ => Some(named(endpoint, &port.name).unwrap_or(port.target)),
    }
}

/// The endpoint's port behind a port of a service: its own one of the target's name, and if the target
/// is a number, of the port's name, else that number; nothing: it does not serve that port.
pub fn service_port(endpoint: &StaticEndpoint, port: &ServicePort) -> Option<u16> {
    match &port.target {
        TargetPort::Name(name) => named(endpoint, name),
        TargetPort::Number(number) => Some(named(endpoint, &port.name).unwrap_or(*number)),
    }
}

fn named(endpoint: &StaticEndpoint, name: &str) -> Option<u16> {
    endpoint.ports.get(name).copied().filter(|port| *port > 0)
}

fn selected<'p>(
    program: &'p Program,
    namespace: &Arc<str>,
    selector: &'p Selector,
) -> impl Iterator<Item = &'p StaticEndpoint> + use<'p> {
    in_namespace(&program.traffic().endpoints, namespace).filter(|endpoint| selector.matches(&endpoint.labels))
}

/// Labels of what has none.
static NO_LABELS: Labels = Labels::new();

/// The port of a member of a group behind a port of that name, if its group says so.
fn member_port(workload: &Workload, name: &str) -> Option<u16> {
    workload.group.as_ref()?.ports.get(name).copied()
}

// === impl EntryEndpoint ===

impl<'p> EntryEndpoint<'p> {
    /// Its port behind a port of the declared host; nothing: it is a socket.
    pub fn port(&self, port: &EntryPort) -> Option<u16> {
        match self {
            Self::Declared(endpoint) => entry_port(endpoint, port),
            Self::Workload(workload) => Some(member_port(workload, &port.name).unwrap_or(port.target)),
            Self::Host(_) => Some(port.target),
        }
    }

    /// Where it is.
    pub fn located(&self) -> Located<'p> {
        match self {
            Self::Declared(endpoint) => (*endpoint).into(),
            Self::Workload(workload) => Located { locality: "", network: "", labels: &workload.labels },
            Self::Host(_) => Located { locality: "", network: "", labels: &NO_LABELS },
        }
    }

    /// Share, at least 1.
    pub fn weight(&self) -> u32 {
        match self {
            Self::Declared(endpoint) => endpoint.weight,
            Self::Workload(workload) => workload.group.as_ref().map_or(1, |group| group.weight),
            Self::Host(_) => 1,
        }
    }
}

impl<'p> From<&'p StaticEndpoint> for Located<'p> {
    fn from(endpoint: &'p StaticEndpoint) -> Self {
        Self { locality: &endpoint.locality, network: &endpoint.network, labels: &endpoint.labels }
    }
}

#[cfg(test)]
mod tests;
