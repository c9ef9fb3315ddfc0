//! What runs: the one place where the supervisor's tasks write it down, and from which the admin
//! API and the report to the control plane read it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ripstop_model::{ContainerPort, Labels, ProcessKind};
use tokio::sync::watch;

use crate::{
    ipam::Addresses,
    logs::Log,
    roles::{NODE, SIDECAR, sidecar_name},
    run_protocol::Exit,
    unit::Controls,
};

/// Name of a role or workload.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// `control`, `agent-<node>`, `node-<node>`, `sidecar-<namespace>.<instance>`.
    Role(Arc<str>),
    /// Namespace and instance.
    Workload(Arc<str>, Arc<str>),
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between lives that somebody asked for, or waiting for its node.
    Pending,
    /// It runs.
    Running {
        /// Its process, in the mesh's world.
        pid: i32,
    },
    /// It ended, or could not be started, and will be started again.
    Backoff {
        /// How it ended.
        exit: Option<Exit>,
    },
    /// It ended and stays down by its policy.
    Exited {
        /// How it ended.
        exit: Exit,
    },
    /// Somebody stopped it.
    Stopped,
}

/// What is written about one role or workload.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its node; the control plane has none.
    pub(crate) node: Option<Arc<str>>,
    /// What it does.
    pub(crate) phase: Phase,
    /// How it ended the last time.
    pub(crate) last_exit: Option<Exit>,
    /// How often it was started again.
    pub(crate) restarts: u32,
    /// Whether it takes traffic.
    pub(crate) ready: bool,
    /// It is about to end: nothing makes this life ready again.
    pub(crate) retiring: bool,
    /// When it came into its phase, milliseconds since the epoch.
    pub(crate) since_ms: u64,
    /// Why it could not be started, or has not been yet.
    pub(crate) error: Option<String>,
    /// It has waited for its start for a while, and nobody knows how much longer it will.
    pub(crate) stuck: bool,
    /// Its log.
    pub(crate) log: Arc<Log>,
    /// Its controls; nothing while it is being made.
    pub(crate) controls: Option<Controls>,
    /// More about workloads.
    pub(crate) workload: Option<WorkloadEntry>,
}

/// What is written about a workload beyond its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkloadEntry {
    /// Whether it is a proxy of the mesh itself.
    pub(crate) kind: ProcessKind,
    /// Name of the `Process`, or of the `run`.
    pub(crate) process: Arc<str>,
    /// Group that it is a member of.
    pub(crate) group: Option<Arc<str>>,
    /// Service account.
    pub(crate) service_account: Arc<str>,
    /// Addresses; nothing while it waits for its node.
    pub(crate) addresses: Option<Addresses>,
    /// Labels.
    pub(crate) labels: Labels,
    /// Ports.
    pub(crate) ports: Vec<ContainerPort>,
    /// Ready as soon as it runs.
    pub(crate) probed: Probed,
}

/// Who says that a workload is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probed {
    /// Its readiness probe.
    ByProbe,
    /// Nobody: it is ready as soon as it runs.
    No,
}

/// Nobody counts on one that has waited for so long to be started.
pub(crate) const STUCK: Duration = Duration::from_secs(15);

/// Everything that runs; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    entries: Arc<Mutex<BTreeMap<Key, Entry>>>,
    changed: watch::Sender<u64>,
}

// === impl Key ===

impl Key {
    pub(crate) fn role(name: impl Into<Arc<str>>) -> Self {
        Self::Role(name.into())
    }

    /// Whether it is the proxy of a workload.
    pub(crate) fn is_sidecar(&self) -> bool {
        matches!(self, Self::Role(name) if name.starts_with(SIDECAR))
    }

    pub(crate) fn workload(namespace: impl Into<Arc<str>>, instance: impl Into<Arc<str>>) -> Self {
        Self::Workload(namespace.into(), instance.into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(name) => f.write_str(name),
            Self::Workload(namespace, instance) => write!(f, "{namespace}/{instance}"),
        }
    }
}

// === impl Phase ===

impl Phase {
    /// Its process, if it has one.
    pub(crate) fn pid(self) -> Option<i32> {
        match self {
            Self::Running { pid } => Some(pid),
            _ => None,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Running { .. } => f.write_str("running"),
            Self::Backoff { .. } => f.write_str("backoff"),
            Self::Exited { exit: Exit::Code(code) } => write!(f, "exited({code})"),
            Self::Exited { exit: Exit::Signal(signal) } => write!(f, "exited({})", 128 + signal),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

// === impl Entry ===

impl Entry {
    /// Whether it is a gateway or waypoint.
    pub(crate) fn is_proxy(&self) -> bool {
        self.workload.as_ref().is_some_and(|workload| workload.kind != ProcessKind::Command)
    }

    /// An entry of something that does not run yet.
    pub(crate) fn new(node: Option<Arc<str>>, log: Arc<Log>, workload: Option<WorkloadEntry>) -> Self {
        Self {
            node,
            phase: Phase::Pending,
            last_exit: None,
            restarts: 0,
            ready: false,
            retiring: false,
            since_ms: now_ms(),
            error: None,
            stuck: false,
            log,
            controls: None,
            workload,
        }
    }

    /// Whether somebody stopped it.
    pub(crate) fn stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    fn ready_when_running(&self) -> bool {
        self.workload.as_ref().is_none_or(|workload| workload.probed == Probed::No)
    }
}

// === impl Board ===

impl Board {
    pub(crate) fn new() -> Self {
        Self { entries: Arc::default(), changed: watch::Sender::new(0) }
    }

    /// Tells about changes from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Adds or replaces an entry.
    pub(crate) fn insert(&self, key: Key, entry: Entry) {
        self.lock().insert(key, entry);
        self.bump();
    }

    /// Removes an entry.
    pub(crate) fn remove(&self, key: &Key) {
        if self.lock().remove(key).is_some() {
            self.bump();
        }
    }

    /// Changes an entry in place.
    pub(crate) fn update(&self, key: &Key, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.lock().get_mut(key) {
            change(entry);
        }
        self.bump();
    }

    /// A process came into another phase.
    pub(crate) fn phase(&self, key: &Key, phase: Phase, restarts: u32) {
        self.update(key, |entry| {
            entry.ready = matches!(phase, Phase::Running { .. }) && entry.ready_when_running();
            entry.retiring = false;
            if let Phase::Backoff { exit: Some(exit) } | Phase::Exited { exit } = phase {
                entry.last_exit = Some(exit);
            }
            entry.phase = phase;
            entry.restarts = restarts;
            entry.since_ms = now_ms();
            entry.error = None;
            entry.stuck = false;
        });
    }

    /// A process could not be started.
    pub(crate) fn failed(&self, key: &Key, restarts: u32, error: &str) {
        self.phase(key, Phase::Backoff { exit: None }, restarts);
        self.update(key, |entry| entry.error = Some(error.to_string()));
    }

    /// A process has waited so long to be started, and still does; says whether that was not known before.
    pub(crate) fn waits(&self, key: &Key, why: &str, waited: Duration) -> bool {
        let stuck = waited >= STUCK;
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(key) else { return false };
        let is_first = entry.error.is_none();
        if entry.error.as_deref() == Some(why) && entry.stuck == stuck {
            return false;
        }
        entry.error = Some(why.to_owned());
        entry.stuck = stuck;
        let log = entry.log.clone();
        drop(entries);
        if is_first {
            // Whoever looks why nothing runs looks there first.
            log.append(format!("ripstop: {why}\n").as_bytes());
        }
        self.bump();
        is_first
    }

    /// A probe says whether a workload takes traffic.
    pub(crate) fn ready(&self, key: &Key, pid: i32, ready: bool) {
        let mut entries = self.lock();
        // The life that was probed may be over.
        let Some(entry) = entries.get_mut(key).filter(|entry| entry.phase.pid() == Some(pid)) else { return };
        if entry.ready != ready && !entry.retiring {
            entry.ready = ready;
            drop(entries);
            self.bump();
        }
    }

    /// It is about to end: no new traffic.
    pub(crate) fn unready(&self, key: &Key) {
        self.update(key, |entry| {
            entry.ready = false;
            entry.retiring = true;
        });
    }

    /// The entry of `key`.
    pub(crate) fn get(&self, key: &Key) -> Option<Entry> {
        self.lock().get(key).cloned()
    }

    /// All entries, roles first, in order of their names.
    pub(crate) fn all(&self) -> Vec<(Key, Entry)> {
        self.lock().iter().map(|(key, entry)| (key.clone(), entry.clone())).collect()
    }

    /// Namespaces and names of the gateways and waypoints that there are.
    pub(crate) fn gateways(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let entries = self.lock();
        let found = entries.iter().filter_map(|(key, entry)| match key {
            Key::Workload(namespace, name) if entry.is_proxy() => Some((namespace.clone(), name.clone())),
            _ => None,
        });
        found.collect()
    }

    /// Namespaces and names of the workloads that have a sidecar.
    pub(crate) fn sidecars(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let entries = self.lock();
        let is_one = |namespace: &str, name: &str| entries.contains_key(&Key::role(sidecar_name(namespace, name)));
        let found = entries.keys().filter_map(|key| match key {
            Key::Workload(namespace, name) if is_one(namespace, name) => Some((namespace.clone(), name.clone())),
            _ => None,
        });
        found.collect()
    }

    /// Whose proxy a process is that runs on `node`: `node`, or namespace and name of the workload that it alone serves.
    pub(crate) fn proxy(&self, node: &str, pid: u32) -> Option<String> {
        let pid = i32::try_from(pid).ok()?;
        let entries = self.lock();
        let is_it = |entry: &Entry| entry.node.as_deref() == Some(node) && entry.phase.pid() == Some(pid);
        entries.iter().filter(|(_, entry)| is_it(entry)).find_map(|(key, _)| match key {
            Key::Role(name) if name.strip_prefix(NODE) == Some(node) => Some("node".to_owned()),
            Key::Role(name) => {
                let (namespace, instance) = name.strip_prefix(SIDECAR)?.split_once('.')?;
                Some(format!("{namespace}/{instance}"))
            }
            Key::Workload(..) => None,
        })
    }

    fn bump(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
