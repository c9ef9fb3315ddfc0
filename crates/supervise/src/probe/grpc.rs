//! `grpc.health.v1.Health/Check`, whose messages are small enough to be read by hand.

use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinSet};

use crate::{Error, Result};

const PEER: &str = "the workload";
/// Most bytes of an answer.
const MOST: usize = 4096;
/// `ServingStatus.SERVING`.
const SERVING: u64 = 1;
/// Longest name of a service, which has one byte for its length.
const LONGEST: usize = 127;

/// Asks whether `service` is served; empty: whether the server as a whole is.
pub(super) async fn check(stream: TcpStream, server: SocketAddr, service: &str) -> Result<()> {
    let wrong = |error: &dyn std::fmt::Display| Error::protocol(PEER, error.to_string());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| wrong(&error))?;
    // Ends with the probe.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::post(format!("http://{server}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, concat!("ripstop-probe/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(question(service)?))
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
    match answer(&body) {
        Some(SERVING) => Ok(()),
        Some(other) => Err(wrong(&format!("health status {other}"))),
        None => Err(wrong(&"an answer that is none")),
    }
}

fn status(fields: &http::HeaderMap) -> Option<String> {
    fields.get("grpc-status").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// `HealthCheckRequest { service: 1 }`, with its five bytes before.
fn question(service: &str) -> Result<Bytes> {
    let length = u8::try_from(service.len()).ok().filter(|length| usize::from(*length) <= LONGEST);
    let Some(length) = length else {
        return Err(Error::protocol("the probe", format!("the name of a service of more than {LONGEST} bytes")));
    };
    let mut body = BytesMut::new();
    body.put_u8(0);
    if length == 0 {
        body.put_u32(0);
    } else {
        body.put_u32(u32::from(length) + 2);
        body.put_slice(&[0x0a, length]);
        body.put_slice(service.as_bytes());
    }
    Ok(body.freeze())
}

/// `HealthCheckResponse { status: 1 }`: what is not there is 0. Nothing: it is no such message.
fn answer(body: &[u8]) -> Option<u64> {
    let (head, message) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().ok()?);
    if head[0] != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    match message {
        [] => Some(0),
        [0x08, value] if *value < 0x80 => Some(u64::from(*value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
