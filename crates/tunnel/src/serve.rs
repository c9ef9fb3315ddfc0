//! The accepting side of a tunnel.

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{Connection, SendResponse},
};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use ripstop_model::SpiffeId;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Authority, TunnelError, TunnelStream,
    headers::{BAGGAGE, FORWARDED, TRACEPARENT, X_FORWARDED_NETWORK},
    keepalive::{Action, Keepalive},
    settings,
    watched::{Watch, Watched, into_io},
};

/// Handlers that may run for one tunnel at once. Above MAX_CONCURRENT_STREAMS, because a handler may outlive its
/// stream for a moment; bounded, because a peer may open and reset streams as fast as it likes.
const MAX_HANDLERS: usize = 2 * settings::MAX_STREAMS as usize;
/// What handlers get to notice that their tunnel is gone before they are dropped.
const HANDLER_GRACE: Duration = Duration::from_secs(5);

/// A CONNECT that waits for its answer. Dropping it resets the stream with CANCEL.
#[derive(Debug)]
pub struct IncomingStream {
    authority: Authority,
    peer: SpiffeId,
    headers: HeaderMap,
    respond: SendResponse<Bytes>,
    recv: RecvStream,
}

/// Why a CONNECT is refused; decides the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: the destination is not served here.
    BadRequest,
    /// 401: denied by policy.
    Denied,
    /// 503: the application does not accept connections, or its workload is unknown.
    Unavailable,
}

/// Serves one tunnel until it ends: HTTP/2 on `io`, a TLS connection whose peer has proven to be `peer`.
///
/// Each CONNECT runs `handler` in a task of its own, owned by this call; whatever is not a CONNECT with a valid
/// authority and nothing else is answered 400 here. When `shutdown` completes, GOAWAY asks the peer to open no more
/// streams and the call returns when the last one has ended; a caller with a deadline drops the future, which ends
/// the handlers, too.
///
/// Silence for 10 s is asked with a PING; 20 s more end the tunnel ([`TunnelError::Silent`]).
pub async fn serve<I, H, F>(
    io: I,
    peer: SpiffeId,
    handler: H,
    shutdown: impl Future<Output = ()>,
) -> Result<(), TunnelError>
where
    I: AsyncRead + AsyncWrite + Unpin,
    H: Fn(IncomingStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let (io, watch) = Watched::new(io);
    let mut connection = timeout(settings::HANDSHAKE_DEADLINE, builder().handshake(io))
        .await
        .map_err(|_| TunnelError::Serve { source: Arc::new(io::ErrorKind::TimedOut.into()) })?
        .map_err(|error| TunnelError::Serve { source: watch.cause(error) })?;
    let mut handlers = JoinSet::new();
    let result = drive(&mut connection, &watch, &peer, &handler, &mut handlers, shutdown).await;
    drop(connection);
    // Their streams are gone; what they still do is bookkeeping.
    let all_done = async { while handlers.join_next().await.is_some() {} };
    if timeout(HANDLER_GRACE, all_done).await.is_err() {
        tracing::warn!(%peer, "handlers of a closed tunnel did not end in time and were dropped");
    }
    result
}

async fn drive<I, H, F>(
    connection: &mut Connection<Watched<I>, Bytes>,
    watch: &Watch,
    peer: &SpiffeId,
    handler: &H,
    handlers: &mut JoinSet<()>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), TunnelError>
where
    I: AsyncRead + AsyncWrite + Unpin,
    H: Fn(IncomingStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut ping_pong = connection.ping_pong();
    let mut keepalive = Keepalive::new(settings::PING_AFTER, settings::PING_DEADLINE, Instant::now());
    let mut timer = pin!(sleep_until(keepalive.deadline()));
    let mut shutdown = pin!(shutdown);
    let (mut draining, mut pinged) = (false, false);
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                None => return Ok(()),
                Some(Ok((request, respond))) => {
                    // Finished handlers are collected here rather than one wake-up each.
                    while handlers.try_join_next().is_some() {}
                    if let Some(incoming) = check(request, respond, peer, handlers.len()) {
                        handlers.spawn(handler(incoming));
                    }
                }
                Some(Err(error)) => {
                    let harmless = watch.error().is_none() && error.reason() == Some(Reason::NO_ERROR);
                    return if harmless { Ok(()) } else { Err(TunnelError::Serve { source: watch.cause(error) }) };
                }
            },
            () = &mut shutdown, if !draining => {
                draining = true;
                connection.graceful_shutdown();
            }
            () = &mut timer => {
                match keepalive.tick(Instant::now(), watch.take_heard()) {
                    Action::Wait => {}
                    Action::Ping => {
                        if let Some(ping_pong) = &mut ping_pong {
                            pinged = ping_pong.send_ping(h2::Ping::opaque()).is_ok();
                        }
                    }
                    Action::GiveUp => return Err(TunnelError::Silent),
                }
                timer.as_mut().reset(keepalive.deadline());
            }
            () = pong(&mut ping_pong), if pinged => {
                pinged = false;
                keepalive.tick(Instant::now(), true);
                timer.as_mut().reset(keepalive.deadline());
            }
        }
    }
}

/// Completes with the answer to the ping in flight.
async fn pong(ping_pong: &mut Option<h2::PingPong>) {
    std::future::poll_fn(|cx| match ping_pong {
        // An error means that the connection is ending, which shows elsewhere.
        Some(ping_pong) => ping_pong.poll_pong(cx).map(|_| ()),
        None => std::task::Poll::Pending,
    })
    .await;
}

fn builder() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(settings::STREAM_WINDOW)
        .initial_connection_window_size(settings::CONNECTION_WINDOW)
        .max_frame_size(settings::MAX_FRAME)
        .max_header_list_size(settings::SERVER_HEADER_LIST)
        .max_concurrent_streams(settings::MAX_STREAMS)
        .max_send_buffer_size(settings::SEND_BUFFER)
        // A burst of connections that are given up at once must not cost the others their tunnel.
        .max_pending_accept_reset_streams(settings::MAX_STREAMS as usize)
        .data_frame_budget(settings::SMALL_FRAME_BUDGET);
    builder
}

/// The request as a CONNECT; answers what is none.
fn check(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    peer: &SpiffeId,
    running: usize,
) -> Option<IncomingStream> {
    if running >= MAX_HANDLERS {
        respond.send_reset(Reason::REFUSED_STREAM);
        return None;
    }
    let (parts, recv) = request.into_parts();
    let plain = parts.method == Method::CONNECT
        && parts.uri.scheme().is_none()
        && parts.uri.path_and_query().is_none()
        && parts.extensions.get::<h2::ext::Protocol>().is_none();
    let authority = parts.uri.authority().filter(|_| plain).map(|authority| authority.as_str().parse::<Authority>());
    match authority {
        Some(Ok(authority)) => {
            Some(IncomingStream { authority, peer: peer.clone(), headers: parts.headers, respond, recv })
        }
        wrong => {
            tracing::debug!(%peer, method = %parts.method, uri = %parts.uri, error = ?wrong, "not a CONNECT we serve");
            answer_only(respond, StatusCode::BAD_REQUEST);
            None
        }
    }
}

fn answer_only(mut respond: SendResponse<Bytes>, status: StatusCode) {
    let mut response = Response::new(());
    *response.status_mut() = status;
    // Fails only if the peer has reset the stream already.
    let _ = respond.send_response(response, true);
}

// === impl IncomingStream ===

impl IncomingStream {
    /// Where it wants to go.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The proven identity of the other end of the tunnel.
    pub fn peer(&self) -> &SpiffeId {
        &self.peer
    }

    /// The `baggage` header: what the source says of itself.
    pub fn baggage(&self) -> Option<&str> {
        self.header(BAGGAGE)
    }

    /// The `forwarded` header (RFC 7239): the source's address.
    pub fn forwarded(&self) -> Option<&str> {
        self.header(FORWARDED)
    }

    /// The `traceparent` header (W3C Trace Context).
    pub fn traceparent(&self) -> Option<&str> {
        self.header(TRACEPARENT)
    }

    /// The `x-forwarded-network` header: the network it came from through an east-west gateway.
    pub fn forwarded_network(&self) -> Option<&str> {
        self.header(X_FORWARDED_NETWORK)
    }

    /// Any other header, if it is text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Completes when the source gives up (or the tunnel ends) before it got an answer.
    pub async fn cancelled(&mut self) {
        let _ = std::future::poll_fn(|cx| self.respond.poll_reset(cx)).await;
    }

    /// Answers 200, with the destination's `baggage` if given: only after the connection to the application stands.
    pub fn accept(mut self, baggage: Option<http::HeaderValue>) -> Result<TunnelStream, TunnelError> {
        let mut response = Response::new(());
        if let Some(baggage) = baggage {
            response.headers_mut().insert(BAGGAGE, baggage);
        }
        let send = self
            .respond
            .send_response(response, false)
            .map_err(|error| TunnelError::Serve { source: Arc::new(into_io(error)) })?;
        Ok(TunnelStream::new(send, self.recv, self.headers.remove(BAGGAGE), None))
    }

    /// Answers with an error status and ends the stream.
    pub fn refuse(self, refusal: Refusal) {
        answer_only(self.respond, refusal.status());
    }
}

// === impl Refusal ===

impl Refusal {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Denied => StatusCode::UNAUTHORIZED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

#[cfg(test)]
mod tests;
