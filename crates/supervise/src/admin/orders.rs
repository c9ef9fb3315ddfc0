//! Start, stop, restart and signal: orders to units, and what became of them.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    Failure, Outcome,
    names::{self, Meant},
    status,
};
use crate::{
    board::{Entry, Key, Phase},
    context::World,
    unit::Command,
    web,
};

/// Whom an order is for, see [`names`]; a process' name stands for all its instances.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Order {
    #[serde(default)]
    namespace: Option<String>,
    name: String,
    /// For `signal`; 9 if none is given.
    #[serde(default)]
    signal: Option<i32>,
}

/// How long the effect of an order is waited for.
const DEADLINE: Duration = Duration::from_secs(10);

pub(super) async fn start(world: &World, order: Order) -> Outcome {
    give(world, &order, || Command::Start, |_, now| matches!(now.phase, Phase::Running { .. } | Phase::Exited { .. }))
        .await
}

pub(super) async fn stop(world: &World, order: Order) -> Outcome {
    give(world, &order, || Command::Stop, |_, now| now.stopped()).await
}

pub(super) async fn restart(world: &World, order: Order) -> Outcome {
    let again = |before: &Entry, now: &Entry| now.phase.pid().is_some_and(|pid| before.phase.pid() != Some(pid));
    give(world, &order, || Command::Restart, again).await
}

/// Sends a signal without waiting for what it does.
pub(super) fn signal(world: &World, order: &Order) -> Outcome {
    let number = order.signal.unwrap_or(9);
    let targets = find(world, order)?;
    for (key, entry) in &targets {
        let ordered = entry.controls.as_ref().is_some_and(|controls| controls.order(Command::Signal(number)));
        if !ordered {
            return Err(unavailable(key));
        }
    }
    let names: Vec<_> = targets.iter().map(|(key, _)| key.to_string()).collect();
    Ok(web::json(StatusCode::OK, &json!({ "signalled": names })))
}

async fn give(
    world: &World,
    order: &Order,
    command: impl Fn() -> Command,
    reached: impl Fn(&Entry, &Entry) -> bool,
) -> Outcome {
    let targets = find(world, order)?;
    let mut board = world.board.subscribe();
    for (key, entry) in &targets {
        let ordered = entry.controls.as_ref().is_some_and(|controls| controls.order(command()));
        if !ordered {
            return Err(unavailable(key));
        }
    }
    let settled = async {
        loop {
            board.mark_unchanged();
            let done = |(key, before): &(Key, Entry)| world.board.get(key).is_none_or(|now| reached(before, &now));
            if targets.iter().all(done) || board.changed().await.is_err() {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(DEADLINE, settled).await.is_ok();
    let now: Vec<_> =
        targets.iter().filter_map(|(key, _)| Some(status::process(key, &world.board.get(key)?))).collect();
    let code = if in_time { StatusCode::OK } else { StatusCode::GATEWAY_TIMEOUT };
    // The first one also by itself: most orders are for one.
    let mut answer = now.first().cloned().unwrap_or_else(|| json!({}));
    answer["processes"] = json!(now);
    if !in_time {
        answer["error"] = json!(format!("no effect within {} s", DEADLINE.as_secs()));
    }
    Ok(web::json(code, &answer))
}

/// The entries that an order is for; at least one.
fn find(world: &World, order: &Order) -> Result<Vec<(Key, Entry)>, Failure> {
    match names::find(&world.board.all(), order.namespace.as_deref(), &order.name)? {
        Meant::Entries(entries) => Ok(entries),
        Meant::Part(part) => {
            let message = format!("{part} takes no orders: it starts and ends with the mesh (`ripstop up`)");
            Err(Failure(StatusCode::CONFLICT, message))
        }
    }
}

fn unavailable(key: &Key) -> Failure {
    Failure(
        StatusCode::CONFLICT,
        format!("{key} takes no orders now: it waits for its node, ends, or belongs to a `ripstop run`"),
    )
}
