//! Requests that are routed: of an enrolled workload at its own node, as far as routes or settings ask for it, and of
//! whoever calls a gateway or goes through a waypoint.

use std::{
    cell::{OnceCell, RefCell},
    net::{IpAddr, SocketAddr},
    pin::pin,
    rc::Rc,
    sync::Arc,
};

use ripstop_decide::{ActingRule, CallFacts, Content, Outcome, Program, RuleList, Target};
use ripstop_exchange::{Downstream, Failure};
use ripstop_model::{HttpRule, ProxyHeaders, Workload};
use ripstop_telemetry::{Direction, Exchange, NoHeaders, Reporter, ResponseFlag};
use tokio::{select, sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    admission::Counted,
    attempts::Attempts,
    connected::Connected,
    connection::{Malformed, Serve},
    copies,
    filters::{
        changes,
        client_cert::ClientCert,
        cors,
        edits::Edits,
        fault,
        origin::Origin,
        respond::{Asker, Local},
        weights::{self, Drawn},
    },
    followed::Following,
    global_limits::{Denied, settle},
    head::Head,
    passthrough,
    patience::{Patience, give_up},
    respond::{answer, refused},
    sessions,
    standpoint::Standpoint,
    told::{Started, Told, Way},
    waiting::while_there,
};
use crate::{
    backends::{ClientConnection, ClientEnds},
    connection_limits::Admitted,
    error::Error,
    local::LocalWorkload,
    outbound::random,
    record::Parties,
    sight::{Called, Callees, RequestSight},
    worker::Context,
};

/// What the requests of one connection are answered by: whom the address stands for that a workload called, or whom
/// the listener and the host do at a gateway.
pub struct Outbound {
    pub(super) context: Rc<Context>,
    /// In whose name others are called: the caller, the gateway, or the waypoint.
    pub(super) workload: Arc<LocalWorkload>,
    pub(super) peer: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) standpoint: Standpoint,
    /// Ends what is under way.
    over: Option<CancellationToken>,
    /// What is told of the client's certificate; nothing: it has proven none.
    client_cert: Option<Box<str>>,
    /// What the connection takes of limits, as long as its requests last.
    _admitted: Admitted,
    /// The same at a waypoint, of limits of whatever they get to.
    pub(super) connected: Connected,
    /// The connection, as backends are told of it that are told whom they serve.
    client: OnceCell<ClientConnection>,
    callees: RefCell<Callees>,
    cors: RefCell<cors::CorsPolicies>,
    pub(super) following: Following,
}

/// A request on its way.
pub(super) struct Asked<'a> {
    pub(super) source: &'a Arc<Workload>,
    pub(super) head: &'a Head,
    pub(super) started: Started,
}

// === impl Outbound ===

impl Outbound {
    /// Of a connection of `peer` to `destination`, answered in the name of `workload`.
    pub fn new(
        context: Rc<Context>,
        workload: Arc<LocalWorkload>,
        peer: SocketAddr,
        destination: SocketAddr,
        standpoint: Standpoint,
    ) -> Self {
        let (client, callees, cors) = (OnceCell::new(), RefCell::default(), RefCell::default());
        Self {
            context,
            workload,
            peer,
            destination,
            standpoint,
            over: None,
            client_cert: None,
            _admitted: Admitted::default(),
            connected: Connected::default(),
            client,
            callees,
            cors,
            following: Following::default(),
        }
    }

    /// The same; what is still under way once `over` fires is ended then.
    #[must_use]
    pub fn until(self, over: CancellationToken) -> Self {
        Self { over: Some(over), ..self }
    }

    /// The same, of a client that has proven a certificate, of which that is told.
    #[must_use]
    pub fn of_proven(self, client_cert: Option<Box<str>>) -> Self {
        Self { client_cert, ..self }
    }

    /// The same, of a connection that was counted.
    #[must_use]
    pub fn admitted(self, admitted: Admitted) -> Self {
        Self { _admitted: admitted, ..self }
    }

    /// The same, of a connection to a waypoint that was counted for what it is for.
    #[must_use]
    pub fn connected(self, connected: Connected) -> Self {
        Self { connected, ..self }
    }

    /// What becomes of what a client tells of certificates.
    pub(super) fn client_cert(&self) -> ClientCert<'_> {
        self.standpoint.client_cert(self.client_cert.as_deref())
    }

    /// Who calls: whom proxies before a gateway name, of those that are trusted, or who connected.
    pub(super) fn caller(&self, told: &Told) -> SocketAddr {
        // Of whom they name no port is known.
        told.client.map_or(self.peer, |client| SocketAddr::new(client, 0))
    }

    /// The ends of the connection, for backends that are told whom they serve.
    pub(super) fn client(&self) -> Rc<ClientEnds> {
        self.client.get_or_init(|| ClientConnection::new(self.peer, self.destination)).ends()
    }

    /// Answers a request as `program` says, which is kept for no longer than it takes to know where the request goes;
    /// tells in `told` what became of it.
    async fn route(&self, downstream: &mut Downstream<'_>, asked: &Asked<'_>, program: Arc<Program>, told: &mut Told) {
        let called = self.standpoint.called(&program, self.destination);
        let judged = asked.head.with_facts(|request| {
            let own = asked.source;
            let content = Content::Request(request);
            let counts = Some(&self.context.shared.policy_counts);
            self.standpoint.judge(&program, own, self.peer, told.client, self.destination, content, counts)?;
            let mirrored = |facts: &CallFacts<'_>, outcome| {
                let mirrors = copies::mirrors(&program, facts, &outcome);
                (outcome, mirrors)
            };
            Ok(self.standpoint.outcome(&program, own, self.destination, called.as_ref(), Some(request), mirrored))
        });
        let (outcome, mirrors) = match judged {
            Ok(judged) => judged,
            Err(error) => {
                told.decision = random();
                told.policy = Error::policy(&error).cloned();
                let local = refused(&error, self.standpoint.confides(told.decision));
                told.local(&local, asked.head.asker());
                return answer(downstream, Some(asked.head), &local, &Edits::new()).await;
            }
        };
        let outcome = match outcome {
            Outcome::Passthrough => {
                let target = passthrough::target(self.destination.port());
                Outcome::Forward { rule: None, backends: vec![target] }
            }
            outcome => outcome,
        };
        let (acting, rule) = (acting(&outcome), rule_of(&outcome));
        told.route = acting.map(|acting| acting.id().clone());
        told.route_name = rule.map(|rule| rule.name.clone()).filter(|name| !name.is_empty());
        let mut counted = Counted::of(self.caller(told));
        // What the proxy's own limits refuse has nobody wait, nor looked for.
        let admitted = self.admit(&program, called.as_ref(), asked, rule, &mut counted);
        let drawn = match &outcome {
            Outcome::Forward { backends, .. } if admitted.is_ok() => {
                match sessions::kept(self, downstream, asked, &program, backends).await {
                    Ok(Some(target)) => Drawn::Target(target),
                    Ok(None) => weights::draw(backends, random()),
                    Err(failure) => {
                        told.left(&failure);
                        return downstream.reset();
                    }
                }
            }
            _ => Drawn::Nothing,
        };
        let pending =
            admitted.map(|unasked| self.ask(&program, unasked, (called.as_ref(), drawn.target()), asked, &counted));
        let allowed = match settle(pending, downstream).await {
            Ok(mut allowed) => {
                counted.passed(&mut allowed);
                allowed
            }
            Err(Denied::Left(failure)) => {
                told.left(&failure);
                return downstream.reset();
            }
            Err(Denied::Turned { rule, local }) => {
                (told.route, told.route_name) = (None, None);
                told.policy = Some(rule);
                if let Some(target) = drawn.target() {
                    told.calls(target);
                }
                told.local(&local, asked.head.asker());
                return answer(downstream, Some(asked.head), &local, &Edits::new()).await;
            }
        };
        let proxy = self.following.at(&program, asked.source).proxy;
        let mut shaped = Shaped { rule, target: drawn.target(), grant: None, headers: &proxy.headers };
        let cors = rule.and_then(|rule| rule.cors.as_ref()).map(|cors| self.cors.borrow_mut().get(cors));
        // In Istio's order: a request that is aborted is not asked where it comes from.
        let disturbed = match disturbed(downstream, rule, told).await {
            Ok(disturbed) => disturbed,
            Err(failure) => {
                told.left(&failure);
                return downstream.reset();
            }
        };
        let local = match disturbed {
            Some(local) => {
                if let Some(target) = drawn.target() {
                    told.calls(target);
                }
                Some(local)
            }
            None => match cors.as_ref().map(|cors| cors.ask(asked.head.method(), asked.head.fields())) {
                Some(cors::Asked::Preflight(local)) => {
                    (shaped.rule, shaped.target) = (None, None);
                    Some(local)
                }
                asked_by => {
                    if let Some(cors::Asked::Granted(grant)) = asked_by {
                        shaped.grant = Some(grant);
                    }
                    match &outcome {
                        Outcome::Forward { .. } => {
                            let (target, source) = (drawn.target(), asked.source);
                            let pending = self.admit_to(&program, target, source, asked.head, &mut counted);
                            match settle(pending, downstream).await {
                                Ok(mut own) => {
                                    counted.passed(&mut own);
                                    let attempts = Attempts {
                                        outbound: self,
                                        asked,
                                        acting,
                                        rule,
                                        grant: shaped.grant,
                                        allowed: allowed.and(own),
                                        mirrors: &mirrors,
                                    };
                                    attempts.run(downstream, drawn, program, counted, told).await
                                }
                                Err(Denied::Left(failure)) => {
                                    told.left(&failure);
                                    return downstream.reset();
                                }
                                Err(Denied::Turned { rule, local }) => {
                                    told.policy = Some(rule);
                                    if let Some(target) = drawn.target() {
                                        told.calls(target);
                                    }
                                    Some(*local)
                                }
                            }
                        }
                        Outcome::Redirect { status, location, .. } => Some(Local::redirect(*status, location.clone())),
                        Outcome::Respond { status, body, .. } => Some(Local::direct(*status, body)),
                        // Of a listener that went, requests may still come on connections that are open.
                        Outcome::NoRule { .. } | Outcome::Reset => Some(Local::no_route()),
                        Outcome::Passthrough | Outcome::Refused => Some(Local::direct(502, b"")),
                    }
                }
            },
        };
        if let Some(local) = local {
            told.local(&local, asked.head.asker());
            let sight = self.sight(asked.source, told);
            let exchange = told.exchange(&sight, asked.started);
            let edits = shaped.edits(&local, asked, &exchange);
            answer(downstream, Some(asked.head), &local, &edits).await;
        }
    }

    /// Ready when a later policy of the gateway or waypoint forbids a request that is under way.
    async fn forbidden(&self, changed: &mut watch::Receiver<u64>, head: &Head, client: Option<IpAddr>) -> Error {
        while self.standpoint.judges() && changed.changed().await.is_ok() {
            let program = self.context.shared.snapshot.load();
            // A workload that is gone ends by itself.
            let Some(own) = self.workload.in_snapshot(&program) else { continue };
            let judged = head.with_facts(|request| {
                let content = Content::Request(request);
                self.standpoint.judge(&program, own, self.peer, client, self.destination, content, None)
            });
            // Who came in by other TLS finishes what is under way.
            if let Err(error @ Error::Denied { .. }) = judged {
                return error;
            }
        }
        std::future::pending().await
    }

    /// Ready when nothing may go on.
    async fn is_over(&self) {
        match &self.over {
            Some(over) => over.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Who speaks with whom, as far as it is known; whom proxies before a gateway name apart, who is another one with each
    /// request ([`Told::exchange`]).
    pub(super) fn sight(&self, source: &Arc<Workload>, told: &Told) -> Rc<RequestSight> {
        let service = told.service.as_ref();
        let tunnelled = told.way == Way::Tunnel;
        let endpoint = told.endpoint.as_ref();
        let called = match (service, told.host.as_ref()) {
            (None, Some(host)) => Called::Host(host.clone()),
            _ => Called::Service,
        };
        let sight = || {
            let mut parties = Parties {
                direction: Direction::Outbound,
                source_address: self.peer,
                source: Some(source.clone()),
                source_identity: tunnelled.then(|| source.identity().ok()).flatten(),
                destination_address: self.destination,
                destination: endpoint.cloned(),
                destination_identity: endpoint.filter(|_| tunnelled).and_then(|endpoint| endpoint.identity().ok()),
                service: service.cloned(),
                hbone: None,
                reporter: Reporter::Source,
            };
            if let Standpoint::Waypoint(crossing) = &self.standpoint {
                parties.source.clone_from(&crossing.source);
                parties.source_identity = Some(crossing.peer.clone());
                parties.reporter = Reporter::Waypoint;
                return self.context.recorder.sight_at(source.clone(), parties, called.clone());
            }
            self.context.recorder.sight(parties, Reporter::Source, called.clone())
        };
        self.callees.borrow_mut().get(service, endpoint, &called, sight)
    }
}

/// The rule for requests that acts. Of a port that has become one of TCP, those who came before may still ask for more.
fn rule_of(outcome: &Outcome) -> Option<&HttpRule> {
    let acting = acting(outcome).filter(|acting| acting.list == RuleList::Http)?;
    acting.table.http.get(acting.index)
}

/// What shapes an answer of the proxy's own, as it does one of a backend.
struct Shaped<'a> {
    rule: Option<&'a HttpRule>,
    target: Option<&'a Target>,
    grant: Option<cors::Grant<'a>>,
    headers: &'a ProxyHeaders,
}

impl<'a> Shaped<'a> {
    fn edits(&self, local: &Local, asked: &'a Asked<'_>, exchange: &'a Exchange<'a>) -> Edits<'a> {
        let context = changes::Context {
            request: asked.head.as_request(),
            origin: Origin::Caller,
            rule: self.rule,
            target: self.target,
            exchange,
            hostname: &asked.source.name,
            headers: self.headers,
        };
        let answer =
            changes::Answer { status: local.status, headers: &NoHeaders, service_time: None, cors: self.grant };
        changes::answer(&context, None, answer)
    }
}

/// The rule that a request goes by.
fn acting(outcome: &Outcome) -> Option<&ActingRule> {
    match outcome {
        Outcome::Forward { rule, .. } | Outcome::Redirect { rule, .. } => rule.as_ref(),
        Outcome::Respond { rule, .. } => Some(rule),
        Outcome::NoRule { .. } | Outcome::Passthrough | Outcome::Refused | Outcome::Reset => None,
    }
}

/// Does to a request what its rule's fault injection says: it waits, and may get an answer of our own.
async fn disturbed(
    downstream: &mut Downstream<'_>,
    rule: Option<&HttpRule>,
    told: &mut Told,
) -> Result<Option<Local>, Failure> {
    let Some(rule) = rule else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "half of the random bits are enough")]
    let injected = fault::injected(&rule.fault, random() as u32, random() as u32);
    for flag in injected.flags().iter() {
        told.flags.insert(flag);
    }
    if let Some(delay) = injected.delay {
        while_there(downstream, pin!(sleep(delay))).await?;
    }
    Ok(injected.abort.as_ref().map(Local::aborted))
}

impl Serve for Outbound {
    async fn serve(&self, mut downstream: Downstream<'_>) {
        let started = Started::now();
        // Before it is judged: no change is missed.
        let mut changed = self.context.shared.changed.subscribe();
        let program = self.context.shared.snapshot.load_full();
        let Some(source) = self.workload.in_snapshot(&program).cloned() else {
            return downstream.reset();
        };
        let followed = self.following.at(&program, &source);
        let head = match Head::read(&downstream, followed.reading) {
            Ok(mut head) => {
                if let Some(scheme) = self.standpoint.scheme(head.fields()) {
                    head.set_scheme(scheme);
                }
                head
            }
            Err(bad) => {
                let head = Head::unread(&downstream);
                let local = Local::bad(bad, head.asker());
                let mut told = Told { version: program.version(), ..Told::default() };
                told.local(&local, Asker::Http);
                answer(&mut downstream, None, &local, &Edits::new()).await;
                return told.tell(&self.context.recorder, &self.sight(&source, &told), started, &head);
            }
        };
        let asked = Asked { source: &source, head: &head, started };
        let client = self.standpoint.remote(head.fields());
        let mut told = Told { version: program.version(), client, ..Told::default() };
        let patience = Patience::with(&mut downstream, &followed.connections);
        select! {
            biased;
            error = self.forbidden(&mut changed, &head, client) => {
                downstream.reset();
                told.policy = error.policy().cloned();
                told.flags.insert(ResponseFlag::Deny);
                told.details = Some("revoked");
            }
            () = self.is_over() => {
                downstream.reset();
                told.flags.insert(ResponseFlag::LocalReset);
                told.details = Some("drained");
            }
            late = Patience::over(patience.as_ref()) => {
                give_up(&mut downstream, &head, late, patience.as_ref(), &mut told).await;
            }
            () = self.route(&mut downstream, &asked, program, &mut told) => {}
        }
        let sight = self.sight(&source, &told);
        told.tell(&self.context.recorder, &sight, started, &head);
    }

    fn malformed(&self, what: &Malformed) {
        let program = self.context.shared.snapshot.load_full();
        let Some(source) = self.workload.in_snapshot(&program) else { return };
        let (told, head, started) = Told::malformed(what, program.version());
        told.tell(&self.context.recorder, &self.sight(source, &told), started, &head);
    }
}
