//! The control plane of the mesh.
//!
//! [`Control`] (or [`run`] at once) watches a directory of configuration, learns
//! from supervisors and agents what runs and what is captured, compiles both into
//! one snapshot, and sends each connected part what its role needs: delta
//! discovery in which every push ends with a commit, so that an acknowledgement
//! speaks of a version as a whole. It is the certificate authority, admits new
//! parts by one-time tokens, and answers the admin socket and `/metrics`.
//!
//! It never touches the network of workloads, and nothing on the data path waits
//! for it: all its clients go on with their last good state while it is away.

mod admin;
mod analysis;
mod audit;
mod bundles;
mod certificates;
mod compiled;
mod discovery;
mod disk;
mod error;
mod fences;
mod fixed;
mod history;
mod join;
mod keeper;
mod metrics;
mod metrics_server;
mod outside;
mod own_certificate;
mod peer;
mod pipeline;
mod plane;
mod proxies;
mod published;
mod registry;
mod reports;
mod server;
mod services;
mod session_key;
mod tokens;
mod version;
mod world;

use std::{
    future::Future,
    net::SocketAddr,
    os::fd::RawFd,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use ripstop_identity::CertificateAuthority;
use ripstop_net::{NetNs, scm::own_descriptor};
use ripstop_store::DirectoryStore;
use ripstop_telemetry::logging::LevelHandle;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    audit::Audit, bundles::Bundles, compiled::Compiled, fixed::Fixed, history::History, keeper::Keeper,
    metrics::Metrics, outside::Outside, pipeline::Pipeline, plane::Plane, proxies::Proxies, registry::Registry,
    services::Services, tokens::Tokens, version::Versions,
};
pub use crate::{error::Error, fixed::CODES};

/// Where a control plane finds and puts things.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// Directory of configuration.
    pub dir: PathBuf,
    /// Directory of everything that outlives the process; made if it is not there (0700).
    pub state: PathBuf,
    /// Where gRPC over TLS is served.
    pub listen: SocketAddr,
    /// Where `/metrics` and `/healthz/ready` are served, in plain HTTP.
    pub metrics: SocketAddr,
    /// Unix socket of the admin API.
    pub admin: PathBuf,
    /// Descriptor of a `SOCK_SEQPACKET` socket to the broker, by which it reaches places outside of the mesh; without one it
    /// does so from where it is.
    pub broker_fd: Option<RawFd>,
}

/// A control plane whose sockets are bound, ready to serve.
pub struct Control {
    plane: Arc<Plane>,
    pipeline: Pipeline,
    listener: TcpListener,
    metrics: TcpListener,
    admin: UnixListener,
    /// Inode of the own network namespace, the only one that administers the mesh.
    namespace: u64,
    /// Tasks that write last good states; they end after everything else.
    keepers: TaskTracker,
    keepers_stop: CancellationToken,
    svid: ripstop_identity::Svid,
    tls: watch::Sender<Arc<rustls::ServerConfig>>,
    outside: Outside,
}

/// Runs a control plane until `shutdown` is ready. Configuration that is wrong does not end it;
/// a state directory or a socket that cannot be used does, before anything is served. Its logs
/// follow the mesh's level.
pub async fn run(config: ControlConfig, level: LevelHandle, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let control = Control::bind(config).await?;
    let following = follow_level(control.plane.clone(), level);
    tokio::join!(control.serve(shutdown), following);
    Ok(())
}

/// Sets the level that the mesh says now, and each later one, until the control plane stops.
async fn follow_level(plane: Arc<Plane>, level: LevelHandle) {
    let mut current = plane.current.subscribe();
    let mut set = None;
    loop {
        let wanted = current.borrow_and_update().snapshot.mesh().log_level;
        if set != Some(wanted) {
            level.set(wanted.as_str());
            set = Some(wanted);
        }
        tokio::select! {
            () = plane.stop.cancelled() => return,
            changed = current.changed() => if changed.is_err() { return },
        }
    }
}

impl Control {
    /// Reads the state, makes what is missing in it (among it `ca/root.pem`), makes the first commit
    /// and binds all sockets. Nothing is served yet.
    pub async fn bind(config: ControlConfig) -> Result<Self, Error> {
        let ControlConfig { dir, state, listen, metrics, admin, broker_fd } = config;
        let broker = broker_fd.map(own_descriptor).transpose().map_err(Error::Broker)?;
        let outside = Outside::by(broker).map_err(Error::Broker)?;
        let namespace = NetNs::current().map_err(Error::Namespace)?.inode();
        disk::make_directory(&state).map_err(Error::state("make", &state))?;
        let store = DirectoryStore::open(dir, state.join("store")).await?;
        let fixed = Fixed::open(&store.snapshot(), &state)?;
        let authority = CertificateAuthority::load_or_create(&state.join("ca"), &fixed.trust_domain)?;
        let (svid, tls) = own_certificate::make(&authority)?;

        let (keepers, keepers_stop) = (TaskTracker::new(), CancellationToken::new());
        let keeper = |path: &PathBuf| Keeper::start(path.clone(), &keepers, keepers_stop.clone());
        let (instances, captures) = (state.join("instances.pb"), state.join("captures.pb"));
        let (proxies, bundles) = (state.join("proxies.json"), state.join("bundles.json"));
        let plane = Arc::new(Plane {
            trust_domain: fixed.trust_domain.clone(),
            registry: Registry::open(&instances, &captures, keeper(&instances), keeper(&captures))?,
            proxies: Proxies::open(&proxies, keeper(&proxies))?,
            bundles: Arc::new(Bundles::open(&bundles, keeper(&bundles))?),
            history: History::default(),
            metrics: Metrics::default(),
            audit: Audit::open(&state.join("audit.log"))?,
            tokens: Mutex::new(Tokens::open(state.join("tokens.json"))?),
            current: watch::Sender::default(),
            analysis: watch::Sender::default(),
            fenced: AtomicBool::new(false),
            stop: CancellationToken::new(),
            authority,
            store,
        });
        let root_expiry = plane::seconds(plane.authority.root_not_after());
        plane.metrics.root_expiry.store(root_expiry, Relaxed);
        let versions = Versions::open(state.join("version"))?;
        let assigned = state.join("assigned");
        let session_key = session_key::open(&state.join("session.key"))?;
        let compiled = Compiled::open(fixed, session_key, &assigned, keeper(&assigned), plane.bundles.clone())?;
        let pipeline = Pipeline::new(plane.clone(), versions, compiled).start().await?;

        Ok(Self {
            listener: bind(listen, "discovery, joining and certificates").await?,
            metrics: bind(metrics, "metrics").await?,
            admin: admin::bind(&admin)?,
            tls: watch::Sender::new(tls),
            plane,
            pipeline,
            namespace,
            keepers,
            keepers_stop,
            svid,
            outside,
        })
    }

    /// The address of gRPC over TLS, with the port that was really bound.
    pub fn listen_address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// The address of `/metrics`, with the port that was really bound.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.local_addr().ok()
    }

    /// Serves until `shutdown` is ready, then ends every connection and task and saves what is kept.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { plane, pipeline, listener, metrics, admin, namespace, keepers, keepers_stop, svid, tls, outside } =
            self;
        tracing::info!(
            listen = ?listener.local_addr().ok(),
            metrics = ?metrics.local_addr().ok(),
            version = plane.published().version,
            trust_domain = %plane.trust_domain,
            "control plane serves"
        );
        let stop = plane.stop.clone();
        let tasks = TaskTracker::new();
        tasks.spawn(server::serve(listener, tls.subscribe(), Services::new(&plane), stop.clone()));
        tasks.spawn(own_certificate::keep_fresh(plane.clone(), svid, tls, stop.clone()));
        tasks.spawn(metrics_server::serve(metrics, plane.clone(), stop.clone()));
        tasks.spawn(admin::serve(admin, plane.clone(), namespace, stop.clone()));
        tasks.spawn(pipeline.run(stop.clone()));
        tasks.spawn(analysis::run(plane.clone(), stop.clone()));
        tasks.spawn(bundles::run(plane.clone(), outside, stop.clone()));
        tasks.close();
        tokio::select! {
            () = shutdown => tracing::info!("control plane stops"),
            () = tasks.wait() => {}
        }
        stop.cancel();
        tasks.wait().await;
        keepers_stop.cancel();
        keepers.close();
        keepers.wait().await;
    }
}

async fn bind(address: SocketAddr, purpose: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, purpose, source })
}

#[cfg(test)]
mod tests;
