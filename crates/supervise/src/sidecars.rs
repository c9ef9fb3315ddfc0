//! Proxies of single workloads: started for each that asks for one, and ended when it is gone, or when it asks no more and
//! its proxy has finished what it had.
//!
//! Who serves a workload is for the agent of its node to say. A sidecar that is wanted no more goes on until the agent has
//! given the workload to another proxy and the last of its connections has ended; then it ends by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ripstop_model::RestartPolicy;
use ripstop_wire::sidecar::Sidecar;
use tokio::{
    fs,
    sync::watch,
    task::{JoinError, JoinSet},
    time::Instant,
};

use crate::{
    Error, Result,
    board::{Board, Key, Phase},
    context::World,
    discovery::Wishes,
    roles::Role,
    state::{make_private_dir, write_atomic},
};

/// Sidecars by the uid of their workload, as they are wanted.
pub(crate) type Wanted = BTreeMap<Arc<str>, Sidecar>;

/// The sidecars that there are.
#[derive(Debug, Default)]
pub(crate) struct Sidecars {
    up: BTreeMap<Key, (Sidecar, Role)>,
    ending: JoinSet<Key>,
    /// Whose ends these are: a name is used by one at a time.
    leaving: BTreeSet<Key>,
}

/// What is to become of a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its workload is there and asks for it.
    Serves,
    /// Its workload asks for it no more: it finishes what it has.
    Finishes,
    /// Nothing is left for it to do.
    Ends,
}

/// Where it is written whose what a sidecar keeps is: the account of its workload.
const ACCOUNT: &str = "account";
/// How long a sidecar may take to end whose workload is gone, and all when everything ends.
const END: Duration = Duration::from_millis(1500);
/// What sidecars of former lives kept is looked through after this.
const TIDY: Duration = Duration::from_secs(30);

// === impl Sidecars ===

impl Sidecars {
    /// Follows what is wanted until everything is to end, and then gives what is up.
    pub(crate) async fn run(world: World, mut wishes: watch::Receiver<Wishes>) -> Self {
        let mut sidecars = Self::default();
        let mut board = world.board.subscribe();
        let mut nodes = world.nodes.subscribe();
        // Once: by then workloads of a former life are there again.
        let tidying = tokio::time::sleep(TIDY);
        tokio::pin!(tidying);
        let mut tidied = false;
        loop {
            board.mark_unchanged();
            nodes.mark_unchanged();
            let wanted = wishes.borrow_and_update().sidecars.clone();
            world.sidecars.send_if_modified(|now| {
                let changed = *now != wanted;
                now.clone_from(&wanted);
                changed
            });
            sidecars.apply(&world, &wanted);
            tokio::select! {
                changed = wishes.changed() => if changed.is_err() { return sidecars },
                changed = board.changed() => if changed.is_err() { return sidecars },
                changed = nodes.changed() => if changed.is_err() { return sidecars },
                // What it is called may be wanted again meanwhile.
                Some(ended) = sidecars.ending.join_next() => sidecars.ended(ended),
                () = &mut tidying, if !tidied => {
                    // Who is wanted is known with what there is on disk, if not yet.
                    tidied = wishes.borrow().version > 0;
                    if tidied {
                        tokio::task::block_in_place(|| sidecars.tidy(&world, &wanted));
                    } else {
                        tidying.as_mut().reset(Instant::now() + TIDY);
                    }
                }
                () = world.closed() => return sidecars,
            }
        }
    }

    /// Ends them all. What they know stays on disk, so that the next ones serve without the control plane.
    pub(crate) async fn end(mut self, world: &World) {
        let all = std::mem::take(&mut self.up).into_values().map(|(_, role)| role.end(world, END));
        futures_util::future::join_all(all).await;
        while self.ending.join_next().await.is_some() {}
    }

    /// Its name is free.
    fn ended(&mut self, ended: Result<Key, JoinError>) {
        match ended {
            Ok(key) => {
                self.leaving.remove(&key);
            }
            // Whose it was is not known any more; those that still end are waited for by their names' next users.
            Err(error) => {
                tracing::error!(%error, "the end of a sidecar failed");
                if self.ending.is_empty() {
                    self.leaving.clear();
                }
            }
        }
    }

    /// Removes what sidecars of former lives kept that nobody wants any more: keys.
    fn tidy(&self, world: &World, wanted: &Wanted) {
        let all = wanted.values().chain(self.up.values().map(|(sidecar, _)| sidecar));
        let kept: BTreeSet<PathBuf> =
            all.map(|sidecar| world.paths.sidecar(&sidecar.namespace, &sidecar.name)).collect();
        let Ok(entries) = std::fs::read_dir(world.paths.sidecars()) else { return };
        for state in entries.flatten().map(|entry| entry.path()).filter(|path| !kept.contains(path)) {
            if let Err(error) = std::fs::remove_dir_all(&state) {
                tracing::warn!(%error, state = %state.display(), "what a sidecar kept could not be removed");
            }
        }
    }

    fn apply(&mut self, world: &World, wanted: &Wanted) {
        let wanted: BTreeMap<Key, &Sidecar> = wanted
            .values()
            .map(|sidecar| (Key::workload(sidecar.namespace.clone(), sidecar.name.clone()), sidecar))
            .collect();
        let mut over = Vec::new();
        for (key, (sidecar, role)) in &self.up {
            match fate(&world.board, key, sidecar, wanted.get(key).copied(), role.key()) {
                Fate::Serves => {
                    role.when_it_ends(RestartPolicy::Always);
                    // It ended by itself while it was not wanted.
                    if matches!(phase(&world.board, role.key()), Some(Phase::Exited { .. })) {
                        role.wake();
                    }
                }
                Fate::Finishes => role.when_it_ends(RestartPolicy::Never),
                Fate::Ends => over.push(key.clone()),
            }
        }
        for key in over {
            if let Some((sidecar, role)) = self.up.remove(&key) {
                self.leaving.insert(key.clone());
                self.ending.spawn(end(world.clone(), key, sidecar, role));
            }
        }
        for (key, sidecar) in wanted {
            // Whoever waits for a name comes when the one before has ended. Others do not wait.
            if self.up.contains_key(&key) || self.leaving.contains(&key) || !lives(&world.board, &key, sidecar) {
                continue;
            }
            let node = world.fabric().node(&sidecar.node);
            let Some(node) = node.filter(|_| world.nodes.borrow().contains(&sidecar.node)) else { continue };
            if let Err(error) = keep_for_account(world, &key, sidecar) {
                tracing::error!(workload = %key, %error, "its sidecar is not started: there is what belongs to another account");
                continue;
            }
            tracing::info!(workload = %key, node = %sidecar.node, "a sidecar is started");
            let role = Role::sidecar(world, node, (&sidecar.namespace, &sidecar.name));
            self.up.insert(key, (sidecar.clone(), role));
        }
    }
}

async fn end(world: World, key: Key, sidecar: Sidecar, role: Role) -> Key {
    role.end(&world, END).await;
    tracing::info!(workload = %key, "a sidecar has ended");
    // Names of instances come again, with other accounts perhaps; keys are no longer of use either.
    let state = world.paths.sidecar(&sidecar.namespace, &sidecar.name);
    if let Err(error) = fs::remove_dir_all(&state).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(workload = %key, %error, state = %state.display(), "what a sidecar kept could not be removed");
    }
    key
}

/// Has the sidecar of a workload begin with nothing of one whose workload had another account: names of instances come again.
fn keep_for_account(world: &World, key: &Key, sidecar: &Sidecar) -> Result<()> {
    let workload = world.board.get(key).and_then(|entry| entry.workload);
    let account = workload.map(|workload| workload.service_account).unwrap_or_default();
    keep_for(&world.paths.sidecar(&sidecar.namespace, &sidecar.name), &account)
}

/// Removes what is kept in `state` unless it is of that account: its keys, and the configuration that names it.
fn keep_for(state: &Path, account: &str) -> Result<()> {
    let file = state.join(ACCOUNT);
    if std::fs::read_to_string(&file).is_ok_and(|kept| kept == account) {
        return Ok(());
    }
    match std::fs::remove_dir_all(state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::file("remove", state)(error)),
        _ => {}
    }
    make_private_dir(state)?;
    write_atomic(&file, account.as_bytes())
}

fn fate(board: &Board, key: &Key, sidecar: &Sidecar, wanted: Option<&Sidecar>, role: &Key) -> Fate {
    if !lives(board, key, sidecar) {
        return Fate::Ends;
    }
    if wanted == Some(sidecar) {
        return Fate::Serves;
    }
    match phase(board, role) {
        Some(Phase::Running { .. } | Phase::Pending) => Fate::Finishes,
        // It finished, or nobody would start it again.
        _ => Fate::Ends,
    }
}

/// Whether the workload of a sidecar has a network on its node.
fn lives(board: &Board, key: &Key, sidecar: &Sidecar) -> bool {
    let entry = board.get(key).filter(|entry| entry.node.as_deref() == Some(&*sidecar.node));
    entry.and_then(|entry| entry.workload).is_some_and(|workload| workload.addresses.is_some())
}

fn phase(board: &Board, key: &Key) -> Option<Phase> {
    board.get(key).map(|entry| entry.phase)
}

#[cfg(test)]
mod tests;
