//! The control plane's admin API, as PID 1 uses it.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Incoming};
use tokio::net::UnixStream;

use crate::{Error, Result, web::exchange};

const PEER: &str = "the control plane";
/// Longest wait for an answer as a whole.
const DEADLINE: Duration = Duration::from_secs(5);
/// Longest answer that is read as a whole.
const MAX_BODY: usize = 64 << 10;

/// Sends a request to the control plane's admin socket.
pub(crate) async fn send<B>(socket: &Path, request: Request<B>) -> Result<Response<Incoming>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let stream = UnixStream::connect(socket).await.map_err(Error::file("connect to", socket))?;
    exchange(PEER, stream, request).await
}

/// Asks for a one-time token for the part `role`/`name`.
pub(crate) async fn token(socket: &Path, role: &str, name: &str) -> Result<String> {
    match tokio::time::timeout(DEADLINE, ask_token(socket, role, name)).await {
        Ok(token) => token,
        Err(_) => Err(Error::Timeout(PEER, DEADLINE.as_secs())),
    }
}

async fn ask_token(socket: &Path, role: &str, name: &str) -> Result<String> {
    let body = serde_json::json!({ "role": role, "name": name }).to_string();
    let request = Request::post("/v1/tokens")
        .header(header::HOST, "control")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| Error::protocol("the supervisor", error))?;
    let response = send(socket, request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|error| Error::protocol(PEER, error))?.to_bytes();
    let answer: serde_json::Value = serde_json::from_slice(&body).map_err(|error| Error::protocol(PEER, error))?;
    match (status.is_success(), answer["token"].as_str()) {
        (true, Some(token)) => Ok(token.to_string()),
        _ => Err(Error::Refused {
            status: status.as_u16(),
            message: format!("the control plane gives no token: {}", answer["error"].as_str().unwrap_or("no reason")),
        }),
    }
}
