//! `WorkloadEntry` (`networking.istio.io` v1, v1beta1, v1alpha3).

mod address;

use std::collections::BTreeMap;

pub(crate) use address::{Address, check_socket};

use super::{
    Labels,
    host::{Wildcard, check_host},
    service_entry::port::port_name,
};
use crate::{
    decode::{Decoder, Field, join, quoted},
    finding::code,
    names,
    schema::message,
};

message! {
    /// An endpoint that no pod stands for.
    WorkloadEntry {
        /// IP address, DNS name or `unix:///path`; empty: the workloads of `network`.
        address: String = "address";
        /// Port name → number.
        ports: BTreeMap<String, u16> = "ports";
        /// Labels.
        labels: Labels = "labels";
        /// Network.
        network: String = "network";
        /// `region/zone/subzone`.
        locality: String = "locality";
        /// Share; 0 or nothing: 1.
        weight: Option<u32> = "weight";
        /// Service account: its identity.
        service_account: String = "serviceAccount";
    }
    check check_entry
}

/// Most `ports`.
const PORTS: usize = 128;

/// Most `labels` and `annotations`.
pub(crate) const LABELS: usize = 256;

fn check_entry(_: &WorkloadEntry, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let given = |name: &str| field.child(name).filter(|value| value.node.text() != Some(""));
    let address = given("address");
    match address.as_ref().map(|address| (address, address.node.text())) {
        None if given("network").is_none() => {
            let path = join(&field.path, "address");
            let hint = "give it, or the `network` whose workloads it stands for";
            decoder.report_at(code::MISSING, &path, field.node.mark, "`address` is missing", hint);
        }
        Some((address, Some(text))) => check_address(decoder, field, address, text),
        _ => {}
    }
    check_common(decoder, field);
}

fn check_address(decoder: &mut Decoder<'_>, entry: &Field<'_>, address: &Field<'_>, text: &str) {
    match Address::of(text) {
        Address::Ip => {}
        Address::Name => {
            check_host(decoder, address, text, Wildcard::Refused);
        }
        Address::Unix => {
            check_socket(decoder, address, text);
            if let Some(ports) = entry.child("ports") {
                decoder.report(code::CONFLICT, &ports, "a socket has no `ports`", "remove them");
            }
        }
    }
}

/// Checks what a `WorkloadEntry` and the template of a `WorkloadGroup` have in common.
pub(crate) fn check_common(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(ports) = field.child("ports").filter(|ports| ports.node.mapping().is_some()) {
        let entries = decoder.entries(&ports);
        check_count(decoder, &ports, "ports", PORTS);
        for (key, port) in entries {
            if let Err(why) = port_name(&key.text) {
                let message = format!("{} is not the name of a port: {why}", quoted(&key.text));
                decoder.report_at(code::BAD_NAME, &port.path, key.mark, message, "");
            }
        }
    }
    if let Some(labels) = field.child("labels") {
        check_count(decoder, &labels, "labels", LABELS);
    }
    if let Some(locality) = field.child("locality")
        && let Some(text) = locality.node.text()
        && text.split('/').count() > 3
    {
        let message = format!("what follows the third part of {} has no effect", quoted(text));
        decoder.report(code::NOT_ACTED_ON, &locality, message, "write it as `region/zone/subzone`");
    }
    for name in ["network", "locality"] {
        const LONGEST: usize = 2048;
        if let Some(value) = field.child(name)
            && let Some(text) = value.node.text()
            && text.len() > LONGEST
        {
            let message = format!("`{name}` has {} characters, at most {LONGEST} are allowed", text.len());
            decoder.report(code::OUT_OF_RANGE, &value, message, "");
        }
    }
    if let Some(account) = field.child("serviceAccount").filter(|name| !matches!(name.node.text(), None | Some(""))) {
        decoder.name(&account, "the name of a service account", names::dns_name);
    }
}

/// Reports a mapping of more than `most` entries.
pub(crate) fn check_count(decoder: &mut Decoder<'_>, map: &Field<'_>, name: &str, most: usize) {
    let count = map.node.mapping().map_or(0, |mapping| mapping.entries.len());
    if count > most {
        let message = format!("`{name}` has {count} entries, at most {most} are allowed");
        decoder.report(code::OUT_OF_RANGE, map, message, "");
    }
}
