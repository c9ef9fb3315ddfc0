//! One attempt at having a request answered by a backend.

use std::{pin::pin, sync::Arc, time::Duration};

use ripstop_balance::{Criteria, Outcome, Reach, Refused, Tried as TriedEndpoints};
use ripstop_decide::Program;
use ripstop_exchange::{Downstream, Fault, Framing, HeadChanges, Party, Replay, Sent, Upstream};
use ripstop_telemetry::ResponseFlag;
use tokio::time::Instant;

use super::{
    admission::Counted,
    attempts::{Attempts, left},
    concurrency::Seat,
    field_list::FieldList,
    filters::{
        affinity::{Affinity, session_cookie},
        changes::{self, Answer, RequestChanges},
        respond::{Local, Reset, Tried},
        retry::{Attempt, Next, Retries},
        timeout::Timeouts,
    },
    forward::{again, grpc_status, last_grpc_status},
    global_limits::{Denied, settle},
    grpc_web::{self, Translation},
    hedging::{First, Hedger, Permits, Raced, Rival},
    learned::{is_failure, outcome, outcome_of},
    lost,
    onward::{connection, may_switch, pump, wanted, with_granted},
    outbound::Asked,
    respond::{refused, unavailable},
    retrying::Retrying,
    told::{Told, Way},
    waiting::{has_left, while_there, within},
};
use crate::{
    backends::{BackendError, Connection, Hedged, Session, WorkerBackend},
    outbound::{may_leave, random},
    retry_budgets::OnRoute,
};

/// How an attempt ended.
pub(super) enum Ended {
    /// Its answer was passed on, or is past mending.
    Over,
    /// Its connection had ended before it came; if that happens too often, the client is told that.
    Lost(Local),
    /// It is to be tried again after that pause, and has the right to.
    Again(Duration),
    /// The client is told something else.
    Instead(Local),
}

/// What a client is told whom the callee's node would not connect: which policy that was, its log knows.
const DENIED_THERE: &str = "denied_by_callee";

/// One attempt.
pub(super) struct One<'a, 'r> {
    pub(super) attempts: &'a Attempts<'a>,
    pub(super) backend: &'a WorkerBackend,
    /// What found the backend, which asks it for its endpoints until one was picked.
    pub(super) program: &'r mut Option<Arc<Program>>,
    pub(super) facts: &'a changes::Context<'a>,
    pub(super) retries: &'a Retries<'a>,
    /// Whether it may be sent to more than one endpoint.
    pub(super) hedged: Option<Hedged<'a>>,
    pub(super) on_route: Option<&'a OnRoute>,
    pub(super) affinity: &'a Affinity,
    pub(super) session: &'r mut Option<Box<Session>>,
    pub(super) timeouts: Timeouts,
    /// What has counted the request.
    pub(super) counted: &'r mut Counted,
    /// Its seat at a host.
    pub(super) seat: &'r mut Seat,
    pub(super) tried: &'r mut TriedEndpoints,
    pub(super) replay: &'r mut Replay,
    /// The right to be tried again.
    pub(super) retrying: &'r mut Retrying<'a>,
    /// What becomes of a call of gRPC-Web.
    pub(super) translation: Option<&'r mut Translation>,
}

impl One<'_, '_> {
    pub(super) async fn run(
        &mut self,
        downstream: &mut Downstream<'_>,
        changed: &RequestChanges<'_>,
        told: &mut Told,
    ) -> Ended {
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
        let mut picked = match self.backend.pick_of_session(session, &criteria, original, random()) {
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
        let pending = outbound.admit_at(&endpoint, head, self.counted);
        let left_of_all = self.timeouts.left(started.elapsed());
        let settled = {
            let settling = pin!(settle(pending, downstream));
            within(left_of_all, settling).await
        };
        match settled {
            Some(Ok(allowed)) => self.counted.passed_to_endpoint(allowed),
            Some(Err(Denied::Left(failure))) => {
                left(downstream, &failure, told);
                return Ended::Over;
            }
            Some(Err(Denied::Turned { rule, local })) => {
                told.policy = Some(rule);
                return Ended::Instead(*local);
            }
            None => return Ended::Instead(Local::timed_out()),
        }
        // No endpoint is blamed for the time that limits took.
        if self.timeouts.left(started.elapsed()).is_some_and(|left| left.is_zero()) {
            return Ended::Instead(Local::timed_out());
        }
        if let Err(limit) = outbound.connect_at(&endpoint) {
            told.policy = limit;
            return Ended::Instead(Local::limited(503, std::iter::empty()));
        }
        let wanted = wanted(downstream, head);
        let limit = self.timeouts.of_attempt(started.elapsed());
        let authority = changed.authority().unwrap_or(head.authority());
        let client = || outbound.client();
        let checkout = connection(self.backend, &outbound.context, &endpoint, wanted, authority, client);
        let checked_out = {
            let checkout = pin!(checkout);
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
        let reused = connection.is_reused();
        let (upstream, hold) = connection.parts();
        if self.translation.is_some() && !matches!(upstream, Upstream::Http2(_)) {
            let why = "gRPC-Web is translated for backends of HTTP/2 only";
            return Ended::Instead(Local::reset(Reset::ConnectFailure, Tried::Once, Some(why)));
        }
        let tried = tried_so_far(told);
        // What belongs to an endpoint is for no other.
        let hedged = self.hedged.filter(|_| !belongs && !may_switch(downstream, head));
        let others = hedged.filter(|hedged| hedged.delay().is_some());
        let hedges = others.map_or(0, |hedged| hedged.settings.attempts.saturating_sub(told.attempts));
        // One may be made in place of the first.
        let places = if hedges == 0 { 0 } else { hedges + 1 };
        let mut others: Vec<Option<Connection>> = (0..places).map(|_| None).collect();
        let mut won: Option<(usize, Option<Permits>)> = None;
        let mut ended_after: Option<Duration> = None;
        let mut pump = {
            let list = with_granted(changed, self.counted.granted());
            match pump(again(downstream), upstream, changed.head(&list), self.replay, authority, outbound) {
                Ok(pump) => pump,
                Err(failure) => return Ended::Instead(Local::failed(&failure, tried)),
            }
        };
        let coding = self.translation.as_ref().map(|translation| translation.answer);
        if let Some(translation) = &mut self.translation {
            pump.recode(&mut translation.recoding);
        }
        let is_grpc = head.is_grpc() || coding.is_some();
        let begun = Instant::now();
        let limit = self.timeouts.of_attempt(started.elapsed());
        let answered = match hedged.filter(|_| !others.is_empty()) {
            None => {
                let answering = pin!(pump.answer());
                within(limit, answering).await
            }
            Some(hedged) => {
                let mut hedger = Hedger {
                    attempts: self.attempts,
                    backend: self.backend,
                    hedged,
                    hedges,
                    on_route: self.on_route,
                    retries: self.retries,
                    timeouts: self.timeouts,
                    changed,
                    authority,
                    counted: self.counted,
                    tried: self.tried,
                };
                let first = First { picked: &picked, hold: Some(hold), reused, begun };
                match Box::pin(hedger.race(&mut pump, &mut others, first, limit, told)).await {
                    Raced::Nobody => None,
                    Raced::First(answered, after) => {
                        ended_after = Some(after);
                        Some(answered)
                    }
                    Raced::Other(place, Rival { picked: other, permits }) => {
                        let endpoint = other.key();
                        told.upstream = Some(endpoint.address());
                        told.endpoint = endpoint.workload().cloned();
                        told.way = if endpoint.is_tunnelled() { Way::Tunnel } else { Way::Plain };
                        picked = other;
                        won = Some((place, Some(permits)));
                        Some(Ok(()))
                    }
                }
            }
        };
        // Who fails at once is not fast, and who has hardly been waited for may be.
        let took = ended_after.unwrap_or_else(|| begun.elapsed());
        let shows = match &answered {
            None => hedged.and_then(|hedged| hedged.delay()).is_none_or(|delay| took >= delay),
            Some(Ok(())) => !is_failure(pump.upstream().status(), grpc_status(pump.upstream())),
            Some(Err(_)) => false,
        };
        if let Some(hedged) = hedged.filter(|_| shows) {
            hedged.note(took);
        }
        match answered {
            None => {
                let sent = pump.upstream().sent();
                drop(pump);
                self.backend.tell_fate(&picked, self.too_late());
                return self.timed_out(sent, told);
            }
            Some(Err(failure)) => {
                // Whoever does not know what it is asked to switch to has answered all the same.
                let answer = matches!(failure.fault, Fault::Switch).then(|| pump.upstream().status());
                drop(pump);
                if has_left(&failure) {
                    self.backend.tell_given_up(&picked);
                    left(downstream, &failure, told);
                    return Ended::Over;
                }
                if failure.party == Party::Downstream {
                    return Ended::Instead(Local::failed(&failure, Tried::Once));
                }
                let tried = tried_so_far(told);
                tracing::debug!(endpoint = %connection.endpoint(), reused, %failure, "an endpoint did not answer");
                if self.replay.is_possible() && lost::may_go_again(&failure, reused, took, head.method()) {
                    return Ended::Lost(Local::failed(&failure, tried));
                }
                self.backend.tell(&picked, answer.map_or(Outcome::Reset, Outcome::Status));
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
            let outcome = outcome_of(told.status, told.grpc_status.filter(|_| is_grpc), &answered);
            self.backend.tell(&picked, outcome);
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
            // Whoever answered so has ended: its right to be sent is there again.
            if let Some((_, permits)) = &mut won {
                *permits = None;
            }
            match self.retrying.again() {
                Ok(()) => {
                    drop(pump);
                    return Ended::Again(pause);
                }
                // Whoever may not try again passes on what it has.
                Err(overflow) => {
                    tracing::debug!(%overflow, "an answer is passed on that would be tried again");
                    told.flags.insert(ResponseFlag::UpstreamOverflow);
                    told.flags.insert(ResponseFlag::UpstreamRetryLimitExceeded);
                }
            }
        }
        self.seat.answered(told.status, told.grpc_status);
        let totals = pump.totals();
        let service_time =
            totals.answered.map(|answered| answered.saturating_duration_since(totals.request_sent.unwrap_or(answered)));
        let answer = Answer { status: told.status, headers: &answered, service_time, cors: self.attempts.grant };
        let mut edits = changes::answer(self.facts, Some(changed), answer);
        if let Some(cookie) = &self.affinity.cookie {
            edits.add("set-cookie", &**cookie);
        }
        if let (Some(session), Some(wanted)) = (self.session.as_deref(), &self.backend.settings().session)
            && let Some(value) = self.backend.session_value(session, picked.key())
        {
            edits.add("set-cookie", session_cookie(wanted, &value, outbound.standpoint.transport(head.fields())));
        }
        self.attempts.tell(self.counted.granted(), &mut edits);
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
            Ok(()) => {
                let passing = pin!(pump.through());
                within(whole, passing).await
            }
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
        if let Some(other) = won.as_ref().and_then(|(place, _)| others.get_mut(*place)?.take()) {
            connection = other;
        }
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
                told.flags.insert(ResponseFlag::UpstreamRequestTimeout);
                told.details = Some("response_timeout");
                downstream.reset();
            }
        }
        Ended::Over
    }

    /// What comes after an attempt without an answer.
    fn next(&mut self, attempt: Attempt<'_>, told: &Told, otherwise: Local) -> Ended {
        if !self.replay.is_possible() {
            return Ended::Instead(otherwise);
        }
        match self.retries.next(told.attempts - 1, attempt, random()) {
            Next::Again(pause) => match self.retrying.again() {
                Ok(()) => Ended::Again(pause),
                Err(overflow) => {
                    tracing::debug!(%overflow, "a request is not tried again");
                    Ended::Instead(otherwise.overflowed().exhausted())
                }
            },
            Next::Exhausted => Ended::Instead(otherwise.exhausted()),
            Next::Done => Ended::Instead(otherwise),
        }
    }

    /// What an endpoint that has not answered in time did; nothing, if its caller had no time for it.
    fn too_late(&self) -> Option<Outcome> {
        self.timeouts.blames(self.attempts.asked.started.elapsed()).then_some(Outcome::Timeout)
    }

    fn timed_out(&mut self, sent: Sent, told: &Told) -> Ended {
        let started = self.attempts.asked.started;
        if self.timeouts.left(started.elapsed()).is_some_and(|left| left.is_zero()) {
            return Ended::Instead(Local::timed_out());
        }
        self.next(Attempt::TimedOut { sent }, told, Local::attempt_timed_out())
    }
}

/// Whether there was an attempt before this one.
fn tried_so_far(told: &Told) -> Tried {
    if told.attempts > 1 { Tried::Again } else { Tried::Once }
}

#[cfg(test)]
mod tests;
