//! Putting the parts together.

use std::{
    future::Future,
    net::SocketAddr,
    os::fd::{OwnedFd, RawFd},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ripstop_decide::Program;
use ripstop_dns::{DnsServer, Limits};
use ripstop_model::Snapshot;
use ripstop_net::{NetNs, scm::seqpacket_pair, socket::transparent_listener};
use ripstop_telemetry::logging::LevelHandle;
use ripstop_wire::{
    ripstop::{CaptureSet, ReportRequest, report_request},
    snapshot_changes, type_url,
};
use ripstop_xds::{Link, LinkConfig, Role, Updates};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, error, info, warn};

use crate::{
    Error,
    broker::Broker,
    capture::{Capture, Served},
    dns::{self, Upstream},
    egress,
    namespaces::Directory,
    proxy_link::{self, Voucher},
    services::{self, EGRESS_PORT},
};

/// What an agent is to do.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Name of its node.
    pub node: String,
    /// Directory for credentials and last good configuration; 0700.
    pub state: PathBuf,
    /// Where the node's proxy finds it: a `SOCK_SEQPACKET` unix socket.
    pub socket: PathBuf,
    /// Directory of network namespaces, one file a workload: `<namespace>.<instance>`.
    pub netns_dir: PathBuf,
    /// Address of the control plane.
    pub control: SocketAddr,
    /// Root certificate of the mesh, PEM.
    pub root_cert: PathBuf,
    /// One-time token for the first join.
    pub token_file: PathBuf,
    /// Descriptor of a `SOCK_SEQPACKET` socket to the broker, by whoever starts the proxies; without one nothing leaves the
    /// mesh, and proxies are what they say they are.
    pub broker_fd: Option<RawFd>,
}

/// An acknowledgement waits so long for the node's rules.
const APPLY: Duration = Duration::from_secs(1);
/// Events of the proxy that may wait.
const EVENTS: usize = 1024;
/// How long DNS may take to stop.
const STOP: Duration = Duration::from_secs(1);

/// Serves a node until `shutdown` is done, in the node's own network namespace. Rules, listeners
/// at the proxy and connections stay as they are: the next agent goes on from there.
pub async fn run(config: AgentConfig, level: LevelHandle, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let node = NetNs::current().map_err(|source| Error::File {
        what: "open",
        path: "/proc/thread-self/ns/net".into(),
        source,
    })?;
    let (served, captured) = watch::channel(Served::default());
    let (broker, line) = broker(config.broker_fd)?;
    let voucher = if config.broker_fd.is_some() {
        Voucher::Supervisor(broker.clone())
    } else {
        warn!("nobody says who proxies are; whoever connects from this node is believed");
        Voucher::Nobody
    };
    let (link, updates) = Link::start(LinkConfig {
        control: config.control,
        role: Role::Agent,
        name: config.node.clone(),
        state: config.state,
        root_cert: config.root_cert,
        token_file: config.token_file,
        types: type_url::FOR_AGENTS.to_vec(),
    })
    .await?;
    let (snapshots, current) = watch::channel(Arc::new(Snapshot::default()));
    let (programs, program) = watch::channel(Arc::new(Program::default()));
    let (applied, rules) = watch::channel(0);

    let addresses = dns::node_addresses(&node, &config.node).await?;
    let (udp, tcp) = dns::sockets(&addresses).await?;
    let names = DnsServer {
        udp,
        tcp,
        snapshots: current.clone(),
        forwarder: Arc::new(Upstream::new(broker.clone())),
        limits: Limits::default(),
    };
    let egress_listener = egress_listener(&node)?;
    let proxies = proxy_link::listen(&config.socket)?;
    let (events, heard) = mpsc::channel(EVENTS);
    let report = reporter(link.clone());
    let capture = Capture::new(&config.node, Directory::new(config.netns_dir), program, heard, report, served)?;
    info!(node = config.node, ?addresses, egress = EGRESS_PORT, "the agent is up");

    let mut parts = JoinSet::new();
    parts.spawn(named("broker", line.telling(captured).run()));
    parts.spawn(named("configuration", follow(updates, (programs, snapshots), rules, level)));
    parts.spawn(named("services", services::keep(node.clone(), current.clone(), applied)));
    parts.spawn(named("egress", egress::serve(egress_listener, broker, current)));
    parts.spawn(named("proxy", proxy_link::serve(proxies, node, voucher, events)));
    parts.spawn(named("capture", capture.run()));
    let (stop, stopped) = watch::channel(());
    let mut names = tokio::spawn(names.run(until_closed(stopped)));

    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            ended = parts.join_next() => match ended {
                // Nothing leaves the mesh without the broker, but everything inside goes on.
                Some(Ok("broker")) => {}
                // A part that ends leaves the agent lame: the supervisor starts a whole one.
                Some(Ok(part)) => {
                    error!(part, "a part of the agent ended; the agent ends with it");
                    break;
                }
                Some(Err(error)) => {
                    error!(%error, "a part of the agent crashed; the agent ends with it");
                    break;
                }
                None => break,
            }
        }
    }
    drop(stop);
    parts.shutdown().await;
    if timeout(STOP, &mut names).await.is_err() {
        names.abort();
    }
    drop(link);
    info!("the agent ends; capture stays as it is");
    Ok(())
}

async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}

async fn until_closed(mut open: watch::Receiver<()>) {
    while open.changed().await.is_ok() {}
}

/// Applies commit by commit; a commit is acknowledged once everybody here can see it, and the node's
/// rules lead where it says.
async fn follow(
    mut updates: Updates,
    (programs, snapshots): (watch::Sender<Arc<Program>>, watch::Sender<Arc<Snapshot>>),
    mut rules: watch::Receiver<u64>,
    level: LevelHandle,
) {
    while let Some(commit) = updates.next().await {
        match snapshot_changes(&commit.resources) {
            Ok(changes) => {
                let next = programs.borrow().with(commit.version, changes);
                level.set(next.mesh().log_level.as_str());
                snapshots.send_replace(Arc::new(next.snapshot().clone()));
                programs.send_replace(Arc::new(next));
                debug!(version = commit.version, from_disk = commit.from_disk, "configuration");
                let version = commit.version;
                if timeout(APPLY, rules.wait_for(|applied| *applied >= version)).await.is_err() {
                    warn!(version, "the node's service rules are slow to follow");
                }
                commit.accept();
            }
            Err(error) => {
                warn!(version = commit.version, %error, "configuration refused; the last good one stays");
                commit.reject(&error.to_string());
            }
        }
    }
}

fn reporter(link: Link) -> impl FnMut(CaptureSet) {
    move |captures| link.report(ReportRequest { kind: Some(report_request::Kind::Captures(captures)) })
}

/// The line to the broker; without a descriptor one that is closed already.
fn broker(number: Option<RawFd>) -> Result<(Broker, crate::broker::BrokerLine), Error> {
    let failed =
        |source| Error::File { what: "use", path: format!("/proc/self/fd/{}", number.unwrap_or(-1)).into(), source };
    let socket = match number {
        Some(number) => own_descriptor(number).map_err(failed)?,
        None => seqpacket_pair().map_err(failed)?.0,
    };
    Broker::new(socket).map_err(failed)
}

/// A descriptor that this process was started with.
fn own_descriptor(number: RawFd) -> std::io::Result<OwnedFd> {
    let myself = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(myself, number, PidfdGetfdFlags::empty())?)
}

fn egress_listener(node: &NetNs) -> Result<TcpListener, Error> {
    let open = || {
        let listener = std::net::TcpListener::from(transparent_listener(node, EGRESS_PORT)?);
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    let address = SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), EGRESS_PORT);
    open().map_err(|source| Error::Service { service: "egress", address, source })
}

#[cfg(test)]
mod tests;
