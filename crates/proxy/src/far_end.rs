//! The far side of a relayed connection: a plain socket, a stream of a tunnel, or TLS that is made here.

use std::{
    cell::Cell,
    fmt::Write as _,
    future::poll_fn,
    io::IoSlice,
    net::{IpAddr, SocketAddr},
    pin::pin,
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
    time::SystemTime,
};

use http::HeaderValue;
use ripstop_decide::Endpoint;
use ripstop_exchange::Io;
use ripstop_identity::Proof;
use ripstop_model::{Service, Snapshot, SpiffeId, Workload};
use ripstop_telemetry::{Direction, ResponseFlag, TcpSeries};
use ripstop_tunnel::{
    self as tunnel, ConnectRequest, Counters, Credentials, Dialled, Observer, Peer, Side, TunnelError, TunnelKey,
    TunnelStream, Vouched, Watch, relay_observed,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{
    certificates::Credential,
    cutover::Following,
    error::Error,
    outbound::random,
    peers::believed,
    record::Parties,
    relay::relay,
    sight::{Metering, Recorder},
    takeover::{Heard, Takeover},
    worker::Context,
};

/// Where a relay leads.
#[derive(Debug)]
pub enum FarEnd {
    /// Plain TCP.
    Plain(TcpStream),
    /// A stream of a tunnel.
    Tunnel(TunnelStream),
    /// TLS of its own, or what something was read of already: nobody looks on.
    Secured(Io),
}

/// Who looks on at what is relayed.
pub enum Onlooker {
    /// Nobody.
    Nobody,
    /// Whoever tells of its requests.
    Metering(Box<Metering>),
    /// Whoever ends it between two requests, once routes ask for them.
    Following(Box<Following>),
}

/// Bytes sent to and received from the far end.
pub type Moved = (u64, u64);

/// What a relay has let go of.
pub enum Left {
    /// The own connection, whose next bytes are a request.
    Own(TcpStream),
    /// The far end, and what was heard of it.
    Far(Io, Heard),
}

// === impl Onlooker ===

impl Onlooker {
    /// Whoever tells of requests of a connection of `parties`, if its port is declared to have any.
    pub fn metering(recorder: &Rc<Recorder>, snapshot: &Snapshot, parties: &Parties) -> Self {
        Metering::of(recorder, snapshot, parties).map_or(Self::Nobody, Self::Metering)
    }

    /// By what its connection may be taken over, if it may.
    pub fn takeover(&self) -> Option<Rc<Takeover>> {
        if let Self::Metering(metering) = self { Some(metering.takeover()) } else { None }
    }
}

// === impl FarEnd ===

impl FarEnd {
    /// Sends bytes on.
    pub async fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tunnel(stream) => stream.write_all(bytes).await,
            Self::Secured(stream) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let written = poll_fn(|cx| stream.poll_write_vectored(cx, &[IoSlice::new(rest)])).await?;
                    rest = &rest[written..];
                }
                Ok(())
            }
        }
    }

    /// Copies between the own connection of a workload and this until both have ended, until
    /// `ended` says why it has to end, or `gone` fires. `onlooker` is shown what passes. Gives
    /// that connection back which `onlooker` wants, if it does. An `ended` that is not given
    /// pinned, the future has room for twice.
    pub async fn relay(
        self,
        own: TcpStream,
        gone: &CancellationToken,
        series: &TcpSeries,
        direction: Direction,
        ended: impl Future<Output = Error>,
        mut onlooker: Onlooker,
    ) -> (Moved, Result<Option<Left>, Error>) {
        let counters = counters(series, direction);
        let reason = Cell::new(None);
        let mark = if let Onlooker::Following(following) = &onlooker { Some(following.mark()) } else { None };
        let heeded = async {
            match &mark {
                Some(mark) => mark.heeded().await,
                None => std::future::pending().await,
            }
        };
        // Pinned once, not moved into each of those that are given it.
        let stop = pin!(async {
            reason.set(Some(tokio::select! {
                never = heeded => match never {},
                error = ended => error,
                () = gone.cancelled() => Error::Gone,
            }));
        });
        let observer = match &mut onlooker {
            Onlooker::Nobody => None,
            Onlooker::Metering(metering) => Some(&mut **metering as &mut dyn Observer),
            Onlooker::Following(following) => Some(&mut **following as &mut dyn Observer),
        };
        let relayed = match self {
            Self::Plain(far) => relay_observed(own, far, counters, observer, stop).await,
            Self::Tunnel(far) => relay_observed(own, far, counters, observer, stop).await,
            Self::Secured(far) => {
                let stop = async {
                    stop.await;
                    Error::Gone
                };
                let (moved, ended) = Box::pin(relay(own.into(), far, counters, stop)).await;
                return (moved, ended.map_or(Ok(None), |error| Err(reason.take().unwrap_or(error))));
            }
        };
        let (mut heard, mut is_idle) = (Heard::Nothing, false);
        if let Onlooker::Metering(metering) = onlooker {
            (heard, is_idle) = (metering.heard(), metering.is_idle());
            metering.finish(relayed.as_ref().err().map(|error| &error.cause));
        }
        let (totals, ended) = match relayed {
            Ok(relayed) => {
                let left = relayed.left.map(|left| match left {
                    tunnel::Left::Socket(own) => Left::Own(own),
                    tunnel::Left::Peer(Peer::Plain(far)) => Left::Far(far.into(), heard),
                    tunnel::Left::Peer(Peer::Tunnel(far)) => Left::Far(far.into(), heard),
                });
                (relayed.totals, Ok(left))
            }
            Err(error) => {
                let ended = match reason.take() {
                    Some(reason) => Err(reason),
                    // Whoever keeps a connection for requests lets go of it like that, too.
                    None if is_idle && error.cause.is_of(Side::Second) => Ok(None),
                    None => Err(Error::Relay(error.to_string())),
                };
                (error.totals, ended)
            }
        };
        ((totals.forward, totals.backward), ended)
    }
}

impl From<Io> for FarEnd {
    fn from(stream: Io) -> Self {
        match stream {
            Io::Tcp(stream) => Self::Plain(stream),
            Io::Tunnel(stream) => Self::Tunnel(stream),
            Io::Tls(_) | Io::Ahead(_) | Io::Closed => Self::Secured(stream),
        }
    }
}

impl From<FarEnd> for Io {
    fn from(far: FarEnd) -> Self {
        match far {
            FarEnd::Plain(stream) => stream.into(),
            FarEnd::Tunnel(stream) => stream.into(),
            FarEnd::Secured(stream) => stream,
        }
    }
}

/// Istio's view is the caller's: sent is what the caller got.
fn counters(series: &TcpSeries, direction: Direction) -> Counters<'_> {
    let (forward, backward): (&AtomicU64, &AtomicU64) = match direction {
        // From the caller (the workload's own connection) to the far end.
        Direction::Outbound => (&series.received, &series.sent),
        // From the application to the caller at the far end.
        Direction::Inbound => (&series.sent, &series.received),
    };
    Counters { forward, backward }
}

/// Opens a stream to `endpoint` in the name of `source`, through a tunnel of this worker.
pub async fn open(
    context: &Rc<Context>,
    source: &Workload,
    endpoint: &Endpoint,
    service: Option<&Service>,
    peer: SocketAddr,
    credential: &Arc<Credential>,
    address: SocketAddr,
) -> Result<FarEnd, Error> {
    let key = TunnelKey {
        source: credential.id().clone(),
        source_uid: source.uid.clone(),
        source_ip: source_ip(source, address.ip()).unwrap_or(peer.ip()),
        destination: address,
        expected: endpoint.expected.as_slice().into(),
    };
    let credentials = Credentials { config: credential.client(&endpoint.expected), generation: credential.generation };
    let mut request = ConnectRequest::new(endpoint.target.into());
    request.baggage = HeaderValue::try_from(baggage(source)).ok();
    request.forwarded = HeaderValue::try_from(forwarded(peer, service)).ok();
    request.traceparent = HeaderValue::try_from(traceparent()).ok();
    let dial = || {
        let (context, uid) = (context.clone(), source.uid.clone());
        let watch = watch(&context, credential, &key.expected);
        async move {
            let connected = context.sockets.connect(&uid, None, address).await;
            let probed = connected
                .and_then(|stream| context.probe(&stream, address).map(|()| Dialled { stream, watch: Some(watch) }));
            probed.map_err(|error| match error {
                Error::Connect { source, .. } => source,
                error => std::io::Error::other(error),
            })
        }
    };
    let opened = context.tunnels.open(&key, &credentials, dial, &request).await;
    opened.map(FarEnd::Tunnel).map_err(|error| failed(address, &error))
}

/// Looks after a callee that has to prove one of `expected` to the holder of `credential`: its tunnel ends once whoever
/// vouches for it is not believed any more.
fn watch(context: &Rc<Context>, credential: &Arc<Credential>, expected: &Arc<[SpiffeId]>) -> Watch {
    let (context, credential, expected) = (Rc::downgrade(context), credential.clone(), expected.clone());
    Box::new(move |chain| {
        let proof = Proof::of_server(credential.id(), chain, expected, Some(credential.trusted()), SystemTime::now());
        let watched = context.upgrade().zip(proof.ok());
        let watched = watched.map(|(context, proof)| context.peers.watch(proof, &context.shared.certificates));
        // There is one: the handshake has read its identity, and the worker drives what is made here.
        Vouched::new(believed(watched))
    })
}

fn failed(address: SocketAddr, error: &TunnelError) -> Error {
    let flag = match error {
        TunnelError::Handshake { .. } => ResponseFlag::TlsFailure,
        TunnelError::Lost { .. } => ResponseFlag::H2HandshakeFailure,
        TunnelError::Refused { status: 401, .. } => ResponseFlag::Deny,
        TunnelError::Refused { status: 429, .. } => ResponseFlag::RateLimited,
        _ => ResponseFlag::Connect,
    };
    let verifier = error.io().and_then(ripstop_identity::verify_error);
    let reason = verifier.map_or_else(|| error.to_string(), ToString::to_string);
    Error::Tunnel { address, reason, flag }
}

fn source_ip(source: &Workload, like: IpAddr) -> Option<IpAddr> {
    source.addresses.iter().copied().find(|address| address.is_ipv4() == like.is_ipv4())
}

/// What a workload says of itself (istio.io's keys of W3C Baggage).
pub fn baggage(workload: &Workload) -> String {
    format!(
        "k8s.cluster.name={},k8s.namespace.name={},k8s.deployment.name={},service.name={},service.version={}",
        workload.cluster,
        workload.namespace,
        workload.workload_name,
        workload.canonical_name,
        workload.canonical_revision
    )
}

/// RFC 7239: the caller, and the service it asked for.
fn forwarded(peer: SocketAddr, service: Option<&Service>) -> String {
    let mut value = format!("for=\"{peer}\"");
    if let Some(service) = service {
        let _ = write!(value, ";host={}", service.key.hostname);
    }
    value
}

/// W3C Trace Context, fresh for each connection, not sampled.
fn traceparent() -> String {
    // All-zero ids are not valid.
    format!("00-{:016x}{:016x}-{:016x}-00", random(), random() | 1, random() | 1)
}

#[cfg(test)]
mod tests;
