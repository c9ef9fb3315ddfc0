//! The handle, and the task behind it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use ripstop_identity::{Roots, SvidStore};
use ripstop_model::SpiffeId;
use ripstop_wire::{delta::DeltaClient, ripstop::ReportRequest};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::AbortHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tonic::transport::Channel;

use crate::{
    Commit, Error, Updates,
    credentials::{self, SIGN_DEADLINE, read_roots},
    journal::{Journal, Saved},
    session::Session,
    updates::Answer,
};

/// Most requests for certificates at a time; further ones wait (ztunnel: 8).
const SIGNING: usize = 8;
/// How long to wait for the root certificate to appear.
const ROOT_DEADLINE: Duration = Duration::from_secs(10);
const ROOT_POLL: Duration = Duration::from_millis(50);
/// How long to wait for a new connection before a request for a certificate is tried again.
const UNAVAILABLE_PAUSE: Duration = Duration::from_millis(200);

/// A part's connection to its control plane. Cheap to clone; the connection ends with the last
/// clone.
#[derive(Clone, Debug)]
pub struct Link {
    shared: Arc<Shared>,
    _task: Arc<Task>,
}

/// What a link is to do.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Address of the control plane.
    pub control: SocketAddr,
    /// What we are.
    pub role: Role,
    /// Our name: that of the node, `default` for the supervisor, `<namespace>.<instance>` for a gateway.
    pub name: String,
    /// Directory of our own for credentials and the last good configuration; made if needed, 0700.
    pub state: PathBuf,
    /// Root certificate of the control plane, PEM. Its trust domain is ours.
    pub root_cert: PathBuf,
    /// One-time token; read when there are no valid credentials, removed after use.
    pub token_file: PathBuf,
    /// Types to subscribe to (`ripstop_wire::type_url`); commits need not be named.
    pub types: Vec<&'static str>,
}

/// A role that connects to the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Node proxy.
    Node,
    /// Privileged agent of a node.
    Agent,
    /// Supervisor of the mesh's processes.
    Supervisor,
    /// Gateway.
    Gateway,
    /// Waypoint.
    Waypoint,
    /// Proxy of one workload.
    Sidecar,
}

/// A certificate chain as it was issued.
#[derive(Clone, Debug)]
pub struct IssuedChain {
    /// Leaf first, then intermediates; PEM.
    pub chain_pem: String,
    /// The roots it leads to, which are [`Link::roots`] from now on.
    pub roots: Roots,
}

/// What handle and task share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: LinkConfig,
    /// Who we are.
    pub(crate) id: SpiffeId,
    /// Who the control plane is.
    pub(crate) server: SpiffeId,
    pub(crate) store: SvidStore,
    pub(crate) roots: watch::Sender<Roots>,
    pub(crate) channel: watch::Sender<Option<Channel>>,
    pub(crate) connected: watch::Sender<bool>,
    pub(crate) commits: watch::Sender<u64>,
    pub(crate) report: watch::Sender<Option<ReportRequest>>,
    signing: Semaphore,
}

/// Ends the task when the last handle goes.
#[derive(Debug)]
struct Task(AbortHandle);

// === impl Link ===

impl Link {
    /// Reads credentials and last good configuration from disk, then keeps joining and connecting for
    /// ever in a task of its own, with back-off from 10 ms, doubling to 1 s.
    ///
    /// Does not wait for the control plane. Only where it never ran is the root certificate waited
    /// for, at most 10 s.
    pub async fn start(config: LinkConfig) -> Result<(Self, Updates), Error> {
        let store = SvidStore::open(config.state.join("credentials"))?;
        let roots = match store.load_roots() {
            Some(roots) => roots,
            None => wait_for_roots(&config).await?,
        };
        let domain = roots.trust_domain().unwrap_or_default();
        let id = SpiffeId::component(&domain, config.role.as_str(), &config.name);
        let id = id.map_err(ripstop_identity::Error::from)?;
        let server = SpiffeId::component(&domain, "control", "default").map_err(ripstop_identity::Error::from)?;

        let path = config.state.join("committed");
        let (journal, saved) = Journal::open(path.clone()).map_err(|source| Error::State { path, source })?;
        let mut client = DeltaClient::new(id.as_str(), &config.types);
        let shared = Arc::new(Shared {
            id,
            server,
            roots: watch::Sender::new(roots),
            channel: watch::Sender::new(None),
            connected: watch::Sender::new(false),
            commits: watch::Sender::new(0),
            report: watch::Sender::new(None),
            signing: Semaphore::new(SIGNING),
            store,
            config,
        });

        let (sender, later) = mpsc::channel(1);
        let (mut first, mut answer) = (None, None);
        if let Some(Saved { version, mut resources }) = saved {
            resources.retain(|resource| shared.config.types.contains(&resource.type_url));
            client.restore(
                version,
                resources.iter().map(|held| (held.type_url, held.name.clone(), held.version.clone())),
            );
            let (given, awaited) = Answer::in_force(&shared.commits, version);
            first = Some(Commit { version, from_disk: true, resources, answer: given });
            answer = Some(awaited);
        }
        let session = Session::new(shared.clone(), client, journal, sender, answer);
        let task = tokio::spawn(session.run());
        Ok((Self { shared, _task: Arc::new(Task(task.abort_handle())) }, Updates { first, later }))
    }

    /// Our own identity.
    pub fn id(&self) -> &SpiffeId {
        &self.shared.id
    }

    /// The version in force: the last one whose commit was accepted, from disk or from the control
    /// plane; 0 before the first.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.shared.commits.subscribe()
    }

    /// Whether the discovery stream is open.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.shared.connected.subscribe()
    }

    /// The mesh's roots, as they are now.
    pub fn roots(&self) -> Roots {
        self.shared.roots.borrow().clone()
    }

    /// The mesh's roots and their changes.
    pub fn roots_changes(&self) -> watch::Receiver<Roots> {
        self.shared.roots.subscribe()
    }

    /// Has a certificate issued for a workload's identity and the key of the request (PEM). The
    /// identity in the answer is checked. Waits for a connection; 5 s in all.
    pub async fn sign(&self, csr_pem: &str, id: &SpiffeId) -> Result<IssuedChain, Error> {
        let late = || Error::Deadline { what: "asking for a certificate", seconds: SIGN_DEADLINE.as_secs() };
        let deadline = Instant::now() + SIGN_DEADLINE;
        timeout_at(deadline, self.sign_when_connected(csr_pem, id)).await.map_err(|_| late())?
    }

    /// Tells the control plane what runs or what is captured, now and after each reconnection. Only
    /// the newest report counts.
    pub fn report(&self, report: ReportRequest) {
        self.shared.report.send_replace(Some(report));
    }

    async fn sign_when_connected(&self, csr: &str, id: &SpiffeId) -> Result<IssuedChain, Error> {
        let Ok(_permit) = self.shared.signing.acquire().await else {
            return Err(Error::Ended);
        };
        let mut channels = self.shared.channel.subscribe();
        loop {
            let channel = match channels.wait_for(Option::is_some).await {
                Ok(channel) => channel.clone(),
                Err(_) => return Err(Error::Ended),
            };
            let Some(channel) = channel else { continue };
            channels.mark_unchanged();
            match credentials::issue(&self.shared, channel, csr, id, Some(id)).await {
                // The connection broke and the next one is on its way, or the control plane is not ready.
                Err(error) if error.is_about_connection() => {
                    let _ = timeout(UNAVAILABLE_PAUSE, channels.changed()).await;
                }
                outcome => return outcome,
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// === impl Role ===

impl Role {
    /// The role's part in its SPIFFE id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Gateway => "gateway",
            Self::Waypoint => "waypoint",
            Self::Sidecar => "sidecar",
        }
    }
}

async fn wait_for_roots(config: &LinkConfig) -> Result<Roots, Error> {
    let deadline = Instant::now() + ROOT_DEADLINE;
    loop {
        match read_roots(&config.root_cert) {
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => sleep(ROOT_POLL).await,
            found => return found,
        }
    }
}
