//! What a table cannot say of a gateway, its servers and their ports.

use std::net::IpAddr;

use super::{Gateway, Server, ServerPort, ServerProtocol, ServerTlsMode};
use crate::{
    decode::{Decoder, Field, join, quoted},
    finding::code,
    istio::{
        host::{Wildcard, check_host, is_address},
        unique::check_unique,
    },
    names,
};

/// Protocols that Istio knows and a gateway does not serve.
const ELSEWHERE: [&str; 2] = ["UDP", "HBONE"];

pub(super) fn check_gateway(_: &Gateway, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let servers = field.items("servers");
    if field.child("servers").is_some_and(|list| list.is_empty_list()) {
        decoder.report(code::MISSING, &field.at("servers"), "`servers` is empty", "a gateway needs a server at least");
    }
    check_unique(decoder, servers.iter().filter_map(|server| server.child("name")), "servers");
    let ports = servers.iter().filter_map(|server| server.child("port")?.child("name"));
    check_unique(decoder, ports, "ports");
}

pub(super) fn check_server(server: &Server, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if field.child("hosts").is_some_and(|list| list.is_empty_list()) {
        decoder.report(code::MISSING, &field.at("hosts"), "`hosts` is empty", "write `\"*\"` for all hosts");
    }
    for host in field.items("hosts") {
        if let Some(text) = host.node.text() {
            check_server_host(decoder, &host, text);
        }
    }
    check_bind(server, decoder, field);
    if let Some(port) = &server.port
        && let Some(protocol) = port.server_protocol()
    {
        check_tls_of(protocol, &port.protocol.to_ascii_uppercase(), server, decoder, field);
    }
}

/// `[namespace/]host`.
fn check_server_host(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    let host = match text.split_once('/') {
        // Not a namespace: the host is a URL, which is said below.
        Some((scheme, rest)) if scheme.ends_with(':') && rest.starts_with('/') => text,
        Some((namespace, host)) => {
            if ![".", "*"].contains(&namespace)
                && let Err(why) = names::dns_label(namespace, names::LABEL)
            {
                let message = format!("{} is neither `.`, `*` nor a namespace: {why}", quoted(namespace));
                decoder.report(code::BAD_NAME, field, message, "write `namespace/host`, or the host alone");
            }
            host
        }
        None => text,
    };
    if check_host(decoder, field, host, Wildcard::Any) && host != "*" && !host.contains('.') && !is_address(host) {
        let message = format!("{} is a short name", quoted(host));
        let hint = "write it as clients write it, with its domain: `shop.example.com`";
        decoder.report(code::BAD_HOST, field, message, hint);
    }
}

fn check_bind(server: &Server, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if server.bind.is_empty() || server.bind.parse::<IpAddr>().is_ok() {
        return;
    }
    let bind = field.at("bind");
    if server.bind.starts_with("unix://") {
        let message = format!("a gateway does not listen on {}", quoted(&server.bind));
        decoder.report(code::UNSUPPORTED_VALUE, &bind, message, "write an IP address, or remove `bind`");
    } else {
        let message = format!("{} is not an IP address", quoted(&server.bind));
        decoder.report(code::BAD_ADDRESS, &bind, message, "");
    }
}

/// Whether `tls` fits the protocol.
fn check_tls_of(protocol: ServerProtocol, name: &str, server: &Server, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(tls) = field.child("tls") else {
        if protocol.is_tls() {
            let path = join(&field.path, "tls");
            let hint = "write `mode: SIMPLE` and `credentialName` below it, or `mode: PASSTHROUGH`";
            decoder.report_at(code::MISSING, &path, field.node.mark, format!("`{name}` needs `tls`"), hint);
        }
        return;
    };
    let redirects = server.tls.as_ref().and_then(|tls| tls.https_redirect) == Some(true);
    if redirects && !protocol.is_plain_http() {
        let hint = "it redirects plaintext: write it at the server of `HTTP`";
        decoder.not_acted_on(&tls.at("httpsRedirect"), hint);
    }
    if protocol.is_tls() {
        return;
    }
    if !protocol.is_plain_http() {
        let message = format!("`{name}` has no `tls`");
        decoder.report(code::CONFLICT, &tls, message, "write `protocol: TLS`, or remove `tls`");
        return;
    }
    // The mode's default, which Istio cannot tell from none.
    let passthrough = server.tls.as_ref().is_some_and(|tls| tls.mode == ServerTlsMode::Passthrough);
    let harmless = |key: &str| key == "mode" && passthrough && redirects && !tls.unreadable::<ServerTlsMode>("mode");
    let Some(mapping) = tls.node.mapping() else { return };
    for entry in &mapping.entries {
        let key = entry.key.text.as_str();
        if ["httpsRedirect", "https_redirect"].contains(&key) || entry.value.is_null() {
            continue;
        }
        let given = Field { node: &entry.value, path: join(&tls.path, key) };
        if harmless(key) {
            decoder.not_acted_on(&given, "the server is plaintext");
        } else {
            let message = format!("`{name}` is plaintext and excludes {}", quoted(key));
            let hint = "only `httpsRedirect` may be in its `tls`: write `protocol: HTTPS` for TLS";
            decoder.report(code::CONFLICT, &given, message, hint);
        }
    }
}

pub(super) fn check_port(port: &ServerPort, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(protocol) = field.child("protocol")
        && let Some(text) = protocol.node.text()
        && port.server_protocol().is_none()
    {
        if ELSEWHERE.iter().any(|name| name.eq_ignore_ascii_case(text)) {
            let message = format!("a gateway does not serve {}", quoted(text));
            decoder.report(code::UNSUPPORTED_VALUE, &protocol, message, "");
        } else {
            decoder.bad_enum(&protocol, text, ServerProtocol::names());
        }
    }
    if let Some(name) = field.child("name")
        && name.node.text() == Some("")
    {
        decoder.report(code::MISSING, &name, "`name` is empty", "");
    }
}
