//! Where a call goes: requests and connections, at callers, waypoints and gateways.

use std::{net::IpAddr, sync::Arc};

use ripstop_model::{
    AppProtocol, BackendRef, GatewayName, GlobalRateLimit, HttpAction, Labels, OutboundPolicy, ProcessKind, RouteTable,
    RuleId, WeightedBackend, Workload,
};

use self::{trace::Trace, undeclared::by_name};
use crate::{
    facts::RequestFacts,
    program::Program,
    table::{Place, connection_matches},
};

mod callee;
mod credentials;
mod encoded;
mod gateway;
mod listening;
mod reading;
mod rewrite;
mod step;
mod trace;
mod undeclared;
mod waypoint;

pub use callee::{CalledKey, Callee, caller_scope};
pub(crate) use callee::{destinations, patterns};
pub(crate) use credentials::with_credentials;
pub use credentials::{
    CredentialPart, authority_names, certificate_names, client_certificate_names, gives_nodes_credentials,
    needed_by_nodes, needed_by_workload, needed_credentials, server_authority_names,
};
pub(crate) use encoded::{Encoded, goes_by_name, looked_for};
pub use listening::{Arrival, Listening, Reached, Speaks, listening, listening_at, terminates};
pub use reading::{Reading, reading};
pub use rewrite::{location, rewritten};
pub use step::CallStep;
pub(crate) use undeclared::is_undeclared;
pub(crate) use waypoint::stands_at;
pub use waypoint::{
    called_as, counts_for, may_lead, reading_at_waypoint, served, served_by, stands_before, through_waypoint,
};

/// What is called, by whom and where that is decided.
#[derive(Clone, Copy, Debug)]
pub struct CallFacts<'a> {
    /// Where it is decided.
    pub role: Role<'a>,
    /// The workload that calls; nothing: somebody outside, or not known.
    pub source: Option<&'a Workload>,
    /// Whole host name that was called, lower case; nothing: an address.
    pub host: Option<&'a str>,
    /// Address that was called, as far as known.
    pub address: Option<IpAddr>,
    /// Port that was called.
    pub port: u16,
    /// Server name, if it is TLS.
    pub sni: Option<&'a str>,
    /// The request; nothing: an opaque connection.
    pub request: Option<&'a RequestFacts<'a>>,
}

/// Where a call is decided.
#[derive(Clone, Copy, Debug)]
pub enum Role<'a> {
    /// In the proxy of the caller's node: the address that was called names the service.
    Node,
    /// In the caller's own proxy, or the one of its node that stands in for it: the authority of the request names the
    /// service, as a workload of the caller's namespace would call it.
    Sidecar,
    /// In a waypoint, the source: it calls in its own name, and its routes know no callers.
    Waypoint {
        /// What is called, which the tunnel is for; nothing: the address that was called names it.
        called: Option<&'a Callee>,
    },
    /// In a gateway.
    Gateway {
        /// Its labels.
        labels: &'a Labels,
        /// Its namespace.
        namespace: &'a str,
        /// Its own address that was called; nothing: one of the host's, or it is not known.
        address: Option<IpAddr>,
    },
}

/// Where a call goes, and why.
#[derive(Clone, Debug)]
pub struct CallVerdict {
    /// Where it goes.
    pub outcome: Outcome,
    /// What was called, if the mesh knows it.
    pub callee: Option<Callee>,
    /// What led there.
    pub trace: Vec<CallStep>,
}

/// Where a call goes.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// To one of these, by weight.
    Forward {
        /// The rule that says so; nothing: the service itself.
        rule: Option<ActingRule>,
        /// Backends with their shares.
        backends: Vec<Target>,
    },
    /// The caller is sent elsewhere.
    Redirect {
        /// The rule that says so; nothing: the listener of a gateway.
        rule: Option<ActingRule>,
        /// Status.
        status: u16,
        /// `Location`.
        location: String,
    },
    /// It is answered at once.
    Respond {
        /// The rule that says so.
        rule: ActingRule,
        /// Status.
        status: u16,
        /// Body.
        body: Arc<[u8]>,
    },
    /// Rules apply, and none matches: 404.
    NoRule {
        /// Whose rules; nothing: the gateway knows no such host.
        table: Option<RuleId>,
    },
    /// Unknown to the mesh: as it is.
    Passthrough,
    /// Unknown to the mesh, which refuses such calls.
    Refused,
    /// The connection is reset: the gateway has no such server name or port.
    Reset,
}

/// The rule that acts, in its table.
#[derive(Clone, Debug)]
pub struct ActingRule {
    /// The table.
    pub table: Arc<RouteTable>,
    /// Which list it is in.
    pub list: RuleList,
    /// Its place there.
    pub index: usize,
    /// Place of the alternative that matched, if it has any.
    pub alternative: Option<usize>,
}

/// A list of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleList {
    /// For requests.
    Http,
    /// For TLS connections.
    Tls,
    /// For TCP connections.
    Tcp,
}

/// A backend with its share, as far as it could be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The backend, its port resolved.
    pub backend: BackendRef,
    /// Weight.
    pub weight: u32,
    /// The backend as the rule has it; nothing: no rule.
    pub written: Option<WeightedBackend>,
    /// What was found.
    pub callee: Option<Callee>,
    /// What is missing; nothing: it can be called.
    pub missing: Option<MissingPart>,
}

/// What is missing of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingPart {
    /// Nobody whom the caller sees has that name.
    Host,
    /// It has no such port, or several of which none is named.
    Port,
    /// It has no such subset.
    Subset,
}

/// Where a call goes, and why.
pub fn call(program: &Program, facts: &CallFacts<'_>) -> CallVerdict {
    told(program, facts, Story::Whole)
}

/// Where a call goes: [`call`] without looking at what does not matter for that.
pub fn outcome(program: &Program, facts: &CallFacts<'_>) -> Outcome {
    told(program, facts, Story::Short).outcome
}

/// A backend that gets copies of a call's requests as `table` says, as far as it can be found.
pub fn shadow(program: &Program, facts: &CallFacts<'_>, table: &RouteTable, backend: &BackendRef) -> Target {
    let mut view = callee::View::of(program, facts, &mut Trace::none());
    view.follow(table);
    view.found(backend, facts, None)
}

/// The service that is asked about a limit, as far as it can be found, as `own` sees it, in whose name it is called.
pub fn limit_service(program: &Program, own: &Workload, limit: &GlobalRateLimit) -> Target {
    let facts = CallFacts {
        role: Role::Node,
        source: Some(own),
        host: None,
        address: None,
        port: limit.port,
        sni: None,
        request: None,
    };
    let backend = BackendRef { host: limit.host.clone(), subset: None, port: Some(limit.port) };
    callee::View::of(program, &facts, &mut Trace::none()).found(&backend, &facts, None)
}

/// How much is told of rules that do not match.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Story {
    /// Why each of them does not.
    Whole,
    /// Nothing.
    Short,
}

fn told(program: &Program, facts: &CallFacts<'_>, story: Story) -> CallVerdict {
    match facts.role {
        Role::Gateway { labels, namespace, address } => {
            gateway::call(program, facts, labels, namespace, address, story)
        }
        _ => mesh(program, facts, story),
    }
}

fn mesh(program: &Program, facts: &CallFacts<'_>, story: Story) -> CallVerdict {
    let mut trace = Trace::new(story);
    let mut view = callee::View::of(program, facts, &mut trace);
    let shifted;
    let (facts, named) = match (view.door(), facts.role, facts.request) {
        (Some(door), ..) => {
            let Some((name, callee, port)) = view.behind(door, facts) else {
                trace.push(|| CallStep::Unknown(asked(facts)));
                return CallVerdict { outcome: unheard(&view, facts), callee: None, trace: trace.into_steps() };
            };
            shifted = CallFacts { address: None, port, ..*facts };
            (&shifted, Some((name, Some(callee))))
        }
        (None, Role::Sidecar, Some(request)) => (facts, Some(view.meant(request.authority, facts))),
        _ => (facts, None),
    };
    let host = named.as_ref().map(|(name, _)| &**name).or(facts.host);
    let mut said = None;
    let callee = match (facts.role, host) {
        (Role::Waypoint { called: Some(called) }, _) => Some(called.clone()),
        (_, Some(_)) if named.is_some() => named.as_ref().and_then(|(_, callee)| callee.clone()),
        (_, Some(host)) => view.named(host).or_else(|| view.at(facts)),
        (_, None) => view.at(facts).or_else(|| {
            let (name, callee) = view.said(facts)?;
            said = Some(name);
            Some(callee)
        }),
    };
    let host = host.or(said.as_deref());
    let name = match &callee {
        // No rule knows it, not even by its address.
        Some(Callee::Workload(workload)) => own_name(workload, facts.address),
        Some(callee) => callee.host_for(host),
        None => None,
    };
    let name = name.or_else(|| host.map(Arc::from));
    trace.push(|| match &callee {
        Some(callee) => CallStep::Called(callee.to_string()),
        None => CallStep::Unknown(
            host.map_or_else(|| facts.address.map(|ip| ip.to_string()).unwrap_or_default(), str::to_owned),
        ),
    });
    let protocol = callee.as_ref().and_then(|callee| callee.protocol(facts.port));
    if let (Some(callee), None) = (&callee, protocol) {
        // A port that it does not have is nobody's.
        trace.push(|| CallStep::Unknown(format!("{callee}:{}", facts.port)));
        let (outcome, callee) = strange(&view, facts, named.is_some());
        return CallVerdict { outcome, callee, trace: trace.into_steps() };
    }
    if let Some(callee) = &callee {
        if let Some(waypoint) = callee.waypoint().filter(|waypoint| waypoint.takes(facts.kind())) {
            trace.push(|| CallStep::Waypoint(waypoint.service.clone()));
            let outcome = Outcome::Forward { rule: None, backends: vec![itself(callee, name.as_ref(), facts.port)] };
            return CallVerdict { outcome, callee: Some(callee.clone()), trace: trace.into_steps() };
        }
        view.serve(callee);
    }
    let known = callee.is_some();
    // Rules for hosts that nobody has act on the shared port of HTTP alone.
    let has_rules = !matches!(callee, Some(Callee::Workload(_)));
    let table = name
        .as_deref()
        .filter(|_| has_rules && (known || facts.port == 80 && facts.request.is_some()))
        .and_then(|name| view.table(name, &mut trace));
    let place = view.place(facts);
    if let Some(table) = table {
        view.follow(&table.source);
    }
    let outcome = table.and_then(|table| {
        let acting = |list, index, alternative| ActingRule { table: table.source.clone(), list, index, alternative };
        match kind(protocol, facts) {
            RuleList::Http if !table.source.http.is_empty() => {
                let request = facts.request?;
                if trace.is_wanted() {
                    trace_http(table, request, place, &mut trace);
                }
                let Some((index, matched)) = table.http(request, place) else {
                    return Some(Outcome::NoRule { table: Some(table.source.id.clone()) });
                };
                let rule = &table.source.http[index];
                let alternative =
                    matched.and_then(|matched| rule.matches.iter().position(|each| each.path == matched.path));
                Some(act(&view, facts, acting(RuleList::Http, index, alternative), table, callee.as_ref()))
            }
            list @ (RuleList::Tls | RuleList::Tcp) => {
                let rules = if list == RuleList::Tls { &table.source.tls } else { &table.source.tcp };
                let (index, alternative) = rules.iter().enumerate().find_map(|(index, rule)| {
                    if rule.matches.is_empty() {
                        return Some((index, None));
                    }
                    let hit = rule
                        .matches
                        .iter()
                        .position(|wanted| connection_matches(wanted, facts.sni, facts.address, place))?;
                    Some((index, Some(hit)))
                })?;
                trace.push(|| CallStep::Match(rules[index].id.clone()));
                let backends = view.targets(&rules[index].backends, facts, callee.as_ref());
                Some(Outcome::Forward { rule: Some(acting(list, index, alternative)), backends })
            }
            RuleList::Http => None,
        }
    });
    let (outcome, callee) = match (outcome, callee) {
        (Some(outcome), callee) => (outcome, callee),
        (None, Some(callee)) => {
            let backends = vec![itself(&callee, name.as_ref(), facts.port)];
            (Outcome::Forward { rule: None, backends }, Some(callee))
        }
        (None, None) => strange(&view, facts, named.is_some()),
    };
    CallVerdict { outcome, callee, trace: trace.into_steps() }
}

/// A workload as a backend: by its address, of several the one that was called.
fn own_name(workload: &Workload, called: Option<IpAddr>) -> Option<Arc<str>> {
    let address = called.map(|address| address.to_canonical()).filter(|address| workload.addresses.contains(address));
    address.or_else(|| workload.addresses.first().copied()).map(|address| address.to_string().into())
}

/// What becomes of a call of whatever is not known. A request that names it goes where it was sent, without routes.
fn strange(view: &callee::View<'_>, facts: &CallFacts<'_>, is_named: bool) -> (Outcome, Option<Callee>) {
    match is_named.then(|| view.sent(facts)).flatten() {
        Some(callee) => {
            let backends = vec![itself(&callee, callee.host_for(None).as_ref(), facts.port)];
            (Outcome::Forward { rule: None, backends }, Some(callee))
        }
        None => (unknown(view, facts), None),
    }
}

/// What becomes of a call that came to a listener at an address of its own and names nobody whom that knows. There is no
/// other place that it was sent to.
fn unheard(view: &callee::View<'_>, facts: &CallFacts<'_>) -> Outcome {
    match (unknown(view, facts), facts.request) {
        (forward @ Outcome::Forward { .. }, _) => forward,
        (_, Some(_)) => Outcome::NoRule { table: None },
        (_, None) => Outcome::Refused,
    }
}

/// What a call names.
fn asked(facts: &CallFacts<'_>) -> String {
    let named = facts.request.map(|request| request.authority).or(facts.sni);
    named.map_or_else(|| facts.address.map(|ip| ip.to_string()).unwrap_or_default(), str::to_owned)
}

/// What was called, as a backend.
fn itself(callee: &Callee, name: Option<&Arc<str>>, port: u16) -> Target {
    let backend = BackendRef { host: name.cloned().unwrap_or_else(|| "".into()), subset: None, port: Some(port) };
    Target { backend, weight: 1, written: None, callee: Some(callee.clone()), missing: None }
}

fn unknown(view: &callee::View<'_>, facts: &CallFacts<'_>) -> Outcome {
    if let Some(proxy) = view.egress_proxy(facts.address) {
        return Outcome::Forward { rule: None, backends: vec![view.found(proxy, facts, None)] };
    }
    match view.outbound() {
        OutboundPolicy::AllowAny => Outcome::Passthrough,
        OutboundPolicy::RegistryOnly => Outcome::Refused,
        OutboundPolicy::AllowAnyDynamicDns => {
            // A waypoint leads nobody anywhere but to what it stands in front of.
            let request = facts.request.filter(|_| !matches!(facts.role, Role::Waypoint { .. }));
            let is_secured = view.program().traffic().defaults.outbound_tls.is_some();
            let named = request.and_then(|request| by_name(request.authority, facts.port, is_secured));
            let to_name = |target| Outcome::Forward { rule: None, backends: vec![target] };
            named.map_or(Outcome::Passthrough, to_name)
        }
    }
}

/// Which rules count: those of the port's protocol; where none is declared, of what is spoken.
fn kind(protocol: Option<AppProtocol>, facts: &CallFacts<'_>) -> RuleList {
    match protocol {
        Some(AppProtocol::Tls) => RuleList::Tls,
        Some(AppProtocol::Tcp) => RuleList::Tcp,
        _ if facts.request.is_some() => RuleList::Http,
        _ if facts.sni.is_some() => RuleList::Tls,
        _ => RuleList::Tcp,
    }
}

/// Does what a rule for requests says.
fn act(
    view: &callee::View<'_>,
    facts: &CallFacts<'_>,
    acting: ActingRule,
    table: &crate::table::Table,
    callee: Option<&Callee>,
) -> Outcome {
    let rule = &table.source.http[acting.index];
    match &rule.action {
        HttpAction::Redirect(redirect) => {
            let matched = acting.alternative.and_then(|index| rule.matches.get(index));
            let location = facts.request.map(|request| location(redirect, matched, request, facts.port));
            Outcome::Redirect { status: redirect.status, location: location.unwrap_or_default(), rule: Some(acting) }
        }
        HttpAction::Respond { status, body } => Outcome::Respond { status: *status, body: body.clone(), rule: acting },
        HttpAction::Forward(backends) => {
            let backends = view.targets(backends, facts, callee);
            Outcome::Forward { rule: Some(acting), backends }
        }
    }
}

fn trace_http(table: &crate::table::Table, request: &RequestFacts<'_>, place: Place<'_>, trace: &mut Trace) {
    for (rule, because) in table.http_trace(request, place) {
        let id = table.source.http[rule].id.clone();
        if because.is_empty() {
            trace.push(|| CallStep::Match(id));
            return;
        }
        trace.push(|| CallStep::NoMatch { rule: id, because });
    }
}

/// An authority without its port.
pub fn without_port(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

// === impl Role ===

impl Role<'_> {
    /// Where calls of `source` are decided that its own proxy takes, or that of its node: by its label, so that whoever
    /// serves it decides alike.
    pub fn of_caller(source: &Workload) -> Self {
        if source.has_sidecar() { Self::Sidecar } else { Self::Node }
    }
}

// === impl CallFacts ===

impl CallFacts<'_> {
    /// What calls, as far as waypoints go.
    pub fn kind(&self) -> ProcessKind {
        match self.role {
            Role::Node | Role::Sidecar => self.source.map_or(ProcessKind::Command, |source| source.kind),
            Role::Waypoint { .. } => ProcessKind::Waypoint,
            Role::Gateway { .. } => ProcessKind::Gateway,
        }
    }
}

// === impl ActingRule ===

impl ActingRule {
    /// The rule's id.
    pub fn id(&self) -> &RuleId {
        match self.list {
            RuleList::Http => &self.table.http[self.index].id,
            RuleList::Tls => &self.table.tls[self.index].id,
            RuleList::Tcp => &self.table.tcp[self.index].id,
        }
    }
}

/// The place of a gateway or of the mesh.
pub(crate) const MESH: GatewayName = GatewayName::Mesh;
