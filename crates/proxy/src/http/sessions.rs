//! Which of a rule's backends has the session that a request belongs to.

use std::{pin::pin, sync::Arc};

use ripstop_decide::{Program, Target, session_of};
use ripstop_exchange::{Downstream, Failure};

use super::{
    filters::affinity::cookie,
    outbound::{Asked, Outbound},
    waiting::while_there,
};
use crate::outbound::may_ask_for;

/// The one of several backends whose endpoint a cookie of the request names, if it has any weight: a session holds over
/// the weights that were drawn by when it began. Nothing: none, and one is drawn.
pub(super) async fn kept<'t>(
    outbound: &Outbound,
    downstream: &mut Downstream<'_>,
    asked: &Asked<'_>,
    program: &Arc<Program>,
    targets: &'t [Target],
) -> Result<Option<&'t Target>, Failure> {
    if targets.len() < 2 || program.traffic().policies.is_empty() {
        return Ok(None);
    }
    let (context, source) = (&outbound.context, asked.source);
    let original = outbound.standpoint.original(outbound.destination);
    for target in targets.iter().filter(|target| target.weight > 0 && target.missing.is_none()) {
        let Some(callee) = &target.callee else { continue };
        let Some(session) = session_of(program, callee, target.backend.port.unwrap_or_default()) else { continue };
        let Some(value) = cookie(asked.head.fields(), &session.cookie) else { continue };
        if may_ask_for(source, target).is_err() {
            continue;
        }
        let backend = context.backends.backend(context, program, source, target);
        while_there(downstream, pin!(Box::pin(backend.ready()))).await?;
        if backend.session(original, |_| Some(value)).is_some_and(|session| session.endpoint.is_some()) {
            return Ok(Some(target));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
