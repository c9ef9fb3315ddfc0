//! What is read, compiled and explained, and what live traffic does not follow yet.

mod backends;
mod proxies;
mod sidecars;
mod sockets;

use ripstop_api::{
    Object, Spec,
    finding::Code,
    istio::{
        AuthorizationAction, AuthorizationPolicy, Gateway, ServerTls, ServerTlsMode, Telemetry, TelemetryTracing,
        TlsDefaults, TlsVersion,
    },
    ripstop::ProcessRole,
};

use ripstop_model::{CIPHER_SUITES, CURVES};

use super::{Mesh, jwt::token, waypoints};
use crate::{
    finding::{Findings, info, warning},
    mesh::acting_config,
    waypoint,
};

/// Codes of this rule.
pub(crate) const CODES: &[Code] =
    &[NOT_FOLLOWED, REFUSED, NOT_ENFORCED, IDLE, sockets::UNSUPPORTED, backends::TOO_PATIENT];

const NOT_FOLLOWED: Code = info("RS224", "live traffic does not follow this yet");
pub(super) const REFUSED: Code =
    warning("RS227", "live traffic does not follow this yet, and fails where it is asked for");

/// What nothing will follow.
const IDLE: Code = info("RS274", "a setting that has nothing to act on here, and why");

const NOT_ENFORCED: Code = warning("RS254", "an AuthorizationPolicy is not enforced");

/// What is told of settings that nothing follows.
const NOTHING: &str = "it is read, and nothing follows it yet";

/// Settings of the mesh that nothing follows.
const READ: [&str; 1] = ["enableTracing"];

/// Objects, parts of objects, and settings.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    for declared in mesh.objects.values() {
        let object = &*declared.object;
        labels(object, findings);
        match &object.spec {
            Spec::Process(process) => proxies::annotation(mesh, object, process.role, findings),
            Spec::Gateway(written) => gateway(object, written, findings),
            Spec::Sidecar(written) => {
                sidecars::check(object, written, findings);
                sockets::sidecar(object, written, findings);
            }
            Spec::RequestAuthentication(_) => {
                let message = "it is read, checked and explained, traffic does not follow it yet";
                findings.add(NOT_FOLLOWED, object, "spec", message, "");
            }
            Spec::Telemetry(written) => telemetry(object, written, findings),
            Spec::AuthorizationPolicy(written) => policy(mesh, object, written, findings),
            Spec::ServiceEntry(written) => sockets::endpoints(object, &written.endpoints, findings),
            Spec::WorkloadEntry(written) => sockets::entry(object, "spec.address", written, findings),
            _ => {}
        }
    }
    backends::check(mesh, findings);
    settings(mesh, findings);
}

/// Labels about waypoints.
fn labels(object: &Object, findings: &mut Findings) {
    let mut add = |key: &str, message: &str| {
        if object.meta.labels.contains_key(key) {
            findings.add(IDLE, object, &format!("metadata.labels.{key}"), message, "remove it");
        }
    };
    match &object.spec {
        Spec::Process(process) if process.role != ProcessRole::Command => {
            add(waypoint::USE, "a proxy of the mesh is called through no waypoint: its callers are led on by itself");
        }
        _ => {}
    }
}

/// Listeners, and parts of them. What would let in somebody who is to be kept out lets in nobody.
fn gateway(object: &Object, written: &Gateway, findings: &mut Findings) {
    for (index, server) in written.servers.iter().enumerate() {
        if let Some(tls) = &server.tls {
            server_tls(object, &format!("spec.servers[{index}].tls"), tls, findings);
        }
    }
}

/// What is asked of TLS at a listener whose settings are at `base`.
fn server_tls(object: &Object, base: &str, tls: &ServerTls, findings: &mut Findings) {
    let mut add = |path: String, message: &str| findings.add(IDLE, object, &path, message, "");
    let terminates = matches!(tls.mode, ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual);
    if tls.mode == ServerTlsMode::IstioMutual {
        if matches!(tls.max_protocol_version, TlsVersion::V1_2) {
            let message = "nobody is let in: TLS of the mesh is 1.3 alone";
            findings.add(REFUSED, object, &format!("{base}.maxProtocolVersion"), message, "");
        } else if tls.known_cipher_suites().next().is_some() {
            add(format!("{base}.cipherSuites"), "TLS of the mesh is 1.3 alone, whose suites are always on");
        }
        return;
    }
    if !terminates {
        return;
    }
    let of_server = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    let of_clients = !tls.ca_cert_credential_name.is_empty();
    let files = [
        ("caCertificates", !tls.ca_certificates.is_empty() && (of_server || of_clients)),
        // Of the other case tells reading.
        ("caCrl", !tls.ca_crl.is_empty() && of_clients && !of_server),
    ];
    for (field, _) in files.iter().filter(|(_, idle)| *idle) {
        add(format!("{base}.{field}"), "where a Secret is named, authorities of clients are those of Secrets");
    }
    match suites(tls.known_cipher_suites()) {
        Some(NONE_OFFERED) if tls.max_protocol_version == TlsVersion::V1_2 => {
            let message = "nobody is let in: none of the suites that are listed is offered, and maxProtocolVersion \
                           leaves no other version than TLS 1.2";
            findings.add(REFUSED, object, &format!("{base}.cipherSuites"), message, "");
        }
        Some(message) => add(format!("{base}.cipherSuites"), message),
        None => {}
    }
}

const NONE_OFFERED: &str = "none of the suites that are listed is offered: only TLS 1.3 is spoken";

/// What is not offered of suites that a gateway is to offer.
fn suites<'s>(named: impl Iterator<Item = &'s str>) -> Option<&'static str> {
    let (offered, others): (Vec<_>, Vec<_>) = named.partition(|suite| *suite == "ALL" || CIPHER_SUITES.contains(suite));
    match (offered.is_empty(), others.is_empty()) {
        (_, true) => None,
        (true, false) => Some(NONE_OFFERED),
        (false, false) => Some(
            "of the suites that are listed, only those by ECDHE with AES-GCM or ChaCha20 are offered, and no operators \
             are followed",
        ),
    }
}

/// Tracing, and filters of access logs.
fn telemetry(object: &Object, written: &Telemetry, findings: &mut Findings) {
    let mut add = |path: &str, message: &str| findings.add(NOT_FOLLOWED, object, path, message, "");
    if !written.tracing.is_empty() {
        add("spec.tracing", "requests that are routed get the headers of a trace, but no spans are reported yet");
    }
    let unheard = |tracing: &TelemetryTracing| tracing.disable_context_propagation == Some(true);
    for (index, _) in written.tracing.iter().enumerate().filter(|(_, tracing)| unheard(tracing)) {
        add(&format!("spec.tracing[{index}].disableContextPropagation"), "headers of a trace are written all the same");
    }
    for (index, _) in written.access_logging.iter().enumerate().filter(|(_, log)| log.filter.is_some()) {
        let path = format!("spec.accessLogging[{index}].filter");
        add(&path, "filters are not evaluated yet: every request is logged");
    }
}

/// Parts of a policy. Of CUSTOM tells the rule about connections.
fn policy(mesh: &Mesh<'_>, object: &Object, written: &AuthorizationPolicy, findings: &mut Findings) {
    if let Some((path, field)) = token(written) {
        let message = format!(
            "{field} is judged as if no request had a token: none is read yet. A DENY for those without one refuses \
             everybody, an ALLOW for those with one lets nobody in"
        );
        findings.add(REFUSED, object, &path, message, "");
    }
    let mut add = |path: &str, message: &str| findings.add(NOT_FOLLOWED, object, path, message, "");
    if written.action == AuthorizationAction::Audit {
        add("spec.action", "what matches is counted (ripstop config policies), and not written to a log yet");
    }
    let one = written.target_ref.iter().map(|reference| ("spec.targetRef".to_owned(), reference));
    let several = written.target_refs.iter().enumerate();
    let several = several.map(|(index, reference)| (format!("spec.targetRefs[{index}]"), reference));
    for (path, reference) in one.chain(several) {
        if let Some(why) = waypoints::unattached(mesh, object, reference) {
            let message = format!("it is not enforced: {why}");
            let hint = "give it a waypoint, or select workloads by spec.selector";
            findings.add(NOT_ENFORCED, object, &path, message, hint);
        }
    }
}

/// Settings of the mesh that acts.
fn settings(mesh: &Mesh<'_>, findings: &mut Findings) {
    let Some((object, base, config)) = acting_config(mesh.objects) else { return };
    let mut add = |code: Code, names: &[&str], message: &str| {
        for path in names.iter().map(|name| format!("{base}.{name}")) {
            if object.source.fields.contains_key(&path) {
                findings.add(code, object, &path, message, "");
            }
        }
    };
    add(NOT_FOLLOWED, &READ, NOTHING);
    if config.enable_auto_mtls == Some(false) {
        let message = "calls between enrolled workloads are encrypted all the same, as in Istio's ambient mode; \
                       PeerAuthentication has ports called in plaintext by mode DISABLE";
        add(IDLE, &["enableAutoMtls"], message);
    }
    if let Some(message) = config.tls_defaults.as_ref().and_then(|tls| suites(tls.known_cipher_suites())) {
        add(IDLE, &["tlsDefaults.cipherSuites"], message);
    }
    let (offered, others): (Vec<_>, Vec<_>) =
        config.tls_defaults.iter().flat_map(TlsDefaults::known_ecdh_curves).partition(|curve| CURVES.contains(curve));
    if !others.is_empty() && !offered.is_empty() {
        add(IDLE, &["tlsDefaults.ecdhCurves"], &format!("{} are not offered, the others are", others.join(", ")));
    }
    for (index, roots) in config.ca_certificates.iter().enumerate() {
        if !roots.cert_signers.is_empty() {
            let message =
                "it vouches for nobody: the mesh has its own authority, which asks no signers for certificates";
            add(IDLE, &[&format!("caCertificates[{index}].certSigners")], message);
        }
    }
    if !others.is_empty() && offered.is_empty() {
        let path = format!("{base}.tlsDefaults.ecdhCurves");
        let message =
            "no TLS is made, at gateways and by DestinationRules: none of the curves that are listed is offered";
        findings.add(REFUSED, object, &path, message, "offered: X25519MLKEM768, X25519, P-256, P-384");
    }
    proxies::default_config(object, base, findings);
}

#[cfg(test)]
mod tests;
