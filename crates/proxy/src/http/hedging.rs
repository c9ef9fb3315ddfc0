//! A request that is sent to one more endpoint while the first is slow to answer: whoever answers well first answers.

mod permits;
mod rival;

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use ripstop_balance::{Outcome, Picked, Tried};
use ripstop_exchange::{Failure, HeadChanges, Party, Pump, Second, Upstream};
use tokio::time::{Instant, Sleep, sleep_until};

use self::rival::{Opened, Opening};
pub(super) use self::{permits::Permits, rival::Rival};
use super::{
    admission::Counted,
    attempts::Attempts,
    field_list::FieldList,
    filters::{
        changes::RequestChanges,
        retry::{Attempt, Next, Retries},
        timeout::Timeouts,
    },
    forward::grpc_status,
    head::Head,
    learned::{is_failure, outcome_of},
    lost,
    onward::{stand_in, with_granted},
    told::Told,
};
use crate::{
    backends::{Connection, EndpointKey, Hedged, Hold, WorkerBackend},
    outbound::random,
    retry_budgets::OnRoute,
};

/// What it takes to send a request once more.
pub(super) struct Hedger<'a, 'r> {
    pub(super) attempts: &'a Attempts<'a>,
    pub(super) backend: &'a WorkerBackend,
    pub(super) hedged: Hedged<'a>,
    /// How many others may be asked while the first one is slow.
    pub(super) hedges: u32,
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
    /// What its connection takes of limits; nothing: it has failed.
    pub(super) hold: Option<Hold<'p>>,
    /// Whether others went by its connection before.
    pub(super) reused: bool,
    /// When it began.
    pub(super) begun: Instant,
}

/// Who answers.
pub(super) enum Raced {
    /// The first attempt, which ended so long after it began, or nobody.
    First(Result<(), Failure>, Duration),
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

/// How the first attempt ended, not well, and how long after it began.
struct Ended {
    answered: Result<(), Failure>,
    after: Duration,
}

/// Whether a first attempt that failed is made again, had nobody else been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// At once: its connection had ended while it was kept.
    Freely,
    /// As its rule says, after a pause.
    After(Duration),
    Never,
}

/// What happened.
#[allow(clippy::large_enum_variant, reason = "it lives for a moment")]
enum Event {
    /// The first attempt has an answer, or none.
    First(Result<(), Failure>),
    /// One of the others has.
    Other(usize, Result<(), Failure>),
    /// There is a connection for one of those that are being opened, or none.
    Opened(usize, Option<Opened>),
    /// Another one is due.
    Due,
    /// The first one has ended, and something better was waited for for long enough.
    Enough,
    /// The client is gone.
    Left(Failure),
    /// It takes longer than it may, or for too long nothing moved.
    Late,
}

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
    /// connections are kept at `places`, of which there is one more than others may begin while the first is slow: for the
    /// one that is made in its place if it fails. Whoever loses is broken off at once.
    pub(super) async fn race<'p>(
        &mut self,
        pump: &mut Pump<'p>,
        places: &'p mut [Option<Connection>],
        mut first: First<'p, '_>,
        limit: Option<Duration>,
        told: &mut Told,
    ) -> Raced {
        let mut places = places.iter_mut().enumerate();
        let mut others: Vec<Running<'p>> = Vec::new();
        let mut openings: Vec<(Rival, Opening<'a>)> = Vec::new();
        let mut ended: Option<Ended> = None;
        // An answer that is not good, but better than none.
        let mut kept: Option<Running<'p>> = None;
        let now = Instant::now();
        let mut late = limit.map(|limit| Box::pin(sleep_until(now + limit)));
        let delay = self.hedged.delay();
        let mut due = Box::pin(sleep_until(now + delay.unwrap_or_default()));
        let mut is_due = false;
        // The one that is due is in place of the first one, which has failed.
        let mut replaces = false;
        // How long what there is once the first one has ended waits for something better.
        let mut patience: Option<Pin<Box<Sleep>>> = None;
        let until = || Box::pin(sleep_until(Instant::now() + delay.unwrap_or_default()));
        let mut left = if delay.is_some() { self.hedges } else { 0 };
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
                for (index, (_, opening)) in openings.iter_mut().enumerate() {
                    if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
                        return Poll::Ready(Event::Opened(index, opened));
                    }
                }
                is_due = is_due || due.as_mut().poll(cx).is_ready();
                let may_begin = || {
                    let is_sent = pump.is_repeatable() || !pump.is_replayable();
                    replaces || (ended.is_none() && openings.is_empty() && left > 0 && is_sent)
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
                let is_late = late.as_mut().is_some_and(|late| late.as_mut().poll(cx).is_ready());
                if is_late { Poll::Ready(Event::Late) } else { Poll::Pending }
            })
            .await;
            match event {
                Event::Left(failure) => {
                    self.leave(others, kept);
                    return Raced::First(Err(failure), first.begun.elapsed());
                }
                Event::Late => {
                    let elapsed = self.attempts.asked.started.elapsed();
                    let fate = self.timeouts.blames(elapsed).then_some(Outcome::Timeout);
                    for other in others.drain(..) {
                        self.backend.tell_fate(&other.end().picked, fate);
                    }
                    return self.settle(pump, (ended, fate), kept, first, told);
                }
                Event::First(answered) => {
                    let after = first.begun.elapsed();
                    let (is_over, again) = match &answered {
                        Ok(()) => (self.is_good(pump.upstream()), Again::Never),
                        Err(failure) if failure.party == Party::Downstream => (true, Again::Never),
                        Err(failure) => (false, self.goes_again(pump, (failure, after), &first, told)),
                    };
                    // What costs nothing to go out again does so at once, as where nobody else was asked.
                    if is_over || again == Again::Freely {
                        self.leave(others, kept);
                        return Raced::First(answered, after);
                    }
                    let is_answered = answered.is_ok();
                    ended = Some(Ended { answered, after });
                    if others.is_empty() && openings.is_empty() {
                        return self.settle(pump, (ended, None), kept, first, told);
                    }
                    if let Some(hold) = first.hold.take_if(|_| !is_answered) {
                        hold.let_go();
                    }
                    if let Again::After(pause) = again {
                        due.as_mut().reset(Instant::now() + pause);
                        (is_due, replaces) = (false, true);
                    }
                    // Somebody may do better than an answer that is there, but not for ever.
                    if is_answered || kept.is_some() {
                        patience.get_or_insert_with(until);
                    }
                }
                Event::Enough => {
                    // Where nobody else would be asked, whoever was is waited for.
                    if let Some(Ended { answered: Err(failure), after }) = &ended
                        && kept.is_none()
                        && self.goes_again(pump, (failure, *after), &first, told) == Again::Never
                    {
                        patience = None;
                        continue;
                    }
                    self.give_up(others.drain(..));
                    return self.settle(pump, (ended, None), kept, first, told);
                }
                // Of what is not kept, nothing can be sent again.
                Event::Due if !pump.is_replayable() => (left, replaces) = (0, false),
                Event::Due => {
                    is_due = false;
                    due.as_mut().reset(Instant::now() + delay.unwrap_or_default());
                    match (self.begin(&openings), replaces) {
                        (Some(begun), _) => openings.push(begun),
                        (None, true) => {
                            patience.get_or_insert_with(until);
                        }
                        (None, false) => left = 0,
                    }
                    left = if replaces { left } else { left.saturating_sub(1) };
                    replaces = false;
                }
                Event::Opened(index, opened) => {
                    let (mut rival, _) = openings.swap_remove(index);
                    let opened = opened.map(|(allowed, opened)| {
                        self.counted.passed_to_endpoint(allowed);
                        opened
                    });
                    if matches!(opened, Some(Ok(Some(_)) | Err(_))) {
                        self.tried.note(&rival.picked);
                    }
                    let mut is_begun = false;
                    match opened {
                        Some(Ok(Some(connection))) => {
                            let Some((place, slot)) = places.next() else { continue };
                            let connection = slot.insert(connection);
                            let reused = connection.is_reused();
                            let (upstream, hold) = connection.parts();
                            let mut changed = self.changed.clone();
                            changed.again(told.attempts + 1, self.attempts.asked.started.elapsed());
                            let list = with_granted(&changed, self.counted.granted());
                            let stands_in = stand_in(&upstream, self.authority, self.attempts.outbound);
                            let head = changed.head(&list);
                            let authority = stands_in.as_deref().map(str::as_bytes).or(head.authority);
                            match pump.begin_second(upstream, &HeadChanges { authority, ..head }) {
                                Ok(second) => {
                                    is_begun = true;
                                    rival.permits.made();
                                    told.attempts += 1;
                                    self.hedged.counts().sent();
                                    let begun = Instant::now();
                                    others.push(Running { place, second, rival, hold, reused, begun });
                                }
                                Err(failure) => {
                                    tracing::debug!(%failure, "a request was not sent to one more endpoint");
                                    hold.let_go();
                                }
                            }
                        }
                        Some(Ok(None)) => self.hedged.counts().refused(),
                        Some(Err(error)) => {
                            if let Some(outcome) = error.outcome() {
                                self.backend.tell(&rival.picked, outcome);
                            }
                        }
                        None => {}
                    }
                    if ended.is_some() && !is_begun {
                        if others.is_empty() && openings.is_empty() {
                            return self.settle(pump, (ended, None), kept, first, told);
                        }
                        patience.get_or_insert_with(until);
                    }
                }
                Event::Other(index, answered) => {
                    let other = others.swap_remove(index);
                    match answered {
                        Ok(()) if other.second.upstream().is_some_and(|answer| self.is_good(answer)) => {
                            self.leave(others, kept);
                            return self.win(pump, other, (ended.as_ref(), None), first);
                        }
                        // It ends nobody who is slow, and may do better.
                        Ok(()) if kept.is_none() => kept = Some(other),
                        Ok(()) => self.tell_kept(Some(other)),
                        Err(failure) => {
                            let (reused, begun) = (other.reused, other.begun);
                            self.tell_failure(&other.end().picked, &failure, reused, begun.elapsed());
                        }
                    }
                    if ended.is_some() {
                        if others.is_empty() && openings.is_empty() {
                            return self.settle(pump, (ended, None), kept, first, told);
                        }
                        patience.get_or_insert_with(until);
                    }
                }
            }
        }
    }

    /// Nobody answers well: any answer is better than none, the first one's best; but one that failed, or took too long, is
    /// made again if it would be had nobody else been asked.
    fn settle<'p>(
        &self,
        pump: &mut Pump<'p>,
        (ended, fate): (Option<Ended>, Option<Outcome>),
        kept: Option<Running<'p>>,
        first: First<'p, '_>,
        told: &Told,
    ) -> Raced {
        let is_first = match &ended {
            // There is no time left to pass on what others said.
            _ if self.is_over() => true,
            Some(Ended { answered: Ok(()), .. }) => true,
            Some(Ended { answered: Err(failure), after }) => {
                self.goes_again(pump, (failure, *after), &first, told) != Again::Never
            }
            None => self.pause(pump, Attempt::TimedOut { sent: pump.upstream().sent() }, told).is_some(),
        };
        match (ended, kept) {
            (ended, Some(kept)) if !is_first => self.win(pump, kept, (ended.as_ref(), fate), first),
            (ended, kept) => {
                self.tell_kept(kept);
                ended.map_or(Raced::Nobody, |ended| Raced::First(ended.answered, ended.after))
            }
        }
    }

    /// Goes on with the answer of another one than the first, whose `fate` that is if it has not ended.
    fn win<'p>(
        &self,
        pump: &mut Pump<'p>,
        other: Running<'p>,
        (ended, fate): (Option<&Ended>, Option<Outcome>),
        first: First<'p, '_>,
    ) -> Raced {
        match ended {
            None => self.backend.tell_fate(first.picked, fate),
            Some(Ended { answered: Ok(()), .. }) => self.backend.tell(first.picked, outcome(pump.upstream())),
            Some(Ended { answered: Err(failure), after }) => {
                self.tell_failure(first.picked, failure, first.reused, *after);
            }
        }
        pump.instead(other.second);
        if let Some(hold) = first.hold {
            hold.let_go();
        }
        self.hedged.counts().won();
        Raced::Other(other.place, other.rival)
    }

    /// Somebody answers: nobody waits for others any longer, nor needs what was `kept`.
    fn leave<'p>(&self, others: Vec<Running<'p>>, kept: Option<Running<'p>>) {
        self.give_up(others.into_iter());
        self.tell_kept(kept);
    }

    /// Nobody waits for them any longer, though they may be well.
    fn give_up<'p>(&self, others: impl Iterator<Item = Running<'p>>) {
        for other in others {
            self.backend.tell_given_up(&other.end().picked);
        }
    }

    /// An answer is not needed; what it says of its endpoint is told.
    fn tell_kept(&self, kept: Option<Running<'_>>) {
        let Some(kept) = kept else { return };
        let did = kept.second.upstream().map_or(Outcome::Reset, outcome);
        self.backend.tell(&kept.end().picked, did);
    }

    /// An attempt has failed `after` it began; a connection that had ended while it was kept says nothing of its endpoint.
    fn tell_failure(&self, picked: &Picked<EndpointKey>, failure: &Failure, reused: bool, after: Duration) {
        if !lost::may_go_again(failure, reused, after, self.attempts.asked.head.method()) {
            self.backend.tell(picked, Outcome::Reset);
        }
    }

    /// Whether the first attempt, which failed so `after` it began, is made again where nobody else was asked.
    fn goes_again(
        &self,
        pump: &Pump<'_>,
        (failure, after): (&Failure, Duration),
        first: &First<'_, '_>,
        told: &Told,
    ) -> Again {
        let is_lost = lost::may_go_again(failure, first.reused, after, self.attempts.asked.head.method());
        if is_lost && pump.is_replayable() {
            return Again::Freely;
        }
        self.pause(pump, Attempt::Failed(failure), told).map_or(Again::Never, Again::After)
    }

    /// The pause before the request is made again, after an attempt that ended so; nothing: it is not.
    fn pause(&self, pump: &Pump<'_>, attempt: Attempt<'_>, told: &Told) -> Option<Duration> {
        if !pump.is_replayable() || self.is_over() {
            return None;
        }
        match self.retries.next(told.attempts - 1, attempt, random()) {
            Next::Again(pause) => Some(pause),
            Next::Exhausted | Next::Done => None,
        }
    }

    /// Whether the request has no time left.
    fn is_over(&self) -> bool {
        self.timeouts.left(self.attempts.asked.started.elapsed()).is_some_and(|left| left.is_zero())
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
