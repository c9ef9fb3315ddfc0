//! How many requests an instance gets at a time, as it shows by its latency that it can take.

use std::{fmt, time::Duration};

use crate::{RuleId, Share};

/// How the number of requests that an instance has at a time follows its latency: the gradient controller of Envoy's
/// adaptive concurrency filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptiveConcurrency {
    /// Id of the rule.
    pub id: RuleId,
    /// Which of the latencies of a window stands for all of them; more than none.
    pub percentile: Share,
    /// From one change of the limit to the next; at least 10 ms.
    pub update_interval: Duration,
    /// The limit is at least that, and that low while the latency without load is measured; at least 1.
    pub min: u32,
    /// The limit is at most that; at least [`Self::min`].
    pub max: u32,
    /// The latency without load.
    pub min_rtt: MinRtt,
    /// As much of the latency without load is no sign of load.
    pub buffer: Share,
}

/// The latency without load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinRtt {
    /// It is measured.
    Measured {
        /// From one time to the next; at least 100 ms.
        interval: Duration,
        /// By as much of it an interval is longer at most.
        jitter: Share,
        /// So many requests show it; at least 1.
        requests: u32,
    },
    /// It is known; more than nothing.
    Fixed(Duration),
}

impl fmt::Display for AdaptiveConcurrency {
    /// `3 to 1000 requests at once, by p50 every 100ms against a latency measured every 60s`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { percentile, update_interval, min, max, min_rtt, .. } = self;
        write!(f, "{min} to {max} requests at once, by p{percentile} every {update_interval:?} against a latency ")?;
        match min_rtt {
            MinRtt::Measured { interval, .. } => write!(f, "measured every {interval:?}"),
            MinRtt::Fixed(latency) => write!(f, "of {latency:?}"),
        }
    }
}
