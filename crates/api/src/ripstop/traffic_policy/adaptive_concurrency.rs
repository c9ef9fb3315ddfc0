//! `adaptiveConcurrency` of a `TrafficPolicy`.

use std::time::Duration;

use super::check::within;
use crate::{
    decode::{Decoder, Field},
    finding::code,
    schema::message,
};

/// Whoever asks more often changes the limit by what single requests do.
const SHORTEST_UPDATE: Duration = Duration::from_millis(10);
const LONGEST_UPDATE: Duration = Duration::from_secs(60);
/// A tenth of it is a measurement.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);
const LEAST_RTT: Duration = Duration::from_micros(10);
const LONGEST_RTT: Duration = Duration::from_secs(60);
/// Requests at once of one instance.
const MOST: u32 = 1_000_000;
/// Requests of one measurement.
const MOST_REQUESTS: u32 = 100_000;

message! {
    /// `adaptiveConcurrency`, after Envoy's gradient controller; `{}`: with all its defaults.
    AdaptiveConcurrency {
        /// Which latency stands for all, in per cent; nothing: 50.
        percentile: Option<f64> = "percentile";
        /// From one change to the next; nothing: 100 ms.
        update_interval: Option<Duration> = "updateInterval";
        /// So many at once in any case; nothing: 3.
        min_concurrency: Option<u32> = "minConcurrency";
        /// So many at once at most; nothing: 1,000.
        max_concurrency: Option<u32> = "maxConcurrency";
        /// As much more latency is no sign of load, in per cent; nothing: 25.
        buffer: Option<f64> = "buffer";
        /// The latency without load; nothing: it is measured.
        min_rtt: Option<MinRtt> = "minRtt";
    }
    check concurrency
}

message! {
    /// `minRtt`.
    MinRtt {
        /// From one measurement to the next; nothing: 60 s.
        interval: Option<Duration> = "interval";
        /// By how much more of an interval it is longer at most, by chance, in per cent; nothing: 15.
        jitter: Option<f64> = "jitter";
        /// So many requests are a measurement; nothing: 50.
        requests: Option<u32> = "requests";
        /// It is that, and is not measured.
        fixed: Option<Duration> = "fixed";
    }
    check min_rtt
}

fn concurrency(written: &AdaptiveConcurrency, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    percent(decoder, field, "percentile", written.percentile);
    percent(decoder, field, "buffer", written.buffer);
    if written.percentile == Some(0.0) {
        let message = "`percentile` is 0, which no latency is below";
        decoder.report(code::OUT_OF_RANGE, &field.at("percentile"), message, "write 50 for the median");
    }
    within(decoder, field, "updateInterval", written.update_interval, SHORTEST_UPDATE, LONGEST_UPDATE);
    number(decoder, field, "minConcurrency", written.min_concurrency, MOST);
    number(decoder, field, "maxConcurrency", written.max_concurrency, MOST);
    let (least, most) = (written.min_concurrency.unwrap_or(3), written.max_concurrency.unwrap_or(1000));
    if least > most && most > 0 {
        let name = if written.max_concurrency.is_some() { "maxConcurrency" } else { "minConcurrency" };
        let message = format!("`minConcurrency`, {least}, is above `maxConcurrency`, {most}");
        decoder.report(code::CONFLICT, &field.at(name), message, "lower one of them, or raise the other");
    }
}

fn min_rtt(written: &MinRtt, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    within(decoder, field, "interval", written.interval, SHORTEST_INTERVAL, LONGEST_INTERVAL);
    within(decoder, field, "fixed", written.fixed, LEAST_RTT, LONGEST_RTT);
    percent(decoder, field, "jitter", written.jitter);
    number(decoder, field, "requests", written.requests, MOST_REQUESTS);
    if written.fixed.is_some() {
        for other in ["interval", "jitter", "requests"].into_iter().filter_map(|name| field.child(name)) {
            let name = crate::decode::last(&other.path);
            let message = format!("`{name}` is of measurements, and with `fixed` there are none");
            decoder.report(code::CONFLICT, &other, message, "remove one of them");
        }
    }
}

fn percent(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, percent: Option<f64>) {
    if let Some(percent) = percent.filter(|percent| !(0.0..=100.0).contains(percent)) {
        let message = format!("{percent} is out of range, 0 to 100 is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "it is in per cent");
    }
}

fn number(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, number: Option<u32>, most: u32) {
    if let Some(number) = number.filter(|number| !(1..=most).contains(number)) {
        let message = format!("{number} is out of range, 1 to {most} is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "");
    }
}
