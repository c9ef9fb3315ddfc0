//! What a question comes to, before it is told.

use std::{net::IpAddr, sync::Arc};

use ripstop_decide::{
    self as decide, CallFacts, CallStep, CallVerdict, Callee, Claims, Client, MissingPart, Outcome, PolicyTrace,
    RequestFacts, RuleList, Target, call, departure, outcome, peer_authentication, topology,
};
use ripstop_model::{
    Abort, Fault, Labels, MtlsMode, ProcessKind, Quarantine, Server, ServerTlsMode, Share, TunnelProtocol, Workload,
};

use crate::{
    answer::Verdict,
    attempt::{Attempt, Gate, Request},
    endpoints,
    endpoints::{Endpoint, Who},
    explain::Asked,
    parties::{Caller, full_name},
    place::{GatewayProxy, Place},
    route, token,
    transport::{Carrier, Content, Ruled, preamble, transport, upstream},
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

/// What is known at an endpoint.
pub(crate) enum Judged {
    /// Nobody decides there.
    Nobody(String),
    /// It cannot be known what is decided.
    Blind(String),
    /// Nothing gets there.
    Lost(String),
    /// Whoever sends it may not, which is known before it gets there.
    Kept(decide::Verdict, String),
    /// It is decided about that, which comes in that way.
    Attempt(Box<Attempt>, String),
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
            (Some(workload), Place::Node | Place::Sidecar | Place::Waypoint(_)) => self.to_workload(workload),
            _ => self.routed(client, detail),
        }
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
        let program = &self.world.program;
        match (&request.claims, self.scheme()) {
            (None, None) => request.with_facts(program, |facts| decide(Some(facts))),
            (_, scheme) => {
                let scheme = scheme.map_or_else(|| request.scheme.clone(), Into::into);
                let request = Request { scheme, claims: self.routing_claims(), ..request.clone() };
                request.with_facts(program, |facts| decide(Some(facts)))
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

    fn carrier(&self) -> Carrier {
        match self.place {
            Place::Node | Place::Gateway(_) | Place::Waypoint(_) => Carrier::Own,
            // Ours is a node's proxy for one workload; others are Istio's.
            Place::Sidecar if self.caller.workload().is_some_and(|caller| caller.has_sidecar()) => Carrier::Own,
            Place::Sidecar => Carrier::Sidecar,
        }
    }

    /// What is decided about at an endpoint.
    pub(crate) fn judged(&self, endpoint: &Endpoint) -> Judged {
        if let (Some(credential), Some(tls)) = (&endpoint.credential, endpoint.tls.and_then(upstream))
            && !matches!(self.place, Place::Gateway(_))
        {
            return Judged::Lost(format!(
                "{tls} by a DestinationRule, which names a Secret for it ({credential}) and has no workloadSelector: only gateways get those, calls of others to it fail"
            ));
        }
        let Who::Workload(workload) = &endpoint.who else {
            if let Some(verdict) = self.departing(None, TunnelProtocol::None) {
                return Judged::Kept(verdict, "outside of the mesh".into());
            }
            let tls = endpoint.tls.and_then(upstream).map(|tls| format!("{tls} by a DestinationRule, "));
            let begins = endpoint.begins.map(|version| format!(", begun by {}", preamble(version)));
            return Judged::Nobody(format!(
                "{}outside of the mesh: nobody authorizes there{}",
                tls.unwrap_or_default(),
                begins.unwrap_or_default()
            ));
        };
        if workload.kind == ProcessKind::Waypoint {
            let whom = endpoint.service.as_ref().map_or(&*endpoint.backend, |service| &*service.hostname);
            let told = format!(
                "HBONE to the waypoint of {whom}, which decides about it anew: ask for that with --via waypoint --to {}",
                endpoint.backend
            );
            return match self.departing(Some(workload), TunnelProtocol::Hbone) {
                Some(verdict) => Judged::Kept(verdict, told),
                None => Judged::Nobody(told),
            };
        }
        let plaintext = self.question.plaintext && self.place.proxy().is_none();
        let reached = |caller: &Caller| {
            let ruled = Ruled { tls: endpoint.tls, begins: endpoint.begins };
            transport(self.world, caller, workload, endpoint.port, plaintext, self.carrier(), ruled)
        };
        if workload.tunnel != TunnelProtocol::Hbone {
            let told = reached(&self.caller).told;
            return match self.departing(Some(workload), TunnelProtocol::None) {
                Some(verdict) => Judged::Kept(verdict, told),
                None => Judged::Nobody(told),
            };
        }
        let attempt = |peer, source, remote| Attempt {
            destination: workload.clone(),
            address: endpoint.address,
            port: endpoint.port,
            peer,
            source,
            remote,
            sni: self.sni(),
            service: endpoint.service.clone(),
            request: self.request.clone(),
            unread: false,
            gate: Gate::Callee,
        };
        let remote = self.question.remote_ip.parse().ok();
        let (caller, source, remote) = match self.place.proxy() {
            None => (self.caller.clone(), self.source(), remote),
            // The gateway says whom it has it from.
            Some(proxy) => {
                let address = proxy.workload.addresses.first().copied();
                let says = proxy.is_known && matches!(self.place, Place::Gateway(_));
                let remote = remote.or_else(|| self.source().filter(|_| says));
                match proxy.caller(&self.caller) {
                    Some(caller) => (caller, address, remote),
                    None => return self.blind(attempt(None, address, remote)),
                }
            }
        };
        let transport = reached(&caller);
        let way = if transport.peer.is_some() { TunnelProtocol::Hbone } else { TunnelProtocol::None };
        if let Some(verdict) = self.departing(Some(workload), way) {
            return Judged::Kept(verdict, transport.told);
        }
        let mut attempt = attempt(transport.peer, source, remote);
        attempt.request = attempt.request.filter(|_| transport.content == Content::Plain);
        Judged::Attempt(Box::new(attempt), transport.told)
    }

    /// Why whoever sends it, if that is known, may not send it to `workload`, or out of the mesh.
    pub(crate) fn departing(&self, workload: Option<&Workload>, way: TunnelProtocol) -> Option<decide::Verdict> {
        let sender = match self.place.proxy() {
            Some(proxy) => Some(&proxy.workload).filter(|_| proxy.is_known),
            None => self.caller.workload().filter(|caller| caller.tunnel == TunnelProtocol::Hbone),
        };
        departure(sender?, workload, way)
    }

    /// Of a gateway whose identity is not known: where nobody looks at identities, it does not matter.
    fn blind(&self, attempt: Attempt) -> Judged {
        let program = &self.world.program;
        let (decision, policies) = attempt.examine(program);
        let mode = peer_authentication(program, &attempt.destination, attempt.port).mode;
        if policies.is_empty() && decision.verdict.is_allow() && mode != MtlsMode::Strict {
            let told = "the gateway's identity is not known, and no policy there looks at it";
            return Judged::Attempt(Box::new(attempt), told.into());
        }
        Judged::Blind("it cannot be judged: the gateway's identity, which is the caller here, is not known".into())
    }

    /// What is decided about at the waypoint, which knows callers by what they prove.
    fn at_waypoint(&self, proxy: &GatewayProxy) -> Option<Attempt> {
        let callee = self.destination.callee(&self.world.program, self.caller.namespace())?;
        let address = match &callee {
            Callee::Service(service) => service.addresses.first().copied(),
            Callee::Entry(entry) => entry.address(),
            Callee::Workload(workload) => workload.addresses.first().copied(),
        };
        Some(Attempt {
            destination: proxy.workload.clone(),
            address: self.destination.address.or(address),
            port: self.destination.port,
            peer: match &self.caller {
                Caller::Identity(identity) => Some(identity.clone()),
                Caller::Workload(workload) => workload.identity().ok(),
                Caller::Address(_) | Caller::Outside => None,
            },
            source: self.source(),
            remote: None,
            sni: self.sni(),
            service: callee.key(),
            request: self.request.clone(),
            unread: false,
            gate: Gate::Waypoint,
        })
    }

    /// What is decided about at the gateway or waypoint; nothing: it is none, or it takes nothing at that port.
    pub(crate) fn at_gateway(&self, course: &Course) -> Option<Attempt> {
        let proxy = match &self.place {
            Place::Gateway(proxy) => proxy,
            Place::Waypoint(Some(proxy)) => return self.at_waypoint(proxy),
            _ => return None,
        };
        let verdict = course.verdict.as_ref().filter(|verdict| !matches!(verdict.outcome, Outcome::Reset))?;
        let mode = self.listener(verdict).and_then(|server| server.tls.as_ref()).map(|tls| tls.mode);
        // What other certificates say is no identity of the mesh.
        let asks = mode == Some(ServerTlsMode::Mesh);
        let peer = match &self.caller {
            _ if !asks || self.question.plaintext => None,
            Caller::Identity(identity) => Some(identity.clone()).filter(|_| proxy.is_known),
            Caller::Workload(workload) if workload.tunnel == TunnelProtocol::Hbone => workload.identity().ok(),
            _ => None,
        };
        let announced = topology(&self.world.program, &proxy.workload).proxy_protocol;
        let is_told = proxy.is_known || self.caller.workload().is_none();
        Some(Attempt {
            destination: proxy.workload.clone(),
            address: proxy.workload.addresses.first().copied(),
            port: self.destination.port,
            peer,
            // Of the proxy that names the caller nothing is known but what is said of it.
            source: if announced { self.question.source_ip.parse().ok() } else { self.source().filter(|_| is_told) },
            remote: self
                .question
                .remote_ip
                .parse()
                .ok()
                .or_else(|| self.forwarded(&proxy.workload))
                .or_else(|| self.caller.address().filter(|_| announced && is_told)),
            sni: self.sni(),
            service: None,
            request: self.request.clone().map(|request| match self.scheme() {
                Some(scheme) => Request { scheme: scheme.into(), ..request },
                None => request,
            }),
            unread: false,
            gate: Gate::Gateway,
        })
    }

    /// The listener of a gateway that takes it.
    fn listener(&self, verdict: &CallVerdict) -> Option<&Server> {
        let id = verdict.trace.iter().find_map(|step| match step {
            CallStep::Server(id) => Some(id),
            _ => None,
        })?;
        let gateways = self.world.program.traffic().gateways.values();
        gateways.flat_map(|gateway| &gateway.servers).find(|server| server.id == *id)
    }

    /// Address that the connection comes from.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.question.source_ip.parse().ok().or_else(|| self.caller.address())
    }

    fn sni(&self) -> Option<String> {
        Some(self.question.sni.clone()).filter(|sni| !sni.is_empty())
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
