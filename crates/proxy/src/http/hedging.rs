//! A request that is sent to one more endpoint while the first is slow to answer: whoever answers well first answers.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use ripstop_balance::{BudgetedRetry, Criteria, Outcome, Overflow, Permit, Picked, Reach, Resource, Tried};
use ripstop_exchange::{Failure, Party, Pump, Second, Upstream};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    admission::Counted,
    attempts::Attempts,
    field_list::FieldList,
    filters::{
        changes::RequestChanges,
        retry::{Attempt, Retries},
        timeout::Timeouts,
    },
    forward::{IDLE, grpc_status},
    global_limits::Allowed,
    head::Head,
    learned::{is_failure, outcome_of},
    lost,
    onward::with_granted,
    told::Told,
};
use crate::{
    backends::{BackendError, Connection, EndpointKey, Hedged, Hold, Wanted, WorkerBackend},
    outbound::{may_leave, random},
    retry_budgets::OnRoute,
};

/// What it takes to send a request once more.
pub(super) struct Hedger<'a, 'r> {
    pub(super) attempts: &'a Attempts<'a>,
    pub(super) backend: &'a WorkerBackend,
    pub(super) hedged: Hedged<'a>,
    pub(super) on_route: Option<&'a OnRoute>,
    pub(super) retries: &'a Retries<'a>,
    pub(super) timeouts: Timeouts,
    pub(super) changed: &'a RequestChanges<'a>,
    pub(super) authority: &'a str,
    pub(super) counted: &'r mut Counted,
    pub(super) tried: &'r mut Tried,
}

/// The first attempt.
pub(super) struct First<'p, 'r> {
    /// Where it went.
    pub(super) picked: &'r Picked<EndpointKey>,
    /// What its connection takes of limits.
    pub(super) hold: Hold<'p>,
    /// Whether others went by its connection before.
    pub(super) reused: bool,
    /// When it began.
    pub(super) begun: Instant,
}

/// Another attempt.
pub(super) struct Rival {
    /// Where it goes.
    pub(super) picked: Picked<EndpointKey>,
    /// What it takes of budgets, until it has ended.
    pub(super) permits: Permits,
}

/// What an attempt takes of the limits of its backend and the budget of its route.
pub(super) type Permits = ([Permit<EndpointKey>; 2], Option<BudgetedRetry>);

/// Who answers.
pub(super) enum Raced {
    /// The first attempt, or nobody.
    First(Result<(), Failure>),
    /// Another one, by the connection at that place. What the first one did has been told.
    Other(usize, Rival),
    /// Nobody in time, or for too long nothing moved.
    Nobody,
}

/// Another attempt whose answer is waited for.
struct Running<'p> {
    place: usize,
    second: Second<'p>,
    rival: Rival,
    hold: Hold<'p>,
    reused: bool,
    begun: Instant,
}

/// What happened.
#[allow(clippy::large_enum_variant, reason = "it lives for a moment")]
enum Event {
    /// The first attempt has an answer, or none.
    First(Result<(), Failure>),
    /// One of the others has.
    Other(usize, Result<(), Failure>),
    /// There is a connection for another one, or none.
    Opened(Option<Opened>),
    /// Another one is due.
    Due,
    /// There is an answer that is not good, and a better one was waited for for long enough.
    Enough,
    /// The client is gone.
    Left(Failure),
    /// It takes longer than it may, or for too long nothing moved.
    Late,
}

/// Nothing: a limit is met.
type Opening<'a> = Pin<Box<dyn Future<Output = Option<Opened>> + 'a>>;

/// What limits of the endpoint tell, and a connection to it.
type Opened = (Allowed, Result<Connection, BackendError>);

/// Whether requests to a backend like that one may be sent to more than one endpoint.
pub(super) fn may_hedge(hedged: &Hedged<'_>, head: &Head) -> bool {
    hedged.settings.methods.iter().any(|method| **method == *head.method())
}

// === impl Running ===

impl Running<'_> {
    /// Ends it: nobody wants its answer.
    fn end(self) -> Rival {
        drop(self.second);
        self.hold.let_go();
        self.rival
    }
}

// === impl Hedger ===

impl<'a> Hedger<'a, '_> {
    /// Waits for the answer of the first attempt, no longer than `limit`, and for those of others once they are due. Their
    /// connections are kept at `places`, of which there are as many as others may begin; whoever loses is broken off at
    /// once.
    pub(super) async fn race<'p>(
        &mut self,
        pump: &mut Pump<'p>,
        places: &'p mut [Option<Connection>],
        first: First<'p, '_>,
        limit: Option<Duration>,
        told: &mut Told,
    ) -> Raced {
        let mut places = places.iter_mut().enumerate();
        let mut others: Vec<Running<'p>> = Vec::new();
        let mut opening: Option<(Rival, Opening<'a>)> = None;
        // The first attempt has ended, not well.
        let mut ended: Option<Result<(), Failure>> = None;
        // An answer that is not good, but better than none.
        let mut kept: Option<Running<'p>> = None;
        let now = Instant::now();
        let mut idle = Box::pin(sleep_until(now + IDLE));
        let mut late = limit.map(|limit| Box::pin(sleep_until(now + limit)));
        let mut moved = 0;
        let delay = self.hedged.delay();
        let mut due = Box::pin(sleep_until(now + delay.unwrap_or_default()));
        let mut is_due = false;
        // How long an answer that is not good waits for a better one.
        let mut patience: Option<Pin<Box<Sleep>>> = None;
        let until = || Box::pin(sleep_until(Instant::now() + delay.unwrap_or_default()));
        let mut left = if delay.is_some() { places.len() } else { 0 };
        loop {
            let event = poll_fn(|cx| {
                if ended.is_none()
                    && let Poll::Ready(answered) = pump.poll_answer(cx)
                {
                    return Poll::Ready(Event::First(answered));
                }
                for (index, other) in others.iter_mut().enumerate() {
                    if let Poll::Ready(answered) = pump.poll_second(&mut other.second, cx) {
                        return Poll::Ready(Event::Other(index, answered));
                    }
                }
                if let Some((_, opening)) = &mut opening
                    && let Poll::Ready(opened) = opening.as_mut().poll(cx)
                {
                    return Poll::Ready(Event::Opened(opened));
                }
                is_due = is_due || due.as_mut().poll(cx).is_ready();
                let may_begin = || {
                    let is_sent = pump.is_repeatable() || !pump.is_replayable();
                    ended.is_none() && opening.is_none() && left > 0 && is_sent
                };
                if is_due && may_begin() {
                    return Poll::Ready(Event::Due);
                }
                if let Some(patience) = &mut patience
                    && patience.as_mut().poll(cx).is_ready()
                {
                    return Poll::Ready(Event::Enough);
                }
                if ended.is_some()
                    && let Poll::Ready(failure) = pump.poll_left(cx)
                {
                    return Poll::Ready(Event::Left(failure));
                }
                // What is sent may take as long as it likes, as long as it goes on.
                let sent = pump.totals().request_body;
                if sent != moved {
                    moved = sent;
                    idle.as_mut().reset(Instant::now() + IDLE);
                }
                let is_late = late.as_mut().is_some_and(|late| late.as_mut().poll(cx).is_ready());
                if is_late || idle.as_mut().poll(cx).is_ready() { Poll::Ready(Event::Late) } else { Poll::Pending }
            })
            .await;
            match event {
                Event::Left(failure) => {
                    self.give_up(others.into_iter().chain(kept));
                    return Raced::First(Err(failure));
                }
                Event::Late => {
                    let elapsed = self.attempts.asked.started.elapsed();
                    let fate = self.timeouts.blames(elapsed).then_some(Outcome::Timeout);
                    for other in others.drain(..) {
                        self.backend.tell_fate(&other.end().picked, fate);
                    }
                    return self.settle(pump, (ended, fate), kept, first);
                }
                Event::First(answered) => {
                    let is_over = match &answered {
                        Ok(()) => self.is_good(pump.upstream()),
                        Err(failure) => failure.party == Party::Downstream,
                    };
                    if is_over {
                        self.give_up(others.into_iter().chain(kept));
                        return Raced::First(answered);
                    }
                    ended = Some(answered);
                    if others.is_empty() && opening.is_none() {
                        return self.settle(pump, (ended, None), kept, first);
                    }
                    // Somebody may do better, but not for ever.
                    if matches!(ended, Some(Ok(()))) {
                        patience.get_or_insert_with(until);
                    }
                }
                Event::Enough => {
                    self.give_up(others.drain(..));
                    return self.settle(pump, (ended, None), kept, first);
                }
                // Of what is not kept, nothing can be sent again.
                Event::Due if !pump.is_replayable() => left = 0,
                Event::Due => {
                    left -= 1;
                    is_due = false;
                    due.as_mut().reset(Instant::now() + delay.unwrap_or_default());
                    match self.begin() {
                        Some(begun) => opening = Some(begun),
                        None => left = 0,
                    }
                }
                Event::Opened(opened) => {
                    let Some((rival, _)) = opening.take() else { continue };
                    let opened = opened.map(|(allowed, opened)| {
                        self.counted.passed_to_endpoint(allowed);
                        opened
                    });
                    match (opened, places.next()) {
                        (Some(Ok(connection)), Some((place, slot))) => {
                            let connection = slot.insert(connection);
                            let reused = connection.is_reused();
                            let (upstream, hold) = connection.parts();
                            let mut changed = self.changed.clone();
                            changed.again(told.attempts + 1, self.attempts.asked.started.elapsed());
                            let list = with_granted(&changed, self.counted.granted());
                            if let Ok(second) = pump.begin_second(upstream, &changed.head(&list)) {
                                told.attempts += 1;
                                self.hedged.counts().sent();
                                let begun = Instant::now();
                                others.push(Running { place, second, rival, hold, reused, begun });
                            }
                        }
                        (Some(Err(error)), _) => {
                            if let Some(outcome) = error.outcome() {
                                self.backend.tell(&rival.picked, outcome);
                            }
                        }
                        (Some(Ok(_)), None) | (None, _) => {}
                    }
                    if others.is_empty() && ended.is_some() {
                        return self.settle(pump, (ended, None), kept, first);
                    }
                }
                Event::Other(index, answered) => {
                    let other = others.swap_remove(index);
                    match answered {
                        Ok(()) if other.second.upstream().is_some_and(|answer| self.is_good(answer)) => {
                            self.give_up(others.into_iter().chain(kept));
                            return self.win(pump, other, (ended.as_ref(), None), first);
                        }
                        Ok(()) if kept.is_none() => {
                            kept = Some(other);
                            patience.get_or_insert_with(until);
                        }
                        Ok(()) => {
                            let did = other.second.upstream().map_or(Outcome::Reset, outcome);
                            self.backend.tell(&other.end().picked, did);
                        }
                        Err(failure) => {
                            let (reused, begun) = (other.reused, other.begun);
                            let rival = other.end();
                            self.tell_failure(&rival.picked, &failure, reused, begun);
                        }
                    }
                    if ended.is_some() && others.is_empty() && opening.is_none() {
                        return self.settle(pump, (ended, None), kept, first);
                    }
                }
            }
        }
    }

    /// Nobody answers well: any answer is better than none, the first one's best.
    fn settle<'p>(
        &self,
        pump: &mut Pump<'p>,
        (ended, fate): (Option<Result<(), Failure>>, Option<Outcome>),
        kept: Option<Running<'p>>,
        first: First<'p, '_>,
    ) -> Raced {
        match (ended, kept) {
            (Some(Ok(())), kept) => {
                if let Some(kept) = kept {
                    let did = kept.second.upstream().map_or(Outcome::Reset, outcome);
                    self.backend.tell(&kept.end().picked, did);
                }
                Raced::First(Ok(()))
            }
            (ended, Some(kept)) => self.win(pump, kept, (ended.as_ref(), fate), first),
            (Some(ended), None) => Raced::First(ended),
            (None, None) => Raced::Nobody,
        }
    }

    /// Goes on with the answer of another one than the first, whose `fate` that is if it has not ended.
    fn win<'p>(
        &self,
        pump: &mut Pump<'p>,
        other: Running<'p>,
        (ended, fate): (Option<&Result<(), Failure>>, Option<Outcome>),
        first: First<'p, '_>,
    ) -> Raced {
        match ended {
            None => self.backend.tell_fate(first.picked, fate),
            Some(Ok(())) => self.backend.tell(first.picked, outcome(pump.upstream())),
            Some(Err(failure)) => self.tell_failure(first.picked, failure, first.reused, first.begun),
        }
        pump.instead(other.second);
        first.hold.let_go();
        self.hedged.counts().won();
        Raced::Other(other.place, other.rival)
    }

    /// Nobody waits for them any longer, though they may be well.
    fn give_up<'p>(&self, others: impl Iterator<Item = Running<'p>>) {
        for other in others {
            self.backend.tell_given_up(&other.end().picked);
        }
    }

    /// An attempt has failed; a connection that had ended while it was kept says nothing of its endpoint.
    fn tell_failure(&self, picked: &Picked<EndpointKey>, failure: &Failure, reused: bool, begun: Instant) {
        if !lost::may_go_again(failure, reused, begun.elapsed(), self.attempts.asked.head.method()) {
            self.backend.tell(picked, Outcome::Reset);
        }
    }

    /// Another attempt, if there may be one at another endpoint.
    fn begin(&mut self) -> Option<(Rival, Opening<'a>)> {
        let (outbound, asked) = (self.attempts.outbound, self.attempts.asked);
        let reach = if self.retries.remote_localities { Reach::Far } else { Reach::Near };
        let criteria = Criteria { hash: None, tried: self.tried, reach };
        let original = outbound.standpoint.original(outbound.destination);
        let picked = self.backend.pick(&criteria, original, random()).ok()?;
        let endpoint = picked.key().clone();
        if self.tried.has(&picked) || may_leave(asked.source, endpoint.workload(), endpoint.way()).is_err() {
            return None;
        }
        // What need not be sent takes nothing from those who wait.
        let permits = if self.backend.is_crowded() { None } else { self.permits().ok() };
        let Some(permits) = permits else {
            self.hedged.counts().refused();
            return None;
        };
        let pending = outbound.admit_at(&endpoint, asked.head, self.counted).ok();
        let Some(pending) = pending.filter(|_| outbound.connect_at(&endpoint).is_ok()) else {
            if let (_, Some(on_route)) = permits {
                on_route.give_back();
            }
            return None;
        };
        self.tried.note(&picked);
        let (backend, context, authority) = (self.backend, outbound.context.clone(), self.authority);
        let wanted = Wanted::Configured(asked.head.protocol());
        let opening = async move {
            let allowed = pending.ask().await.ok()?;
            let opened = backend.checkout(&context, &endpoint, wanted, Some(authority), || outbound.client());
            Some((allowed, opened.await))
        };
        Some((Rival { picked, permits }, Box::pin(opening)))
    }

    /// What one more attempt takes, if there is as much.
    fn permits(&self) -> Result<Permits, Overflow> {
        let request = self.backend.acquire(Resource::Request)?;
        let on_route = self.on_route.map(OnRoute::retry).transpose()?;
        match self.backend.acquire(Resource::Retry) {
            Ok(retry) => Ok(([request, retry], on_route)),
            Err(overflow) => {
                // One that is not made costs the route nothing.
                if let Some(on_route) = on_route {
                    on_route.give_back();
                }
                Err(overflow)
            }
        }
    }

    /// Whether an answer is passed on at once, whatever others would say.
    fn is_good(&self, upstream: &Upstream<'_>) -> bool {
        let status = upstream.status();
        let headers = FieldList::of(upstream.fields());
        !is_failure(status, grpc_status(upstream))
            && !self.retries.should_retry(Attempt::Answer { status, headers: &headers })
    }
}

fn outcome(upstream: &Upstream<'_>) -> Outcome {
    outcome_of(upstream.status(), grpc_status(upstream), &FieldList::of(upstream.fields()))
}

#[cfg(test)]
mod tests;
