//! Circuit breakers: how much of everything there may be at once.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use ripstop_model::RetryBudget;

use crate::{Backend, Bucket, Limits, Overflow, Rate, lease::Lease, window::Window};

/// What there is a limit of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// An open connection (`tcp.maxConnections`).
    Connection,
    /// A request that waits for a connection (`http.http1MaxPendingRequests`).
    PendingRequest,
    /// A request that has a connection, of HTTP/1.1 too (`http.http2MaxRequests`).
    Request,
    /// A retry, from its back-off to its end (`http.maxRetries`, or `retryBudget`).
    Retry,
}

/// The right to one of a limited resource; it ends when it is dropped.
#[derive(Debug)]
#[must_use = "dropping a permit gives it back"]
pub struct Permit<K> {
    backend: Lease<Backend<K>>,
    resource: Resource,
}

/// How much of everything there is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Open connections.
    pub connections: u64,
    /// Requests that wait for a connection.
    pub pending_requests: u64,
    /// Requests that have a connection.
    pub requests: u64,
    /// Retries.
    pub retries: u64,
}

/// The counters, shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    connections: Gauge,
    pending_requests: Gauge,
    requests: Gauge,
    retries: Gauge,
    /// Requests of late, for a budget with an interval.
    pub(crate) window: Window,
    /// Retries beyond the share of a budget.
    reserve: Bucket,
}

/// A counter on cache lines of its own, since all workers write it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Gauge(AtomicU64);

// === impl Resource ===

impl Resource {
    /// The field of a DestinationRule that limits it.
    pub fn field(self) -> &'static str {
        match self {
            Self::Connection => "trafficPolicy.connectionPool.tcp.maxConnections",
            Self::PendingRequest => "trafficPolicy.connectionPool.http.http1MaxPendingRequests",
            Self::Request => "trafficPolicy.connectionPool.http.http2MaxRequests",
            Self::Retry => "trafficPolicy.connectionPool.http.maxRetries or retryBudget",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connections",
            Self::PendingRequest => "pending requests",
            Self::Request => "requests",
            Self::Retry => "retries",
        })
    }
}

// === impl Permit ===

impl<K> Permit<K> {
    /// Of what is already counted.
    pub(crate) fn new(backend: Lease<Backend<K>>, resource: Resource) -> Self {
        Self { backend, resource }
    }

    /// What it is for.
    pub fn resource(&self) -> Resource {
        self.resource
    }
}

impl<K> Drop for Permit<K> {
    fn drop(&mut self) {
        self.backend.circuit().release(self.resource);
    }
}

// === impl Circuit ===

impl Circuit {
    /// Counts one more of `resource`, unless it is at its limit. `now`: nanoseconds of the backend's clock.
    pub(crate) fn acquire(
        &self,
        resource: Resource,
        limits: &Limits,
        budget: Option<&RetryBudget>,
        now: u64,
    ) -> Result<(), Overflow> {
        let limit = match resource {
            Resource::Connection => u64::from(limits.connections),
            Resource::PendingRequest => u64::from(limits.pending_requests),
            Resource::Request => u64::from(limits.requests),
            Resource::Retry => {
                let share = budget.map_or(u64::MAX, |budget| self.retries_within(budget, now));
                share.min(limits.retries.into())
            }
        };
        if !self.gauge(resource).try_add(limit) {
            let reserve = budget.filter(|budget| resource == Resource::Retry && budget.min_per_second > 0);
            let most = u64::from(limits.retries);
            if !reserve.is_some_and(|budget| self.add_from_reserve(budget, most, now)) {
                return Err(Overflow { resource, limit });
            }
        }
        if resource == Resource::Request && budget.is_some() {
            self.window.record(now);
        }
        Ok(())
    }

    pub(crate) fn release(&self, resource: Resource) {
        self.gauge(resource).subtract();
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            connections: self.connections.get(),
            pending_requests: self.pending_requests.get(),
            requests: self.requests.get(),
            retries: self.retries.get(),
        }
    }

    /// How many retries a budget allows at this moment: its share of the requests that are active, or that were begun
    /// within its interval, but never less than its minimum.
    fn retries_within(&self, budget: &RetryBudget, now: u64) -> u64 {
        let requests = if budget.interval.is_zero() {
            self.requests.get() + self.pending_requests.get()
        } else {
            self.window.count(now)
        };
        share_of(budget, requests)
    }

    /// Counts one of the retries that a budget allows in a second beyond its share, if one is left and there are not
    /// `most` already.
    fn add_from_reserve(&self, budget: &RetryBudget, most: u64, now: u64) -> bool {
        match self.reserve.take(second_of(budget), now) {
            Err(_) => false,
            Ok(_) if self.retries.try_add(most) => true,
            Ok(taken) => {
                taken.give_back();
                false
            }
        }
    }

    fn gauge(&self, resource: Resource) -> &Gauge {
        match resource {
            Resource::Connection => &self.connections,
            Resource::PendingRequest => &self.pending_requests,
            Resource::Request => &self.requests,
            Resource::Retry => &self.retries,
        }
    }
}

/// How many of so many requests a budget allows to be retries.
pub(crate) fn share_of(budget: &RetryBudget, requests: u64) -> u64 {
    let share = u128::from(requests) * u128::from(budget.share.millionths()) / 1_000_000;
    u64::try_from(share).unwrap_or(u64::MAX).max(u64::from(budget.min_concurrency))
}

/// How many retries a budget allows in a second beyond its share.
pub(crate) fn second_of(budget: &RetryBudget) -> Rate {
    Rate::new(budget.min_per_second, Duration::from_secs(1), budget.min_per_second)
}

// === impl Gauge ===

impl Gauge {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn subtract(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Adds one if that is within `limit`. Many threads at it succeed exactly as often as there is room.
    pub(crate) fn try_add(&self, limit: u64) -> bool {
        if limit >= u64::from(u32::MAX) {
            // As good as unlimited: no need to look first.
            self.add();
            return true;
        }
        self.0.fetch_update(Relaxed, Relaxed, |held| (held < limit).then_some(held + 1)).is_ok()
    }
}

#[cfg(test)]
mod tests;
