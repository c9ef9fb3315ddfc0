//! What the processes of all proxies have in common: how they start, follow the configuration, and end.

use std::{future::Future, path::Path, sync::Arc, thread::available_parallelism, time::Duration};

use arc_swap::ArcSwap;
use ripstop_decide::{Program, concurrency, proxy_defaults};
use ripstop_telemetry::{AccessLog, Registry, logging::LevelHandle};
use ripstop_wire::{DecodeError, ResourceChange, snapshot_changes};
use ripstop_xds::{Link, LinkConfig, Updates};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backends::Backends,
    certificates::Certificates,
    concurrency::Concurrencies,
    connection_limits::ConnectionLimits,
    error::Error,
    global_limits::GlobalLimits,
    inbound_pools::InboundPools,
    ingress_tls::IngressTls,
    inspect,
    own::Own,
    policy_counts::PolicyCounts,
    rate_limits::RateLimits,
    retry_budgets::RetryBudgets,
    serve,
    sight::{Outlets, taps},
    sockets::Supply,
    worker::{Crew, MOST, Shared},
};

/// Time between two looks at what is still open.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// How long what is still to be logged at the end may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// When a proxy that became ready has settled.
const SETTLED: Duration = Duration::from_secs(3);

/// A proxy that runs: its workers, and what it does beside them.
#[derive(Debug)]
pub(crate) struct Process {
    /// What all workers share.
    pub(crate) shared: Arc<Shared>,
    /// The workers.
    pub(crate) crew: Arc<Crew>,
    /// What it does beside them; it ends when one of these does.
    pub(crate) tasks: JoinSet<Result<(), Error>>,
    /// The workload that it is; nothing: it serves those of a node.
    own: Option<Arc<Own>>,
}

/// How a proxy is started.
pub(crate) struct Start<'a> {
    /// Its line to the control plane.
    pub(crate) link: LinkConfig,
    /// Directory for what has to outlive it.
    pub(crate) state: &'a Path,
    /// What it calls.
    pub(crate) backends: Backends,
    /// Threads that carry traffic where the configuration does not say how many; 0 is 1.
    pub(crate) workers: usize,
    /// The workload that it is; nothing: it serves those of a node.
    pub(crate) own: Option<Arc<Own>>,
    /// Where these get their sockets.
    pub(crate) supply: Supply,
    /// As whom it is tapped.
    pub(crate) tapped: Arc<str>,
    /// What says how much is logged.
    pub(crate) level: LevelHandle,
    /// Whether it serves.
    pub(crate) is_ready: watch::Receiver<bool>,
    /// Where it tells of that, and its metrics.
    pub(crate) answers: Answers,
}

/// Where a proxy tells its metrics, and whether it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// At its network's ports for that, and its own socket.
    AtPorts,
    /// At its own socket alone: its network is its node's, whose proxy has the ports.
    AtSocket,
}

// === impl Process ===

impl Process {
    /// Joins the control plane, or takes what the disk has, and starts the workers. `before` looks at each configuration
    /// before it is in force, and may reject it.
    pub(crate) async fn start(
        start: Start<'_>,
        before: impl FnMut(&Shared, &Program, &[ResourceChange]) -> Result<(), DecodeError> + Send + 'static,
    ) -> Result<Self, Error> {
        let Start { link, state, backends, workers, own, supply, tapped, level, is_ready, answers } = start;
        let (link, updates) = Link::start(link).await.map_err(|error| Error::Link(error.to_string()))?;
        let failed = |what: &str| {
            let what = what.to_owned();
            move |source| Error::Io { what, source }
        };
        let access_log = AccessLog::start(std::io::stdout()).map_err(failed("starting the access log"))?;
        let outlets = Outlets::start(std::io::stdout()).map_err(failed("starting the log of requests"))?;
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(Program::default()),
            changed: watch::channel(0).0,
            certificates: Arc::new(Certificates::open(&state.join("svids"), link)?),
            ingress_tls: IngressTls::new(backends.files().clone()),
            backends,
            access_log,
            outlets,
            registry: Registry::default(),
            rate_limits: RateLimits::default(),
            concurrency: Concurrencies::default(),
            retry_budgets: RetryBudgets::default(),
            global_limits: GlobalLimits::default(),
            connection_limits: ConnectionLimits::default(),
            policy_counts: PolicyCounts::default(),
            inbound_pools: InboundPools::default(),
            inventory: inspect::Inventory::default(),
            crossings: crate::waypoint::Crossings::default(),
            draining: CancellationToken::new(),
            shutdown: CancellationToken::new(),
        });
        let tap_socket = taps::bind(state)?;
        let workers = workers.max(1);
        let crew = Crew::start(workers, &shared, &supply)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(updates, shared.clone(), level, before));
        let alone = own.clone();
        tasks.spawn(staff(shared.clone(), crew.clone(), supply, workers, own));
        tasks.spawn(follow_roots(shared.clone()));
        tasks.spawn(slim_down(is_ready.clone(), shared.clone()));
        let told = serve::Told { shared: shared.clone(), ready: is_ready };
        if answers == Answers::AtPorts {
            tasks.spawn(serve::run(told.clone()));
        }
        let inspect: taps::Inspect = {
            let (shared, name) = (shared.clone(), tapped.clone());
            Arc::new(move || inspect::inspect(&shared, &name))
        };
        let tells: taps::Tells = Arc::new(move |path: &str| serve::tell(path, &told));
        let tells = taps::Asked { inspect, tells };
        tasks.spawn(taps::serve(tap_socket, tapped, shared.outlets.clone(), tells, shared.shutdown.clone()));
        Ok(Self { shared, crew, tasks, own: alone })
    }

    /// Runs until `shutdown` is done or something fails; what is open then has so much time to end, if the configuration
    /// does not say otherwise.
    pub(crate) async fn run(mut self, shutdown: impl Future<Output = ()>, time: Duration) -> Result<(), Error> {
        let Self { shared, crew, tasks, own } = &mut self;
        let ended = tokio::select! {
            () = shutdown => Ok(()),
            () = shared.shutdown.cancelled() => Err(Error::Link("a worker could not start".into())),
            Some(ended) = tasks.join_next() => ended.unwrap_or_else(|error| Err(Error::Link(error.to_string()))),
        };
        let said = farewell(&shared.snapshot.load(), own.as_deref());
        drain(shared, crew, said.unwrap_or(time)).await;
        shared.shutdown.cancel();
        shared.certificates.close();
        while tasks.join_next().await.is_some() {}
        crew.join();
        shared.access_log.flush(LAST_WORDS);
        shared.outlets.log.close(LAST_WORDS);
        ended
    }
}

/// Has as many workers as the configuration says, else `usual` ones.
async fn staff(
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    supply: Supply,
    usual: usize,
    own: Option<Arc<Own>>,
) -> Result<(), Error> {
    let mut changed = shared.changed.subscribe();
    let mut there = usual;
    loop {
        changed.mark_unchanged();
        let wanted = threads(&shared.snapshot.load(), usual, own.as_deref());
        if wanted != there {
            match crew.resize(wanted, &shared, &supply) {
                Ok(()) => tracing::info!(workers = wanted, before = there, "as many workers as the configuration says"),
                Err(error) => {
                    tracing::error!(%error, workers = wanted, "not as many workers as the configuration says");
                }
            }
            there = wanted;
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = shared.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// What is said of how long open connections have when the proxy ends.
fn farewell(program: &Program, own: Option<&Own>) -> Option<Duration> {
    match own.and_then(|own| own.among(program)) {
        Some(own) => proxy_defaults(program, own).farewell,
        None => program.traffic().defaults.proxies.farewell,
    }
}

/// How many workers there are to be.
fn threads(program: &Program, usual: usize, own: Option<&Own>) -> usize {
    let said = match own {
        // Until it is known, nothing is said of it.
        Some(own) => own.among(program).and_then(|own| concurrency(program, Some(own))),
        None => concurrency(program, None),
    };
    match said {
        None => usual,
        Some(0) => available_parallelism().map_or(usual, usize::from),
        Some(said) => usize::try_from(said).unwrap_or(MOST).min(MOST),
    }
}

/// Once the proxy is ready, and a moment later when it knows its workloads, it needs no longer what starting took; nor,
/// after that, what it took to get ready for further ones.
async fn slim_down(mut ready: watch::Receiver<bool>, shared: Arc<Shared>) -> Result<(), Error> {
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
async fn drain(shared: &Shared, crew: &Crew, time: Duration) {
    shared.draining.cancel();
    let end = Instant::now() + time;
    while crew.open() > 0 && Instant::now() < end {
        sleep(DRAIN_LOOK).await;
    }
    if crew.open() > 0 {
        tracing::info!(open = crew.open(), after = ?time, "connections that did not end in time are cut");
    }
}

/// Believes the mesh's own roots as they change.
async fn follow_roots(shared: Arc<Shared>) -> Result<(), Error> {
    tokio::select! {
        () = shared.certificates.follow_roots() => {}
        () = shared.shutdown.cancelled() => return Ok(()),
    }
    // Its line to the control plane is closed: there will be no others.
    shared.shutdown.cancelled().await;
    Ok(())
}

/// Applies each commit; a commit that cannot be read is rejected as a whole.
async fn follow(
    mut updates: Updates,
    shared: Arc<Shared>,
    level: LevelHandle,
    mut before: impl FnMut(&Shared, &Program, &[ResourceChange]) -> Result<(), DecodeError>,
) -> Result<(), Error> {
    loop {
        let commit = tokio::select! {
            commit = updates.next() => commit,
            () = shared.shutdown.cancelled() => return Ok(()),
        };
        let Some(commit) = commit else { return Ok(()) };
        let next = snapshot_changes(&commit.resources).and_then(|changes| {
            let next = shared.snapshot.load().with(commit.version, changes);
            before(&shared, &next, &commit.resources).map(|()| Arc::new(next))
        });
        match next {
            Ok(next) => {
                level.set(next.mesh().log_level.as_str());
                // Whoever is let in by then is judged by the new configuration, or by none that knows its trust domain.
                shared.certificates.follow(next.mesh());
                let before = shared.snapshot.swap(next.clone());
                shared.changed.send_replace(commit.version);
                // Those who listen hear why before what is open ends.
                shared.inventory.cut_off(&before, &next);
                tracing::debug!(version = commit.version, from_disk = commit.from_disk, "configuration applied");
            }
            Err(error) => {
                tracing::error!(%error, version = commit.version, "configuration rejected; the last good one stays");
                commit.reject(&error.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests;
