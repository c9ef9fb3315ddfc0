//! A request that is sent to a backend, as often as it takes.

use std::{pin::pin, sync::Arc, time::Duration};

use ripstop_balance::{BudgetedRetry, Criteria, Outcome, Reach, Refused, Resource, Tried as TriedEndpoints};
use ripstop_decide::{ActingRule, Callee, Program, Target, retry_budget_of_route, rewritten};
use ripstop_exchange::{Downstream, Failure, Framing, HeadChanges, Party, Pump, Replay, Sent, Upstream};
use ripstop_model::HttpRule;
use tokio::time::{Instant, sleep, timeout};

use super::{
    admission::Counted,
    copies::Copies,
    field_list::FieldList,
    filters::{
        affinity::{Affinity, Ends, cookie, session_cookie},
        changes::{self, Answer, Outgoing, RequestChanges},
        cors::Grant,
        respond::{Local, Reset, Tried},
        retry::{Attempt, Next, Retries},
        timeout::Timeouts,
        weights::Drawn,
    },
    forward::{again, grpc_status, last_grpc_status, unless_idle},
    grpc_web::{self, Translation},
    head::Head,
    learned::outcome,
    limits::Quota,
    lost,
    outbound::{Asked, Outbound},
    respond::refused,
    spans,
    told::{Told, Way},
    waiting::{has_left, while_there},
};
use crate::{
    backends::{BackendError, Session, Wanted, WorkerBackend, cluster_name},
    outbound::{may_ask_for, may_leave, random},
    retry_budgets::OnRoute,
};

/// A request, and the rule that sends it on.
pub(super) struct Attempts<'a> {
    pub(super) outbound: &'a Outbound,
    pub(super) asked: &'a Asked<'a>,
    pub(super) acting: Option<&'a ActingRule>,
    pub(super) rule: Option<&'a HttpRule>,
    pub(super) grant: Option<Grant<'a>>,
    /// What the client is told of limits.
    pub(super) quota: Option<Quota>,
    /// Who gets copies of it.
    pub(super) mirrors: &'a [Target],
}

/// How an attempt ended.
enum Ended {
    /// Its answer was passed on, or is past mending.
    Over,
    /// Its connection had ended before it came; if that happens too often, the client is told that.
    Lost(Local),
    /// It is to be tried again after that pause.
    Again(Duration),
    /// The client is told something else.
    Instead(Local),
}

/// What a client is told whom the callee's node would not connect: which policy that was, its log knows.
const DENIED_THERE: &str = "denied_by_callee";
/// Who answers, as Istio's proxies tell clients.
pub(super) const SERVER: &str = "istio-envoy";

impl Attempts<'_> {
    /// Sends the request on, as `program` says; gives the answer of our own that it gets if nobody else answers.
    pub(super) async fn run(
        &self,
        downstream: &mut Downstream<'_>,
        drawn: Drawn<'_>,
        program: Arc<Program>,
        mut counted: Counted,
        told: &mut Told,
    ) -> Option<Local> {
        let target = match drawn {
            Drawn::Target(target) => target,
            Drawn::Missing(target, _) => {
                told.cluster = Some(cluster_name(&target.backend).into());
                return Some(Local::no_cluster());
            }
            Drawn::Nothing => return Some(Local::no_backend()),
        };
        match &target.callee {
            Some(Callee::Service(service)) => told.service = Some(service.clone()),
            _ => told.host = Some(target.backend.host.clone()),
        }
        let Asked { source, head, started } = *self.asked;
        let context = &self.outbound.context;
        if let Err(denied) = may_ask_for(source, target) {
            told.decision = random();
            told.policy = denied.policy().cloned();
            return Some(refused(&denied, self.outbound.standpoint.confides(told.decision)));
        }
        let backend = context.backends.backend(context, &program, source, target);
        told.cluster = Some(backend.cluster().clone());
        if let Err(failure) = while_there(downstream, pin!(backend.ready())).await {
            return left(downstream, &failure, told);
        }
        let _active = match backend.acquire(Resource::Request) {
            Ok(active) => active,
            Err(error) => return Some(unavailable(&error.into(), Tried::Once)),
        };
        let budget = self.rule.and_then(|rule| retry_budget_of_route(&program, rule));
        let on_route = budget.and_then(|budget| context.shared.retry_budgets.begin(&budget));
        let request = head.as_request();
        let defaults = program.traffic().defaults.clone();
        let policy = self.rule.and_then(|rule| rule.retries.as_ref()).unwrap_or(&defaults.retries);
        let origin = self.outbound.standpoint.origin(self.outbound.peer, told.client);
        let retries = Retries::of(policy, origin.shaping(head.fields()));
        let timeouts = Timeouts::of(&request, origin, self.rule, &retries);
        let sight = self.outbound.sight(source, told);
        let exchange = told.exchange(&sight, started);
        let facts = changes::Context {
            request,
            origin,
            rule: self.rule,
            target: Some(target),
            exchange: &exchange,
            hostname: &source.name,
        };
        let span = spans::begin(context, &sight, target, head.fields());
        let path = self.acting.map_or(head.path().into(), |acting| rewritten(&program, acting, head.path()));
        let outgoing = Outgoing {
            path,
            transport: self.outbound.standpoint.transport(head.fields()),
            timeouts,
            random: (u128::from(random()) << 64 | u128::from(random())).to_be_bytes(),
            span: span.as_ref().map(|begun| (&begun.span, begun.propagation)),
            operation: span.as_ref().map(|begun| &*begun.operation),
            client_cert: self.outbound.client_cert(),
        };
        let mut changed = changes::request(&facts, &outgoing);
        let mut translation =
            grpc_web::translation(&self.outbound.standpoint, head, target).map(|(kind, translation)| {
                changed.speak_grpc(kind);
                translation
            });
        let affinity = backend.settings().balancer.as_ref().map_or_else(Affinity::default, |balancer| {
            let ends = Ends { peer: self.outbound.caller(told), destination: self.outbound.destination };
            Affinity::of(&balancer.algorithm, &request, &changed.on(head.fields()), ends)
        });
        let original = self.outbound.standpoint.original(self.outbound.destination);
        let mut session = backend.session(original, |name| cookie(head.fields(), name));
        let mut replay = if retries.is_possible() { Replay::up_to(Replay::USUAL) } else { Replay::none() };
        if !self.mirrors.is_empty() && !may_switch(downstream, head) {
            let (outbound, mirrors) = (self.outbound, self.mirrors);
            let copies = Copies { outbound, program: &program, source, mirrors, timeout: timeouts.whole };
            copies.follow(downstream, head, &changed, &mut replay);
        }
        let mut tried = TriedEndpoints::new();
        // The right to be tried again is held until the retry has ended.
        let mut retrying = None;
        let mut retrying_route: Option<BudgetedRetry> = None;
        let mut lost = 0;
        // An answer may last for as long as many of them.
        let mut program = Some(program);
        loop {
            let ended = {
                let mut attempt = One {
                    attempts: self,
                    backend: &backend,
                    program: &mut program,
                    facts: &facts,
                    retries: &retries,
                    affinity: &affinity,
                    session: &mut session,
                    timeouts,
                    counted: &mut counted,
                    tried: &mut tried,
                    replay: &mut replay,
                    translation: translation.as_deref_mut(),
                };
                attempt.run(downstream, &changed, told).await
            };
            match ended {
                Ended::Over => return None,
                Ended::Lost(_) if lost < lost::MOST => {
                    lost += 1;
                    told.attempts -= 1;
                }
                Ended::Instead(local) | Ended::Lost(local) => return Some(local),
                Ended::Again(pause) => {
                    drop((retrying.take(), retrying_route.take()));
                    match on_route.as_ref().map(OnRoute::retry).transpose() {
                        Ok(permit) => retrying_route = permit,
                        Err(error) => return Some(unavailable(&error.into(), Tried::Again).exhausted()),
                    }
                    match backend.acquire(Resource::Retry) {
                        Ok(permit) => retrying = Some(permit),
                        Err(error) => {
                            // One that is not made costs the route nothing.
                            if let Some(permit) = retrying_route.take() {
                                permit.give_back();
                            }
                            return Some(unavailable(&error.into(), Tried::Again).exhausted());
                        }
                    }
                    let left_of_all = timeouts.left(started.elapsed()).filter(|left| *left <= pause);
                    let waits = pin!(sleep(left_of_all.unwrap_or(pause)));
                    if let Err(failure) = while_there(downstream, waits).await {
                        return left(downstream, &failure, told);
                    }
                    if left_of_all.is_some() {
                        return Some(Local::timed_out());
                    }
                    changed.again(told.attempts + 1, started.elapsed());
                }
            }
        }
    }
}

/// One attempt.
struct One<'a, 'r> {
    attempts: &'a Attempts<'a>,
    backend: &'a WorkerBackend,
    /// What found the backend, which asks it for its endpoints until one was picked.
    program: &'r mut Option<Arc<Program>>,
    facts: &'a changes::Context<'a>,
    retries: &'a Retries<'a>,
    affinity: &'a Affinity,
    session: &'r mut Option<Box<Session>>,
    timeouts: Timeouts,
    /// What has counted the request.
    counted: &'r mut Counted,
    tried: &'r mut TriedEndpoints,
    replay: &'r mut Replay,
    /// What becomes of a call of gRPC-Web.
    translation: Option<&'r mut Translation>,
}

impl One<'_, '_> {
    async fn run(&mut self, downstream: &mut Downstream<'_>, changed: &RequestChanges<'_>, told: &mut Told) -> Ended {
        let Asked { head, started, .. } = *self.attempts.asked;
        let outbound = self.attempts.outbound;
        let reach = if self.retries.remote_localities { Reach::Far } else { Reach::Near };
        // What belongs to an endpoint is tried again there, unless its rule says otherwise.
        let belongs = self.affinity.hash.is_some() || self.session.as_ref().is_some_and(|own| own.endpoint.is_some());
        let elsewhere = self.retries.ignore_previous_hosts.unwrap_or(!belongs);
        let session = self.session.as_deref().filter(|_| !elsewhere || told.attempts == 0);
        let tried = if elsewhere { &*self.tried } else { &TriedEndpoints::new() };
        let criteria = Criteria { hash: self.affinity.hash, tried, reach };
        let original = outbound.standpoint.original(outbound.destination);
        let picked = match self.backend.pick_of_session(session, &criteria, original, random()) {
            Ok(picked) => picked,
            Err(Refused::NoEndpoint | Refused::NoneUsable { .. }) => {
                return Ended::Instead(Local::no_healthy_upstream());
            }
            Err(refused) => {
                tracing::debug!(%refused, "a request has nowhere to go");
                return Ended::Instead(Local::no_healthy_upstream());
            }
        };
        *self.program = None;
        self.tried.note(&picked);
        told.attempts += 1;
        let endpoint = picked.key().clone();
        told.upstream = Some(endpoint.address());
        told.endpoint = endpoint.workload().cloned();
        told.way = if endpoint.is_tunnelled() { Way::Tunnel } else { Way::Plain };
        if let Err(denied) = may_leave(self.attempts.asked.source, endpoint.workload(), endpoint.way()) {
            told.decision = random();
            told.policy = denied.policy().cloned();
            let decision = self.attempts.outbound.standpoint.confides(told.decision);
            return Ended::Instead(refused(&denied, decision));
        }
        let quota = match outbound.admit_at(&endpoint, head, self.counted) {
            Ok(quota) => self.attempts.quota.or(quota),
            Err(exceeded) => {
                told.policy = Some(exceeded.rule.clone());
                return Ended::Instead(exceeded.local());
            }
        };
        let wanted = if may_switch(downstream, head) { Wanted::Http1 } else { Wanted::Configured(head.protocol()) };
        let limit = self.timeouts.of_attempt(started.elapsed());
        let authority = changed.authority().unwrap_or(head.authority());
        let client = || outbound.client();
        let checkout = self.backend.checkout(&outbound.context, &endpoint, wanted, Some(authority), client);
        let checked_out = {
            let checkout = pin!(within(limit, checkout));
            while_there(downstream, checkout).await
        };
        let connection = match checked_out {
            Err(failure) => {
                self.backend.tell_given_up(&picked);
                left(downstream, &failure, told);
                return Ended::Over;
            }
            Ok(Some(Ok(connection))) => connection,
            Ok(Some(Err(error))) if error.is_denied() => {
                tracing::debug!(%error, "a policy of the callee denies a request's connection");
                told.decision = random();
                let decision = self.attempts.outbound.standpoint.confides(told.decision);
                return Ended::Instead(Local::denied(decision.map(|decision| (DENIED_THERE, decision))));
            }
            Ok(Some(Err(error))) => {
                if let Some(outcome) = error.outcome() {
                    self.backend.tell(&picked, outcome);
                }
                let attempt = match error {
                    BackendError::Overflow(_) => Attempt::Overflow,
                    _ if error.is_limited() => Attempt::Overflow,
                    _ => Attempt::NotConnected,
                };
                // Of what is not there, nobody waits for the ejection.
                if let Some(session) = self.session.as_mut().filter(|_| matches!(attempt, Attempt::NotConnected)) {
                    session.endpoint = None;
                }
                let tried = tried_so_far(told);
                return self.next(attempt, told, unavailable(&error, tried));
            }
            Ok(None) => {
                self.backend.tell_fate(&picked, self.too_late());
                return self.timed_out(Sent::Nothing, told);
            }
        };
        let mut connection = connection;
        let upstream = connection.upstream();
        if self.translation.is_some() && !matches!(upstream, Upstream::Http2(_)) {
            let why = "gRPC-Web is translated for backends of HTTP/2 only";
            return Ended::Instead(Local::reset(Reset::ConnectFailure, Tried::Once, Some(why)));
        }
        let tried = tried_so_far(told);
        let list = changed.list();
        let mut pump = match pump(again(downstream), upstream, changed.head(&list), self.replay, authority, outbound) {
            Ok(pump) => pump,
            Err(failure) => return Ended::Instead(Local::failed(&failure, tried)),
        };
        let coding = self.translation.as_ref().map(|translation| translation.answer);
        if let Some(translation) = &mut self.translation {
            pump.recode(&mut translation.recoding);
        }
        let is_grpc = head.is_grpc() || coding.is_some();
        let begun = Instant::now();
        let limit = self.timeouts.of_attempt(started.elapsed());
        let answered = unless_idle(&mut pump, Pump::poll_answer);
        match within(limit, answered).await.flatten() {
            None => {
                let sent = pump.upstream().sent();
                drop(pump);
                self.backend.tell_fate(&picked, self.too_late());
                return self.timed_out(sent, told);
            }
            Some(Err(failure)) => {
                drop(pump);
                if has_left(&failure) {
                    self.backend.tell_given_up(&picked);
                    left(downstream, &failure, told);
                    return Ended::Over;
                }
                if failure.party == Party::Downstream {
                    return Ended::Instead(Local::failed(&failure, Tried::Once));
                }
                let reused = connection.is_reused();
                tracing::debug!(endpoint = %connection.endpoint(), reused, %failure, "an endpoint did not answer");
                if self.replay.is_possible() && lost::may_go_again(&failure, reused, begun.elapsed(), head.method()) {
                    return Ended::Lost(Local::failed(&failure, tried));
                }
                self.backend.tell(&picked, Outcome::Reset);
                return self.next(Attempt::Failed(&failure), told, Local::failed(&failure, tried));
            }
            Some(Ok(())) => {}
        }
        told.status = pump.upstream().status();
        told.grpc_status = grpc_status(pump.upstream());
        let answered = FieldList::of(pump.upstream().fields());
        // A call of gRPC says at its end how it went.
        let is_settled = !is_grpc || told.status != 200 || told.grpc_status.is_some();
        if is_settled {
            self.backend.tell(&picked, outcome(told.status, told.grpc_status.filter(|_| is_grpc)));
        } else {
            self.backend.tell_answered(&picked);
        }
        if pump.is_replayable()
            && let Next::Again(pause) = self.retries.next(
                told.attempts - 1,
                Attempt::Answer { status: told.status, headers: &answered },
                random(),
            )
        {
            drop(pump);
            return Ended::Again(pause);
        }
        let totals = pump.totals();
        let service_time =
            totals.answered.map(|answered| answered.saturating_duration_since(totals.request_sent.unwrap_or(answered)));
        let answer = Answer {
            status: told.status,
            headers: &answered,
            service_time,
            cors: self.attempts.grant,
            server: Some(SERVER),
        };
        let mut edits = changes::answer(self.facts, Some(changed), answer);
        if let Some(cookie) = &self.affinity.cookie {
            edits.add("set-cookie", &**cookie);
        }
        if let (Some(session), Some(wanted)) = (self.session.as_deref(), &self.backend.settings().session)
            && let Some(value) = self.backend.session_value(session, picked.key())
        {
            edits.add("set-cookie", session_cookie(wanted, &value, outbound.standpoint.transport(head.fields())));
        }
        if let Some(quota) = quota {
            quota.tell(&mut edits);
        }
        let kind = coding.and_then(|coding| grpc_web::answered(coding, pump.upstream()));
        let framing = if kind.is_some() { Framing::Anew } else { Framing::Kept };
        if let Some(kind) = kind {
            edits.set("content-type", kind);
        }
        let list = edits.list();
        let passed = pump.pass_on(&HeadChanges { fields: &list, framing, ..HeadChanges::NONE });
        let whole = self.timeouts.left(started.elapsed());
        let through = match passed {
            Ok(()) if pump.switches() => Some(pump.through().await),
            Ok(()) => within(whole, unless_idle(&mut pump, Pump::poll_through)).await.flatten(),
            Err(failure) => Some(Err(failure)),
        };
        told.totals = pump.totals();
        told.grpc_status = told.grpc_status.or_else(|| last_grpc_status(pump.upstream()));
        drop(pump);
        told.details = Some("via_upstream");
        match &through {
            Some(Ok(_)) if !is_settled => self.backend.tell_end(&picked, outcome(told.status, told.grpc_status)),
            Some(Err(failure)) if !is_settled && failure.party == Party::Upstream => {
                self.backend.tell_end(&picked, Outcome::Reset);
            }
            _ => {}
        }
        drop(picked);
        match through {
            Some(Ok(_)) => {
                connection.release();
                if let Err(error) = downstream.finish().await {
                    tracing::debug!(%error, "a client was gone before its answer was");
                }
            }
            Some(Err(failure)) => {
                told.failed(&failure);
                downstream.reset();
            }
            None => {
                told.flags.insert(ripstop_telemetry::ResponseFlag::UpstreamRequestTimeout);
                told.details = Some("response_timeout");
                downstream.reset();
            }
        }
        Ended::Over
    }

    /// What comes after an attempt without an answer.
    fn next(&self, attempt: Attempt<'_>, told: &Told, otherwise: Local) -> Ended {
        if !self.replay.is_possible() {
            return Ended::Instead(otherwise);
        }
        match self.retries.next(told.attempts - 1, attempt, random()) {
            Next::Again(pause) => Ended::Again(pause),
            Next::Exhausted => Ended::Instead(otherwise.exhausted()),
            Next::Done => Ended::Instead(otherwise),
        }
    }

    /// What an endpoint that has not answered in time did; nothing, if its caller had no time for it.
    fn too_late(&self) -> Option<Outcome> {
        self.timeouts.blames(self.attempts.asked.started.elapsed()).then_some(Outcome::Timeout)
    }

    fn timed_out(&self, sent: Sent, told: &Told) -> Ended {
        let started = self.attempts.asked.started;
        if self.timeouts.left(started.elapsed()).is_some_and(|left| left.is_zero()) {
            return Ended::Instead(Local::timed_out());
        }
        self.next(Attempt::TimedOut { sent }, told, Local::attempt_timed_out())
    }
}

/// Nobody is answered: the client has left.
fn left(downstream: &mut Downstream<'_>, failure: &Failure, told: &mut Told) -> Option<Local> {
    downstream.reset();
    told.left(failure);
    None
}

/// Whether there was an attempt before this one.
fn tried_so_far(told: &Told) -> Tried {
    if told.attempts > 1 { Tried::Again } else { Tried::Once }
}

/// What passes on a request to `authority`. One of HTTP/1.0 may name no host, one of HTTP/2 has to: it is the address that
/// was called.
fn pump<'p>(
    downstream: Downstream<'p>,
    upstream: Upstream<'p>,
    changes: HeadChanges<'_>,
    replay: &'p mut Replay,
    authority: &str,
    outbound: &Outbound,
) -> Result<Pump<'p>, Failure> {
    if !authority.is_empty() || !matches!(upstream, Upstream::Http2(_)) {
        return Pump::new(downstream, upstream, &changes, replay);
    }
    let called = outbound.destination.to_string();
    let changes = HeadChanges { authority: Some(called.as_bytes()), ..changes };
    Pump::new(downstream, upstream, &changes, replay)
}

/// Whether the request asks for another protocol, which is asked for in HTTP/1.1.
fn may_switch(downstream: &Downstream<'_>, head: &Head) -> bool {
    match downstream {
        Downstream::Http1(connection) => connection.may_upgrade(),
        Downstream::Http2(_) => head.method() == "CONNECT",
    }
}

/// Nothing: it took longer.
async fn within<T>(limit: Option<Duration>, doing: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(doing.await),
        Some(limit) => timeout(limit, doing).await.ok(),
    }
}

fn unavailable(error: &BackendError, tried: Tried) -> Local {
    let reset = match error {
        BackendError::Overflow(_) => Reset::Overflow,
        _ if error.is_limited() => Reset::Limited,
        BackendError::Timeout { .. } => Reset::ConnectTimeout,
        _ => Reset::ConnectFailure,
    };
    let why = error.to_string();
    Local::reset(reset, tried, (!reset.is_overload()).then_some(why.as_str()))
}
