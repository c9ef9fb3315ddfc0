//! The mesh's settings: one resource, [`NAME`].

use std::fmt::Display;

use bytes::Bytes;
use ripstop_model::{EgressPolicy, LogLevel, MeshConfig, MtlsMode, SessionKey, TrustAnchor};

use crate::{
    DecodeError, Encoded,
    field::{self, Context},
    peer_authentication::{mode_from_wire, mode_to_wire},
    ripstop, type_url,
};

/// Name of the only resource.
pub const NAME: &str = "default";

const LEVELS: [LogLevel; 5] = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

/// The resource of the mesh's settings.
pub fn encode_mesh(mesh: &MeshConfig) -> Encoded {
    let message = ripstop::Mesh {
        trust_domain: mesh.trust_domain.to_string(),
        service_domain: mesh.service_domain.to_string(),
        root_namespace: mesh.root_namespace.to_string(),
        default_mtls: mode_to_wire(Some(mesh.default_mtls)).into(),
        log_level: mesh.log_level.as_str().to_owned(),
        egress_allow: texts(&mesh.egress.allow),
        egress_deny: texts(&mesh.egress.deny),
        cluster: mesh.cluster.to_string(),
        dns_upstream: texts(&mesh.dns_upstream),
        trust_domain_aliases: texts(&mesh.trust_domain_aliases),
        federated_domains: texts(&mesh.federated_domains),
        session_key: mesh.session_key.map(|key| Bytes::copy_from_slice(key.as_bytes())).unwrap_or_default(),
        injecting: texts(&mesh.injecting),
        trust_anchors: mesh.trust_anchors.iter().map(anchor).collect(),
    };
    Encoded::new(type_url::MESH, NAME, &message)
}

/// Decodes the resource `name`; what is not set has its default.
pub fn decode(name: &str, body: &Bytes) -> Result<MeshConfig, DecodeError> {
    let context = Context::new(type_url::MESH, name);
    context.named(NAME)?;
    let message: ripstop::Mesh = context.message(body)?;
    let default = MeshConfig::default();
    let trust_domain = match message.trust_domain.as_str() {
        "" => default.trust_domain,
        text => context.parsed("trust_domain", text)?,
    };
    let log_level = match message.log_level.as_str() {
        "" => default.log_level,
        text => LEVELS
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| context.error("log_level", format!("{text:?} is not a level")))?,
    };
    Ok(MeshConfig {
        trust_domain,
        service_domain: field::or_default(message.service_domain, &default.service_domain),
        root_namespace: field::or_default(message.root_namespace, &default.root_namespace),
        default_mtls: mode_from_wire(context, "default_mtls", message.default_mtls)?.unwrap_or(MtlsMode::Permissive),
        log_level,
        egress: EgressPolicy {
            allow: context.parsed_all("egress_allow", &message.egress_allow)?,
            deny: context.parsed_all("egress_deny", &message.egress_deny)?,
        },
        cluster: field::or_default(message.cluster, &default.cluster),
        dns_upstream: context.parsed_all("dns_upstream", &message.dns_upstream)?,
        trust_domain_aliases: context.parsed_all("trust_domain_aliases", &message.trust_domain_aliases)?,
        federated_domains: context.parsed_all("federated_domains", &message.federated_domains)?,
        injecting: message.injecting.into_iter().map(Into::into).collect(),
        session_key: match &message.session_key[..] {
            [] => None,
            bytes => {
                let key = bytes.try_into().map_err(|_| context.error("session_key", "it has not 32 bytes"))?;
                Some(SessionKey::new(key))
            }
        },
        trust_anchors: message
            .trust_anchors
            .into_iter()
            .map(|anchor| {
                let domains = context.parsed_all("trust_anchors.domains", &anchor.domains)?;
                Ok(TrustAnchor { domains, pem: anchor.pem.into() })
            })
            .collect::<Result<_, DecodeError>>()?,
    })
}

fn anchor(anchor: &TrustAnchor) -> ripstop::TrustAnchor {
    ripstop::TrustAnchor { domains: texts(&anchor.domains), pem: anchor.pem.to_string() }
}

fn texts<T: Display>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
