//! What a table cannot say of balancing: algorithms, hash keys, warm-up.

use super::{
    ConsistentHash, HttpCookie, LoadBalancer, Maglev, SimpleLb, Warmup,
    check::{check_duration, check_percent},
};
use crate::{
    decode::{Decoder, Field},
    finding::code,
};

/// Largest table of Maglev; it is a prime.
const LARGEST_TABLE: u64 = 5_000_011;

pub(super) fn check_balancer(balancer: &LoadBalancer, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_most_one(field, &["simple", "consistentHash"]);
    decoder.at_most_one(field, &["localityLbSetting", "zoneAwareLbSetting"]);
    check_duration(decoder, field, "warmupDurationSecs", balancer.warmup_duration_secs);
    if let (Some(old), Some(_)) = (field.child("warmupDurationSecs"), field.child("warmup")) {
        decoder.not_acted_on(&old, "`warmup` replaces it");
    }
    let hashes = field.child("consistentHash").is_some();
    let warms_up = match balancer.simple {
        // One that could not be read.
        None if field.child("simple").is_some() => return,
        None => !hashes,
        Some(SimpleLb::Random | SimpleLb::Passthrough) => false,
        Some(SimpleLb::Unspecified | SimpleLb::RoundRobin | SimpleLb::LeastRequest) => true,
    };
    if !warms_up && let Some(warmup) = field.child("warmup").or_else(|| field.child("warmupDurationSecs")) {
        decoder.not_acted_on(&warmup, "endpoints warm up only with `ROUND_ROBIN` and `LEAST_REQUEST`");
    }
}

pub(super) fn check_hash(hash: &ConsistentHash, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    const KEYS: [&str; 4] = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"];
    let keys = decoder.at_most_one(field, &KEYS);
    if keys.is_empty() || keys == ["useSourceIp"] && hash.use_source_ip == Some(false) {
        let hint = "give one of `httpHeaderName`, `httpCookie`, `useSourceIp: true`, `httpQueryParameterName`";
        decoder.report(code::MISSING, field, "`consistentHash` has no key", hint);
    }
    for (name, value) in
        [("httpHeaderName", &hash.http_header_name), ("httpQueryParameterName", &hash.http_query_parameter_name)]
    {
        if value.as_deref() == Some("") {
            decoder.report(code::MISSING, &field.at(name), format!("`{name}` is empty"), "");
        }
    }
    let algorithms = decoder.at_most_one(field, &["ringHash", "maglev"]);
    if hash.minimum_ring_size.is_some_and(|size| size > 0)
        && let Some(algorithm) = algorithms.first()
    {
        let message = format!("`minimumRingSize` excludes `{algorithm}`");
        decoder.report(code::CONFLICT, &field.at("minimumRingSize"), message, "keep one of them");
    }
}

pub(super) fn check_cookie(_: &HttpCookie, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let attributes = field.items("attributes");
    for name in std::iter::once(field).chain(&attributes).filter_map(|named| named.child("name")) {
        if name.node.text() == Some("") {
            decoder.report(code::MISSING, &name, "`name` is empty", "");
        }
    }
}

pub(super) fn check_maglev(maglev: &Maglev, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(size) = maglev.table_size else { return };
    let field = field.at("tableSize");
    if !(2..=LARGEST_TABLE).contains(&size) {
        let message = format!("{size} is out of range, a prime from 2 to {LARGEST_TABLE} is allowed");
        decoder.report(code::OUT_OF_RANGE, &field, message, "");
    } else if !is_prime(size) {
        let next = (size..=LARGEST_TABLE).find(|number| is_prime(*number)).unwrap_or(LARGEST_TABLE);
        decoder.report(code::BAD_VALUE, &field, format!("{size} is not a prime"), format!("the next one is {next}"));
    }
}

pub(super) fn check_warmup(warmup: &Warmup, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_duration(decoder, field, "duration", warmup.duration);
    check_percent(decoder, field, "minimumPercent", warmup.minimum_percent);
    if let Some(aggression) = warmup.aggression
        && aggression < 1.0
    {
        let message = format!("{aggression} is out of range, at least 1 is needed");
        decoder.report(code::OUT_OF_RANGE, &field.at("aggression"), message, "");
    }
}

fn is_prime(number: u64) -> bool {
    number >= 2 && (2..=number.isqrt()).all(|factor| !number.is_multiple_of(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes() {
        for prime in [2, 3, 5, 7, 65_537, LARGEST_TABLE] {
            assert!(is_prime(prime), "{prime}");
        }
        for other in [0, 1, 4, 9, 65_536, LARGEST_TABLE - 1, LARGEST_TABLE - 2] {
            assert!(!is_prime(other), "{other}");
        }
    }
}
