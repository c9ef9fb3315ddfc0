//! Waiting on behalf of a client.

use std::{pin::Pin, time::Duration};

use ripstop_exchange::{Answered, Downstream, Failure, Fault, Party, Sent};
use tokio::{select, time::timeout};

/// Waits for what a request needs before it can be sent on, as long as there is somebody to answer; a failure: its client
/// is gone. It is given pinned, for futures of requests to stay small.
pub async fn while_there<T>(
    downstream: &mut Downstream<'_>,
    doing: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Failure> {
    select! {
        biased;
        done = doing => Ok(done),
        fault = downstream.gone() => {
            tracing::debug!(%fault, "a client has left while its request waited");
            Err(Failure { party: Party::Downstream, fault, sent: Sent::Nothing, answered: Answered::Nothing })
        }
    }
}

/// Whether an exchange failed because nobody is there to be answered.
pub fn has_left(failure: &Failure) -> bool {
    failure.party == Party::Downstream && matches!(failure.fault, Fault::Gone | Fault::Io(_) | Fault::Reset(_))
}

/// Nothing: it took longer. What is not given pinned, the future has room for twice.
pub async fn within<T>(limit: Option<Duration>, doing: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(doing.await),
        Some(limit) => timeout(limit, doing).await.ok(),
    }
}

#[cfg(test)]
mod tests;
