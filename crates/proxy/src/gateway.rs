//! A gateway: the engine for requests at the edge of the mesh, as a process of its own.
//!
//! It listens where `Gateway` objects say that select its labels, in its own namespace, and takes connections that
//! whoever started it accepts for it ([`handed`]). It ends TLS with what `Secret`s hold, judges requests by the policies
//! that select it, routes them, and calls others in its own name: by HBONE where they are in the mesh.

mod announced;
mod client_cert;
mod connection;
mod doors;
mod drain;
mod handed;
#[cfg(test)]
pub(crate) mod samples;
mod terminate;

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    os::fd::{OwnedFd, RawFd},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ripstop_decide::Program;
use ripstop_net::FdChannel;
use ripstop_telemetry::logging::LevelHandle;
use ripstop_wire::type_url;
use ripstop_xds::{LinkConfig, Role};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::{sync::watch, task::JoinSet};

use self::doors::Doors;
pub use self::{
    connection::{HANDSHAKE, serve},
    doors::{Door, Taker, listen},
    drain::{Entered, Manner, drain_time},
    terminate::{Position, Terminator, Terminators},
};
use crate::{
    backends::Backends,
    error::Error,
    own::Own,
    process::{Answers, Process, Start},
    secrets::Secrets,
    sockets::Supply,
    worker::{Crew, Shared},
};

/// How long open connections may go on after the gateway was told to end: less than its supervisor waits.
const DRAIN: Duration = Duration::from_secs(4);

/// Where a gateway finds what it needs.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Its namespace.
    pub namespace: String,
    /// Name of the instance.
    pub name: String,
    /// Directory for credentials, keys and the last good configuration.
    pub state: PathBuf,
    /// Directory of which rules and listeners may name no file; `state` is below it, or it is that.
    pub private: PathBuf,
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
    /// Where connections out of the mesh are asked for; nothing: it makes them itself.
    pub egress: Option<SocketAddr>,
    /// Descriptor that connections come by, which were accepted elsewhere.
    pub handover: Option<RawFd>,
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
    let (ready, is_ready) = watch::channel(false);
    let own = Arc::new(Own::new(config.namespace, config.name));
    let terminators = Arc::new(Terminators::new(&config.private));
    let secrets = Arc::new(Secrets::default());
    let before = {
        let (own, terminators, secrets) = (own.clone(), terminators.clone(), secrets.clone());
        move |_: &Shared, program: &Program, resources: &[_]| {
            secrets.follow(resources)?;
            if let Some(own) = own.among(program) {
                terminators.follow(program, own, &secrets.load());
            }
            Ok(())
        }
    };
    let start = Start {
        link,
        state: &config.state,
        backends: Backends::of_gateway(&config.private, config.dns, secrets),
        workers: config.workers,
        own: Some(own.clone()),
        supply: Supply::Own { control: config.control.ip(), gate: config.egress },
        tapped: own.name().into(),
        level,
        is_ready,
        answers: Answers::AtPorts,
    };
    let mut process = Process::start(start, before).await?;
    process.tasks.spawn(open(own, process.shared.clone(), process.crew.clone(), terminators, handover, ready));
    process.run(shutdown, DRAIN).await
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
    let Some((workload, _certificate)) = own.prepared(&shared).await? else { return Ok(()) };
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
