//! Listeners for the workload's own ports.

use super::{
    IngressListener,
    port::{check_repeated, is_numbered},
};
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::{
        ServerTls, ServerTlsMode,
        host::is_address,
        service_entry::port::{Family, family},
        workload_entry::{Address, check_socket},
    },
};

pub(super) fn check_listeners(decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    check_repeated(decoder, &spec.child("ingress").map(|list| list.each()).unwrap_or_default());
}

pub(super) fn listener(listener: &IngressListener, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(port) = field.child("port").filter(|port| port.node.mapping().is_some() && !is_numbered(port)) {
        let message = "the port of an ingress listener needs a `number` from 1 to 65535";
        decoder.report(code::MISSING, &port.at("number"), message, "name the port of the workload");
    }
    if !listener.bind.is_empty() && !is_address(&listener.bind) {
        let hint = match Address::of(&listener.bind) {
            Address::Unix => "only an egress listener binds a socket; the application's goes into `defaultEndpoint`",
            _ => "",
        };
        let message = format!("{} is not an IP address", quoted(&listener.bind));
        decoder.report(code::BAD_ADDRESS, &field.at("bind"), message, hint);
    }
    if !listener.default_endpoint.is_empty() {
        default_endpoint(decoder, &field.at("defaultEndpoint"), &listener.default_endpoint);
    }
    if let Some(tls) = &listener.tls {
        self::tls(tls, decoder, &field.at("tls"));
    }
    let protocol = listener.port.as_ref().map_or("", |port| port.protocol.as_str());
    if let Some(http) = field.child("connectionPool").and_then(|pool| pool.child("http"))
        && family(protocol).is_some_and(|family| family != Family::Http)
    {
        decoder.not_acted_on(&http, &format!("the protocol of the port is {}", quoted(protocol)));
    }
}

/// Where the application listens: on the loopback or on the workload's addresses, or on a socket.
fn default_endpoint(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    const HOSTS: [&str; 5] = ["", "127.0.0.1", "0.0.0.0", "[::1]", "[::]"];
    if Address::of(text) == Address::Unix {
        check_socket(decoder, field, text);
        return;
    }
    let forms = "write it like `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080` or `unix:///path`";
    let Some((host, port)) = text.rsplit_once(':').filter(|(host, _)| HOSTS.contains(host)) else {
        let message = format!("{} is not an endpoint of the workload itself", quoted(text));
        decoder.report(code::BAD_ADDRESS, field, message, forms);
        return;
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        let message = format!("{} after {} is not a port from 1 to 65535", quoted(port), quoted(host));
        decoder.report(code::OUT_OF_RANGE, field, message, forms);
    }
}

/// Certificates come from files, for the workload's own name.
fn tls(tls: &ServerTls, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let given = [
        ("subjectAltNames", !tls.subject_alt_names.is_empty(), "ask for principals in an AuthorizationPolicy"),
        ("httpsRedirect", tls.https_redirect == Some(true), "redirect at a Gateway"),
        ("credentialName", !tls.credential_name.is_empty(), FILES),
        ("credentialNames", !tls.credential_names.is_empty(), FILES),
        ("caCertCredentialName", !tls.ca_cert_credential_name.is_empty(), FILES),
    ];
    for (name, _, hint) in given.into_iter().filter(|(_, given, _)| *given) {
        let message = format!("`{name}` is not supported on an ingress listener");
        decoder.report(code::UNSUPPORTED_VALUE, &field.at(name), message, hint);
    }
    if matches!(tls.mode, ServerTlsMode::IstioMutual | ServerTlsMode::AutoPassthrough) {
        let message = format!("the mode `{}` is not supported on an ingress listener", tls.mode.as_str());
        decoder.report(code::UNSUPPORTED_VALUE, &field.at("mode"), message, "write `SIMPLE` or `MUTUAL`");
    }
}

const FILES: &str = "name files: `serverCertificate`, `privateKey`, `caCertificates`";
