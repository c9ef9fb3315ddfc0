//! Settings of the whole mesh.

use std::str::FromStr;

use ripstop_api::{Kind, Object, Spec, istio::MtlsMode as Written};
use ripstop_model::{EgressPolicy, LogLevel, MeshConfig, MtlsMode, TrustDomain};

use crate::{
    Objects,
    declare::of_kind,
    finding::{BAD_MESH_SETTING, Findings, SEVERAL_MESHES},
};

/// The settings and the port of metrics. Of several objects the one named `default` acts, else the
/// oldest.
pub(crate) fn compile(objects: &Objects, previous: Option<&MeshConfig>, findings: &mut Findings) -> (MeshConfig, u16) {
    let acting = of_kind(objects, Kind::Mesh)
        .min_by_key(|declared| (declared.object.id.name != "default", declared.created, &declared.object.id.name));
    let Some(acting) = acting.map(|declared| &declared.object) else { return (MeshConfig::default(), 0) };
    for other in of_kind(objects, Kind::Mesh).filter(|other| other.object.id != acting.id) {
        let message = format!("{} acts, this one does not", acting.id);
        findings.add(SEVERAL_MESHES, &other.object, "", message, "keep one Mesh, named default");
    }
    let Spec::Mesh(written) = &acting.spec else { return (MeshConfig::default(), 0) };
    let fallback = MeshConfig::default();
    let before = previous.unwrap_or(&fallback);
    let text = |written: &Option<String>, default: &str| written.as_deref().unwrap_or(default).into();
    let mesh = MeshConfig {
        trust_domain: match &written.trust_domain {
            None => TrustDomain::default(),
            Some(domain) => TrustDomain::from_str(domain).unwrap_or_else(|error| {
                refuse(acting, "spec.trustDomain", &error.to_string(), findings);
                before.trust_domain.clone()
            }),
        },
        service_domain: text(&written.service_domain, &fallback.service_domain),
        root_namespace: text(&written.root_namespace, &fallback.root_namespace),
        default_mtls: mode(written.mtls).unwrap_or(MtlsMode::Permissive),
        log_level: match written.log_level.as_deref() {
            None => LogLevel::default(),
            Some("error") => LogLevel::Error,
            Some("warn") => LogLevel::Warn,
            Some("info") => LogLevel::Info,
            Some("debug") => LogLevel::Debug,
            Some("trace") => LogLevel::Trace,
            Some(other) => {
                let message = format!("log level {other:?} is none of error, warn, info, debug and trace");
                refuse(acting, "spec.logLevel", &message, findings);
                before.log_level
            }
        },
        egress: EgressPolicy { allow: written.egress_allow.clone(), deny: written.egress_deny.clone() },
        cluster: text(&written.cluster_id, &fallback.cluster),
        dns_upstream: written.dns_upstream.clone(),
    };
    (mesh, written.metrics_port.unwrap_or(0))
}

/// A mode; UNSET is nothing.
pub(crate) fn mode(written: Written) -> Option<MtlsMode> {
    match written {
        Written::Unset => None,
        Written::Disable => Some(MtlsMode::Disable),
        Written::Permissive => Some(MtlsMode::Permissive),
        Written::Strict => Some(MtlsMode::Strict),
    }
}

fn refuse(object: &Object, path: &str, message: &str, findings: &mut Findings) {
    findings.add(BAD_MESH_SETTING, object, path, message, "the former setting stays");
}
