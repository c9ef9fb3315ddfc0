//! Slow start: a new endpoint's weight grows.

use std::time::Duration;

use ripstop_model::Warmup;

/// The part of its weight that an endpoint of this age has, above 0 and at most 1:
/// `max(minimum, (age / duration)^(1 / aggression))`, as Envoy's slow start.
pub(crate) fn factor(warmup: &Warmup, age: Duration) -> f64 {
    if age >= warmup.duration {
        return 1.0;
    }
    // Envoy's clock has milliseconds, and its first one counts from the start.
    let age = age.max(Duration::from_millis(1));
    let passed = (age.as_secs_f64() / warmup.duration.as_secs_f64()).min(1.0);
    // One that is not above 0 means nothing.
    let aggression = if warmup.aggression > 0.0 { warmup.aggression } else { 1.0 };
    let minimum = f64::from(warmup.minimum.millionths()) / 1e6;
    passed.powf(1.0 / aggression).max(minimum)
}

#[cfg(test)]
mod tests;
