//! `hedging` of a `TrafficPolicy`.

use std::time::Duration;

use super::check::within;
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::values,
    schema::message,
};

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Attempts of one request: each costs a connection.
const MOST_ATTEMPTS: u32 = 3;

message! {
    /// `hedging`: exactly one of `delay` and `percentile`.
    TrafficHedging {
        /// After so long without an answer there is another attempt.
        delay: Option<Duration> = "delay";
        /// Once it takes longer than so many of the backend's answers, in per cent, there is another attempt.
        percentile: Option<f64> = "percentile";
        /// With `percentile`, not sooner than that; nothing: 1 ms.
        min_delay: Option<Duration> = "minDelay";
        /// Attempts at most, the first included; nothing: 2.
        max_attempts: Option<u32> = "maxAttempts";
        /// Methods of requests that may be sent twice; nothing: GET, HEAD, OPTIONS and TRACE.
        methods: Vec<String> = "methods";
    }
    check hedging
}

fn hedging(written: &TrafficHedging, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let given = decoder.at_most_one(field, &["delay", "percentile"]);
    if given.is_empty() {
        let hint = "write `delay: 100ms` or `percentile: 95`";
        decoder.report(code::MISSING, field, "`hedging` does not say when", hint);
    }
    within(decoder, field, "delay", written.delay, SHORTEST, LONGEST);
    within(decoder, field, "minDelay", written.min_delay, SHORTEST, LONGEST);
    if let Some(percent) = written.percentile.filter(|percent| !(50.0..100.0).contains(percent)) {
        let message = format!("{percent} is out of range, 50 to less than 100 is allowed");
        let hint = "of so many requests in a hundred there is no second attempt";
        decoder.report(code::OUT_OF_RANGE, &field.at("percentile"), message, hint);
    }
    if written.min_delay.is_some() && written.delay.is_some() {
        let message = "`minDelay` is of `percentile`, and with `delay` there is none";
        decoder.report(code::CONFLICT, &field.at("minDelay"), message, "remove one of them");
    }
    if let Some(attempts) = written.max_attempts.filter(|attempts| !(2..=MOST_ATTEMPTS).contains(attempts)) {
        let message = format!("{attempts} is out of range, 2 to {MOST_ATTEMPTS} is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at("maxAttempts"), message, "the first one counts");
    }
    for method in field.items("methods") {
        if let Some(text) = method.node.text() {
            if let Err(why) = values::header_name(text) {
                decoder.report(code::BAD_NAME, &method, format!("{} is not a method: {why}", quoted(text)), "");
            } else if text == "CONNECT" {
                decoder.report(code::BAD_ENUM, &method, "CONNECT asks for a tunnel", "remove it");
            }
        }
    }
}
