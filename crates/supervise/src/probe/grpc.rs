//! `grpc.health.v1.Health/Check`.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ripstop_wire::{HEALTH_CHECK, health_answer, health_question};
use tokio::{net::TcpStream, task::JoinSet};

use crate::{Error, Result};

const PEER: &str = "the workload";
/// Most bytes of an answer.
const MOST: usize = 4096;

/// Asks whether `service` is served; empty: whether the server as a whole is.
pub(super) async fn check(stream: TcpStream, server: SocketAddr, service: &str) -> Result<()> {
    let wrong = |error: &dyn std::fmt::Display| Error::protocol(PEER, error.to_string());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| wrong(&error))?;
    // Ends with the probe.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::post(format!("http://{server}{HEALTH_CHECK}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, concat!("ripstop-probe/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(health_question(service))))
        .map_err(|error| wrong(&error))?;
    let response = sender.send_request(request).await.map_err(|error| wrong(&error))?;
    if response.status() != http::StatusCode::OK {
        return Err(wrong(&format!("status {}", response.status())));
    }
    let early = status(response.headers());
    let body = Limited::new(response.into_body(), MOST).collect().await.map_err(|error| wrong(&error))?;
    let status = body.trailers().and_then(status).or(early);
    let body = body.to_bytes();
    match status.as_deref() {
        Some("0") => {}
        Some(status) => return Err(wrong(&format!("grpc-status {status}"))),
        None => return Err(wrong(&"no grpc-status")),
    }
    health_answer(&body).map_err(|error| wrong(&error))
}

fn status(fields: &http::HeaderMap) -> Option<String> {
    fields.get("grpc-status").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
