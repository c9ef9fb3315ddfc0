//! Whom a caller sees, and by which name.

mod called;
mod door;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use ripstop_model::{
    AppProtocol, BackendRef, CallerScope, DataplaneMode, EgressScope, GatewayName, HostEntry, HostPattern,
    ImportedHost, Labels, OutboundPolicy, ProcessKind, RouteTable, Service, WeightedBackend, Workload,
};

pub use self::called::{CalledKey, Callee};
use super::{CallFacts, CallStep, MESH, MissingPart, Role, Target, Trace};
use crate::{
    backend,
    by_host::name_of,
    layer::in_namespace,
    program::Program,
    route::behind_waypoint,
    table::{Place, Table},
};

/// The mesh as one caller, waypoint or gateway sees it.
pub(crate) struct View<'a> {
    program: &'a Program,
    role: Role<'a>,
    source: Option<&'a Workload>,
    namespace: &'a str,
    scope: Option<&'a CallerScope>,
    /// What of the scope is for this call.
    listener: Option<&'a EgressScope>,
    port: u16,
    /// Namespace of what a waypoint stands in front of, once that is known.
    served: Option<Arc<str>>,
    /// Namespace whose routes a waypoint of another follows.
    foreign: Option<Arc<str>>,
}

/// What a call may name a host by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sayable {
    /// Nothing.
    Nothing,
    /// The server name of TLS.
    ServerName,
    /// A request, or TLS.
    Request,
}

/// What limits what a workload's own proxy knows: a scope that selects it, its namespace's, the mesh's.
pub fn caller_scope<'p>(program: &'p Program, workload: &Workload) -> Option<&'p CallerScope> {
    let scopes = &program.traffic().scopes;
    let oldest = |namespace: &Arc<str>, wanted: &dyn Fn(&CallerScope) -> bool| {
        in_namespace(scopes, namespace).filter(|scope| wanted(scope)).min_by_key(|scope| (scope.created, &scope.name))
    };
    let own = &workload.namespace;
    oldest(own, &|scope| !scope.selector.is_empty() && scope.selector.matches(&workload.labels))
        .or_else(|| oldest(own, &|scope| scope.selector.is_empty()))
        .or_else(|| oldest(&program.mesh().root_namespace, &|scope| scope.selector.is_empty()))
}

// === impl View ===

impl<'a> View<'a> {
    /// What the mesh is.
    pub(super) fn program(&self) -> &'a Program {
        self.program
    }

    pub(crate) fn of(program: &'a Program, facts: &CallFacts<'a>, trace: &mut Trace) -> Self {
        let scope = match (facts.role, facts.source) {
            (Role::Sidecar, Some(source)) => caller_scope(program, source),
            // Istio's ambient workloads have no such limits.
            (Role::Node, Some(source)) if source.enrolment.mode == DataplaneMode::Sidecar => {
                caller_scope(program, source)
            }
            _ => None,
        };
        if let Some(scope) = scope {
            trace.push(|| CallStep::Scope(scope.id.clone()));
        }
        let own = facts.source.map_or(&[][..], |source| &source.addresses[..]);
        let egress = scope.and_then(|scope| scope.egress.as_deref()).unwrap_or_default();
        let at_port =
            |listener: &&EgressScope| listener.port == Some(facts.port) && listener.is_for(facts.address, own);
        let listener = egress.iter().find(at_port).or_else(|| egress.iter().find(|listener| listener.port.is_none()));
        let namespace = match facts.role {
            Role::Gateway { namespace, .. } => namespace,
            _ => facts.source.map_or("", |source| &*source.namespace),
        };
        Self {
            program,
            role: facts.role,
            source: facts.source,
            namespace,
            scope,
            listener,
            port: facts.port,
            served: None,
            foreign: None,
        }
    }

    /// What is called is `callee`: a waypoint goes by the routes of its namespace, too.
    pub(crate) fn serve(&mut self, callee: &Callee) {
        if matches!(self.role, Role::Waypoint { .. }) {
            self.served = Some(callee.namespace().clone());
        }
    }

    /// The routes of `table` act. At a waypoint of another namespace they lead nowhere but to what their own declares, as
    /// whoever wrote them sees it: the waypoint calls in its own name, which is not theirs to use elsewhere.
    pub(crate) fn follow(&mut self, table: &RouteTable) {
        let foreign = matches!(self.role, Role::Waypoint { .. }) && *table.namespace != *self.namespace;
        self.foreign = foreign.then(|| table.namespace.clone());
    }

    /// The namespace that names are looked up in.
    fn looking(&self) -> &str {
        self.foreign.as_deref().unwrap_or(self.namespace)
    }

    pub(crate) fn place(&self, facts: &CallFacts<'a>) -> Place<'a> {
        let caller = self.source.map(|source| (&source.labels, &*source.namespace));
        let blind = matches!(self.role, Role::Waypoint { .. });
        Place { gateway: &MESH, caller: caller.filter(|_| !blind), blind, port: facts.port }
    }

    pub(crate) fn outbound(&self) -> OutboundPolicy {
        self.scope.and_then(|scope| scope.outbound).unwrap_or(self.program.traffic().defaults.outbound)
    }

    /// Through whom what is called goes, if nobody in the mesh has its address and it is passed on.
    pub(crate) fn egress_proxy(&self, address: Option<IpAddr>) -> Option<&'a BackendRef> {
        let proxy = self.scope.and_then(|scope| scope.egress_proxy.as_ref())?;
        let is_inside = address.is_some_and(|address| self.program.workload_at(address).is_some());
        (self.outbound() == OutboundPolicy::AllowAny && !is_inside).then_some(proxy)
    }

    /// Who has that name: the own namespace first, then services, then the oldest.
    pub(crate) fn named(&self, host: &str) -> Option<Callee> {
        let looking = self.looking();
        let services = self.program.services_named(host).filter(|service| service.visibility.includes(looking));
        let services = services.map(|service| Callee::Service(service.clone()));
        let entries = self.program.entries_of(host);
        let entries = entries.filter(|entry| entry.visibility.includes(looking));
        let entries = entries.map(|entry| Callee::Entry(entry.clone()));
        let is_own = |callee: &Callee| self.foreign.as_ref().is_none_or(|foreign| callee.namespace() == foreign);
        let mut found: Vec<Callee> = services
            .chain(entries)
            .filter(is_own)
            .filter(|callee| self.imports(callee.namespace(), &callee.pattern(), Importing::Within))
            .collect();
        found.sort_by_key(|callee| match callee {
            Callee::Service(_) | Callee::Workload(_) => (false, 0, 0),
            // A service keeps its name, whoever declares it besides.
            Callee::Entry(entry) => {
                let foreign = usize::from(*entry.object.0 != *looking);
                (true, foreign, entry.created)
            }
        });
        found.sort_by(|a, b| a.pattern().by_specificity(&b.pattern()));
        match found.first() {
            Some(Callee::Entry(first)) => Some(Callee::Entry(joined(first, &found))),
            Some(first) => Some(first.clone()),
            None => self.pod(host),
        }
    }

    /// Whom a request means at the caller's own proxy, by its authority; ports in it do not count. An address means whoever
    /// has it; of names, whole ones count first, then what a resolver in the caller's namespace would make of them (the
    /// domains of a virtual host of Istio's sidecars). With that comes the name that routes go by.
    pub(crate) fn meant(&self, authority: &str, facts: &CallFacts<'_>) -> (String, Option<Callee>) {
        let host = super::without_port(authority).trim_end_matches('.').to_ascii_lowercase();
        if let Ok(address) = host.parse() {
            let callee = self.addressed(&CallFacts { address: Some(address), ..*facts });
            let name = callee.as_ref().and_then(|callee| callee.host_for(None));
            return (name.map_or(host, |name| name.to_string()), callee);
        }
        if let Some(callee) = self.named(&host) {
            return (host, Some(callee));
        }
        let domain = &self.program.mesh().service_domain;
        let cluster = domain.strip_prefix("svc.").unwrap_or(domain);
        let whole = match host.matches('.').count() {
            0 => format!("{host}.{}.{domain}", self.namespace),
            1 => format!("{host}.{domain}"),
            2 if host.rsplit('.').next() == Some("svc") => format!("{host}.{cluster}"),
            _ => return (host, None),
        };
        match self.named(&whole) {
            Some(callee) => (whole, Some(callee)),
            // Routes may be written for a name that nobody has.
            None if !host.contains('.') => (whole, None),
            None => (host, None),
        }
    }

    /// Whom a request was sent to that names nobody, if calls to whatever is not known may go there.
    pub(crate) fn sent(&self, facts: &CallFacts<'_>) -> Option<Callee> {
        let open = self.outbound() == OutboundPolicy::AllowAny;
        let callee = open.then(|| self.addressed(facts)).flatten()?;
        callee.protocol(facts.port).is_some().then_some(callee)
    }

    /// A single endpoint of a headless service has a name below the service's.
    fn pod(&self, host: &str) -> Option<Callee> {
        let (_, service) = host.split_once('.')?;
        let mut services = self.program.services_named(service);
        let seen = |service: &&Arc<Service>| service.headless && service.visibility.includes(self.looking());
        let found = services
            .find(seen)
            .filter(|service| self.foreign.as_ref().is_none_or(|foreign| service.key.namespace == *foreign))?;
        let callee = Callee::Service(found.clone());
        self.imports(callee.namespace(), &callee.pattern(), Importing::Within).then_some(callee)
    }

    /// Who has that address, or takes its port.
    pub(crate) fn at(&self, facts: &CallFacts<'_>) -> Option<Callee> {
        facts.address?;
        let opaque = matches!(self.role, Role::Sidecar | Role::Node) && facts.request.is_none() && facts.sni.is_none();
        self.addressed(facts).or_else(|| opaque.then(|| self.taking(facts.port)).flatten())
    }

    /// Who has that address.
    pub(crate) fn addressed(&self, facts: &CallFacts<'_>) -> Option<Callee> {
        let (address, port) = (facts.address?, facts.port);
        if let Role::Waypoint { called: Some(called) } = facts.role {
            return Some(called.clone());
        }
        if let Some(service) = self.program.service_at(address) {
            let callee = HostPattern::Exact(service.key.hostname.clone());
            // Who sees it is decided before it comes to a waypoint.
            let visible = matches!(self.role, Role::Waypoint { .. })
                || service.visibility.includes(self.namespace)
                    && self.imports(&service.key.namespace, &callee, Importing::Within);
            return visible.then(|| Callee::Service(service.clone()));
        }
        if let Some(host) = self.host_at(address) {
            return self.named(&host);
        }
        let mut entries: Vec<_> = self
            .program
            .entries()
            .filter(|entry| entry.visibility.includes(self.namespace))
            .filter(|entry| entry.addresses.iter().any(|block| block.contains(&address)))
            .filter(|entry| entry.ports.is_empty() || entry.ports.iter().any(|declared| declared.port == port))
            .filter(|entry| self.imports(&entry.object.0, &entry.host, Importing::Within))
            .collect();
        entries.sort_by_cached_key(|entry| {
            let longest =
                entry.addresses.iter().filter(|block| block.contains(&address)).map(ipnet::IpNet::prefix_len).max();
            (std::cmp::Reverse(longest), by_age(entry))
        });
        entries.first().map(|entry| Callee::Entry((*entry).clone())).or_else(|| self.behind_waypoint(address))
    }

    /// The workload that has that address, if who calls it goes through a waypoint. Where workloads may call nothing but
    /// what is declared, they may not call addresses of others.
    fn behind_waypoint(&self, address: IpAddr) -> Option<Callee> {
        let kind = self.source.map_or(ProcessKind::Command, |source| source.kind);
        let own = self.source.map(|source| &source.uid);
        let decides =
            matches!(self.role, Role::Node | Role::Sidecar) && self.outbound() != OutboundPolicy::RegistryOnly;
        let (workload, _) = behind_waypoint(self.program, kind, own, address).filter(|_| decides)?;
        Some(Callee::Workload(workload.clone()))
    }

    /// The host that has that address of its own.
    fn host_at(&self, address: IpAddr) -> Option<Arc<str>> {
        let IpAddr::V4(address) = address.to_canonical() else { return None };
        if !HostEntry::may_be_own(address) {
            return None;
        }
        let entries = self.program.entries().filter(|entry| entry.own_address() == Some(address));
        entries.filter_map(|entry| entry.host.exact()).min().cloned()
    }

    /// Whom a call means that goes to an address that nobody has: the declared host without addresses that its request
    /// or its TLS names, if it has that port, and what is spoken there.
    pub(crate) fn said(&self, facts: &CallFacts<'_>) -> Option<(Arc<str>, Callee)> {
        if !matches!(self.role, Role::Node | Role::Sidecar) {
            return None;
        }
        let host = match (facts.request, facts.sni) {
            (Some(request), _) => super::without_port(request.authority),
            (None, name) => name?,
        };
        let host = host.to_ascii_lowercase();
        let callee = self.named(&host)?;
        let Callee::Entry(entry) = &callee else { return None };
        let speaks = callee.protocol(facts.port).is_some_and(|protocol| match protocol {
            AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc => facts.request.is_some(),
            AppProtocol::Tls => facts.request.is_none(),
            AppProtocol::Unknown => true,
            AppProtocol::Tcp => false,
        });
        (speaks && entry.addresses.is_empty()).then(|| (host.into(), callee))
    }

    /// What has to be read of a call to an address that nobody has: whether a request, or else TLS, may name one of the
    /// declared hosts that [`Self::said`] finds.
    pub(crate) fn sayable(&self, port: u16) -> Sayable {
        let entries = self.program.entries().filter(|entry| {
            entry.addresses.is_empty()
                && entry.visibility.includes(self.namespace)
                && self.imports(&entry.object.0, &entry.host, Importing::Within)
        });
        let mut sayable = Sayable::Nothing;
        for entry in entries {
            match Callee::Entry(entry.clone()).protocol(port) {
                None | Some(AppProtocol::Tcp) => {}
                Some(AppProtocol::Tls) => sayable = Sayable::ServerName,
                Some(_) => return Sayable::Request,
            }
        }
        sayable
    }

    /// TCP that is declared without addresses takes its port, whatever the address: the oldest does.
    pub(crate) fn taking(&self, port: u16) -> Option<Callee> {
        let takes = |entry: &&Arc<HostEntry>| {
            entry.addresses.is_empty()
                && entry.visibility.includes(self.namespace)
                && entry.ports.iter().any(|declared| declared.port == port && declared.protocol == AppProtocol::Tcp)
                && self.imports(&entry.object.0, &entry.host, Importing::Within)
        };
        let oldest = self.program.entries().filter(takes).min_by_key(|entry| by_age(entry));
        oldest.map(|entry| Callee::Entry(entry.clone()))
    }

    /// The routes of a host: of the most specific name, the nearest and then the oldest object.
    pub(crate) fn table(&self, host: &str, trace: &mut Trace) -> Option<&'a Table> {
        for names in self.program.tables_holding(host) {
            let tables = || self.program.tables_named(names).filter(|table| self.sees(&table.source));
            let acting = tables().min_by(|a, b| self.nearness(a).cmp(&self.nearness(b)));
            let Some(acting) = acting else { continue };
            trace.push(|| CallStep::Table(acting.source.id.clone()));
            if trace.is_wanted() {
                let mut shadowed: Vec<_> = tables().filter(|table| !std::ptr::eq(*table, acting)).collect();
                shadowed.sort_by(|a, b| self.nearness(a).cmp(&self.nearness(b)));
                for table in shadowed {
                    trace.push(|| CallStep::Shadowed(table.source.id.clone()));
                }
            }
            return Some(acting);
        }
        None
    }

    /// Of several tables for a host, the least acts.
    fn nearness<'t>(&self, table: &'t Table) -> (u8, u64, &'t str, &'t str) {
        let RouteTable { visibility, namespace, created, name, .. } = &*table.source;
        let nearness = match visibility {
            ripstop_model::Visibility::Everybody => 2,
            _ if **namespace == *self.namespace => 0,
            _ => 1,
        };
        (nearness, *created, name, namespace)
    }

    fn sees(&self, table: &RouteTable) -> bool {
        let imported = |host: &HostPattern| self.imports(&table.namespace, host, Importing::Overlapping);
        let seen = match self.role {
            // Routes of other namespaces are for their own callers, whom a waypoint does not know (istio.md 4.3.3).
            Role::Waypoint { .. } => {
                let own = [Some(self.namespace), self.served.as_deref()].contains(&Some(&*table.namespace));
                own && table.visibility.includes(self.namespace)
            }
            _ => table.visibility.includes(self.namespace),
        };
        seen && table.gateways.contains(&GatewayName::Mesh) && table.hosts.iter().any(imported)
    }

    /// Whether the caller's own proxy knows that host of that namespace.
    fn imports(&self, namespace: &str, host: &HostPattern, how: Importing) -> bool {
        if self.scope.is_none_or(|scope| scope.egress.is_none()) {
            return true;
        }
        self.listener.is_some_and(|listener| {
            lists(&listener.hosts, namespace, host, how)
                && !lists(&listener.without, namespace, host, Importing::Within)
                || how == Importing::Within && self.implied(listener, host)
        })
    }

    /// Destinations of routes that are imported are imported, too.
    fn implied(&self, listener: &EgressScope, host: &HostPattern) -> bool {
        let Some(host) = host.exact() else { return false };
        self.program.tables_to(host).any(|table| {
            let source = &table.source;
            source.visibility.includes(self.namespace)
                && source.gateways.contains(&GatewayName::Mesh)
                && source.hosts.iter().any(|own| lists(&listener.hosts, &source.namespace, own, Importing::Overlapping))
        })
    }

    /// Backends as far as they can be found.
    pub(crate) fn targets(
        &self,
        backends: &[WeightedBackend],
        facts: &CallFacts<'_>,
        called: Option<&Callee>,
    ) -> Vec<Target> {
        let several = backends.len() > 1;
        let counting = backends.iter().filter(|backend| !several || backend.weight > 0);
        counting.map(|weighted| self.target(weighted, facts, called)).collect()
    }

    fn target(&self, weighted: &WeightedBackend, facts: &CallFacts<'_>, called: Option<&Callee>) -> Target {
        let found = self.found(&weighted.backend, facts, called);
        Target { weight: weighted.weight, written: Some(weighted.clone()), ..found }
    }

    /// A backend that no weight is written for.
    pub(crate) fn found(&self, wanted: &BackendRef, facts: &CallFacts<'_>, called: Option<&Callee>) -> Target {
        let BackendRef { host, subset, port } = wanted;
        let callee = called.filter(|callee| callee.pattern().exact() == Some(host)).cloned();
        let callee = callee.or_else(|| self.named(host));
        let port = port.or_else(|| callee.as_ref().and_then(Callee::sole_port)).unwrap_or(facts.port);
        let backend = BackendRef { host: host.clone(), subset: subset.clone(), port: Some(port) };
        let missing = match &callee {
            None => Some(MissingPart::Host),
            Some(callee) if callee.protocol(port).is_none() => Some(MissingPart::Port),
            Some(callee) if subset.is_some() => {
                let settings = backend::settings(self.program, self.client(), callee, &backend);
                settings.subset.is_none().then_some(MissingPart::Subset)
            }
            Some(_) => None,
        };
        Target { backend, weight: 1, written: None, callee, missing }
    }

    /// Namespace and labels of whoever calls on behalf of this view.
    pub(crate) fn client(&self) -> backend::Client<'a> {
        let labels: Option<&'a Labels> = match self.role {
            Role::Gateway { labels, .. } => Some(labels),
            _ => self.source.map(|source| &source.labels),
        };
        backend::Client { namespace: self.namespace, labels }
    }
}

/// The oldest entry first; those of one object by their hosts.
pub(super) fn by_age(entry: &HostEntry) -> (u64, (Arc<str>, Arc<str>), String) {
    (entry.created, entry.object.clone(), entry.host.to_string())
}

/// An entry with the ports that others of the same host, namespace and nature add.
pub(super) fn joined(first: &Arc<HostEntry>, found: &[Callee]) -> Arc<HostEntry> {
    let alike = |other: &&Arc<HostEntry>| {
        (&other.host, &other.object.0, other.resolution, &other.selector)
            == (&first.host, &first.object.0, first.resolution, &first.selector)
    };
    let entries = found.iter().filter_map(|callee| match callee {
        Callee::Entry(entry) => Some(entry),
        Callee::Service(_) | Callee::Workload(_) => None,
    });
    let further = entries.filter(alike).flat_map(|other| &other.ports);
    let new: Vec<_> = further.filter(|port| !first.ports.iter().any(|own| own.port == port.port)).cloned().collect();
    if new.is_empty() {
        return first.clone();
    }
    let mut entry = HostEntry::clone(first);
    entry.ports.extend(new);
    Arc::new(entry)
}

/// How an import is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Importing {
    /// The host lies within what is imported.
    Within,
    /// One of the two contains the other.
    Overlapping,
}

fn lists(imported: &[ImportedHost], namespace: &str, host: &HostPattern, how: Importing) -> bool {
    imported.iter().any(|import| {
        import.namespace.as_ref().is_none_or(|wanted| **wanted == *namespace)
            && match how {
                Importing::Within => host.is_within(&import.host),
                Importing::Overlapping => host.overlaps(&import.host),
            }
    })
}

/// Hosts that routes lead to.
pub(crate) fn destinations(table: &RouteTable) -> BTreeSet<Arc<str>> {
    let http = table.http.iter().flat_map(|rule| match &rule.action {
        ripstop_model::HttpAction::Forward(backends) => &backends[..],
        _ => &[],
    });
    let others = table.tls.iter().chain(&table.tcp).flat_map(|rule| &rule.backends);
    let mirrors = table.http.iter().flat_map(|rule| &rule.mirrors).map(|mirror| &mirror.backend);
    http.chain(others).map(|weighted| &weighted.backend).chain(mirrors).map(|backend| backend.host.clone()).collect()
}

/// A host, and every wildcard that holds it, the most specific first.
pub(crate) fn patterns(host: &str) -> impl Iterator<Item = HostPattern> + '_ {
    let host = name_of(host);
    let dots = host.char_indices().filter(|(at, c)| *c == '.' && *at > 0).map(|(at, _)| at);
    let suffixes = dots.map(|at| HostPattern::Suffix(host[at..].into()));
    std::iter::once(HostPattern::new(host)).chain(suffixes).chain([HostPattern::Any])
}

#[cfg(test)]
mod tests;
