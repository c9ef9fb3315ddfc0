//! Which of the two proxies that may serve a workload does: its node's or its own.
//!
//! To move a workload, the one that is to serve gets copies of its listeners. Once it says that it accepts, the other one is
//! told to let go of them, and finishes what it has. In between both accept, so no connection meets nobody.

use std::{fmt, time::Duration};

/// A proxy that may serve a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Side {
    /// That of its node.
    #[default]
    Node,
    /// Its own.
    Sidecar,
}

/// Where a workload is with both.
#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    /// Who serves it, or is to.
    now: Side,
    /// The other one was given its listeners, and has not said yet that it accepts.
    is_handing: bool,
    /// When the other one is asked again, or, while it has them, when it has to have answered.
    retry: Option<Duration>,
    /// Connections of before at those that let go of it.
    finishing: Both<Option<u64>>,
}

/// One for each side.
#[derive(Clone, Debug, Default)]
struct Both<T> {
    node: T,
    sidecar: T,
}

/// How long the other proxy may take to accept: it says itself that it cannot after less.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the other proxy is left alone after it could not take a workload.
const RETRY: Duration = Duration::from_secs(1);

// === impl Side ===

impl Side {
    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Node => Self::Sidecar,
            Self::Sidecar => Self::Node,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "the proxy of the node",
            Self::Sidecar => "the workload's sidecar",
        })
    }
}

// === impl Sides ===

impl Sides {
    /// Who serves it, or is to.
    pub(super) fn now(&self) -> Side {
        self.now
    }

    /// Whether the other one was given its listeners, and has not answered yet.
    pub(super) fn is_handing(&self) -> bool {
        self.is_handing
    }

    /// When the other one may be given its listeners, or has to have answered.
    pub(super) fn due(&self) -> Option<Duration> {
        self.retry
    }

    /// The other one was given its listeners.
    pub(super) fn hand(&mut self, now: Duration) {
        self.is_handing = true;
        self.retry = Some(now + ANSWER);
    }

    /// Whether it has had them for too long without a word.
    pub(super) fn is_overdue(&self, now: Duration) -> bool {
        self.is_handing && self.retry.is_some_and(|due| now >= due)
    }

    /// The other one could not take it, or is not to any more.
    pub(super) fn stay(&mut self) {
        self.is_handing = false;
        self.retry = None;
    }

    /// The other one could not take it; it is asked again later.
    pub(super) fn put_off(&mut self, now: Duration) {
        self.is_handing = false;
        self.retry = Some(now + RETRY);
    }

    /// The other one serves from now on; gives the one that did before.
    pub(super) fn move_over(&mut self) -> Side {
        let before = self.now;
        *self = Self { now: before.other(), is_handing: false, retry: None, finishing: self.finishing.clone() };
        before
    }

    /// `side` was told to let go of it; how much it has left it will tell.
    pub(super) fn released(&mut self, side: Side) {
        self.finishing.of(side).get_or_insert(1);
    }

    /// `side`, which serves it, says how many connections it has, and with them those of before, if it has any.
    pub(super) fn counted(&mut self, side: Side, open: u64) {
        let finishing = self.finishing.of(side);
        *finishing = finishing.and(Some(open)).filter(|open| *open > 0);
    }

    /// `side`, which does not serve it, says how many connections it has left. An agent that starts anew hears of them by
    /// that.
    pub(super) fn finishes(&mut self, side: Side, open: u64) {
        *self.finishing.of(side) = Some(open).filter(|open| *open > 0);
    }

    /// `side` is gone, with all that it had.
    pub(super) fn gone(&mut self, side: Side) {
        *self.finishing.of(side) = None;
        if side != self.now {
            self.stay();
        }
    }

    /// All connections of it are gone, wherever they were.
    pub(super) fn forget(&mut self) {
        *self = Self { now: self.now, ..Self::default() };
    }

    /// Connections at the one that does not serve it any more.
    pub(super) fn left_behind(&self) -> u64 {
        let finishing = match self.now {
            Side::Node => self.finishing.sidecar,
            Side::Sidecar => self.finishing.node,
        };
        finishing.unwrap_or(0)
    }

    /// Whether `side` may have sockets for it, although it is not known to serve it.
    pub(super) fn may_ask(&self, side: Side) -> bool {
        let finishing = match side {
            Side::Node => self.finishing.node,
            Side::Sidecar => self.finishing.sidecar,
        };
        finishing.is_some() || self.is_handing && side != self.now
    }
}

// === impl Both ===

impl<T> Both<T> {
    fn of(&mut self, side: Side) -> &mut T {
        match side {
            Side::Node => &mut self.node,
            Side::Sidecar => &mut self.sidecar,
        }
    }
}

#[cfg(test)]
mod tests;
