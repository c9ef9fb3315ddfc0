//! From one window to the next.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use ripstop_model::{AdaptiveConcurrency, MinRtt, Share};

use super::Concurrency;

/// Of updates that leave the limit at its minimum, so many make the latency without load doubtful (Envoy).
const DOUBTFUL: u32 = 5;
/// A measurement takes at most this part of its interval.
const LONGEST: u64 = 10;
/// The limit changes by these factors at most.
const STEEPEST: (f64, f64) = (0.5, 2.0);

/// Where a controller is.
#[derive(Debug)]
pub(super) struct Course {
    phase: Phase,
    next_update: u64,
    next_measurement: u64,
    /// The limit after a measurement.
    deferred: u32,
    /// Updates in a row that would have had the limit below its minimum.
    low: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    /// The latency without load is measured.
    Measuring {
        until: u64,
    },
    /// The limit follows the latency.
    Following,
}

// === impl Course ===

impl Course {
    /// Does what is due.
    pub(super) fn turn(&mut self, of: &Concurrency, settings: &AdaptiveConcurrency, now: u64, random: u64) {
        let measured = match settings.min_rtt {
            MinRtt::Measured { interval, jitter, requests } => Some((nanos(interval), jitter, requests.max(1))),
            MinRtt::Fixed(latency) => {
                of.min_rtt.store(nanos(latency).max(1), Relaxed);
                None
            }
        };
        let (min, max) = (settings.min.max(1), settings.max.max(settings.min).max(1));
        match (self.phase, measured) {
            (Phase::New, None) => {
                self.deferred = min;
                self.follow(of, settings, now);
            }
            (Phase::New, Some((interval, _, requests))) => self.measure(of, min, interval, requests, now),
            (Phase::Measuring { .. }, None) => self.follow(of, settings, now),
            (Phase::Measuring { until }, Some((interval, jitter, requests))) => {
                let counted = of.latencies.len();
                if counted < requests && now < until {
                    // It may ask for more by now.
                    of.wanted.store(requests, Relaxed);
                    return;
                }
                match of.latencies.quantile(settings.percentile) {
                    Some(latency) => of.min_rtt.store(latency.max(1), Relaxed),
                    None if of.min_rtt.load(Relaxed) == 0 => {
                        return self.measure(of, min, interval, requests, now);
                    }
                    None => {}
                }
                self.next_measurement = now.saturating_add(interval).saturating_add(part(interval, jitter, random));
                self.follow(of, settings, now);
            }
            (Phase::Following, measured) => {
                match measured {
                    None => self.next_measurement = u64::MAX,
                    Some((interval, jitter, requests)) => {
                        let longest = interval.saturating_add(part(interval, jitter, u64::MAX));
                        self.next_measurement = self.next_measurement.min(now.saturating_add(longest));
                        if now >= self.next_measurement {
                            return self.measure(of, min, interval, requests, now);
                        }
                    }
                }
                if now >= self.next_update {
                    self.update(of, settings, (min, max), now);
                    if self.low >= DOUBTFUL
                        && let Some((interval, _, requests)) = measured
                    {
                        return self.measure(of, min, interval, requests, now);
                    }
                }
                of.due.store(self.next_update.min(self.next_measurement), Relaxed);
            }
        }
    }

    /// Lowers the limit until some requests have shown how fast the instance is without load.
    fn measure(&mut self, of: &Concurrency, min: u32, interval: u64, requests: u32, now: u64) {
        if self.phase != Phase::New {
            self.deferred = self.deferred.max(of.limit.load(Relaxed));
        }
        self.low = 0;
        let until = now.saturating_add((interval / LONGEST).max(1));
        self.phase = Phase::Measuring { until };
        of.limit.store(min, Relaxed);
        of.since.store(now, Relaxed);
        of.before.store(of.running.get(), Relaxed);
        of.latencies.clear();
        of.wanted.store(requests, Relaxed);
        of.due.store(until, Relaxed);
    }

    /// Goes back to the limit that there was.
    fn follow(&mut self, of: &Concurrency, settings: &AdaptiveConcurrency, now: u64) {
        self.phase = Phase::Following;
        self.next_update = now.saturating_add(nanos(settings.update_interval).max(1));
        if matches!(settings.min_rtt, MinRtt::Fixed(_)) {
            self.next_measurement = u64::MAX;
        }
        let min = settings.min.max(1);
        of.limit.store(self.deferred.clamp(min, settings.max.max(min)), Relaxed);
        self.deferred = 0;
        of.before.store(0, Relaxed);
        of.since.store(now, Relaxed);
        of.latencies.clear();
        of.peak.store(of.running.get(), Relaxed);
        of.wanted.store(u32::MAX, Relaxed);
        of.due.store(self.next_update.min(self.next_measurement), Relaxed);
    }

    /// Moves the limit by what the latencies of late say.
    fn update(&mut self, of: &Concurrency, settings: &AdaptiveConcurrency, (min, max): (u32, u32), now: u64) {
        self.next_update = now.saturating_add(nanos(settings.update_interval).max(1));
        let peak = of.peak.swap(of.running.get(), Relaxed);
        let Some(latency) = of.latencies.quantile(settings.percentile) else { return };
        of.latencies.clear();
        of.sample_rtt.store(latency.max(1), Relaxed);
        let limit = of.limit.load(Relaxed);
        let allowed = approximate(of.min_rtt.load(Relaxed)) * (1.0 + f64::from(settings.buffer.millionths()) / 1e6);
        let gradient = (allowed / approximate(latency.max(1))).clamp(STEEPEST.0, STEEPEST.1);
        of.gradient.store(whole(gradient * 1000.0), Relaxed);
        let scaled = f64::from(limit) * gradient;
        let next = whole(scaled + scaled.sqrt());
        // What nobody uses shows nothing of what there could be.
        let next = if next > limit && peak.saturating_mul(2) < limit.into() { limit } else { next };
        self.low = if next <= min && gradient < 1.0 { self.low + 1 } else { 0 };
        of.limit.store(next.clamp(min, max), Relaxed);
    }
}

impl Default for Course {
    fn default() -> Self {
        Self { phase: Phase::New, next_update: 0, next_measurement: 0, deferred: 0, low: 0 }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// At most that share of `whole`, by chance.
fn part(whole: u64, share: Share, random: u64) -> u64 {
    let most = u128::from(whole) * u128::from(share.millionths()) / 1_000_000;
    u64::try_from((most * u128::from(random >> 32)) >> 32).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a latency is known to some per cent")]
fn approximate(nanos: u64) -> f64 {
    nanos as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a limit is positive, and it saturates")]
fn whole(number: f64) -> u32 {
    number as u32
}
