//! A gateway: the engine for requests at the edge of the mesh, as a process of its own.
//!
//! It listens where `Gateway` objects say that select its labels, in its own namespace, and takes connections that
//! whoever started it accepts for it ([`handed`]). It ends TLS with what `Secret`s hold, judges requests by the policies
//! that select it, routes them, and calls others in its own name: by HBONE where they are in the mesh.

mod connection;
mod credentials;
mod doors;
mod drain;
mod handed;
mod relay;
mod terminate;

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    os::fd::{OwnedFd, RawFd},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use ripstop_decide::Program;
use ripstop_model::{Workload, WorkloadUid};
use ripstop_net::FdChannel;
use ripstop_telemetry::{AccessLog, Registry, logging::LevelHandle};
use ripstop_wire::type_url;
use ripstop_xds::{Link, LinkConfig, Role};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::{connection::serve, doors::Door, terminate::Terminators};
use self::{credentials::Credentials, doors::Doors};
use crate::{
    backends::Backends,
    certificates::Certificates,
    error::Error,
    local::LocalWorkload,
    node::{drain, follow, slim_down},
    serve as metrics,
    sight::{Outlets, taps},
    sockets::Supply,
    worker::{Crew, Shared},
};

/// How long open connections may go on after the gateway was told to end: less than its supervisor waits.
const DRAIN: Duration = Duration::from_secs(4);
/// Pause before a certificate that did not come is asked for again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a gateway finds what it needs.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Its namespace.
    pub namespace: String,
    /// Name of the instance.
    pub name: String,
    /// Directory for credentials, keys and the last good configuration.
    pub state: PathBuf,
    /// Address of the control plane.
    pub control: SocketAddr,
    /// File with the root certificate that the control plane has to chain to.
    pub root_cert: PathBuf,
    /// File with a one-time token; needed only without credentials.
    pub token_file: PathBuf,
    /// Threads that carry traffic, at least 1.
    pub workers: usize,
    /// The mesh's DNS; nothing: the machine's.
    pub dns: Option<IpAddr>,
    /// Descriptor that connections come by, which were accepted elsewhere.
    pub handover: Option<RawFd>,
}

/// The workload that the gateway is.
#[derive(Debug)]
pub struct Own {
    namespace: String,
    name: String,
    uid: OnceLock<WorkloadUid>,
}

/// Runs a gateway until `shutdown` is done.
pub async fn run(config: GatewayConfig, level: LevelHandle, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let link = LinkConfig {
        control: config.control,
        role: Role::Gateway,
        name: format!("{}.{}", config.namespace, config.name),
        state: config.state.clone(),
        root_cert: config.root_cert.clone(),
        token_file: config.token_file.clone(),
        types: type_url::FOR_PROXIES.into_iter().chain([type_url::CREDENTIAL]).collect(),
    };
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| Error::Io { what, source }
    };
    let handover =
        config.handover.map(own_descriptor).transpose().map_err(failed("taking over the line to the host"))?;
    let handover = handover.map(FdChannel::new).transpose().map_err(failed("opening the line to the host"))?;
    let (link, updates) = Link::start(link).await.map_err(|error| Error::Link(error.to_string()))?;
    let access_log = AccessLog::start(std::io::stdout()).map_err(failed("starting the access log"))?;
    let outlets = Outlets::start(std::io::stdout()).map_err(failed("starting the log of requests"))?;
    let shared = Arc::new(Shared {
        snapshot: ArcSwap::from_pointee(Program::default()),
        changed: watch::channel(0).0,
        certificates: Arc::new(Certificates::open(&config.state.join("svids"), link)?),
        backends: Backends::with_dns(&config.state, config.dns),
        access_log,
        outlets,
        registry: Registry::default(),
        draining: CancellationToken::new(),
        shutdown: CancellationToken::new(),
    });
    let tap_socket = taps::bind(&config.state)?;
    let supply = Supply::Own { control: config.control.ip() };
    let (crew, threads) = Crew::start(config.workers.max(1), &shared, &supply)?;
    let (ready, is_ready) = watch::channel(false);
    let own = Arc::new(Own { namespace: config.namespace, name: config.name, uid: OnceLock::new() });
    let terminators = Arc::new(Terminators::default());
    let mut tasks = JoinSet::new();
    let before = {
        let (own, terminators) = (own.clone(), terminators.clone());
        let mut held = Credentials::default();
        move |program: &Program, resources: &[_]| {
            held.follow(resources)?;
            if let Some(own) = own.among(program) {
                terminators.follow(program, own, &held);
            }
            Ok(())
        }
    };
    tasks.spawn(follow(updates, shared.clone(), level, before));
    tasks.spawn(slim_down(is_ready.clone(), shared.clone()));
    tasks.spawn(metrics::run(shared.clone(), is_ready));
    let tapped = own.name.as_str().into();
    tasks.spawn(taps::serve(tap_socket, tapped, shared.outlets.clone(), shared.shutdown.clone()));
    tasks.spawn(open(own, shared.clone(), crew.clone(), terminators, handover, ready));
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
    ended
}

/// Waits for the gateway's own identity, then keeps its listeners as the configuration has them.
async fn open(
    own: Arc<Own>,
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    terminators: Arc<Terminators>,
    handover: Option<FdChannel>,
    ready: watch::Sender<bool>,
) -> Result<(), Error> {
    let prepare = async {
        let workload = own.known(&shared).await?;
        let identity = workload.identity().map_err(|error| Error::Link(error.to_string()))?;
        let certificate = loop {
            match shared.certificates.acquire(&identity, PATIENCE).await {
                Ok(certificate) => break certificate,
                Err(error) => tracing::warn!(%error, "the gateway waits for its certificate"),
            }
        };
        Ok::<_, Error>((LocalWorkload::alone(workload.uid.clone()), certificate))
    };
    let (workload, _certificate) = tokio::select! {
        prepared = prepare => prepared?,
        () = shared.shutdown.cancelled() => return Ok(()),
    };
    let mut tasks = JoinSet::new();
    let doors = Doors::new(shared.clone(), crew.clone(), workload.clone(), terminators);
    if let Some(channel) = handover {
        tasks.spawn(handed::receive(channel, doors.open(), workload.clone(), crew));
    }
    doors.keep(ready).await;
    // What is open has its time to end.
    shared.shutdown.cancelled().await;
    workload.gone.cancel();
    tasks.shutdown().await;
    Ok(())
}

/// A descriptor that this process was started with.
fn own_descriptor(number: RawFd) -> std::io::Result<OwnedFd> {
    let myself = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(myself, number, PidfdGetfdFlags::empty())?)
}

// === impl Own ===

impl Own {
    /// What the configuration says of it.
    fn among<'p>(&self, program: &'p Program) -> Option<&'p Arc<Workload>> {
        if let Some(uid) = self.uid.get() {
            return program.workload(uid);
        }
        let found = program.workloads().find(|one| (&*one.namespace, &*one.name) == (&self.namespace, &self.name))?;
        // Whoever was first has found the same.
        let _ = self.uid.set(found.uid.clone());
        Some(found)
    }

    /// The same, once the configuration names it.
    async fn known(&self, shared: &Shared) -> Result<Arc<Workload>, Error> {
        let mut changed = shared.changed.subscribe();
        loop {
            if let Some(own) = self.among(&shared.snapshot.load()) {
                return Ok(own.clone());
            }
            if changed.changed().await.is_err() {
                return Err(Error::UnknownWorkload(self.name.as_str().into()));
            }
        }
    }
}
