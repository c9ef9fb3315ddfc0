//! Plain connections to an enrolled workload.

use std::{net::SocketAddr, pin::pin, rc::Rc, sync::Arc, time::Instant};

use ripstop_decide::reads_requests;
use ripstop_telemetry::{Direction, Reporter};
use tokio::net::TcpStream;

use crate::{
    caller::gave_up,
    connections::{Facts, Judged, Remedy},
    error::Error,
    far_end::{FarEnd, Left, Onlooker},
    http::arrive::{Arrived, Came, Secured},
    listeners::canonical,
    local::LocalWorkload,
    record::Parties,
    refuse,
    takeover::until_ended,
    to_application::ToApplication,
    worker::Context,
};

/// Decides about and carries one plain connection to `workload`.
pub async fn serve(context: Rc<Context>, workload: Arc<LocalWorkload>, stream: TcpStream, peer: SocketAddr) {
    let since = Instant::now();
    let Ok(destination) = stream.local_addr().map(canonical) else { return };
    let _captured = workload.capture();
    let snapshot = context.shared.snapshot.load_full();
    let version = snapshot.version();
    let parties = Parties {
        direction: Direction::Inbound,
        source_address: peer,
        source: snapshot.workload_at(peer.ip()).cloned(),
        source_identity: None,
        destination_address: destination,
        destination: workload.in_snapshot(&snapshot).cloned(),
        destination_identity: None,
        service: None,
        hbone: None,
        reporter: Reporter::Destination,
    };
    let (address, port) = (destination.ip(), destination.port());
    let reads = workload.in_snapshot(&snapshot).is_some_and(|itself| reads_requests(&snapshot, itself, port));
    let judged = if reads { Judged::Requests } else { Judged::Unread };
    let facts = Facts {
        workload: workload.clone(),
        address,
        port,
        peer: None,
        source: peer,
        remote: None,
        sni: None,
        judged,
        through: None,
    };
    let itself = workload.in_snapshot(&snapshot);
    let secured = itself.and_then(|itself| Secured::at(&context, &snapshot, itself, destination, Came::Plainly));
    // What is in it is judged once its TLS has ended, and its server's name is known.
    let gate = facts.before(secured.is_some());
    if let Some(error) = gate.judge(&snapshot, &context.shared.policy_counts) {
        parties.failed(&context, since, version, &error);
        return refuse::refuse_plaintext(stream);
    }
    let _admitted = match facts.admitted(&snapshot, &context.shared.connection_limits) {
        Ok(admitted) => admitted,
        Err(error) => {
            parties.failed(&context, since, version, &error);
            return refuse::refuse_plaintext(stream);
        }
    };
    if let Some(secured) = secured {
        drop(snapshot);
        let arrived = Arrived { since, facts, parties, stream: stream.into() };
        return Box::pin(arrived.carry_secured(&context, secured)).await;
    }
    if reads {
        drop(snapshot);
        let stream = stream.into();
        return Box::pin(Arrived { since, facts, parties, stream }.carry(&context)).await;
    }
    let to = ToApplication::of(&snapshot, &facts);
    let connected = tokio::select! {
        biased;
        connected = to.connect(&context, &workload) => connected,
        () = gave_up(&stream) => Err(Error::GaveUp(destination)),
    };
    let application = match connected {
        Ok(application) => application,
        Err(error) => {
            parties.failed(&context, since, version, &error);
            if let Err(error) = refuse::reset(stream) {
                tracing::debug!(%error, "the caller had already gone");
            }
            return;
        }
    };
    let (registered, revoked) = context.connections.register(facts.clone());
    // Policy may have changed while the application was connected to; from here on it is watched.
    let now = context.shared.snapshot.load_full();
    if let Some(error) = facts.refusal_since(&snapshot, &now) {
        // One that looks at requests: nothing has passed yet, so these can still be read.
        if facts.remedy(&now) == Remedy::Reading {
            drop((snapshot, now, application, registered, revoked));
            let facts = Facts { judged: Judged::Requests, ..facts };
            let stream = stream.into();
            return Box::pin(Arrived { since, facts, parties, stream }.carry(&context)).await;
        }
        parties.failed(&context, since, version, &error);
        return refuse::refuse_plaintext(stream);
    }
    drop(now);
    let onlooker = Onlooker::metering(&context.recorder, &snapshot, &parties);
    drop(snapshot);
    let measured = parties.open(&context);
    let far_end = FarEnd::Plain(stream);
    let (bytes, ended) = {
        let over = pin!(to.over(&application));
        let ended = pin!(until_ended(&context, &facts, revoked, onlooker.takeover()));
        let ended = pin!(async {
            tokio::select! {
                error = ended => error,
                error = over => error,
            }
        });
        far_end.relay(application, &workload.gone, &measured.series, Direction::Inbound, ended, onlooker).await
    };
    measured.close(&context, &parties, since, version, bytes, ended.as_ref().err());
    drop(registered);
    if let Ok(Some(Left::Far(stream, heard))) = ended {
        Box::pin(Arrived { since, facts, parties, stream }.take_over(&context, heard)).await;
    }
}
