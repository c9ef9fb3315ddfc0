//! Who is ejected, and for how long.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use ripstop_model::OutlierDetection;

use crate::{
    Cause, CheckResult, EjectionFloor, Ejections, Event, EventKind, Events,
    checked::Turn,
    endpoint::{NEVER, NOWHERE, State},
    event::Journal,
    generation::{Generation, Member},
};

/// No ejection lasts longer, unless the base does (Envoy's `max_ejection_time`, which Istio leaves alone).
const MAX_EJECTION: Duration = Duration::from_secs(300);

/// The book of ejections. It is behind a lock, which is taken when an endpoint may have to be ejected, when one comes
/// back, and when configuration changes; so their number is exact.
#[derive(Debug)]
pub(crate) struct Ledger<K> {
    journal: Journal<K>,
    pub(crate) counts: Ejections,
}

/// A moment: on the backend's clock in nanoseconds, and as the caller gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) nanos: u64,
    pub(crate) instant: Instant,
}

// === impl Ledger ===

impl<K> Default for Ledger<K> {
    fn default() -> Self {
        Self { journal: Journal::default(), counts: Ejections::default() }
    }
}

impl<K: Clone> Ledger<K> {
    /// Ejects an endpoint for `cause`, if that still holds and not too many are ejected; until when it is, if so.
    pub(crate) fn eject(
        &mut self,
        generation: &Generation<K>,
        state: &State<K>,
        cause: Cause,
        now: Moment,
    ) -> Option<u64> {
        let settings = generation.settings.outlier.as_deref()?;
        let place = state.place.load(Relaxed);
        // It was removed, or another worker's request has decided while this one waited for the lock.
        if place == NOWHERE || state.ejected_until().is_some() || !state.streaks.is_cause(cause, settings) {
            return None;
        }
        let mut note = |kind| self.journal.push(Event { at: now.instant, endpoint: state.key.clone(), kind });
        if !may_eject(self.counts.active, generation.members.len(), settings, generation.settings.floor) {
            self.counts.spared += 1;
            state.streaks.end(cause);
            note(EventKind::Spared { cause });
            return None;
        }
        let lasts = next_term(state, settings, now.nanos);
        let times = state.ejections.fetch_add(1, Relaxed) + 1;
        note(EventKind::Ejected { cause, lasts, times });
        self.counts.active += 1;
        match cause {
            Cause::Consecutive5xx => self.counts.consecutive_5xx += 1,
            Cause::ConsecutiveGatewayFailure => self.counts.consecutive_gateway_failure += 1,
            Cause::ConsecutiveLocalOriginFailure => self.counts.consecutive_local_origin_failure += 1,
        }
        let until = now.nanos.saturating_add(nanos(lasts)).max(1);
        state.set_ejected(Some(until));
        let member = &generation.members[place as usize];
        if member.endpoint.is_ready() && !state.checked.is_failing() {
            generation.groups[member.group].lost();
        }
        Some(until)
    }

    /// Lets those return whose time has come; when the next one does ([`NEVER`]: none), and how many did.
    pub(crate) fn return_due(&mut self, generation: &Generation<K>, now: Moment) -> (u64, usize) {
        let mut next = NEVER;
        let mut returned = 0;
        for member in &generation.members {
            match member.state.ejected_until() {
                Some(until) if until <= now.nanos => {
                    self.let_return(&member.state, now);
                    returned += 1;
                    if member.is_usable(false) {
                        generation.groups[member.group].gained();
                    }
                }
                Some(until) => next = next.min(until),
                None => {}
            }
        }
        (next, returned)
    }

    /// Lets one return; counting the group's usable ones is the caller's.
    pub(crate) fn let_return(&mut self, state: &State<K>, now: Moment) {
        state.set_ejected(None);
        state.streaks.end_all();
        state.returned.store(now.nanos, Relaxed);
        self.counts.active -= 1;
        self.journal.push(Event { at: now.instant, endpoint: state.key.clone(), kind: EventKind::Returned });
    }

    /// An endpoint passed a check, or did not; whether that makes a difference.
    pub(crate) fn check(
        &mut self,
        generation: &Generation<K>,
        member: &Member<K>,
        result: CheckResult,
        now: Moment,
    ) -> bool {
        let Some(settings) = generation.settings.checks.as_deref() else { return false };
        let state = &member.state;
        let Some(turn) = state.checked.note(result, settings) else { return false };
        let counts = member.endpoint.is_ready() && state.ejected_until().is_none();
        let group = &generation.groups[member.group];
        let kind = match turn {
            Turn::Out(why) => {
                if counts {
                    group.lost();
                }
                EventKind::Failing { why }
            }
            Turn::Back => {
                if counts {
                    group.gained();
                }
                generation.begins_anew(member, now.nanos);
                EventKind::Passing
            }
        };
        self.journal.push(Event { at: now.instant, endpoint: state.key.clone(), kind });
        true
    }

    pub(crate) fn take_events(&mut self) -> Events<K> {
        self.journal.take()
    }
}

/// Whether one more of `all` may be ejected.
fn may_eject(active: u32, all: usize, settings: &OutlierDetection, floor: EjectionFloor) -> bool {
    let percent = u64::from(settings.max_ejection_percent.min(100));
    let within = (u64::from(active) + 1) * 100 <= percent * all as u64;
    let first_of_several = floor == EjectionFloor::One && percent > 0 && active == 0 && all > 1;
    within || first_of_several
}

/// How long an endpoint stays away that is ejected now: the base for each time, once less for each interval that it
/// was well since it came back.
///
/// Envoy takes that off at each interval's sweep, and lets endpoints return then; what is computed here is the same,
/// but they return on time.
fn next_term<K>(state: &State<K>, settings: &OutlierDetection, now: u64) -> Duration {
    let base = settings.base_ejection;
    let longest = base.max(MAX_EJECTION);
    let mut multiplier = state.multiplier.load(Relaxed);
    let returned = state.returned.load(Relaxed);
    if returned != NEVER {
        let passed = now.saturating_sub(returned).checked_div(nanos(settings.interval)).unwrap_or(u64::MAX);
        multiplier = multiplier.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
    }
    if base.saturating_mul(multiplier) < longest.saturating_add(base) {
        multiplier += 1;
    }
    state.multiplier.store(multiplier, Relaxed);
    base.saturating_mul(multiplier).min(longest)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
