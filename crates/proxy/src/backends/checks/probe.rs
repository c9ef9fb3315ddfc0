//! What is said to an endpoint that is checked, and what it must answer.

use std::{future::poll_fn, io, io::IoSlice, rc::Rc};

use ripstop_exchange::{Body, Fault, Http1Client, Http2Client, Http2Options, Io, Upstream};
use ripstop_h1::BodyKind;
use ripstop_model::HealthCheck;
use ripstop_tls::Buffer;
use ripstop_wire::{HEALTH_CHECK, health_answer, health_question};

use crate::{
    backends::HttpVersion,
    grpc::{Answered, Unary, answered},
};

/// How much of an answer to a request is read before the connection is closed: what an answer says is its status.
const PAGE: usize = 64 * 1024;
/// Longest answer of a health service: a number.
const MESSAGE: usize = 1024;
/// Who asks.
const USER_AGENT: &str = "ripstop-health-check";

/// What an endpoint says that is not ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is well.
    Well,
    /// Nothing about itself, but with that status that whoever asks may not, or that there are too many requests.
    Nothing(u16),
}

/// Asks by a connection of which nothing was used yet; why the endpoint is not well, if it isn't.
pub(super) async fn ask(io: Io, check: &HealthCheck, version: HttpVersion, authority: &str) -> Result<Said, String> {
    match check {
        HealthCheck::Tcp { send, receive } => {
            let exchanged = exchange(io, send.as_bytes(), receive.as_bytes()).await;
            exchanged.map(|()| Said::Well).map_err(|error| error.to_string())
        }
        HealthCheck::Http { method, path, expected, .. } => {
            let asking = async |upstream: &mut Upstream<'_>| request(upstream, method, path, authority).await;
            let (status, is_overloaded) = over(io, version, asking).await?;
            let passes = if expected.is_empty() { (200..300).contains(&status) } else { expected.contains(&status) };
            // Whoever says what it expects means it.
            let is_of_asker = expected.is_empty() && matches!(status, 401 | 403 | 429);
            match status {
                _ if passes => Ok(Said::Well),
                _ if is_of_asker || is_overloaded => Ok(Said::Nothing(status)),
                status => Err(format!("status {status}")),
            }
        }
        HealthCheck::Grpc { service } => {
            let said = over(io, HttpVersion::Http2, async |upstream| call(upstream, service, authority).await).await?;
            said.map(|()| Said::Well)
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

/// The status of the answer to a request without body, and whether it says that there is too much to do.
async fn request(upstream: &mut Upstream<'_>, method: &str, path: &str, authority: &str) -> Result<(u16, bool), Fault> {
    let fields = [(&b"user-agent"[..], USER_AGENT.as_bytes())];
    upstream.send(method.as_bytes(), path.as_bytes(), authority.as_bytes(), fields, BodyKind::None)?;
    if matches!(upstream, Upstream::Http1(_)) {
        upstream.end([])?;
    }
    answered(upstream).await?;
    let status = upstream.status();
    let is_overloaded = upstream.fields().any(|(name, _)| name.eq_ignore_ascii_case(b"x-envoy-overloaded"));
    // Whoever is still writing would take a closed connection for a failure of its own.
    let mut read = 0;
    while read < PAGE && poll_fn(|cx| upstream.poll_body(cx)).await? == Body::Data {
        let length = upstream.data().len();
        read += length;
        upstream.consume(length);
    }
    Ok((status, is_overloaded))
}

/// Asks a health service of gRPC; why the endpoint is not well, if it isn't.
async fn call(upstream: &mut Upstream<'_>, service: &str, authority: &str) -> Result<Result<(), String>, Fault> {
    let message = health_question(service);
    let call = Unary {
        path: HEALTH_CHECK,
        authority,
        user_agent: USER_AGENT,
        timeout: None,
        message: &message,
        longest: MESSAGE,
    };
    Ok(match call.call(upstream).await? {
        Answered::Ok(framed) => health_answer(&framed).map_err(|error| error.to_string()),
        Answered::Failed(status) => Err(format!("gRPC status {status}")),
        Answered::Http(status) => Err(format!("status {status}")),
        Answered::Nonsense(why) => Err(why),
    })
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
