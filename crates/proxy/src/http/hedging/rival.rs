//! Attempts beside the first one, before they are sent.

use std::pin::Pin;

use ripstop_balance::{Criteria, Picked, Reach};

use super::{Hedger, permits::Permits};
use crate::{
    backends::{BackendError, Connection, EndpointKey, Wanted},
    http::global_limits::Allowed,
    outbound::{may_leave, random},
};

/// Another attempt.
pub struct Rival {
    /// Where it goes.
    pub picked: Picked<EndpointKey>,
    /// What it takes of budgets, until it has ended.
    pub permits: Permits,
}

/// Nothing: a limit is met.
pub(super) type Opening<'a> = Pin<Box<dyn Future<Output = Option<Opened>> + 'a>>;

/// What limits of the endpoint tell, and a connection to it; nothing: somebody would have to wait for it.
pub(super) type Opened = (Allowed, Result<Option<Connection>, BackendError>);

impl<'a> Hedger<'a, '_> {
    /// Another attempt, if there may be one at another endpoint.
    pub(super) fn begin(&mut self, openings: &[(Rival, Opening<'a>)]) -> Option<(Rival, Opening<'a>)> {
        let (outbound, asked) = (self.attempts.outbound, self.attempts.asked);
        let reach = if self.retries.remote_localities { Reach::Far } else { Reach::Near };
        let mut tried = self.tried.clone();
        for (rival, _) in openings {
            tried.note(&rival.picked);
        }
        let criteria = Criteria { hash: None, tried: &tried, reach };
        let original = outbound.standpoint.original(outbound.destination);
        let picked = self.backend.pick(&criteria, original, random()).ok()?;
        let endpoint = picked.key().clone();
        if tried.has(&picked) || may_leave(asked.source, endpoint.workload(), endpoint.way()).is_err() {
            return None;
        }
        let Ok(permits) = Permits::acquire(self.backend, self.on_route) else {
            self.hedged.counts().refused();
            return None;
        };
        let pending = outbound.admit_at(&endpoint, asked.head, self.counted).ok()?;
        outbound.connect_at(&endpoint).ok()?;
        let (backend, context, authority) = (self.backend, outbound.context.clone(), self.authority);
        let wanted = Wanted::Configured(asked.head.protocol());
        let opening = async move {
            let allowed = pending.ask().await.ok()?;
            // What need not be sent waits in no line, and takes nothing from those who do.
            let opened = backend.checkout_spare(&context, &endpoint, wanted, Some(authority), || outbound.client());
            Some((allowed, opened.await))
        };
        Some((Rival { picked, permits }, Box::pin(opening)))
    }
}
