//! Logs over the admin API.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::broadcast::error::RecvError;

use super::{Failure, Outcome};
use crate::{board::Key, context::World, logs::Log, web};

/// The log of a role or workload: `name`, `namespace`, `tail` (lines), `follow`.
pub(super) fn logs(world: &World, query: &BTreeMap<String, String>) -> Outcome {
    let name = query.get("name").map(String::as_str).unwrap_or_default();
    let log = find(world, query.get("namespace").map(String::as_str), name)?;
    let tail = match query.get("tail").filter(|tail| !tail.is_empty()) {
        None => None,
        Some(text) => match text.parse() {
            Ok(lines) => Some(lines),
            Err(_) => return Err(Failure(StatusCode::BAD_REQUEST, format!("tail={text} is no number of lines"))),
        },
    };
    let (past, mut live) = log.follow(tail)?;
    if !query.get("follow").is_some_and(|follow| matches!(follow.as_str(), "" | "1" | "true")) {
        return Ok(web::whole(StatusCode::OK, "text/plain; charset=utf-8", past));
    }
    let (chunks, answer) = web::streamed("text/plain; charset=utf-8");
    let world = world.clone();
    tokio::spawn(async move {
        if !past.is_empty() && chunks.send(past.into()).await.is_err() {
            return;
        }
        loop {
            let chunk = tokio::select! {
                chunk = live.recv() => match chunk {
                    Ok(chunk) => chunk,
                    Err(RecvError::Lagged(lost)) => Bytes::from(format!("\n[ripstop: {lost} chunks were too fast to follow]\n")),
                    Err(RecvError::Closed) => return,
                },
                () = chunks.closed() => return,
                () = world.closed() => return,
            };
            if chunks.send(chunk).await.is_err() {
                return;
            }
        }
    });
    Ok(answer)
}

/// What is on the board first, else what a former process left.
fn find(world: &World, namespace: Option<&str>, name: &str) -> Result<Arc<Log>, Failure> {
    let (namespace, name) = match (namespace, name.split_once('/')) {
        (Some(namespace), _) => (Some(namespace), name),
        (None, Some((namespace, name))) => (Some(namespace), name),
        (None, None) => (None, name),
    };
    let key = match namespace {
        Some(namespace) => Key::workload(namespace, name),
        None => Key::role(name),
    };
    if let Some(entry) = world.board.get(&key) {
        return Ok(entry.log);
    }
    let plain = |text: &str| !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '\0']);
    let path = match namespace {
        Some(namespace) => world.paths.workload_log(namespace, name),
        None => world.paths.role_log(name),
    };
    if plain(name) && namespace.is_none_or(plain) && path.exists() {
        return Ok(Log::new(path));
    }
    Err(Failure::not_found(&key.to_string()))
}
