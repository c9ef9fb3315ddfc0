//! Istio's kinds: what `networking.istio.io`, `security.istio.io` and `telemetry.istio.io` objects say.
//!
//! Fields have the names, defaults and meanings of Istio's API; field comments say what is not obvious.

mod authorization_policy;
pub(crate) mod decode;
mod destination_rule;
mod export_to;
mod free_form;
mod gateway;
mod header;
mod hidden;
mod host;
mod istio_operator;
mod mesh_config;
mod proxy_config;
mod request_authentication;
mod selector;
mod service_entry;
mod sidecar;
mod string_match;
mod telemetry;
mod unique;
pub(crate) mod values;
mod virtual_service;
mod workload_entry;
mod workload_group;

use std::collections::BTreeMap;

pub use authorization_policy::*;
pub use destination_rule::*;
pub use free_form::FreeForm;
pub use gateway::*;
pub use hidden::Hidden;
pub use istio_operator::*;
pub use mesh_config::*;
pub use proxy_config::*;
pub use request_authentication::*;
pub use selector::*;
pub use service_entry::*;
pub use sidecar::*;
pub use string_match::StringMatch;
pub use telemetry::*;
pub use virtual_service::*;
pub use workload_entry::*;
pub use workload_group::*;

/// `security.istio.io` `PeerAuthentication` (v1, v1beta1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerAuthentication {
    /// `spec.selector.matchLabels`.
    pub selector: BTreeMap<String, String>,
    /// `spec.mtls.mode`.
    pub mode: MtlsMode,
    /// `spec.portLevelMtls`.
    pub port_level: BTreeMap<u16, MtlsMode>,
}

/// `mtls.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MtlsMode {
    /// Inherits from the layer above.
    #[default]
    Unset,
    /// Plaintext only.
    Disable,
    /// Both.
    Permissive,
    /// Mutual TLS only.
    Strict,
}

#[cfg(test)]
mod tests;
