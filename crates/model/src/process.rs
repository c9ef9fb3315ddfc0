//! Processes that the mesh runs itself.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::Labels;

/// What is to run (object `Process`, `ripstop.dev/v1alpha1`); each replica
/// becomes a workload with a network namespace of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSpec {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name; instances are `<name>-<ordinal>`.
    pub name: Arc<str>,
    /// Labels of every instance.
    pub labels: Labels,
    /// What its instances are.
    pub kind: ProcessKind,
    /// Node to run on.
    pub node: Arc<str>,
    /// Number of instances.
    pub replicas: u32,
    /// Service account; `default` if none is given.
    pub service_account: Arc<str>,
    /// Executable and leading arguments.
    pub command: Vec<Arc<str>>,
    /// Further arguments.
    pub args: Vec<Arc<str>>,
    /// Environment, in order.
    pub env: Vec<(Arc<str>, Arc<str>)>,
    /// Ports it serves.
    pub ports: Vec<ContainerPort>,
    /// When an instance takes traffic; nothing: as soon as it runs.
    pub readiness: Option<Probe>,
    /// What happens when it ends.
    pub restart: RestartPolicy,
    /// Limits of each instance.
    pub limits: ResourceLimits,
    /// User id inside; 65534 if none is given. Never 0.
    pub run_as_user: u32,
    /// Directory of the file that declares it: relative commands and the working directory
    /// start here. Empty: the mesh's directory.
    pub directory: Arc<str>,
    /// Its instances ask for proxies of their own: they start behind those, and not before.
    pub has_sidecar: bool,
}

/// What the instances of a process are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProcessKind {
    /// A command of the user's.
    #[default]
    Command,
    /// A gateway of the mesh: command, arguments and readiness are the mesh's own, its ports are those that `Gateway`
    /// objects name for it.
    Gateway,
    /// A waypoint of the mesh, which stands in front of services: likewise, and it serves tunnels on one port.
    Waypoint,
}

/// A port of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// Name; empty if none.
    pub name: Arc<str>,
    /// Number.
    pub port: u16,
    /// UDP instead of TCP.
    pub udp: bool,
}

/// A readiness probe, with Kubernetes' defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is tried.
    pub action: ProbeAction,
    /// Wait before the first try (0 s).
    pub initial_delay: Duration,
    /// Time between tries (10 s).
    pub period: Duration,
    /// A try longer than this failed (1 s).
    pub timeout: Duration,
    /// Successes in a row that make it ready (1).
    pub success_threshold: u32,
    /// Failures in a row that make it unready (3).
    pub failure_threshold: u32,
}

/// What a probe tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// HTTP GET answered with 200 to 399.
    HttpGet {
        /// Path with leading slash.
        path: Arc<str>,
        /// Port of the workload.
        port: u16,
        /// Host header and address; the workload's own address if none is given.
        host: Option<IpAddr>,
        /// Plaintext or TLS.
        scheme: ProbeScheme,
        /// Further fields; `Host` among them is that of the request.
        headers: Vec<(Arc<str>, Arc<str>)>,
    },
    /// A TCP connection opens.
    TcpSocket {
        /// Port of the workload.
        port: u16,
        /// Address; the workload's own if none is given.
        host: Option<IpAddr>,
    },
    /// A call of `grpc.health.v1.Health` is answered with `SERVING`.
    Grpc {
        /// Port of the workload.
        port: u16,
        /// Service that is asked for; empty: the server as a whole.
        service: Arc<str>,
    },
    /// A command in the workload's namespaces exits with 0.
    Exec {
        /// Executable and arguments.
        command: Vec<Arc<str>>,
    },
}

/// What a probe by HTTP speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeScheme {
    /// Plaintext.
    #[default]
    Http,
    /// TLS; whom the certificate names does not matter.
    Https,
}

/// What members of a group have in common, as whoever runs them needs it (Istio's `WorkloadGroup`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSpec {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Service account of each.
    pub service_account: Arc<str>,
    /// Labels of each.
    pub labels: Labels,
    /// Annotations of each.
    pub annotations: Labels,
    /// Ports of each.
    pub ports: Vec<ContainerPort>,
    /// When one takes traffic; nothing: as soon as it runs.
    pub readiness: Option<Probe>,
}

/// What happens when a process ends (Kubernetes `restartPolicy`), with back-off
/// from 100 ms, doubling to 30 s, reset after 60 s of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// It is started again.
    #[default]
    Always,
    /// It is started again unless it exited with 0.
    OnFailure,
    /// It stays down.
    Never,
}

/// Limits of one instance; where cgroups cannot be had they are rlimits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Address space in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU in thousandths of a core.
    pub cpu_millis: Option<u32>,
}
