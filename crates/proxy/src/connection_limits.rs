//! Limits of connections, as all workers of the proxy count them together.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ripstop_balance::{Bucket, Buckets, Rate, Taken};
use ripstop_decide::Connecting;
use ripstop_model::{
    ConnectionKey, ConnectionLimit, MostConnections, ObjectName, RuleId, SpiffeId, TrafficTarget, WorkloadUid,
};
use ripstop_telemetry::exposition;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{error::Error, rate_limits::Counted};

/// Counters of all limits of connections that act in this proxy. One is kept as long as its limit asks for the same; one
/// that nobody uses goes once it has nothing left to remember. Of open connections, the number may change meanwhile.
#[derive(Debug)]
pub struct ConnectionLimits {
    known: Mutex<Known>,
    /// Of what comes to a port of a workload, as its own listeners limit it.
    pools: Mutex<HashMap<(WorkloadUid, u16), Arc<Counter>>>,
    /// Nobody outside can foresee what it makes of a key.
    hasher: RandomState,
    origin: Instant,
}

#[derive(Debug, Default)]
struct Known {
    counters: HashMap<CounterKey, Arc<Counter>>,
    /// What those have counted that are gone, for metrics never to fall.
    gone: BTreeMap<Place, [u64; 3]>,
}

/// A policy, what it is attached to, and which connections it counts there.
type Place = (ObjectName, TrafficTarget, &'static str);

/// Policies at most of which it is known what counters had counted that are gone.
const MOST_GONE: usize = 4096;

/// Whose connections a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CounterKey {
    policy: ObjectName,
    target: TrafficTarget,
    /// The workload whose connections count; nothing: all that come to this proxy.
    instance: Option<WorkloadUid>,
    key: ConnectionKey,
    /// Of new ones, how many; nothing: it counts those that are open.
    rate: Option<MostConnections>,
    /// Which of the policy's limits of that kind: each counts for itself.
    nth: usize,
}

/// Counts the connections of one limit.
#[derive(Debug)]
struct Counter {
    counting: Counting,
    passed: AtomicU64,
    refused: AtomicU64,
    spared: AtomicU64,
}

#[derive(Debug)]
enum Counting {
    New(Bucket, Rate),
    NewByKey(Buckets),
    /// By hashed keys. There are no more keys than connections, whose number every proxy bounds.
    Open(Mutex<HashMap<u64, u32>>),
}

/// What a connection takes of limits of open ones; given back when it is dropped.
#[derive(Debug, Default)]
#[must_use = "dropping it gives it back"]
pub struct Admitted(Vec<(Arc<Counter>, u64)>);

/// Who makes a connection.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Who that has proven to be.
    pub peer: Option<&'a SpiffeId>,
    /// Where it comes from.
    pub source: SocketAddr,
}

// === impl ConnectionLimits ===

impl ConnectionLimits {
    /// Counts a connection; `instance` is the workload that is called, if each counts for itself. What is refused by one
    /// limit is counted by none.
    pub fn admit(
        &self,
        connecting: &[Connecting<'_>],
        instance: Option<&WorkloadUid>,
        caller: Caller<'_>,
    ) -> Result<Admitted, Error> {
        let mut admitted = Admitted::default();
        if connecting.is_empty() {
            return Ok(admitted);
        }
        let now = self.now();
        let counted: Vec<(&Arc<ConnectionLimit>, Arc<Counter>)> = connecting
            .iter()
            .flat_map(|found| found.limits.iter().enumerate().map(move |(index, limit)| (found, index, limit)))
            .map(|(found, index, limit)| (limit, self.counter(found, index, instance, now)))
            .collect();
        let mut taken: Vec<Taken<'_>> = Vec::new();
        let mut results = Vec::with_capacity(counted.len());
        for (limit, counter) in &counted {
            let key = self.key(limit.key, caller);
            let has_room = match (&counter.counting, limit.most) {
                (Counting::New(bucket, rate), _) => bucket.take(*rate, now).map(|took| taken.push(took)).is_ok(),
                (Counting::NewByKey(buckets), _) => buckets.take(key, now).map(|took| taken.push(took)).is_ok(),
                (Counting::Open(open), most) => {
                    // On trial, those beyond the number are open, too.
                    let most = if let MostConnections::Open(most) = most { most } else { u32::MAX };
                    let mut open = lock(open);
                    let held = open.get(&key).copied().unwrap_or(0);
                    if held < most || limit.dry_run {
                        open.insert(key, held.saturating_add(1));
                        admitted.0.push((counter.clone(), key));
                    }
                    held < most
                }
            };
            match (has_room, limit.dry_run) {
                (true, _) => results.push(Counted::Passed),
                (false, true) => results.push(Counted::Spared),
                (false, false) => {
                    taken.into_iter().for_each(Taken::give_back);
                    counter.refused.fetch_add(1, Relaxed);
                    return Err(Error::TooManyConnections { limit: limit.to_string(), policy: limit.id.clone() });
                }
            }
        }
        for ((_, counter), result) in counted.iter().zip(results) {
            let count = if result == Counted::Passed { &counter.passed } else { &counter.spared };
            count.fetch_add(1, Relaxed);
        }
        Ok(admitted)
    }

    /// Counts a connection that comes to a port of a workload whose listener has `most` at once, as `id` says, beside all that
    /// `admitted` is counted by.
    pub fn enter(
        &self,
        admitted: &mut Admitted,
        (own, port): (&WorkloadUid, u16),
        most: u32,
        id: &RuleId,
    ) -> Result<(), Error> {
        self.take(admitted, (own, port), most, id, || format!("{most} connections to port {port}"))
    }

    /// Counts a connection to the gateway that is `own`, which has `most` at once as `id` says.
    pub fn enter_gateway(
        &self,
        admitted: &mut Admitted,
        own: &WorkloadUid,
        most: u32,
        id: &RuleId,
    ) -> Result<(), Error> {
        // Nobody listens at port 0.
        self.take(admitted, (own, 0), most, id, || format!("{most} connections to all of its ports"))
    }

    fn take(
        &self,
        admitted: &mut Admitted,
        (own, port): (&WorkloadUid, u16),
        most: u32,
        id: &RuleId,
        limit: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        let counter = {
            let mut pools = lock(&self.pools);
            if !pools.contains_key(&(own.clone(), port)) {
                // New ones are rare, and so are those that are used no more.
                pools.retain(|_, counter| Arc::strong_count(counter) > 1);
            }
            pools.entry((own.clone(), port)).or_insert_with(|| Arc::new(Counter::of_open())).clone()
        };
        let Counting::Open(open) = &counter.counting else { return Ok(()) };
        let mut open = lock(open);
        let held = open.entry(0).or_default();
        if *held >= most {
            counter.refused.fetch_add(1, Relaxed);
            return Err(Error::TooManyConnections { limit: limit(), policy: id.clone() });
        }
        *held += 1;
        counter.passed.fetch_add(1, Relaxed);
        drop(open);
        admitted.0.push((counter, 0));
        Ok(())
    }

    /// What is counted at the moment.
    pub fn inspect(&self) -> Value {
        let known = self.lock();
        let mut rows: Vec<_> = known
            .counters
            .iter()
            .map(|(key, counter)| {
                let row = json!({
                    "namespace": &*key.policy.0,
                    "name": &*key.policy.1,
                    "target": key.target.to_string(),
                    "of": key.instance.as_ref().map(WorkloadUid::as_str),
                    "per": format!("{:?}", key.key).to_lowercase(),
                    "counts": key.counts(),
                    "open": counter.open(),
                    "passed": counter.passed.load(Relaxed),
                    "refused": counter.refused.load(Relaxed),
                    "dry_run": counter.spared.load(Relaxed),
                });
                (row.to_string(), row)
            })
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Writes what was counted, in Prometheus' text format.
    pub fn render(&self, out: &mut String) {
        let sums = {
            let known = self.lock();
            let mut sums = known.gone.clone();
            for (key, counter) in &known.counters {
                counter.add_to(sums.entry(key.place()).or_default());
            }
            sums
        };
        if sums.is_empty() {
            return;
        }
        exposition::header(
            out,
            "ripstop_connection_limit_connections_total",
            "counter",
            "Connections as limits of TrafficPolicies counted them, each by every limit that it met.",
        );
        for (((namespace, name), target, counts), results) in sums {
            let (policy, kind) = (format!("{namespace}/{name}"), target.kind.as_str());
            let section = target.section.as_deref().unwrap_or_default();
            for (result, count) in ["passed", "refused", "dry_run"].into_iter().zip(results) {
                let [policy, to, section] = [&*policy, &target.name, section].map(exposition::escape);
                let _ = writeln!(
                    out,
                    "ripstop_connection_limit_connections_total{{policy=\"{policy}\",target_kind=\"{kind}\",target=\"{to}\",section=\"{section}\",counts=\"{counts}\",result=\"{result}\"}} {count}"
                );
            }
        }
    }

    fn counter(&self, found: &Connecting<'_>, index: usize, instance: Option<&WorkloadUid>, now: u64) -> Arc<Counter> {
        let limit = &found.limits[index];
        let kind = |limit: &ConnectionLimit| {
            (limit.key, Some(limit.most).filter(|most| matches!(most, MostConnections::New { .. })))
        };
        let key = CounterKey {
            policy: (found.policy.namespace.clone(), found.policy.name.clone()),
            target: found.target.clone(),
            instance: instance.cloned(),
            key: limit.key,
            rate: kind(limit).1,
            nth: found.limits[..index].iter().filter(|other| kind(other) == kind(limit)).count(),
        };
        let mut known = self.lock();
        if let Some(counter) = known.counters.get(&key) {
            return counter.clone();
        }
        // New ones are rare, and so are those that are used no more.
        known.tidy(now);
        known.counters.entry(key).or_insert_with(|| Arc::new(Counter::new(limit))).clone()
    }

    fn key(&self, key: ConnectionKey, caller: Caller<'_>) -> u64 {
        let hash = |value: Option<&[u8]>| self.hasher.hash_one(value);
        match key {
            ConnectionKey::All => 0,
            ConnectionKey::Identity => hash(caller.peer.map(|peer| peer.as_str().as_bytes())),
            ConnectionKey::SourceAddress => match caller.source.ip().to_canonical() {
                IpAddr::V4(address) => hash(Some(&address.octets())),
                IpAddr::V6(address) => hash(Some(&address.octets()[..8])),
            },
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

impl Default for ConnectionLimits {
    /// Nothing is counted yet.
    fn default() -> Self {
        Self { known: Mutex::default(), pools: Mutex::default(), hasher: RandomState::new(), origin: Instant::now() }
    }
}

// === impl Known ===

impl Known {
    /// Takes out counters that nobody uses and that have nothing left to remember.
    fn tidy(&mut self, now: u64) {
        let Self { counters, gone } = self;
        counters.retain(|key, counter| {
            let stays = Arc::strong_count(counter) > 1 || !counter.is_forgotten(now);
            if !stays {
                let place = key.place();
                if gone.len() < MOST_GONE || gone.contains_key(&place) {
                    counter.add_to(gone.entry(place).or_default());
                }
            }
            stays
        });
    }
}

// === impl CounterKey ===

impl CounterKey {
    fn counts(&self) -> &'static str {
        if self.rate.is_some() { "new" } else { "open" }
    }

    fn place(&self) -> Place {
        (self.policy.clone(), self.target.clone(), self.counts())
    }
}

// === impl Admitted ===

impl Admitted {
    /// With what `other` takes.
    pub fn beside(mut self, mut other: Self) -> Self {
        self.0.append(&mut other.0);
        self
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        for (counter, key) in &self.0 {
            let Counting::Open(open) = &counter.counting else { continue };
            let mut open = lock(open);
            match open.get_mut(key) {
                Some(held) if *held > 1 => *held -= 1,
                _ => drop(open.remove(key)),
            }
        }
    }
}

// === impl Counter ===

impl Counter {
    fn add_to(&self, sums: &mut [u64; 3]) {
        for (sum, count) in sums.iter_mut().zip([&self.passed, &self.refused, &self.spared]) {
            *sum += count.load(Relaxed);
        }
    }

    fn new(limit: &ConnectionLimit) -> Self {
        let counting = match (limit.most, limit.key) {
            (MostConnections::New { count, interval, burst }, ConnectionKey::All) => {
                Counting::New(Bucket::default(), Rate::new(count, interval, burst))
            }
            (MostConnections::New { count, interval, burst }, _) => {
                Counting::NewByKey(Buckets::new(Rate::new(count, interval, burst)))
            }
            (MostConnections::Open(_), _) => Counting::Open(Mutex::default()),
        };
        Self::counting(counting)
    }

    /// Of connections that are open, all together.
    fn of_open() -> Self {
        Self::counting(Counting::Open(Mutex::default()))
    }

    fn counting(counting: Counting) -> Self {
        let [passed, refused, spared] = Default::default();
        Self { counting, passed, refused, spared }
    }

    /// How many are open, if they are counted.
    fn open(&self) -> Option<u64> {
        let Counting::Open(open) = &self.counting else { return None };
        Some(lock(open).values().map(|held| u64::from(*held)).sum())
    }

    /// Whether it has nothing to remember.
    fn is_forgotten(&self, now: u64) -> bool {
        match &self.counting {
            Counting::New(bucket, _) => bucket.is_full(now),
            Counting::NewByKey(buckets) => buckets.are_full(now),
            Counting::Open(open) => lock(open).is_empty(),
        }
    }
}

/// Nothing is left half done by what may panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
