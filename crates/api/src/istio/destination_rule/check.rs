//! What a table cannot say of a rule, its subsets, policies and ports.

use std::{collections::HashSet, time::Duration};

use super::{DestinationRule, PortTrafficPolicy, RetryBudget, Subset, TrafficPolicy, TunnelSettings};
use crate::{
    decode::{Decoder, Field, last, quoted},
    finding::code,
    istio::{
        export_to::{Hidden, check_export_to},
        host::{Wildcard, check_host, is_address},
        unique::check_unique,
    },
    names,
    tree::{Scalar, Type},
};

/// Most entries of `portLevelSettings`, as the CRD has it.
const PORTS: usize = 4096;

pub(super) fn check_rule(_: &DestinationRule, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(host) = field.child("host")
        && let Some(text) = host.node.text()
        && check_host(decoder, &host, text, Wildcard::Any)
        && is_address(text)
    {
        let hint = "name the service, or the host of a `ServiceEntry` that has the address";
        decoder.report(
            code::BAD_HOST,
            &host,
            format!("{} is an address, not the name of a service", quoted(text)),
            hint,
        );
    }
    let subsets = field.items("subsets");
    let names = subsets.iter().filter_map(|subset| subset.child("name"));
    check_unique(decoder, names, "subsets");
    check_export_to(decoder, field, Hidden::Refused);
    check_export_of_selector(decoder, field);
}

/// A rule for some callers only is seen in its own namespace only.
fn check_export_of_selector(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let (Some(_), Some(list)) = (field.child("workloadSelector"), field.child("exportTo")) else { return };
    let own = decoder.object.as_ref().map(|id| id.namespace.clone());
    for item in list.each() {
        if let Some(text) = item.node.text()
            && text != "."
            && own.as_deref() != Some(text)
        {
            let message = format!("a rule with `workloadSelector` cannot be exported to {}", quoted(text));
            decoder.report(code::CONFLICT, &item, message, "write `.`, or remove `workloadSelector`");
        }
    }
}

pub(super) fn check_subset(_: &Subset, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(name) = field.child("name") else { return };
    let Some(text) = name.node.text() else { return };
    // Case does not count in Istio.
    if let Err(why) = names::dns_label(&text.to_ascii_lowercase(), names::LABEL) {
        decoder.report(code::BAD_NAME, &name, format!("{} is not the name of a subset: {why}", quoted(text)), "");
    }
}

pub(super) fn check_policy(policy: &TrafficPolicy, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    const BLOCKS: [&str; 8] = [
        "loadBalancer",
        "connectionPool",
        "outlierDetection",
        "tls",
        "portLevelSettings",
        "tunnel",
        "proxyProtocol",
        "retryBudget",
    ];
    check_not_empty(decoder, field, &BLOCKS);
    decoder.at_most_one(field, &["tunnel", "proxyProtocol"]);
    let ports = field.items("portLevelSettings");
    if ports.len() > PORTS {
        let message = format!("`portLevelSettings` has {} items, at most {PORTS} are allowed", ports.len());
        decoder.report(code::OUT_OF_RANGE, &field.at("portLevelSettings"), message, "");
    }
    let mut seen = HashSet::new();
    for number in ports.iter().filter_map(|port| port.child("port")?.child("number")) {
        if let Some(Type::Integer(port)) = number.node.scalar().map(Scalar::kind)
            && !seen.insert(port)
        {
            let message = format!("the port {port} is given twice");
            decoder.report(code::REPEATED_ITEM, &number, message, "put all its settings into one item");
        }
    }
    if policy.retry_budget.is_some()
        && policy.connection_pool.as_ref().and_then(|pool| pool.http.as_ref()?.max_retries).is_some_and(|most| most > 0)
        && let Some(retries) = field.child("connectionPool").and_then(|pool| pool.child("http")?.child("maxRetries"))
    {
        decoder.not_acted_on(&retries, "`retryBudget` replaces it");
    }
}

pub(super) fn check_port_policy(_: &PortTrafficPolicy, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    const BLOCKS: [&str; 4] = ["loadBalancer", "connectionPool", "outlierDetection", "tls"];
    if BLOCKS.iter().all(|name| field.child(name).is_none()) {
        let hint = "give `loadBalancer`, `connectionPool`, `outlierDetection` or `tls`, or remove the item";
        decoder.report(code::MISSING, field, "the port has no settings", hint);
    }
}

pub(super) fn check_tunnel(tunnel: &TunnelSettings, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(protocol) = &tunnel.protocol
        && !["", "CONNECT", "POST"].contains(&protocol.as_str())
    {
        decoder.bad_enum(&field.at("protocol"), protocol, ["CONNECT", "POST"].into_iter());
    }
    if let Some(host) = field.child("targetHost")
        && let Some(text) = host.node.text()
    {
        check_host(decoder, &host, text, Wildcard::Refused);
    }
}

pub(super) fn check_retry_budget(budget: &RetryBudget, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_percent(decoder, field, "percent", budget.percent);
}

/// Reports a mapping in which none of `names` is given.
pub(super) fn check_not_empty(decoder: &mut Decoder<'_>, field: &Field<'_>, names: &[&str]) {
    if names.iter().all(|name| field.child(name).is_none()) {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let hint = format!("give one of {}, or remove it", names.join(", "));
        decoder.report(code::MISSING, field, format!("`{}` is empty", last(&field.path)), hint);
    }
}

/// Reports a percentage that is none.
pub(super) fn check_percent(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, percent: Option<f64>) {
    if let Some(percent) = percent
        && !(0.0..=100.0).contains(&percent)
    {
        let message = format!("{percent} is out of range, 0 to 100 is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "");
    }
}

/// Reports a duration below 1 ms, or one that is finer than milliseconds, as Istio does.
pub(super) fn check_duration(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, duration: Option<Duration>) {
    const LEAST: Duration = Duration::from_millis(1);
    let Some(duration) = duration else { return };
    if duration < LEAST {
        decoder.at_least(&field.at(name), Some(duration), LEAST);
    } else if duration.subsec_nanos() % 1_000_000 != 0 {
        let message = format!("`{name}` is finer than milliseconds");
        decoder.report(code::BAD_DURATION, &field.at(name), message, "write whole milliseconds");
    }
}
