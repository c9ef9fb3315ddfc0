//! Listeners for what the workload calls, and what it may call.

use std::collections::{HashMap, HashSet};

use super::{
    CaptureMode, EgressListener,
    port::{check_repeated, is_numbered},
};
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::{
        host::{Wildcard, check_host, is_address},
        service_entry::port::seen_before,
        workload_entry::{Address, check_socket},
    },
    names,
};

pub(super) fn check_listeners(decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    let listeners = spec.child("egress").map(|list| list.each()).unwrap_or_default();
    check_repeated(decoder, &listeners);
    let mut sockets = HashMap::new();
    for listener in &listeners {
        let Some(bind) = listener.child("bind").filter(|_| listener.child("port").is_some()) else { continue };
        if let Some(path) = bind.node.text().filter(|text| Address::of(text) == Address::Unix)
            && let Some(first) = seen_before(&mut sockets, path, bind.node.mark.line)
        {
            let message = format!("the socket {} is given twice, first in line {first}", quoted(path));
            decoder.report(code::REPEATED_ITEM, &bind, message, "give each listener its own");
        }
    }
    let others: Vec<&Field<'_>> = listeners
        .iter()
        .filter(|listener| listener.node.mapping().is_some() && listener.child("port").is_none())
        .collect();
    let [first, more @ ..] = &others[..] else { return };
    for other in more {
        let message = format!("a second listener has no `port`, the first one stands in line {}", first.node.mark.line);
        decoder.report(code::REPEATED_ITEM, other, message, "give it a `port`, or join their `hosts`");
    }
    let is_last = listeners.last().is_some_and(|last| last.child("port").is_none());
    if let Some(other) = others.last().filter(|_| !is_last) {
        let message = "the listener without `port` serves all other ports, but is not the last";
        decoder.report(code::CONFLICT, other, message, "move it to the end of `egress`");
    }
}

pub(super) fn listener(listener: &EgressListener, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    bind(listener, decoder, field);
    let Some(list) = field.child("hosts") else { return };
    if list.is_empty_list() {
        decoder.report(code::MISSING, &list, "`hosts` is empty", "write `~/*` if nothing may be called");
    }
    let items = list.each();
    let hosts: Vec<(&Field<'_>, &str)> = items.iter().filter_map(|item| Some((item, item.node.text()?))).collect();
    for (item, host) in &hosts {
        check_import(decoder, item, host);
    }
    check_overlap(decoder, &hosts);
}

/// A listener binds an IP address and a port, or a Unix socket.
fn bind(listener: &EgressListener, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let (port, at) = (field.child("port").filter(|port| port.node.mapping().is_some()), field.at("bind"));
    let numbered = port.as_ref().is_some_and(is_numbered);
    if !listener.bind.is_empty() && Address::of(&listener.bind) == Address::Unix {
        check_socket(decoder, &at, &listener.bind);
        if numbered {
            let hint = "remove the `number`, or bind an IP address";
            decoder.report(code::CONFLICT, &at, "a socket has no port number", hint);
        }
        if field.child("port").is_none() {
            let hint = "write `port` with its `protocol`, and without `number`";
            decoder.report(code::MISSING, &at, "a listener on a socket needs a `port`", hint);
        }
        if listener.capture_mode == CaptureMode::Iptables {
            let message = "`captureMode: IPTABLES` does not reach a socket";
            decoder.report(code::CONFLICT, &field.at("captureMode"), message, "write `NONE`, or remove it");
        }
        return;
    }
    if !listener.bind.is_empty() && !is_address(&listener.bind) {
        let message = format!("{} is not an IP address", quoted(&listener.bind));
        decoder.report(code::BAD_ADDRESS, &at, message, "sockets are written like `unix:///path`");
    }
    if let Some(port) = port.filter(|_| !numbered) {
        let message = "a port needs a `number` from 1 to 65535 unless its listener binds a socket";
        decoder.report(code::MISSING, &port.at("number"), message, "");
    }
}

/// `namespace/host`: which services are known. `~namespace/host` takes some away again.
fn check_import(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    let Some((namespace, host)) = text.split_once('/') else {
        let message = format!("{} has no namespace", quoted(text));
        let hint =
            format!("write {} for any, {} for its own", quoted(&format!("*/{text}")), quoted(&format!("./{text}")));
        decoder.report(code::BAD_HOST, field, message, hint);
        return;
    };
    let plain = namespace.strip_prefix('~').unwrap_or(namespace);
    if !matches!(plain, "*" | ".")
        && namespace != "~"
        && let Err(why) = names::dns_label(plain, names::LABEL)
    {
        let message = format!("{} of {} is not a namespace: {why}", quoted(namespace), quoted(text));
        decoder.report(code::BAD_NAME, field, message, "write a name, `*` for any, `.` for its own or `~` for none");
    }
    if is_address(host) {
        let message = format!("{} is an IP address and not a host", quoted(host));
        decoder.report(code::BAD_HOST, field, message, "name the service");
    } else if host != "*" && check_host(decoder, field, host, Wildcard::Prefix) && !host.contains('.') {
        let message = format!("{} is a short name", quoted(host));
        let hint = "write the whole name, like `reviews.default.svc.cluster.local`";
        decoder.report(code::BAD_HOST, field, message, hint);
    }
}

/// Names hosts that add nothing to the others of the list.
fn check_overlap(decoder: &mut Decoder<'_>, hosts: &[(&Field<'_>, &str)]) {
    let own = decoder.object.as_ref().map(|id| id.namespace.clone()).unwrap_or_default();
    let split = |text: &'_ str| -> Option<(String, String)> {
        let (namespace, host) = text.split_once('/').filter(|(namespace, _)| !namespace.starts_with('~'))?;
        let namespace = if namespace == "." { own.as_str() } else { namespace };
        Some((namespace.to_owned(), host.to_ascii_lowercase()))
    };
    let all: HashSet<(String, String)> = hosts.iter().filter_map(|(_, text)| split(text)).collect();
    let mut seen = HashSet::new();
    for (item, text) in hosts {
        let Some(import) = split(text) else { continue };
        let within = |namespace: &str| {
            let wide = (namespace.to_owned(), "*".to_owned());
            wide != import && all.contains(&wide)
        };
        let message = if !seen.insert(import.clone()) {
            format!("{} is given twice", quoted(text))
        } else if within("*") {
            format!("{} lies within `*/*` and adds nothing", quoted(text))
        } else if within(&import.0) {
            format!("{} lies within {} and adds nothing", quoted(text), quoted(&format!("{}/*", import.0)))
        } else {
            continue;
        };
        decoder.report(code::NOT_ACTED_ON, item, message, "remove it");
    }
}
