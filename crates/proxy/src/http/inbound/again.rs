//! Further attempts of a callee's proxy with its application, as Istio's sidecars make them.
//!
//! By default what certainly did not reach the application is sent twice more, but for gRPC, whose clients try again by
//! themselves. `defaultInboundHttpRetryPolicy` of the mesh says otherwise.

use std::{io, sync::Arc, time::Duration};

use ripstop_exchange::{Pump, Replay, Sent};
use ripstop_model::{ConnectionSettings, DEFAULT_INBOUND_RETRY_ON, RetryPolicy, TrafficDefaults};
use tokio::time::Instant;

use crate::{
    error::Error,
    http::{
        attempts::kept,
        field_list::FieldList,
        filters::{
            origin::Shaping,
            respond::Tried,
            retry::{Attempt, Next, Retries},
        },
        forward::{Kept, Passed},
        head::Head,
    },
};

/// How often one request was tried, and whether it is tried again.
pub(super) struct Again {
    /// With the mesh's policy.
    defaults: Arc<TrafficDefaults>,
    allowed: Allowed,
    /// Further attempts so far.
    made: u32,
    /// What was sent of its body, as far as it may be wanted again.
    replay: Replay,
}

/// What may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    Nothing,
    /// What did not reach the application.
    Unsent,
    /// What the policy says.
    Configured,
}

// === impl Again ===

impl Again {
    /// As the mesh says for a request, and the settings of the workload's connections.
    pub(super) fn new(defaults: Arc<TrafficDefaults>, head: &Head, settings: Option<&ConnectionSettings>) -> Self {
        let policy = &defaults.inbound_retries;
        let is_usual = matches!(&policy.on[..], [only] if **only == *DEFAULT_INBOUND_RETRY_ON);
        let allowed = match (policy.attempts, is_usual) {
            _ if head.is_grpc() => Allowed::Nothing,
            (0, _) => Allowed::Nothing,
            (_, true) => Allowed::Unsent,
            (_, false) => Allowed::Configured,
        };
        let replay = if allowed == Allowed::Configured { kept(settings) } else { Replay::none() };
        Self { defaults, allowed, made: 0, replay }
    }

    /// How often it was tried.
    pub(super) fn attempts(&self) -> u32 {
        self.made + 1
    }

    /// What is said of its last failure.
    pub(super) fn tried(&self) -> Tried {
        if self.made > 0 { Tried::Again } else { Tried::Once }
    }

    /// When the answer has to begin to an attempt that begins now.
    pub(super) fn until(&self) -> Option<Instant> {
        let limit = self.policy().per_try_timeout.filter(|_| self.allowed != Allowed::Nothing);
        limit.map(|limit| Instant::now() + limit)
    }

    /// What an attempt takes: what is kept of the body, and who looks at the answer.
    pub(super) fn parts(&mut self) -> (&mut Replay, impl FnOnce(&Pump<'_>) -> Kept) {
        let looks = self.allowed == Allowed::Configured && self.made < self.policy().attempts;
        let defaults = looks.then(|| Arc::clone(&self.defaults));
        let judge = move |pump: &Pump<'_>| {
            let Some(defaults) = defaults.filter(|_| pump.is_replayable()) else { return Kept::Passed };
            let headers = FieldList::of(pump.upstream().fields());
            let answer = Attempt::Answer { status: pump.upstream().status(), headers: &headers };
            let retries = Retries::of(&defaults.inbound_retries, Shaping::NONE);
            if retries.should_retry(answer) { Kept::Back } else { Kept::Passed }
        };
        (&mut self.replay, judge)
    }

    /// The pause before the next attempt, after one that ended so; nothing: that was the last. It is random.
    pub(super) fn after(&mut self, tried: &Result<Kept, Arc<Error>>, passed: &Passed, random: u64) -> Option<Duration> {
        if self.allowed == Allowed::Nothing || !self.replay.is_possible() {
            return None;
        }
        let ended = match tried {
            Err(error) if is_momentary(error) => Some(Attempt::NotConnected),
            Err(_) => return None,
            Ok(Kept::Back) => None,
            Ok(Kept::Passed) if passed.late => {
                Some(Attempt::TimedOut { sent: passed.failure.as_ref().map_or(Sent::Nothing, |failure| failure.sent) })
            }
            Ok(Kept::Passed) => Some(Attempt::Failed(passed.failure.as_ref().filter(|_| passed.is_unanswered())?)),
        };
        let retries = Retries::of(self.policy(), Shaping::NONE);
        let next = match ended {
            Some(attempt) => retries.next(self.made, attempt, random),
            None => Next::Again(retries.pause(self.made, random)),
        };
        let Next::Again(pause) = next else { return None };
        self.made += 1;
        Some(pause)
    }

    fn policy(&self) -> &RetryPolicy {
        &self.defaults.inbound_retries
    }
}

/// Whether it may be different at the next attempt. Who did not answer in all the time that there is gets no more of it.
fn is_momentary(error: &Error) -> bool {
    matches!(error, Error::Connect { source, .. } if source.kind() != io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests;
