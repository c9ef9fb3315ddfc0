//! What Istio refuses in a `MeshConfig`.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use super::{
    CertificateData, ExtensionProvider, GrpcAuthorizer, HttpAuthorizer, MeshConfig, ProviderHeader, ServiceSettings,
};
use crate::{
    decode::{Decoder, Field, last, quoted},
    finding::code,
    istio::gateway::server_tls::{check_cipher_suites, check_ecdh_curves},
    names,
};

pub(super) fn mesh_config(config: &MeshConfig, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(timeout) = config.connect_timeout {
        whole_millis(
            decoder,
            &field.at("connectTimeout"),
            timeout,
            Duration::from_millis(1)..=Duration::from_secs(3600),
        );
    }
    if let Some(timeout) = config.protocol_detection_timeout {
        whole_millis(decoder, &field.at("protocolDetectionTimeout"), timeout, Duration::ZERO..=Duration::MAX);
    }
    if let Some(domain) = field.child("trustDomain") {
        trust_domain(decoder, &domain);
    }
    for alias in field.child("trustDomainAliases").map(|list| list.each()).unwrap_or_default() {
        trust_domain(decoder, &alias);
    }
    if let Some(namespace) = field.child("rootNamespace").filter(|namespace| namespace.node.text().is_some()) {
        decoder.name(&namespace, "a DNS label", |text| names::dns_label(text, names::LABEL));
    }
    for value in field.child("defaultDestinationRuleExportTo").map(|list| list.each()).unwrap_or_default() {
        if value.node.text().is_some_and(|text| !matches!(text, "." | "*")) {
            decoder.not_acted_on(&value, "for a DestinationRule the mesh's default is `.` or `*`");
        }
    }
    if config.mesh_mtls.as_ref().is_some_and(|tls| !tls.ecdh_curves.is_empty()) {
        let curves = field.at("meshMTLS").at("ecdhCurves");
        let hint = "remove them, or write them below `tlsDefaults`";
        decoder.report(code::CONFLICT, &curves, "`meshMTLS` takes no `ecdhCurves`", hint);
    }
    for tls in ["meshMTLS", "tlsDefaults"].into_iter().filter_map(|name| field.child(name)) {
        check_cipher_suites(decoder, &tls);
    }
    if let Some(suites) = field.child("meshMTLS").and_then(|tls| tls.child("cipherSuites")) {
        decoder.not_acted_on(&suites, "TLS of the mesh is 1.3 alone, whose suites are always on");
    }
    if let Some(tls) = field.child("tlsDefaults") {
        check_ecdh_curves(decoder, &tls);
    }
    repeated_providers(decoder, field);
}

/// Names of providers are compared without case.
fn repeated_providers(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let mut first = HashMap::new();
    for provider in field.child("extensionProviders").map(|list| list.each()).unwrap_or_default() {
        let Some(name) = provider.child("name") else { continue };
        let Some(text) = name.node.text().filter(|text| !text.is_empty()) else { continue };
        let line = name.node.mark.line;
        if let Some(before) = first.get(&text.to_ascii_lowercase()) {
            let message = format!("the provider {} is given twice, first in line {before}", quoted(text));
            decoder.report(code::REPEATED_ITEM, &name, message, "give each provider its own name");
        } else {
            first.insert(text.to_ascii_lowercase(), line);
        }
    }
}

pub(super) fn certificate_data(_: &CertificateData, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_most_one(field, &["pem", "spiffeBundleUrl"]);
    for domain in field.child("trustDomains").map(|list| list.each()).unwrap_or_default() {
        trust_domain(decoder, &domain);
    }
}

pub(super) fn service_settings(_: &ServiceSettings, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for host in field.child("hosts").map(|list| list.each()).unwrap_or_default() {
        let Some(text) = host.node.text() else { continue };
        let name = text.strip_prefix("*.").unwrap_or(text);
        if text != "*"
            && let Err(why) = dns_name(name)
        {
            let message = format!("{} is not a host: {why}", quoted(text));
            decoder.report(
                code::BAD_HOST,
                &host,
                message,
                "write a DNS name, with `*.` at the beginning for all below it",
            );
        }
    }
}

/// Each of them, in the order of the API.
const PROVIDERS: [&str; 15] = [
    "envoyExtAuthzHttp",
    "envoyExtAuthzGrpc",
    "zipkin",
    "lightstep",
    "datadog",
    "stackdriver",
    "opencensus",
    "skywalking",
    "opentelemetry",
    "prometheus",
    "envoyFileAccessLog",
    "envoyHttpAls",
    "envoyTcpAls",
    "envoyOtelAls",
    "sds",
];

pub(super) fn provider(_: &ExtensionProvider, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(name) = field.child("name").filter(|name| name.node.text().is_some()) {
        decoder.name(&name, "the name of a provider", |text| names::dns_label(text, names::LABEL));
    }
    if decoder.at_most_one(field, &PROVIDERS).is_empty() {
        let message = format!("`{}` names no provider", last(&field.path));
        let hint = "write one of its kinds, for example `opentelemetry:`, or `prometheus: {}`";
        decoder.report(code::MISSING, field, message, hint);
    }
}

pub(super) fn http_authorizer(authorizer: &HttpAuthorizer, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    service(authorizer, decoder, field);
    status(decoder, field);
    let prefix = &authorizer.path_prefix;
    if !prefix.is_empty() && !prefix.starts_with('/') {
        let message = format!("{} does not begin with `/`", quoted(prefix));
        decoder.report(
            code::BAD_VALUE,
            &field.at("pathPrefix"),
            message,
            format!("write {}", quoted(&format!("/{prefix}"))),
        );
    }
}

pub(super) fn grpc_authorizer(authorizer: &GrpcAuthorizer, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    service(authorizer, decoder, field);
    status(decoder, field);
}

/// `statusOnError`: a status that Envoy knows.
fn status(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(status) = field.child("statusOnError") else { return };
    let Some(text) = status.node.text().filter(|text| !text.is_empty()) else { return };
    let number = text.parse::<u16>().ok();
    let known = number.is_some_and(|number| {
        matches!(number, 100 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=417 | 421..=424 | 426 | 428 | 429 | 431)
            || matches!(number, 500..=508 | 510 | 511)
    });
    if !known {
        let message = format!("{} is not an HTTP status", quoted(text));
        decoder.report(code::BAD_VALUE, &status, message, "for example \"403\"");
    }
}

pub(super) fn header(_: &ProviderHeader, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if decoder.at_most_one(field, &["value", "envName"]).is_empty() {
        let message = format!("`{}` has no value", last(&field.path));
        decoder.report(code::MISSING, field, message, "write `value`, or `envName` for an environment variable");
    }
}

/// `service` of a provider: `[namespace/]host`.
pub(super) fn service<T>(_: &T, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(service) = field.child("service") else { return };
    let Some(text) = service.node.text() else { return };
    let checked = match text.split_once('/') {
        None if text.parse::<IpAddr>().is_ok() => Ok(()),
        None => dns_name(text),
        Some((namespace, _)) if names::dns_label(namespace, names::LABEL).is_err() => {
            Err("the part before `/` is not a namespace".to_owned())
        }
        Some((_, host)) if !host.contains('.') => Err("the host after `/` has no domain".to_owned()),
        Some((_, host)) => dns_name(host),
    };
    if let Err(why) = checked {
        let message = format!("{} is not a service: {why}", quoted(text));
        let hint = "write `[namespace/]host`, for example `authz.tools.svc.cluster.local`";
        decoder.report(code::BAD_HOST, &service, message, hint);
    }
}

/// A DNS name in any case, with or without a dot at its end.
fn dns_name(text: &str) -> Result<(), String> {
    names::dns_name(text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase().as_str())
}

fn trust_domain(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if field.node.text().is_some() {
        decoder.name(field, "a trust domain", names::trust_domain);
    }
}

fn whole_millis(
    decoder: &mut Decoder<'_>,
    field: &Field<'_>,
    duration: Duration,
    range: std::ops::RangeInclusive<Duration>,
) {
    let name = last(&field.path);
    if !range.contains(&duration) {
        let message = format!("`{name}` is out of range, {:?} to {:?} is allowed", range.start(), range.end());
        decoder.report(code::OUT_OF_RANGE, field, message, "");
    } else if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        let message = format!("`{name}` has parts of a millisecond");
        decoder.report(code::BAD_DURATION, field, message, "write whole milliseconds");
    }
}
