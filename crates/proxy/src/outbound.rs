//! From an enrolled workload to wherever it wants to go.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use ripstop_decide::{Endpoint, HBONE_PORT, OutboundFacts, Route, route_excluding};
use ripstop_model::{Service, Snapshot, Workload, WorkloadUid};
use ripstop_telemetry::Direction;
use tokio::net::TcpStream;

use crate::{
    caller::gave_up,
    error::Error,
    far_end::{self, FarEnd},
    listeners::canonical,
    local::LocalWorkload,
    record::Parties,
    refuse,
    worker::Context,
};

/// Endpoints tried for one connection, before any byte was sent.
const ATTEMPTS: usize = 3;

/// Carries one captured connection of `workload`.
pub async fn serve(context: Rc<Context>, workload: Arc<LocalWorkload>, stream: TcpStream, peer: SocketAddr) {
    let since = Instant::now();
    let Ok(destination) = stream.local_addr().map(canonical) else { return };
    let _captured = workload.capture();
    let snapshot = context.shared.snapshot.load_full();
    let mut parties = Parties {
        direction: Direction::Outbound,
        source_address: peer,
        source: workload.in_snapshot(&snapshot).cloned(),
        source_identity: None,
        destination_address: destination,
        destination: None,
        destination_identity: None,
        service: None,
        hbone: None,
    };
    let version = snapshot.version();
    let connected = tokio::select! {
        biased;
        connected = connect(&context, &workload, &snapshot, destination, peer, &mut parties) => connected,
        () = gave_up(&stream) => Err(Error::GaveUp(destination)),
    };
    let far_end = match connected {
        Ok(far_end) => far_end,
        Err(error) => {
            parties.failed(&context, since, version, &error);
            if let Err(error) = refuse::reset(stream) {
                tracing::debug!(%error, "the caller had already gone");
            }
            return;
        }
    };
    drop(snapshot);
    let measured = parties.open(&context);
    let (bytes, error) = far_end.relay(stream, &workload, &measured.series, Direction::Outbound, None, None).await;
    measured.close(&context, &parties, since, version, bytes, error.as_ref());
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
            Route::Workload { endpoint } => return open(context, &source, &endpoint, None, peer, parties).await,
            Route::Passthrough { destination } => {
                return context.sockets.connect(&workload.uid, None, destination).await.map(FarEnd::Plain);
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
    if !endpoint.tunnel {
        return context.sockets.connect(&source.uid, None, endpoint.target).await.map(FarEnd::Plain);
    }
    let own = source.identity().map_err(|error| Error::Link(error.to_string()))?;
    let credential = context.shared.certificates.get(&own).ok_or_else(|| Error::NoCertificate(own.clone()))?;
    let address = SocketAddr::new(endpoint.target.ip(), HBONE_PORT);
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
