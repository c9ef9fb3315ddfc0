//! What a workload in quarantine may do, and what may be done to it.

use std::sync::Arc;

use ripstop_model::{Quarantine, TunnelProtocol, Workload};

use crate::{DenyReason, InboundFacts, Program, Verdict};

/// What quarantine says of a call of `source` to `destination` that is to go `way`, where the call is sent; nothing: no
/// objection. Nobody that the mesh knows is called if there is no `destination`. A workload may always call itself.
///
/// Whoever is called by plaintext proves nothing, and so is nobody that a workload in quarantine may speak with.
pub fn departure(source: &Workload, destination: Option<&Workload>, way: TunnelProtocol) -> Option<Verdict> {
    let called = destination.and_then(|destination| destination.quarantine.as_ref());
    if source.quarantine.is_none() && called.is_none() || destination.is_some_and(|called| called.uid == source.uid) {
        return None;
    }
    let proven = |workload: &Workload| workload.identity().ok().filter(|_| way == TunnelProtocol::Hbone);
    match &source.quarantine {
        Some(own) if !own.admits(destination.and_then(proven).as_ref()) => return Some(denied(source, own)),
        _ => {}
    }
    let called = called.filter(|called| !called.admits(proven(source).as_ref()));
    called.zip(destination).map(|(quarantine, destination)| denied(destination, quarantine))
}

/// What quarantine says of what comes in; nothing: no objection. Who proves an identity of an alias of the mesh's trust
/// domain is who it would be of that domain, in which peers are named, too.
pub(crate) fn arrival(program: &Program, facts: &InboundFacts<'_>) -> Option<Verdict> {
    let quarantine = facts.destination.quarantine.as_ref()?;
    (!quarantine.admits_any(facts.peer, program.mesh())).then(|| denied(facts.destination, quarantine))
}

fn denied(workload: &Workload, quarantine: &Arc<Quarantine>) -> Verdict {
    let name = format!("{}/{}", workload.namespace, workload.workload_name).into();
    Verdict::Deny { reason: DenyReason::Quarantine { workload: name }, policy: Some(quarantine.rule.clone()) }
}

#[cfg(test)]
mod tests;
