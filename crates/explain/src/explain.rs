//! A question, answered.

use ripstop_decide::{CallFacts, CallVerdict, Claims, Client, Outcome, Role, call};
use ripstop_model::{AppProtocol, Labels, RuleId, TunnelProtocol, Workload};

use crate::{
    Error, Question, World,
    answer::{AuthorizationAnswer, ConnectionAnswer, EndpointAnswer, Explanation, FlipAnswer, RouteAnswer, Verdict},
    attempt::{Attempt, Request},
    authorization, endpoints,
    endpoints::{Endpoint, Who},
    flip, observation,
    parties::{Caller, Destination, full_name, workload},
    route, token,
    transport::{Carrier, Content, transport, upstream},
};

/// What becomes of what is asked, and why.
pub fn explain(world: &World, question: &Question) -> Result<Explanation, Error> {
    Asked::read(world, question)?.answer()
}

/// A question, understood.
struct Asked<'a> {
    world: &'a World,
    question: &'a Question,
    caller: Caller,
    destination: Destination,
    place: Place,
    request: Option<Request>,
    notes: Vec<String>,
}

/// Where it is decided.
enum Place {
    Node,
    Sidecar,
    Waypoint,
    Gateway(Labels),
}

// === impl Asked ===

impl<'a> Asked<'a> {
    fn read(world: &'a World, question: &'a Question) -> Result<Self, Error> {
        let program = &world.program;
        let place = Place::read(&question.via)?;
        let caller = Caller::read(program, &question.from)?;
        let namespace = match caller.namespace() {
            "" => "default",
            namespace => namespace,
        };
        let mut destination = Destination::read(program, question, namespace)?;
        if !matches!(place, Place::Gateway(_)) && destination.host.is_none() && destination.address.is_none() {
            return Err(Error::Destination(question.to.clone()));
        }
        // The name of a workload stands for its address.
        if let Some(host) = &destination.host
            && !host.contains('.')
            && let Ok(found) = workload(program, &destination.written)
        {
            (destination.address, destination.host) = (found.addresses.first().copied(), None);
        }
        let mut asked = Self { world, question, caller, destination, place, request: None, notes: Vec::new() };
        asked.request = asked.request()?;
        Ok(asked)
    }

    /// The request, if it is one.
    fn request(&mut self) -> Result<Option<Request>, Error> {
        let question = self.question;
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
        Request::read(&self.world.program, question, &self.destination.written).map(Some)
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

    fn answer(mut self) -> Result<Explanation, Error> {
        let client_namespace = self.client_namespace();
        let client_labels = self.client_labels();
        let client = Client { namespace: &client_namespace, labels: client_labels.as_ref() };
        let direct = self.destination.address.and_then(|address| self.world.program.workload_at(address)).cloned();
        let (verdict, route, found) = match (&direct, &self.place) {
            (Some(workload), Place::Node | Place::Sidecar | Place::Waypoint) => self.direct(workload),
            _ => self.routed(client),
        };
        let mut answers: Vec<EndpointAnswer> = Vec::new();
        let mut flip: Option<FlipAnswer> = None;
        for endpoint in &found {
            self.endpoint(endpoint, &mut answers, &mut flip);
        }
        let decided = self.verdict(verdict.as_ref(), &route, &answers);
        if decided == Verdict::NotRouted && flip.is_none() {
            flip = verdict.as_ref().and_then(routing_flip);
        }
        let connection = self.connection(direct.as_deref());
        let live = self.world.live;
        if live && self.request.is_some() && connection.is_some() {
            self.notes.push("the proxies of this mesh decide by connection; requests are not looked at yet".into());
        }
        Ok(Explanation {
            verdict: decided,
            summary: self.summary(decided, &route, &answers),
            live,
            question: self.told(),
            places: self.places(&answers),
            route,
            endpoints: answers,
            connection,
            flip,
            notes: self.notes,
        })
    }

    /// To the address of a workload: no service, no route.
    fn direct(&self, workload: &std::sync::Arc<Workload>) -> (Option<CallVerdict>, RouteAnswer, Vec<Endpoint>) {
        let name = format!("{}/{}", workload.namespace, workload.name);
        let route = RouteAnswer {
            outcome: format!("the address is that of workload {name}: it goes there directly, past any service"),
            ..RouteAnswer::default()
        };
        let endpoint = Endpoint {
            who: Who::Workload(workload.clone()),
            address: self.destination.address,
            port: self.destination.port,
            backend: name,
            service: None,
            tls: None,
        };
        (None, route, vec![endpoint])
    }

    fn routed(&mut self, client: Client<'_>) -> (Option<CallVerdict>, RouteAnswer, Vec<Endpoint>) {
        let program = &self.world.program;
        let gateway = Labels::new();
        let labels = match &self.place {
            Place::Gateway(labels) => labels,
            _ => &gateway,
        };
        let role = match self.place {
            Place::Node => Role::Node,
            Place::Sidecar => Role::Sidecar,
            Place::Waypoint => Role::Waypoint,
            Place::Gateway(_) => Role::Gateway { labels, namespace: client.namespace },
        };
        let authority = self.request.as_ref().map(|request| match self.place {
            Place::Sidecar => full_name(program, &request.authority, client.namespace),
            _ => request.authority.clone(),
        });
        let claims = self.routing_claims(&client);
        let request =
            self.request.clone().map(|request| Request { authority: authority.unwrap_or_default(), claims, ..request });
        let decide = |facts: Option<&ripstop_decide::RequestFacts<'_>>| {
            call(
                program,
                &CallFacts {
                    role,
                    source: self.caller.workload().map(|workload| &**workload),
                    host: self.destination.host.as_deref(),
                    address: self.destination.address,
                    port: self.destination.port,
                    sni: Some(self.question.sni.as_str()).filter(|sni| !sni.is_empty()),
                    request: facts,
                },
            )
        };
        let (verdict, path) = match &request {
            None => (decide(None), None),
            Some(request) => request.with_facts(program, |facts| (decide(Some(facts)), Some(facts.path.to_owned()))),
        };
        let route = route::told(self.world, &verdict, client, path.as_deref());
        let mut found = Vec::new();
        if let Outcome::Forward { backends, .. } = &verdict.outcome {
            for target in backends {
                let (endpoints, why) = endpoints::of_target(self.world, client, target);
                if let Some(part) = target.missing {
                    let missing = route::missing(Some(part));
                    self.notes.push(format!(
                        "{} does not exist: its {missing} is not known; such requests get 503",
                        target.backend
                    ));
                }
                self.notes.extend(why);
                found.extend(endpoints);
            }
        }
        (Some(verdict), route, found)
    }

    /// Claims that routes go by: those of a JWT that the gateway accepts. Nobody else looks at one before.
    fn routing_claims(&self, client: &Client<'_>) -> Option<Claims> {
        let Place::Gateway(labels) = &self.place else { return None };
        let claims = self.request.as_ref()?.claims.as_ref()?;
        let checked = token::checked(&self.world.program, &client.namespace.into(), labels, claims);
        checked.accepted().cloned()
    }

    /// Adds an endpoint, or counts it among those that are alike.
    fn endpoint(&mut self, endpoint: &Endpoint, answers: &mut Vec<EndpointAnswer>, flip: &mut Option<FlipAnswer>) {
        let address = match endpoint.address {
            Some(address) => std::net::SocketAddr::new(address, endpoint.port).to_string(),
            None if endpoint.port == 0 => "a socket".into(),
            None => format!("port {}", endpoint.port),
        };
        let mut answer = EndpointAnswer { address, backend: endpoint.backend.clone(), ..EndpointAnswer::default() };
        match &endpoint.who {
            Who::Foreign(name) => {
                answer.name.clone_from(name);
                let tls = endpoint.tls.and_then(upstream).map(|tls| format!("{tls} by a DestinationRule, "));
                answer.transport = format!("{}outside of the mesh: nobody authorizes there", tls.unwrap_or_default());
            }
            Who::Workload(workload) => {
                answer.name = format!("{}/{}", workload.namespace, workload.name);
                let transport = transport(
                    self.world,
                    &self.caller,
                    workload,
                    endpoint.port,
                    self.question.plaintext,
                    self.carrier(),
                    endpoint.tls,
                );
                answer.transport = transport.told;
                let unknown_gateway = matches!(self.place, Place::Gateway(_)) && matches!(self.caller, Caller::Outside);
                if workload.tunnel != TunnelProtocol::Hbone {
                    // Nobody decides there.
                } else if unknown_gateway {
                    self.note("the callee sees the gateway as its caller; say --from with the gateway's identity to have it judged");
                } else {
                    let attempt = Attempt {
                        destination: workload.clone(),
                        address: endpoint.address,
                        port: endpoint.port,
                        peer: transport.peer,
                        source: self.caller.address(),
                        remote: self.question.remote_ip.parse().ok(),
                        sni: Some(self.question.sni.clone()).filter(|sni| !sni.is_empty()),
                        service: endpoint.service.clone(),
                        request: self.request.clone().filter(|_| transport.content == Content::Plain),
                        unread: false,
                    };
                    if transport.content == Content::Sealed && self.request.is_some() {
                        self.note("TLS of a DestinationRule hides the request from the callee's proxy: a connection is all that it decides about");
                    }
                    if let (Some(token), Some(claims)) = (attempt.token(&self.world.program), attempt.claims()) {
                        let place = format!("{}/{}", workload.namespace, workload.workload_name);
                        if let Some(note) = token.note(claims, &place) {
                            self.note(&note);
                        }
                    }
                    if let Some(note) = observation::told(self.world, workload) {
                        self.note(&note);
                    }
                    let told = authorization::told(self.world, &attempt);
                    if flip.is_none() {
                        let (_, policies) = attempt.examine(&self.world.program);
                        *flip = flip::smallest(&self.world.program, &attempt, &policies);
                    }
                    answer.authorization = Some(told);
                }
            }
        }
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

    fn carrier(&self) -> Carrier {
        match self.place {
            Place::Node | Place::Waypoint => Carrier::Tunnel,
            Place::Sidecar | Place::Gateway(_) => Carrier::Connection,
        }
    }

    fn verdict(&mut self, verdict: Option<&CallVerdict>, route: &RouteAnswer, answers: &[EndpointAnswer]) -> Verdict {
        match verdict.map(|verdict| &verdict.outcome) {
            Some(Outcome::Redirect { .. } | Outcome::Respond { .. }) => return Verdict::Answered,
            Some(Outcome::NoRule { .. } | Outcome::Refused | Outcome::Reset) => return Verdict::NotRouted,
            Some(Outcome::Passthrough) => return Verdict::Allowed,
            Some(Outcome::Forward { .. }) | None => {}
        }
        if answers.is_empty() {
            return Verdict::NotRouted;
        }
        let said = |word: &str| {
            let is = |answer: &AuthorizationAnswer| answer.verdict == word;
            answers.iter().filter(|answer| answer.authorization.as_ref().is_some_and(is)).count()
        };
        let reached =
            |backend: &crate::answer::BackendAnswer| answers.iter().any(|answer| answer.backend == backend.name);
        let lost = route.backends.iter().filter(|backend| backend.share > 0.0 && !reached(backend)).count();
        match (said("deny"), said("ask"), lost) {
            (0, 0, 0) => Verdict::Allowed,
            (0, _, 0) => Verdict::Asks,
            (denied, _, _) if denied == answers.len() => Verdict::Denied,
            _ => Verdict::Mixed,
        }
    }

    /// What the proxies that run do: they decide by connection, at whichever endpoint it gets to.
    fn connection(&self, direct: Option<&Workload>) -> Option<ConnectionAnswer> {
        if !self.world.live || matches!(self.place, Place::Gateway(_) | Place::Waypoint) {
            return None;
        }
        let program = &self.world.program;
        let port = self.destination.port;
        let mut targets: Vec<(std::sync::Arc<Workload>, u16)> = Vec::new();
        if let Some(workload) = direct {
            targets.push((program.workload(&workload.uid)?.clone(), port));
        } else {
            let by_name = self.destination.host.as_deref().and_then(|host| program.services_named(host).next());
            let service =
                by_name.or_else(|| self.destination.address.and_then(|address| program.service_at(address)))?;
            if !service.ports.iter().any(|declared| declared.port == port) {
                let reason = format!("{} has no port {port}", service.key);
                return Some(ConnectionAnswer { verdict: "none".into(), reason, rule: None });
            }
            targets.extend(program.endpoints(&service.key).filter_map(|workload| {
                let ready = workload.health == ripstop_model::Health::Healthy || service.publish_not_ready;
                Some((workload.clone(), workload.target_port(&service.key, port).filter(|_| ready)?))
            }));
            if targets.is_empty() {
                let reason = format!("{} has no ready endpoint", service.key);
                return Some(ConnectionAnswer { verdict: "none".into(), reason, rule: None });
            }
        }
        let mut said: Vec<(bool, String, Option<RuleId>)> = Vec::new();
        for (workload, port) in targets {
            if workload.tunnel != TunnelProtocol::Hbone {
                said.push((
                    true,
                    format!("{}/{} is not in the mesh: nobody decides there", workload.namespace, workload.name),
                    None,
                ));
                continue;
            }
            let transport =
                transport(self.world, &self.caller, &workload, port, self.question.plaintext, Carrier::Tunnel, None);
            let itself = self.caller.workload().is_some_and(|caller| caller.uid == workload.uid);
            if itself {
                said.push((
                    true,
                    "the workload calls itself, inside of its own namespace: nobody decides there".into(),
                    None,
                ));
                continue;
            }
            let attempt = Attempt {
                address: workload.addresses.first().copied(),
                port,
                peer: transport.peer,
                source: self.caller.address(),
                remote: None,
                sni: None,
                service: None,
                request: None,
                unread: true,
                destination: workload,
            };
            let decision = attempt.decide(program);
            let reason = authorization::reason(self.world, &decision);
            let (_, rule) = authorization::verdict(&decision);
            let rule = rule.cloned();
            let allowed = decision.without_authorizer().is_allow();
            said.push((allowed, reason, rule));
        }
        let allowed = said.iter().filter(|(allowed, ..)| *allowed).count();
        let verdict = match (allowed, said.len()) {
            (0, _) => "deny",
            (allowed, all) if allowed == all => "allow",
            _ => "mixed",
        };
        let (_, reason, rule) = said.into_iter().find(|(allowed, ..)| *allowed == (verdict == "allow"))?;
        Some(ConnectionAnswer { verdict: verdict.into(), reason, rule: rule.map(|rule| self.world.place(&rule)) })
    }

    fn client_namespace(&self) -> String {
        match (&self.place, self.caller.namespace()) {
            (Place::Gateway(_), _) => self.world.program.mesh().root_namespace.to_string(),
            (_, "") => "default".into(),
            (_, namespace) => namespace.into(),
        }
    }

    fn client_labels(&self) -> Option<Labels> {
        match (&self.place, self.caller.workload()) {
            (Place::Gateway(labels), _) => Some(labels.clone()),
            (_, Some(workload)) => Some(workload.labels.clone()),
            (_, None) => None,
        }
    }

    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|other| other == note) {
            self.notes.push(note.into());
        }
    }

    fn told(&self) -> String {
        let what = match &self.request {
            Some(request) => format!("{} {}", request.method, request.path),
            None if !self.question.sni.is_empty() => format!("TLS to {}", self.question.sni),
            None => "a connection".into(),
        };
        format!("{what} from {} to {}", self.caller.told(), self.question.to)
    }

    fn places(&self, answers: &[EndpointAnswer]) -> Vec<String> {
        let route = match (&self.place, self.caller.workload()) {
            (Place::Node, Some(workload)) => {
                format!("route: proxy of the caller's node {} (by the address that is called)", workload.node)
            }
            (Place::Node, None) => "route: the caller's node (by the address that is called)".into(),
            (Place::Sidecar, _) => "route: the caller's own proxy (by Host)".into(),
            (Place::Waypoint, _) => "route: the waypoint of the service".into(),
            (Place::Gateway(labels), _) => {
                let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("route: the gateway {}", labels.join(", "))
            }
        };
        let mut places = vec![route];
        if answers.iter().any(|answer| answer.authorization.is_some()) {
            places.push("authorization: proxy of the callee's node".into());
        }
        places
    }

    fn summary(&self, verdict: Verdict, route: &RouteAnswer, answers: &[EndpointAnswer]) -> String {
        let reason = |word: &str| {
            let found = answers.iter().find_map(|answer| {
                answer.authorization.as_ref().filter(|said| said.verdict == word).map(|said| (answer, said))
            });
            found.map(|(answer, said)| format!("{} at {}", said.reason, answer.name))
        };
        let text = match verdict {
            Verdict::Denied => reason("deny"),
            Verdict::Mixed => reason("deny").map(|reason| format!("not at every endpoint: {reason}")),
            Verdict::Asks => reason("ask"),
            Verdict::Allowed => reason("allow"),
            Verdict::Answered | Verdict::NotRouted => None,
        };
        let lost = || self.notes.first().filter(|_| answers.is_empty() || verdict == Verdict::Mixed).cloned();
        text.or_else(lost).unwrap_or_else(|| route.outcome.clone())
    }
}

/// What a request lacks to match the rule that is nearest to it.
fn routing_flip(verdict: &CallVerdict) -> Option<FlipAnswer> {
    let nearest = verdict.trace.iter().filter_map(|step| match step {
        ripstop_decide::CallStep::NoMatch { rule, because } => Some((rule, because)),
        _ => None,
    });
    let (rule, because) = nearest.min_by_key(|(_, because)| because.len())?;
    let changes = because.iter().map(|mismatch| format!("let {} be such that it {}", mismatch.field, mismatch.wanted));
    Some(FlipAnswer { verdict: format!("routed by {rule}"), changes: changes.collect() })
}

// === impl Place ===

impl Place {
    fn read(text: &str) -> Result<Self, Error> {
        match text {
            "" | "node" => Ok(Self::Node),
            "sidecar" => Ok(Self::Sidecar),
            "waypoint" => Ok(Self::Waypoint),
            "gateway" => Ok(Self::Gateway([("istio".into(), "ingressgateway".into())].into())),
            other => {
                let label = other.strip_prefix("gateway:").and_then(|label| label.split_once('='));
                let (key, value) = label.ok_or_else(|| Error::Place(other.into()))?;
                Ok(Self::Gateway([(key.into(), value.into())].into()))
            }
        }
    }
}
