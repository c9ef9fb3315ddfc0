//! The endpoints of a backend, from what the snapshot says.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
};

use ripstop_balance::{Endpoint, hash_of};
use ripstop_decide::{
    Callee, Candidate, EffectiveBackend, Endpoint as RoutedEndpoint, EntryEndpoint, Located, OutboundFacts, Preference,
    Program, Route, locality_policy, may_lead, preferences, reach, route, route_past_waypoints, service_entries,
    service_port, static_endpoints, through, zone_callers,
};
use ripstop_model::{
    Admission, AppProtocol, EndpointAddress, EntryPort, Health, HostEntry, Labels, Resolution, Service, ServiceKey,
    StaticEndpoint, Waypoint, Workload,
};

use super::{endpoint::EndpointKey, key::BackendKey};

/// Where names lead, as far as DNS has answered.
pub(super) type Addresses = HashMap<Arc<str>, Vec<IpAddr>>;

/// What endpoints are looked up by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// What the mesh is.
    pub(super) program: &'a Program,
    /// Who calls.
    pub(super) caller: &'a Workload,
    /// Which backend.
    pub(super) key: &'a BackendKey,
    /// What was found under its host.
    pub(super) callee: &'a Callee,
    /// How it is called.
    pub(super) effective: &'a EffectiveBackend,
    /// Where names lead.
    pub(super) addresses: &'a Addresses,
    /// Addresses that callers went to by themselves.
    pub(super) originals: &'a [SocketAddr],
}

/// All endpoints of a backend.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Those that there are.
    pub(super) endpoints: Vec<Endpoint<EndpointKey>>,
    /// Names that DNS has to be asked for.
    pub(super) names: Vec<Arc<str>>,
}

/// One that may be called.
#[derive(Debug)]
struct Member {
    key: EndpointKey,
    weight: u32,
    health: Health,
}

/// Looks for members.
struct Search<'a> {
    question: Question<'a>,
    members: Vec<Member>,
    names: Vec<Arc<str>>,
}

/// All endpoints of the backend that is asked for, with priorities and weights as the caller's place makes them.
pub(super) fn endpoints(question: Question<'_>) -> Found {
    let mut search = Search { question, members: Vec::new(), names: Vec::new() };
    match question.callee {
        Callee::Service(service) => search.service(service),
        Callee::Entry(entry) => search.entry(entry),
        Callee::Workload(workload) => search.called(workload),
    }
    let Search { members, names, .. } = search;
    let candidates: Vec<Candidate<'_>> = members.iter().map(Member::candidate).collect();
    let client = Located { locality: "", network: "", labels: &question.caller.labels };
    let policy = locality_policy(question.program, question.effective);
    let (program, caller) = (question.program, question.caller);
    let callers = zone_callers(program, policy, &caller.namespace, &caller.labels);
    let found = preferences(&client, &callers, &candidates, policy, question.effective.failures());
    let weights = weights(&found);
    let ranked = members.iter().zip(found).zip(weights);
    let endpoints = ranked.filter_map(|((member, preference), weight)| {
        Some(
            Endpoint::new(member.key.clone())
                .weighing(weight?)
                .with_priority(preference.priority)
                .with_health(member.health)
                .hashed_by(member.key.address().to_string()),
        )
    });
    Found { endpoints: endpoints.collect(), names }
}

/// Weights in 32 bits, in the same proportions as far as those bits allow; nothing: never called.
fn weights(found: &[Preference]) -> Vec<Option<NonZeroU32>> {
    let heaviest = found.iter().map(|preference| preference.weight).max().unwrap_or(0);
    let scale = heaviest.div_ceil(u64::from(u32::MAX)).max(1);
    let weight = |preference: &Preference| {
        let scaled = u32::try_from((preference.weight / scale).max(1)).unwrap_or(u32::MAX);
        NonZeroU32::new(scaled).filter(|_| preference.weight > 0)
    };
    found.iter().map(weight).collect()
}

// === impl Search ===

impl Search<'_> {
    fn service(&mut self, service: &Service) {
        let Question { program, caller, key, .. } = self.question;
        let Some(port) = service.ports.iter().find(|port| port.port == key.port) else { return };
        if let Some(waypoint) = service.waypoint.as_ref().filter(|waypoint| waypoint.takes(caller.kind)) {
            return self.waypoint(waypoint, service.addresses.first().copied());
        }
        // One endpoint of a headless service has a name of its own below the service's.
        let single = key.host.strip_suffix(&*service.key.hostname).and_then(|own| own.strip_suffix('.'));
        for workload in program.endpoints(&service.key) {
            if single.is_some_and(|name| *workload.name != *name) {
                continue;
            }
            let Some(target) = workload.target_port(&service.key, key.port) else { continue };
            let counts = workload.health == Health::Healthy || service.publish_not_ready;
            let health = if counts { Health::Healthy } else { Health::Unhealthy };
            self.workload(workload, target, &service.subject_alt_names, health);
        }
        if single.is_none() {
            for written in service_entries(program, service) {
                let EndpointAddress::Ip(ip) = written.address else { continue };
                let Some(target) = service_port(written, port) else { continue };
                self.address(SocketAddr::new(ip, target), Some(written));
            }
        }
    }

    fn entry(&mut self, entry: &HostEntry) {
        let Question { program, caller, key, .. } = self.question;
        // What is declared without ports takes any.
        let any = EntryPort { port: key.port, name: Arc::default(), protocol: AppProtocol::Unknown, target: key.port };
        let declared = entry.ports.iter().find(|port| port.port == key.port);
        let Some(port) = declared.or_else(|| entry.ports.is_empty().then_some(&any)) else { return };
        if let Some(waypoint) = entry.waypoint.as_ref().filter(|waypoint| waypoint.takes(caller.kind)) {
            return self.waypoint(waypoint, entry.address());
        }
        match entry.resolution {
            Resolution::Passthrough => {
                for original in self.question.originals {
                    self.original(*original);
                }
            }
            Resolution::DynamicDns => self.name(&key.host, port.target, None, Resolution::DynamicDns),
            Resolution::Static | Resolution::Dns | Resolution::DnsRoundRobin => {
                for endpoint in static_endpoints(program, entry) {
                    self.entry_endpoint(entry, endpoint, port);
                }
            }
        }
    }

    fn entry_endpoint(&mut self, entry: &HostEntry, endpoint: EntryEndpoint<'_>, port: &EntryPort) {
        let Some(target) = endpoint.port(port) else {
            // Sockets of files belong to the proxy's machine, not to whoever wrote the entry.
            tracing::warn!(host = %entry.host, object = %entry.id, "endpoints that are Unix sockets are not called");
            return;
        };
        match endpoint {
            EntryEndpoint::Declared(written) => match &written.address {
                EndpointAddress::Ip(ip) => self.address(SocketAddr::new(*ip, target), Some(written)),
                EndpointAddress::Name(name) => self.name(name, target, Some(written), entry.resolution),
                EndpointAddress::Unix(_) | EndpointAddress::Network => {}
            },
            EntryEndpoint::Workload(workload) => {
                let Some(workload) = self.question.program.workload(&workload.uid) else { return };
                self.workload(workload, target, &entry.subject_alt_names, workload.health);
            }
            EntryEndpoint::Host(host) => self.name(host, target, None, entry.resolution),
        }
    }

    /// The instances of a waypoint and its canary, which are told of the callee's `address`. Subsets are for the waypoint to
    /// tell apart.
    fn waypoint(&mut self, waypoint: &Waypoint, address: Option<IpAddr>) {
        let Question { program, key, .. } = self.question;
        let Some(address) = address.filter(|_| waypoint.admission == Admission::Admitted) else { return };
        let destination = SocketAddr::new(address, key.port);
        let instances = |service: &ServiceKey| -> Vec<_> {
            let endpoints = program.endpoints(service);
            endpoints.filter_map(|workload| Some((through(workload, destination)?, workload.health))).collect()
        };
        let own = instances(&waypoint.service);
        let canary = waypoint.canary.as_ref().map(|canary| (instances(&canary.service), u32::from(canary.percent)));
        let (others, percent) = canary.unwrap_or_default();
        // Their shares hold however many of each are ready. A canary without any leaves its share to the other; nobody gets to
        // it in place of that.
        let ready = |members: &[(RoutedEndpoint, Health)]| {
            let count = members.iter().filter(|(_, health)| *health == Health::Healthy).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let (of_own, of_others) = match (ready(&own), ready(&others)) {
            (_, 0) | (0, _) => (1, 0),
            (own, others) => ((100 - percent.min(100)).saturating_mul(others), percent.saturating_mul(own)),
        };
        for (members, weight) in [(own, of_own), (others, of_others)] {
            let members = members.into_iter().map(|(endpoint, health)| (EndpointKey::workload_at(endpoint), health));
            self.members.extend(members.map(|(key, health)| Member { key, weight, health }));
        }
    }

    /// A workload, at the address of its own that was called.
    fn called(&mut self, workload: &Arc<Workload>) {
        let Question { program, caller, key, .. } = self.question;
        let Some(ip) = key.host.parse().ok().filter(|ip| workload.addresses.contains(ip)) else { return };
        if let Some(waypoint) = workload.waypoint.as_ref().filter(|waypoint| waypoint.takes(caller.kind)) {
            return self.waypoint(waypoint, Some(ip));
        }
        let Some(endpoint) = reach(program, caller, workload, SocketAddr::new(ip, key.port), &[]) else { return };
        // Whoever calls it by its address wants nobody else.
        self.members.push(Member { key: EndpointKey::workload_at(endpoint), weight: 1, health: Health::Healthy });
    }

    /// A workload, at its first address.
    fn workload(&mut self, workload: &Arc<Workload>, port: u16, names: &[Arc<str>], health: Health) {
        let Question { program, caller, .. } = self.question;
        if !self.is_in_subset(&workload.labels) {
            return;
        }
        let Some(ip) = workload.addresses.first() else { return };
        let Some(endpoint) = reach(program, caller, workload, SocketAddr::new(*ip, port), names) else { return };
        let weight = workload.group.as_ref().map_or(1, |group| group.weight);
        self.members.push(Member { key: EndpointKey::workload_at(endpoint), weight, health });
    }

    /// What a caller went to by itself: through a waypoint, if callers of a workload go through one.
    fn original(&mut self, address: SocketAddr) {
        // What is the caller's own was a listener of its proxy, which would call itself.
        let ip = address.ip().to_canonical();
        let is_own = ip.is_loopback() || self.question.caller.addresses.contains(&ip);
        if is_own || !self.is_in_subset(&Labels::new()) {
            return;
        }
        let facts = OutboundFacts { source: self.question.caller, destination: address, pick: 0 };
        self.routed(address, route(self.question.program, &facts).route, None);
    }

    /// What is at that address: if it is the mesh's, it is called as such. Whoever called a host is not led through waypoints of
    /// its endpoints, as in Istio.
    fn address(&mut self, address: SocketAddr, written: Option<&StaticEndpoint>) {
        let labels = written.map(|written| &written.labels);
        if !labels.map_or_else(|| self.is_in_subset(&Labels::new()), |labels| self.is_in_subset(labels)) {
            return;
        }
        let Question { program, caller, .. } = self.question;
        let facts = OutboundFacts { source: caller, destination: address, pick: 0 };
        self.routed(address, route_past_waypoints(program, &facts), written);
    }

    /// What is found by that route.
    fn routed(&mut self, address: SocketAddr, found: Route, written: Option<&StaticEndpoint>) {
        let key = match found {
            Route::Passthrough { destination } => EndpointKey::outside(destination, written),
            Route::Workload { endpoint } | Route::Service { endpoint, .. } if self.is_foreign(&endpoint.workload) => {
                tracing::debug!(%address, backend = %self.question.key, "an endpoint is of another namespace");
                return;
            }
            Route::Workload { endpoint } | Route::Service { endpoint, .. } => EndpointKey::workload_at(endpoint),
            refused => {
                tracing::debug!(%address, backend = %self.question.key, %refused, "an endpoint can't be called");
                return;
            }
        };
        let weight = written.map_or(1, |written| written.weight.max(1));
        self.members.push(Member { key, weight, health: Health::Healthy });
    }

    /// Whether a workload that was found by its address is not for the callee to lead to.
    fn is_foreign(&self, workload: &Workload) -> bool {
        let Question { caller, callee, .. } = self.question;
        !may_lead(caller.kind, &caller.namespace, callee, workload)
    }

    /// Whatever the name leads to.
    fn name(&mut self, name: &Arc<str>, port: u16, written: Option<&StaticEndpoint>, resolution: Resolution) {
        if let Ok(ip) = name.parse() {
            return self.address(SocketAddr::new(ip, port), written);
        }
        if !self.names.contains(name) {
            self.names.push(name.clone());
        }
        let Some(addresses) = self.question.addresses.get(name).filter(|addresses| !addresses.is_empty()) else {
            return;
        };
        if resolution == Resolution::DnsRoundRobin {
            // One at a time: each caller keeps to its own, as long as the answer is the same.
            let turn = hash_of(self.question.caller.uid.as_str().as_bytes()) % addresses.len() as u64;
            let ip = addresses[usize::try_from(turn).unwrap_or(0)];
            return self.address(SocketAddr::new(ip, port), written);
        }
        for ip in addresses {
            self.address(SocketAddr::new(*ip, port), written);
        }
    }

    fn is_in_subset(&self, labels: &Labels) -> bool {
        match (&self.question.key.subset, &self.question.effective.subset) {
            (None, _) => true,
            (Some(_), Some(subset)) => subset.labels.matches(labels),
            // Nobody is in a subset that is not defined.
            (Some(_), None) => false,
        }
    }
}

// === impl Member ===

impl Member {
    fn candidate(&self) -> Candidate<'_> {
        let at = Located { locality: self.key.locality(), network: self.key.network(), labels: self.key.labels() };
        Candidate { at, weight: self.weight, health: self.health }
    }
}

#[cfg(test)]
mod tests;
