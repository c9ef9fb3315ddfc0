//! The admin API: served here as far as it is about processes, links and logs, the rest by the
//! control plane.

use std::{collections::BTreeMap, os::fd::OwnedFd, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use ripstop_model::lookup::NotFound;
use rustix::net::{RecvFlags, recv};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::{io::Interest, net::UnixStream};

use crate::{
    Error, Result,
    context::World,
    control_client,
    fabric::uplink,
    handover::AdminPeer,
    link_watch, run,
    run_protocol::GREETING,
    web::{self, Answer},
};

mod config;
mod log_stream;
mod names;
mod orders;
mod status;
mod taps;

/// Longest body of a request.
const MAX_BODY: usize = 1 << 20;
/// Longest wait for a body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// Longest wait for the first bytes.
const GREETING_DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection that comes while the mesh ends may take to ask, and to be told so.
const LAST_WORD: Duration = Duration::from_millis(200);
/// Who asks, for the control plane's audit; what a client says of itself is dropped.
const PEER_UID: &str = "ripstop-peer-uid";
const PEER_PID: &str = "ripstop-peer-pid";

/// Why a request has no success.
#[derive(Debug)]
struct Failure(StatusCode, String);

type Outcome = Result<Answer, Failure>;

/// Serves a connection that the doorkeeper let in.
pub(crate) async fn serve(world: World, connection: OwnedFd, peer: AdminPeer) {
    let stream = match stream_of(connection) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "admin connection is lost");
            return;
        }
    };
    match tokio::time::timeout(GREETING_DEADLINE, asks_for_run(&stream)).await {
        Ok(Ok(true)) => run::serve(world, stream, peer).await,
        Ok(Ok(false)) => {
            let closed = world.clone();
            // One that comes while the mesh ends is told so.
            let closing = async move {
                if *closed.closing.borrow() { tokio::time::sleep(LAST_WORD).await } else { closed.closed().await }
            };
            web::serve(stream, closing, move |request| answer(world.clone(), peer, request)).await;
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

fn stream_of(connection: OwnedFd) -> Result<UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(connection);
    let wrong = || Error::system("take an admin connection");
    stream.set_nonblocking(true).map_err(wrong())?;
    UnixStream::from_std(stream).map_err(wrong())
}

/// Looks at the first bytes without taking them.
async fn asks_for_run(stream: &UnixStream) -> std::io::Result<bool> {
    let mut start = [0; GREETING.len()];
    let length =
        stream.async_io(Interest::READABLE, || Ok(recv(stream, start.as_mut_slice(), RecvFlags::PEEK)?.1)).await?;
    Ok(length == GREETING.len() && start == *GREETING)
}

async fn answer(world: World, peer: AdminPeer, request: Request<Incoming>) -> Answer {
    let outcome = route(&world, peer, request).await;
    outcome.unwrap_or_else(|Failure(status, message)| web::failure(status, message))
}

async fn route(world: &World, peer: AdminPeer, request: Request<Incoming>) -> Outcome {
    let query = query_of(request.uri().query().unwrap_or_default());
    if *world.closing.borrow() {
        return Err(Failure(StatusCode::SERVICE_UNAVAILABLE, Error::Ending.to_string()));
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/processes") => Ok(web::json(StatusCode::OK, &status::processes(world))),
        (&Method::GET, "/v1/ingress") => Ok(web::json(StatusCode::OK, &status::ingress(world))),
        (&Method::GET, "/v1/world") => Ok(web::json(StatusCode::OK, &status::world(world))),
        (&Method::POST, "/v1/processes/start") => orders::start(world, read(request).await?).await,
        (&Method::POST, "/v1/processes/stop") => orders::stop(world, read(request).await?).await,
        (&Method::POST, "/v1/processes/restart") => orders::restart(world, read(request).await?).await,
        (&Method::POST, "/v1/processes/signal") => orders::signal(world, &read(request).await?),
        (&Method::GET, "/v1/logs") => log_stream::logs(world, &query),
        (&Method::GET, "/v1/link/watch") => watch(world, &query),
        (&Method::GET, "/v1/config") => config::config(world).await,
        (&Method::GET, "/v1/tap") => taps::tap(world, request.uri().query().unwrap_or_default()).await,
        (&Method::POST, "/v1/shutdown") => {
            tracing::info!(uid = peer.uid, pid = peer.pid, "asked to end");
            world.closing.send_replace(true);
            Ok(web::json(StatusCode::OK, &json!({ "stopping": true })))
        }
        _ => to_control(world, peer, request).await,
    }
}

fn watch(world: &World, query: &BTreeMap<String, String>) -> Outcome {
    let first = || world.fabric().nodes().into_iter().next();
    let node = match query.get("node") {
        Some(name) => world.fabric().node(name),
        None => first(),
    };
    let Some(node) = node else {
        let names: Vec<_> = world.fabric().nodes().iter().map(|node| node.name.to_string()).collect();
        return Err(Failure(StatusCode::NOT_FOUND, format!("no such node; there are: {}", names.join(", "))));
    };
    let marker = query.get("marker").cloned().unwrap_or_default();
    let socket = link_watch::open(&uplink(node.index))?;
    let (lines, answer) = web::streamed("application/x-ndjson");
    let closed = world.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = link_watch::run(socket, marker.as_bytes(), lines) => {}
            () = closed.closed() => {}
        }
    });
    Ok(answer)
}

async fn to_control(world: &World, peer: AdminPeer, request: Request<Incoming>) -> Outcome {
    let (mut parts, body) = request.into_parts();
    for name in [header::CONNECTION, header::UPGRADE, header::TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    parts.headers.insert(header::HOST, HeaderValue::from_static("control"));
    parts.headers.insert(PEER_UID, peer.uid.into());
    parts.headers.insert(PEER_PID, peer.pid.into());
    let request = Request::from_parts(parts, body);
    match control_client::send(&world.paths.control_socket(), request).await {
        Ok(response) => Ok(web::passed_on(response)),
        Err(_) if *world.closing.borrow() => Err(Failure(StatusCode::SERVICE_UNAVAILABLE, Error::Ending.to_string())),
        Err(error) => Err(Failure(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the control plane does not answer ({error}); see `ripstop logs control`"),
        )),
    }
}

async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Failure> {
    let bad = |reason: String| Failure(StatusCode::BAD_REQUEST, reason);
    let body = tokio::time::timeout(BODY_DEADLINE, Limited::new(request.into_body(), MAX_BODY).collect()).await;
    let body = body.map_err(|_| Failure(StatusCode::REQUEST_TIMEOUT, "the body did not come".into()))?;
    let body: Bytes = body.map_err(|error| bad(format!("the body cannot be read: {error}")))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| bad(format!("the body is not as expected: {error}")))
}

/// Parameters of a query, percent-decoded; the last of a name counts.
fn query_of(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or_default() << 4 | hex(*low).unwrap_or_default());
                rest = after;
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

// === impl Failure ===

impl Failure {
    /// Nobody is `what`; those `near` it may be meant.
    fn not_found(what: &str, near: &[String]) -> Self {
        let hint = match near {
            [] => ";".to_owned(),
            near => format!(": {}", NotFound::Unknown { near: near.to_vec() }),
        };
        Self(StatusCode::NOT_FOUND, format!("{what} is not known{hint} `ripstop get processes` lists what is"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

#[cfg(test)]
mod tests;
