//! One tunnel: made, driven and ended by one task.

use std::{
    fmt,
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason,
    client::{Connection, SendRequest},
};
use http::{Method, Request, Uri};
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{ConnectRequest, Credentials, Shared, TunnelKey, group::Dial};
use crate::{
    TunnelError, TunnelStream,
    headers::{BAGGAGE, FORWARDED, TRACEPARENT, X_FORWARDED_NETWORK},
    keepalive::{Action, Keepalive},
    settings,
    watched::{Watch, Watched},
};

type Io = Watched<TlsStream<TcpStream>>;

/// A tunnel as the pool sees it. Its connection belongs to the task of [`establish`].
pub(crate) struct Tunnel {
    key: TunnelKey,
    generation: u64,
    /// None once it takes no new streams; without it and without streams the connection ends by itself.
    sender: Mutex<Option<SendRequest<Bytes>>>,
    active: AtomicUsize,
    /// Whether the peer has answered anything: its settings came before.
    settled: AtomicBool,
    watch: Arc<Watch>,
    /// The group's, told when a place gets free.
    freed: Arc<Notify>,
}

/// A place for one stream in a tunnel, given back when dropped.
pub(crate) struct Slot {
    tunnel: Arc<Tunnel>,
    sender: Option<SendRequest<Bytes>>,
}

/// How a CONNECT failed.
pub(super) enum Failed {
    /// The tunnel took no stream: nothing was sent.
    Closed,
    /// The peer did not process it.
    Unprocessed(TunnelError),
    /// Trying again would not help, or not be safe.
    Final(TunnelError),
}

/// Dials, shakes hands, enters the tunnel into its group and drives it to its end.
pub(super) async fn establish(
    shared: Arc<Shared>,
    key: TunnelKey,
    credentials: Credentials,
    dial: impl Future<Output = io::Result<TcpStream>> + Send,
    started: Dial,
) {
    let stop = shared.stop.clone();
    let made = tokio::select! {
        biased;
        () = stop.cancelled() => Err(TunnelError::Closed),
        made = timeout(settings::HANDSHAKE_DEADLINE, handshake(&key, &credentials, dial)) => {
            made.unwrap_or(Err(TunnelError::HandshakeTimeout { destination: key.destination }))
        }
    };
    let (connection, tunnel) = {
        let mut groups = shared.lock();
        // Present: groups with a dial under way are not removed.
        let group = groups.entry(key.clone()).or_default();
        match made {
            Ok((sender, connection, watch)) => {
                let tunnel = Arc::new(Tunnel {
                    key,
                    generation: credentials.generation,
                    sender: Mutex::new(Some(sender)),
                    active: AtomicUsize::new(0),
                    settled: AtomicBool::new(false),
                    watch,
                    freed: group.notify(),
                });
                if shared.tasks.is_closed() {
                    tunnel.close();
                }
                group.dialled(tunnel.clone(), started);
                (connection, tunnel)
            }
            Err(error) => {
                tracing::debug!(destination = %key.destination, %error, "no tunnel");
                group.dial_failed(error, started);
                if group.is_unused() {
                    groups.remove(&key);
                }
                return;
            }
        }
    };
    let end = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        end = drive(connection, &tunnel, &shared) => end,
    };
    if let Err(error) = end {
        tracing::debug!(destination = %tunnel.key.destination, %error, "tunnel ended");
    }
    shared.retire(&tunnel);
}

async fn handshake(
    key: &TunnelKey,
    credentials: &Credentials,
    dial: impl Future<Output = io::Result<TcpStream>>,
) -> Result<(SendRequest<Bytes>, Connection<Io, Bytes>, Arc<Watch>), TunnelError> {
    let destination = key.destination;
    let failed = |source: Arc<io::Error>| TunnelError::Handshake { destination, source };
    let tcp = dial.await.map_err(|source| TunnelError::Connect { destination, source: Arc::new(source) })?;
    tcp.set_nodelay(true).map_err(|source| TunnelError::Connect { destination, source: Arc::new(source) })?;
    // rustls insists on a name; it is not sent (the configuration forbids it) and not checked.
    let name = ServerName::IpAddress(destination.ip().into());
    let tls = TlsConnector::from(credentials.config.clone())
        .connect(name, tcp)
        .await
        .map_err(|source| failed(Arc::new(source)))?;
    if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        let wrong = io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP/2 there (no ALPN h2)");
        return Err(failed(Arc::new(wrong)));
    }
    let (io, watch) = Watched::new(tls);
    let (sender, connection) = builder().handshake(io).await.map_err(|error| failed(watch.cause(error)))?;
    Ok((sender, connection, watch))
}

fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(settings::STREAM_WINDOW)
        .initial_connection_window_size(settings::CONNECTION_WINDOW)
        .max_frame_size(settings::MAX_FRAME)
        .max_header_list_size(settings::CLIENT_HEADER_LIST)
        .initial_max_send_streams(settings::MAX_STREAMS as usize)
        .max_send_buffer_size(settings::SEND_BUFFER)
        .data_frame_budget(settings::SMALL_FRAME_BUDGET);
    builder
}

/// Runs the connection until it ends; pings, and closes it when idle, from one timer.
async fn drive(
    mut connection: Connection<Io, Bytes>,
    tunnel: &Arc<Tunnel>,
    shared: &Shared,
) -> Result<(), TunnelError> {
    let idle_after = shared.config.idle_after;
    let mut ping_pong = connection.ping_pong();
    let mut pinged = false;
    let mut keepalive = Keepalive::new(settings::PING_AFTER, settings::PING_DEADLINE, Instant::now());
    let mut idle = Idle { since: Some(Instant::now()) };
    let mut connection = pin!(connection);
    let mut timer = pin!(sleep_until(next(&keepalive, idle_after)));
    std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(result.map_err(|error| TunnelError::Serve { source: tunnel.watch.cause(error) }));
            }
            let pong = |ping_pong: &mut h2::PingPong, cx: &mut _| ping_pong.poll_pong(cx).is_ready();
            if pinged && ping_pong.as_mut().is_some_and(|ping_pong| pong(ping_pong, cx)) {
                pinged = false;
                keepalive.tick(Instant::now(), true);
                timer.as_mut().reset(next(&keepalive, idle_after));
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if idle.expired(now, tunnel.active(), idle_after) {
                // Nobody can take a place between the check and the end: both happen under the pool's lock.
                shared.retire_if_idle(tunnel);
            }
            match keepalive.tick(now, tunnel.watch.take_heard()) {
                Action::Wait => {}
                Action::Ping => {
                    let sent = ping_pong.as_mut().is_some_and(|it| it.send_ping(h2::Ping::opaque()).is_ok());
                    pinged = sent;
                }
                Action::GiveUp => return Poll::Ready(Err(TunnelError::Silent)),
            }
            timer.as_mut().reset(next(&keepalive, idle_after));
        }
    })
    .await
}

/// The owner's next look: idleness is seen at most one ping interval late.
fn next(keepalive: &Keepalive, idle_after: Duration) -> Instant {
    keepalive.deadline().min(Instant::now() + idle_after)
}

fn limit(sender: &SendRequest<Bytes>) -> usize {
    sender.current_max_send_streams().min(settings::MAX_STREAMS as usize)
}

/// Since when a tunnel has no streams, as its owner saw it.
struct Idle {
    since: Option<Instant>,
}

impl Idle {
    fn expired(&mut self, now: Instant, active: usize, after: Duration) -> bool {
        if active > 0 {
            self.since = None;
            return false;
        }
        now.saturating_duration_since(*self.since.get_or_insert(now)) >= after
    }
}

// === impl Tunnel ===

impl Tunnel {
    pub(super) fn key(&self) -> &TunnelKey {
        &self.key
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Streams the peer allows, at most our own limit; none before its settings are there.
    pub(super) fn known_limit(&self) -> Option<usize> {
        let settled = self.settled.load(Ordering::Relaxed);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().filter(|_| settled).map(limit)
    }

    /// A place, if there is one; `assumed` is the limit while the peer's settings are not there. Called under the
    /// pool's lock.
    pub(super) fn take_slot(self: &Arc<Self>, assumed: usize) -> Option<Slot> {
        let sender = self.sender()?;
        let settled = self.settled.load(Ordering::Relaxed);
        let limit = if settled { limit(&sender) } else { limit(&sender).min(assumed) };
        if self.active() >= limit {
            return None;
        }
        self.active.fetch_add(1, Ordering::Relaxed);
        Some(Slot { tunnel: self.clone(), sender: Some(sender) })
    }

    fn sender(&self) -> Option<SendRequest<Bytes>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No new streams from now on.
    pub(super) fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("destination", &self.key.destination)
            .field("generation", &self.generation)
            .field("active", &self.active())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn retire_if_idle(&self, tunnel: &Arc<Tunnel>) {
        let mut groups = self.lock();
        if tunnel.active() > 0 {
            return;
        }
        if let Some(group) = groups.get_mut(&tunnel.key) {
            group.retire(tunnel);
            if group.is_unused() {
                groups.remove(&tunnel.key);
            }
        }
    }
}

// === impl Slot ===

impl Slot {
    pub(super) fn tunnel(&self) -> &Arc<Tunnel> {
        &self.tunnel
    }

    /// Sends CONNECT and waits for the answer.
    pub(super) async fn connect(mut self, request: &ConnectRequest) -> Result<TunnelStream, Failed> {
        let destination = self.tunnel.key.destination;
        let authority = || request.authority.clone();
        let head = head(request).map_err(Failed::Final)?;
        // Present until now: only this method takes it, and consumes the slot.
        let Some(mut sender) = self.sender.take() else { return Err(Failed::Closed) };
        let (answer, send) = sender.send_request(head, false).map_err(|_| Failed::Closed)?;
        drop(sender);
        let answer = timeout(settings::ANSWER_DEADLINE, answer)
            .await
            .map_err(|_| Failed::Final(TunnelError::AnswerTimeout { destination, authority: authority() }))?;
        self.tunnel.settled.store(true, Ordering::Relaxed);
        let answer = answer.map_err(|error| self.classify(error, request))?;
        let (head, recv) = answer.into_parts();
        if head.status != http::StatusCode::OK {
            let status = head.status.as_u16();
            return Err(Failed::Final(TunnelError::Refused { destination, authority: authority(), status }));
        }
        Ok(TunnelStream::new(send, recv, head.headers.get(BAGGAGE).cloned(), Some(self)))
    }

    fn classify(&self, error: h2::Error, request: &ConnectRequest) -> Failed {
        let destination = self.tunnel.key.destination;
        let authority = request.authority.clone();
        if error.is_reset() {
            let refused = error.reason() == Some(Reason::REFUSED_STREAM);
            let error = TunnelError::Reset { destination, authority, reason: error.to_string() };
            return if refused { Failed::Unprocessed(error) } else { Failed::Final(error) };
        }
        // GOAWAY above the last stream that the peer looks at, or the connection is gone.
        let source = self.tunnel.watch.cause(error);
        Failed::Unprocessed(TunnelError::Lost { destination, authority, source })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.tunnel.active.fetch_sub(1, Ordering::Relaxed);
        self.tunnel.freed.notify_one();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&self.tunnel).finish()
    }
}

fn head(request: &ConnectRequest) -> Result<Request<()>, TunnelError> {
    let text = request.authority.to_string();
    let authority = http::uri::Authority::try_from(text)
        .map_err(|_| TunnelError::Authority { authority: request.authority.clone() })?;
    let mut head = Request::new(());
    *head.method_mut() = Method::CONNECT;
    *head.uri_mut() = Uri::from(authority);
    let headers = [
        (BAGGAGE, &request.baggage),
        (FORWARDED, &request.forwarded),
        (TRACEPARENT, &request.traceparent),
        (X_FORWARDED_NETWORK, &request.forwarded_network),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            head.headers_mut().insert(name, value.clone());
        }
    }
    Ok(head)
}
