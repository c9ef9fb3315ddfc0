//! A question, answered.

use std::sync::Arc;

use ripstop_decide::{Client, Program, delivery, paths};
use ripstop_model::{
    AppProtocol, Change, Labels, Membership, OutboundPolicy, PathRules, Service, Traffic, TrafficDefaults,
    TunnelProtocol, Workload,
};

use crate::{
    Error, Question, World,
    answer::{EndpointAnswer, Explanation, RouteAnswer},
    attempt::{Attempt, Gate, Request},
    authorization,
    course::{Course, Detail, Word},
    endpoints::{Endpoint, Who},
    flip,
    judged::Judged,
    limits, observation,
    parties::{Caller, Destination},
    place::Place,
    route,
};

/// What becomes of what is asked, and why.
pub fn explain(world: &World, question: &Question) -> Result<Explanation, Error> {
    let asked = Asked::read(world, question)?;
    if asked.has_proxy() {
        let mut explanation = asked.answer();
        explanation.flip = flip::smallest(&asked, &explanation);
        return Ok(explanation);
    }
    // Where nobody stands between, calls go straight to services.
    let bare = World { program: without_routes(&world.program), ..world.clone() };
    let asked = Asked::read(&bare, question)?;
    let mut explanation = asked.answer();
    explanation.notes.push(
        "the caller has no proxy: no VirtualService, DestinationRule, ServiceEntry or Sidecar acts for its calls"
            .into(),
    );
    // What would turn it may give the caller a proxy, and so routes.
    explanation.flip = flip::smallest(&asked, &explanation).filter(|flip| {
        let again = Asked::read(world, &flip.question).map(|asked| asked.answer().verdict);
        again.is_ok_and(|verdict| flip.verdict.starts_with(&verdict.to_string()))
    });
    Ok(explanation)
}

/// The mesh as whoever has no proxy meets it: what callees decide by stays.
fn without_routes(program: &Program) -> Program {
    let all = program.traffic();
    let defaults = TrafficDefaults { outbound: OutboundPolicy::AllowAny, ..(*all.defaults).clone() };
    let traffic = Traffic {
        defaults: Arc::new(defaults),
        request_authentications: all.request_authentications.clone(),
        telemetries: all.telemetries.clone(),
        proxy_settings: all.proxy_settings.clone(),
        policies: all.policies.clone(),
        ..Traffic::default()
    };
    // Nor does anybody lead its calls through waypoints.
    let with_waypoint = program.services().filter(|service| service.waypoint.is_some());
    let bare = with_waypoint.map(|service| Service { waypoint: None, ..Service::clone(service) });
    let services = bare.map(|service| Change::Service(Arc::new(service)));
    let with_waypoint = program.workloads().filter(|workload| workload.waypoint.is_some());
    let bare = with_waypoint.map(|workload| Workload { waypoint: None, ..Workload::clone(workload) });
    let workloads = bare.map(|workload| Change::Workload(Arc::new(workload)));
    let changes = services.chain(workloads).chain([Change::Traffic(Box::new(traffic))]);
    program.with(program.version(), changes.collect::<Vec<_>>())
}

/// A question, understood.
#[derive(Clone)]
pub(crate) struct Asked<'a> {
    pub(crate) world: &'a World,
    pub(crate) question: Question,
    pub(crate) caller: Caller,
    pub(crate) destination: Destination,
    /// Where it is asked about.
    standpoint: Place,
    /// Where it is decided.
    pub(crate) place: Place,
    pub(crate) request: Option<Request>,
}

// === impl Asked ===

impl<'a> Asked<'a> {
    pub(crate) fn read(world: &'a World, question: &Question) -> Result<Self, Error> {
        let program = &world.program;
        let place = Place::read(program, &question.via)?.declared_in(&world.objects);
        let caller = Caller::read(program, &question.from)?;
        let place = place.of(&question.via, &caller);
        Self::understand(world, question.clone(), caller, place)
    }

    /// Another question of the same world; what it has in common with this one is not looked up again.
    pub(crate) fn again(&self, question: Question) -> Result<Self, Error> {
        let program = &self.world.program;
        let before = &self.question;
        let place = if (&question.via, &question.from) == (&before.via, &before.from) {
            self.standpoint.clone()
        } else {
            Place::read(program, &question.via)?.declared_in(&self.world.objects)
        };
        let caller =
            if question.from == before.from { self.caller.clone() } else { Caller::read(program, &question.from)? };
        let place = place.of(&question.via, &caller);
        if (&question.from, &question.to) == (&before.from, &before.to) {
            let destination = self.destination.clone();
            let (standpoint, place) = (place.clone(), place.towards(program, &caller, &destination));
            let mut asked = Self { world: self.world, question, caller, destination, standpoint, place, request: None };
            asked.request = asked.request()?;
            return Ok(asked);
        }
        Self::understand(self.world, question, caller, place)
    }

    fn understand(world: &'a World, question: Question, caller: Caller, place: Place) -> Result<Self, Error> {
        let namespace = match caller.namespace() {
            "" => "default",
            namespace => namespace,
        };
        let destination = Destination::read(&world.program, &question, namespace)?;
        if !matches!(place, Place::Gateway(_)) && destination.host.is_none() && destination.address.is_none() {
            return Err(Error::Destination(question.to));
        }
        for address in [&question.source_ip, &question.remote_ip] {
            if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
                return Err(Error::Address(address.clone()));
            }
        }
        let (standpoint, place) = (place.clone(), place.towards(&world.program, &caller, &destination));
        let mut asked = Self { world, question, caller, destination, standpoint, place, request: None };
        asked.request = asked.request()?;
        Ok(asked)
    }

    /// Whether a proxy of the mesh stands between the caller and whatever it calls.
    fn has_proxy(&self) -> bool {
        match (&self.place, &self.caller) {
            (Place::Waypoint(_) | Place::Gateway(_), _) | (_, Caller::Identity(_)) => true,
            (Place::Node | Place::Sidecar, Caller::Workload(caller)) => caller.tunnel == TunnelProtocol::Hbone,
            (Place::Node | Place::Sidecar, Caller::Address(_) | Caller::Outside) => false,
        }
    }

    /// The request, if it is one.
    fn request(&self) -> Result<Option<Request>, Error> {
        let question = &self.question;
        let given = [&question.method, &question.path, &question.authority, &question.scheme];
        let as_request =
            given.iter().any(|text| !text.is_empty()) || !question.headers.is_empty() || !question.claims.is_empty();
        let is_request = match question.protocol.as_str() {
            "http" | "grpc" => true,
            "tcp" | "tls" => false,
            "" if as_request => true,
            "" if !question.sni.is_empty() => false,
            "" => self.is_declared_http(),
            other => return Err(Error::Protocol(other.into())),
        };
        if !is_request {
            return Ok(None);
        }
        Request::read(self.paths(), question, &self.destination.written).map(Some)
    }

    /// What paths are to the proxy that reads the request first.
    fn paths(&self) -> PathRules {
        let program = &self.world.program;
        match (&self.place, &self.caller) {
            (Place::Gateway(proxy) | Place::Waypoint(Some(proxy)), _) => paths(program, &proxy.workload),
            (_, Caller::Workload(caller)) => paths(program, caller),
            _ => program.traffic().defaults.normalization.into(),
        }
    }

    fn is_declared_http(&self) -> bool {
        let (Some(host), port) = (&self.destination.host, self.destination.port) else {
            return matches!(self.place, Place::Gateway(_));
        };
        let mut services = self.world.program.services_named(host);
        services.any(|service| {
            let declared = service.ports.iter().find(|declared| declared.port == port);
            declared.is_some_and(|declared| {
                matches!(declared.protocol, AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc)
            })
        })
    }

    /// The answer, without what would turn it.
    pub(crate) fn answer(&self) -> Explanation {
        let (client_namespace, client_labels) = (self.client_namespace(), self.client_labels());
        let client = Client { namespace: &client_namespace, labels: client_labels.as_ref() };
        let course = self.course(client, Detail::Whole);
        let mut notes = course.notes.clone();
        notes.extend(self.place.proxy().and_then(|proxy| proxy.note.clone()));
        if self.world.live && !self.question.claims.is_empty() {
            notes.push("live proxies read no tokens yet: they judge the request as if it had none".into());
        }
        let route = self.route(&course, client);
        let gate = self.gate(&course);
        let answers = self.endpoints(&course, &mut notes);
        notes.extend(self.assumed(gate.iter().chain(&answers)));
        notes.extend(self.limits(&course));
        let word = |answer: &EndpointAnswer| match &answer.authorization {
            Some(said) => Word::of(&said.verdict),
            None if answer.not_judged => Word::NotJudged,
            None if answer.lost => Word::Lost,
            None => Word::Allow,
        };
        let words: Vec<Word> = answers.iter().map(word).collect();
        let verdict = course.conclude(gate.as_ref().map(word), &words);
        // Where nothing gets there, nobody decides about it.
        let is_sent = !words.contains(&Word::Lost) && !course.is_refused();
        let connection = if is_sent { self.connection() } else { None };
        let summary = self.summary(verdict, &course, &route, gate.as_ref(), &answers);
        let (gateway, waypoint) = match self.place {
            Place::Waypoint(_) => (None, gate),
            _ => (gate, None),
        };
        Explanation {
            verdict,
            summary,
            live: self.world.live,
            question: self.told(),
            places: self.places(&answers),
            gateway,
            waypoint,
            route,
            endpoints: answers,
            connection,
            flip: None,
            notes,
        }
    }

    fn route(&self, course: &Course, client: Client<'_>) -> RouteAnswer {
        let Some(verdict) = &course.verdict else {
            let name = course.found.first().map(|endpoint| endpoint.backend.as_str()).unwrap_or_default();
            return RouteAnswer {
                outcome: format!("the address is that of workload {name}: it goes there directly, past any service"),
                ..RouteAnswer::default()
            };
        };
        let path = self.request.as_ref().map(|request| request.with_facts(|facts| facts.path.to_owned()));
        let mut route = route::told(self.world, verdict, client, path.as_deref());
        let is_unheard = matches!(verdict.outcome, ripstop_decide::Outcome::NoRule { table: None });
        if is_unheard && matches!(self.place, Place::Node | Place::Sidecar) {
            route.outcome =
                "it names no host that this listener of the caller's Sidecar is for: 404 (add it to `hosts` of \
                             its egress listener)"
                    .into();
        }
        if let Some(unknown) = &course.unknown {
            let refused = matches!(verdict.outcome, ripstop_decide::Outcome::Refused);
            if let Some(kept) = &course.kept {
                route.outcome = authorization::told_of(self.world, kept.clone()).reason;
            } else if !unknown.leaves || !refused {
                route.outcome.clone_from(&unknown.told);
            }
        }
        route
    }

    /// What is said at the gateway or waypoint.
    fn gate(&self, course: &Course) -> Option<EndpointAnswer> {
        let attempt = self.at_gateway(course)?;
        let proxy = self.place.proxy()?;
        let port = self.destination.port;
        Some(EndpointAnswer {
            name: proxy.told.clone(),
            // The address of a service is nobody's example.
            address: match attempt.address.filter(|_| self.world.live || attempt.gate == Gate::Waypoint) {
                Some(address) => std::net::SocketAddr::new(address, port).to_string(),
                None => format!("port {port}"),
            },
            transport: match &attempt.peer {
                Some(peer) => format!("mutual TLS as {peer}"),
                None => "without an identity of the mesh".into(),
            },
            authorization: Some(authorization::told_at_gateway(self.world, &attempt)),
            ..EndpointAnswer::default()
        })
    }

    /// Endpoints, those that are alike once.
    fn endpoints(&self, course: &Course, notes: &mut Vec<String>) -> Vec<EndpointAnswer> {
        let mut answers: Vec<EndpointAnswer> = Vec::new();
        for endpoint in &course.found {
            let answer = self.endpoint(endpoint, notes);
            let same = |other: &&mut EndpointAnswer| {
                other.backend == answer.backend
                    && other.transport == answer.transport
                    && other.authorization == answer.authorization
            };
            match answers.iter_mut().find(same) {
                Some(other) => other.alike.push(answer.name),
                None => answers.push(answer),
            }
        }
        answers
    }

    fn endpoint(&self, endpoint: &Endpoint, notes: &mut Vec<String>) -> EndpointAnswer {
        // Of files, nobody has given workloads their addresses yet.
        let given = self.world.live || matches!(endpoint.who, Who::Foreign(_));
        let address = match endpoint.address.filter(|_| given) {
            Some(address) => std::net::SocketAddr::new(address, endpoint.port).to_string(),
            None if endpoint.port == 0 => "a socket".into(),
            None => format!("port {}", endpoint.port),
        };
        let name = match &endpoint.who {
            Who::Foreign(name) => name.clone(),
            Who::Workload(workload) => format!("{}/{}", workload.namespace, workload.name),
        };
        let mut answer =
            EndpointAnswer { name, address, backend: endpoint.backend.clone(), ..EndpointAnswer::default() };
        match self.judged(endpoint) {
            Judged::Nobody(told) => answer.transport = told,
            Judged::Blind(told) => (answer.transport, answer.not_judged) = (told, true),
            Judged::Lost(told) => (answer.transport, answer.lost) = (told, true),
            Judged::Kept(verdict, told) => {
                answer.transport = told;
                answer.authorization = Some(authorization::told_of(self.world, verdict));
            }
            Judged::Attempt(attempt, told) => {
                answer.transport = told;
                answer.authorization = Some(authorization::told(self.world, &attempt));
                for note in self.seen(&attempt) {
                    if !notes.contains(&note) {
                        notes.push(note);
                    }
                }
            }
        }
        answer
    }

    /// What to say where policies look at addresses that nobody has given yet.
    fn assumed<'e>(&self, answers: impl Iterator<Item = &'e EndpointAnswer>) -> Option<String> {
        let said = answers.filter_map(|answer| answer.authorization.as_ref());
        let mut conditions =
            said.flat_map(|said| &said.policies).flat_map(|policy| &policy.rules).flat_map(|rule| &rule.conditions);
        let looked_at = ["source.ip", "remote.ip", "destination.ip"];
        (!self.world.live && conditions.any(|condition| looked_at.iter().any(|ip| condition.wants.starts_with(ip))))
            .then(|| "files alone do not say which addresses workloads get: those that policies look at are examples; --source-ip and --remote-ip name others".into())
    }

    /// What the callee's proxy sees of it and tells of it.
    fn seen(&self, attempt: &Attempt) -> Vec<String> {
        let (program, callee) = (&self.world.program, &attempt.destination);
        let mut notes = Vec::new();
        if attempt.request.is_none() && self.request.is_some() {
            notes.push("TLS of a DestinationRule hides the request from the callee's proxy: a connection is all that it decides about".into());
        }
        if let (Some(token), Some(claims)) = (attempt.token(program), attempt.claims()) {
            notes.extend(token.note(claims, &format!("{}/{}", callee.namespace, callee.workload_name)));
        }
        let called = attempt.address.map(|address| std::net::SocketAddr::new(address, attempt.port));
        let delivered = called.map(|called| delivery(program, callee, called)).filter(|at| Some(*at) != called);
        if let Some(delivered) = delivered {
            let at =
                if delivered.ip().is_loopback() { delivered.to_string() } else { format!("port {}", delivered.port()) };
            notes.push(format!("{}/{} gets it at {at}", callee.namespace, callee.workload_name));
        }
        if let Some(member) = &callee.group {
            let Membership { group, weight, .. } = &**member;
            let (namespace, name) = (&callee.namespace, &callee.name);
            notes.push(format!(
                "{namespace}/{name} is a member of WorkloadGroup {namespace}/{group}, with weight {weight}"
            ));
        }
        notes.extend(observation::told(self.world, callee));
        notes.extend(limits::at_callee(self.world, attempt));
        notes
    }

    pub(crate) fn client_namespace(&self) -> Arc<str> {
        match (self.place.proxy(), self.caller.namespace()) {
            (Some(proxy), _) => proxy.workload.namespace.clone(),
            (None, "") => "default".into(),
            (None, namespace) => namespace.into(),
        }
    }

    pub(crate) fn client_labels(&self) -> Option<Labels> {
        match (self.place.proxy(), self.caller.workload()) {
            (Some(proxy), _) => Some(proxy.workload.labels.clone()),
            (None, Some(workload)) => Some(workload.labels.clone()),
            (None, None) => None,
        }
    }
}
