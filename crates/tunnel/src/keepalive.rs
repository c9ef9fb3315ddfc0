//! When to ping a silent peer, and when to give it up. No clock and no I/O inside.

use std::time::Duration;

use tokio::time::Instant;

/// The state of a connection's sign-of-life check.
///
/// Anything received counts, so a busy connection is never pinged. That is more than thrift: HTTP/2 stops reading
/// while a PING answer waits behind a full socket, and two peers that ping each other under load could stop each
/// other for good.
#[derive(Debug)]
pub(crate) struct Keepalive {
    interval: Duration,
    timeout: Duration,
    deadline: Instant,
    pinged: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Wait,
    Ping,
    GiveUp,
}

impl Keepalive {
    pub(crate) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self { interval, timeout, deadline: now + interval, pinged: false }
    }

    /// When [`Keepalive::tick`] wants to be called next.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What to do at `now`, given whether anything was received since the last call.
    pub(crate) fn tick(&mut self, now: Instant, heard: bool) -> Action {
        if heard {
            self.pinged = false;
            self.deadline = now + self.interval;
            return Action::Wait;
        }
        if now < self.deadline {
            return Action::Wait;
        }
        if self.pinged {
            return Action::GiveUp;
        }
        self.pinged = true;
        self.deadline = now + self.timeout;
        Action::Ping
    }
}

#[cfg(test)]
mod tests;
