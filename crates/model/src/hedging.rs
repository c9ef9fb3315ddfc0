//! Second attempts of requests whose answers take long.

use std::{fmt, sync::Arc, time::Duration};

use crate::{RuleId, Share};

/// When a request is sent to one more endpoint of a backend, though its first one may still answer. Whoever answers well
/// first answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hedging {
    /// Id of the rule.
    pub id: RuleId,
    /// After how long an attempt without answer is followed by another one.
    pub delay: HedgeDelay,
    /// Attempts at most, the first included; at least 2.
    pub attempts: u32,
    /// Methods of requests that may be sent twice.
    pub methods: Vec<Arc<str>>,
}

/// After how long another attempt is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeDelay {
    /// After that time; more than nothing.
    Fixed(Duration),
    /// Once it takes longer than so many of the backend's answers take.
    Percentile {
        /// So many.
        percentile: Share,
        /// But not sooner than that.
        least: Duration,
    },
}

impl fmt::Display for Hedging {
    /// `up to 2 attempts of GET, HEAD, each 100ms after the other`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delay, attempts, methods, .. } = self;
        write!(f, "up to {attempts} attempts of {}, ", methods.join(", "))?;
        match delay {
            HedgeDelay::Fixed(delay) => write!(f, "one more after {delay:?} without an answer"),
            HedgeDelay::Percentile { percentile, least } => {
                write!(f, "one more after p{percentile} of its latency, at least {least:?}, without an answer")
            }
        }
    }
}
