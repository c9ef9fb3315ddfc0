//! Connections that were let in unread, once policies look at requests.
//!
//! Where no policy looks at requests, a connection is judged once, and its bytes are relayed. When the first such policy
//! comes, nobody can say of these connections whether they may go on; but their requests can be judged from then on, if
//! the bytes are known to be requests, which whoever meters them knows. So nothing more is taken of the client, what it
//! has asked is answered, and then the relay lets go of the client's connection, whose requests are read. HTTP/1.1 goes
//! on in the same connection. HTTP/2, with its streams and its compression, can't be taken over in the middle: it ends
//! with GOAWAY, which names the last request that was heard, and its client comes anew.
//!
//! While a request is still coming, so may another behind it: what comes in one read with the end of the one before, or, of
//! HTTP/2, beside it, is passed on before anybody can tell; then the connection ends at once, and nobody gets an answer.
//! And who is held gives no window: an answer of HTTP/2 that needs more than it has left does not come to its end.
//!
//! Whatever can't be taken over, or takes longer than [`PATIENCE`], ends as a connection that is not allowed any more.

use std::{cell::Cell, rc::Rc, time::Duration};

use ripstop_h2::Farewell;
use ripstop_tunnel::{Side, Wish};
use tokio::{
    select,
    sync::{Notify, oneshot},
    time::sleep,
};

use crate::{
    connections::{Facts, Judged, Remedy, Revocation, until_revoked},
    error::Error,
    worker::Context,
};

/// How long requests that are under way may take until their connection ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// What whoever watches policies and whoever meters a connection tell each other of it.
#[derive(Debug, Default)]
pub struct Takeover {
    wanted: Cell<bool>,
    /// Requests that had begun when that was first heeded.
    begun: Cell<Option<u64>>,
    is_hopeless: Cell<bool>,
    lost: Notify,
}

/// What was heard of a connection that is let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// Requests of HTTP/1.1, all of them answered.
    Http1,
    /// Requests of HTTP/2, all of them answered; it ends with that.
    Http2(Farewell),
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is under way.
    Idle,
    /// Requests are complete, and not answered.
    Asked,
    /// A request is still coming.
    Asking,
    /// Its last answer is given; it ends by itself.
    Over,
    /// It can't be read.
    Unreadable,
}

// === impl Takeover ===

impl Takeover {
    /// Nobody can read it any more, so that it can't be taken over.
    pub fn give_up(&self) {
        self.is_hopeless.set(true);
        self.lost.notify_one();
    }

    /// Whether it shall be taken over.
    pub fn is_wanted(&self) -> bool {
        self.wanted.get()
    }

    /// What shall become of the relay of one that is wanted, so far on, with so many requests that have begun.
    pub fn wish(&self, progress: Progress, begun: u64) -> Wish {
        let known = self.begun.get().unwrap_or(begun);
        self.begun.set(Some(known));
        match progress {
            // Behind the end of another one it came through unjudged: it gets no answer.
            _ if begun > known => {
                self.give_up();
                Wish::Hold
            }
            Progress::Idle => Wish::LetGo(Side::Second),
            Progress::Asked | Progress::Over => Wish::Hold,
            Progress::Asking => Wish::GoOn,
            Progress::Unreadable => {
                self.give_up();
                Wish::Hold
            }
        }
    }

    async fn lost(&self) {
        while !self.is_hopeless.get() {
            self.lost.notified().await;
        }
    }
}

/// Ready, and says why, when policies end a connection of `facts`; before, it is tried to take it over, if it can be.
pub async fn until_ended(
    context: &Rc<Context>,
    facts: &Facts,
    revoked: oneshot::Receiver<Revocation>,
    takeover: Option<Rc<Takeover>>,
) -> Error {
    let Ok(revocation) = revoked.await else {
        // The table of connections has gone with its worker; so does this.
        return std::future::pending().await;
    };
    let Some(takeover) = takeover.filter(|_| revocation.remedy == Remedy::Reading) else {
        return revocation.into();
    };
    // Seldom, and not for every connection to have room for.
    Box::pin(until_taken_over(context, facts, revocation, takeover)).await
}

/// Ready, and says why, when a connection can't be taken over, or is forbidden meanwhile.
async fn until_taken_over(
    context: &Rc<Context>,
    facts: &Facts,
    revocation: Revocation,
    takeover: Rc<Takeover>,
) -> Error {
    // Until it is read, its transport may be forbidden, too.
    let asked = Facts { judged: Judged::Requests, ..facts.clone() };
    let (_registered, revoked) = context.connections.register(asked.clone());
    if let Some(error) = asked.refusal(&context.shared.snapshot.load()) {
        return error;
    }
    takeover.wanted.set(true);
    select! {
        biased;
        error = until_revoked(revoked) => error,
        () = takeover.lost() => revocation.into(),
        () = sleep(PATIENCE) => revocation.into(),
    }
}

#[cfg(test)]
mod tests;
