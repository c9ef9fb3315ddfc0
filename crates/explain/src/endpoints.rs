//! Who would get a call.

use std::{net::IpAddr, sync::Arc};

use ripstop_decide::{
    Callee, Candidate, Client, EntryEndpoint, HBONE_PORT, Located, Target, backend_settings, may_lead, service_entries,
    service_port, static_endpoints,
};
use ripstop_model::{
    Admission, AppProtocol, ClientTlsMode, EndpointAddress, EntryPort, Health, HostEntry, Labels, ProcessKind,
    ProxyProtocolVersion, Resolution, Selector, Service, ServiceKey, StaticEndpoint, Waypoint, Workload,
};

use crate::{World, nearness};

/// Somebody who would get it.
pub(crate) struct Endpoint {
    pub(crate) who: Who,
    /// Address, as far as known.
    pub(crate) address: Option<IpAddr>,
    /// Port; 0: it is a socket.
    pub(crate) port: u16,
    /// The backend it belongs to.
    pub(crate) backend: String,
    /// The service or declared host that was called.
    pub(crate) service: Option<ServiceKey>,
    /// How a DestinationRule wants TLS towards it.
    pub(crate) tls: Option<ClientTlsMode>,
    /// The Secret that the DestinationRule names for that, if only gateways are given it.
    pub(crate) credential: Option<Arc<str>>,
    /// By which PROXY protocol a DestinationRule has connections to it begin.
    pub(crate) begins: Option<ProxyProtocolVersion>,
}

/// A workload, or something outside of the mesh.
pub(crate) enum Who {
    Workload(Arc<Workload>),
    Foreign(String),
}

/// Ready endpoints of a backend, and what is to be known about them: why there are none, or which are preferred.
pub(crate) fn of_target<'a>(
    world: &'a World,
    client: Client<'a>,
    kind: ProcessKind,
    target: &'a Target,
) -> (Vec<Endpoint>, Option<String>) {
    let (Some(callee), None) = (&target.callee, target.missing) else { return (Vec::new(), None) };
    if let Some(waypoint) = callee.waypoint().filter(|waypoint| waypoint.takes(kind)) {
        return through(world, waypoint, callee, target);
    }
    let settings = backend_settings(&world.program, client, callee, &target.backend);
    let mut found = Found {
        world,
        backend: target.backend.to_string(),
        subset: settings.subset.clone(),
        tls: settings.tls.as_ref().map(|tls| tls.mode),
        credential: settings.tls.as_ref().and_then(|tls| tls.credential.clone()).filter(|_| !settings.is_chosen),
        begins: settings.proxy_protocol,
        service: match callee {
            Callee::Service(service) => Some(service.key.clone()),
            Callee::Entry(entry) => Some(ServiceKey::new(entry.object.0.clone(), &target.backend.host)),
            Callee::Workload(_) => None,
        },
        selector: match callee {
            Callee::Service(service) => service.selector.as_ref(),
            Callee::Entry(entry) => entry.selector.as_ref(),
            Callee::Workload(_) => None,
        },
        endpoints: Vec::new(),
        located: Vec::new(),
        unready: 0,
        elsewhere: 0,
        portless: 0,
        call: (kind, client.namespace, callee),
        withheld: 0,
    };
    let port = target.backend.port.unwrap_or_default();
    match callee {
        Callee::Service(service) => found.add_service(service, port),
        Callee::Entry(entry) => found.add_entry(entry, port, &target.backend.host),
        Callee::Workload(workload) => found.add_workload(workload, Some(port)),
    }
    let note = match &found.endpoints[..] {
        [] => Some(found.why_none()),
        endpoints => nearness::told(world, client, &settings, endpoints, &found.located),
    };
    (found.endpoints, note)
}

/// The ready instances of the waypoint that it goes through.
fn through(world: &World, waypoint: &Waypoint, callee: &Callee, target: &Target) -> (Vec<Endpoint>, Option<String>) {
    let program = &world.program;
    let ready = |one: &&Arc<Workload>| one.kind == ProcessKind::Waypoint && one.health == Health::Healthy;
    let endpoint = |one: &Arc<Workload>| Endpoint {
        who: Who::Workload(one.clone()),
        address: one.addresses.first().copied(),
        port: HBONE_PORT,
        backend: target.backend.to_string(),
        service: callee.key(),
        tls: None,
        credential: None,
        begins: None,
    };
    if waypoint.admission == Admission::Refused {
        let why = format!(
            "{} goes through the waypoint behind {}, which does not serve namespace {}",
            target.backend,
            waypoint.service,
            callee.namespace()
        );
        return (Vec::new(), Some(why));
    }
    let instances = waypoint.services().flat_map(|service| program.endpoints(service));
    let found: Vec<Endpoint> = instances.filter(ready).map(endpoint).collect();
    let why = found.is_empty().then(|| {
        format!(
            "{} goes through the waypoint behind {}, of which no instance is ready",
            target.backend, waypoint.service
        )
    });
    (found, why)
}

/// Endpoints as they are found.
struct Found<'a> {
    world: &'a World,
    backend: String,
    subset: Option<Arc<ripstop_model::Subset>>,
    tls: Option<ClientTlsMode>,
    credential: Option<Arc<str>>,
    begins: Option<ProxyProtocolVersion>,
    service: Option<ServiceKey>,
    /// Workloads behind it, in its namespace.
    selector: Option<&'a Selector>,
    endpoints: Vec<Endpoint>,
    /// Where each of them is, and its share.
    located: Vec<Candidate<'a>>,
    unready: u32,
    elsewhere: u32,
    portless: u32,
    /// What calls, its namespace, and what is called.
    call: (ProcessKind, &'a str, &'a Callee),
    /// At addresses of workloads that it does not lead to.
    withheld: u32,
}

// === impl Found ===

impl<'a> Found<'a> {
    fn add_service(&mut self, service: &'a Service, port: u16) {
        let world = self.world;
        let program = &world.program;
        for workload in program.endpoints(&service.key) {
            let unready = workload.health == Health::Unhealthy && !service.publish_not_ready;
            if self.takes(&of_workload(workload), unready) {
                let port = workload.target_port(&service.key, port);
                // Callers of a headless service call the endpoint's own address.
                let waypoint = workload.waypoint.as_ref().filter(|own| service.headless && own.takes(self.call.0));
                match (waypoint, port) {
                    (Some(waypoint), Some(port)) => self.add_behind(workload, waypoint, port),
                    (_, port) => self.add_workload(workload, port),
                }
            }
        }
        let declared = service.ports.iter().find(|declared| declared.port == port);
        for endpoint in service_entries(program, service) {
            if self.takes(&endpoint.into(), false) {
                self.add_declared(endpoint, declared.and_then(|declared| service_port(endpoint, declared)));
            }
        }
    }

    fn add_entry(&mut self, entry: &'a HostEntry, port: u16, host: &str) {
        let world = self.world;
        let program = &world.program;
        // What is declared without ports takes any.
        let any = EntryPort { port, name: "".into(), protocol: AppProtocol::Unknown, target: port };
        let declared = entry.ports.iter().find(|declared| declared.port == port).unwrap_or(&any);
        if let Resolution::Passthrough | Resolution::DynamicDns = entry.resolution {
            // The caller says where it is.
            return self.add(Who::Foreign(host.into()), None, port, NOWHERE);
        }
        for endpoint in static_endpoints(program, entry) {
            let unready = matches!(endpoint, EntryEndpoint::Workload(workload) if workload.health == Health::Unhealthy);
            if !self.takes(&endpoint.located(), unready) {
                continue;
            }
            match endpoint {
                EntryEndpoint::Declared(own) => {
                    let socket = matches!(own.address, EndpointAddress::Unix(_)).then_some(0);
                    self.add_declared(own, endpoint.port(declared).or(socket));
                }
                EntryEndpoint::Workload(own) => match program.workload(&own.uid) {
                    Some(workload) => self.add_workload(workload, endpoint.port(declared)),
                    None => self.unready += 1,
                },
                EntryEndpoint::Host(host) => self.add(Who::Foreign(host.to_string()), None, declared.target, NOWHERE),
            }
        }
    }

    /// Whether an endpoint counts, and if not, why.
    fn takes(&mut self, at: &Located<'_>, unready: bool) -> bool {
        let inside = self.subset.as_ref().is_none_or(|subset| subset.labels.matches(at.labels));
        self.elsewhere += u32::from(!inside);
        self.unready += u32::from(inside && unready);
        inside && !unready
    }

    fn add_workload(&mut self, workload: &'a Arc<Workload>, port: Option<u16>) {
        match port {
            Some(port) => {
                let at = Candidate { at: of_workload(workload), weight: 1, health: Health::Healthy };
                self.add(Who::Workload(workload.clone()), workload.addresses.first().copied(), port, at);
            }
            None => self.portless += 1,
        }
    }

    /// A workload whose own address is called through a waypoint.
    fn add_behind(&mut self, workload: &'a Arc<Workload>, waypoint: &Waypoint, port: u16) {
        let admitted = waypoint.admission == Admission::Admitted;
        let is_ready = |one: &&Arc<Workload>| one.kind == ProcessKind::Waypoint && one.health == Health::Healthy;
        let world = self.world;
        let mut instances = waypoint.services().flat_map(|service| world.program.endpoints(service));
        let Some(instance) = instances.find(is_ready).filter(|_| admitted) else {
            self.unready += 1;
            return;
        };
        let (who, address) = (Who::Workload(instance.clone()), instance.addresses.first().copied());
        self.add(who, address, HBONE_PORT, Candidate { at: of_workload(workload), weight: 1, health: workload.health });
        // It is called by its name, not by that of the service.
        if let Some(endpoint) = self.endpoints.last_mut() {
            (endpoint.backend, endpoint.service) = (format!("{}:{port}", workload.name), None);
        }
    }

    /// What is written down may be the address of a workload.
    fn add_declared(&mut self, endpoint: &'a StaticEndpoint, port: Option<u16>) {
        let Some(port) = port else {
            self.portless += 1;
            return;
        };
        let (who, address) = match &endpoint.address {
            EndpointAddress::Ip(address) => {
                let (kind, caller, callee) = self.call;
                let who = match self.world.program.workload_at(*address) {
                    Some(workload) if !may_lead(kind, caller, callee, workload) => return self.withheld += 1,
                    Some(workload) => Who::Workload(workload.clone()),
                    None => Who::Foreign(address.to_string()),
                };
                (who, Some(*address))
            }
            EndpointAddress::Name(name) => (Who::Foreign(name.to_string()), None),
            EndpointAddress::Unix(path) => (Who::Foreign(format!("unix://{path}")), None),
            EndpointAddress::Network => (Who::Foreign(format!("the gateway of network {}", endpoint.network)), None),
        };
        self.add(
            who,
            address,
            port,
            Candidate { at: endpoint.into(), weight: endpoint.weight, health: Health::Healthy },
        );
    }

    fn add(&mut self, who: Who, address: Option<IpAddr>, port: u16, at: Candidate<'a>) {
        let (backend, service) = (self.backend.clone(), self.service.clone());
        let (tls, credential, begins) = (self.tls, self.credential.clone(), self.begins);
        self.endpoints.push(Endpoint { who, address, port, backend, service, tls, credential, begins });
        self.located.push(at);
    }

    fn why_none(&self) -> String {
        let portless = match self.portless {
            0 => String::new(),
            portless => format!(", {portless} without that port"),
        };
        if self.withheld > 0 {
            return format!(
                "{} has no ready endpoint ({} of other namespaces, which a waypoint of another than its own does not lead to)",
                self.backend, self.withheld
            );
        }
        let (cut_off, release) = match self.cut_off() {
            0 => (String::new(), ""),
            cut_off => {
                (format!("{cut_off} in quarantine, "), "; `ripstop quarantine NAME --release` ends a quarantine")
            }
        };
        format!(
            "{} has no ready endpoint ({cut_off}{} not ready, {} outside of the subset{portless}){release}",
            self.backend, self.unready, self.elsewhere
        )
    }

    /// How many workloads would be its endpoints, if they were not in quarantine.
    fn cut_off(&self) -> usize {
        let Some(selector) = self.selector.filter(|selector| !selector.is_empty()) else { return 0 };
        let is_cut_off = |workload: &&Arc<Workload>| {
            workload.quarantine.is_some()
                && self.service.as_ref().is_some_and(|service| workload.namespace == service.namespace)
                && selector.matches(&workload.labels)
                && self.subset.as_ref().is_none_or(|subset| subset.labels.matches(&workload.labels))
        };
        self.world.program.workloads().filter(is_cut_off).count()
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// For people.
    pub(crate) fn name(&self) -> String {
        match &self.who {
            Who::Workload(workload) => format!("{}/{}", workload.namespace, workload.name),
            Who::Foreign(name) => name.clone(),
        }
    }
}

fn of_workload(workload: &Workload) -> Located<'_> {
    Located { locality: "", network: "", labels: &workload.labels }
}

/// Labels of what has none.
static NO_LABELS: Labels = Labels::new();

/// Of what is somewhere.
const NOWHERE: Candidate<'static> =
    Candidate { at: Located { locality: "", network: "", labels: &NO_LABELS }, weight: 1, health: Health::Healthy };
