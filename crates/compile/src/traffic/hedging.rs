//! `hedging` of a `TrafficPolicy`.

use std::{sync::Arc, time::Duration};

use ripstop_api::ripstop;
use ripstop_model::{HedgeDelay, Hedging, Share};

use super::{rule_id, texts};
use crate::Declared;

const ATTEMPTS: u32 = 2;
const MOST_ATTEMPTS: u32 = 3;
const LEAST: Duration = Duration::from_millis(1);
/// What does no harm when it is done twice (RFC 9110, 9.2.1).
const SAFE: [&str; 4] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/// When requests are sent to one more endpoint.
pub(super) fn compile(declared: &Declared, written: &ripstop::TrafficHedging) -> Option<Hedging> {
    let fixed = written.delay.filter(|delay| !delay.is_zero()).map(HedgeDelay::Fixed);
    let percentile = written.percentile.map(|percent| HedgeDelay::Percentile {
        percentile: Share::from_percent(percent.max(50.0)),
        least: written.min_delay.unwrap_or(LEAST),
    });
    let methods = if written.methods.is_empty() { SAFE.map(Arc::from).to_vec() } else { texts(&written.methods) };
    Some(Hedging {
        id: rule_id(declared, "spec.hedging"),
        delay: fixed.or(percentile)?,
        attempts: written.max_attempts.unwrap_or(ATTEMPTS).clamp(2, MOST_ATTEMPTS),
        methods,
    })
}
