//! Whether an inbound connection or request may reach a workload.

mod outset;
mod verdict;

use std::{net::SocketAddr, sync::Arc};

use ripstop_model::{Action, AppProtocol, Authorization, AuthorizerProtocol, MeshConfig, MtlsMode, RuleId, Workload};

pub use self::{
    outset::{refused_at_waypoint, turned_away},
    verdict::{DenyReason, Verdict},
};
use crate::{
    Content, InboundFacts, MtlsVerdict, PROXY_PORTS, Truth,
    binding::{Binding, applicable},
    concurrency_at_workload, connection_settings,
    delivery::{comes_back, inbound_pool},
    limits_at_workload,
    matcher::Matcher,
    peer_authentication,
    program::{Policy, Program, Rule},
    quarantine,
};

/// What is decided, and what else is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may come in, as far as the mesh itself decides.
    pub verdict: Verdict,
    /// Whose word is needed besides, before anything is let in.
    pub ask: Option<Ask>,
    /// Rules of action AUDIT that match.
    pub audit: Vec<RuleId>,
    /// What policies on trial would have said; nothing: there are none.
    pub dry_run: Option<DryRun>,
}

/// An external authorizer that is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Name of the provider.
    pub provider: Arc<str>,
    /// The rule that says so.
    pub rule: RuleId,
}

/// What policies on trial would have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRun {
    /// Whether they would have let it in.
    pub allowed: bool,
    /// The rule that says so; nothing: none matched.
    pub rule: Option<RuleId>,
    /// The policy that says so: of several of which no rule matched, the oldest.
    pub policy: RuleId,
}

/// Follows an evaluation.
pub(crate) trait Observer {
    /// Whether everything is evaluated, also what no longer matters for the verdict.
    const EVERYTHING: bool;

    /// A policy that applies is evaluated next.
    fn policy(&mut self, _policy: &Policy) {}
    /// One of its rules is evaluated next.
    fn rule(&mut self, _index: usize) {}
    /// A condition was evaluated.
    fn condition(&mut self, _matcher: &Matcher, _truth: Truth) {}
    /// The rule that was evaluated matches or does not.
    fn rule_done(&mut self, _matches: bool) {}
}

/// Follows nothing.
pub(crate) struct Silent;

impl Observer for Silent {
    const EVERYTHING: bool = false;
}

/// Whether something may come in: mutual TLS as `PeerAuthentication` says, the caller of one of the
/// mesh's trust domains, then `AuthorizationPolicy` as Istio combines it: CUSTOM, DENY, ALLOW.
///
/// What cannot be known (the identity behind plaintext, a request on an opaque connection) never
/// satisfies an ALLOW and never dodges a DENY.
pub fn authorize(program: &Program, facts: &InboundFacts<'_>) -> Decision {
    observed(program, facts, &mut Silent)
}

/// The same at a gateway, which terminates TLS as its listeners say: `PeerAuthentication` has no say there. Who has proven an
/// identity of a trust domain that is no longer trusted is refused there, too.
pub fn authorize_at_gateway(program: &Program, facts: &InboundFacts<'_>) -> Decision {
    observed_at_gateway(program, facts, &mut Silent)
}

/// The same at a waypoint, which is called: policies that are attached to what it stands in front of, to itself, or to the
/// class of waypoints. Its port of tunnels takes nothing but mutual TLS, of callers that the mesh trusts.
pub fn authorize_at_waypoint(program: &Program, facts: &InboundFacts<'_>) -> Decision {
    observed_at_waypoint(program, facts, &mut Silent)
}

/// Whether policies that [`authorize_at_waypoint`] goes by look at requests or ask somebody about them.
pub fn looks_at_requests_at_waypoint(program: &Program, facts: &InboundFacts<'_>) -> bool {
    applicable(program, facts, Binding::Attached).any(Policy::looks_at_requests)
}

/// Whether what comes to that port has to be read as HTTP, since a policy that may apply looks at requests, asks somebody
/// about them or limits their number, or the workload's own listener does, or, where a service declares HTTP, the settings
/// of its own proxy are about them. What all services of the port declare as TCP or TLS is never read.
pub fn reads_requests(program: &Program, destination: &Workload, port: u16) -> bool {
    let facts = InboundFacts::connection(destination, port, None, None);
    let limits = || {
        !limits_at_workload(program, destination, port, None, None).is_empty()
            || concurrency_at_workload(program, destination, port).is_some()
            || inbound_pool(program, destination, port).is_some_and(|found| found.pool.limits_requests())
    };
    let settings = || {
        destination.has_sidecar()
            && connection_settings(program, destination).asks_of_requests()
            && is_declared_http(program, destination, port)
    };
    (applicable(program, &facts, Binding::Selected).any(Policy::looks_at_requests) || limits() || settings())
        && !is_opaque(program, &facts)
}

pub(crate) fn observed<O: Observer>(program: &Program, facts: &InboundFacts<'_>, observer: &mut O) -> Decision {
    unless(transport(program, facts), program, facts, Binding::Selected, observer)
}

pub(crate) fn observed_at_gateway<O: Observer>(
    program: &Program,
    facts: &InboundFacts<'_>,
    observer: &mut O,
) -> Decision {
    unless(turned_away(program, facts), program, facts, Binding::Selected, observer)
}

pub(crate) fn observed_at_waypoint<O: Observer>(
    program: &Program,
    facts: &InboundFacts<'_>,
    observer: &mut O,
) -> Decision {
    unless(turned_away(program, facts), program, facts, Binding::Attached, observer)
}

/// What policies say, unless it is refused before.
fn unless<O: Observer>(
    refused: Option<Verdict>,
    program: &Program,
    facts: &InboundFacts<'_>,
    binding: Binding,
    observer: &mut O,
) -> Decision {
    match refused {
        Some(refused) => {
            if O::EVERYTHING {
                policies(program, facts, binding, observer);
            }
            Decision::of(refused)
        }
        None => policies(program, facts, binding, observer),
    }
}

/// What is said of the connection whatever it carries: mutual TLS, the trust domain, the proxy's own ports, quarantine.
/// Nothing: there is no objection.
pub fn transport(program: &Program, facts: &InboundFacts<'_>) -> Option<Verdict> {
    let port = facts.port;
    let deny = |reason, policy| Some(Verdict::Deny { reason, policy });
    let comes_back = |address| comes_back(program, facts.destination, SocketAddr::new(address, port));
    if PROXY_PORTS.contains(&port) || facts.address.is_some_and(comes_back) {
        return deny(DenyReason::ProxyPort { port }, None);
    }
    if let Some(refused) = foreign(program, facts) {
        return Some(refused);
    }
    if let Some(denied) = quarantine::arrival(program, facts) {
        return Some(denied);
    }
    let MtlsVerdict { mode, policy, .. } = peer_authentication(program, facts.destination, port);
    match (mode, facts.peer) {
        (MtlsMode::Strict, None) => deny(DenyReason::Plaintext { port }, policy),
        (MtlsMode::Disable, Some(_)) => deny(DenyReason::Tunnel { port }, policy),
        (MtlsMode::Strict, Some(_)) | (MtlsMode::Disable, None) | (MtlsMode::Permissive, _) => None,
    }
}

/// Whether the caller is of another trust domain.
fn foreign(program: &Program, facts: &InboundFacts<'_>) -> Option<Verdict> {
    let mesh = program.mesh();
    let peer = facts.peer.filter(|peer| !mesh.trusts(peer.domain()))?;
    let reason = DenyReason::TrustDomain { peer: peer.clone(), expected: mesh.trust_domain.clone() };
    Some(Verdict::Deny { reason, policy: None })
}

/// What policies say.
pub(crate) fn policies<O: Observer>(
    program: &Program,
    facts: &InboundFacts<'_>,
    binding: Binding,
    observer: &mut O,
) -> Decision {
    let mut decision = Decision::of(Verdict::Allow { rule: None });
    let mut denied: Option<Verdict> = None;
    let mut allowed: Option<RuleId> = None;
    let mut allows = 0;
    let mut oldest: Option<&Authorization> = None;
    let mut trial = Trial::default();
    // One workload has one authorizer; where policies name several, nobody knows whom to believe.
    let (mut authorizer, mut several, mut custom, mut unasked) = (None, false, None, None);
    for policy in applicable(program, facts, binding) {
        observer.policy(policy);
        let source = &policy.source;
        let settled = match (&source.action, source.dry_run) {
            (Action::Allow, false) => allowed.is_some(),
            (Action::Deny, false) => denied.is_some(),
            _ => false,
        };
        let rule = if settled && !O::EVERYTHING { None } else { first_match(program, policy, facts, observer) };
        match (&source.action, source.dry_run) {
            (Action::Allow, false) => {
                allows += 1;
                if oldest.is_none_or(|oldest| source.created < oldest.created) {
                    oldest = Some(source);
                }
                allowed = allowed.or(rule);
            }
            (Action::Deny, false) => {
                let deny = |rule| Verdict::Deny { reason: DenyReason::Rule, policy: Some(rule) };
                denied = denied.or(rule.map(deny));
            }
            (Action::Audit, _) => decision.audit.extend(rule),
            (Action::Custom(named), _) => {
                several |= *authorizer.get_or_insert(&named.name) != &named.name;
                let Some(rule) = rule else { continue };
                let ask = Ask { provider: named.name.clone(), rule };
                custom.get_or_insert_with(|| ask.clone());
                match named.protocol {
                    None => drop(unasked.get_or_insert(ask)),
                    // It has nothing to say about opaque connections.
                    Some(AuthorizerProtocol::Http) if is_opaque(program, facts) => {}
                    Some(AuthorizerProtocol::Http | AuthorizerProtocol::Grpc) => drop(decision.ask.get_or_insert(ask)),
                }
            }
            (Action::Allow, true) => trial.allow(source, rule),
            (Action::Deny, true) => trial.deny(source, rule),
        }
    }
    if several {
        (unasked, decision.ask) = (custom, None);
    }
    decision.dry_run = trial.outcome();
    decision.verdict = match (unasked, denied, oldest) {
        (Some(unasked), ..) => unasked.unanswered(),
        (None, Some(denied), _) => denied,
        (None, None, Some(oldest)) if allowed.is_none() => {
            let reason = DenyReason::NotAllowed { policy: oldest.id.clone(), count: allows };
            Verdict::Deny { reason, policy: None }
        }
        (None, None, _) => Verdict::Allow { rule: allowed },
    };
    decision
}

/// What the services that have a port of a workload say that it speaks; nothing: one of them does not have it any more.
fn declared<'p>(
    program: &'p Program,
    destination: &'p Workload,
    port: u16,
) -> impl Iterator<Item = Option<AppProtocol>> + use<'p> {
    destination.services.iter().flat_map(move |(key, ports)| {
        let service = program.service(key);
        let here = ports.iter().filter(move |mapping| mapping.target_port == port);
        here.map(move |mapping| {
            let port = service?.ports.iter().find(|port| port.port == mapping.service_port)?;
            Some(port.protocol)
        })
    })
}

/// Whether a service says that the port speaks HTTP.
fn is_declared_http(program: &Program, destination: &Workload, port: u16) -> bool {
    let is_http = |protocol| matches!(protocol, Some(AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc));
    declared(program, destination, port).any(is_http)
}

/// Whether this is known to be no HTTP: it was looked at, or all services that have the port say so.
fn is_opaque(program: &Program, facts: &InboundFacts<'_>) -> bool {
    match facts.content {
        Content::Request(_) => false,
        Content::Opaque => true,
        Content::Unread => {
            let mut declared = declared(program, facts.destination, facts.port);
            let is_opaque = |protocol| matches!(protocol, Some(AppProtocol::Tcp | AppProtocol::Tls));
            declared.next().is_some_and(is_opaque) && declared.all(is_opaque)
        }
    }
}

/// The first rule that matches.
fn first_match<O: Observer>(
    program: &Program,
    policy: &Policy,
    facts: &InboundFacts<'_>,
    observer: &mut O,
) -> Option<RuleId> {
    let mut first = None;
    for (index, rule) in policy.rules.iter().enumerate() {
        observer.rule(index);
        let matches = matches(program.mesh(), policy, rule, facts, observer);
        observer.rule_done(matches);
        if matches && first.is_none() {
            first = Some(rule.id.clone());
            if !O::EVERYTHING {
                break;
            }
        }
    }
    first
}

fn matches<O: Observer>(
    mesh: &MeshConfig,
    policy: &Policy,
    rule: &Rule,
    facts: &InboundFacts<'_>,
    observer: &mut O,
) -> bool {
    let widens = policy.widens();
    // An ALLOW that looks at requests anywhere says nothing about opaque connections.
    let lacks = || rule.matchers().any(|matcher| facts.lacks(&matcher.attribute));
    let out = !widens && rule.uses_http && lacks();
    if out && !O::EVERYTHING {
        return false;
    }
    let mut matches = !out;
    for alternatives in [&rule.from, &rule.to] {
        if !matches && !O::EVERYTHING {
            return false;
        }
        matches &= any(mesh, alternatives, facts, widens, observer);
    }
    if !matches && !O::EVERYTHING {
        return false;
    }
    matches & all(mesh, &rule.when, facts, widens, observer)
}

fn any<O: Observer>(
    mesh: &MeshConfig,
    alternatives: &[Vec<Matcher>],
    facts: &InboundFacts<'_>,
    widens: bool,
    observer: &mut O,
) -> bool {
    let mut holds = alternatives.is_empty();
    for conditions in alternatives {
        holds |= all(mesh, conditions, facts, widens, observer);
        if holds && !O::EVERYTHING {
            break;
        }
    }
    holds
}

fn all<O: Observer>(
    mesh: &MeshConfig,
    conditions: &[Matcher],
    facts: &InboundFacts<'_>,
    widens: bool,
    observer: &mut O,
) -> bool {
    let mut holds = true;
    for matcher in conditions {
        let truth = matcher.truth(facts, mesh);
        observer.condition(matcher, truth);
        holds &= truth == Truth::Holds || widens && truth == Truth::Missing;
        if !holds && !O::EVERYTHING {
            break;
        }
    }
    holds
}

/// Policies on trial.
#[derive(Default)]
struct Trial<'p> {
    denies: Tried<'p>,
    allows: Tried<'p>,
}

/// Those of one action.
#[derive(Default)]
struct Tried<'p> {
    /// The first rule that matches, and its policy.
    matched: Option<(RuleId, &'p Authorization)>,
    oldest: Option<&'p Authorization>,
}

// === impl Trial ===

impl<'p> Trial<'p> {
    fn allow(&mut self, policy: &'p Authorization, rule: Option<RuleId>) {
        self.allows.note(policy, rule);
    }

    fn deny(&mut self, policy: &'p Authorization, rule: Option<RuleId>) {
        self.denies.note(policy, rule);
    }

    fn outcome(self) -> Option<DryRun> {
        let Self { denies, allows } = self;
        let said = |allowed, (rule, policy): (RuleId, &Authorization)| DryRun {
            allowed,
            rule: Some(rule),
            policy: policy.id.clone(),
        };
        let none = |allowed, policy: &Authorization| DryRun { allowed, rule: None, policy: policy.id.clone() };
        match (denies.matched, allows.matched) {
            (Some(matched), _) => Some(said(false, matched)),
            (None, Some(matched)) => Some(said(true, matched)),
            (None, None) => match (allows.oldest, denies.oldest) {
                (Some(oldest), _) => Some(none(false, oldest)),
                (None, Some(oldest)) => Some(none(true, oldest)),
                (None, None) => None,
            },
        }
    }
}

// === impl Tried ===

impl<'p> Tried<'p> {
    fn note(&mut self, policy: &'p Authorization, rule: Option<RuleId>) {
        if self.oldest.is_none_or(|oldest| policy.created < oldest.created) {
            self.oldest = Some(policy);
        }
        self.matched = self.matched.take().or_else(|| rule.map(|rule| (rule, policy)));
    }
}

// === impl Decision ===

impl Decision {
    /// That verdict, and nothing besides.
    pub fn of(verdict: Verdict) -> Self {
        Self { verdict, ask: None, audit: Vec::new(), dry_run: None }
    }

    /// The verdict where no external authorizer can be asked: what needs one is denied.
    pub fn without_authorizer(self) -> Verdict {
        match (self.verdict, self.ask) {
            (Verdict::Allow { .. }, Some(ask)) => ask.unanswered(),
            (verdict, _) => verdict,
        }
    }
}

// === impl Ask ===

impl Ask {
    fn unanswered(self) -> Verdict {
        Verdict::Deny { reason: DenyReason::Authorizer { provider: self.provider }, policy: Some(self.rule) }
    }
}

#[cfg(test)]
mod tests;
