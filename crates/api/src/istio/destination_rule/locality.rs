//! What a table cannot say of balancing by locality: shares, failover, zones.

use std::collections::HashMap;

use super::{Distribute, Failover, LocalityLb, ZoneAwareLb};
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    tree::{Scalar, Type},
};

/// Labels that say where an endpoint is.
const PLACES: [&str; 3] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];

pub(super) fn check_locality(locality: &LocalityLb, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if !locality.distribute.is_empty() {
        if !locality.failover.is_empty() {
            decoder.at_most_one(field, &["distribute", "failover"]);
        }
        if !locality.failover_priority.is_empty() {
            decoder.at_most_one(field, &["distribute", "failoverPriority"]);
        }
    }
    if !locality.failover.is_empty() {
        for label in field.items("failoverPriority") {
            if let Some(text) = label.node.text()
                && PLACES.contains(&text)
            {
                let message = format!("{} in `failoverPriority` excludes `failover`", quoted(text));
                decoder.report(code::CONFLICT, &label, message, "where to fail over is said by one of them");
            }
        }
    }
    // The first entry that holds the caller counts, so an entry may be wider than those before it.
    let mut earlier = Places::default();
    for from in field.items("distribute").iter().filter_map(|entry| entry.child("from")) {
        let Some(text) = from.node.text() else { continue };
        if let Some(wider) = earlier.around(text).next() {
            overlap(decoder, &from, text, wider);
        }
        earlier.add(text);
    }
}

pub(super) fn check_distribute(_: &Distribute, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(from) = field.child("from")
        && let Some(text) = from.node.text()
    {
        check_place(decoder, &from, text);
    }
    let Some(to) = field.child("to").filter(|to| to.node.mapping().is_some()) else { return };
    let shares = decoder.entries(&to);
    let mut places = Places::default();
    for (key, _) in &shares {
        places.add(&key.text);
    }
    let mut sum = Some(0);
    for (key, share) in &shares {
        let place = key.text.as_str();
        check_place(decoder, share, place);
        if let Some(wider) = places.around(place).find(|wider| *wider != place) {
            overlap(decoder, share, place, wider);
        }
        match share.node.scalar().map(Scalar::kind) {
            Some(Type::Integer(percent @ 1..=100)) => sum = sum.map(|sum| sum + percent),
            Some(Type::Integer(percent @ 0..)) => {
                sum = None;
                let message = format!("{percent} is out of range, 1 to 100 is allowed");
                decoder.report(code::OUT_OF_RANGE, share, message, "");
            }
            _ => sum = None,
        }
    }
    if let Some(sum) = sum.filter(|sum| *sum != 100) {
        decoder.report(code::BAD_VALUE, &to, format!("the shares are {sum} together, not 100"), "");
    }
}

pub(super) fn check_failover(failover: &Failover, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for (name, region) in [("from", &failover.from), ("to", &failover.to)] {
        if region.contains(['/', '*']) {
            let message = format!("{} is not a region", quoted(region));
            decoder.report(code::BAD_VALUE, &field.at(name), message, "failover is from one region to another");
        }
    }
    if failover.from == failover.to && field.child("from").is_some() && field.child("to").is_some() {
        let message = format!("{} fails over to itself", quoted(&failover.to));
        decoder.report(code::CONFLICT, &field.at("to"), message, "name another region");
    }
}

pub(super) fn check_zone_aware(_: &ZoneAwareLb, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for label in field.items("failoverPriority") {
        if let Some(text) = label.node.text()
            && PLACES.contains(&text.split('=').next().unwrap_or(text))
        {
            let message = format!("{} is not for `zoneAwareLbSetting`, which looks at zones itself", quoted(text));
            decoder.report(code::BAD_VALUE, &label, message, "remove it");
        }
    }
}

/// Reports what is not `region`, `region/zone` or `region/zone/subzone`, with `*` at the end at most.
fn check_place(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    if let Some(why) = fault(text) {
        let message = format!("{} is not a locality: {why}", quoted(text));
        decoder.report(code::BAD_VALUE, field, message, "write it like `region/zone/subzone` or `region/*`");
    }
}

/// Why a text is not a locality.
fn fault(text: &str) -> Option<&'static str> {
    if text.splitn(3, '/').any(str::is_empty) {
        Some("a part of it is empty")
    } else if text.strip_suffix('*').unwrap_or(text).contains('*') {
        Some("`*` stands only at the end")
    } else {
        None
    }
}

fn overlap(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str, wider: &str) {
    let message = format!("{} lies within {}, which is given too", quoted(text), quoted(wider));
    decoder.report(code::CONFLICT, field, message, "name each locality once");
}

/// Localities, each by what it names of region, zone and subzone.
#[derive(Default)]
struct Places<'t>(HashMap<Vec<&'t str>, &'t str>);

impl<'t> Places<'t> {
    /// Adds a locality; of two that are the same the first stays.
    fn add(&mut self, text: &'t str) {
        if fault(text).is_none() {
            self.0.entry(parts(text)).or_insert(text);
        }
    }

    /// Those that hold a locality, the widest first.
    fn around(&self, text: &str) -> impl Iterator<Item = &'t str> {
        let parts = fault(text).is_none().then(|| parts(text));
        let wider = parts.into_iter().flat_map(|parts| (0..=parts.len()).map(move |length| parts[..length].to_vec()));
        wider.filter_map(|parts| self.0.get(&parts).copied())
    }
}

/// Region, zone and subzone, as far as they are named.
fn parts(text: &str) -> Vec<&str> {
    text.splitn(3, '/').take_while(|part| *part != "*").collect()
}
