//! Requests to the ports of workloads, as their own listeners limit them (`connectionPool.http` of Istio's `Sidecar`).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use ripstop_decide::{InboundPool, Program, inbound_pool};
use ripstop_model::{ConnectionPool, RuleId, Workload, WorkloadUid};
use tokio::time::Instant;

use crate::error::Error;

/// What the workloads of this proxy have of requests, as all workers count them together.
#[derive(Debug, Default)]
pub struct InboundPools(Mutex<HashMap<(WorkloadUid, u16), Arc<Counts>>>);

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU32,
    waiting: AtomicU32,
    retries: AtomicU32,
}

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// One that is under way.
    Request,
    /// One that waits for a connection to the application.
    Waiting,
    /// One that is tried again.
    Retry,
}

/// What a request counts as while this lives. Where nothing limits it, nobody counts it.
#[derive(Debug, Default)]
#[must_use = "dropping it gives it back"]
pub struct Place(Option<(Arc<Counts>, Counting)>);

/// The limits of what comes to one port of a workload.
#[derive(Clone, Debug, Default)]
pub struct RequestLimits {
    id: Option<RuleId>,
    requests: Option<u32>,
    waiting: Option<u32>,
    retries: Option<u32>,
    per_connection: Option<u32>,
    streams: Option<u32>,
    /// How long a connection to the application may be without requests.
    pub idle: Option<Duration>,
    lifetime: Option<Duration>,
    /// Interval and timeout of PING.
    pub ping: Option<(Duration, Duration)>,
}

// === impl InboundPools ===

impl InboundPools {
    /// Counts one more of that kind at `port` of `own`; why there are too many.
    pub fn take(
        &self,
        limits: &RequestLimits,
        (own, port): (&WorkloadUid, u16),
        counting: Counting,
    ) -> Result<Place, Error> {
        let Some(most) = limits.most(counting) else { return Ok(Place::default()) };
        let counts = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !known.contains_key(&(own.clone(), port)) {
                // New ones are rare, and so are those that are used no more.
                known.retain(|_, counts| Arc::strong_count(counts) > 1);
            }
            known.entry((own.clone(), port)).or_default().clone()
        };
        let more = |count: u32| (count < most).then(|| count + 1);
        if counts.of(counting).fetch_update(Relaxed, Relaxed, more).is_ok() {
            return Ok(Place(Some((counts, counting))));
        }
        Err(Error::TooManyRequests {
            limit: format!("{most} {} to port {port}", counting.as_str()),
            policy: limits.id.clone(),
        })
    }
}

// === impl RequestLimits ===

impl RequestLimits {
    /// Those of `port` of `own`.
    pub fn of(program: &Program, own: &Workload, port: u16) -> Self {
        let found = inbound_pool(program, own, port);
        found.map_or_else(Self::default, |InboundPool { id, pool }| Self::from_pool(Some(id), pool))
    }

    /// Those of a pool, of that object.
    pub fn from_pool(id: Option<&RuleId>, pool: &ConnectionPool) -> Self {
        let ConnectionPool {
            max_pending_requests,
            max_requests,
            max_requests_per_connection,
            max_retries,
            max_concurrent_streams,
            http_idle_timeout,
            max_connection_duration,
            http2_keepalive,
            ..
        } = *pool;
        Self {
            id: id.cloned(),
            requests: max_requests,
            waiting: max_pending_requests,
            retries: max_retries,
            per_connection: max_requests_per_connection,
            streams: max_concurrent_streams,
            idle: http_idle_timeout.filter(|time| !time.is_zero()),
            lifetime: max_connection_duration.filter(|time| !time.is_zero()),
            ping: http2_keepalive,
        }
    }

    /// Whether a connection to the application that was opened at `opened` and had so many requests takes another one.
    pub fn goes_on(&self, opened: Instant, served: u64) -> bool {
        self.per_connection.is_none_or(|most| served < u64::from(most))
            && self.lifetime.is_none_or(|most| opened.elapsed() < most)
    }

    /// Whether a connection of HTTP/2 takes another request beside `active` others.
    pub fn has_room(&self, active: u32) -> bool {
        self.streams.is_none_or(|most| active < most)
    }

    /// When a connection to the application ends that was opened at `opened` and has nothing to do since `idle`; nothing:
    /// it stays.
    pub fn ends(&self, opened: Instant, idle: Instant) -> Option<Instant> {
        let silent = self.idle.and_then(|time| idle.checked_add(time));
        let old = self.lifetime.and_then(|time| opened.checked_add(time));
        silent.into_iter().chain(old).min()
    }

    fn most(&self, counting: Counting) -> Option<u32> {
        match counting {
            Counting::Request => self.requests,
            Counting::Waiting => self.waiting,
            Counting::Retry => self.retries,
        }
    }
}

// === impl Counts ===

impl Counts {
    fn of(&self, counting: Counting) -> &AtomicU32 {
        match counting {
            Counting::Request => &self.requests,
            Counting::Waiting => &self.waiting,
            Counting::Retry => &self.retries,
        }
    }
}

// === impl Counting ===

impl Counting {
    fn as_str(self) -> &'static str {
        match self {
            Self::Request => "requests at once",
            Self::Waiting => "requests that wait for a connection",
            Self::Retry => "retries at once",
        }
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((counts, counting)) = &self.0 {
            counts.of(*counting).fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
