//! One try at having a request answered by an upstream.

use std::{future::poll_fn, pin::pin};

use ripstop_exchange::{Answered, Downstream, Failure, Fault, HeadChanges, Party, Pump, Replay, Totals, Upstream};
use tokio::time::{Instant, timeout_at};

/// How a request that was passed on ended.
#[derive(Debug, Default)]
pub struct Passed {
    /// The answer's status; 0: there was none.
    pub status: u16,
    /// The status of gRPC, if the answer said it.
    pub grpc_status: Option<u16>,
    /// What was moved, and when.
    pub totals: Totals,
    /// Why it ended before its end; nothing: it did not.
    pub failure: Option<Failure>,
    /// Whether that is because no answer began in the time that there was for it.
    pub late: bool,
}

// === impl Passed ===

impl Passed {
    /// Whether the client can still be answered otherwise.
    pub fn is_unanswered(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.answered < Answered::Head)
    }

    /// There was no time to send anything.
    pub fn too_late(&mut self) -> Kept {
        self.late = true;
        Kept::Passed
    }
}

/// The same, for a shorter while.
pub fn again<'a>(downstream: &'a mut Downstream<'_>) -> Downstream<'a> {
    match downstream {
        Downstream::Http1(connection) => Downstream::Http1(connection),
        Downstream::Http2(request) => Downstream::Http2(request),
    }
}

/// Whether an answer is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is.
    Passed,
    /// Somebody tries again: the client hears nothing of it.
    Back,
}

/// Sends a request on and passes on whatever answer comes, to its end, both changed as `changes` say; but what `judge`
/// keeps back is not passed on, as the request is sent again then. An answer begins before `until`, or does not count. What is known so far is in `passed` at any time.
pub async fn forward(
    downstream: &mut Downstream<'_>,
    upstream: Upstream<'_>,
    changes: (&HeadChanges<'_>, &HeadChanges<'_>),
    replay: &mut Replay,
    until: Option<Instant>,
    judge: impl FnOnce(&Pump<'_>) -> Kept,
    passed: &mut Passed,
) -> Kept {
    let (request, response) = changes;
    let mut pump = match Pump::new(again(downstream), upstream, request, replay) {
        Ok(pump) => pump,
        Err(failure) => {
            passed.failure = Some(failure);
            return Kept::Passed;
        }
    };
    let through = through(&mut pump, response, until, judge, passed).await;
    passed.totals = pump.totals();
    drop(pump);
    passed.failure = match through {
        Ok(Kept::Back) => return Kept::Back,
        Ok(Kept::Passed) => None,
        Err(failure) => Some(failure),
    };
    match &passed.failure {
        // The client must not take what it has for a whole answer.
        Some(_) if !passed.is_unanswered() => downstream.reset(),
        Some(_) => {}
        None => {
            if let Err(error) = downstream.finish().await {
                tracing::debug!(%error, "a client was gone before its answer was");
            }
        }
    }
    Kept::Passed
}

async fn through(
    pump: &mut Pump<'_>,
    response: &HeadChanges<'_>,
    until: Option<Instant>,
    judge: impl FnOnce(&Pump<'_>) -> Kept,
    passed: &mut Passed,
) -> Result<Kept, Failure> {
    let answered = {
        let answering = pin!(pump.answer());
        before(until, answering).await
    };
    passed.late = answered.is_none();
    answered.unwrap_or_else(|| Err(too_late(pump)))?;
    passed.status = pump.upstream().status();
    passed.grpc_status = grpc_status(pump.upstream());
    if judge(pump) == Kept::Back {
        return Ok(Kept::Back);
    }
    pump.pass_on(response)?;
    poll_fn(|cx| {
        let polled = pump.poll_through(cx);
        passed.totals = pump.totals();
        polled
    })
    .await?;
    passed.grpc_status = passed.grpc_status.or_else(|| last_grpc_status(pump.upstream()));
    Ok(Kept::Passed)
}

/// What comes of `doing` before `until`. What is not given pinned, the future has room for twice.
pub async fn before<T>(until: Option<Instant>, doing: impl Future<Output = T>) -> Option<T> {
    match until {
        None => Some(doing.await),
        Some(until) => timeout_at(until, doing).await.ok(),
    }
}

fn too_late(pump: &Pump<'_>) -> Failure {
    let fault = Fault::Io(std::io::ErrorKind::TimedOut.into());
    Failure { party: Party::Upstream, fault, sent: pump.upstream().sent(), answered: Answered::Nothing }
}

const GRPC_STATUS: &[u8] = b"grpc-status";

/// What the head of an answer says of gRPC, if it says it there.
pub fn grpc_status(upstream: &Upstream<'_>) -> Option<u16> {
    let (_, value) = upstream.fields().find(|(name, _)| name.eq_ignore_ascii_case(GRPC_STATUS))?;
    number(value)
}

/// What an answer that was passed on to its end said there of gRPC.
pub fn last_grpc_status(upstream: &Upstream<'_>) -> Option<u16> {
    number(upstream.trailer(GRPC_STATUS)?)
}

fn number(value: &[u8]) -> Option<u16> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
