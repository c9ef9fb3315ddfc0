//! Connections that are counted by whoever passes them on.

use ripstop_decide::{Callee, Connecting, Program, Target, connections_behind, connections_of_entry};
use ripstop_model::Workload;

use crate::{
    backends::EndpointKey,
    connection_limits::{Admitted, Caller},
    error::Error,
    record::Parties,
    worker::Context,
};

/// Counts a connection to a host that no service declares by its limits, if no waypoint does; why there are too many.
pub(super) fn admitted(
    context: &Context,
    program: &Program,
    source: &Workload,
    target: &Target,
    parties: &Parties,
) -> Result<Admitted, Error> {
    let Some(Callee::Entry(entry)) = &target.callee else { return Ok(Admitted::default()) };
    if entry.waypoint.as_ref().is_some_and(|waypoint| waypoint.takes(source.kind)) {
        return Ok(Admitted::default());
    }
    let found = connections_of_entry(program, entry, target.backend.port.unwrap_or_default());
    admitted_by(context, source, &found, parties)
}

/// The same of a connection to an endpoint, by limits of its services that it leaves to the waypoint that calls it.
pub(super) fn admitted_at(
    context: &Context,
    program: &Program,
    source: &Workload,
    endpoint: &EndpointKey,
    parties: &Parties,
) -> Result<Admitted, Error> {
    let Some(workload) = endpoint.workload() else { return Ok(Admitted::default()) };
    let found = connections_behind(program, source, workload, endpoint.address().port());
    admitted_by(context, source, &found, parties)
}

fn admitted_by(
    context: &Context,
    source: &Workload,
    found: &[Connecting<'_>],
    parties: &Parties,
) -> Result<Admitted, Error> {
    if found.is_empty() {
        return Ok(Admitted::default());
    }
    let own = parties.source_identity.clone().or_else(|| source.identity().ok());
    let caller = Caller { peer: own.as_ref(), source: parties.source_address };
    context.shared.connection_limits.admit(found, None, caller)
}
