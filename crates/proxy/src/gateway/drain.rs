//! Connections to a gateway that would not be let in any more as they were.
//!
//! When a listener goes, asks for other TLS, or its routes lead nowhere, what is open drains, as with Envoy: it may finish
//! what it is about within [`DRAIN_TIME`], and what is left then is ended. Policies do not wait for that.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ripstop_decide::{Outcome, Program, listening_at, outcome};
use ripstop_model::Workload;

use crate::{http::standpoint::Standpoint, local::LocalWorkload, worker::Shared};

/// How long connections drain (Istio's `drainDuration` by default).
pub const DRAIN_TIME: Duration = Duration::from_secs(45);

/// Ready once `holds` does not hold of the gateway any more; it is looked at whenever listeners or routes change.
pub async fn outlived(shared: &Shared, workload: &LocalWorkload, holds: impl Fn(&Program, &Workload) -> bool) {
    let mut changed = shared.changed.subscribe();
    let mut judged: Option<Arc<Program>> = None;
    loop {
        let program = shared.snapshot.load_full();
        let own = workload.in_snapshot(&program);
        // A workload that is gone ends by itself.
        if let Some(own) = own.filter(|own| !judged.as_ref().is_some_and(|judged| is_same(judged, &program, own)))
            && !holds(&program, own)
        {
            return;
        }
        judged = Some(program);
        if changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether listeners and routes of a gateway are the same in both.
fn is_same(judged: &Program, program: &Program, own: &Arc<Workload>) -> bool {
    let (before, now) = (judged.traffic(), program.traffic());
    before.gateways.ptr_eq(&now.gateways)
        && before.routes.ptr_eq(&now.routes)
        && judged.workload(&own.uid).is_some_and(|before| Arc::ptr_eq(before, own))
}

/// Whether a connection that is passed on as it is would come in and be passed on like this, its caller's policies apart.
pub fn passes(program: &Program, own: &Workload, standpoint: &Standpoint, destination: SocketAddr) -> bool {
    let Standpoint::Gateway(entrance) = standpoint else { return true };
    listening_at(program, &own.labels, entrance.port).is_some()
        && entrance.still_holds(program, own)
        && matches!(outcome(program, &standpoint.call(own, destination, None)), Outcome::Forward { .. })
}

#[cfg(test)]
mod tests;
