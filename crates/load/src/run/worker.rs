//! A thread that sends.

use std::{
    rc::Rc,
    sync::{Arc, Mutex},
};

use tokio::{
    runtime::Runtime,
    select,
    task::{JoinSet, LocalSet, yield_now},
};

use super::Common;
use crate::{
    client::{Line, User},
    shares::Shares,
    tally::Tally,
};

/// Turns in which connections that end may say so.
const LAST_TURNS: usize = 64;

/// The connections of `numbers`, and their users, until all have ended or are told to.
///
/// # Panics
/// If one of them does.
pub(super) fn work(
    runtime: &Runtime,
    common: &Arc<Common>,
    numbers: impl Iterator<Item = usize>,
    tallies: &Arc<[Mutex<Tally>]>,
) {
    let plan = &common.plan;
    LocalSet::new().block_on(runtime, async {
        let mut users = JoinSet::new();
        let mut lines = Vec::new();
        for number in numbers {
            let line = Rc::new(Line::new(plan, &common.names, number));
            for stream in 0..plan.streams.get() as usize {
                let index = stream * plan.connections.get() as usize + number;
                let shares = Shares::new(plan.targets.iter().map(|target| target.weight.get()), index);
                let mut user = User { line: line.clone(), shares, tallies: tallies.clone() };
                let common = common.clone();
                users.spawn_local(async move {
                    let prepared = user.prepare().await;
                    let schedule = common.gate.pass(&common.plan, prepared).await;
                    user.run(schedule).await;
                });
            }
            lines.push(line);
        }
        let all = async {
            while let Some(ended) = users.join_next().await {
                ended.expect("a user that panics is a mistake of ours");
            }
        };
        select! {
            () = all => {}
            () = common.stop.waited() => {}
            () = common.given_up.waited() => {}
        }
        drop(users);
        for line in &lines {
            line.end().await;
        }
        drop(lines);
        for _ in 0..LAST_TURNS {
            yield_now().await;
        }
    });
}
