//! What is said to an endpoint that is checked, and what it must answer.

use std::{future::poll_fn, io, io::IoSlice, rc::Rc};

use prost::Message as _;
use ripstop_exchange::{Body, Fault, Heard, Http1Client, Http2Client, Http2Options, Io, Slices, Upstream};
use ripstop_h1::BodyKind;
use ripstop_model::HealthCheck;
use ripstop_tls::Buffer;
use ripstop_wire::health::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};

use crate::backends::HttpVersion;

/// How much of an answer to a request is read before the connection is closed: what an answer says is its status.
const PAGE: usize = 64 * 1024;
/// Longest answer of a health service: a number.
const MESSAGE: usize = 1024;
/// Compressed or not, and the length.
const PREFIX: usize = 5;

/// Asks by a connection of which nothing was used yet; why the endpoint is not well, if it isn't.
pub(super) async fn ask(io: Io, check: &HealthCheck, version: HttpVersion, authority: &str) -> Result<(), String> {
    match check {
        HealthCheck::Tcp { send, receive } => {
            exchange(io, send.as_bytes(), receive.as_bytes()).await.map_err(|error| error.to_string())
        }
        HealthCheck::Http { method, path, expected, .. } => {
            let status = over(io, version, async |upstream| request(upstream, method, path, authority).await).await?;
            let passes = if expected.is_empty() { (200..300).contains(&status) } else { expected.contains(&status) };
            if passes { Ok(()) } else { Err(format!("status {status}")) }
        }
        HealthCheck::Grpc { service } => {
            over(io, HttpVersion::Http2, async |upstream| call(upstream, service, authority).await).await?
        }
    }
}

/// Has `talk` speak HTTP on a connection.
async fn over<T>(
    io: Io,
    version: HttpVersion,
    talk: impl AsyncFnOnce(&mut Upstream<'_>) -> Result<T, Fault>,
) -> Result<T, String> {
    let broken = |fault: Fault| fault.to_string();
    if version == HttpVersion::Http1 {
        let mut client = Http1Client::new(io, Rc::default());
        return talk(&mut Upstream::Http1(&mut client)).await.map_err(broken);
    }
    let (client, driver) = Http2Client::new(io, Rc::new(Http2Options::default()));
    let talking = async {
        client.settled().await;
        client.may_open().map_err(|error| format!("HTTP/2: {error}"))?;
        let mut call = client.call();
        talk(&mut Upstream::Http2(&mut call)).await.map_err(broken)
    };
    tokio::select! {
        biased;
        said = talking => said,
        ended = driver => Err(match ended {
            Ok(()) => "it has ended the connection".to_owned(),
            Err(fault) => fault.to_string(),
        }),
    }
}

/// The status of the answer to a request without body.
async fn request(upstream: &mut Upstream<'_>, method: &str, path: &str, authority: &str) -> Result<u16, Fault> {
    let fields = [(&b"user-agent"[..], &b"ripstop-health-check"[..])];
    upstream.send(method.as_bytes(), path.as_bytes(), authority.as_bytes(), fields, BodyKind::None)?;
    if matches!(upstream, Upstream::Http1(_)) {
        upstream.end([])?;
    }
    answered(upstream).await?;
    let status = upstream.status();
    // Whoever is still writing would take a closed connection for a failure of its own.
    let mut read = 0;
    while read < PAGE && poll_fn(|cx| upstream.poll_body(cx)).await? == Body::Data {
        let length = upstream.data().len();
        read += length;
        upstream.consume(length);
    }
    Ok(status)
}

/// Asks a health service of gRPC; why the endpoint is not well, if it isn't.
async fn call(upstream: &mut Upstream<'_>, service: &str, authority: &str) -> Result<Result<(), String>, Fault> {
    let body = framed(&HealthCheckRequest { service: service.to_owned() }.encode_to_vec());
    let fields = [
        (&b"user-agent"[..], &b"ripstop-health-check"[..]),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ];
    let length = BodyKind::Length(body.len() as u64);
    upstream.send(b"POST", b"/grpc.health.v1.Health/Check", authority.as_bytes(), fields, length)?;
    let mut left = &body[..];
    while !left.is_empty() {
        let sent = poll_fn(|cx| upstream.poll_send(cx, &Slices::from(left))).await?;
        left = &left[sent..];
    }
    upstream.end([])?;
    answered(upstream).await?;
    if upstream.status() != 200 {
        return Ok(Err(format!("status {}", upstream.status())));
    }
    let mut message = Vec::new();
    while poll_fn(|cx| upstream.poll_body(cx)).await? == Body::Data {
        for piece in upstream.data().as_slice() {
            message.extend_from_slice(piece);
        }
        if message.len() > MESSAGE {
            return Ok(Err(format!("an answer of more than {MESSAGE} bytes")));
        }
        let length = upstream.data().len();
        upstream.consume(length);
    }
    // Whoever has nothing else to say does so at once.
    let at_once = upstream.fields().find(|(name, _)| *name == b"grpc-status").map(|(_, value)| value);
    let status = upstream.trailer(b"grpc-status").or(at_once);
    Ok(match status {
        Some(b"0") => serving(&message),
        Some(status) => Err(format!("gRPC status {}", status.escape_ascii())),
        None => Err("no gRPC status".to_owned()),
    })
}

/// Waits for the head of the final answer.
async fn answered(upstream: &mut Upstream<'_>) -> Result<(), Fault> {
    poll_fn(|cx| upstream.poll_flush(cx)).await?;
    loop {
        match poll_fn(|cx| upstream.poll_head(cx)).await? {
            Heard::Informational => {}
            Heard::Final(_) => return Ok(()),
            Heard::Switch => return Err(Fault::Switch),
        }
    }
}

/// A message as gRPC frames it, not compressed.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// Whether a framed answer says that the service is well.
fn serving(framed: &[u8]) -> Result<(), String> {
    let message = match framed.split_first_chunk::<PREFIX>() {
        Some(([0, length @ ..], message)) if u32::from_be_bytes(*length) as usize == message.len() => message,
        _ => return Err("no message of a health service".to_owned()),
    };
    let answer = HealthCheckResponse::decode(message).map_err(|_| "no message of a health service".to_owned())?;
    match ServingStatus::try_from(answer.status) {
        Ok(ServingStatus::Serving) => Ok(()),
        Ok(other) => Err(other.as_str_name().to_owned()),
        Err(_) => Err(format!("serving status {}", answer.status)),
    }
}

/// Sends `said`, and reads as much as `expected` is long, which is what must come.
async fn exchange(mut io: Io, said: &[u8], expected: &[u8]) -> io::Result<()> {
    let mut left = said;
    while !left.is_empty() {
        let sent = poll_fn(|cx| io.poll_write_vectored(cx, &[IoSlice::new(left)])).await?;
        left = &left[sent..];
    }
    poll_fn(|cx| io.poll_flush(cx)).await?;
    let mut heard = Buffer::with_capacity(expected.len().max(1));
    while heard.len() < expected.len() {
        let read = poll_fn(|cx| io.poll_read(cx, &mut heard)).await?;
        if read == 0 || !expected.starts_with(&heard.filled()[..heard.len().min(expected.len())]) {
            return Err(io::Error::other("another answer than the expected one"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_message_that_says_so_is_well() {
        let answer = |status: i32| framed(&HealthCheckResponse { status }.encode_to_vec());
        assert_eq!(serving(&answer(1)), Ok(()));
        let not_well = |framed: &[u8]| serving(framed).unwrap_err();
        assert_eq!(not_well(&answer(0)), "UNKNOWN");
        assert_eq!(not_well(&answer(2)), "NOT_SERVING");
        assert_eq!(not_well(&answer(9)), "serving status 9");
        let good = answer(1);
        for end in 0..good.len() {
            serving(&good[..end]).unwrap_err();
        }
        let compressed = [&[1], &good[1..]].concat();
        let longer = [&good[..], &[0]].concat();
        let foreign = framed(&[0xff; 7]);
        for bad in [&compressed[..], &longer, &foreign, b"HTTP/1.1 200 OK\r\n\r\n"] {
            assert_eq!(not_well(bad), "no message of a health service");
        }
    }
}
