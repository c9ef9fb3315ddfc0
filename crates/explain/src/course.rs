//! What a question comes to, before it is told.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ripstop_decide::{
    self as decide, CallFacts, CallVerdict, Claims, Client, MissingPart, Outcome, PolicyTrace, RequestFacts, RuleList,
    Target, call, outcome, own_listeners,
};
use ripstop_model::{Abort, Fault, Labels, Quarantine, Share, TunnelProtocol, Workload, covers};

use crate::{
    answer::Verdict,
    attempt::{Attempt, Request},
    endpoints,
    endpoints::{Endpoint, Who},
    explain::Asked,
    judged::Judged,
    parties::full_name,
    place::Place,
    route, token,
    unknown::Unknown,
};

/// Where it goes.
pub(crate) struct Course {
    /// What the route says; nothing: the address of a workload is called.
    pub(crate) verdict: Option<CallVerdict>,
    /// What was called, if the mesh does not know it.
    pub(crate) unknown: Option<Unknown>,
    /// Why it may not leave the mesh, where it would.
    pub(crate) kept: Option<decide::Verdict>,
    /// Ready endpoints.
    pub(crate) found: Vec<Endpoint>,
    /// Whether a part of it gets to nobody.
    pub(crate) loses: bool,
    /// What is missing.
    pub(crate) notes: Vec<String>,
}

/// How much is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Everything that can be told.
    Whole,
    /// What the verdict depends on.
    Verdict,
}

/// What is said at an endpoint or gateway.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Allow,
    Deny,
    Ask,
    NotJudged,
    Lost,
}

// === impl Asked ===

impl Asked<'_> {
    /// Where it goes.
    pub(crate) fn course(&self, client: Client<'_>, detail: Detail) -> Course {
        match (self.direct(), &self.place) {
            // To the waypoint in front of it, of which none is ready, or which does not serve it.
            (Some(_), Place::Node | Place::Sidecar) if self.goes_through_waypoint() => self.routed(client, detail),
            (Some(workload), Place::Node | Place::Sidecar) if !self.calls_itself(workload) => {
                // Who may call only what is declared gets to no address of a workload.
                let routed = self.routed(client, detail);
                if routed.is_refused() { routed } else { self.to_workload(workload) }
            }
            (Some(workload), Place::Node | Place::Sidecar | Place::Waypoint(_)) => self.to_workload(workload),
            (None, Place::Node | Place::Sidecar) if self.stays_inside() => self.inside(),
            _ => self.routed(client, detail),
        }
    }

    fn calls_itself(&self, workload: &Workload) -> bool {
        self.caller.workload().is_some_and(|caller| caller.uid == workload.uid)
    }

    /// Whether it goes to the loopback of the caller's own network, where nothing is captured, and its proxy does not
    /// listen there itself.
    fn stays_inside(&self) -> bool {
        let Some(address) = self.destination.address.filter(IpAddr::is_loopback) else { return false };
        let called = SocketAddr::new(address, self.destination.port);
        let own = self.caller.workload().map(|caller| own_listeners(&self.world.program, caller)).unwrap_or_default();
        !own.iter().any(|listener| covers(listener.address, called))
    }

    fn inside(&self) -> Course {
        let verdict = CallVerdict { outcome: Outcome::Passthrough, callee: None, trace: Vec::new() };
        let unknown = Unknown::inside(&self.destination, &self.caller.told());
        let (verdict, unknown) = (Some(verdict), Some(unknown));
        Course { verdict, unknown, kept: None, found: Vec::new(), loses: false, notes: Vec::new() }
    }

    /// The workload whose address is called.
    pub(crate) fn direct(&self) -> Option<&Arc<Workload>> {
        self.destination.address.and_then(|address| self.world.program.workload_at(address))
    }

    /// Whether a workload's address is called, and its callers go through a waypoint.
    fn goes_through_waypoint(&self) -> bool {
        self.destination.through_waypoint(&self.world.program, &self.caller).is_some()
    }

    /// No service, no route.
    fn to_workload(&self, workload: &Arc<Workload>) -> Course {
        let endpoint = Endpoint {
            who: Who::Workload(workload.clone()),
            address: self.destination.address,
            port: self.destination.port,
            backend: format!("{}/{}", workload.namespace, workload.name),
            service: None,
            tls: None,
            credential: None,
            begins: None,
        };
        Course { verdict: None, unknown: None, kept: None, found: vec![endpoint], loses: false, notes: Vec::new() }
    }

    fn routed(&self, client: Client<'_>, detail: Detail) -> Course {
        let program = &self.world.program;
        let called = self.place.served(&self.destination, program, &self.caller);
        let verdict = self.with_facts(|facts| {
            let facts = CallFacts {
                role: self.place.role(called.as_ref(), self.destination.address),
                source: match &self.place {
                    Place::Waypoint(Some(proxy)) => Some(&*proxy.workload),
                    _ => self.caller.workload().map(|workload| &**workload),
                },
                host: self.destination.host.as_deref(),
                address: self.destination.address,
                port: self.destination.port,
                sni: Some(self.question.sni.as_str()).filter(|sni| !sni.is_empty()),
                request: facts,
            };
            // What a gateway says depends on the listener, which only the whole story names.
            if detail == Detail::Whole || matches!(self.place, Place::Gateway(_)) {
                call(program, &facts)
            } else {
                CallVerdict { outcome: outcome(program, &facts), callee: None, trace: Vec::new() }
            }
        });
        let unknown = match verdict.outcome {
            Outcome::Passthrough | Outcome::Refused => {
                let named = self.authority(client);
                let host = named.as_deref().or(self.destination.host.as_deref());
                Some(Unknown::of(self.world, &self.destination, host, client.namespace, detail))
            }
            _ => None,
        };
        let kept = match verdict.outcome {
            Outcome::Passthrough => self.departing(None, TunnelProtocol::None),
            _ => None,
        };
        let (mut found, mut notes, mut loses) = (Vec::new(), Vec::new(), false);
        if let Outcome::Forward { backends, .. } = &verdict.outcome {
            for target in backends {
                let (endpoints, why) = endpoints::of_target(self.world, client, self.place.kind(&self.caller), target);
                loses |= endpoints.is_empty() && (backends.len() == 1 || target.weight > 0);
                if let Some(namespace) = self.withheld(&verdict.outcome, target) {
                    notes.push(format!(
                        "{} is not of namespace {namespace}, whose routes lead to it, and the waypoint of another leads \
                         nobody there for them; such requests get 503",
                        target.backend
                    ));
                } else if let Some(part) = target.missing {
                    let missing = route::missing(Some(part));
                    notes.push(format!(
                        "{} does not exist: its {missing} is not known; such requests get 503",
                        target.backend
                    ));
                }
                notes.extend(why);
                found.extend(endpoints);
            }
        }
        Course { verdict: Some(verdict), unknown, kept, found, loses, notes }
    }

    /// The namespace of the routes that lead to `target`, if a waypoint of another does not follow them there.
    fn withheld<'o>(&self, outcome: &'o Outcome, target: &Target) -> Option<&'o Arc<str>> {
        let (Place::Waypoint(Some(proxy)), Outcome::Forward { rule: Some(rule), .. }) = (&self.place, outcome) else {
            return None;
        };
        let host = &target.backend.host;
        let program = &self.world.program;
        let is_known = || program.services_named(host).next().is_some() || program.entries_of(host).next().is_some();
        let namespace = &rule.table.namespace;
        let withheld = target.missing == Some(MissingPart::Host) && *namespace != proxy.workload.namespace;
        Some(namespace).filter(|_| withheld && is_known())
    }

    /// The whole name that the caller's own proxy goes by.
    fn authority(&self, client: Client<'_>) -> Option<String> {
        let request = self.request.as_ref().filter(|_| matches!(self.place, Place::Sidecar))?;
        Some(full_name(&self.world.program, &request.authority, client.namespace))
    }

    fn with_facts<T>(&self, decide: impl FnOnce(Option<&RequestFacts<'_>>) -> T) -> T {
        let Some(request) = &self.request else { return decide(None) };
        match (&request.claims, self.scheme()) {
            (None, None) => request.with_facts(|facts| decide(Some(facts))),
            (_, scheme) => {
                let scheme = scheme.map_or_else(|| request.scheme.clone(), Into::into);
                let request = Request { scheme, claims: self.routing_claims(), ..request.clone() };
                request.with_facts(|facts| decide(Some(facts)))
            }
        }
    }

    /// Claims that routes go by: those of a JWT that the gateway accepts. Nobody else looks at one before.
    fn routing_claims(&self) -> Option<Claims> {
        let Place::Gateway(proxy) = &self.place else { return None };
        let proxy = &proxy.workload;
        let claims = self.request.as_ref()?.claims.as_ref()?;
        token::checked(&self.world.program, &proxy.namespace, &proxy.labels, claims).accepted().cloned()
    }

    /// The verdict alone, endpoints that are alike being judged once; whether somebody serves it; and how
    /// many evaluations that took.
    pub(crate) fn verdict(&self) -> (Verdict, bool, usize) {
        let (namespace, labels) = (self.client_namespace(), self.client_labels());
        let client = Client { namespace: &namespace, labels: labels.as_ref() };
        let program = &self.world.program;
        let course = self.course(client, Detail::Verdict);
        let mut cost = 1;
        let gateway = self.at_gateway(&course).map(|attempt| {
            cost += 1;
            Word::of(attempt.word_at_gateway(program))
        });
        let mut words = Vec::new();
        for endpoint in alike(&course.found) {
            cost += 1;
            words.push(match self.judged(endpoint) {
                Judged::Nobody(_) => Word::Allow,
                Judged::Blind(_) => Word::NotJudged,
                Judged::Lost(_) => Word::Lost,
                Judged::Kept(..) => Word::Deny,
                Judged::Attempt(attempt, _) => Word::of(attempt.word(program)),
            });
        }
        let served = words.iter().any(|word| *word != Word::Lost);
        (course.conclude(gateway, &words), served, cost)
    }

    /// The policies that are looked at anywhere, and what of the question is seen there.
    pub(crate) fn traces(&self) -> Vec<(Attempt, Vec<PolicyTrace>)> {
        let (namespace, labels) = (self.client_namespace(), self.client_labels());
        let client = Client { namespace: &namespace, labels: labels.as_ref() };
        let course = self.course(client, Detail::Verdict);
        let program = &self.world.program;
        let mut traces = Vec::new();
        if let Some(attempt) = self.at_gateway(&course) {
            let (_, policies) = attempt.examine_at_gateway(program);
            traces.push((attempt, policies));
        }
        for endpoint in alike(&course.found) {
            if let Judged::Attempt(attempt, _) = self.judged(endpoint) {
                let (_, policies) = attempt.examine(program);
                traces.push((*attempt, policies));
            }
        }
        traces
    }
}

/// One endpoint of all those about which policies cannot differ but by their address.
fn alike(endpoints: &[Endpoint]) -> Vec<&Endpoint> {
    type Cut<'a> = Option<&'a Arc<Quarantine>>;
    type Class<'a> = (&'a str, u16, Option<(&'a str, &'a Labels, &'a str, TunnelProtocol, Cut<'a>)>);
    let mut seen: Vec<Class<'_>> = Vec::new();
    let mut chosen = Vec::new();
    for endpoint in endpoints {
        let who = match &endpoint.who {
            Who::Workload(workload) => {
                let Workload { namespace, labels, service_account, tunnel, quarantine, .. } = &**workload;
                Some((&**namespace, labels, &**service_account, *tunnel, quarantine.as_ref()))
            }
            Who::Foreign(_) => None,
        };
        let class = (&*endpoint.backend, endpoint.port, who);
        if !seen.contains(&class) {
            seen.push(class);
            chosen.push(endpoint);
        }
    }
    chosen
}

// === impl Course ===

impl Course {
    /// Whether the caller's own proxy refuses it, since nobody declares it.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(&self.verdict, Some(CallVerdict { outcome: Outcome::Refused, .. }))
    }

    /// The faults of the rule that acts.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        let rule = route::acting(&self.verdict.as_ref()?.outcome).filter(|rule| rule.list == RuleList::Http)?;
        rule.table.http.get(rule.index).map(|rule| &rule.fault)
    }

    /// How every request is answered by a fault, if it is.
    pub(crate) fn abort(&self) -> Option<&Abort> {
        let (abort, share) = self.fault()?.abort.as_ref()?;
        is_whole(*share).then_some(abort)
    }

    /// The verdict, from those of the gateway and the endpoints.
    pub(crate) fn conclude(&self, gateway: Option<Word>, words: &[Word]) -> Verdict {
        if gateway == Some(Word::Deny) {
            return Verdict::Denied;
        }
        if self.abort().is_some() {
            return Verdict::Answered;
        }
        match self.verdict.as_ref().map(|verdict| &verdict.outcome) {
            Some(Outcome::Redirect { .. } | Outcome::Respond { .. }) => return Verdict::Answered,
            Some(Outcome::NoRule { .. } | Outcome::Refused | Outcome::Reset) => return Verdict::NotRouted,
            Some(Outcome::Passthrough) if self.kept.is_some() => return Verdict::Denied,
            Some(Outcome::Passthrough) => {
                let leaves = self.unknown.as_ref().is_none_or(|unknown| unknown.leaves);
                return if leaves { Verdict::Allowed } else { Verdict::NotRouted };
            }
            Some(Outcome::Forward { .. }) | None => {}
        }
        let said = |word: Word| words.iter().filter(|said| **said == word).count();
        let lost = said(Word::Lost);
        if lost == words.len() {
            return Verdict::NotRouted;
        }
        let asks = said(Word::Ask) > 0 || gateway == Some(Word::Ask);
        match (said(Word::Deny), said(Word::NotJudged), self.loses || lost > 0) {
            (denied, ..) if denied == words.len() => Verdict::Denied,
            (0, 0, false) if asks => Verdict::Asks,
            (0, 0, false) => Verdict::Allowed,
            (0, _, false) => Verdict::NotJudged,
            _ => Verdict::Mixed,
        }
    }
}

pub(crate) fn is_whole(share: Share) -> bool {
    share.millionths() >= 1_000_000
}

// === impl Word ===

impl Word {
    /// The word of an authorization: `allow`, `deny` or `ask`.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "deny" => Self::Deny,
            "ask" => Self::Ask,
            _ => Self::Allow,
        }
    }
}
