//! What passes, request by request: the taps of all node proxies as one.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Failure, Outcome};
use crate::{
    Error, Result,
    client::Stream,
    context::World,
    doorkeeper,
    roles::sidecar_name,
    web::{self, exchange},
};

/// Before a proxy that does not answer is asked again: it may be starting. So long lasts it, too, until a new one is found.
const AGAIN: Duration = Duration::from_millis(200);
const PEER: &str = "a node proxy";

/// Why a proxy does not tell.
enum Silence {
    /// It may later.
    Away,
    /// It never will, as it said.
    Refused(StatusCode, String),
}

/// Streams the records of all nodes, as `query` filters them. Proxies are asked again when they come back.
pub(super) async fn tap(world: &World, query: &str) -> Outcome {
    let mut open = Vec::new();
    for (socket, name) in tellers(world) {
        let stream = match connect(&socket, query).await {
            Ok(stream) => Some(stream),
            Err(Silence::Away) => None,
            Err(Silence::Refused(status, reason)) => return Err(Failure(status, reason)),
        };
        open.push((name, socket, stream));
    }
    let (lines, answer) = web::streamed("application/x-ndjson");
    let followed = open.iter().map(|(_, socket, _)| socket.clone()).collect();
    for (name, socket, stream) in open {
        spawn(world, name, socket, stream, query, &lines);
    }
    let (query, world) = (query.to_owned(), world.clone());
    tokio::spawn(async move {
        tokio::select! {
            never = look_for_more(&world, followed, &query, &lines) => match never {},
            () = lines.closed() => {}
            () = world.closed() => {}
        }
    });
    Ok(answer)
}

/// Follows proxies that came later, gateways for example.
async fn look_for_more(
    world: &World,
    mut followed: BTreeSet<PathBuf>,
    query: &str,
    lines: &mpsc::Sender<Bytes>,
) -> Infallible {
    loop {
        tokio::time::sleep(AGAIN).await;
        for (socket, name) in tellers(world) {
            if followed.contains(&socket) {
                continue;
            }
            if let Ok(stream) = connect(&socket, query).await {
                followed.insert(socket.clone());
                spawn(world, name, socket, Some(stream), query, lines);
            }
        }
    }
}

/// Passes on what a proxy tells, as a task of its own.
fn spawn(
    world: &World,
    name: Arc<str>,
    socket: PathBuf,
    stream: Option<Stream>,
    query: &str,
    lines: &mpsc::Sender<Bytes>,
) {
    let (lines, query, world) = (lines.clone(), query.to_owned(), world.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = follow(name, socket, stream, &query, &lines) => {}
            () = lines.closed() => {}
            () = world.closed() => {}
        }
    });
}

/// All proxies that run, and where they tell.
pub(super) fn tellers(world: &World) -> Vec<(PathBuf, Arc<str>)> {
    let nodes = world.fabric().nodes();
    let nodes = nodes.into_iter().map(|node| (world.paths.tap_socket(&node.name), node.name));
    nodes.chain(gateways(world)).chain(sidecars(world)).collect()
}

/// The sidecars that run, and where they tell.
fn sidecars(world: &World) -> Vec<(PathBuf, Arc<str>)> {
    let place = |(namespace, name): (Arc<str>, Arc<str>)| {
        (world.paths.tap_socket_of_sidecar(&namespace, &name), sidecar_name(&namespace, &name).into())
    };
    world.board.sidecars().into_iter().map(place).collect()
}

/// The gateways that run, and where they tell.
fn gateways(world: &World) -> Vec<(PathBuf, Arc<str>)> {
    let place = |(namespace, name): (Arc<str>, Arc<str>)| {
        (world.paths.tap_socket_of_gateway(&namespace, &name), format!("{namespace}/{name}").into())
    };
    world.board.gateways().into_iter().map(place).collect()
}

/// Passes on what one proxy tells, for as long as anybody listens.
async fn follow(name: Arc<str>, socket: PathBuf, first: Option<Stream>, query: &str, lines: &mpsc::Sender<Bytes>) {
    let away = Bytes::from(format!("{}\n", json!({ "event": "away", "proxy": &*name })));
    let mut stream = first;
    loop {
        if let Some(mut open) = stream.take()
            && pass_on(&mut open, lines).await.is_none()
        {
            return;
        }
        if lines.send(away.clone()).await.is_err() {
            return;
        }
        while stream.is_none() {
            tokio::time::sleep(AGAIN).await;
            stream = connect(&socket, query).await.ok();
        }
    }
}

/// Whole lines, as others write in between. Nothing when nobody listens any more.
async fn pass_on(stream: &mut Stream, lines: &mpsc::Sender<Bytes>) -> Option<()> {
    while let Ok(Some(line)) = stream.line().await {
        let mut whole = BytesMut::with_capacity(line.len() + 1);
        whole.put_slice(line.as_bytes());
        whole.put_u8(b'\n');
        lines.send(whole.freeze()).await.ok()?;
    }
    Some(())
}

async fn connect(socket: &Path, query: &str) -> Result<Stream, Silence> {
    let asked = ask(socket, query).await;
    asked.unwrap_or_else(|error| {
        tracing::debug!(%error, socket = %socket.display(), "a node proxy cannot be tapped now");
        Err(Silence::Away)
    })
}

async fn ask(socket: &Path, query: &str) -> Result<Result<Stream, Silence>> {
    let stream = doorkeeper::connect(socket).map_err(Error::file("connect to", socket))?;
    let request = Request::get(format!("/tap?{query}"))
        .header(header::HOST, "proxy")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Error::protocol("the request", error))?;
    let response = exchange(PEER, stream, request).await?;
    let status = response.status();
    if status.is_success() {
        return Ok(Ok(Stream::new(response.into_body())));
    }
    let reason = response.into_body().collect().await.map_err(|error| Error::protocol(PEER, error))?.to_bytes();
    Ok(Err(Silence::Refused(status, String::from_utf8_lossy(&reason).trim().to_owned())))
}
