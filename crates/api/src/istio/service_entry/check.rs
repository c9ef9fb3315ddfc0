//! What a `ServiceEntry` must be beyond the shape of its fields.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{
    Resolution, ServiceEntry, ServiceEntryPort,
    port::{Family, check_protocol, family, port_name, seen_before},
};
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::{
        export_to::{Hidden, check_export_to},
        host::{Wildcard, check_host, is_address},
        workload_entry::Address,
    },
    names,
    tree::limit,
};

/// Most `hosts` and `addresses`.
const NAMES: usize = 256;

/// Most `endpoints`.
const ENDPOINTS: usize = 4096;

/// Ports among which the one that was meant is looked for.
const CANDIDATES: usize = 64;

pub(super) fn port(_: &ServiceEntryPort, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(name) = field.child("name").filter(|name| name.node.text().is_some()) {
        decoder.name(&name, "the name of a port", port_name);
    }
    check_protocol(decoder, field);
}

pub(super) fn service_entry(entry: &ServiceEntry, decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    hosts(decoder, spec);
    addresses(decoder, spec);
    repeated_ports(entry, decoder, spec);
    decoder.at_most_one(spec, &["workloadSelector", "endpoints"]);
    at_most(decoder, spec, "endpoints", ENDPOINTS);
    endpoint_ports(decoder, spec);
    // Beside a resolution that does not exist every rule would be a guess.
    if !is_faulty(decoder, &spec.at("resolution")) {
        resolution(entry, decoder, spec);
    }
    check_export_to(decoder, spec, Hidden::Allowed);
}

fn hosts(decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    if let Some(list) = spec.child("hosts").filter(Field::is_empty_list) {
        decoder.report(code::MISSING, &list, "`hosts` is empty", "name the service");
    }
    at_most(decoder, spec, "hosts", NAMES);
    for (item, host) in texts(spec, "hosts") {
        if is_address(host) {
            let message = format!("{} is an IP address and not a host", quoted(host));
            decoder.report(code::BAD_HOST, &item, message, "name the service, and write the address into `addresses`");
        } else {
            check_host(decoder, &item, host, Wildcard::Prefix);
        }
    }
}

fn addresses(decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    at_most(decoder, spec, "addresses", NAMES);
    for (item, address) in texts(spec, "addresses") {
        if is_address(address) || is_block(address) {
            continue;
        }
        let hint = if address.starts_with("unix://") {
            "a socket is an address of `endpoints`"
        } else if address.contains(|c: char| c.is_ascii_alphabetic()) && !address.contains([':', '/']) {
            "names go into `hosts`"
        } else {
            ""
        };
        let message = format!("{} is neither an IP address nor a CIDR block", quoted(address));
        decoder.report(code::BAD_ADDRESS, &item, message, hint);
    }
}

fn repeated_ports(entry: &ServiceEntry, decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    let (mut names, mut numbers) = (HashMap::new(), HashMap::new());
    for (port, read) in ports(entry, spec) {
        let (name, number) = (port.at("name"), port.at("number"));
        if !read.name.is_empty()
            && let Some(first) = seen_before(&mut names, &read.name, name.node.mark.line)
        {
            let message = format!("the port name {} is given twice, first in line {first}", quoted(&read.name));
            decoder.report(code::REPEATED_ITEM, &name, message, "give each port its own name");
        }
        if let Some(given) = read.number
            && let Some(first) = seen_before(&mut numbers, given, number.node.mark.line)
        {
            let message = format!("port {given} is given twice, first in line {first}");
            decoder.report(code::REPEATED_ITEM, &number, message, "remove one of them");
        }
    }
}

/// Endpoints name the ports of the service.
fn endpoint_ports(decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    let ports = spec.child("ports").map(|list| list.each()).unwrap_or_default();
    let names: Vec<&str> =
        ports.iter().filter_map(|port| port.child("name").and_then(|name| name.node.text())).collect();
    let declared: HashSet<&str> = names.iter().copied().collect();
    let endpoints = spec.child("endpoints").map(|list| list.each()).unwrap_or_default();
    for map in endpoints.iter().filter_map(|endpoint| endpoint.child("ports")) {
        if map.node.mapping().is_none() {
            continue;
        }
        for (key, port) in decoder.entries(&map) {
            if declared.contains(key.text.as_str()) || is_faulty(decoder, &port) {
                continue;
            }
            let near = names::nearest(&key.text, names.iter().copied().take(CANDIDATES));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let hint = hint.unwrap_or_else(|| "declare it in `ports` of the service".into());
            let message = format!("the service has no port {}", quoted(&key.text));
            decoder.report_at(code::UNKNOWN_PORT, &port.path, key.mark, message, hint);
        }
        if decoder.findings.len() > limit::FINDINGS {
            return;
        }
    }
}

/// What each resolution wants and refuses.
fn resolution(entry: &ServiceEntry, decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    let at = spec.at("resolution");
    let name = format!("`resolution: {}`", entry.resolution.as_str());
    let endpoints = spec.child("endpoints").filter(|list| !list.each().is_empty());
    if matches!(entry.resolution, Resolution::Dns | Resolution::DnsRoundRobin) {
        for (item, address) in texts(spec, "addresses").filter(|(_, address)| is_block(address)) {
            let message = format!("{name} excludes the CIDR block {}", quoted(address));
            decoder.report(code::CONFLICT, &item, message, "write single addresses, or resolve by `NONE` or `STATIC`");
        }
    }
    match entry.resolution {
        Resolution::None => {
            if let Some(endpoints) = endpoints {
                let hint = "write `resolution: STATIC`, or `DNS` if their addresses are names";
                decoder.report(code::CONFLICT, &endpoints, format!("{name} excludes `endpoints`"), hint);
            }
            if let Some(selector) = spec.child("workloadSelector") {
                decoder.not_acted_on(&selector, "write `resolution: STATIC`");
            }
            for port in spec.child("ports").map(|list| list.each()).unwrap_or_default() {
                if let Some(target) = port.child("targetPort").filter(|target| !is_faulty(decoder, target)) {
                    decoder.not_acted_on(&target, "connections keep the port that the caller chose");
                }
            }
        }
        Resolution::Static => {
            if endpoints.is_none() && spec.child("workloadSelector").is_none() {
                let message = format!("{name} needs `endpoints` or a `workloadSelector`");
                decoder.report(code::MISSING, &at, message, "name the addresses, or select workloads");
            }
            each_address(decoder, spec, |decoder, address, kind| static_address(entry, decoder, address, kind));
        }
        Resolution::Dns | Resolution::DnsRoundRobin => {
            if endpoints.is_none() {
                for (item, host) in texts(spec, "hosts").filter(|(_, host)| host.starts_with("*.")) {
                    let message = format!("{name} cannot resolve {}", quoted(host));
                    let hint = "name `endpoints`, or resolve by `NONE` or `DYNAMIC_DNS`";
                    decoder.report(code::CONFLICT, &item, message, hint);
                }
            }
            if entry.resolution == Resolution::DnsRoundRobin {
                only_one(decoder, spec, &name);
            }
            each_address(decoder, spec, |decoder, address, kind| resolved_address(&name, decoder, address, kind));
        }
        Resolution::DynamicDns => dynamic_dns(entry, decoder, spec, &name),
    }
    if !matches!(entry.resolution, Resolution::None | Resolution::DynamicDns) && entry.hosts.len() > 1 {
        for (port, read) in ports(entry, spec) {
            let known = read.protocol.is_empty() || family(&read.protocol).is_some();
            if known && matches!(family(&read.protocol), None | Some(Family::Opaque)) {
                let message = "nothing tells several `hosts` apart on a port that is neither HTTP nor TLS";
                let hint = "write one ServiceEntry for each host, or the protocol if it is HTTP or TLS";
                decoder.report(code::CONFLICT, &port.at("protocol"), message, hint);
            }
        }
    }
}

fn static_address(entry: &ServiceEntry, decoder: &mut Decoder<'_>, address: &Field<'_>, kind: Option<Address>) {
    let text = address.node.text().unwrap_or_default();
    match kind {
        Some(Address::Name) => {
            let message = format!("{} is not an IP address", quoted(text));
            decoder.report(code::BAD_ADDRESS, address, message, "write `resolution: DNS` to have names resolved");
        }
        Some(Address::Unix) if entry.ports.len() != 1 => {
            let message = format!("a socket serves one port, the service has {}", entry.ports.len());
            decoder.report(code::CONFLICT, address, message, "give the service one port");
        }
        _ => {}
    }
}

fn resolved_address(name: &str, decoder: &mut Decoder<'_>, address: &Field<'_>, kind: Option<Address>) {
    match kind {
        Some(Address::Unix) => {
            let text = quoted(address.node.text().unwrap_or_default());
            let message = format!("{text} is a socket, {name} wants names or IP addresses");
            decoder.report(code::BAD_ADDRESS, address, message, "write `resolution: STATIC`");
        }
        None => {
            let message = format!("{name} needs the `address` of each endpoint");
            decoder.report(code::MISSING, address, message, "give it, or write `resolution: STATIC`");
        }
        Some(Address::Ip | Address::Name) => {}
    }
}

/// `DNS_ROUND_ROBIN` resolves one name.
fn only_one(decoder: &mut Decoder<'_>, spec: &Field<'_>, name: &str) {
    for list in ["hosts", "endpoints"] {
        let items = spec.child(list).map(|list| list.each()).unwrap_or_default();
        if let [_, second, ..] = &items[..] {
            let message = format!("{name} wants one of `{list}`, {} are given", items.len());
            decoder.report(code::CONFLICT, second, message, "keep one of them, or write `resolution: DNS`");
        }
    }
}

/// `DYNAMIC_DNS` resolves the name of each request: a wildcard stands for it, and the protocol must tell it.
fn dynamic_dns(entry: &ServiceEntry, decoder: &mut Decoder<'_>, spec: &Field<'_>, name: &str) {
    const PROTOCOLS: [&str; 4] = ["HTTP", "HTTP2", "GRPC", "TLS"];
    for (item, host) in texts(spec, "hosts") {
        if !host.starts_with('*') && !is_faulty(decoder, &item) {
            let message = format!("{name} wants wildcards, {} is none", quoted(host));
            decoder.report(code::CONFLICT, &item, message, "write it like `*.example.com`, or resolve by `DNS`");
        }
    }
    for list in ["addresses", "endpoints"] {
        if let Some(list_field) = spec.child(list).filter(|list| !list.each().is_empty()) {
            let message = format!("{name} excludes `{list}`");
            decoder.report(code::CONFLICT, &list_field, message, "remove them, or choose another resolution");
        }
    }
    if let Some(selector) = spec.child("workloadSelector") {
        decoder.not_acted_on(&selector, "the name of each request is resolved");
    }
    for (port, read) in ports(entry, spec) {
        let known = read.protocol.is_empty() || family(&read.protocol).is_some();
        if known && !PROTOCOLS.iter().any(|protocol| protocol.eq_ignore_ascii_case(&read.protocol)) {
            let protocol = quoted(&read.protocol);
            let message = format!("{name} does not serve the protocol {protocol}");
            let hint = "requests must tell the host: `HTTP`, `HTTP2`, `GRPC` or `TLS`";
            decoder.report(code::CONFLICT, &port.at("protocol"), message, hint);
        }
    }
}

/// Visits the address of each endpoint, or the endpoint where there is none; skips those that are reported already.
fn each_address(
    decoder: &mut Decoder<'_>,
    spec: &Field<'_>,
    visit: impl Fn(&mut Decoder<'_>, &Field<'_>, Option<Address>),
) {
    for endpoint in spec.child("endpoints").map(|list| list.each()).unwrap_or_default() {
        if endpoint.node.mapping().is_none() {
            continue;
        }
        let address = endpoint.child("address").filter(|address| address.node.text() != Some(""));
        match address.as_ref().map(|address| (address, address.node.text())) {
            None if endpoint.child("network").is_some() => visit(decoder, &endpoint, None),
            Some((address, Some(text))) if !is_faulty(decoder, address) => {
                visit(decoder, address, Some(Address::of(text)));
            }
            _ => {}
        }
    }
}

/// The ports that could be read, with their places.
fn ports<'e, 't: 'e>(
    entry: &'e ServiceEntry,
    spec: &Field<'t>,
) -> impl Iterator<Item = (Field<'t>, &'e ServiceEntryPort)> {
    let fields = spec.child("ports").map(|list| list.each()).unwrap_or_default();
    fields.into_iter().filter(|port| port.node.mapping().is_some()).zip(&entry.ports)
}

/// The texts of a list, with their places.
fn texts<'t>(spec: &Field<'t>, list: &str) -> impl Iterator<Item = (Field<'t>, &'t str)> {
    let items = spec.child(list).map(|list| list.each()).unwrap_or_default();
    items.into_iter().filter_map(|item| item.node.text().map(|text| (item.clone(), text)))
}

fn at_most(decoder: &mut Decoder<'_>, spec: &Field<'_>, list: &str, most: usize) {
    let Some(field) = spec.child(list) else { return };
    let count = field.each().len();
    if count > most {
        let message = format!("`{list}` has {count} items, at most {most} are allowed");
        decoder.report(code::OUT_OF_RANGE, &field, message, "");
    }
}

fn is_block(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let bits = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let plain = length == "0" || !length.starts_with(['0', '+']);
    plain && length.parse::<u8>().is_ok_and(|length| length <= bits)
}

/// Whether its value is reported already.
fn is_faulty(decoder: &Decoder<'_>, field: &Field<'_>) -> bool {
    let error = |finding: &crate::Finding| finding.level == crate::Level::Error && finding.path == field.path;
    decoder.findings.iter().any(error)
}
