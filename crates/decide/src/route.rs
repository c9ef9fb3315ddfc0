//! Where an outbound connection goes.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ripstop_model::{
    Admission, Health, MtlsMode, ProcessKind, Service, ServiceKey, Snapshot, SpiffeId, TunnelProtocol, Waypoint,
    Workload, WorkloadUid,
};

use crate::{HBONE_PORT, MtlsVerdict, PROXY_PORTS, peer_authentication};

/// What is known of an outbound connection.
#[derive(Clone, Copy, Debug)]
pub struct OutboundFacts<'a> {
    /// The workload that calls.
    pub source: &'a Workload,
    /// Where it wants to go.
    pub destination: SocketAddr,
    /// Picks among equal endpoints: a random number, or a counter for round robin.
    pub pick: u64,
}

/// Where the connection goes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteVerdict {
    /// Where it goes.
    pub route: Route,
    /// What led there, in order.
    pub trace: Vec<RouteStep>,
}

/// Where an outbound connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To an endpoint of a service.
    Service {
        /// The service that was called.
        service: Arc<Service>,
        /// Its port.
        port: u16,
        /// The endpoint that was picked.
        endpoint: Endpoint,
    },
    /// To a workload by its own address, or to the waypoint in front of it.
    Workload {
        /// The workload.
        endpoint: Endpoint,
    },
    /// To an address that the mesh does not know: as it is, without identity.
    Passthrough {
        /// The address.
        destination: SocketAddr,
    },
    /// The service has the port, but nobody behind it that may take the connection.
    NoHealthyEndpoint {
        /// The service that was called.
        service: ServiceKey,
        /// Its port.
        port: u16,
    },
    /// The service has no such port.
    UnknownServicePort {
        /// The service that was called.
        service: ServiceKey,
        /// The port that it does not have.
        port: u16,
    },
    /// A proxy's own port, port 0, an address that no other host has, or one reserved for services
    /// that no service has: going there would loop, or leave the mesh.
    IllegalDestination {
        /// The destination.
        destination: SocketAddr,
    },
}

/// The workload that gets the connection, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The workload.
    pub workload: Arc<Workload>,
    /// Its address and port, of a waypoint those that were called: whom to connect to, or the authority of the tunnel.
    pub target: SocketAddr,
    /// Whether it is reached by HBONE, with its address and port 15008; else by plain TCP.
    pub tunnel: bool,
    /// Identities that the other end of a tunnel may prove: the workload's own, and those that the
    /// service names besides.
    pub expected: Vec<SpiffeId>,
}

/// One thing that was found on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteStep {
    /// The address is a virtual address of that service.
    ServiceAddress(ServiceKey),
    /// The address is that workload's.
    WorkloadAddress(WorkloadUid),
    /// Callers go through the waypoint behind that service.
    Waypoint(ServiceKey),
    /// That waypoint does not serve what that namespace has.
    NotAdmitted(Arc<str>),
    /// Nobody in the mesh has the address.
    UnknownAddress(IpAddr),
    /// Endpoints of the service port.
    Endpoints {
        /// All.
        total: usize,
        /// Those that may take the connection.
        usable: usize,
        /// Not ready.
        unready: usize,
        /// Without such a port, or without address.
        without_port: usize,
        /// Left out because the caller asked for it.
        excluded: usize,
    },
    /// The endpoint that was picked.
    Picked(WorkloadUid),
    /// It is the caller itself: reached inside its own namespace, never by tunnel.
    Itself,
    /// It is a waypoint, and its port no other's: plain.
    OwnPort,
    /// It is not captured and does not speak HBONE itself: plain.
    NotInMesh,
    /// It is in the mesh, and its port has that mode.
    Mtls(MtlsVerdict),
}

/// Where the connection goes. A known service's virtual address leads to one of its endpoints, a
/// workload's address to it, any other passes through.
pub fn route(snapshot: &Snapshot, facts: &OutboundFacts<'_>) -> RouteVerdict {
    route_excluding(snapshot, facts, &[])
}

/// As [`route`], but never to one of `excluded`: for another try after a connection failed before
/// any byte was sent.
pub fn route_excluding(snapshot: &Snapshot, facts: &OutboundFacts<'_>, excluded: &[WorkloadUid]) -> RouteVerdict {
    routed(snapshot, facts, excluded, Waypoints::All)
}

fn routed(
    snapshot: &Snapshot,
    facts: &OutboundFacts<'_>,
    excluded: &[WorkloadUid],
    waypoints: Waypoints,
) -> RouteVerdict {
    let destination = SocketAddr::new(facts.destination.ip().to_canonical(), facts.destination.port());
    let mut trace = Vec::with_capacity(4);
    let route = if destination.port() == 0 || is_nobody_elses(destination.ip()) {
        Route::IllegalDestination { destination }
    } else if let Some(service) = snapshot.service_at(destination.ip()) {
        trace.push(RouteStep::ServiceAddress(service.key.clone()));
        to_service(snapshot, facts, service, destination, excluded, &mut trace)
    } else if let Some(workload) = snapshot.workload_at(destination.ip()) {
        trace.push(RouteStep::WorkloadAddress(workload.uid.clone()));
        let behind = behind_waypoint(snapshot, facts.source.kind, Some(&facts.source.uid), destination.ip());
        let behind = behind.filter(|_| waypoints == Waypoints::All);
        match (endpoint(snapshot, facts.source, workload, destination, &[], &mut trace), behind) {
            (None, _) => Route::IllegalDestination { destination },
            (Some(endpoint), None) => Route::Workload { endpoint },
            (Some(_), Some((workload, waypoint))) => {
                // How it would be reached directly is the waypoint's business.
                trace.truncate(1);
                match to_waypoint(snapshot, facts, &workload.namespace, waypoint, destination, excluded, &mut trace) {
                    Ok(endpoint) => Route::Workload { endpoint },
                    Err(nobody) => nobody,
                }
            }
        }
    } else {
        trace.push(RouteStep::UnknownAddress(destination.ip()));
        if is_reserved(destination.ip()) {
            Route::IllegalDestination { destination }
        } else {
            Route::Passthrough { destination }
        }
    };
    RouteVerdict { route, trace }
}

/// The workload that has that address of its own, and the waypoint that whoever is of that `kind` goes through to call it;
/// nothing: it is called directly. Who calls itself does so.
pub(crate) fn behind_waypoint<'s>(
    snapshot: &'s Snapshot,
    kind: ProcessKind,
    caller: Option<&WorkloadUid>,
    address: IpAddr,
) -> Option<(&'s Arc<Workload>, &'s Waypoint)> {
    let workload = snapshot.workload_at(address).filter(|workload| caller != Some(&workload.uid))?;
    Some((workload, workload.waypoint.as_ref().filter(|waypoint| waypoint.takes(kind))?))
}

/// The same of what callers are led to by the name of something else: they go through a waypoint of that alone, not through
/// those of its workloads.
pub fn route_past_waypoints(snapshot: &Snapshot, facts: &OutboundFacts<'_>) -> Route {
    let RouteVerdict { route, .. } = routed(snapshot, facts, &[], Waypoints::OfServices);
    route
}

/// Whose waypoints count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waypoints {
    All,
    OfServices,
}

/// Addresses that no other host has: a connection there never left its namespace, and whoever dials
/// it again dials itself.
fn is_nobody_elses(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()
}

/// 240.0.0.0/4 (RFC 1112) holds the virtual addresses of services and nothing else: one that no
/// known service has belongs to a service that is not known *yet*, and must not be reached plainly.
fn is_reserved(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.octets()[0] >= 240)
}

fn to_service(
    snapshot: &Snapshot,
    facts: &OutboundFacts<'_>,
    service: &Arc<Service>,
    destination: SocketAddr,
    excluded: &[WorkloadUid],
    trace: &mut Vec<RouteStep>,
) -> Route {
    let (key, port) = (&service.key, destination.port());
    if !service.ports.iter().any(|declared| declared.port == port) {
        return Route::UnknownServicePort { service: key.clone(), port };
    }
    if let Some(waypoint) = service.waypoint.as_ref().filter(|waypoint| waypoint.takes(facts.source.kind)) {
        return match to_waypoint(snapshot, facts, &key.namespace, waypoint, destination, excluded, trace) {
            Ok(endpoint) => Route::Service { service: service.clone(), port, endpoint },
            Err(nobody) => nobody,
        };
    }
    let (mut total, mut unready, mut without_port, mut left_out) = (0, 0, 0, 0);
    let mut usable: Vec<(&Arc<Workload>, SocketAddr)> = Vec::new();
    for workload in snapshot.endpoints(key) {
        total += 1;
        if excluded.contains(&workload.uid) {
            left_out += 1;
        } else if workload.health == Health::Unhealthy && !service.publish_not_ready {
            unready += 1;
        } else if let Some(target) = target_of(workload, key, destination) {
            usable.push((workload, target));
        } else {
            without_port += 1;
        }
    }
    trace.push(RouteStep::Endpoints { total, usable: usable.len(), unready, without_port, excluded: left_out });
    let Some((workload, target)) = pick(&usable, facts.pick) else {
        return Route::NoHealthyEndpoint { service: key.clone(), port };
    };
    trace.push(RouteStep::Picked(workload.uid.clone()));
    match endpoint(snapshot, facts.source, workload, target, &service.subject_alt_names, trace) {
        Some(endpoint) => Route::Service { service: service.clone(), port, endpoint },
        None => Route::IllegalDestination { destination: target },
    }
}

/// One of the instances of the waypoint, which decides about what something of `namespace` gets; or that there is none.
fn to_waypoint(
    snapshot: &Snapshot,
    facts: &OutboundFacts<'_>,
    namespace: &Arc<str>,
    waypoint: &Waypoint,
    destination: SocketAddr,
    excluded: &[WorkloadUid],
    trace: &mut Vec<RouteStep>,
) -> Result<Endpoint, Route> {
    let key = &waypoint.service;
    trace.push(RouteStep::Waypoint(key.clone()));
    if waypoint.admission == Admission::Refused {
        trace.push(RouteStep::NotAdmitted(namespace.clone()));
        return Err(Route::NoHealthyEndpoint { service: key.clone(), port: HBONE_PORT });
    }
    let (draw, pick) = (facts.pick % 100, facts.pick / 100);
    let (first, second, pick) = match &waypoint.canary {
        None => (key, None, facts.pick),
        // A canary without instances that may be called leaves its share to the other. Nobody gets to it in place of that.
        Some(canary) if draw < u64::from(canary.percent) => (&canary.service, Some(key), pick),
        Some(_) => (key, None, pick),
    };
    for service in [Some(first), second].into_iter().flatten() {
        let (mut total, mut unready, mut without_port, mut left_out) = (0, 0, 0, 0);
        let mut usable: Vec<Endpoint> = Vec::new();
        for workload in snapshot.endpoints(service) {
            total += 1;
            if excluded.contains(&workload.uid) {
                left_out += 1;
            } else if workload.health == Health::Unhealthy {
                unready += 1;
            } else if let Some(endpoint) = through(workload, destination) {
                usable.push(endpoint);
            } else {
                without_port += 1;
            }
        }
        trace.push(RouteStep::Endpoints { total, usable: usable.len(), unready, without_port, excluded: left_out });
        if let Some(index) = picked(usable.len(), pick) {
            let endpoint = usable.swap_remove(index);
            trace.push(RouteStep::Picked(endpoint.workload.uid.clone()));
            return Ok(endpoint);
        }
    }
    Err(Route::NoHealthyEndpoint { service: key.clone(), port: HBONE_PORT })
}

/// How a waypoint's instance `workload` is reached by whoever calls `destination` through it; nothing: it is none.
pub fn through(workload: &Arc<Workload>, destination: SocketAddr) -> Option<Endpoint> {
    if workload.kind != ProcessKind::Waypoint {
        return None;
    }
    own_address(workload, destination)?;
    let expected = vec![workload.identity().ok()?];
    Some(Endpoint { workload: workload.clone(), target: destination, tunnel: true, expected })
}

/// The address of `workload` that whoever calls `destination` goes to: of the same family if it has one.
fn own_address(workload: &Workload, destination: SocketAddr) -> Option<IpAddr> {
    let mut addresses = workload.addresses.iter();
    let same_family = addresses.clone().find(|address| address.is_ipv4() == destination.is_ipv4());
    same_family.or_else(|| addresses.next()).copied()
}

/// Address and port of `workload` behind `destination`: of the same family if it has one.
fn target_of(workload: &Workload, service: &ServiceKey, destination: SocketAddr) -> Option<SocketAddr> {
    let port = workload.target_port(service, destination.port())?;
    let mut addresses = workload.addresses.iter();
    let same_family = addresses.clone().find(|address| address.is_ipv4() == destination.is_ipv4());
    Some(SocketAddr::new(*same_family.or_else(|| addresses.next())?, port))
}

fn pick<T: Copy>(items: &[T], pick: u64) -> Option<T> {
    picked(items.len(), pick).and_then(|index| items.get(index).copied())
}

/// The index of one of so many.
fn picked(count: usize, pick: u64) -> Option<usize> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    usize::try_from(pick % count).ok()
}

/// How `source` reaches `workload` at `target`, an address and port of it; nothing if the port is its proxy's own.
/// `further_names` are identities that its service accepts besides its own.
pub fn reach(
    snapshot: &Snapshot,
    source: &Workload,
    workload: &Arc<Workload>,
    target: SocketAddr,
    further_names: &[Arc<str>],
) -> Option<Endpoint> {
    endpoint(snapshot, source, workload, target, further_names, &mut Vec::new())
}

fn endpoint(
    snapshot: &Snapshot,
    source: &Workload,
    workload: &Arc<Workload>,
    target: SocketAddr,
    further_names: &[Arc<str>],
    trace: &mut Vec<RouteStep>,
) -> Option<Endpoint> {
    let itself = workload.uid == source.uid;
    let in_mesh = workload.tunnel == TunnelProtocol::Hbone;
    let reserved = if workload.native_tunnel {
        target.port() == HBONE_PORT
    } else {
        (in_mesh || itself) && PROXY_PORTS.contains(&target.port())
    };
    if reserved {
        return None;
    }
    let tunnel = if itself {
        trace.push(RouteStep::Itself);
        false
    } else if workload.kind == ProcessKind::Waypoint {
        // Its port of tunnels is for what it stands in front of; its metrics and its readiness are open.
        trace.push(RouteStep::OwnPort);
        false
    } else if in_mesh {
        let verdict = peer_authentication(snapshot, workload, target.port());
        let tunnel = verdict.mode != MtlsMode::Disable;
        trace.push(RouteStep::Mtls(verdict));
        tunnel
    } else {
        trace.push(RouteStep::NotInMesh);
        false
    };
    let named = further_names.iter().filter_map(|name| name.parse().ok());
    let expected = if tunnel { workload.identity().ok().into_iter().chain(named).collect() } else { Vec::new() };
    Some(Endpoint { workload: workload.clone(), target, tunnel, expected })
}

// === impl Route ===

impl Route {
    /// The endpoint, if the connection goes to one.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Service { endpoint, .. } | Self::Workload { endpoint } => Some(endpoint),
            _ => None,
        }
    }

    /// The service that was called, as far as there is one.
    pub fn service(&self) -> Option<&ServiceKey> {
        match self {
            Self::Service { service, .. } => Some(&service.key),
            Self::NoHealthyEndpoint { service, .. } | Self::UnknownServicePort { service, .. } => Some(service),
            _ => None,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { service, port, endpoint } => write!(f, "{}:{port} at {endpoint}", service.key),
            Self::Workload { endpoint } => write!(f, "{endpoint}"),
            Self::Passthrough { destination } => write!(f, "{destination}, unknown to the mesh, as it is"),
            Self::NoHealthyEndpoint { service, port } => {
                write!(f, "{service}:{port} has no ready endpoint; are its workloads running and ready?")
            }
            Self::UnknownServicePort { service, port } => write!(f, "{service} has no port {port}"),
            Self::IllegalDestination { destination } => write!(f, "{destination} is a port of the proxy itself"),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// The address that takes the tunnel to it; nothing: it is reached by plain TCP.
    pub fn tunnel_address(&self) -> Option<SocketAddr> {
        if !self.tunnel {
            return None;
        }
        let own = || own_address(&self.workload, self.target);
        let through = if self.workload.kind == ProcessKind::Waypoint { own() } else { None };
        Some(SocketAddr::new(through.unwrap_or(self.target.ip()), HBONE_PORT))
    }

    /// Whether it is a waypoint in front of what has the address `called`.
    pub fn is_of_waypoint(&self, called: SocketAddr) -> bool {
        self.workload.kind == ProcessKind::Waypoint && self.tunnel && !self.workload.addresses.contains(&called.ip())
    }

    /// How it is reached.
    pub fn way(&self) -> TunnelProtocol {
        if self.tunnel { TunnelProtocol::Hbone } else { TunnelProtocol::None }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Workload { namespace, name, .. } = &*self.workload;
        write!(f, "{namespace}/{name} ({}, {})", self.target, if self.tunnel { "HBONE" } else { "plain" })
    }
}

// === impl RouteStep ===

impl fmt::Display for RouteStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceAddress(key) => write!(f, "the address is service {key}'s"),
            Self::WorkloadAddress(uid) => write!(f, "the address is workload {uid}'s"),
            Self::Waypoint(key) => write!(f, "its callers go through the waypoint behind {key}"),
            Self::NotAdmitted(namespace) => write!(f, "that waypoint does not serve namespace {namespace}"),
            Self::UnknownAddress(address) => write!(f, "nobody in the mesh has the address {address}"),
            Self::Endpoints { total, usable, unready, without_port, excluded } => write!(
                f,
                "{usable} of {total} endpoints usable ({unready} not ready, {without_port} without the port, {excluded} tried before)"
            ),
            Self::Picked(uid) => write!(f, "picked {uid}"),
            Self::Itself => f.write_str("the caller itself: plain, inside its own namespace"),
            Self::OwnPort => f.write_str("a waypoint's own port: plain"),
            Self::NotInMesh => f.write_str("not in the mesh: plain"),
            Self::Mtls(verdict) => {
                let way = if verdict.mode == MtlsMode::Disable { "plain" } else { "HBONE" };
                write!(f, "in the mesh, mutual TLS {}: {way} [{}]", verdict.mode, verdict.trace)
            }
        }
    }
}

#[cfg(test)]
mod tests;
