//! `ripstop control`, `agent`, `node` and `proxy`: the roles of a mesh, each a process.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    os::fd::RawFd,
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::Args;
use ripstop_telemetry::logging;
use tokio::signal::unix::{SignalKind, signal};

/// Variable with the threads of a proxy that carry traffic.
const WORKERS: &str = "RIPSTOP_WORKERS";

/// A proxy that stands alone.
#[derive(Args)]
pub struct Proxy {
    /// What it is.
    #[arg(long, value_enum)]
    role: ProxyRole,
    /// Namespace of the workload that it is, or, as a sidecar, serves.
    #[arg(long)]
    namespace: String,
    /// Name of the workload that it is, or, as a sidecar, serves.
    #[arg(long)]
    name: String,
    /// Directory for what has to outlive the process.
    #[arg(long)]
    state: PathBuf,
    /// Directory of which no rule and no listener may name a file; else `--state`.
    #[arg(long)]
    private: Option<PathBuf>,
    #[command(flatten)]
    joining: Joining,
    /// Socket of the node's agent, for a sidecar.
    #[arg(long, required_if_eq("role", "sidecar"))]
    agent: Option<PathBuf>,
    /// Address of the mesh's DNS, for backends that are known by name; else the machine's is asked.
    #[arg(long)]
    dns: Option<IpAddr>,
    /// Where an agent takes questions for connections out of the mesh; else they are made from here.
    #[arg(long)]
    egress: Option<SocketAddr>,
    /// Descriptor by which connections come that were accepted elsewhere.
    #[arg(long)]
    handover_fd: Option<RawFd>,
    /// Threads that carry traffic.
    #[arg(long, env = WORKERS, default_value_t = 2)]
    workers: usize,
}

/// Roles of a proxy that stands alone.
#[derive(Clone, Copy, clap::ValueEnum)]
enum ProxyRole {
    /// Takes what comes from outside of the mesh, as `Gateway` objects say.
    Gateway,
    /// Takes what the mesh sends to it to leave, as `Gateway` objects say.
    Egress,
    /// Takes what the mesh calls the services for that it stands in front of.
    Waypoint,
    /// Takes what a single workload calls, and what it is called for, as its node's proxy does for all others.
    Sidecar,
}

/// The control plane.
#[derive(Args)]
pub struct Control {
    /// Directory with the configuration.
    #[arg(long)]
    dir: PathBuf,
    /// Directory for what has to outlive the process.
    #[arg(long)]
    state: PathBuf,
    /// Address for proxies.
    #[arg(long, default_value = "127.0.0.1:15012")]
    listen: SocketAddr,
    /// Address for metrics.
    #[arg(long, default_value = "127.0.0.1:15014")]
    metrics: SocketAddr,
    /// Descriptor that leads to the broker, by which bundles of other trust domains are fetched; else they are from here.
    #[arg(long)]
    broker_fd: Option<RawFd>,
}

/// Where a role of a node finds the control plane, and how it proves itself.
#[derive(Args)]
pub struct Joining {
    /// Address of the control plane.
    #[arg(long)]
    control: SocketAddr,
    /// File with the mesh's root certificate.
    #[arg(long)]
    root_cert: PathBuf,
    /// File with a one-time token, needed for the first start only.
    #[arg(long)]
    token_file: PathBuf,
}

/// The node's privileged helper.
#[derive(Args)]
pub struct Agent {
    /// Name of the node.
    #[arg(long)]
    node: String,
    /// Directory for what has to outlive the process.
    #[arg(long)]
    state: PathBuf,
    /// Socket for the node proxy.
    #[arg(long)]
    socket: PathBuf,
    /// Directory with the network namespaces of the node's workloads.
    #[arg(long)]
    netns_dir: PathBuf,
    #[command(flatten)]
    joining: Joining,
    /// Descriptor that leads to the broker.
    #[arg(long)]
    broker_fd: Option<RawFd>,
}

/// The node proxy.
#[derive(Args)]
pub struct Node {
    /// Name of the node.
    #[arg(long)]
    name: String,
    /// Directory for what has to outlive the process.
    #[arg(long)]
    state: PathBuf,
    /// Directory of which no rule and no listener may name a file; else `--state`.
    #[arg(long)]
    private: Option<PathBuf>,
    /// Socket of the node's agent.
    #[arg(long)]
    agent: PathBuf,
    #[command(flatten)]
    joining: Joining,
    /// Threads that carry traffic.
    #[arg(long, env = WORKERS, default_value_t = 2)]
    workers: usize,
}

impl Control {
    /// Runs until SIGTERM.
    pub fn run(self) -> Result<()> {
        let level = logging::init("info");
        let config = ripstop_control::ControlConfig {
            dir: self.dir,
            admin: self.state.join("admin.sock"),
            state: self.state,
            listen: self.listen,
            metrics: self.metrics,
            broker_fd: self.broker_fd,
        };
        until_told(2, |stop| async move { Ok(ripstop_control::run(config, level, stop).await?) })
    }
}

impl Agent {
    /// Runs until SIGTERM.
    pub fn run(self) -> Result<()> {
        let level = logging::init("info");
        // Before the runtime's threads: capabilities belong to threads.
        ripstop_agent::restrict_privileges().context("giving up privileges")?;
        let config = ripstop_agent::AgentConfig {
            node: self.node,
            state: self.state,
            socket: self.socket,
            netns_dir: self.netns_dir,
            control: self.joining.control,
            root_cert: self.joining.root_cert,
            token_file: self.joining.token_file,
            broker_fd: self.broker_fd,
        };
        until_told(1, |stop| async move { Ok(ripstop_agent::run(config, level, stop).await?) })
    }
}

impl Node {
    /// Runs until SIGTERM.
    pub fn run(self) -> Result<()> {
        let level = logging::init("info");
        let config = ripstop_proxy::NodeConfig {
            name: self.name,
            private: self.private.unwrap_or_else(|| self.state.clone()),
            state: self.state,
            agent: self.agent,
            control: self.joining.control,
            root_cert: self.joining.root_cert,
            token_file: self.joining.token_file,
            workers: self.workers,
        };
        until_told(1, |stop| async move { Ok(ripstop_proxy::run(config, level, stop).await?) })
    }
}

impl Proxy {
    /// Runs until SIGTERM.
    pub fn run(self) -> Result<()> {
        let level = logging::init("info");
        match self.role {
            // Where it listens and what it does follows from objects alone; the host has no connections for it.
            ProxyRole::Gateway | ProxyRole::Egress => {
                let config = ripstop_proxy::GatewayConfig {
                    namespace: self.namespace,
                    name: self.name,
                    private: self.private.unwrap_or_else(|| self.state.clone()),
                    state: self.state,
                    control: self.joining.control,
                    root_cert: self.joining.root_cert,
                    token_file: self.joining.token_file,
                    workers: self.workers,
                    dns: self.dns,
                    egress: self.egress,
                    handover: self.handover_fd,
                };
                until_told(1, |stop| async move { Ok(ripstop_proxy::run_gateway(config, level, stop).await?) })
            }
            ProxyRole::Waypoint => {
                let config = ripstop_proxy::WaypointConfig {
                    namespace: self.namespace,
                    name: self.name,
                    private: self.private.unwrap_or_else(|| self.state.clone()),
                    state: self.state,
                    control: self.joining.control,
                    root_cert: self.joining.root_cert,
                    token_file: self.joining.token_file,
                    workers: self.workers,
                    dns: self.dns,
                    egress: self.egress,
                };
                until_told(1, |stop| async move { Ok(ripstop_proxy::run_waypoint(config, level, stop).await?) })
            }
            ProxyRole::Sidecar => {
                let config = ripstop_proxy::SidecarConfig {
                    namespace: self.namespace,
                    name: self.name,
                    private: self.private.unwrap_or_else(|| self.state.clone()),
                    state: self.state,
                    agent: self.agent.context("a sidecar needs --agent, the socket of its node's agent")?,
                    control: self.joining.control,
                    root_cert: self.joining.root_cert,
                    token_file: self.joining.token_file,
                    workers: self.workers,
                };
                until_told(1, |stop| async move { Ok(ripstop_proxy::run_sidecar(config, level, stop).await?) })
            }
        }
    }
}

/// Runs a role on so many threads, besides those that it starts itself; its argument is done when the process is told to
/// end.
fn until_told<F: Future<Output = Result<()>>>(
    threads: usize,
    role: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> F,
) -> Result<()> {
    // The allocator asks for huge pages; a role is small and there is one on every node. It spawns no process that would
    // inherit this. Without it, memory is only used less well.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        role(Box::pin(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }))
        .await
    })
}
