//! What proxies are like: the mesh's `defaultConfig`, and in place of what that says, the annotation `proxy.istio.io/config`
//! of a `Process`. As in Istio, `gatewayTopology` and `connectionSettings` of an annotation stand for the whole of these,
//! `proxyHeaders` for what it names.

use std::sync::Arc;

use ripstop_api::{
    Finding, Level, Object, Spec,
    istio::{self, MeshProxyConfig},
    parse_file,
    ripstop::ProcessRole,
};
use ripstop_model::{
    CertificatePart, CertificateParts, ConnectionProfile, ConnectionSettings, EscapedSlashes, ForwardClientCert,
    ProcessProxy, ProxyDefaults, ProxyHeader, ProxyHeaders, Topology, Underscores,
};

use super::{named, object_id};
use crate::Declared;

/// Annotation of a `Process` with settings of its own proxy.
pub(crate) const ANNOTATION: &str = "proxy.istio.io/config";

/// The annotation as part of an object of its own.
const AROUND: &str =
    "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  meshConfig:\n    defaultConfig:\n";
/// Where its content stands there.
pub(crate) const BASE: &str = "spec.meshConfig.defaultConfig.";

/// What the annotation of a process says, where the mesh says `mesh`; nothing: it has none, or nothing of this is in it. Of
/// one that is wrong only `gatewayTopology` counts, which is read by itself.
pub(crate) fn of_process(declared: &Declared, mesh: &MeshProxyConfig) -> Option<ProcessProxy> {
    let Spec::Process(process) = &declared.object.spec else { return None };
    let text = declared.object.meta.annotations.get(ANNOTATION)?;
    let mut own = annotation(text).0.as_ref().and_then(config).cloned().unwrap_or_default();
    own.gateway_topology.clone_from(&process.gateway_topology);
    let is_gateway = process.role == ProcessRole::Gateway;
    let says = own.concurrency.is_some()
        || own.drain_duration.is_some()
        || own.termination_drain_duration.is_some()
        || own.proxy_headers.is_some()
        || own.connection_settings.is_some()
        || own.gateway_topology.is_some() && is_gateway;
    if !says {
        return None;
    }
    let (namespace, name) = named(&declared.object);
    let merged = merged(mesh, own);
    let (topology, settings) = (topology(&merged), Arc::new(defaults(&merged)));
    Some(ProcessProxy { id: object_id(declared), namespace, name, topology, settings })
}

/// What an annotation says beside what the mesh does. Of threads only what itself says.
fn merged(mesh: &MeshProxyConfig, own: MeshProxyConfig) -> MeshProxyConfig {
    MeshProxyConfig {
        concurrency: own.concurrency,
        drain_duration: own.drain_duration.or(mesh.drain_duration),
        termination_drain_duration: own.termination_drain_duration.or(mesh.termination_drain_duration),
        gateway_topology: own.gateway_topology.or_else(|| mesh.gateway_topology.clone()),
        connection_settings: own.connection_settings.or_else(|| mesh.connection_settings.clone()),
        proxy_headers: match (own.proxy_headers, &mesh.proxy_headers) {
            (Some(own), Some(mesh)) => Some(merged_headers(own, mesh)),
            (own, mesh) => own.or_else(|| mesh.clone()),
        },
        ..MeshProxyConfig::default()
    }
}

fn merged_headers(own: istio::ProxyHeaders, mesh: &istio::ProxyHeaders) -> istio::ProxyHeaders {
    istio::ProxyHeaders {
        forwarded_client_cert: match own.forwarded_client_cert {
            istio::ForwardClientCert::Undefined => mesh.forwarded_client_cert,
            own => own,
        },
        set_current_client_cert_details: own
            .set_current_client_cert_details
            .or_else(|| mesh.set_current_client_cert_details.clone()),
        request_id: own.request_id.or_else(|| mesh.request_id.clone()),
        server: own.server.or_else(|| mesh.server.clone()),
        attempt_count: own.attempt_count.or_else(|| mesh.attempt_count.clone()),
        envoy_debug_headers: own.envoy_debug_headers.or_else(|| mesh.envoy_debug_headers.clone()),
        x_forwarded_host: own.x_forwarded_host.or_else(|| mesh.x_forwarded_host.clone()),
        x_forwarded_port: own.x_forwarded_port.or_else(|| mesh.x_forwarded_port.clone()),
        ..own
    }
}

/// What settings of proxies say of what stands before them.
pub(crate) fn topology(config: &MeshProxyConfig) -> Topology {
    let written = config.gateway_topology.as_ref();
    let headers = config.proxy_headers.as_ref();
    let said = headers.and_then(|headers| client_cert(headers.forwarded_client_cert));
    let details = headers.and_then(|headers| headers.set_current_client_cert_details.as_ref());
    Topology {
        trusted_proxies: written.and_then(|written| written.num_trusted_proxies),
        proxy_protocol: written.is_some_and(|written| written.proxy_protocol.is_some()),
        client_cert: said.or_else(|| written.and_then(|written| client_cert(written.forward_client_cert_details))),
        client_cert_parts: details.map(parts),
    }
}

fn client_cert(written: istio::ForwardClientCert) -> Option<ForwardClientCert> {
    match written {
        istio::ForwardClientCert::Undefined => None,
        istio::ForwardClientCert::Sanitize => Some(ForwardClientCert::Sanitize),
        istio::ForwardClientCert::ForwardOnly => Some(ForwardClientCert::ForwardOnly),
        istio::ForwardClientCert::AppendForward => Some(ForwardClientCert::AppendForward),
        istio::ForwardClientCert::SanitizeSet => Some(ForwardClientCert::SanitizeSet),
        istio::ForwardClientCert::AlwaysForwardOnly => Some(ForwardClientCert::AlwaysForwardOnly),
    }
}

/// What is told of a certificate. Where anything is said of it, what is not said is as Istio has it.
fn parts(written: &istio::ClientCertDetails) -> CertificateParts {
    let told = [
        (CertificatePart::Whole, written.cert.unwrap_or(false)),
        (CertificatePart::Chain, written.chain.unwrap_or(false)),
        (CertificatePart::Subject, written.subject.unwrap_or(true)),
        (CertificatePart::Uris, written.uri.unwrap_or(true)),
        (CertificatePart::Hosts, written.dns.unwrap_or(true)),
    ];
    told.into_iter().filter(|(_, is_told)| *is_told).fold(CertificateParts::NONE, |parts, (part, _)| parts.with(part))
}

/// What proxies are like.
pub(crate) fn defaults(written: &MeshProxyConfig) -> ProxyDefaults {
    ProxyDefaults {
        concurrency: written.concurrency,
        drain: written.drain_duration,
        farewell: written.termination_drain_duration,
        headers: written.proxy_headers.as_ref().map(headers).unwrap_or_default(),
        connections: written.connection_settings.as_ref().map(connections).unwrap_or_default(),
    }
}

fn headers(written: &istio::ProxyHeaders) -> ProxyHeaders {
    let mut headers = ProxyHeaders::default();
    if let Some(server) = &written.server {
        if server.disabled == Some(true) {
            headers.server = None;
        } else if !server.value.is_empty() {
            headers.server = Some(server.value.as_str().into());
        }
    }
    for (header, switch) in [
        (ProxyHeader::RequestId, &written.request_id),
        (ProxyHeader::AttemptCount, &written.attempt_count),
        (ProxyHeader::Explanations, &written.envoy_debug_headers),
    ] {
        if switch.as_ref().is_some_and(|switch| switch.disabled == Some(true)) {
            headers.written.remove(&header);
        }
    }
    for (header, added) in [
        (ProxyHeader::ForwardedHost, &written.x_forwarded_host),
        (ProxyHeader::ForwardedPort, &written.x_forwarded_port),
    ] {
        if added.as_ref().is_some_and(|added| added.enabled == Some(true)) {
            headers.written.insert(header);
        }
    }
    headers
}

fn connections(written: &istio::ConnectionSettings) -> ConnectionSettings {
    ConnectionSettings {
        profile: match written.profile {
            istio::ConnectionProfile::Unspecified | istio::ConnectionProfile::Sidecar => ConnectionProfile::Usual,
            istio::ConnectionProfile::Edge => ConnectionProfile::Edge,
        },
        kept: written.listener_per_connection_buffer_limit_bytes,
        idle: written.http_idle_timeout,
        request: written.http_request_timeout,
        head: written.http_request_headers_timeout,
        stream_idle: written.http_stream_idle_timeout,
        connection: written.http_max_connection_duration,
        stream: written.http_max_stream_duration,
        streams: written.http_max_concurrent_streams,
        stream_window: written.http2_initial_stream_window_size,
        connection_window: written.http2_initial_connection_window_size,
        underscores: match written.http_headers_with_underscores_action {
            istio::UnderscoresAction::Unspecified => None,
            istio::UnderscoresAction::Allow => Some(Underscores::Pass),
            istio::UnderscoresAction::RejectRequest => Some(Underscores::Refused),
            istio::UnderscoresAction::DropHeader => Some(Underscores::Dropped),
        },
        merge_slashes: written.http_merge_slashes,
        escaped_slashes: match written.http_path_with_escaped_slashes_action {
            istio::EscapedSlashesAction::Unspecified => None,
            istio::EscapedSlashesAction::KeepUnchanged => Some(EscapedSlashes::Kept),
            istio::EscapedSlashesAction::RejectRequest => Some(EscapedSlashes::Refused),
            istio::EscapedSlashesAction::UnescapeAndRedirect => Some(EscapedSlashes::Redirected),
            istio::EscapedSlashesAction::UnescapeAndForward => Some(EscapedSlashes::Decoded),
        },
        connections: written.global_downstream_connection_limit,
    }
}

/// What `defaultConfig` of the mesh may say, in YAML or JSON: read as part of an object, and what is to be said of it.
pub(crate) fn annotation(text: &str) -> (Option<Object>, Vec<Finding>) {
    let mut file = String::from(AROUND);
    for line in text.lines() {
        file += "      ";
        file += line;
        file.push('\n');
    }
    let parsed = parse_file("", &file);
    (parsed.objects.into_iter().next(), parsed.findings)
}

/// Something that is wrong in the annotation.
pub(crate) struct Wrong {
    /// Its line there, from 1.
    pub(crate) line: usize,
    /// The field, if it is about one.
    pub(crate) field: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do; may be empty.
    pub(crate) hint: String,
}

/// Everything that keeps the annotation from being followed.
pub(crate) fn wrong(text: &str) -> impl Iterator<Item = Wrong> {
    let before = AROUND.lines().count();
    let (_, findings) = annotation(text);
    findings.into_iter().filter(|finding| finding.level == Level::Error).map(move |finding| Wrong {
        line: usize::try_from(finding.position.line).unwrap_or(0).saturating_sub(before).max(1),
        field: finding.path.strip_prefix(BASE).unwrap_or_default().to_owned(),
        message: finding.message,
        hint: finding.hint,
    })
}

/// What such an object says.
fn config(object: &Object) -> Option<&MeshProxyConfig> {
    match &object.spec {
        Spec::IstioOperator(operator) => operator.mesh_config.as_ref()?.default_config.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
