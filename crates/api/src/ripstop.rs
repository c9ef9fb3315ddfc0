//! Kinds of `ripstop.dev/v1alpha1`, in Pod spellings where Kubernetes has them.

pub(crate) mod decode;
mod served;
mod traffic_policy;

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
pub(crate) use served::AllowedRoutes;
pub use served::{NamespacesFrom, ServedNamespaces};
pub use traffic_policy::*;

use crate::{
    istio::{GatewayTopology, MeshConfig, MtlsMode},
    kubernetes::{IntOrName, Transport},
};

/// A machine of the mesh: its own namespace, address block and node proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// `spec.podCIDR` and `spec.podCIDRs`: at most one block a family.
    pub pod_cidrs: Vec<IpNet>,
}

/// A process that the mesh runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// `spec.role`.
    pub role: ProcessRole,
    /// Of a gateway, for whom it is.
    pub faces: Faces,
    /// `spec.node`; the default node (lowest name) if none is given.
    pub node: Option<String>,
    /// `spec.replicas` (1; at most 1000).
    pub replicas: u32,
    /// `spec.serviceAccountName` (`default`).
    pub service_account: String,
    /// `spec.command`.
    pub command: Vec<String>,
    /// `spec.args`.
    pub args: Vec<String>,
    /// `spec.env`, in order.
    pub env: Vec<(String, String)>,
    /// `spec.ports`.
    pub ports: Vec<ContainerPort>,
    /// `spec.readinessProbe`.
    pub readiness: Option<Probe>,
    /// `spec.restartPolicy` (`Always`).
    pub restart: RestartPolicy,
    /// `spec.resources.limits`.
    pub limits: Limits,
    /// `spec.runAsUser` (65534; never 0).
    pub run_as_user: u32,
    /// `spec.allowedRoutes.namespaces`: of a waypoint, whom it serves.
    pub served: ServedNamespaces,
    /// `gatewayTopology` of a gateway's annotation `proxy.istio.io/config`.
    pub gateway_topology: Option<GatewayTopology>,
}

/// For whom a gateway is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faces {
    /// `role: gateway`: whoever comes by the host, too, which opens its ports.
    #[default]
    Outside,
    /// `role: egress`: the mesh alone, whose calls leave by it.
    Mesh,
}

/// What a process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessRole {
    /// Its `spec.command`.
    #[default]
    Command,
    /// `gateway` and `egress`: a gateway of the mesh, which needs no command.
    Gateway,
    /// `waypoint`: a waypoint of the mesh, which stands in front of services and needs no command either.
    Waypoint,
}

/// One of `spec.ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// `name`; empty if none.
    pub name: String,
    /// `containerPort`.
    pub port: u16,
    /// `protocol`.
    pub protocol: Transport,
}

/// `readinessProbe`, with Kubernetes' defaults (0 s, 10 s, 1 s, 1, 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `httpGet`, `tcpSocket` or `exec`.
    pub action: ProbeAction,
    /// `initialDelaySeconds`.
    pub initial_delay: Duration,
    /// `periodSeconds`.
    pub period: Duration,
    /// `timeoutSeconds`.
    pub timeout: Duration,
    /// `successThreshold`.
    pub success_threshold: u32,
    /// `failureThreshold`.
    pub failure_threshold: u32,
}

/// What a probe tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// `httpGet`.
    HttpGet {
        /// `path` (`/`).
        path: String,
        /// `port`.
        port: IntOrName,
        /// `host`.
        host: Option<IpAddr>,
    },
    /// `tcpSocket`.
    TcpSocket {
        /// `port`.
        port: IntOrName,
    },
    /// `exec`.
    Exec {
        /// `command`.
        command: Vec<String>,
    },
}

/// `restartPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Started again.
    #[default]
    Always,
    /// Started again unless it exited with 0.
    OnFailure,
    /// Stays down.
    Never,
}

/// `resources.limits`, in Kubernetes quantities (`128Mi`, `500m`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `memory`, bytes.
    pub memory_bytes: Option<u64>,
    /// `cpu`, thousandths of a core.
    pub cpu_millis: Option<u32>,
}

/// Settings of the whole mesh; at most one object, named `default`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// `spec.trustDomain` (`cluster.local`).
    pub trust_domain: Option<String>,
    /// `spec.serviceDomain` (`svc.cluster.local`).
    pub service_domain: Option<String>,
    /// `spec.rootNamespace` (`istio-system`).
    pub root_namespace: Option<String>,
    /// `spec.mtls.mode` (`PERMISSIVE`); a `PeerAuthentication` in the root namespace beats it.
    pub mtls: MtlsMode,
    /// `spec.logLevel`: `error`, `warn`, `info`, `debug`, `trace`.
    pub log_level: Option<String>,
    /// `spec.clusterId` (`Ripstop`).
    pub cluster_id: Option<String>,
    /// `spec.egress.allow` and `spec.egress.deny`: addresses or CIDR blocks.
    pub egress_allow: Vec<IpNet>,
    /// See above.
    pub egress_deny: Vec<IpNet>,
    /// `spec.dns.upstream`: resolvers for foreign names instead of the host's.
    pub dns_upstream: Vec<IpAddr>,
    /// `spec.metricsPort`: host loopback port of the metrics (0: any free one).
    pub metrics_port: Option<u16>,
    /// `spec.meshConfig`: settings in Istio's words.
    pub mesh_config: Option<Box<MeshConfig>>,
}
