//! A place that sends one request after the other, and the connections that it shares with others.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use ripstop_exchange::{
    Body, ClientOptions, Fault, Heard, Http1Client, Http2Call, Http2Client, Http2Options, Io, Slices, TlsStream,
    Upstream,
};
use ripstop_h1::BodyKind;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::{TcpStream, lookup_host},
    sync::Mutex as AsyncMutex,
    task::spawn_local,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    Failure, Message, Plan, Protocol, Reuse, Target,
    run::{Budget, Span, Stop},
    shares::Shares,
    tally::{Ended, Tally},
    target::Origin,
    turns::{Turn, Turns},
};

/// Sends one request after the other.
pub(crate) struct Place {
    pub(crate) line: Rc<Line>,
    pub(crate) shares: Shares,
    /// Of each target.
    pub(crate) tallies: Arc<[Mutex<Tally>]>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) stop: Stop,
}

/// A connection to each server that the targets are on, for as many requests at once as its protocol takes.
pub(crate) struct Line {
    plan: Arc<Plan>,
    message: Outgoing,
    origins: Vec<Connected>,
    /// The server of each target.
    of_target: Vec<usize>,
}

/// A request that is the same each time.
struct Outgoing {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    kind: BodyKind,
}

/// A server, and the connection to it, if there is one.
struct Connected {
    origin: Origin,
    tls: Option<Arc<ClientConfig>>,
    /// Where its name leads, and whose turn it is.
    addresses: RefCell<(Vec<SocketAddr>, usize)>,
    http1: RefCell<Option<Http1Client>>,
    http2: AsyncMutex<Option<Http2Client>>,
}

/// Why there is no answer.
type Broken = (Failure, String);

/// The value of a field that is not there.
const NOT_SAID: &str = "(none)";
/// Pauses after connections that could not be made, at least and at most, where nothing else says when to go on.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

// === impl Place ===

impl Place {
    /// Makes its connections before anything is counted; what comes of it.
    pub(crate) async fn prepare(&self) -> Result<(), Broken> {
        self.line.prepare().await
    }

    /// Sends until it is over.
    pub(crate) async fn run(mut self, mut turns: Turns, span: Span) {
        let mut pause = PAUSES.0;
        while let Some(from) = self.turn(&mut turns, span).await {
            let target = self.shares.next();
            let ended = self.line.request(target).await;
            let took = from.elapsed();
            let unconnected = matches!(ended, Ended::Failed(Failure::Name | Failure::Connect | Failure::Tls, _));
            if from >= span.begin {
                self.tallies[target].lock().unwrap_or_else(PoisonError::into_inner).record(took, ended);
            }
            // A closed loop would try as fast as it can.
            if unconnected && self.line.plan.pace == crate::Pace::Closed {
                self.stop.or(sleep(pause)).await;
                pause = (pause * 2).min(PAUSES.1);
            } else {
                pause = PAUSES.0;
            }
        }
    }

    /// Waits for the next turn; gives from when it counts, or nothing when it is over.
    async fn turn(&self, turns: &mut Turns, span: Span) -> Option<Instant> {
        let from = match turns.next() {
            Turn::Now => Instant::now(),
            Turn::At(due) if due <= Instant::now() => due,
            Turn::At(due) => {
                if span.is_over(due) {
                    return None;
                }
                self.stop.or(sleep_until(due.into())).await;
                // The timer may be late, which nobody but us would have met.
                Instant::now()
            }
        };
        // What was due before the end and could not be sent in time is not sent behind it either.
        let is_over = self.stop.is_set() || span.is_over(Instant::now());
        let goes_on = !is_over && (from < span.begin || self.budget.take());
        goes_on.then_some(from)
    }
}

// === impl Line ===

impl Line {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        let mut origins: Vec<Connected> = Vec::new();
        let mut of_target = Vec::new();
        for target in &plan.targets {
            let known = origins.iter().position(|known| known.origin == target.origin);
            of_target.push(known.unwrap_or_else(|| {
                origins.push(Connected::new(target.origin.clone(), plan));
                origins.len() - 1
            }));
        }
        Self { plan: plan.clone(), message: Outgoing::new(&plan.message, plan.protocol), origins, of_target }
    }

    async fn prepare(&self) -> Result<(), Broken> {
        if self.plan.reuse == Reuse::Fresh {
            return Ok(());
        }
        let mut result = Ok(());
        for connected in &self.origins {
            let made = async {
                if self.plan.protocol.is_http2() {
                    connected.http2(&self.plan).await.map(|_| ())
                } else {
                    *connected.http1.borrow_mut() = Some(connected.connect_http1().await?);
                    Ok(())
                }
            };
            let made = timeout(self.plan.timeout, made).await;
            result = made.unwrap_or_else(|_| Err(late(self.plan.timeout))).and(result);
        }
        result
    }

    /// One request to `target`, and its answer.
    async fn request(&self, target: usize) -> Ended {
        let connected = &self.origins[self.of_target[target]];
        let target = &self.plan.targets[target];
        let answered = async {
            if self.plan.protocol.is_http2() {
                self.by_http2(connected, target).await
            } else {
                self.by_http1(connected, target).await
            }
        };
        let answered = timeout(self.plan.timeout, answered).await;
        match answered.unwrap_or_else(|_| Err(late(self.plan.timeout))) {
            Ok(ended) => ended,
            Err((failure, reason)) => Ended::Failed(failure, reason),
        }
    }

    async fn by_http1(&self, connected: &Connected, target: &Target) -> Result<Ended, Broken> {
        let kept = connected.http1.borrow_mut().take();
        let mut client = match kept.and_then(|mut client| client.is_reusable().then_some(client)) {
            Some(client) => client,
            None => connected.connect_http1().await?,
        };
        let ended = self.exchange(&mut Upstream::Http1(&mut client), target).await.map_err(|fault| broken(&fault))?;
        if self.plan.reuse == Reuse::Kept && client.is_reusable() {
            *connected.http1.borrow_mut() = Some(client);
        }
        Ok(ended)
    }

    async fn by_http2(&self, connected: &Connected, target: &Target) -> Result<Ended, Broken> {
        let client = match self.plan.reuse {
            Reuse::Kept => connected.http2(&self.plan).await?,
            Reuse::Fresh => connected.connect_http2(&self.plan).await?,
        };
        let mut call: Http2Call = client.call();
        self.exchange(&mut Upstream::Http2(&mut call), target).await.map_err(|fault| broken(&fault))
    }

    async fn exchange(&self, upstream: &mut Upstream<'_>, target: &Target) -> Result<Ended, Fault> {
        let Outgoing { fields, body, kind } = &self.message;
        let method = self.plan.message.method.as_bytes();
        let fields = fields.iter().map(|(name, value)| (&**name, &**value));
        upstream.send(method, target.path.as_bytes(), target.authority.as_bytes(), fields, *kind)?;
        // A request of HTTP/2 that has no body has ended with its head.
        let mut ended = body.is_empty() && matches!(upstream, Upstream::Http2(_));
        let mut left = &body[..];
        let mut heard = poll_fn(|cx| {
            // The answer may come before the request is complete.
            while !left.is_empty()
                && let Poll::Ready(sent) = upstream.poll_send(cx, &Slices::from(left))
            {
                left = &left[sent?..];
            }
            if left.is_empty() && !std::mem::replace(&mut ended, true) {
                upstream.end([])?;
            }
            if let Poll::Ready(flushed) = upstream.poll_flush(cx) {
                flushed?;
            }
            upstream.poll_head(cx)
        })
        .await?;
        while heard == Heard::Informational {
            heard = poll_fn(|cx| upstream.poll_head(cx)).await?;
        }
        if heard == Heard::Switch {
            return Err(Fault::Switch);
        }
        let status = upstream.status();
        let early = upstream
            .fields()
            .find(|(name, _)| name.eq_ignore_ascii_case(b"grpc-status"))
            .and_then(|(_, value)| number(value));
        let value = self.plan.by.as_ref().map(|name| {
            let said = upstream.fields().find(|(said, _)| said.eq_ignore_ascii_case(name.as_bytes()));
            said.map_or_else(|| NOT_SAID.into(), |(_, value)| String::from_utf8_lossy(value).into())
        });
        let mut received = 0;
        while poll_fn(|cx| upstream.poll_body(cx)).await? == Body::Data {
            let length = upstream.data().len();
            upstream.consume(length);
            received += length as u64;
        }
        let grpc = (self.plan.protocol == Protocol::Grpc)
            .then(|| upstream.trailer(b"grpc-status").and_then(number).or(early).unwrap_or_else(|| code_of(status)));
        Ok(Ended::Answered { status, grpc, received, value })
    }
}

// === impl Outgoing ===

impl Outgoing {
    fn new(message: &Message, protocol: Protocol) -> Self {
        let mut fields = Vec::new();
        let mut body = message.body.clone();
        if protocol == Protocol::Grpc {
            fields.push((b"content-type".to_vec(), b"application/grpc".to_vec()));
            fields.push((b"te".to_vec(), b"trailers".to_vec()));
            // Not compressed, and how long it is.
            let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
            body.splice(0..0, [0].into_iter().chain(length));
        }
        let bytes = |text: &String| text.as_bytes().to_vec();
        fields.extend(message.fields.iter().map(|(name, value)| (bytes(name), bytes(value))));
        let kind = match body.len() as u64 {
            0 if matches!(message.method.as_str(), "POST" | "PUT" | "PATCH") => BodyKind::Length(0),
            0 => BodyKind::None,
            length => BodyKind::Length(length),
        };
        Self { fields, body, kind }
    }
}

// === impl Connected ===

impl Connected {
    fn new(origin: Origin, plan: &Plan) -> Self {
        let protocols = if plan.protocol.is_http2() { b"h2".to_vec() } else { b"http/1.1".to_vec() };
        let tls = plan.tls.as_ref().filter(|_| origin.secure).map(|tls| {
            let mut tls = ClientConfig::clone(tls);
            tls.alpn_protocols = vec![protocols];
            Arc::new(tls)
        });
        Self { origin, tls, addresses: RefCell::default(), http1: RefCell::default(), http2: AsyncMutex::default() }
    }

    async fn connect_http1(&self) -> Result<Http1Client, Broken> {
        Ok(Http1Client::new(self.connect().await?, Rc::new(ClientOptions::default())))
    }

    /// The connection that there is, or another one.
    async fn http2(&self, plan: &Plan) -> Result<Http2Client, Broken> {
        let mut kept = self.http2.lock().await;
        if let Some(client) = &*kept
            && client.may_open().is_ok()
        {
            return Ok(client.clone());
        }
        let client = self.connect_http2(plan).await?;
        *kept = Some(client.clone());
        Ok(client)
    }

    async fn connect_http2(&self, plan: &Plan) -> Result<Http2Client, Broken> {
        let (client, driver) = Http2Client::new(self.connect().await?, Rc::new(Http2Options::default()));
        spawn_local(async {
            // Its streams have learned why it ended.
            let _ = driver.await;
        });
        client.settled().await;
        client.may_open().map_err(|error| (Failure::Protocol, format!("the server takes no HTTP/2: {error}")))?;
        let (limit, streams) = (client.limit(), plan.streams.get() as usize);
        if plan.reuse == Reuse::Kept && limit < streams {
            let reason = format!("the server takes {limit} requests at once on a connection, {streams} were asked for");
            return Err((Failure::Protocol, reason));
        }
        Ok(client)
    }

    async fn connect(&self) -> Result<Io, Broken> {
        let address = self.address().await?;
        let told = |error: &io::Error| format!("{address}: {error}");
        let socket = match TcpStream::connect(address).await {
            Ok(socket) => socket,
            Err(error) => {
                // The name may lead elsewhere by now.
                self.addresses.borrow_mut().0.clear();
                return Err((Failure::Connect, told(&error)));
            }
        };
        socket.set_nodelay(true).map_err(|error| (Failure::Connect, told(&error)))?;
        let Some(tls) = &self.tls else { return Ok(socket.into()) };
        let name = ServerName::try_from(self.origin.host.clone());
        let name = name.map_err(|error| (Failure::Tls, format!("{}: {error}", self.origin.host)))?;
        let stream = TlsStream::connect(socket, tls.clone(), name).await;
        let stream = stream.map_err(|error| (Failure::Tls, told(&error)))?;
        let agreed = stream.session().alpn_protocol();
        if tls.alpn_protocols[0] == b"h2" && agreed != Some(b"h2") {
            return Err((Failure::Tls, format!("{address}: the server does not agree on HTTP/2")));
        }
        Ok(stream.into())
    }

    /// Where its name leads, one after the other.
    async fn address(&self) -> Result<SocketAddr, Broken> {
        let Origin { host, port, .. } = &self.origin;
        if self.addresses.borrow().0.is_empty() {
            let found = lookup_host((host.as_str(), *port)).await;
            let found: Vec<SocketAddr> = found.map_err(|error| (Failure::Name, format!("{host}: {error}")))?.collect();
            self.addresses.borrow_mut().0 = found;
        }
        let (known, next) = &mut *self.addresses.borrow_mut();
        let found = known.get(*next % known.len().max(1)).copied();
        *next = next.wrapping_add(1);
        found.ok_or_else(|| (Failure::Name, format!("{host}: it has no address")))
    }
}

fn late(limit: Duration) -> Broken {
    (Failure::Timeout, format!("it took longer than {limit:?}"))
}

fn broken(fault: &Fault) -> Broken {
    let failure = match fault {
        Fault::Reset(_) | Fault::Unprocessed => Failure::Reset,
        Fault::Malformed(_) => Failure::Protocol,
        _ => Failure::Closed,
    };
    (failure, fault.to_string())
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What an HTTP status means for a call that was not answered by gRPC (its document "HTTP to gRPC Status Code Mapping").
fn code_of(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}
