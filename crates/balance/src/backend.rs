//! What all workers of a proxy share of a backend.

use std::{
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, Release},
        },
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use crate::{
    Balancer, Cause, CheckResult, Ejections, Endpoint, EndpointStatus, Events, Outcome, Settings, Usage,
    circuit::Circuit,
    endpoint::{NEVER, NOWHERE, State},
    generation::Generation,
    latency::Course,
    ledger::{Ledger, Moment},
};

/// One host, port and subset, as one proxy calls it. Workers use it by a [`Balancer`] each.
///
/// Its clock begins with it: instants before that count as its beginning.
#[derive(Debug)]
pub struct Backend<K> {
    epoch: Instant,
    generation: ArcSwap<Generation<K>>,
    circuit: Circuit,
    /// When the next endpoint comes back; [`NEVER`]: none is away.
    next_return: AtomicU64,
    /// Counts changes of who is usable.
    health_version: AtomicU64,
    ledger: Mutex<Ledger<K>>,
    /// Held while configuration is replaced. Making hash tables takes a while, and who waits for the ledger must not
    /// wait for that.
    replacing: Mutex<()>,
}

/// Whether an answer has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answered {
    Yes,
    NotYet,
}

// === impl Backend ===

impl<K: Clone + Eq + Hash> Backend<K> {
    /// With these settings and endpoints. Endpoints of one key count once, the first.
    pub fn new(settings: Settings, endpoints: impl IntoIterator<Item = Endpoint<K>>, now: Instant) -> Arc<Self> {
        let generation = Generation::new(settings, endpoints, None, 0);
        let backend = Self {
            epoch: now,
            circuit: Circuit::default(),
            next_return: AtomicU64::new(NEVER),
            health_version: AtomicU64::new(0),
            ledger: Mutex::default(),
            replacing: Mutex::default(),
            generation: ArcSwap::from_pointee(generation),
        };
        backend.adopt(&backend.generation.load());
        Arc::new(backend)
    }

    /// Replaces settings and endpoints at once. Endpoints that stay, by their keys, keep their requests, streaks and
    /// ejections; requests of those that go are not disturbed. If ejection is off now, all
    /// come back that were ejected, and if there are no checks, all that failed them.
    pub fn replace(&self, settings: Settings, endpoints: impl IntoIterator<Item = Endpoint<K>>, now: Instant) {
        let one_at_a_time = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.moment(now);
        let before = self.generation.load_full();
        let generation = Generation::new(settings, endpoints, Some(&before), now.nanos);

        let mut ledger = self.ledger();
        for member in &before.members {
            member.state.place.store(NOWHERE, Relaxed);
            if generation.settings.outlier.is_none() && member.state.ejected_until().is_some() {
                ledger.let_return(&member.state, now);
            }
            if generation.settings.checks.is_none() {
                member.state.checked.forget();
            }
        }
        self.adopt(&generation);
        let returns = || generation.members.iter().filter_map(|member| member.state.ejected_until());
        ledger.counts.active = returns().map(|_| 1).sum();
        self.next_return.store(returns().min().unwrap_or(NEVER), Relaxed);
        self.generation.store(Arc::new(generation));
        self.health_version.fetch_add(1, Release);
        drop(ledger);
        drop(one_at_a_time);
    }

    /// A worker's end of it.
    pub fn worker(self: &Arc<Self>) -> Balancer<K> {
        Balancer::new(Arc::clone(self))
    }

    /// Each endpoint at the moment, in the order of priorities.
    pub fn endpoints(&self, now: Instant) -> Vec<EndpointStatus<K>> {
        let now = self.return_due(now);
        let status = |member: &crate::generation::Member<K>| EndpointStatus {
            key: member.endpoint.key.clone(),
            weight: member.endpoint.weight,
            priority: member.endpoint.priority,
            health: member.endpoint.health,
            active: member.state.active.load(Relaxed),
            ejected: member.state.ejected_until().map(|until| Duration::from_nanos(until.saturating_sub(now))),
            ejections: member.state.ejections.load(Relaxed),
            failing: member.state.checked.why(),
        };
        self.generation.load().members.iter().map(status).collect()
    }

    /// An endpoint passed a check at `now`, or did not. Whether it is out or back for it is told by
    /// [`Self::take_events`]; this says whether there is anything to tell.
    pub fn check(&self, key: &K, result: CheckResult, now: Instant) -> bool {
        let now = self.moment(now);
        let mut ledger = self.ledger();
        let generation = self.generation.load();
        let Some(member) = generation.find(key) else { return false };
        let turned = ledger.check(&generation, member, result, now);
        if turned {
            self.health_version.fetch_add(1, Release);
        }
        turned
    }

    /// Makes a generation the one that counts, with the ledger locked.
    fn adopt(&self, generation: &Generation<K>) {
        generation.settle();
        let interval = generation.settings.retry_budget.map_or(Duration::ZERO, |budget| budget.interval);
        self.circuit.window.set_interval(u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl<K: Clone> Backend<K> {
    /// Lets endpoints return whose time has come; how many did. Picking and finishing do the same; this is for
    /// backends that nobody calls, whose ejections would still be reported.
    pub fn sweep(&self, now: Instant) -> usize {
        self.sweep_due(self.moment(now))
    }

    /// When the next endpoint comes back.
    pub fn next_return(&self) -> Option<Instant> {
        let next = self.next_return.load(Relaxed);
        if next == NEVER { None } else { self.epoch.checked_add(Duration::from_nanos(next)) }
    }

    /// What outlier detection and checks did since this was called last; the latest 256.
    pub fn take_events(&self) -> Events<K> {
        self.ledger().take_events()
    }

    /// How often endpoints were ejected, and how many are.
    pub fn ejections(&self) -> Ejections {
        self.ledger().counts
    }

    /// An outcome of an endpoint's, of a request that was sent to it at `sent` on this clock, unless its latency is known
    /// already.
    pub(crate) fn record(&self, state: &State<K>, outcome: Outcome, sent: Option<u64>, now: Instant) {
        let now_nanos = self.return_due(now);
        let generation = self.generation.load();
        if let Some(course) = course(&generation, state, now_nanos) {
            let took = sent.map_or(0, |sent| now_nanos.saturating_sub(sent));
            if outcome.is_failure() {
                let penalty = u64::try_from(course.settings.penalty.as_nanos()).unwrap_or(u64::MAX);
                state.latency.add(took.max(penalty), &course);
            } else if sent.is_some() {
                state.latency.add(took, &course);
            }
        }
        let Some(settings) = generation.settings.outlier.as_deref() else { return };
        if state.ejected_until().is_some() {
            // About what it did before, a verdict has been given.
            return;
        }
        if let Some(cause) = state.streaks.note(outcome, settings) {
            self.eject(state, cause, now);
        }
    }

    /// An endpoint began to answer a request that was sent to it at `sent` on this clock; or it did not, and nobody waits
    /// any longer.
    pub(crate) fn record_latency(&self, state: &State<K>, sent: u64, answered: Answered, now: Instant) {
        let now = self.moment(now).nanos;
        let generation = self.generation.load();
        let Some(course) = course(&generation, state, now) else { return };
        let took = now.saturating_sub(sent);
        match answered {
            Answered::Yes => state.latency.add(took, &course),
            Answered::NotYet => state.latency.add_at_least(took, &course),
        }
    }

    /// Lets endpoints return whose time has come; the time on this clock.
    pub(crate) fn return_due(&self, now: Instant) -> u64 {
        let now = self.moment(now);
        if now.nanos >= self.next_return.load(Relaxed) {
            self.sweep_due(now);
        }
        now.nanos
    }

    #[cold]
    fn eject(&self, state: &State<K>, cause: Cause, now: Instant) {
        let mut ledger = self.ledger();
        // Loaded with the lock held, it is the one that stays until the lock is released.
        let generation = self.generation.load();
        if let Some(until) = ledger.eject(&generation, state, cause, self.moment(now)) {
            self.next_return.fetch_min(until, Relaxed);
            self.health_version.fetch_add(1, Release);
        }
    }

    #[cold]
    fn sweep_due(&self, now: Moment) -> usize {
        let mut ledger = self.ledger();
        let generation = self.generation.load();
        let (next, returned) = ledger.return_due(&generation, now);
        self.next_return.store(next, Relaxed);
        if returned > 0 {
            self.health_version.fetch_add(1, Release);
        }
        returned
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger<K>> {
        // Nothing is left half done by what may panic: cloning a key.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Backend<K> {
    /// The settings as they are now.
    pub fn settings(&self) -> Settings {
        self.generation.load().settings.clone()
    }

    /// How much of everything there is.
    pub fn usage(&self) -> Usage {
        self.circuit.usage()
    }

    pub(crate) fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    pub(crate) fn generation(&self) -> &ArcSwap<Generation<K>> {
        &self.generation
    }

    pub(crate) fn health_version(&self) -> &AtomicU64 {
        &self.health_version
    }

    fn moment(&self, instant: Instant) -> Moment {
        let passed = instant.saturating_duration_since(self.epoch);
        Moment { nanos: u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX), instant }
    }
}

/// How an endpoint's latency goes on, if the algorithm asks for it.
fn course<'a, K>(generation: &'a Generation<K>, state: &State<K>, now: u64) -> Option<Course<'a>> {
    let settings = generation.settings.peak_ewma()?;
    Some(Course { settings, since: state.since.load(Relaxed), now })
}

#[cfg(test)]
mod tests;
