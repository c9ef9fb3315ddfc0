//! A waypoint: the engine for requests in front of services, as a process of its own.
//!
//! Nodes, and gateways that are told to, pass it what is called at services that name it, by HBONE and with the address of
//! the service. It judges that by the policies that are attached to the service, to itself or to the class of waypoints,
//! with its caller's identity, routes it, and calls others in its own name.

mod entry;
mod lately;
mod shares;
mod stream;

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use ripstop_decide::HBONE_PORT;
use ripstop_model::SpiffeId;
use ripstop_telemetry::logging::LevelHandle;
use ripstop_tunnel::{IncomingStream, Seldom};
use ripstop_wire::type_url;
use ripstop_xds::{LinkConfig, Role};
use tokio::{net::TcpStream, sync::watch, time::sleep};

pub use self::entry::Inside;
#[cfg(test)]
pub use self::entry::TUNNELS_OF_ONE;
use self::{entry::Entry, lately::Lately, shares::Shares, stream::Tunnel};
use crate::{
    backends::Backends,
    error::Error,
    gateway::listen,
    inbound::{Welcome, welcome},
    listeners::Listeners,
    local::LocalWorkload,
    own::Own,
    process::{Answers, Process, Start},
    secrets::Secrets,
    sockets::Supply,
    worker::{Context, Crew, Shared},
};

/// How long open connections may go on after the waypoint was told to end: less than its supervisor waits.
const DRAIN: Duration = Duration::from_secs(4);
/// Pause before a port that could not be had is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Where a waypoint finds what it needs.
#[derive(Clone, Debug)]
pub struct WaypointConfig {
    /// Its namespace.
    pub namespace: String,
    /// Name of the instance.
    pub name: String,
    /// Directory for credentials, keys and the last good configuration.
    pub state: PathBuf,
    /// Directory of which rules may name no file; `state` is below it, or it is that.
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
}

/// What all tunnels to a waypoint share.
#[derive(Debug, Default)]
pub struct Crossings {
    /// What it stood in front of until lately.
    lately: Lately,
    /// Places for tunnels.
    pub entry: Entry,
    /// Who has how many of its places for what they carry.
    shares: Arc<Shares<SpiffeId>>,
    /// Who waits how often for the waypoint to know what it is called for.
    waiting: Arc<Shares<SpiffeId>>,
    /// All who do.
    all_waiting: Arc<Shares<()>>,
    /// Who may ask for nothing, and how often is told so in answers to requests.
    refused: Arc<Shares<SpiffeId>>,
    /// All who are.
    all_refused: Arc<Shares<()>>,
}

/// Runs a waypoint until `shutdown` is done.
pub async fn run(config: WaypointConfig, level: LevelHandle, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let link = LinkConfig {
        control: config.control,
        role: Role::Waypoint,
        name: format!("{}.{}", config.namespace, config.name),
        state: config.state.clone(),
        root_cert: config.root_cert.clone(),
        token_file: config.token_file.clone(),
        types: type_url::FOR_PROXIES.into_iter().chain([type_url::CREDENTIAL]).collect(),
    };
    let (ready, is_ready) = watch::channel(false);
    let own = Arc::new(Own::new(config.namespace, config.name));
    let secrets = Arc::new(Secrets::default());
    let start = Start {
        link,
        state: &config.state,
        backends: Backends::of_waypoint(&config.private, config.dns, secrets.clone()),
        workers: config.workers,
        own: Some(own.clone()),
        supply: Supply::Own { control: config.control.ip(), gate: config.egress },
        tapped: own.name().into(),
        level,
        is_ready,
        answers: Answers::AtPorts,
    };
    let followed = own.clone();
    let mut process = Process::start(start, move |shared, program, resources| {
        secrets.follow(resources)?;
        // Before it is in force: whoever does not find something there any more knows that it was.
        if let Some(own) = followed.among(program) {
            shared.crossings.lately.follow(own, program);
        }
        Ok(())
    })
    .await?;
    process.tasks.spawn(open(own, process.shared.clone(), process.crew.clone(), ready));
    process.run(shutdown, DRAIN).await
}

/// Waits for the waypoint's own identity, then takes tunnels until the proxy ends.
async fn open(own: Arc<Own>, shared: Arc<Shared>, crew: Arc<Crew>, ready: watch::Sender<bool>) -> Result<(), Error> {
    let Some((workload, _certificate)) = own.prepared(&shared).await? else { return Ok(()) };
    let listener = loop {
        match listen(HBONE_PORT) {
            Ok(listener) => break listener,
            Err(error) => tracing::warn!(%error, port = HBONE_PORT, "cannot listen; it is tried again"),
        }
        tokio::select! {
            () = sleep(RETRY) => {}
            () = shared.shutdown.cancelled() => return Ok(()),
        }
    };
    tracing::info!(port = HBONE_PORT, "listener opened");
    let listeners = Listeners::of_waypoint(workload.clone(), shared.draining.child_token(), listener);
    shared.inventory.note(&listeners);
    crew.listen(listeners).await;
    ready.send_replace(true);
    // What is open has its time to end.
    shared.shutdown.cancelled().await;
    workload.gone.cancel();
    Ok(())
}

/// Serves one tunnel, with all its streams.
pub async fn serve(context: Rc<Context>, workload: Arc<LocalWorkload>, stream: TcpStream, caller: SocketAddr) {
    let welcomed = welcome(&context, &workload, stream, caller).await;
    let Some(Welcome { accepted, peer, local, .. }) = welcomed else { return };
    let shutdown = context.shared.draining.clone();
    let tunnel = Tunnel { context, workload, caller, local };
    let handler = move |incoming: IncomingStream| {
        let tunnel = tunnel.clone();
        async move {
            let gone = tunnel.workload.gone.clone();
            let load = tunnel.context.load();
            let gone = pin!(Seldom::new(gone.cancelled()));
            tokio::select! {
                biased;
                () = tunnel.carry(incoming) => {}
                () = gone => {}
            }
            drop(load);
        }
    };
    if let Err(error) = accepted.serve(peer, handler, shutdown.cancelled_owned()).await {
        tracing::debug!(%error, %caller, "a tunnel ended");
    }
}
