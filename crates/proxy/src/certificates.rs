//! Certificates of the workloads that this proxy speaks for.

mod trust;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use ripstop_identity::{
    Anchors, Bundles, ClientAuth, Svid, SvidStore, client_config, edge_config, new_csr, server_config,
};
use ripstop_model::{MeshConfig, SpiffeId, TrustDomain};
use ripstop_xds::Link;
use rustls::{ClientConfig, ServerConfig, server::danger::ClientCertVerifier};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use self::trust::Trust;
use crate::error::Error;

/// The only protocol of a tunnel.
const ALPN: &[&[u8]] = &[b"h2"];
/// Client configurations kept for one identity; beyond that all are made anew.
const CLIENTS: usize = 1024;
/// Longest time between two looks at the clock.
const STEP: Duration = Duration::from_secs(600);
/// Waits between failed requests, doubling.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Keeps a certificate for each identity in use, renewed at half its life, on disk for the next
/// start.
#[derive(Debug)]
pub struct Certificates {
    link: Link,
    store: Arc<SvidStore>,
    trust: Arc<ArcSwap<Trust>>,
    /// Fires when [`Self::trust`] has changed.
    believed: watch::Sender<()>,
    /// Whoever changes [`Self::trust`] does so alone.
    changing: Mutex<()>,
    held: Mutex<HashMap<SpiffeId, Held>>,
}

/// Keeps an identity in use.
#[derive(Debug)]
pub struct Use {
    certificates: Arc<Certificates>,
    id: SpiffeId,
}

#[derive(Debug)]
struct Held {
    credential: Arc<watch::Sender<Option<Arc<Credential>>>>,
    users: usize,
    renewal: JoinHandle<()>,
}

/// One certificate and the TLS configurations made of it. Made once, used by all connections.
#[derive(Debug)]
pub struct Credential {
    svid: Arc<Svid>,
    trusted: Bundles,
    /// Differs between certificates of one identity: tunnels of an old one take no new streams.
    pub generation: u64,
    server: Arc<ServerConfig>,
    clients: Mutex<HashMap<Box<[SpiffeId]>, Arc<ClientConfig>>>,
}

// === impl Certificates ===

impl Certificates {
    /// Certificates kept in `directory`, renewed through `link`.
    pub fn open(directory: &Path, link: Link) -> Result<Self, Error> {
        let store = SvidStore::open(directory).map_err(|error| Error::Link(error.to_string()))?;
        let now = SystemTime::now();
        for svid in store.load_all().into_iter().filter(|svid| svid.is_expired(now)) {
            if let Err(error) = store.remove(&svid.id) {
                tracing::warn!(%error, id = %svid.id, "an expired key could not be removed");
            }
        }
        let trust = Arc::new(ArcSwap::from_pointee(Trust::new(link.roots(), Anchors::default())));
        Ok(Self {
            link,
            store: Arc::new(store),
            trust,
            believed: watch::channel(()).0,
            changing: Mutex::default(),
            held: Mutex::default(),
        })
    }

    /// Believes those whom the mesh's settings say, from now on: in handshakes that begin, and of who has something open
    /// ([`Self::believed_changes`]).
    pub fn follow(&self, mesh: &MeshConfig) {
        self.change(|trust| trust.by(mesh));
    }

    /// Believes the mesh's own roots as they change.
    pub async fn follow_roots(&self) {
        let mut roots = self.link.roots_changes();
        loop {
            let now = roots.borrow_and_update().clone();
            self.change(|trust| trust.with(&now));
            if roots.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whom somebody of `domain` believes now.
    pub fn believed(&self, domain: &TrustDomain) -> Bundles {
        self.trust.load().of(domain)
    }

    /// Changes whenever [`Self::believed`] does.
    pub fn believed_changes(&self) -> watch::Receiver<()> {
        self.believed.subscribe()
    }

    /// What is read for that is read once, and while nobody waits: handshakes go on with what there is.
    fn change(&self, next: impl FnOnce(&Trust) -> Option<Trust>) {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(trust) = next(&self.trust.load()).map(Arc::new) else { return };
        self.trust.store(trust.clone());
        // Those that come from now on are made by the new one.
        let held: Vec<_> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.values().map(|held| held.credential.clone()).collect()
        };
        for credential in held {
            credential.send_if_modified(|credential| {
                let Some(before) = credential else { return false };
                *credential = Some(Arc::new(Credential::new(before.svid.clone(), &trust)));
                true
            });
        }
        self.believed.send_replace(());
    }

    /// The certificate of `id`, if it is there, in use and valid.
    pub fn get(&self, id: &SpiffeId) -> Option<Arc<Credential>> {
        let credential = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.credential.borrow().clone();
        credential.filter(|credential| !credential.svid.is_expired(SystemTime::now()))
    }

    /// Uses `id` until the result is dropped, and waits until its certificate is there.
    pub async fn acquire(self: &Arc<Self>, id: &SpiffeId, deadline: Duration) -> Result<Use, Error> {
        let (in_use, mut credential) = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let held = held.entry(id.clone()).or_insert_with(|| self.hold(id));
            held.users += 1;
            (Use { certificates: self.clone(), id: id.clone() }, held.credential.subscribe())
        };
        match tokio::time::timeout(deadline, credential.wait_for(Option::is_some)).await {
            Ok(Ok(_)) => Ok(in_use),
            _ => Err(Error::NoCertificate(id.clone())),
        }
    }

    /// One user of `id` less; the last one ends its renewal. The key stays on disk: the next workload
    /// of that account may come while the control plane is away.
    fn release(&self, id: &SpiffeId) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = held.get_mut(id) else { return };
        entry.users = entry.users.saturating_sub(1);
        if entry.users == 0
            && let Some(entry) = held.remove(id)
        {
            entry.renewal.abort();
        }
    }

    /// The identities in use, with the times of their certificates, milliseconds since the epoch. No key.
    pub fn inspect(&self, millis: impl Fn(SystemTime) -> u64) -> Value {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<(String, Value)> = held
            .iter()
            .map(|(id, held)| {
                let credential = held.credential.borrow().clone();
                let svid = credential.as_ref().map(|credential| &credential.svid);
                let row = json!({
                    "identity": id.to_string(),
                    "not_after_ms": svid.map(|svid| millis(svid.not_after())),
                    "renewed_at_ms": svid.map(|svid| millis(svid.renew_at())),
                    "generation": credential.as_ref().map(|credential| credential.generation),
                    "users": held.users,
                });
                (id.to_string(), row)
            })
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Ends all renewals.
    pub fn close(&self) {
        for (_, held) in self.held.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            held.renewal.abort();
        }
    }

    fn hold(&self, id: &SpiffeId) -> Held {
        let stored = self.store.load(id).filter(|svid| !svid.is_expired(SystemTime::now()));
        let trust = self.trust.load();
        let first = stored.map(|svid| Arc::new(Credential::new(Arc::new(svid), &trust)));
        let credential = Arc::new(watch::Sender::new(first));
        let (link, store, trust) = (self.link.clone(), self.store.clone(), self.trust.clone());
        let renewal = tokio::spawn(renew(id.clone(), link, store, trust, credential.clone()));
        Held { credential, users: 0, renewal }
    }
}

// === impl Use ===

impl Drop for Use {
    fn drop(&mut self) {
        self.certificates.release(&self.id);
    }
}

// === impl Credential ===

impl Credential {
    fn new(svid: Arc<Svid>, trust: &Trust) -> Self {
        // One count for the whole process: an identity that left and came back is newer, too.
        static GENERATION: AtomicU64 = AtomicU64::new(0);
        let generation = GENERATION.fetch_add(1, Relaxed);
        let trusted = trust.of(&svid.id.trust_domain());
        let server = server_config(&svid, &trusted, ClientAuth::Required, ALPN);
        Self { svid, trusted, generation, server, clients: Mutex::default() }
    }

    /// The identity.
    pub fn id(&self) -> &SpiffeId {
        &self.svid.id
    }

    /// Whom its connections believe.
    pub fn trusted(&self) -> &Bundles {
        &self.trusted
    }

    /// For tunnels to the workload.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// For clients of the mesh that come to the workload, a gateway, by TLS alone; what verifies them is passed through
    /// `narrowed`.
    pub fn edge<E>(
        &self,
        alpn: &[&[u8]],
        narrowed: impl FnOnce(Arc<dyn ClientCertVerifier>) -> Result<Arc<dyn ClientCertVerifier>, E>,
    ) -> Result<Arc<ServerConfig>, E> {
        edge_config(&self.svid, &self.trusted, alpn, narrowed)
    }

    /// For tunnels from the workload to a peer that has to prove one of `expected`.
    pub fn client(&self, expected: &[SpiffeId]) -> Arc<ClientConfig> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = clients.get(expected) {
            return config.clone();
        }
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        let config = client_config(&self.svid, &self.trusted, expected.to_vec(), ALPN);
        clients.insert(expected.into(), config.clone());
        config
    }
}

/// Keeps the certificate of `id` fresh until it is aborted.
async fn renew(
    id: SpiffeId,
    link: Link,
    store: Arc<SvidStore>,
    trust: Arc<ArcSwap<Trust>>,
    changes: Arc<watch::Sender<Option<Arc<Credential>>>>,
) {
    let mut retry = FIRST_RETRY;
    loop {
        let due = changes.borrow().as_ref().map(|credential| credential.svid.renew_at());
        // In steps: a machine that slept wakes up to find the certificate older than the timer knows.
        while let Some(wait) = due.and_then(|due| due.duration_since(SystemTime::now()).ok()) {
            sleep(wait.min(STEP)).await;
        }
        match request(&id, &link).await {
            Ok(svid) => {
                if let Err(error) = store.save(&svid) {
                    tracing::warn!(%error, %id, "a certificate could not be kept on disk: a restart will need the control plane");
                }
                retry = FIRST_RETRY;
                tracing::info!(%id, "certificate issued");
                let svid = Arc::new(svid);
                // Under the lock of the channel: whoever changes what is believed meanwhile changes this one after that.
                changes.send_modify(|credential| {
                    *credential = Some(Arc::new(Credential::new(svid, &trust.load())));
                });
            }
            Err(error) => {
                let valid = changes.borrow().as_ref().is_some_and(|held| !held.svid.is_expired(SystemTime::now()));
                if !valid && changes.borrow().is_some() {
                    tracing::error!(%id, "the certificate has expired and could not be renewed");
                    changes.send_replace(None);
                }
                tracing::warn!(%error, %id, retry_in = ?retry, "no certificate was issued");
                sleep(retry).await;
                retry = (retry * 2).min(LAST_RETRY);
            }
        }
    }
}

async fn request(id: &SpiffeId, link: &Link) -> Result<Svid, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Link(error.to_string());
    let (key, csr) = new_csr().map_err(|error| failed(&error))?;
    let chain = link.sign(&csr, id).await.map_err(|error| failed(&error))?;
    Svid::new(&chain.chain_pem, key).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests;
