//! When which endpoint is checked next.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use ripstop_model::HealthChecks;
use tokio::time::Instant;

use crate::backends::EndpointKey;

/// When which endpoint is checked next.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Those whose time has not come, by it.
    queue: BTreeMap<Place, EndpointKey>,
    /// All, with their places; nothing: they are being checked.
    known: HashMap<EndpointKey, Option<Place>>,
    /// Tells those apart that are due at the same moment.
    count: u64,
}

type Place = (Instant, u64);

// === impl Plan ===

impl Plan {
    /// Takes over which endpoints there are. New ones are checked soon, but not all of them at once; and nobody waits for
    /// longer than an interval.
    pub(super) fn follow(
        &mut self,
        endpoints: impl Iterator<Item = EndpointKey>,
        checks: &HealthChecks,
        now: Instant,
        random: impl Fn() -> u64,
    ) {
        let mut before = std::mem::take(&mut self.known);
        self.queue.clear();
        for endpoint in endpoints {
            match before.remove(&endpoint) {
                Some(None) => {
                    self.known.insert(endpoint, None);
                }
                Some(Some((at, _))) => self.put(endpoint, at.min(now + checks.interval + checks.jitter)),
                None => self.put(endpoint, now + part(checks.jitter, random())),
            }
        }
    }

    /// One that is due, which is being checked from now on.
    pub(super) fn begin(&mut self, now: Instant) -> Option<EndpointKey> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().0 <= now)?;
        let endpoint = entry.remove();
        self.known.insert(endpoint.clone(), None);
        Some(endpoint)
    }

    /// The check of one has ended.
    pub(super) fn end(&mut self, endpoint: EndpointKey, checks: &HealthChecks, now: Instant, random: u64) {
        // It may be there no more.
        if self.known.contains_key(&endpoint) {
            self.put(endpoint, now + checks.interval + part(checks.jitter, random));
        }
    }

    /// When the next one is due that is not being checked.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    fn put(&mut self, endpoint: EndpointKey, at: Instant) {
        self.count += 1;
        let place = (at, self.count);
        self.queue.insert(place, endpoint.clone());
        self.known.insert(endpoint, Some(place));
    }
}

/// A part of `whole` by chance.
fn part(whole: Duration, random: u64) -> Duration {
    let nanos = (whole.as_nanos() * u128::from(random >> 32)) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::testing::address;

    const SECOND: Duration = Duration::from_secs(1);

    fn endpoints(wanted: &[u8]) -> impl Iterator<Item = EndpointKey> {
        wanted.iter().map(|last| EndpointKey::outside(address(&format!("10.1.0.{last}:80")), None))
    }

    fn checks(interval: Duration) -> HealthChecks {
        HealthChecks {
            id: ripstop_model::RuleId("id".into()),
            check: ripstop_model::HealthCheck::Grpc { service: "".into() },
            interval,
            jitter: interval / 10,
            timeout: SECOND,
            healthy_threshold: 1,
            unhealthy_threshold: 1,
        }
    }

    #[test]
    fn each_is_checked_once_an_interval_and_never_twice_at_once() {
        let (start, checks) = (Instant::now(), checks(10 * SECOND));
        let mut plan = Plan::default();
        plan.follow(endpoints(&[1, 2, 3]), &checks, start, || u64::MAX / 2);
        assert_eq!(plan.begin(start), None);
        // All within the jitter.
        let now = plan.next().unwrap();
        assert!(now > start && now <= start + SECOND, "{:?}", now - start);
        let begun: Vec<_> = std::iter::from_fn(|| plan.begin(now)).collect();
        assert_eq!((begun.len(), plan.next()), (3, None));
        plan.end(begun[0].clone(), &checks, now, 0);
        assert_eq!((plan.begin(now), plan.next()), (None, Some(now + 10 * SECOND)));
        // One goes, one comes, and those that are being checked are not begun again.
        plan.follow(endpoints(&[1, 2, 4]), &checks, now, || 0);
        assert_eq!(plan.begin(now), endpoints(&[4]).next());
        assert_eq!(plan.begin(now), None);
        plan.end(endpoints(&[3]).next().unwrap(), &checks, now, 0);
        assert_eq!(plan.queue.len(), 1);
    }

    #[test]
    fn a_shorter_interval_holds_at_once() {
        let now = Instant::now();
        let mut plan = Plan::default();
        let (long, short) = (checks(3600 * SECOND), checks(10 * SECOND));
        plan.follow(endpoints(&[1]), &long, now, || 0);
        let one = plan.begin(now).unwrap();
        plan.end(one, &long, now, u64::MAX);
        assert!(plan.next().unwrap() > now + 3600 * SECOND);
        plan.follow(endpoints(&[1]), &short, now, || 0);
        assert_eq!(plan.next(), Some(now + 11 * SECOND));
    }
}
