//! Tunnels to an enrolled workload.

use std::{
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use ripstop_decide::reads_requests;
use ripstop_identity::{Proof, verify_error};
use ripstop_model::{Service, Snapshot, SpiffeId, Workload};
use ripstop_telemetry::{Direction, Reporter, ResponseFlag};
use ripstop_tunnel::{Accepted, Authority, IncomingStream, Refusal, Seldom, Vouched, accept};
use tokio::net::TcpStream;

use crate::{
    connections::{Facts, Judged, Remedy},
    error::Error,
    far_end::{FarEnd, Left, Onlooker, baggage},
    http::arrive::{Arrived, Came, Secured},
    listeners::canonical,
    local::LocalWorkload,
    record::Parties,
    takeover::until_ended,
    to_application::ToApplication,
    worker::Context,
};

/// Where a tunnel comes from and whose it is.
#[derive(Clone)]
struct Tunnel {
    context: Rc<Context>,
    workload: Arc<LocalWorkload>,
    /// The workload's identity, as it was proven to the peer.
    own: SpiffeId,
    /// The far end of the TCP connection: the calling workload's own address.
    caller: SocketAddr,
    /// The address that was called.
    local: SocketAddr,
}

/// A tunnel whose peer has proven who it is. It ends once whoever vouches for it is not believed any more.
pub struct Welcome {
    pub accepted: Accepted,
    pub peer: SpiffeId,
    /// The workload's identity, as it was proven to the peer.
    pub own: SpiffeId,
    /// The address that was called.
    pub local: SocketAddr,
}

/// Serves one tunnel to `workload`, with all its streams.
pub async fn serve(context: Rc<Context>, workload: Arc<LocalWorkload>, stream: TcpStream, caller: SocketAddr) {
    let welcomed = welcome(&context, &workload, stream, caller).await;
    let Some(Welcome { accepted, peer, own, local }) = welcomed else { return };
    let (leaving, shutdown) = (workload.leaving(), context.shared.draining.clone());
    let tunnel = Tunnel { context, workload, own, caller, local };
    let handler = move |incoming: IncomingStream| {
        let tunnel = tunnel.clone();
        async move {
            let gone = tunnel.workload.gone.clone();
            let load = tunnel.context.load();
            let gone = pin!(Seldom::new(gone.cancelled()));
            tokio::select! {
                biased;
                () = carry(&tunnel, incoming) => {}
                () = gone => {}
            }
            drop(load);
        }
    };
    let end = async move {
        tokio::select! {
            () = leaving.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
    };
    if let Err(error) = accepted.serve(peer, handler, end).await {
        tracing::debug!(%error, %caller, "a tunnel ended");
    }
}

/// Makes TLS with whoever calls `workload`; nothing: that came to nothing, and is told of.
pub async fn welcome(
    context: &Rc<Context>,
    workload: &Arc<LocalWorkload>,
    stream: TcpStream,
    caller: SocketAddr,
) -> Option<Welcome> {
    let since = Instant::now();
    let local = stream.local_addr().map(canonical).ok()?;
    let snapshot = context.shared.snapshot.load_full();
    let refused = |error: &Error| {
        let parties = parties(&snapshot, workload, caller, None, None, local);
        parties.failed(context, since, snapshot.version(), error);
        None
    };
    let Some(Ok(own)) = workload.in_snapshot(&snapshot).map(|workload| workload.identity()) else {
        return refused(&Error::UnknownWorkload(workload.uid.as_str().into()));
    };
    let Some(credential) = context.shared.certificates.get(&own) else {
        return refused(&Error::NoCertificate(own));
    };
    let failed = |reason: String| Error::Tunnel { address: caller, reason, flag: ResponseFlag::TlsFailure };
    let accepted = match accept(stream, credential.server()).await {
        Ok(accepted) => accepted,
        Err(error) => {
            return refused(&failed(verify_error(&error).map_or_else(|| error.to_string(), ToString::to_string)));
        }
    };
    let prove = |chain| Proof::of_client(&own, chain, Some(credential.trusted()), SystemTime::now());
    match accepted.peer_certificates().map(prove) {
        Some(Ok(proof)) => {
            let peer = proof.id().clone();
            let distrusted = context.peers.watch(proof, &context.shared.certificates);
            Some(Welcome { accepted: accepted.until(Vouched::new(distrusted)), peer, own, local })
        }
        Some(Err(error)) => refused(&failed(error.to_string())),
        None => refused(&failed("the caller showed no certificate".into())),
    }
}

/// Decides about and carries one stream.
async fn carry(tunnel: &Tunnel, mut incoming: IncomingStream) {
    let since = Instant::now();
    let Tunnel { context, workload, own, caller, local } = tunnel;
    let _captured = workload.capture();
    let snapshot = context.shared.snapshot.load_full();
    let version = snapshot.version();
    let peer = incoming.peer().clone();
    let Some(target) = target(&snapshot, workload, *local, incoming.authority()) else {
        let error = Error::Tunnel {
            address: *caller,
            reason: format!("{} is not an address of {}", incoming.authority(), workload.uid),
            flag: ResponseFlag::Connect,
        };
        parties(&snapshot, workload, *caller, Some(&peer), Some(own), *local).failed(context, since, version, &error);
        return incoming.refuse(Refusal::BadRequest);
    };
    let mut parties = parties(&snapshot, workload, *caller, Some(&peer), Some(own), target);
    parties.service = incoming.forwarded().and_then(|forwarded| called(&snapshot, workload, forwarded, target.port()));
    let (address, port) = (target.ip(), target.port());
    let reads = workload.in_snapshot(&snapshot).is_some_and(|itself| reads_requests(&snapshot, itself, port));
    let judged = if reads { Judged::Requests } else { Judged::Unread };
    let facts = Facts {
        workload: workload.clone(),
        address,
        port,
        peer: Some(peer),
        source: *caller,
        remote: None,
        sni: None,
        judged,
        through: None,
    };
    let itself = workload.in_snapshot(&snapshot);
    let secured = itself.and_then(|itself| Secured::at(context, &snapshot, itself, target, Came::ByTunnel));
    // What is in it is judged once its TLS has ended, and its server's name is known.
    let gate = facts.before(secured.is_some());
    if let Some(error) = gate.judge(&snapshot, &context.shared.policy_counts) {
        parties.failed(context, since, version, &error);
        return incoming.refuse(refusal(&error));
    }
    // What policies refuse is not counted.
    let _admitted = match facts.admitted(&snapshot, &context.shared.connection_limits) {
        Ok(admitted) => admitted,
        Err(error) => {
            parties.failed(context, since, version, &error);
            return incoming.refuse(refusal(&error));
        }
    };
    // Its connection to the application is one like any other.
    let Ok(_place) = workload.places.clone().try_acquire_owned() else {
        let error = Error::TooMany { workload: workload.uid.as_str().into(), limit: workload.limit };
        parties.failed(context, since, version, &error);
        return incoming.refuse(refusal(&error));
    };
    let own_baggage = workload.in_snapshot(&snapshot).and_then(|workload| baggage(workload).parse().ok());
    let read = async |facts: Facts, parties: Parties, incoming: IncomingStream, secured: Option<Secured>| match incoming
        .accept(own_baggage.as_ref())
    {
        Ok(stream) => {
            let stream = stream.into();
            let arrived = Arrived { since, facts, parties, stream };
            match secured {
                Some(secured) => Box::pin(arrived.carry_secured(context, secured)).await,
                None => arrived.carry(context).await,
            }
        }
        Err(error) => parties.failed(context, since, version, &Error::Relay(error.to_string())),
    };
    if reads || secured.is_some() {
        drop(snapshot);
        return Box::pin(read(facts, parties, incoming, secured)).await;
    }
    let to = ToApplication::of(&snapshot, &facts);
    let connected = tokio::select! {
        biased;
        connected = to.connect(context, workload) => connected,
        () = incoming.cancelled() => Err(Error::GaveUp(target)),
    };
    let application = match connected {
        Ok(application) => application,
        Err(error) => {
            parties.failed(context, since, version, &error);
            return incoming.refuse(Refusal::Unavailable);
        }
    };
    let (registered, revoked) = context.connections.register(facts.clone());
    // Policy may have changed while the application was connected to; from here on it is watched.
    let now = context.shared.snapshot.load_full();
    if let Some(error) = facts.refusal_since(&snapshot, &now) {
        // One that looks at requests: nothing has passed yet, so these can still be read.
        if facts.remedy(&now) == Remedy::Reading {
            drop((snapshot, now, application, registered, revoked));
            return Box::pin(read(Facts { judged: Judged::Requests, ..facts }, parties, incoming, None)).await;
        }
        parties.failed(context, since, version, &error);
        return incoming.refuse(refusal(&error));
    }
    drop(now);
    let far_end = match incoming.accept(own_baggage.as_ref()) {
        Ok(stream) => FarEnd::Tunnel(stream),
        Err(error) => {
            let error = Error::Relay(error.to_string());
            return parties.failed(context, since, version, &error);
        }
    };
    let onlooker = Onlooker::metering(&context.recorder, &snapshot, &parties);
    // What it was when this began is not kept for as long as this lasts.
    drop(snapshot);
    let measured = parties.open(context);
    let (bytes, ended) = {
        let over = pin!(to.over(&application));
        let ended = pin!(until_ended(context, &facts, revoked, onlooker.takeover()));
        let ended = pin!(async {
            tokio::select! {
                error = ended => error,
                error = over => error,
            }
        });
        far_end.relay(application, &workload.gone, &measured.series, Direction::Inbound, ended, onlooker).await
    };
    measured.close(context, &parties, since, version, bytes, ended.as_ref().err());
    drop(registered);
    if let Ok(Some(Left::Far(stream, heard))) = ended {
        Box::pin(Arrived { since, facts, parties, stream }.take_over(context, heard)).await;
    }
}

/// How a caller is told.
pub fn refusal(error: &Error) -> Refusal {
    match error {
        Error::Denied { .. } => Refusal::Denied,
        // Whoever is behind a waypoint lets nobody like that in.
        Error::Backend(error) if error.is_denied() => Refusal::Denied,
        Error::TooManyConnections { .. } => Refusal::Limited,
        Error::Backend(error) if error.is_limited() => Refusal::Limited,
        _ => Refusal::Unavailable,
    }
}

/// The service that the caller says it asked for (RFC 7239 `host`), believed only if this workload
/// is an endpoint of it on that port.
fn called(snapshot: &Snapshot, workload: &LocalWorkload, forwarded: &str, port: u16) -> Option<Arc<Service>> {
    let itself = workload.in_snapshot(snapshot)?;
    let host = forwarded.split(';').find_map(|pair| pair.trim().strip_prefix("host="))?.trim_matches('"');
    let behind = |service: &&Arc<Service>| {
        let mut mappings = itself.services.iter().filter(|(key, _)| *key == service.key).flat_map(|(_, ports)| ports);
        mappings.any(|mapping| mapping.target_port == port)
    };
    snapshot.services_named(&host.to_ascii_lowercase()).find(behind).cloned()
}

/// The workload's address and port that a CONNECT leads to.
fn target(
    snapshot: &Snapshot,
    workload: &LocalWorkload,
    local: SocketAddr,
    authority: &Authority,
) -> Option<SocketAddr> {
    let itself = workload.in_snapshot(snapshot)?;
    match authority {
        Authority::Ip(address) if itself.addresses.contains(&address.ip()) => Some(*address),
        Authority::Ip(_) => None,
        Authority::Host(host, port) => {
            let mut services = snapshot.services_named(host);
            let port = services.find_map(|service| itself.target_port(&service.key, *port))?;
            Some(SocketAddr::new(local.ip(), port))
        }
    }
}

fn parties(
    snapshot: &Snapshot,
    workload: &LocalWorkload,
    caller: SocketAddr,
    peer: Option<&SpiffeId>,
    own: Option<&SpiffeId>,
    destination: SocketAddr,
) -> Parties {
    Parties {
        direction: Direction::Inbound,
        source_address: caller,
        // An address may have gone to somebody else since the snapshot: identity decides who it is.
        source: snapshot.workload_at(caller.ip()).filter(|source| is_consistent(source, peer)).cloned(),
        source_identity: peer.cloned(),
        destination_address: destination,
        destination: workload.in_snapshot(snapshot).cloned(),
        destination_identity: own.filter(|_| peer.is_some()).cloned(),
        service: None,
        hbone: None,
        reporter: Reporter::Destination,
    }
}

/// Whether `source` can be the one that proved to be `peer`.
pub fn is_consistent(source: &Workload, peer: Option<&SpiffeId>) -> bool {
    peer.is_none_or(|peer| source.identity().as_ref() == Ok(peer))
}

#[cfg(test)]
mod tests;
