//! Tells the user what is worth knowing: deaths, and when the mesh has settled.

use std::collections::HashMap;

use tokio::sync::watch;

use crate::{
    board::{Entry, Key, Phase},
    context::World,
    discovery::Wishes,
    handover::Event,
};

/// Runs for as long as it is not dropped.
pub(crate) async fn run(world: World, mut wishes: watch::Receiver<Wishes>) {
    let mut board = world.board.subscribe();
    let mut told = HashMap::new();
    let mut settled = false;
    loop {
        board.mark_unchanged();
        let entries = world.board.all();
        for (key, entry) in &entries {
            let before = told.insert(key.clone(), entry.restarts).unwrap_or(0);
            // A crash loop is told at its 1st, 2nd, 4th, 8th … round.
            if entry.restarts > before
                && entry.restarts.is_power_of_two()
                && matches!(entry.phase, Phase::Backoff { .. })
            {
                world.tell(Event::Died { name: key.to_string(), reason: reason(entry) }).await;
            }
        }
        told.retain(|key, _| entries.iter().any(|(other, _)| other == key));
        let settlement = if settled { None } else { settlement(&wishes.borrow_and_update(), &entries) };
        if let Some(event) = settlement {
            settled = true;
            world.tell(event).await;
        }
        let changed = tokio::select! {
            changed = board.changed() => changed,
            changed = wishes.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

fn reason(entry: &Entry) -> String {
    match (&entry.error, entry.phase) {
        (Some(error), _) => error.clone(),
        (None, Phase::Backoff { exit: Some(exit) }) => format!("ended with {exit}"),
        _ => "ended".to_string(),
    }
}

/// The state of the mesh, once everything that was declared runs and is ready, or failed.
fn settlement(wishes: &Wishes, entries: &[(Key, Entry)]) -> Option<Event> {
    if wishes.version == 0 {
        return None;
    }
    let wanted: usize = wishes.processes.values().map(|process| process.replicas as usize).sum();
    let of_process = |entry: &&(Key, Entry)| {
        let (Key::Workload(namespace, _), Some(workload)) = (&entry.0, &entry.1.workload) else { return false };
        wishes.processes.contains_key(format!("{namespace}/{}", workload.process).as_str())
    };
    let workloads: Vec<&Entry> = entries.iter().filter(of_process).map(|(_, entry)| entry).collect();
    let roles = || entries.iter().filter(|(key, _)| matches!(key, Key::Role(_)));
    let all_roles = roles().filter(|(key, _)| !key.is_sidecar()).count() == 1 + 2 * wishes.nodes.len();
    // A sidecar that does not come keeps its own workload from being ready, and nobody else.
    let roles_run = roles()
        .filter(|(key, _)| !key.is_sidecar())
        .all(|(_, entry)| matches!(entry.phase, Phase::Running { .. } | Phase::Stopped));
    let decided = |entry: &&Entry| {
        let fails = entry.restarts >= 3 || entry.stuck;
        entry.ready || fails || matches!(entry.phase, Phase::Exited { .. } | Phase::Stopped)
    };
    let complete = workloads.len() == wanted && workloads.iter().all(decided);
    (all_roles && roles_run && complete).then(|| Event::Settled {
        nodes: wishes.nodes.len(),
        workloads: wanted,
        ready: workloads.iter().filter(|entry| entry.ready).count(),
    })
}

#[cfg(test)]
mod tests;
