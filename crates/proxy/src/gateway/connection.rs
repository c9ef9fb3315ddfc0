//! One connection to a gateway.

use std::{
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use ripstop_decide::{
    Content, Outcome, Program, Reached, Speaks, connection_settings, connections_at_gateway, listening_at, terminates,
    topology,
};
use ripstop_exchange::{HalfClose, Io, TlsStream};
use ripstop_identity::{Proof, verify_error};
use ripstop_model::{RuleId, ServerTlsMode, SpiffeId, Workload};
use ripstop_proxy_protocol::Header;
use ripstop_telemetry::{Direction, Reporter};
use ripstop_tls::Buffer;
use ripstop_tunnel::Counters;
use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::{
    net::TcpStream,
    select,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    announced, client_cert,
    doors::{Door, Taker},
    drain::{Manner, drain_time},
};
use crate::{
    backends::Sent,
    connection_limits::{Admitted, Caller},
    connections::{Facts, Judged, until_revoked},
    error::Error,
    far_end::Onlooker,
    http::{
        connection::{self, Ends, Version},
        detect::{Silence, Spoken, detect},
        outbound::Outbound,
        standpoint::{Before, Carries, Entrance, Standpoint},
    },
    listeners::canonical,
    local::LocalWorkload,
    outbound::toward,
    peers::{Distrusted, believed},
    record::Parties,
    refuse,
    relay::relay,
    worker::Context,
};

/// How long a handshake may take (Istio's `PILOT_GATEWAY_TRANSPORT_SOCKET_CONNECT_TIMEOUT`).
pub const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long a client may be silent before its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(60);
/// How long the end of a connection may take whose client is believed no more.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A connection, and where it came in.
struct Arrived {
    context: Rc<Context>,
    workload: Arc<LocalWorkload>,
    door: Arc<Door>,
    /// What was called of the gateway, whatever is said of the connection later.
    reached: Reached,
    since: Instant,
    /// The client.
    peer: SocketAddr,
    /// The address that it called.
    destination: SocketAddr,
    /// What stands before the gateway.
    before: Before,
    /// The gateway, as of when this was last decided about.
    own: Arc<Workload>,
    /// Version of what decided. No more of that is kept: a connection may last for as long as many of them.
    version: u64,
}

/// What becomes of a connection of TLS.
enum Taken {
    /// It is passed on as it is.
    Passed(Box<Entrance>),
    /// Its TLS ends here.
    Ended { entrance: Box<Entrance>, config: Arc<ServerConfig>, retired: CancellationToken },
}

/// What ends a connection of requests before its time.
#[derive(Default)]
struct Early {
    /// Its certificates are not what they were.
    retired: CancellationToken,
    /// Its client is believed no more.
    distrusted: Option<Distrusted>,
}

/// Carries one connection that came to a door.
pub async fn serve(
    context: Rc<Context>,
    workload: Arc<LocalWorkload>,
    (door, taker): (Arc<Door>, Taker),
    stream: TcpStream,
    peer: SocketAddr,
) {
    let since = Instant::now();
    let Ok(destination) = stream.local_addr().map(canonical) else { return };
    let program = context.shared.snapshot.load_full();
    let Some(own) = workload.in_snapshot(&program).cloned() else { return refuse::refuse_plaintext(stream) };
    let reached = Reached { port: door.port, address: (taker == Taker::Own).then_some(destination.ip()) };
    let speaks = listening_at(&program, &own.labels, reached).map(|port| port.speaks());
    let version = program.version();
    let before = Before { topology: topology(&program, &own), proxy: None };
    let most = connection_settings(&program, &own).connections;
    drop(program);
    let mut arrived = Arrived { context, workload, door, reached, since, peer, destination, before, own, version };
    let Some(speaks) = speaks else { return arrived.fail(stream, &Error::NotListening(arrived.door.port)) };
    let mut place = Admitted::default();
    if let Some(most) = most
        && let Err(error) = arrived.enter(&mut place, most)
    {
        return arrived.fail(stream, &error);
    }
    let mut read = Buffer::default();
    let stream = if before.topology.proxy_protocol {
        match Box::pin(arrived.announced(stream, &mut read)).await {
            Some(stream) => stream,
            None => return,
        }
    } else {
        stream
    };
    match speaks {
        Speaks::Http => Box::pin(arrived.plain(stream, read)).await,
        Speaks::Tls => Box::pin(arrived.tls(stream, read)).await,
        Speaks::Tcp => {
            let entrance = Entrance { before: arrived.before, ..Entrance::plain(arrived.reached, Carries::Bytes) };
            arrived.relay(stream.into(), read, Box::new(entrance), None).await;
        }
    }
}

// === impl Arrived ===

impl Arrived {
    /// Takes one of the places that there are for all connections.
    fn enter(&self, place: &mut Admitted, most: u32) -> Result<(), Error> {
        let id = RuleId("connectionSettings.globalDownstreamConnectionLimit".into());
        self.context.shared.connection_limits.enter_gateway(place, &self.own.uid, most, &id)
    }

    /// Hears whom a connection is for; nothing: it was refused.
    async fn announced(&mut self, stream: TcpStream, read: &mut Buffer) -> Option<TcpStream> {
        let proxy = self.peer;
        let mut stream = Io::from(stream);
        let heard = select! {
            biased;
            heard = announced::header(&mut stream, read, proxy) => heard.transpose()?,
            () = self.door.closed.cancelled() => return None,
        };
        let Io::Tcp(stream) = stream else { return None };
        match heard {
            Ok(Header::Proxied { source, destination }) => {
                (self.peer, self.destination) = (canonical(source), canonical(destination));
                self.before.proxy = Some(proxy);
            }
            // It speaks for itself.
            Ok(Header::Unnamed) => {}
            Err(error) => {
                self.fail(stream, &error);
                return None;
            }
        }
        Some(stream)
    }

    /// Requests in the clear.
    async fn plain(self, stream: TcpStream, mut read: Buffer) {
        let mut stream = Io::from(stream);
        let spoken = select! {
            biased;
            spoken = timeout(FIRST_REQUEST, detect(&mut stream, &mut read, Silence::Waits)) => spoken,
            () = self.door.closed.cancelled() => return,
        };
        let version = match spoken {
            Ok(Ok(Spoken::Http1)) => Version::Http1,
            Ok(Ok(Spoken::Http2)) => Version::Http2,
            // It gets its 400.
            Ok(Ok(Spoken::Other)) if !read.is_empty() => Version::Http1,
            Ok(Ok(Spoken::Other | Spoken::Silent)) | Err(_) => return,
            Ok(Ok(Spoken::Tls(_))) => {
                if let Io::Tcp(stream) = stream {
                    self.fail(stream, &self.refused("TLS came to a port of plain HTTP"));
                }
                return;
            }
            Ok(Err(error)) => return tracing::debug!(%error, "a connection failed before it said anything"),
        };
        let entrance = Entrance { before: self.before, ..Entrance::plain(self.reached, Carries::Requests) };
        let entrance = Box::new(entrance);
        Box::pin(self.requests(stream.with_read(read), version, entrance, None, Early::default())).await;
    }

    /// TLS: its server name says who takes it.
    async fn tls(mut self, stream: TcpStream, mut read: Buffer) {
        let mut stream = Io::from(stream);
        let spoken = timeout(HANDSHAKE, detect(&mut stream, &mut read, Silence::Waits)).await;
        let Io::Tcp(stream) = stream else { return };
        let server_name = match spoken {
            Ok(Ok(Spoken::Tls(name))) => name,
            Ok(Ok(Spoken::Other)) if read.is_empty() => return,
            Ok(Ok(_)) => return self.fail(stream, &self.refused("what came to a port of TLS is none")),
            Ok(Err(error)) => return tracing::debug!(%error, "a connection failed before it said anything"),
            Err(_) => return self.fail(stream, &self.refused("the client did not begin TLS in time")),
        };
        let mut distrusted = None;
        let (mut entrance, config, retired) = match self.taken(server_name) {
            Ok(Taken::Passed(entrance)) => return self.relay(stream.into(), read, entrance, None).await,
            Ok(Taken::Ended { entrance, config, retired }) => (entrance, config, retired),
            Err(error) => return self.fail(stream, &error),
        };
        let accepted = match timeout(HANDSHAKE, TlsStream::accept_ahead(stream, read, config)).await {
            Ok(Ok(accepted)) => accepted,
            Ok(Err(error)) => {
                let reason = verify_error(&error).map_or_else(|| error.to_string(), ToString::to_string);
                return self.tell(&self.refused(&reason));
            }
            Err(_) => return self.tell(&self.refused("the client did not finish the handshake in time")),
        };
        if entrance.tls.as_ref().is_some_and(|tls| tls.mode == ServerTlsMode::Mesh) {
            match self.watched(accepted.session().peer_certificates().unwrap_or_default()) {
                Ok((peer, watched)) => (entrance.peer, distrusted) = (Some(peer), Some(watched)),
                Err(error) => return self.tell(&error),
            }
        }
        if entrance.carries == Carries::Bytes {
            return self.relay(accepted.into(), Buffer::default(), entrance, distrusted).await;
        }
        let version = if accepted.session().alpn_protocol() == Some(b"h2") { Version::Http2 } else { Version::Http1 };
        let own = entrance.peer.as_ref().and_then(|_| self.own.identity().ok());
        let proven = accepted.session().peer_certificates();
        let proven = proven.and_then(|chain| client_cert::told(chain, &self.before, own.as_ref()));
        let ends = Early { retired, distrusted };
        Box::pin(self.requests(accepted.into(), version, entrance, proven, ends)).await;
    }

    /// Who the client is that has just proven it by TLS of the mesh, and until when that counts.
    fn watched(&self, chain: &[CertificateDer<'static>]) -> Result<(SpiffeId, Distrusted), Error> {
        let certificates = &self.context.shared.certificates;
        let own = self.own.identity().map_err(|error| self.refused(&error.to_string()))?;
        // Those who were believed as its handshake began may not be by now.
        let proof = Proof::of_client(&own, chain, None, SystemTime::now());
        let proof = proof.map_err(|error| self.refused(&error.to_string()))?;
        let peer = proof.id().clone();
        Ok((peer, self.context.peers.watch(proof, certificates)))
    }

    /// Which listener takes a connection of TLS with this server name, by what decides now.
    fn taken(&mut self, server_name: Option<String>) -> Result<Taken, Error> {
        let program = self.look_again()?;
        let port = listening_at(&program, &self.own.labels, self.reached);
        let named =
            port.filter(|port| port.speaks() == Speaks::Tls).and_then(|port| port.named(server_name.as_deref()));
        let Some((_, server)) = named else {
            let name = server_name.as_deref().unwrap_or("no server name");
            return Err(self.refused(&format!("no listener of port {} takes {name}", self.door.port)));
        };
        let Some(mode) = server.tls.as_ref().map(|tls| tls.mode) else {
            return Err(self.refused(&format!("{} does not say how TLS is taken", server.id)));
        };
        let entrance = Box::new(Entrance {
            reached: self.reached,
            carries: Carries::at(server),
            server_name: Some(server_name.unwrap_or_default()),
            tls: server.tls.clone(),
            peer: None,
            before: self.before,
        });
        if !terminates(mode) {
            return Ok(Taken::Passed(entrance));
        }
        let Some(terminator) = self.door.terminators.get(server) else {
            return Err(self.refused(&format!("{} is not prepared yet", server.id)));
        };
        let retired = terminator.retired.clone();
        let own = || self.context.shared.certificates.get(&self.own.identity().ok()?);
        match terminator.config(own) {
            Ok(config) => Ok(Taken::Ended { entrance, config, retired }),
            Err(error) => Err(self.refused(&format!("{}: {error}", server.id))),
        }
    }

    /// What decides now, and the gateway as that has it.
    fn look_again(&mut self) -> Result<Arc<Program>, Error> {
        let program = self.context.shared.snapshot.load_full();
        let Some(own) = self.workload.in_snapshot(&program) else {
            return Err(Error::UnknownWorkload(self.workload.uid.as_str().into()));
        };
        (self.own, self.version) = (own.clone(), program.version());
        Ok(program)
    }

    async fn requests(
        mut self,
        stream: Io,
        version: Version,
        entrance: Box<Entrance>,
        proven: Option<Box<str>>,
        early: Early,
    ) {
        let admitted = match self.admitted(&entrance) {
            Ok(admitted) => admitted,
            Err(error) => {
                self.tell(&error);
                return reset(stream);
            }
        };
        let Self { context, workload, door, peer, destination, .. } = self;
        let manner = Manner::new(&workload, Entrance::clone(&entrance), destination);
        let place = context.entered.enter(manner, &context.shared.snapshot.load());
        let standpoint = Standpoint::Gateway(entrance);
        let (drain, over) = (CancellationToken::new(), CancellationToken::new());
        let server = Outbound::new(context.clone(), workload.clone(), peer, destination, standpoint);
        let server = Rc::new(server.until(over.clone()).admitted(admitted).of_proven(proven));
        let Early { retired, distrusted } = early;
        let draining = async {
            select! {
                () = door.closed.cancelled() => {}
                () = place.outlived() => {}
                () = retired.cancelled() => {}
            }
            drain.cancel();
            sleep(drain_time(&context.shared.snapshot.load(), &workload.uid)).await;
            over.cancel();
            std::future::pending::<()>().await;
        };
        let ending = async {
            believed(distrusted).await;
            drain.cancel();
            over.cancel();
            // What was asked is told of, and an end is said.
            sleep(LAST_WORDS).await;
        };
        // Who comes from outside and has hung up is gone.
        let settings = workload.connection_settings(&context.shared.snapshot.load());
        let ends = Ends { drain: drain.clone(), half_close: HalfClose::Leaves, settings };
        select! {
            biased;
            () = ending => {}
            () = draining => {}
            () = connection::serve(server, stream, version, ends) => {}
            () = workload.gone.cancelled() => {}
        }
    }

    /// Passes bytes on, as the routes for connections say.
    async fn relay(mut self, stream: Io, read: Buffer, entrance: Box<Entrance>, distrusted: Option<Distrusted>) {
        let program = match self.look_again() {
            Ok(program) => program,
            Err(error) => {
                self.tell(&error);
                return reset(stream);
            }
        };
        let _admitted = match self.admitted(&entrance) {
            Ok(admitted) => admitted,
            Err(error) => {
                self.tell(&error);
                return reset(stream);
            }
        };
        let mut parties = self.parties();
        let Self { context, workload, door, since, peer, destination, before, own, version, .. } = self;
        let manner = Manner::new(&workload, Entrance::clone(&entrance), destination);
        let (client, name) = (entrance.peer.clone(), entrance.named().map(Into::into));
        // Where a name says where to, the client has made the TLS that the callee ends, and Istio makes no other around it.
        let goes_by_name = entrance.tls.as_ref().is_some_and(|tls| tls.mode == ServerTlsMode::AutoPassthrough);
        let sent = if goes_by_name { Sent::AsItIs } else { Sent::AsRuled };
        let standpoint = Standpoint::Gateway(entrance);
        let counts = Some(&context.shared.policy_counts);
        if let Err(error) = standpoint.judge(&program, &own, peer, None, destination, Content::Opaque, counts) {
            parties.failed(&context, since, version, &error);
            return reset(stream);
        }
        // Not for as long as what it opens lasts.
        let connecting = Box::pin(async {
            let outcome = standpoint.outcome(&program, &own, destination, None, None, |_, outcome| outcome);
            let Outcome::Forward { backends, .. } = outcome else {
                return Err(Error::NoRoute(door.port));
            };
            let original = standpoint.original(destination);
            let content = (Content::Opaque, sent);
            let way = toward(&context, &program, &own, &backends, original, content, &mut parties).await?;
            way.begin(read.filled()).await
        });
        let way = match connecting.await {
            Ok(way) => way,
            Err(error) => {
                parties.failed(&context, since, version, &error);
                return reset(stream);
            }
        };
        let ahead = read.len() as u64;
        drop(read);
        let facts = Facts {
            workload: workload.clone(),
            address: destination.ip(),
            port: door.port,
            peer: client,
            source: before.proxy.unwrap_or(peer),
            remote: before.remote(peer),
            sni: name,
            judged: Judged::Gateway,
            through: None,
        };
        let (_registered, revoked) = context.connections.register(facts.clone());
        if let Some(error) = facts.refusal_since(&program, &context.shared.snapshot.load()) {
            parties.failed(&context, since, version, &error);
            return reset(stream);
        }
        // What it was when this began is not kept for as long as this lasts.
        drop((program, own));
        let place = context.entered.enter(manner, &context.shared.snapshot.load());
        let lived = way.lifetime.over(stream.socket());
        let stop = pin!(async {
            let drained = async {
                place.outlived().await;
                let time = drain_time(&context.shared.snapshot.load(), &workload.uid);
                sleep(time).await;
                time
            };
            select! {
                error = until_revoked(revoked) => error,
                error = lived => error,
                reason = believed(distrusted) => Error::Distrusted(reason),
                time = drained => Error::Drained { port: door.port, time },
            }
        });
        let measured = parties.open(&context);
        let series = &measured.series;
        let ((sent, received), error) = match stream {
            Io::Tcp(stream) => {
                let (moved, ended) = way
                    .far_end
                    .relay(stream, &workload.gone, series, Direction::Outbound, stop, Onlooker::Nobody)
                    .await;
                (moved, ended.err())
            }
            secured => {
                let stop = pin!(async {
                    select! {
                        error = stop => error,
                        () = workload.gone.cancelled() => Error::Gone,
                    }
                });
                let counters = Counters { forward: &series.received, backward: &series.sent };
                relay(secured, way.far_end.into(), counters, stop).await
            }
        };
        measured.close(&context, &parties, since, version, (sent + ahead, received), error.as_ref());
    }

    /// Counts it by the limits of what it came to; why there are too many.
    fn admitted(&mut self, entrance: &Entrance) -> Result<Admitted, Error> {
        let program = self.look_again()?;
        let found = connections_at_gateway(&program, &self.own, self.reached, entrance.server_name.as_deref());
        let caller = Caller { peer: entrance.peer.as_ref(), source: self.peer };
        self.context.shared.connection_limits.admit(&found, None, caller)
    }

    /// Records why it ends, and resets it.
    fn fail(&self, stream: TcpStream, error: &Error) {
        self.tell(error);
        refuse::refuse_plaintext(stream);
    }

    /// It has come no further than to the gateway.
    fn tell(&self, error: &Error) {
        let parties = Parties {
            direction: Direction::Inbound,
            source: None,
            destination: Some(self.own.clone()),
            ..self.parties()
        };
        parties.failed(&self.context, self.since, self.version, error);
    }

    /// Why its TLS comes to nothing.
    fn refused(&self, reason: &str) -> Error {
        Error::Tls { address: self.peer, reason: reason.to_owned() }
    }

    fn parties(&self) -> Parties {
        Parties {
            direction: Direction::Outbound,
            source_address: self.peer,
            source: Some(self.own.clone()),
            source_identity: None,
            destination_address: self.destination,
            destination: None,
            destination_identity: None,
            service: None,
            hbone: None,
            reporter: Reporter::Source,
        }
    }
}

fn reset(stream: Io) {
    match stream {
        Io::Tcp(stream) => refuse::refuse_plaintext(stream),
        mut other => other.reset_on_drop(),
    }
}

#[cfg(test)]
mod tests;
