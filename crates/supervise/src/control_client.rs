//! The control plane's admin API, as PID 1 uses it.

use std::{net::IpAddr, path::Path, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Incoming};
use ripstop_model::WorkloadUid;
use serde_json::{Value, json};

use crate::{Error, Result, doorkeeper, web::exchange};

const PEER: &str = "the control plane";
/// Longest wait for an answer as a whole.
const DEADLINE: Duration = Duration::from_secs(5);
/// The same whether a workload has its place, which the control plane itself waits for.
const PLACED: Duration = Duration::from_secs(12);
/// Longest answer that is read as a whole.
const MAX_BODY: usize = 64 << 10;

/// Sends a request to the control plane's admin socket.
pub(crate) async fn send<B>(socket: &Path, request: Request<B>) -> Result<Response<Incoming>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let stream = doorkeeper::connect(socket).map_err(Error::file("connect to", socket))?;
    exchange(PEER, stream, request).await
}

/// Asks for a one-time token for the part `role`/`name`.
pub(crate) async fn token(socket: &Path, role: &str, name: &str) -> Result<String> {
    let answer = post(socket, "/v1/tokens", json!({ "role": role, "name": name })).await?;
    let token = answer["token"].as_str().ok_or_else(|| Error::protocol(PEER, "it gave no token"))?;
    Ok(token.to_string())
}

/// What the control plane knows of a workload that is about to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its node knows it and, if it is enrolled, has captured it.
    pub(crate) placed: bool,
    /// It has a proxy of its own.
    pub(crate) has_sidecar: bool,
}

/// Waits until the node of the workload with that address knows it and, if it is enrolled, has captured it; says whether it
/// came to that in time.
pub(crate) async fn placed(socket: &Path, uid: &WorkloadUid, address: Option<IpAddr>) -> Result<Placed> {
    let question = json!({ "uid": uid.as_str(), "address": address });
    let answer = post_within(PLACED, socket, "/v1/placed", question).await?;
    Ok(Placed { placed: answer["placed"] == true, has_sidecar: answer["sidecar"] == true })
}

/// Waits until the workload gets no new connections any more; says whether it came to that in time.
pub(crate) async fn withdrawn(socket: &Path, uid: &WorkloadUid) -> Result<bool> {
    let answer = post(socket, "/v1/withdrawn", json!({ "uid": uid.as_str() })).await?;
    Ok(answer["withdrawn"] == true)
}

async fn post(socket: &Path, path: &'static str, body: Value) -> Result<Value> {
    post_within(DEADLINE, socket, path, body).await
}

async fn post_within(deadline: Duration, socket: &Path, path: &'static str, body: Value) -> Result<Value> {
    match tokio::time::timeout(deadline, ask(socket, path, body)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Timeout(PEER, deadline.as_secs())),
    }
}

async fn ask(socket: &Path, path: &'static str, body: Value) -> Result<Value> {
    let request = Request::post(path)
        .header(header::HOST, "control")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|error| Error::protocol("the supervisor", error))?;
    let response = send(socket, request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|error| Error::protocol(PEER, error))?.to_bytes();
    let answer: Value = serde_json::from_slice(&body).map_err(|error| Error::protocol(PEER, error))?;
    if status.is_success() {
        return Ok(answer);
    }
    let message = format!("the control plane refuses {path}: {}", answer["error"].as_str().unwrap_or("no reason"));
    Err(Error::Refused { status: status.as_u16(), message })
}
