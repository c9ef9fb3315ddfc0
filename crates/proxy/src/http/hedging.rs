//! A request that is sent to one more endpoint while the first is slow to answer: whoever answers well first answers.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use ripstop_balance::{BudgetedRetry, Criteria, Outcome, Overflow, Permit, Picked, Reach, Resource, Tried};
use ripstop_exchange::{Failure, Party, Pump, Second, Upstream};
use tokio::time::{Instant, sleep_until};

use super::{
    admission::Counted,
    attempts::Attempts,
    field_list::FieldList,
    filters::{
        changes::RequestChanges,
        retry::{Attempt, Retries},
    },
    forward::{IDLE, grpc_status},
    global_limits::Allowed,
    head::Head,
    learned::outcome_of,
    onward::with_granted,
    told::Told,
};
use crate::{
    backends::{BackendError, Connection, EndpointKey, Hedged, Wanted, WorkerBackend},
    outbound::{may_leave, random},
    retry_budgets::OnRoute,
};

/// How soon it is looked again whether a request has been sent by the time another attempt is due.
const LOOKS: Duration = Duration::from_millis(10);

/// What it takes to send a request once more.
pub(super) struct Hedger<'a, 'r> {
    pub(super) attempts: &'a Attempts<'a>,
    pub(super) backend: &'a WorkerBackend,
    pub(super) hedged: Hedged<'a>,
    pub(super) on_route: Option<&'a OnRoute>,
    pub(super) retries: &'a Retries<'a>,
    pub(super) changed: &'a RequestChanges<'a>,
    pub(super) authority: &'a str,
    pub(super) counted: &'r mut Counted,
    pub(super) tried: &'r mut Tried,
}

/// Another attempt.
pub(super) struct Rival {
    /// Where it goes.
    pub(super) picked: Picked<EndpointKey>,
    /// What it takes of budgets, until it has ended.
    pub(super) permits: Permits,
}

/// What an attempt takes of the budgets of its backend and its route.
pub(super) type Permits = (Permit<EndpointKey>, Option<BudgetedRetry>);

/// Who answers.
pub(super) enum Raced {
    /// The first attempt, or nobody.
    First(Result<(), Failure>),
    /// Another one, by the connection at that place. What the first one did has been told.
    Other(usize, Rival),
    /// For too long nothing moved.
    Nobody,
}

/// What happened.
enum Event {
    /// The first attempt has an answer, or none.
    First(Result<(), Failure>),
    /// One of the others has.
    Other(usize, Result<(), Failure>),
    /// There is a connection for another one, or none.
    Opened(Option<Opened>),
    /// Another one is due.
    Due,
    /// The client is gone.
    Left(Failure),
    /// For too long nothing moved.
    Idle,
}

/// Nothing: a limit is met.
type Opening<'a> = Pin<Box<dyn Future<Output = Option<Opened>> + 'a>>;

/// What limits of the endpoint tell, and a connection to it.
type Opened = (Allowed, Result<Connection, BackendError>);

/// Whether requests to a backend like that one may be sent to more than one endpoint.
pub(super) fn may_hedge(hedged: &Hedged<'_>, head: &Head) -> bool {
    hedged.settings.methods.iter().any(|method| **method == *head.method())
}

// === impl Hedger ===

impl<'a> Hedger<'a, '_> {
    /// Waits for the answer of the first attempt, at `first`, and for those of others once they are due. Their connections
    /// are kept at `places`, of which there are as many as others may begin.
    pub(super) async fn race<'p>(
        &mut self,
        pump: &mut Pump<'p>,
        places: &'p mut [Option<Connection>],
        first: &Picked<EndpointKey>,
        told: &mut Told,
    ) -> Raced {
        let mut places = places.iter_mut().enumerate();
        let mut others: Vec<(usize, Second<'p>, Rival)> = Vec::new();
        let mut opening: Option<(Rival, Opening<'a>)> = None;
        // The first attempt has ended, not well.
        let mut ended: Option<Result<(), Failure>> = None;
        let delay = self.hedged.delay();
        let mut idle = Box::pin(sleep_until(Instant::now() + IDLE));
        let mut moved = 0;
        let mut due = Box::pin(sleep_until(Instant::now() + delay.unwrap_or_default()));
        let mut left = if delay.is_some() { places.len() } else { 0 };
        loop {
            let event = poll_fn(|cx| {
                if ended.is_none()
                    && let Poll::Ready(answered) = pump.poll_answer(cx)
                {
                    return Poll::Ready(Event::First(answered));
                }
                for (index, (_, second, _)) in others.iter_mut().enumerate() {
                    if let Poll::Ready(answered) = pump.poll_second(second, cx) {
                        return Poll::Ready(Event::Other(index, answered));
                    }
                }
                if let Some((_, opening)) = &mut opening {
                    if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
                        return Poll::Ready(Event::Opened(opened));
                    }
                } else if left > 0 && ended.is_none() && due.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Due);
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
                idle.as_mut().poll(cx).map(|()| Event::Idle)
            })
            .await;
            match event {
                Event::Left(failure) => return Raced::First(Err(failure)),
                Event::Idle => return Raced::Nobody,
                Event::First(answered) => {
                    let is_over = match &answered {
                        Ok(()) => self.is_good(pump.upstream()),
                        Err(failure) => failure.party == Party::Downstream,
                    };
                    if is_over || (others.is_empty() && opening.is_none()) {
                        return Raced::First(answered);
                    }
                    ended = Some(answered);
                }
                // Of what is not kept, nothing can be sent again.
                Event::Due if !pump.is_replayable() => left = 0,
                Event::Due if !pump.is_repeatable() => due.as_mut().reset(Instant::now() + LOOKS),
                Event::Due => {
                    left -= 1;
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
                            let mut changed = self.changed.clone();
                            changed.again(told.attempts + 1, self.attempts.asked.started.elapsed());
                            let list = with_granted(&changed, self.counted.granted());
                            if let Ok(second) = pump.begin_second(connection.upstream(), &changed.head(&list)) {
                                told.attempts += 1;
                                self.hedged.counts().sent();
                                others.push((place, second, rival));
                            }
                        }
                        (Some(Err(error)), _) => {
                            if let Some(outcome) = error.outcome() {
                                self.backend.tell(&rival.picked, outcome);
                            }
                        }
                        (Some(Ok(_)), None) | (None, _) => {}
                    }
                    if others.is_empty()
                        && let Some(ended) = ended.take()
                    {
                        return Raced::First(ended);
                    }
                }
                Event::Other(index, answered) => {
                    let (place, second, rival) = others.swap_remove(index);
                    let is_last = ended.is_some() && others.is_empty() && opening.is_none();
                    let answer = second.upstream().filter(|_| answered.is_ok());
                    let is_good = answer.is_some_and(|answer| self.is_good(answer));
                    // Any answer is better than none.
                    if is_good || (is_last && answer.is_some() && matches!(ended, Some(Err(_)))) {
                        self.tell_first(first, pump, ended.as_ref());
                        pump.instead(second);
                        self.hedged.counts().won();
                        return Raced::Other(place, rival);
                    }
                    self.backend.tell(&rival.picked, answer.map_or(Outcome::Reset, outcome));
                    if is_last && let Some(ended) = ended.take() {
                        return Raced::First(ended);
                    }
                }
            }
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
        let permits = self.permits().ok().or_else(|| {
            self.hedged.counts().refused();
            None
        })?;
        let pending = outbound.admit_at(&endpoint, asked.head, self.counted).ok()?;
        outbound.connect_at(&endpoint).ok()?;
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
        let on_route = self.on_route.map(OnRoute::retry).transpose()?;
        match self.backend.acquire(Resource::Retry) {
            Ok(permit) => Ok((permit, on_route)),
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
        !matches!(status, 429 | 500..=599) && !self.retries.should_retry(Attempt::Answer { status, headers: &headers })
    }

    /// What the first one did when another one was answered.
    fn tell_first(&self, first: &Picked<EndpointKey>, pump: &Pump<'_>, ended: Option<&Result<(), Failure>>) {
        match ended {
            None => self.backend.tell_given_up(first),
            Some(Ok(())) => self.backend.tell(first, outcome(pump.upstream())),
            Some(Err(_)) => self.backend.tell(first, Outcome::Reset),
        }
    }
}

fn outcome(upstream: &Upstream<'_>) -> Outcome {
    outcome_of(upstream.status(), grpc_status(upstream), &FieldList::of(upstream.fields()))
}

#[cfg(test)]
mod tests;
