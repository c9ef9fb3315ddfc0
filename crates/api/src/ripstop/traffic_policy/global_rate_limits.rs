//! `globalRateLimits` of a `TrafficPolicy`.

use std::time::Duration;

use super::{Nothing, RequestMatch};
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::values,
    names,
    schema::{choice, message},
};

/// Whoever waits longer for permission than that waits for nothing good.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(10);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
/// Descriptors of one limit, and entries of one descriptor.
const MOST_PARTS: usize = 16;
/// As how many a request may count.
const MOST_HITS: u32 = 1_000_000;
/// Bytes of a text that a service is told.
const LONGEST_TEXT: usize = 1024;

message! {
    /// One of `globalRateLimits`.
    GlobalRateLimit {
        /// Who counts.
        service: Option<LimitService> = "service" => required();
        /// Which of the service's limits are meant.
        domain: String = "domain" => required();
        /// Which requests count; nothing: all.
        requests_meant: Option<RequestMatch> = "match";
        /// What the service is told of a request.
        descriptors: Vec<LimitDescriptor> = "descriptors" => required();
        /// As how many a request counts; nothing: 1.
        hits_addend: Option<u32> = "hitsAddend";
        /// How long the answer may take; nothing: 20 ms.
        timeout: Option<Duration> = "timeout";
        /// What becomes of a request that the service could not be asked about.
        failure_mode: WhenUnknown = "failureMode";
        /// Status of those that are refused; nothing: 429.
        status: Option<u32> = "status";
        /// Whether clients are told of the limit in header fields; nothing: yes.
        headers: Option<bool> = "headers";
        /// Nobody is refused; it is only counted who would be.
        dry_run: bool = "dryRun";
    }
    check limit
}

message! {
    /// `service`.
    LimitService {
        /// Host, as in a destination of a VirtualService.
        host: String = "host" => required();
        /// Port.
        port: Option<u32> = "port" => required();
    }
    check service
}

message! {
    /// One of `descriptors`.
    LimitDescriptor {
        /// What requests have in common that count together.
        entries: Vec<DescriptorEntry> = "entries" => required();
    }
    check descriptor
}

message! {
    /// One of `entries`: exactly one value.
    DescriptorEntry {
        /// By which name the service knows it; nothing: as the value is usually called.
        key: Option<String> = "key";
        /// What stands for a value that there is not; nothing: the descriptor is left out then.
        default_value: Option<String> = "default";
        /// The caller's proven identity.
        identity: Option<Nothing> = "identity";
        /// The value of that header field.
        header: Option<String> = "header";
        /// The path, without query.
        path: Option<Nothing> = "path";
        /// The method.
        method: Option<Nothing> = "method";
        /// The host that is asked for.
        host: Option<Nothing> = "host";
        /// The address that the connection comes from.
        source_address: Option<Nothing> = "sourceAddress";
        /// That text.
        constant: Option<String> = "constant";
        /// The workload that is called.
        destination_workload: Option<Nothing> = "destinationWorkload";
        /// The service that is called.
        destination_service: Option<Nothing> = "destinationService";
    }
    check entry
}

choice! {
    /// `failureMode`.
    WhenUnknown {
        /// It passes.
        Allow = 0 "Allow",
        /// It is refused.
        Deny = 1 "Deny",
    }
}

/// Values of an entry.
const VALUES: [&str; 9] = [
    "identity",
    "header",
    "path",
    "method",
    "host",
    "sourceAddress",
    "constant",
    "destinationWorkload",
    "destinationService",
];

fn limit(limit: &GlobalRateLimit, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    values::check_filled(decoder, field, &["domain"]);
    if let Some(domain) = field.child("domain") {
        short(decoder, &domain, &limit.domain);
    }
    few(decoder, field, "descriptors", limit.descriptors.len());
    let given = &limit.descriptors;
    for (index, item) in field.items("descriptors").iter().enumerate() {
        if given.get(index).is_some_and(|own| given[..index].contains(own)) {
            let message = "it is there a second time";
            decoder.report(code::REPEATED_ITEM, item, message, "remove one of them: each counts for itself");
        }
    }
    if limit.hits_addend.is_some_and(|hits| !(1..=MOST_HITS).contains(&hits)) {
        let message = format!("`hitsAddend` is out of range, 1 to {MOST_HITS} is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at("hitsAddend"), message, "leave it out for 1");
    }
    let at = field.at("timeout");
    decoder.at_least(&at, limit.timeout, SHORTEST_TIMEOUT);
    if limit.timeout.is_some_and(|timeout| timeout > LONGEST_TIMEOUT) {
        decoder.report(
            code::OUT_OF_RANGE,
            &at,
            "`timeout` is too long, at most 10s are allowed",
            "requests wait for it",
        );
    }
    if limit.status.is_some_and(|status| !(400..600).contains(&status)) {
        let message = format!("{} is no status of an error", limit.status.unwrap_or(0));
        decoder.report(code::OUT_OF_RANGE, &field.at("status"), message, "write a number from 400 to 599");
    }
}

fn service(service: &LimitService, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(host) = field.child("host") {
        decoder.name(&host, "a host", names::dns_name);
    }
    if service.port.is_some_and(|port| !(1..=65535).contains(&port)) {
        let message = format!("{} is no port", service.port.unwrap_or(0));
        decoder.report(code::OUT_OF_RANGE, &field.at("port"), message, "write a number from 1 to 65535");
    }
}

fn descriptor(descriptor: &LimitDescriptor, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    few(decoder, field, "entries", descriptor.entries.len());
}

fn entry(entry: &DescriptorEntry, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if decoder.at_most_one(field, &VALUES).is_empty() {
        let hint = format!("write one of `{}`", VALUES.join("`, `"));
        decoder.report(code::MISSING, field, "the entry has no value", hint);
    }
    if let Some(header) = field.child("header") {
        decoder.name(&header, "a header", values::header_name);
    }
    for (name, text) in [("key", &entry.key), ("default", &entry.default_value), ("constant", &entry.constant)] {
        let Some(text) = text else { continue };
        if text.is_empty() {
            let message = format!("`{name}` is empty");
            decoder.report(code::MISSING, &field.at(name), message, "services of limits know no empty texts");
        }
        short(decoder, &field.at(name), text);
    }
    let always = ["path", "method", "sourceAddress", "constant"].into_iter().find(|name| field.child(name).is_some());
    if let (Some(name), Some(default)) = (always, field.child("default")) {
        let message = format!("`default` says nothing: there always is a `{name}`");
        decoder.report(code::CONFLICT, &default, message, "remove it");
    }
}

/// Reports a list that is empty or too long.
fn few(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, count: usize) {
    if count > MOST_PARTS {
        let message = format!("`{name}` has {count} items, at most {MOST_PARTS} are allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "");
    } else if count == 0 && field.child(name).is_some() && field.items(name).is_empty() {
        let message = format!("`{name}` is empty");
        decoder.report(code::MISSING, &field.at(name), message, "services of limits count by descriptors alone");
    }
}

fn short(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    if text.len() > LONGEST_TEXT {
        let message = format!(
            "{} is too long, at most {LONGEST_TEXT} bytes are allowed",
            quoted(&text[..text.floor_char_boundary(40)])
        );
        decoder.report(code::OUT_OF_RANGE, field, message, "");
    }
}
