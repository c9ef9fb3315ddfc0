//! Logs over the admin API.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    mpsc,
};

use super::{
    Failure, Outcome,
    names::{self, Meant},
};
use crate::{
    board::{Entry, Key},
    context::World,
    logs::{Growing, Lines, Log, Passing},
    web,
};

/// How often the log of a part that another process writes is looked at.
const LOOK: Duration = Duration::from_millis(200);
const TEXT: &str = "text/plain; charset=utf-8";

/// Whose log.
#[derive(Debug)]
enum Source {
    /// Somebody's on the board, or what a former process left.
    Own(Arc<Log>),
    /// A part's that writes it itself.
    Foreign(Arc<Log>),
}

/// The log of a role or workload: `name`, `namespace`, `tail` (lines), `access` (lines of the access log alone),
/// `follow`.
pub(super) fn logs(world: &World, query: &BTreeMap<String, String>) -> Outcome {
    let is_set = |key: &str| query.get(key).is_some_and(|value| matches!(value.as_str(), "" | "1" | "true"));
    let name = query.get("name").map(String::as_str).unwrap_or_default();
    let lines = if is_set("access") { Lines::Access } else { Lines::All };
    let source = find(world, query.get("namespace").map(String::as_str), name, lines)?;
    let tail = match query.get("tail").filter(|tail| !tail.is_empty()) {
        None => None,
        Some(text) => match text.parse() {
            Ok(lines) => Some(lines),
            Err(_) => return Err(Failure(StatusCode::BAD_REQUEST, format!("tail={text} is no number of lines"))),
        },
    };
    let follow = is_set("follow");
    match source {
        Source::Own(log) => {
            let mut passing = Passing::new(lines);
            let (past, live) = log.follow(tail, &mut passing)?;
            Ok(answer(world, follow, past, |chunks| pass_on(live, passing, chunks)))
        }
        Source::Foreign(log) => {
            let (past, growing) = log.follow_file(tail)?;
            Ok(answer(world, follow, past, |chunks| look_at(growing, chunks)))
        }
    }
}

/// The past, and then what `live` sends for as long as the mesh is there and somebody listens.
fn answer<F>(world: &World, follow: bool, past: Vec<u8>, live: impl FnOnce(mpsc::Sender<Bytes>) -> F) -> web::Answer
where
    F: Future<Output = ()> + Send + 'static,
{
    if !follow {
        return web::whole(StatusCode::OK, TEXT, past);
    }
    let (chunks, answer) = web::streamed(TEXT);
    let live = live(chunks.clone());
    let world = world.clone();
    tokio::spawn(async move {
        if !past.is_empty() && chunks.send(past.into()).await.is_err() {
            return;
        }
        tokio::select! {
            () = live => {}
            () = chunks.closed() => {}
            () = world.closed() => {}
        }
    });
    answer
}

async fn pass_on(mut live: broadcast::Receiver<Bytes>, mut passing: Passing, chunks: mpsc::Sender<Bytes>) {
    loop {
        let chunk = match live.recv().await {
            Ok(chunk) => passing.push(chunk.to_vec()),
            Err(RecvError::Lagged(lost)) => {
                format!("\n[ripstop: {lost} chunks were too fast to follow]\n").into_bytes()
            }
            Err(RecvError::Closed) => return,
        };
        if !chunk.is_empty() && chunks.send(chunk.into()).await.is_err() {
            return;
        }
    }
}

async fn look_at(mut growing: Growing, chunks: mpsc::Sender<Bytes>) {
    loop {
        tokio::time::sleep(LOOK).await;
        match growing.more() {
            Ok(more) if more.is_empty() => {}
            Ok(more) => {
                if chunks.send(more.into()).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a log can no longer be followed");
                return;
            }
        }
    }
}

/// What is on the board first, else what a former process left.
fn find(world: &World, namespace: Option<&str>, name: &str, lines: Lines) -> Result<Source, Failure> {
    let unknown = match names::find(&world.board.all(), namespace, name) {
        Ok(Meant::Entries(entries)) => return only(&entries, name, lines),
        Ok(Meant::Part(part)) => {
            refuse_access(part, lines)?;
            return Ok(Source::Foreign(Log::new(world.paths.role_log(part))));
        }
        Err(unknown) => unknown,
    };
    let (namespace, name) = match (namespace, name.split_once('/')) {
        (None, Some((namespace, name))) => (Some(namespace), name),
        _ => (namespace, name),
    };
    let plain = |text: &str| !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '\0']);
    let path = match namespace {
        Some(namespace) => world.paths.workload_log(namespace, name),
        None => world.paths.role_log(name),
    };
    if plain(name) && namespace.is_none_or(plain) && path.exists() {
        return Ok(Source::Own(Log::new(path)));
    }
    Err(unknown)
}

/// The log of the only one of `entries`.
fn only(entries: &[(Key, Entry)], name: &str, lines: Lines) -> Result<Source, Failure> {
    let [(key, entry)] = entries else {
        let names: Vec<_> = entries.iter().map(|(key, _)| key.to_string()).collect();
        let message = format!("{name} has several instances: {}; name one", names.join(", "));
        return Err(Failure(StatusCode::NOT_FOUND, message));
    };
    match key {
        Key::Role(role) if role.starts_with("node-") => {}
        sidecar if sidecar.is_sidecar() => {}
        Key::Workload(..) if entry.is_proxy() => {}
        other => refuse_access(&other.to_string(), lines)?,
    }
    Ok(Source::Own(Arc::clone(&entry.log)))
}

/// Only proxies have access lines.
fn refuse_access(whose: &str, lines: Lines) -> Result<(), Failure> {
    match lines {
        Lines::All => Ok(()),
        Lines::Access => {
            let message = format!(
                "{whose} writes no access log: node proxies do, as node-NODE, sidecars, gateways and waypoints"
            );
            Err(Failure(StatusCode::BAD_REQUEST, message))
        }
    }
}
