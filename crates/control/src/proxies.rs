//! Every client of discovery: what it was sent, what it acknowledged, and that
//! it was here before.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ripstop_model::SpiffeId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    Error, disk,
    keeper::Keeper,
    peer::{Component, Role},
};

/// Proxies remembered; of the disconnected ones those not seen for the longest time go first.
const LIMIT: usize = 16_384;
/// Longest text of a NACK that is kept.
const NACK_LIMIT: usize = 4096;
/// A sidecar that has acknowledged nothing for so long is waited for by nobody.
pub(crate) const LATE: Duration = Duration::from_millis(500);

/// The book of all proxies, connected or not.
pub(crate) struct Proxies {
    book: Mutex<BTreeMap<SpiffeId, Proxy>>,
    next: AtomicU64,
    keeper: Keeper,
    /// Fires when somebody acknowledged a commit, or went away.
    moved: watch::Sender<()>,
}

/// One proxy, as `status` shows it.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) component: Component,
    /// Number of its newest connection; nothing: it is STALE.
    pub(crate) connection: Option<u64>,
    /// Since when it is connected, or when it was seen last; milliseconds since the epoch.
    pub(crate) since: u64,
    /// Version of the last commit sent to it.
    pub(crate) sent: u64,
    /// Version of the last commit it acknowledged.
    pub(crate) acked: u64,
    /// Why it refused the last thing that it refused, until it acknowledges a commit.
    pub(crate) nack: Option<String>,
    /// Since when it has acknowledged nothing of what it was sent, or nothing at all; nothing: it has all.
    pub(crate) behind: Option<Instant>,
}

/// One connection of a proxy; its end is noted when this is dropped.
pub(crate) struct Connection {
    proxies: Arc<Proxies>,
    id: SpiffeId,
    number: u64,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    id: String,
    seen: u64,
    acked: u64,
}

// === impl Proxies ===

impl Proxies {
    /// Reads who was here before. A damaged book is told and forgotten: it is for display only.
    pub(crate) fn open(path: &Path, keeper: Keeper) -> Result<Arc<Self>, Error> {
        let remembered: Vec<Remembered> = match disk::read(path).map_err(Error::state("read", path))? {
            None => Vec::new(),
            Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "the list of known proxies is damaged; status forgets the disconnected ones");
                Vec::new()
            }),
        };
        let mut book = BTreeMap::new();
        for Remembered { id, seen, acked } in remembered {
            let Some(component) = id.parse().ok().as_ref().and_then(Component::from_id) else { continue };
            let id = component.id.clone();
            book.insert(
                id,
                Proxy { component, connection: None, since: seen, sent: acked, acked, nack: None, behind: None },
            );
        }
        Ok(Arc::new(Self { book: Mutex::new(book), next: AtomicU64::new(1), keeper, moved: watch::Sender::default() }))
    }

    /// A proxy opened a discovery stream. Its newest stream is the one that counts.
    pub(crate) fn connected(self: &Arc<Self>, component: &Component) -> Connection {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut book = self.lock();
        let entry = book.entry(component.id.clone()).or_insert_with(|| Proxy {
            component: component.clone(),
            connection: None,
            since: 0,
            sent: 0,
            acked: 0,
            nack: None,
            behind: None,
        });
        entry.connection = Some(number);
        entry.since = now_ms();
        entry.nack = None;
        // It has its time to ask for something, too.
        entry.behind = Some(Instant::now());
        if book.len() > LIMIT {
            let oldest = book.iter().filter(|(_, p)| p.connection.is_none()).min_by_key(|(_, p)| p.since);
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                book.remove(&id);
            }
        }
        self.remember(&book);
        Connection { proxies: self.clone(), id: component.id.clone(), number }
    }

    /// All proxies, in order of their id.
    pub(crate) fn list(&self) -> Vec<Proxy> {
        self.lock().values().cloned().collect()
    }

    /// Forgets those disconnected nodes, agents and gateways for which `exists` says no.
    pub(crate) fn forget(&self, exists: impl Fn(&Component) -> bool) {
        let mut book = self.lock();
        let before = book.len();
        book.retain(|_, proxy| {
            proxy.connection.is_some() || proxy.component.role == Role::Supervisor || exists(&proxy.component)
        });
        if book.len() != before {
            self.remember(&book);
        }
    }

    /// Tells when somebody acknowledged a commit, or went away.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    /// Whether all connected proxies and agents acknowledged `version` or a later one. The proxy of a single workload is in
    /// the hands of that, and keeps nobody else waiting that it has not answered for a while.
    pub(crate) fn have(&self, version: u64) -> bool {
        self.have_at(version, Instant::now())
    }

    fn have_at(&self, version: u64, now: Instant) -> bool {
        let is_late = |proxy: &Proxy| {
            proxy.component.role == Role::Sidecar
                && proxy.behind.is_some_and(|since| now.saturating_duration_since(since) >= LATE)
        };
        let counts =
            |proxy: &&Proxy| proxy.connection.is_some() && proxy.component.role != Role::Supervisor && !is_late(proxy);
        self.lock().values().filter(counts).all(|proxy| proxy.acked >= version)
    }

    /// Whether the agent of `node` is connected and acknowledged `version` or a later one.
    pub(crate) fn agent_has(&self, node: &str, version: u64) -> bool {
        let is_agent = |proxy: &Proxy| proxy.component.role == Role::Agent && *proxy.component.name == *node;
        self.lock().values().any(|proxy| is_agent(proxy) && proxy.connection.is_some() && proxy.acked >= version)
    }

    /// The highest version that the agent of `node` acknowledged.
    pub(crate) fn agent_acked(&self, node: &str) -> u64 {
        let agent = |proxy: &&Proxy| proxy.component.role == Role::Agent && *proxy.component.name == *node;
        self.lock().values().find(agent).map_or(0, |proxy| proxy.acked)
    }

    fn remember(&self, book: &BTreeMap<SpiffeId, Proxy>) {
        let remembered: Vec<_> = book
            .values()
            .map(|proxy| Remembered {
                id: proxy.component.id.as_str().to_owned(),
                seen: proxy.since,
                acked: proxy.acked,
            })
            .collect();
        self.keeper.keep(move || serde_json::to_vec(&remembered).unwrap_or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SpiffeId, Proxy>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Connection ===

impl Connection {
    /// The commit of `version` was the last one to be sent; said again and again.
    pub(crate) fn sent(&self, version: u64) {
        self.update(|proxy| {
            proxy.sent = version;
            // What it has, nobody waits for.
            if version > proxy.acked {
                proxy.behind.get_or_insert_with(Instant::now);
            }
        });
    }

    /// The proxy has the commit of `version` in force.
    pub(crate) fn acked(&self, version: u64) {
        self.update(|proxy| {
            proxy.acked = version;
            proxy.nack = None;
            proxy.behind = (version < proxy.sent).then(Instant::now);
        });
        self.proxies.moved.send_replace(());
    }

    /// The proxy refused something.
    pub(crate) fn nacked(&self, reason: &str) {
        self.update(|proxy| proxy.nack = Some(reason.chars().take(NACK_LIMIT).collect()));
    }

    fn update(&self, change: impl FnOnce(&mut Proxy)) {
        if let Some(proxy) = self.proxies.lock().get_mut(&self.id)
            && proxy.connection == Some(self.number)
        {
            change(proxy);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut book = self.proxies.lock();
        if let Some(proxy) = book.get_mut(&self.id)
            && proxy.connection == Some(self.number)
        {
            proxy.connection = None;
            proxy.since = now_ms();
            self.proxies.remember(&book);
        }
        drop(book);
        self.proxies.moved.send_replace(());
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
