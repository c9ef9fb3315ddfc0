//! `adaptiveConcurrency` of a `TrafficPolicy`.

use std::time::Duration;

use ripstop_api::ripstop;
use ripstop_model::{AdaptiveConcurrency, MinRtt, Share};

use super::rule_id;
use crate::Declared;

const UPDATE: Duration = Duration::from_millis(100);
const INTERVAL: Duration = Duration::from_secs(60);
/// Envoy's.
const MIN: u32 = 3;
const MAX: u32 = 1000;
const REQUESTS: u32 = 50;

/// How many requests an instance gets at a time. What is not said is as in Envoy.
pub(super) fn compile(declared: &Declared, written: &ripstop::AdaptiveConcurrency) -> AdaptiveConcurrency {
    let percent = |percent: Option<f64>, default| Share::from_percent(percent.unwrap_or(default));
    let min = written.min_concurrency.unwrap_or(MIN).max(1);
    let rtt = written.min_rtt.clone().unwrap_or_default();
    let min_rtt = match rtt.fixed.filter(|latency| !latency.is_zero()) {
        Some(latency) => MinRtt::Fixed(latency),
        None => MinRtt::Measured {
            interval: rtt.interval.filter(|interval| !interval.is_zero()).unwrap_or(INTERVAL),
            jitter: percent(rtt.jitter, 15.0),
            requests: rtt.requests.unwrap_or(REQUESTS).max(1),
        },
    };
    AdaptiveConcurrency {
        id: rule_id(declared, "spec.adaptiveConcurrency"),
        percentile: percent(written.percentile.filter(|percentile| *percentile > 0.0), 50.0),
        update_interval: written.update_interval.filter(|interval| !interval.is_zero()).unwrap_or(UPDATE),
        min,
        max: written.max_concurrency.unwrap_or(MAX).max(min),
        min_rtt,
        buffer: percent(written.buffer, 25.0),
    }
}
