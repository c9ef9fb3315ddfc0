//! The accepting side of a tunnel.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, StatusCode};
use ripstop_h2::{Code, End, Field, Fields, Role};
use ripstop_model::SpiffeId;
use ripstop_tls::Session;
use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::{net::TcpStream, task::JoinSet, time::Instant};

use crate::{
    Authority, AuthorityError, Seldom, TunnelError, TunnelStream, Vouched,
    headers::{BAGGAGE, FORWARDED, TRACEPARENT, X_FORWARDED_NETWORK},
    link::{Asked, Link},
    owner::{Duty, Owner},
    settings,
    stream::Handle,
    transport::Transport,
    wheel::Timer,
};

/// Handlers that may run for one tunnel at once. Above MAX_CONCURRENT_STREAMS, because a handler may outlive its
/// stream for a moment; bounded, because a peer may open and reset streams as fast as it likes.
const MAX_HANDLERS: usize = 2 * settings::MAX_STREAMS as usize;
/// What handlers get to notice that their tunnel is gone before they are dropped.
const HANDLER_GRACE: Duration = Duration::from_secs(5);

/// A connection whose peer has proven something by TLS; not yet a tunnel.
#[derive(Debug)]
pub struct Accepted {
    transport: Box<Transport>,
    vouched: Option<Vouched>,
}

/// A CONNECT that waits for its answer. Dropping it resets the stream with CANCEL.
pub struct IncomingStream {
    authority: Authority,
    peer: SpiffeId,
    fields: Fields,
    handle: Handle,
}

/// Why a CONNECT is refused; decides the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: the destination is not served here.
    BadRequest,
    /// 401: denied by policy.
    Denied,
    /// 429: as many connections are open as may be. The destination is well.
    Limited,
    /// 503: the application does not accept connections, or its workload is unknown.
    Unavailable,
}

/// Makes TLS on a connection that was accepted. Takes 10 s at most.
pub async fn accept(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Accepted> {
    let session = Session::server(config)?;
    let mut transport = Box::new(Transport::new(socket, session));
    let made = Timer::within(settings::HANDSHAKE_DEADLINE, transport.handshake()).await;
    made.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
    Ok(Accepted { transport, vouched: None })
}

// === impl Accepted ===

impl Accepted {
    /// The certificates that the peer has proven, its own first.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.transport.session().peer_certificates()
    }

    /// The same; whoever proved the peer is believed until `vouched` completes. Then the tunnel ends with GOAWAY, and its
    /// streams with it ([`TunnelError::Distrusted`]).
    #[must_use]
    pub fn until(self, vouched: Vouched) -> Self {
        Self { vouched: Some(vouched), ..self }
    }

    /// Serves the tunnel until it ends; its peer has proven to be `peer`.
    ///
    /// Each CONNECT runs `handler` in a local task of its own, owned by this call; whatever is not a CONNECT with a
    /// valid authority and nothing else is answered 400 here. When `shutdown` completes, GOAWAY asks the peer to open no
    /// more streams and the call returns when the last one has ended; a caller with a deadline drops the future, which
    /// ends the handlers, too.
    ///
    /// Silence for 10 s is asked with a PING; 20 s more end the tunnel ([`TunnelError::Silent`]).
    pub async fn serve<H, F>(
        self,
        peer: SpiffeId,
        handler: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), TunnelError>
    where
        H: Fn(IncomingStream) -> F,
        F: Future<Output = ()> + 'static,
    {
        let link = Link::new(Role::Server);
        let mut handlers = JoinSet::new();
        let shutdown = pin!(Seldom::new(shutdown));
        let vouched = self.vouched;
        let shutdown = Some(shutdown);
        let duty = Serving { peer: &peer, handler: &handler, handlers: &mut handlers, vouched, shutdown };
        let result = Owner::new(link, self.transport).run(duty).await;
        // Their streams are gone; what they still do is bookkeeping.
        let all_done = async { while handlers.join_next().await.is_some() {} };
        if Timer::within(HANDLER_GRACE, all_done).await.is_none() {
            tracing::warn!(%peer, "handlers of a closed tunnel did not end in time and were dropped");
        }
        result
    }
}

/// What an owner does at a server.
struct Serving<'s, H, S> {
    peer: &'s SpiffeId,
    handler: &'s H,
    handlers: &'s mut JoinSet<()>,
    vouched: Option<Vouched>,
    /// None once it was asked for.
    shutdown: Option<Pin<&'s mut S>>,
}

impl<H, F, S> Duty for Serving<'_, H, S>
where
    H: Fn(IncomingStream) -> F,
    F: Future<Output = ()> + 'static,
    S: Future<Output = ()>,
{
    fn received(&mut self, link: &Link) {
        while let Some(Asked { stream, inbox, fields, target }) = link.next_request() {
            // Finished handlers are collected here rather than one wake-up each.
            while self.handlers.try_join_next().is_some() {}
            let handle = Handle { link: link.clone(), stream, inbox, code: Code::CANCEL };
            if self.handlers.len() >= MAX_HANDLERS {
                refuse_stream(handle);
            } else if let Some(incoming) = check(handle, fields, target, self.peer) {
                self.handlers.spawn_local((self.handler)(incoming));
            }
        }
    }

    fn look(&mut self, _: &Link, _: Instant) -> Option<Instant> {
        None
    }

    fn distrusts(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        self.vouched.as_mut().map_or(Poll::Pending, |vouched| vouched.poll(cx))
    }

    fn is_closing(&mut self, link: &Link, cx: &mut Context<'_>) -> bool {
        if let Some(shutdown) = &mut self.shutdown
            && shutdown.as_mut().poll(cx).is_ready()
        {
            self.shutdown = None;
            link.drain();
        }
        link.is_finishing()
    }
}

/// The request as a CONNECT; answers what is none.
fn check(
    handle: Handle,
    fields: Fields,
    target: Option<Result<Authority, AuthorityError>>,
    peer: &SpiffeId,
) -> Option<IncomingStream> {
    if let Some(Ok(authority)) = target {
        return Some(IncomingStream { authority, peer: peer.clone(), fields, handle });
    }
    tracing::debug!(%peer, request = ?fields, error = ?target, "not a CONNECT we serve");
    answer_only(handle, StatusCode::BAD_REQUEST);
    None
}

fn refuse_stream(mut handle: Handle) {
    handle.code = Code::REFUSED_STREAM;
}

fn answer_only(mut handle: Handle, status: StatusCode) {
    let status = status.as_str().as_bytes();
    handle.link.respond(handle.stream, [Field::new(b":status", status)], End::Stream);
    // What the peer still sends is of no interest (RFC 9113 8.1).
    handle.code = Code::NO_ERROR;
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
        self.text(BAGGAGE)
    }

    /// The `forwarded` header (RFC 7239): the source's address.
    pub fn forwarded(&self) -> Option<&str> {
        self.text(FORWARDED)
    }

    /// The `traceparent` header (W3C Trace Context).
    pub fn traceparent(&self) -> Option<&str> {
        self.text(TRACEPARENT)
    }

    /// The `x-forwarded-network` header: the network it came from through an east-west gateway.
    pub fn forwarded_network(&self) -> Option<&str> {
        self.text(X_FORWARDED_NETWORK)
    }

    /// Any other header, by its name in lower case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text(name.as_bytes())
    }

    /// Completes when the source gives up (or the tunnel ends) before it got an answer.
    pub async fn cancelled(&mut self) {
        std::future::poll_fn(|cx| {
            self.handle.inbox.register_reader(cx);
            if self.handle.fault().is_some() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    /// Answers 200, with the destination's `baggage` if given: only after the connection to the application stands.
    pub fn accept(self, baggage: Option<&HeaderValue>) -> Result<TunnelStream, TunnelError> {
        let Self { fields, handle, .. } = self;
        if let Some(fault) = handle.fault() {
            return Err(TunnelError::Serve { source: Arc::new(fault.to_io()) });
        }
        let status = Field::new(b":status", b"200");
        let baggage = baggage.map(|baggage| Field::new(BAGGAGE, baggage.as_bytes()));
        handle.link.respond(handle.stream, std::iter::once(status).chain(baggage), End::Open);
        Ok(TunnelStream::new(handle, fields.get(BAGGAGE).map(Into::into), None))
    }

    /// Answers with an error status and ends the stream.
    pub fn refuse(self, refusal: Refusal) {
        answer_only(self.handle, refusal.status());
    }

    fn text(&self, name: &[u8]) -> Option<&str> {
        let value = self.fields.get(name)?;
        let visible = value.iter().all(|&byte| byte == b'\t' || (b' '..0x7f).contains(&byte));
        std::str::from_utf8(value).ok().filter(|_| visible)
    }
}

impl std::fmt::Debug for IncomingStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IncomingStream")
            .field("authority", &self.authority)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

// === impl Refusal ===

impl Refusal {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Denied => StatusCode::UNAUTHORIZED,
            Self::Limited => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

#[cfg(test)]
mod tests;
