//! Connections from the host to gateways, inside the world: which ports the host is to open, and who gets what comes.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use ripstop_model::ProcessKind;
use ripstop_net::FdChannel;
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use crate::{
    board::{Entry, Key},
    context::World,
    discovery::Wishes,
    entrance::{Came, Opening},
    handover::ToOuter,
    processes::Wanted,
};

/// Lines to the gateways that run.
#[derive(Debug)]
pub(crate) struct Ingress {
    lines: Mutex<BTreeMap<Key, Arc<FdChannel>>>,
    /// Which of several gateways gets the next connection.
    turn: AtomicUsize,
    places: Arc<Semaphore>,
}

/// Connections that wait for a gateway at most: further ones are closed.
const WAITING: usize = 256;
/// How long a connection waits for a gateway that starts.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells the host which ports to open, for as long as it is not dropped.
pub(crate) async fn run(world: World, mut wishes: watch::Receiver<Wishes>) {
    let mut told: Option<Vec<Opening>> = None;
    loop {
        let openings = openings(&wishes.borrow_and_update().processes);
        if told.as_ref() != Some(&openings) && (told.is_some() || !openings.is_empty()) {
            world.send(&ToOuter::Ingress(openings.clone())).await;
            told = Some(openings);
        }
        if wishes.changed().await.is_err() {
            return;
        }
    }
}

/// Hands a connection to a gateway of its process, which may be about to start.
pub(crate) async fn pass(world: World, came: Came, connection: OwnedFd) {
    let Ok(_place) = world.ingress.places.clone().try_acquire_owned() else {
        return tracing::warn!(limit = WAITING, "too many connections wait for gateways: a new one is closed");
    };
    let waiting = async {
        let mut board = world.board.subscribe();
        loop {
            board.mark_unchanged();
            let candidates = ready(&world.board.all(), &came.gateway);
            if let Some((key, line)) = world.ingress.choose(&candidates) {
                let told = json!({ "port": came.port, "peer": came.peer }).to_string();
                match line.send(told.as_bytes(), &[connection.as_fd()]).await {
                    Ok(()) => return,
                    // It ended at this moment.
                    Err(error) => {
                        tracing::debug!(gateway = %key, %error, "a gateway took no connection");
                        world.ingress.forget(&key, &line);
                    }
                }
                continue;
            }
            if board.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        tracing::warn!(
            gateway = came.gateway,
            port = came.port,
            "no gateway is ready: a connection of the host is closed"
        );
    }
}

// === impl Ingress ===

impl Ingress {
    pub(crate) fn new() -> Self {
        Self { lines: Mutex::default(), turn: AtomicUsize::new(0), places: Arc::new(Semaphore::new(WAITING)) }
    }

    /// A gateway was started anew.
    pub(crate) fn connect(&self, key: Key, line: FdChannel) {
        self.lock().insert(key, Arc::new(line));
    }

    /// A gateway is gone.
    pub(crate) fn disconnect(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn choose(&self, candidates: &[Key]) -> Option<(Key, Arc<FdChannel>)> {
        let lines = self.lock();
        let open: Vec<_> = candidates.iter().filter_map(|key| Some((key, lines.get(key)?))).collect();
        let (key, line) = open.get(self.turn.fetch_add(1, Relaxed) % open.len().max(1))?;
        Some(((*key).clone(), Arc::clone(line)))
    }

    fn forget(&self, key: &Key, line: &Arc<FdChannel>) {
        let mut lines = self.lock();
        if lines.get(key).is_some_and(|now| Arc::ptr_eq(now, line)) {
            lines.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<FdChannel>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the host is to open: each port for the first process that listens there.
fn openings(processes: &Wanted) -> Vec<Opening> {
    let mut openings: BTreeMap<u16, Opening> = BTreeMap::new();
    for (name, process) in processes.iter().filter(|(_, process)| process.kind == ProcessKind::Gateway) {
        for port in &process.ports {
            let protocol = port.name.split('-').next().unwrap_or_default().to_owned();
            let opening = Opening { port: port.port, gateway: name.to_string(), protocol };
            if let Some(first) = openings.get(&port.port) {
                tracing::warn!(port = port.port, gateway = %name, first = first.gateway, "a port of the host leads to one gateway only");
            } else {
                openings.insert(port.port, opening);
            }
        }
    }
    openings.into_values().collect()
}

/// Instances of the process `<namespace>/<name>` that take traffic.
fn ready(entries: &[(Key, Entry)], gateway: &str) -> Vec<Key> {
    let is_ready = |(key, entry): &&(Key, Entry)| {
        let (Key::Workload(namespace, _), Some(workload)) = (key, &entry.workload) else { return false };
        entry.ready && gateway.split_once('/') == Some((namespace, &workload.process))
    };
    entries.iter().filter(is_ready).map(|(key, _)| key.clone()).collect()
}

#[cfg(test)]
mod tests;
