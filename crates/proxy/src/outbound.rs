//! From an enrolled workload to wherever it wants to go.

mod admission;
mod lifetime;

use std::{io, net::SocketAddr, pin::pin, rc::Rc, sync::Arc, time::Instant};

use ripstop_balance::{Criteria, Permit, Picked, Tried};
use ripstop_decide::{
    CallFacts, Callee, Content, Endpoint, OutboundFacts, Outcome, Program, Reading, Route, Target, departure,
    limits_of_unread_behind, limits_of_unread_call, outcome, reading, route_excluding, stands_before,
};
use ripstop_exchange::{HalfClose, Io};
use ripstop_model::{Resolution, Service, Snapshot, TrafficPolicy, TunnelProtocol, Workload, WorkloadUid};
use ripstop_telemetry::{Direction, Reporter};
use ripstop_tls::Buffer;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use self::admission::{admitted, admitted_at};
pub use self::lifetime::Lifetime;
use crate::{
    backends::{ClientEnds, EndpointKey, Sent},
    caller::gave_up,
    connection_limits::Admitted,
    connections::Revocation,
    error::Error,
    far_end::{self, FarEnd, Left, Onlooker},
    http::{
        connection::{self, Ends, Version},
        detect::{SILENCE, Silence, Spoken, detect},
        filters::{
            affinity::of_connection,
            weights::{self, Drawn},
        },
        outbound::Outbound,
        standpoint::{Standpoint, at_node},
    },
    listeners::canonical,
    local::LocalWorkload,
    record::Parties,
    refuse,
    worker::Context,
};

/// Endpoints tried for one connection, before any byte was sent.
const ATTEMPTS: usize = 3;

/// Carries one captured connection of `workload`, until `gone` fires at the latest.
pub async fn serve(
    context: Rc<Context>,
    workload: Arc<LocalWorkload>,
    gone: CancellationToken,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let since = Instant::now();
    let Ok(destination) = stream.local_addr().map(canonical) else { return };
    let _captured = workload.capture();
    let (wanted, silence) = {
        let snapshot = context.shared.snapshot.load();
        let source = workload.in_snapshot(&snapshot);
        let wanted = source.map_or(Reading::Nothing, |source| reading(&snapshot, source, destination));
        (wanted, silence(wanted, &snapshot))
    };
    // It may carry requests for as long as it lasts: no configuration is kept for that.
    let called = match read(&context, &workload, &gone, stream, (wanted, silence), peer, destination).await {
        Ok(Some(called)) => called,
        Ok(None) => return,
        Err(error) => return tracing::debug!(%error, "a caller was gone before it said anything"),
    };
    let snapshot = context.shared.snapshot.load_full();
    let mut parties = parties(&workload, &snapshot, destination, peer);
    let version = snapshot.version();
    let connecting = async {
        if wanted == Reading::Nothing {
            return connect(&context, &workload, &snapshot, destination, peer, &mut parties).await.map(Way::plain);
        }
        // Seldom, and not for every connection to have room for.
        Box::pin(by_route(&context, &workload, &snapshot, destination, peer, &called, &mut parties)).await
    };
    let connected = tokio::select! {
        biased;
        connected = connecting => connected,
        () = gave_up(&called.stream) => Err(Error::GaveUp(destination)),
    };
    let begun = match connected {
        Ok(way) => way.begin(called.read.filled()).await,
        Err(error) => Err(error),
    };
    let stream = called.stream;
    let way = match begun {
        Ok(way) => way,
        Err(error) => {
            parties.failed(&context, since, version, &error);
            if let Err(error) = refuse::reset(stream) {
                tracing::debug!(%error, "the caller had already gone");
            }
            return;
        }
    };
    // Of a connection that was read, its routes are known.
    let followed = parties.service.as_ref().filter(|_| wanted == Reading::Nothing).and_then(|service| {
        let program = context.shared.snapshot.load_full();
        context.unread.follow(&workload, destination, service, &program)
    });
    drop(snapshot);
    let ahead = called.read.len() as u64;
    drop(called.read);
    let measured = parties.open(&context);
    let onlooker = followed.map_or(Onlooker::Nobody, Onlooker::Following);
    let over = pin!(way.lifetime.over(Some(&stream)));
    let ((sent, received), ended) =
        way.far_end.relay(stream, &gone, &measured.series, Direction::Outbound, over, onlooker).await;
    let (left, error) = match ended {
        Ok(left) => (left, None),
        Err(error) => (None, Some(why(&context, &workload, error))),
    };
    measured.close(&context, &parties, since, version, (sent + ahead, received), error.as_ref());
    if let Some(Left::Own(stream)) = left {
        tracing::debug!(%destination, workload = %workload.uid, "a connection's next requests are routed");
        Box::pin(serve_requests(&context, &workload, &gone, stream.into(), Version::Http1, peer, destination)).await;
    }
}

/// Who speaks with whom, before it is known who is behind `destination`.
fn parties(workload: &LocalWorkload, snapshot: &Snapshot, destination: SocketAddr, peer: SocketAddr) -> Parties {
    Parties {
        direction: Direction::Outbound,
        source_address: peer,
        source: workload.in_snapshot(snapshot).cloned(),
        source_identity: None,
        destination_address: destination,
        destination: None,
        destination_identity: None,
        service: None,
        hbone: None,
        reporter: Reporter::Source,
    }
}

/// Why a call ended with `error`, which is all the same if its workload is gone or cut off.
fn why(context: &Context, workload: &LocalWorkload, error: Error) -> Error {
    if !matches!(error, Error::Gone) || workload.gone.is_cancelled() {
        return error;
    }
    let program = context.shared.snapshot.load();
    let denied = workload.in_snapshot(&program).and_then(|own| departure(own, None, TunnelProtocol::None));
    denied.map_or(error, |denied| Revocation::of(&denied).into())
}

/// A connection, what was read of it, and the server name that it asks for, if it is TLS and that was wanted.
struct Called {
    stream: TcpStream,
    read: Buffer,
    server_name: Option<String>,
}

/// Reads of a connection what its way depends upon; nothing: it carried requests, which are answered.
async fn read(
    context: &Rc<Context>,
    workload: &Arc<LocalWorkload>,
    gone: &CancellationToken,
    stream: TcpStream,
    (wanted, silence): (Reading, Silence),
    peer: SocketAddr,
    destination: SocketAddr,
) -> io::Result<Option<Called>> {
    let mut read = Buffer::default();
    if matches!(wanted, Reading::Nothing | Reading::Connection) {
        return Ok(Some(Called { stream, read, server_name: None }));
    }
    let mut stream = Io::from(stream);
    let spoken = tokio::select! {
        biased;
        spoken = detect(&mut stream, &mut read, silence) => spoken?,
        () = gone.cancelled() => return Ok(None),
        () = context.shared.draining.cancelled(), if silence == Silence::Waits => return Ok(None),
    };
    let requests = matches!(wanted, Reading::Requests | Reading::Detection);
    let version = match &spoken {
        Spoken::Http1 if requests => Version::Http1,
        Spoken::Http2 if requests => Version::Http2,
        _ => {
            let server_name = if let Spoken::Tls(name) = spoken { name } else { None };
            let Io::Tcp(stream) = stream else { return Ok(None) };
            return Ok(Some(Called { stream, read, server_name }));
        }
    };
    Box::pin(serve_requests(context, workload, gone, stream.with_read(read), version, peer, destination)).await;
    Ok(None)
}

/// How long a client may be silent that is read for `wanted`.
pub fn silence(wanted: Reading, program: &Program) -> Silence {
    match (wanted, program.traffic().defaults.detection_timeout) {
        // Where it is known that the client speaks first, being late is no way around routes.
        (Reading::Requests | Reading::ServerName, _) => Silence::Waits,
        (_, Some(limit)) if limit.is_zero() => Silence::Waits,
        (_, limit) => Silence::Passes(limit.unwrap_or(SILENCE)),
    }
}

/// Answers the requests of a connection, to its end.
async fn serve_requests(
    context: &Rc<Context>,
    workload: &Arc<LocalWorkload>,
    gone: &CancellationToken,
    stream: Io,
    version: Version,
    peer: SocketAddr,
    destination: SocketAddr,
) {
    let since = Instant::now();
    let server = Outbound::new(context.clone(), workload.clone(), peer, destination, Standpoint::Node);
    let server = Rc::new(server);
    let settings = workload.connection_settings(&context.shared.snapshot.load());
    let ends = Ends { drain: context.shared.draining.clone(), half_close: HalfClose::Listens, settings };
    tokio::select! {
        biased;
        () = connection::serve(server, stream, version, ends) => {}
        () = gone.cancelled() => {
            let program = context.shared.snapshot.load_full();
            let error = why(context, workload, Error::Gone);
            if !matches!(error, Error::Gone) {
                parties(workload, &program, destination, peer).failed(context, since, program.version(), &error);
            }
        }
    }
}

/// The way of a connection, and what it counts as while it lasts.
pub struct Way {
    /// Where it leads.
    pub far_end: FarEnd,
    /// How long it may last.
    pub lifetime: Lifetime,
    counted: Option<(Permit<EndpointKey>, Picked<EndpointKey>, [Admitted; 2])>,
}

impl Way {
    fn plain(far_end: FarEnd) -> Self {
        Self { far_end, lifetime: Lifetime::endless(), counted: None }
    }

    /// The endpoint that it leads to, if one was chosen.
    pub fn endpoint(&self) -> Option<&EndpointKey> {
        self.counted.as_ref().map(|(_, picked, _)| picked.key())
    }

    /// Sends on what was read already.
    pub async fn begin(mut self, read: &[u8]) -> Result<Self, Error> {
        if !read.is_empty() {
            self.far_end.write_all(read).await.map_err(|error| Error::Relay(error.to_string()))?;
        }
        Ok(self)
    }
}

/// Opens the way that routes and settings for connections say.
async fn by_route(
    context: &Rc<Context>,
    workload: &LocalWorkload,
    program: &Arc<Program>,
    destination: SocketAddr,
    peer: SocketAddr,
    called: &Called,
    parties: &mut Parties,
) -> Result<Way, Error> {
    let source = parties.source.clone().ok_or_else(|| Error::UnknownWorkload(workload.uid.as_str().into()))?;
    let facts = at_node(&source, destination, None);
    let facts = CallFacts { sni: called.server_name.as_deref(), ..facts };
    match outcome(program, &facts) {
        Outcome::Forward { backends, .. } => {
            toward(context, program, &source, &backends, destination, (Content::Unread, Sent::AsRuled), parties).await
        }
        Outcome::Passthrough => connect(context, workload, program, destination, peer, parties).await.map(Way::plain),
        _ => Err(Error::NotRegistered(destination)),
    }
}

/// Opens the way to one of `backends` in the name of `source`, whose caller called `original`; `content` is what is known of
/// what it carries.
pub async fn toward(
    context: &Rc<Context>,
    program: &Arc<Program>,
    source: &Arc<Workload>,
    backends: &[Target],
    original: SocketAddr,
    (content, sent): (Content<'_>, Sent),
    parties: &mut Parties,
) -> Result<Way, Error> {
    let target = match weights::draw(backends, random()) {
        Drawn::Target(target) => target,
        Drawn::Missing(target, _) => return Err(Error::NoEndpoint(target.backend.to_string())),
        Drawn::Nothing => return Err(Error::NoEndpoint(original.to_string())),
    };
    if let Some(Callee::Service(service)) = &target.callee {
        parties.service = Some(service.clone());
    }
    if let Some(callee) = &target.callee {
        may_be_unread(program, source, callee, target.backend.port.unwrap_or_default())?;
    }
    may_ask_for(source, target)?;
    let admitted = admitted(context, program, source, target, parties)?;
    let backend = context.backends.backend(context, program, source, target);
    backend.ready().await;
    let hash = backend
        .settings()
        .balancer
        .as_ref()
        .and_then(|balancer| of_connection(&balancer.algorithm, parties.source_address));
    let mut tried = Tried::new();
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let criteria = Criteria { hash, tried: &tried, ..Criteria::default() };
        let Ok(picked) = backend.pick(&criteria, original, random()) else { break };
        tried.note(&picked);
        let endpoint = picked.key().clone();
        parties.destination = endpoint.workload().cloned();
        parties.hbone = endpoint.tunnel_address();
        may_leave(source, endpoint.workload(), endpoint.way())?;
        if let Some(workload) = endpoint.workload() {
            may_pass_unread(program, source, workload, endpoint.address().port(), content)?;
        }
        let admitted_there = admitted_at(context, program, source, &endpoint, parties)?;
        let client = || ClientEnds::new(parties.source_address, parties.destination_address);
        let error = match backend.dial(context, &endpoint, client, sent).await {
            Ok((stream, permit)) => {
                backend.tell_answered(&picked);
                if endpoint.is_tunnelled() {
                    parties.source_identity = source.identity().ok();
                    parties.destination_identity = match endpoint.expected() {
                        [only] => Some(only.clone()),
                        _ => None,
                    };
                }
                let lifetime = Lifetime::begins(backend.lifetime(), backend.silence());
                let counted = Some((permit, picked, [admitted, admitted_there]));
                return Ok(Way { far_end: stream.into(), lifetime, counted });
            }
            Err(error) => error,
        };
        let again = error.outcome().is_some();
        if let Some(outcome) = error.outcome() {
            backend.tell(&picked, outcome);
        }
        last = Some(Error::Backend(error));
        if !again {
            break;
        }
    }
    let nobody = || match &target.callee {
        Some(Callee::Entry(_)) => Error::NoAddress(target.backend.to_string()),
        _ => Error::NoEndpoint(target.backend.to_string()),
    };
    Err(last.unwrap_or_else(nobody))
}

/// Opens the way to `destination`, trying other endpoints of a service when one does not answer.
async fn connect(
    context: &Rc<Context>,
    workload: &LocalWorkload,
    snapshot: &Snapshot,
    destination: SocketAddr,
    peer: SocketAddr,
    parties: &mut Parties,
) -> Result<FarEnd, Error> {
    let source = parties.source.clone().ok_or_else(|| Error::UnknownWorkload(workload.uid.as_str().into()))?;
    let mut tried: Vec<WorkloadUid> = Vec::new();
    let mut last = None;
    while tried.len() < ATTEMPTS {
        let facts = OutboundFacts { source: &source, destination, pick: random() };
        match route_excluding(snapshot, &facts, &tried).route {
            Route::Service { service, endpoint, .. } => {
                parties.service = Some(service.clone());
                match open(context, &source, &endpoint, Some(&service), peer, parties).await {
                    Ok(far_end) => return Ok(far_end),
                    Err(error) if may_try_another(&error) => {
                        tried.push(endpoint.workload.uid.clone());
                        last = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            Route::Workload { endpoint } => {
                match open(context, &source, &endpoint, None, peer, parties).await {
                    // Of a waypoint there may be several.
                    Err(error) if endpoint.is_of_waypoint(destination) && may_try_another(&error) => {
                        tried.push(endpoint.workload.uid.clone());
                        last = Some(error);
                    }
                    opened => return opened,
                }
            }
            Route::Passthrough { destination } => {
                may_leave(&source, None, TunnelProtocol::None)?;
                let limit = context.shared.snapshot.load().traffic().defaults.connect_timeout;
                let stream = context.sockets.connect_outside(&workload.uid, destination, limit).await?;
                context.probe(&stream, destination)?;
                return Ok(FarEnd::Plain(stream));
            }
            Route::NoHealthyEndpoint { service, .. } => {
                return Err(last.unwrap_or_else(|| Error::NoEndpoint(service.to_string())));
            }
            Route::UnknownServicePort { .. } => return Err(Error::NoSuchPort(destination)),
            Route::IllegalDestination { destination } => return Err(Error::OwnPort(destination)),
        }
    }
    Err(last.unwrap_or(Error::OwnPort(destination)))
}

async fn open(
    context: &Rc<Context>,
    source: &Workload,
    endpoint: &Endpoint,
    service: Option<&Service>,
    peer: SocketAddr,
    parties: &mut Parties,
) -> Result<FarEnd, Error> {
    parties.destination = Some(endpoint.workload.clone());
    parties.hbone = None;
    may_leave(source, Some(&endpoint.workload), endpoint.way())?;
    let Some(address) = endpoint.tunnel_address() else {
        let stream = context.sockets.connect(&source.uid, None, endpoint.target).await?;
        context.probe(&stream, endpoint.target)?;
        return Ok(FarEnd::Plain(stream));
    };
    let own = source.identity().map_err(|error| Error::Link(error.to_string()))?;
    let credential = context.shared.certificates.get(&own).ok_or_else(|| Error::NoCertificate(own.clone()))?;
    parties.hbone = Some(address);
    let far_end = far_end::open(context, source, endpoint, service, peer, &credential, address).await?;
    parties.source_identity = Some(own);
    // One of several when the service names further identities: then which one is not known here.
    parties.destination_identity = match endpoint.expected.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    };
    Ok(far_end)
}

/// Whether `source` may call `destination`, or somebody outside of the mesh, by that way.
pub fn may_leave(source: &Workload, destination: Option<&Arc<Workload>>, way: TunnelProtocol) -> Result<(), Error> {
    match departure(source, destination.map(AsRef::as_ref), way) {
        None => Ok(()),
        Some(denied) => Err(Error::denied(&denied)),
    }
}

/// Whether `source` may have somebody look where the name of `target` leads. Questions of DNS are a way out of the mesh
/// like any other. Where a waypoint takes the call, that looks.
pub fn may_ask_for(source: &Workload, target: &Target) -> Result<(), Error> {
    let by_name = [Resolution::Dns, Resolution::DnsRoundRobin, Resolution::DynamicDns];
    match &target.callee {
        Some(callee @ Callee::Entry(entry)) if by_name.contains(&entry.resolution) && !is_passed_on(source, callee) => {
            may_leave(source, None, TunnelProtocol::None)
        }
        _ => Ok(()),
    }
}

/// Whether a waypoint takes what `source` sends to `callee`.
fn is_passed_on(source: &Workload, callee: &Callee) -> bool {
    callee.waypoint().is_some_and(|waypoint| waypoint.takes(source.kind))
}

/// Whether bytes that are no requests may go from `source` to `callee` where its callers are counted: not if requests to it
/// are. A waypoint that takes them counts by itself; at one, what is behind it is counted, too.
pub fn may_be_unread(program: &Program, source: &Workload, callee: &Callee, port: u16) -> Result<(), Error> {
    let counts = match callee {
        Callee::Entry(_) => !is_passed_on(source, callee),
        Callee::Service(_) => stands_before(source, callee),
        // Its limits are those of services.
        Callee::Workload(_) => false,
    };
    if !counts {
        return Ok(());
    }
    limits_of_unread_call(program, callee, port).map_or(Ok(()), |policy| Err(unread(policy, port)))
}

/// Whether a connection of which that is known may go to `port` of `workload`, as far as this leaves it to the waypoint
/// `source` to count requests.
fn may_pass_unread(
    program: &Program,
    source: &Workload,
    workload: &Workload,
    port: u16,
    content: Content<'_>,
) -> Result<(), Error> {
    let limits = limits_of_unread_behind(program, source, workload, port, content);
    limits.map_or(Ok(()), |policy| Err(unread(policy, port)))
}

fn unread(policy: &TrafficPolicy, port: u16) -> Error {
    Error::Denied {
        reason: format!(
            "requests to port {port} have a limit, and this connection does not carry any that can be read"
        ),
        code: "unread",
        policy: Some(policy.id.clone()),
    }
}

/// Whether another endpoint may answer where this one did not.
fn may_try_another(error: &Error) -> bool {
    matches!(error, Error::Connect { .. } | Error::Tunnel { .. })
}

/// Spreads connections over endpoints; need not be secret.
pub fn random() -> u64 {
    use std::cell::Cell;
    thread_local! {
        static STATE: Cell<u64> = Cell::new(seed());
    }
    // splitmix64
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests;
