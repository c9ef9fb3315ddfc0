//! Kubernetes kinds.

mod config_map;
mod data;
pub(crate) mod decode;
mod secret;

use std::collections::BTreeMap;

pub use config_map::ConfigMap;
pub use secret::Secret;

/// `v1/Service`, the parts that a mesh acts on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// `spec.selector`; nothing: no endpoints of its own.
    pub selector: Option<BTreeMap<String, String>>,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// `spec.clusterIP: None`.
    pub headless: bool,
    /// A `spec.clusterIP` that is asked for.
    pub cluster_ip: Option<std::net::IpAddr>,
    /// `spec.publishNotReadyAddresses`.
    pub publish_not_ready: bool,
}

/// One of `spec.ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// `name`; empty if none.
    pub name: String,
    /// `port`.
    pub port: u16,
    /// `targetPort`; the same as `port` if none is given.
    pub target_port: IntOrName,
    /// `protocol`.
    pub protocol: Transport,
    /// `appProtocol`.
    pub app_protocol: Option<String>,
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntOrName {
    /// Number.
    Int(u16),
    /// Name of a container port.
    Name(String),
}

/// `TCP` (the default) or `UDP`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}
