//! One stream of a tunnel to a waypoint.

use std::{
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use ripstop_decide::{
    CalledKey, Callee, Content, HBONE_PORT, InboundFacts, Outcome, Program, Reading, Verdict, reading_at_waypoint,
    refused_at_waypoint, served_by, stands_before, turned_away,
};
use ripstop_exchange::{HalfClose, Io};
use ripstop_model::SpiffeId;
use ripstop_telemetry::{Direction, Reporter};
use ripstop_tls::Buffer;
use ripstop_tunnel::{Authority, Counters, IncomingStream, Refusal};
use tokio::{
    select,
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::shares::Share;
use crate::{
    backends::Sent,
    connection_limits::Caller,
    connections::{Facts, Judged, Looked, Through, until_revoked},
    error::Error,
    far_end::baggage,
    gateway::{Manner, drain_time},
    http::{
        connected::{Connected, limits_of},
        connection::{self, Ends, Version},
        detect::{Spoken, detect},
        outbound::Outbound,
        standpoint::{Carries, Crossing, Standpoint},
    },
    inbound::{is_consistent, refusal},
    local::{LocalWorkload, PLACES},
    outbound::{Way, may_be_unread, silence, toward},
    record::Parties,
    relay::relay,
    worker::Context,
};

/// How long a client may be silent at first, where what it says decides about it.
const FIRST_BYTES: Duration = Duration::from_secs(60);
/// The same of one who may ask for nothing.
const FIRST_BYTES_OF_REFUSED: Duration = Duration::from_secs(5);
/// How many connections of those who may ask for nothing are taken in at a time, for their requests to be told so.
const REFUSED: usize = 256;
/// And how many of one caller.
const REFUSED_OF_ONE: usize = 32;

/// How long whoever calls may be ahead of the waypoint's own configuration.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many may wait for that at a time.
const WAITING: usize = 64;
/// And how many of one caller.
const WAITING_OF_ONE: usize = 8;

/// Where a tunnel comes from.
#[derive(Clone)]
pub struct Tunnel {
    pub context: Rc<Context>,
    /// The waypoint.
    pub workload: Arc<LocalWorkload>,
    /// The far end of the TCP connection: the calling workload's own address.
    pub caller: SocketAddr,
    /// The address that was called.
    pub local: SocketAddr,
}

/// A stream that leads to something that the waypoint stands in front of.
struct Crossed {
    context: Rc<Context>,
    workload: Arc<LocalWorkload>,
    since: Instant,
    caller: SocketAddr,
    /// The address of what is called.
    destination: SocketAddr,
    crossing: Crossing,
    parties: Parties,
    /// A place among those who may ask for nothing, as it is one of them.
    refused: Option<RefusedPlace>,
}

/// A place of one who may ask for nothing, among all and among those of the same identity.
type RefusedPlace = (Share<()>, Share<SpiffeId>);

/// What a stream is for, by a configuration.
struct Found {
    program: Arc<Program>,
    destination: SocketAddr,
    callee: Callee,
    key: CalledKey,
}

// === impl Tunnel ===

impl Tunnel {
    /// Decides about and carries one stream.
    pub async fn carry(&self, mut incoming: IncomingStream) {
        let since = Instant::now();
        let Self { context, workload, caller, local } = self;
        let peer = incoming.peer().clone();
        let mut parties = Parties {
            direction: Direction::Outbound,
            source_address: *caller,
            source: None,
            source_identity: Some(peer.clone()),
            destination_address: *local,
            destination: None,
            destination_identity: None,
            service: None,
            hbone: None,
            reporter: Reporter::Waypoint,
        };
        // Its connection further on is one like any other.
        let places = self.places(&peer);
        let authority = incoming.authority().clone();
        let program = context.shared.snapshot.load_full();
        let away = self.turned_away(&program, &peer);
        let mut found = None;
        if places.is_ok() && away.is_none() {
            found = self.find(program.clone(), &peer, &authority);
        }
        if places.is_ok()
            && away.is_none()
            && found.is_none()
            && let Some(_waits) = self.waits(&peer)
        {
            found = select! {
                biased;
                found = Box::pin(self.awaited(&peer, &authority)) => found,
                () = incoming.cancelled() => return,
            };
        }
        let program = found.as_ref().map_or(program, |found| found.program.clone());
        let version = program.version();
        // An address may have gone to somebody else since: identity decides who it is.
        let source = program.workload_at(caller.ip()).filter(|source| is_consistent(source, Some(&peer))).cloned();
        parties.source.clone_from(&source);
        let _places = match places {
            Ok(places) => places,
            Err(error) => {
                parties.failed(context, since, version, &error);
                return incoming.refuse(refusal(&error));
            }
        };
        let Some(own) = workload.in_snapshot(&program).cloned() else {
            let error = Error::UnknownWorkload(workload.uid.as_str().into());
            parties.failed(context, since, version, &error);
            return incoming.refuse(Refusal::Unavailable);
        };
        // Before anybody waits, and before anything is said of what is here.
        if let Some(denied) = away {
            let error = Error::denied(&denied);
            parties.failed(context, since, version, &error);
            return incoming.refuse(refusal(&error));
        }
        let Some(Found { destination, callee, key, .. }) = found else {
            let error = Error::NotServed(authority.to_string());
            parties.failed(context, since, version, &error);
            return incoming.refuse(Refusal::BadRequest);
        };
        parties.destination_address = destination;
        if let Callee::Service(service) = &callee {
            parties.service = Some(service.clone());
        }
        let crossing = Crossing { peer, source, called: key, server_name: None };
        let (reading, refused) = {
            let facts = crossing.facts(&own, *caller, destination, Content::Unread);
            (reading_at_waypoint(&program, &callee, &facts), refused_at_waypoint(&program, &facts))
        };
        let place = refused.as_ref().and_then(|_| self.refused(&crossing.peer, reading));
        let crossed = Crossed {
            context: context.clone(),
            workload: workload.clone(),
            since,
            caller: *caller,
            destination,
            crossing,
            parties,
            refused: place,
        };
        // Nobody is taken in who may ask for nothing, but to be told so in answers to requests.
        if let Some(denied) = refused.filter(|_| crossed.refused.is_none()) {
            return crossed.refuse(incoming, version, &Error::denied(&denied));
        }
        let baggage = baggage(&own).parse().ok();
        if reading == Reading::Connection {
            return Box::pin(crossed.relay(incoming, baggage, program)).await;
        }
        drop(program);
        Box::pin(crossed.read(incoming, baggage, reading)).await;
    }

    /// Why `peer` is turned away whatever it calls.
    fn turned_away(&self, program: &Program, peer: &SpiffeId) -> Option<Verdict> {
        let own = self.workload.in_snapshot(program)?;
        turned_away(program, &InboundFacts::connection(own, HBONE_PORT, Some(peer), Some(self.caller)))
    }

    /// A place for a connection of which nothing but requests may come, each of which is refused; nothing: it is no such one, or
    /// there are too many.
    fn refused(&self, peer: &SpiffeId, reading: Reading) -> Option<RefusedPlace> {
        if !matches!(reading, Reading::Requests | Reading::Detection) {
            return None;
        }
        let crossings = &self.context.shared.crossings;
        Some((crossings.all_refused.take(&(), REFUSED)?, crossings.refused.take(peer, REFUSED_OF_ONE)?))
    }

    /// Leave to wait, if not too many do already.
    fn waits(&self, peer: &SpiffeId) -> Option<(Share<()>, Share<SpiffeId>)> {
        let crossings = &self.context.shared.crossings;
        Some((crossings.all_waiting.take(&(), WAITING)?, crossings.waiting.take(peer, WAITING_OF_ONE)?))
    }

    /// A place among all, and one among those of `peer`.
    fn places(&self, peer: &SpiffeId) -> Result<(OwnedSemaphorePermit, Share<SpiffeId>), Error> {
        let Self { context, workload, .. } = self;
        let share = context.shared.crossings.shares.take(peer, PLACES);
        let share = share.ok_or_else(|| Error::TooManyOf { peer: peer.clone(), limit: PLACES })?;
        let too_many = |_| Error::TooMany { workload: workload.uid.as_str().into(), limit: workload.limit };
        Ok((workload.places.clone().try_acquire_owned().map_err(too_many)?, share))
    }

    /// What `peer` calls by that authority, which the waypoint stands in front of, or did until lately.
    fn find(&self, program: Arc<Program>, peer: &SpiffeId, authority: &Authority) -> Option<Found> {
        let own = self.workload.in_snapshot(&program)?;
        let caller = peer.as_service_account().map_or("", |(namespace, _)| namespace);
        let lately = &self.context.shared.crossings.lately;
        let stands = |callee: &Callee| stands_before(own, callee) || lately.served(callee);
        let at = |destination| Some((destination, served_by(&program, destination, caller, stands)?));
        let (destination, callee) = match authority {
            Authority::Ip(address) => at(*address)?,
            Authority::Host(host, port) => {
                let services = program.services_named(host).filter_map(|service| service.addresses.first().copied());
                let entries = program.entries_of(host).filter_map(|entry| entry.address());
                services.chain(entries).find_map(|address| at(SocketAddr::new(address, *port)))?
            }
        };
        let key = callee.called()?;
        Some(Found { program, destination, callee, key })
    }

    /// The same a little later: whoever calls may know already what the waypoint is told only now.
    async fn awaited(&self, peer: &SpiffeId, authority: &Authority) -> Option<Found> {
        let shared = &self.context.shared;
        let mut changed = shared.changed.subscribe();
        let looking = async {
            loop {
                if let Some(found) = self.find(shared.snapshot.load_full(), peer, authority) {
                    return Some(found);
                }
                changed.changed().await.ok()?;
            }
        };
        select! {
            found = timeout(PATIENCE, looking) => found.ok().flatten(),
            () = shared.draining.cancelled() => None,
        }
    }
}

// === impl Crossed ===

impl Crossed {
    /// Reads what comes, which says what becomes of it.
    async fn read(mut self, incoming: IncomingStream, baggage: Option<HeaderValue>, reading: Reading) {
        let mut stream: Io = match incoming.accept(baggage.as_ref()) {
            Ok(stream) => stream.into(),
            Err(error) => return self.tell(&Error::Relay(error.to_string())),
        };
        let silence = silence(reading, &self.context.shared.snapshot.load());
        let patience = if self.refused.is_some() { FIRST_BYTES_OF_REFUSED } else { FIRST_BYTES };
        let mut read = Buffer::default();
        let spoken = select! {
            biased;
            spoken = timeout(patience, detect(&mut stream, &mut read, silence)) => spoken,
            () = self.context.shared.draining.cancelled() => return stream.reset_on_drop(),
        };
        let requests = reading != Reading::ServerName;
        match spoken {
            Ok(Ok(Spoken::Http1)) if requests => {
                Box::pin(self.requests(stream.with_read(read), Version::Http1)).await;
            }
            Ok(Ok(Spoken::Http2)) if requests => {
                Box::pin(self.requests(stream.with_read(read), Version::Http2)).await;
            }
            Ok(Ok(spoken)) => {
                if let Spoken::Tls(name) = spoken {
                    self.crossing.server_name = name.map(|name| name.to_ascii_lowercase());
                }
                let program = self.context.shared.snapshot.load_full();
                match self.way(&program, &read).await {
                    Ok(way) => {
                        let ahead = read.len();
                        drop(read);
                        self.pass(stream, way, ahead, program).await;
                    }
                    Err(error) => {
                        self.tell(&error);
                        stream.reset_on_drop();
                    }
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "a connection failed before it said anything"),
            Err(_) => stream.reset_on_drop(),
        }
    }

    /// Passes bytes on, of which nobody has to know anything: its callee may be the first to speak.
    async fn relay(mut self, mut incoming: IncomingStream, baggage: Option<HeaderValue>, program: Arc<Program>) {
        let (nothing, destination) = (Buffer::default(), self.destination);
        let connected = select! {
            biased;
            connected = self.way(&program, &nothing) => connected,
            () = incoming.cancelled() => Err(Error::GaveUp(destination)),
        };
        let way = match connected {
            Ok(way) => way,
            Err(error) => return self.refuse(incoming, program.version(), &error),
        };
        match incoming.accept(baggage.as_ref()) {
            Ok(stream) => self.pass(stream.into(), way, 0, program).await,
            Err(error) => self.tell(&Error::Relay(error.to_string())),
        }
    }

    /// Answers requests, to the end of their connection.
    async fn requests(self, mut stream: Io, version: Version) {
        let connected = match self.connected() {
            Ok(connected) => connected,
            Err(error) => {
                self.tell(&error);
                return stream.reset_on_drop();
            }
        };
        let Self { context, workload, caller, destination, crossing, refused: _place, .. } = self;
        let manner = Manner::at_waypoint(&workload, destination, crossing.called.clone(), Carries::Requests);
        let place = context.entered.enter(manner, &context.shared.snapshot.load());
        let (drain, over) = (CancellationToken::new(), CancellationToken::new());
        let standpoint = Standpoint::Waypoint(Box::new(crossing));
        let server = Outbound::new(context.clone(), workload.clone(), caller, destination, standpoint);
        let server = Rc::new(server.until(over.clone()).connected(connected));
        let left_behind = async {
            place.outlived().await;
            // Nodes lead their connections another way between two requests; whatever they can't is asked to end then.
            sleep(drain_time(&context.shared.snapshot.load(), &workload.uid)).await;
        };
        let draining = async {
            select! {
                () = context.shared.draining.cancelled() => {}
                () = left_behind => {}
            }
            drain.cancel();
            sleep(drain_time(&context.shared.snapshot.load(), &workload.uid)).await;
            over.cancel();
            std::future::pending::<()>().await;
        };
        let settings = workload.connection_settings(&context.shared.snapshot.load());
        let ends = Ends { drain: drain.clone(), half_close: HalfClose::Listens, settings };
        select! {
            biased;
            () = draining => {}
            () = connection::serve(server, stream, version, ends) => {}
        }
    }

    /// Counts a connection of requests by the limits of what is called, as far as this waypoint does; why there are too many.
    /// Other bytes are counted where their way leads, and who may ask for nothing takes no room of those who may.
    fn connected(&self) -> Result<Connected, Error> {
        let connected = Connected::default();
        let program = self.context.shared.snapshot.load();
        let own = self.workload.in_snapshot(&program);
        let own = own.filter(|_| self.refused.is_none() && !program.traffic().policies.is_empty());
        let Some(own) = own else { return Ok(connected) };
        let called = self.crossing.callee(&program, self.destination);
        let found = limits_of(&program, own, called.as_ref(), self.destination.port());
        let from = Caller { peer: Some(&self.crossing.peer), source: self.caller };
        connected.count(&self.context.shared.connection_limits, &found, from)?;
        Ok(connected)
    }

    /// The way of a connection that carries no requests, as policies and routes for connections have it; what was read
    /// of it goes first.
    async fn way(&mut self, program: &Arc<Program>, read: &Buffer) -> Result<Way, Error> {
        let Self { context, workload, caller, destination, crossing, parties, .. } = self;
        let Some(own) = workload.in_snapshot(program).cloned() else {
            return Err(Error::UnknownWorkload(workload.uid.as_str().into()));
        };
        let standpoint = Standpoint::Waypoint(Box::new(crossing.clone()));
        let counts = Some(&context.shared.policy_counts);
        standpoint.judge(program, &own, *caller, None, *destination, Content::Opaque, counts)?;
        let called = standpoint.called(program, *destination);
        if let Some(callee) = &called {
            may_be_unread(program, &own, callee, destination.port())?;
        }
        let outcome = standpoint.outcome(program, &own, *destination, called.as_ref(), None, |_, outcome| outcome);
        let Outcome::Forward { backends, .. } = outcome else {
            return Err(Error::NotServed(destination.to_string()));
        };
        let (source, source_identity) = (parties.source.clone(), parties.source_identity.clone());
        let content = looked_at(read.len()).content();
        let way = toward(context, program, &own, &backends, *destination, (content, Sent::AsRuled), parties).await;
        // It calls in its own name; who is told of is whoever called it.
        (parties.source, parties.source_identity) = (source, source_identity);
        way?.begin(read.filled()).await
    }

    /// Carries bytes to their end.
    async fn pass(self, mut stream: Io, way: Way, ahead: usize, program: Arc<Program>) {
        let Self { context, workload, since, caller, destination, crossing, parties, .. } = self;
        let version = program.version();
        let Crossing { peer, called, server_name, .. } = crossing;
        let endpoint = way.endpoint().and_then(|endpoint| {
            let workload = endpoint.workload()?;
            Some((workload.uid.clone(), endpoint.address().port()))
        });
        let through = Through { called: called.clone(), endpoint, looked_at: looked_at(ahead) };
        let facts = Facts {
            workload: workload.clone(),
            address: destination.ip(),
            port: destination.port(),
            peer: Some(peer),
            source: caller,
            remote: None,
            sni: server_name.map(Into::into),
            judged: Judged::Waypoint,
            through: Some(Box::new(through)),
        };
        let (_registered, revoked) = context.connections.register(facts.clone());
        // Policy may have changed while it was connected further; from here on it is watched.
        if let Some(error) = facts.refusal_since(&program, &context.shared.snapshot.load()) {
            parties.failed(&context, since, version, &error);
            return stream.reset_on_drop();
        }
        // What it was when this began is not kept for as long as this lasts.
        drop(program);
        let manner = Manner::at_waypoint(&workload, destination, called, Carries::Bytes);
        let place = context.entered.enter(manner, &context.shared.snapshot.load());
        let lived = pin!(way.lifetime.over(None));
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
                time = drained => Error::Bypassed { destination, time },
            }
        });
        let measured = parties.open(&context);
        let series = &measured.series;
        let counters = Counters { forward: &series.received, backward: &series.sent };
        let ((sent, received), error) = relay(stream, way.far_end.into(), counters, stop).await;
        measured.close(&context, &parties, since, version, (sent + ahead as u64, received), error.as_ref());
    }

    /// Records why a stream comes to nothing, and says so to its caller.
    fn refuse(&self, incoming: IncomingStream, version: u64, error: &Error) {
        self.parties.failed(&self.context, self.since, version, error);
        incoming.refuse(refusal(error));
    }

    fn tell(&self, error: &Error) {
        let version = self.context.shared.snapshot.load().version();
        self.parties.failed(&self.context, self.since, version, error);
    }
}

/// What is known of a connection of which so many bytes were read before it was passed on.
fn looked_at(read: usize) -> Looked {
    if read == 0 { Looked::Never } else { Looked::Opaque }
}

#[cfg(test)]
mod tests;
