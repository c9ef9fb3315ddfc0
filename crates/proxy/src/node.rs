//! The node proxy as a process.

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use ripstop_decide::Program;
use ripstop_telemetry::{AccessLog, Registry, logging::LevelHandle};
use ripstop_wire::{DecodeError, ResourceChange, snapshot_changes, type_url};
use ripstop_xds::{Link, LinkConfig, Role, Updates};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    agent_link::AgentLink,
    backends::Backends,
    certificates::Certificates,
    error::Error,
    serve,
    sight::{Outlets, taps},
    worker::{Crew, Shared},
};

/// Wishes for sockets that wait for the agent at most.
const REFILLS: usize = 1024;

/// How long open connections may go on after the proxy was told to end. Short, since nothing takes new ones meanwhile.
const DRAIN: Duration = Duration::from_secs(1);
/// Time between two looks at what is still open.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Where a node proxy finds what it needs.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Name of the node.
    pub name: String,
    /// Directory for credentials, keys and the last good configuration.
    pub state: PathBuf,
    /// Socket of the node's agent.
    pub agent: PathBuf,
    /// Address of the control plane.
    pub control: SocketAddr,
    /// File with the root certificate that the control plane has to chain to.
    pub root_cert: PathBuf,
    /// File with a one-time token; needed only without credentials.
    pub token_file: PathBuf,
    /// Threads that carry traffic, at least 1.
    pub workers: usize,
}

/// How long what is still to be logged at the end may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// When a proxy that became ready has settled.
const SETTLED: Duration = Duration::from_secs(3);

/// Runs the node proxy until `shutdown` is done.
pub async fn run(config: NodeConfig, level: LevelHandle, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let link = LinkConfig {
        control: config.control,
        role: Role::Node,
        name: config.name.clone(),
        state: config.state.clone(),
        root_cert: config.root_cert.clone(),
        token_file: config.token_file.clone(),
        types: type_url::FOR_PROXIES.to_vec(),
    };
    let (link, updates) = Link::start(link).await.map_err(|error| Error::Link(error.to_string()))?;
    let access_log = AccessLog::start(std::io::stdout())
        .map_err(|source| Error::Io { what: "starting the access log".into(), source })?;
    let outlets = Outlets::start(std::io::stdout())
        .map_err(|source| Error::Io { what: "starting the log of requests".into(), source })?;
    let shared = Arc::new(Shared {
        snapshot: ArcSwap::from_pointee(Program::default()),
        changed: watch::channel(0).0,
        certificates: Arc::new(Certificates::open(&config.state.join("svids"), link)?),
        backends: Backends::new(&config.state),
        access_log,
        outlets,
        registry: Registry::default(),
        draining: CancellationToken::new(),
        shutdown: CancellationToken::new(),
    });
    let tap_socket = taps::bind(&config.state)?;
    let (refills, wishes) = mpsc::channel(REFILLS);
    let (crew, threads) = Crew::start(config.workers.max(1), &shared, &refills.into())?;
    let (ready, is_ready) = watch::channel(false);
    let agent = AgentLink { path: config.agent, shared: shared.clone(), crew: crew.clone(), ready };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        agent.run(wishes).await;
        Ok(())
    });
    tasks.spawn(follow(updates, shared.clone(), level, |_, _| Ok(())));
    tasks.spawn(slim_down(is_ready.clone(), shared.clone()));
    tasks.spawn(serve::run(shared.clone(), is_ready));
    tasks.spawn(taps::serve(tap_socket, config.name.into(), shared.outlets.clone(), shared.shutdown.clone()));
    let ended = tokio::select! {
        () = shutdown => Ok(()),
        () = shared.shutdown.cancelled() => Err(Error::Link("a worker could not start".into())),
        Some(ended) = tasks.join_next() => ended.unwrap_or_else(|error| Err(Error::Link(error.to_string()))),
    };
    drain(&shared, &crew, DRAIN).await;
    shared.shutdown.cancel();
    shared.certificates.close();
    while tasks.join_next().await.is_some() {}
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a worker panicked");
        }
    }
    shared.access_log.flush(LAST_WORDS);
    shared.outlets.log.close(LAST_WORDS);
    ended
}

/// Once the proxy is ready, and a moment later when it knows its workloads, it needs no longer what starting took; nor,
/// after that, what it took to get ready for further ones.
pub(crate) async fn slim_down(mut ready: watch::Receiver<bool>, shared: Arc<Shared>) -> Result<(), Error> {
    let whenever_ready = async {
        while ready.wait_for(|ready| *ready).await.is_ok() {
            forget_startup_code();
            sleep(SETTLED).await;
            forget_startup_code();
            if ready.changed().await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = whenever_ready => shared.shutdown.cancelled().await,
        () = shared.shutdown.cancelled() => {}
    }
    Ok(())
}

fn forget_startup_code() {
    match ripstop_net::memory::forget_startup_code() {
        Ok(bytes) => tracing::debug!(bytes, "code of the start was given back"),
        Err(error) => tracing::debug!(%error, "code of the start stays in memory"),
    }
}

/// Takes no new connections, and gives those that are open so much time to end.
pub(crate) async fn drain(shared: &Shared, crew: &Crew, time: Duration) {
    shared.draining.cancel();
    let end = Instant::now() + time;
    while crew.open() > 0 && Instant::now() < end {
        sleep(DRAIN_LOOK).await;
    }
    if crew.open() > 0 {
        tracing::info!(open = crew.open(), after = ?time, "connections that did not end in time are cut");
    }
}

/// Applies each commit; a commit that cannot be read is rejected as a whole. `before` looks at it before it is in force,
/// and may reject it.
pub(crate) async fn follow(
    mut updates: Updates,
    shared: Arc<Shared>,
    level: LevelHandle,
    mut before: impl FnMut(&Program, &[ResourceChange]) -> Result<(), DecodeError>,
) -> Result<(), Error> {
    loop {
        let commit = tokio::select! {
            commit = updates.next() => commit,
            () = shared.shutdown.cancelled() => return Ok(()),
        };
        let Some(commit) = commit else { return Ok(()) };
        let next = snapshot_changes(&commit.resources).and_then(|changes| {
            let next = shared.snapshot.load().with(commit.version, changes);
            before(&next, &commit.resources).map(|()| Arc::new(next))
        });
        match next {
            Ok(next) => {
                level.set(next.mesh().log_level.as_str());
                shared.snapshot.store(next);
                shared.changed.send_replace(commit.version);
                tracing::debug!(version = commit.version, from_disk = commit.from_disk, "configuration applied");
            }
            Err(error) => {
                tracing::error!(%error, version = commit.version, "configuration rejected; the last good one stays");
                commit.reject(&error.to_string());
            }
        }
    }
}
