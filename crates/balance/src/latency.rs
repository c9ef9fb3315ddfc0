//! How long an endpoint takes to answer.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use ripstop_model::PeakEwma;

/// An average of an endpoint's latencies that rises at once, and falls with time (peak EWMA, as Finagle and Linkerd
/// have it): each sample above it replaces it, each below it counts the more the longer ago the last one is, and what
/// is not looked at for long is forgotten, so that a slow endpoint is tried again.
///
/// The upper half is the average in nanoseconds as a float, the lower one the [`Tick`] of the last sample. 0: there was
/// none yet. All workers write it, and one of two that write at once goes first.
#[derive(Debug, Default)]
pub(crate) struct Latency(AtomicU64);

/// Where an average begins that has no sample, and how it falls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course<'a> {
    pub(crate) settings: &'a PeakEwma,
    /// When the endpoint became ready, in nanoseconds.
    pub(crate) since: u64,
    /// In nanoseconds.
    pub(crate) now: u64,
}

/// About a millisecond; they are counted in 32 bits, and start again after 52 days.
#[derive(Clone, Copy, Debug)]
struct Tick(u32);

#[derive(Clone, Copy, Debug)]
struct Average {
    nanos: f64,
    at: Tick,
}

/// Nanoseconds of a tick, as a power of two.
const TICK: u32 = 20;
/// Samples of workers that looked at their clocks earlier are behind by less than this.
const BEHIND: u32 = 1 << 16;
/// Averages that have fallen below this don't differ, in nanoseconds: there, what an endpoint has to do decides.
const LEAST: f64 = 10_000.0;

// === impl Latency ===

impl Latency {
    /// What another request would cost an endpoint that has so many: its latency, as often as it has to do something,
    /// per `share`, its part of the heaviest's weight.
    pub(crate) fn cost(&self, course: &Course<'_>, active: u32, share: f64) -> f64 {
        (self.average(course).fallen(course).nanos + LEAST) * (f64::from(active) / share + 1.0)
    }

    /// Adds a sample in nanoseconds.
    pub(crate) fn add(&self, sample: u64, course: &Course<'_>) {
        self.change(course, |average| Some(average.with(to_float(sample), course)));
    }

    /// Something took longer than this, in nanoseconds; how long is not known. It never lowers the average.
    pub(crate) fn add_at_least(&self, sample: u64, course: &Course<'_>) {
        let sample = to_float(sample);
        self.change(course, |average| {
            (sample > average.fallen(course).nanos).then(|| Average { nanos: sample, at: Tick::of(course.now) })
        });
    }

    fn change(&self, course: &Course<'_>, change: impl Fn(Average) -> Option<Average>) {
        // It fails if nothing is to be changed: samples of one tick that are not above the average change nothing.
        let _ = self.0.fetch_update(Relaxed, Relaxed, |bits| {
            change(Average::of(bits, course)).map(Average::to_bits).filter(|changed| *changed != bits)
        });
    }

    fn average(&self, course: &Course<'_>) -> Average {
        Average::of(self.0.load(Relaxed), course)
    }
}

// === impl Average ===

impl Average {
    fn of(bits: u64, course: &Course<'_>) -> Self {
        if bits == 0 {
            let nanos = to_float(to_nanos(course.settings.default_rtt));
            return Self { nanos, at: Tick::of(course.since) };
        }
        // Both are 32 bits long.
        let [nanos, at] = [bits >> 32, bits & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or(0));
        Self { nanos: f64::from(f32::from_bits(nanos)), at: Tick(at) }
    }

    fn to_bits(self) -> u64 {
        // A float of fewer bits is as good; never 0.
        #[expect(clippy::cast_possible_truncation)]
        let nanos = self.nanos.max(1.0) as f32;
        u64::from(nanos.to_bits()) << 32 | u64::from(self.at.0)
    }

    /// With a sample more.
    fn with(self, sample: f64, course: &Course<'_>) -> Self {
        let now = Tick::of(course.now);
        let (remains, at) = (self.at.remains(now, course.settings.decay), self.at.later(now));
        let nanos = if sample > self.nanos { sample } else { self.nanos * remains + sample * (1.0 - remains) };
        Self { nanos, at }
    }

    /// What remains of it.
    fn fallen(self, course: &Course<'_>) -> Self {
        let now = Tick::of(course.now);
        Self { nanos: self.nanos * self.at.remains(now, course.settings.decay), at: self.at.later(now) }
    }
}

// === impl Tick ===

impl Tick {
    fn of(nanos: u64) -> Self {
        // They start again, as is said.
        #[expect(clippy::cast_possible_truncation)]
        Self((nanos >> TICK) as u32)
    }

    /// Ticks until `now`; 0 if that was before.
    fn until(self, now: Self) -> u32 {
        let passed = now.0.wrapping_sub(self.0);
        if passed > u32::MAX - BEHIND { 0 } else { passed }
    }

    /// How much of an average of this tick remains: e^-1 after `decay`.
    fn remains(self, now: Self, decay: Duration) -> f64 {
        let passed = f64::from(self.until(now)) * f64::from(1 << TICK);
        (-passed / to_float(to_nanos(decay).max(1))).exp()
    }

    fn later(self, now: Self) -> Self {
        if self.until(now) == 0 { self } else { now }
    }
}

fn to_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Beyond some hundred days, nanoseconds are rounded.
#[expect(clippy::cast_precision_loss)]
fn to_float(nanos: u64) -> f64 {
    nanos as f64
}

#[cfg(test)]
mod tests;
