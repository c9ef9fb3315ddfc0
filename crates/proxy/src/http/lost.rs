//! Requests that met the end of a connection which was kept for them.
//!
//! Either end of a connection may end it while it is idle, and a request may be on its way at that moment. Nobody but
//! who sent it can mend that (RFC 9112 9.3.1), and it is no failure of the endpoint: it goes out once more, however
//! many retries its rule grants.

use std::time::Duration;

use ripstop_exchange::{Answered, Failure, Fault, Party, Sent};

/// Kept connections that one request may find ended.
pub const MOST: u32 = 3;

/// How soon a connection must have ended for the two to have crossed; later, the server had the request.
pub const CROSSED: Duration = Duration::from_millis(250);

/// Whether a request of that method may go out once more: it was sent, so long ago, on a connection that had served
/// others, which ended before it said anything, and it does no harm if the server has seen it.
pub fn may_go_again(failure: &Failure, is_reused: bool, ago: Duration, method: &str) -> bool {
    is_reused
        && (ago < CROSSED || matches!(failure.fault, Fault::Unprocessed))
        && failure.party == Party::Upstream
        && failure.answered == Answered::Nothing
        && match failure.fault {
            Fault::Unprocessed => true,
            Fault::Gone | Fault::Io(_) => failure.sent == Sent::Nothing || is_idempotent(method),
            _ => false,
        }
}

/// RFC 9110 9.2.2.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

#[cfg(test)]
mod tests;
