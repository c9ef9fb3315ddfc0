//! Whether a request is one too many.

use std::{
    borrow::Cow,
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use ripstop_balance::Taken;
use ripstop_decide::Limiting;
use ripstop_model::{LimitKey, RateLimit, RuleId, SpiffeId, TrafficTarget, WorkloadUid};

use super::{
    filters::{edits::Edits, respond::Local},
    head::Head,
};
use crate::{
    per_version::PerVersion,
    rate_limits::{Counted, Counter, CounterKey, RateLimits},
};

/// One worker's limits, by the policy's id and where it acts.
#[derive(Debug, Default)]
pub struct WorkerLimits(RefCell<PerVersion<Place, Rc<[Bound]>>>);

/// A policy at a place.
type Place = (RuleId, TrafficTarget, Option<WorkloadUid>);

/// A limit, and what counts for it.
#[derive(Debug)]
struct Bound {
    limit: Arc<RateLimit>,
    counter: Arc<Counter>,
}

/// Who asks, and for what.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The request.
    pub head: &'a Head,
    /// Who has proven to be its caller.
    pub peer: Option<&'a SpiffeId>,
    /// Where its connection comes from.
    pub source: SocketAddr,
}

/// What a client is told of the limit that leaves it least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many there may be at once.
    limit: u32,
    /// How many are left.
    left: u64,
    /// When all of them are there again.
    full_in: Duration,
}

/// A request that is one too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The limit.
    pub rule: RuleId,
    status: u16,
    /// What its client is told: how long to wait, and of the limit.
    told: Option<(Duration, Quota)>,
}

impl WorkerLimits {
    /// Counts a request by limits of the configuration of that version; `instance` is the workload that is called, if each
    /// counts for itself. What is refused by one of them is counted by none.
    pub fn admit(
        &self,
        shared: &RateLimits,
        version: u64,
        limiting: &[Limiting<'_>],
        instance: Option<&WorkloadUid>,
        asking: &Asking<'_>,
    ) -> Result<Option<Quota>, Exceeded> {
        if limiting.is_empty() {
            return Ok(None);
        }
        let now = shared.now();
        let bound: Vec<Rc<[Bound]>> =
            limiting.iter().map(|limiting| self.bound(shared, version, limiting, instance)).collect();
        let mut taken: Vec<(&Bound, Option<Taken<'_>>)> = Vec::new();
        let mut quota: Option<Quota> = None;
        for bound in bound.iter().flat_map(|bound| bound.iter()).filter(|bound| bound.counts(asking)) {
            let limit = bound.limit.allowance.burst;
            match bound.counter.take(bound.key(shared, asking), now) {
                Ok(took) => {
                    let own = Quota { limit, left: took.left, full_in: took.full_in };
                    let tells = bound.limit.tells && !bound.limit.dry_run;
                    if tells && quota.is_none_or(|least| own.left < least.left) {
                        quota = Some(own);
                    }
                    taken.push((bound, Some(took)));
                }
                Err(_) if bound.limit.dry_run => taken.push((bound, None)),
                Err(empty) => {
                    taken.into_iter().filter_map(|(_, took)| took).for_each(Taken::give_back);
                    bound.counter.note(Counted::Refused);
                    let quota = Quota { limit, left: 0, full_in: empty.full_in };
                    return Err(Exceeded {
                        rule: bound.limit.id.clone(),
                        status: bound.limit.status,
                        told: bound.limit.tells.then_some((empty.wait, quota)),
                    });
                }
            }
        }
        for (bound, took) in taken {
            bound.counter.note(if took.is_some() { Counted::Passed } else { Counted::Spared });
        }
        Ok(quota)
    }

    fn bound(
        &self,
        shared: &RateLimits,
        version: u64,
        limiting: &Limiting<'_>,
        instance: Option<&WorkloadUid>,
    ) -> Rc<[Bound]> {
        let Limiting { policy, target } = *limiting;
        let place = (policy.id.clone(), target.clone(), instance.cloned());
        let bind = |(index, limit): (usize, &Arc<RateLimit>)| {
            let alike = |other: &&Arc<RateLimit>| other.allowance == limit.allowance;
            let key = CounterKey {
                policy: (policy.namespace.clone(), policy.name.clone()),
                target: target.clone(),
                instance: instance.cloned(),
                allowance: limit.allowance.clone(),
                nth: policy.rate_limits[..index].iter().filter(alike).count(),
            };
            Bound { limit: limit.clone(), counter: shared.counter(key) }
        };
        let bind = || policy.rate_limits.iter().enumerate().map(bind).collect();
        self.0.borrow_mut().of(version).entry(place).or_insert_with(bind).clone()
    }
}

// === impl Bound ===

impl Bound {
    /// Whether the request is one of those that count.
    fn counts(&self, asking: &Asking<'_>) -> bool {
        let head = asking.head;
        self.limit.allowance.requests.is_met(head.method(), head.path(), |name| header(head, name))
    }

    /// With which others it counts.
    fn key(&self, shared: &RateLimits, asking: &Asking<'_>) -> u64 {
        match &self.limit.allowance.key {
            LimitKey::All => 0,
            LimitKey::Identity => shared.hash(asking.peer.map(|peer| peer.as_str().as_bytes())),
            LimitKey::Header(name) => shared.hash(header(asking.head, name).as_ref().map(|value| value.as_bytes())),
            LimitKey::Path => shared.hash(Some(asking.head.path().as_bytes())),
            LimitKey::SourceAddress => match asking.source.ip().to_canonical() {
                IpAddr::V4(address) => shared.hash(Some(&address.octets())),
                IpAddr::V6(address) => shared.hash(Some(&address.octets()[..8])),
            },
        }
    }
}

/// The value of a field, several of one name joined by commas. `host` is what HTTP/2 says as `:authority`, too.
pub fn header<'h>(head: &'h Head, name: &str) -> Option<Cow<'h, str>> {
    if name == "host" {
        return Some(head.authority()).filter(|authority| !authority.is_empty()).map(Cow::Borrowed);
    }
    let mut values = head.fields().iter().filter(|(own, _)| *own == name).map(|(_, value)| value);
    let mut joined = Cow::Borrowed(values.next()?);
    for value in values {
        let all = joined.to_mut();
        all.push(',');
        all.push_str(value);
    }
    Some(joined)
}

// === impl Quota ===

impl Quota {
    /// How many are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether it leaves a client less than that.
    pub fn leaves_less_than(&self, other: &Self) -> bool {
        self.left < other.left
    }

    /// Tells the client of it, in the fields that Envoy and many services use.
    pub fn tell(&self, edits: &mut Edits<'_>) {
        for (name, number) in self.fields() {
            edits.set(name, super::filters::edits::Text::number(number));
        }
    }

    fn fields(&self) -> [(&'static str, u64); 3] {
        [
            ("x-ratelimit-limit", self.limit.into()),
            ("x-ratelimit-remaining", self.left),
            ("x-ratelimit-reset", seconds(self.full_in)),
        ]
    }
}

// === impl Exceeded ===

impl Exceeded {
    /// The answer to it.
    pub fn local(&self) -> Local {
        let told = self.told.map(|(wait, quota)| (seconds(wait).max(1), quota.fields()));
        let fields = told.into_iter().flat_map(|(wait, quota)| [("retry-after", wait)].into_iter().chain(quota));
        Local::limited(self.status, fields)
    }
}

/// Whole seconds, at least as long.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
