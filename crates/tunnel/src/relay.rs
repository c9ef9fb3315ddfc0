//! Copying between two connections until both directions have ended.

mod endpoint;

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io, mem,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use thiserror::Error;

pub use self::endpoint::Endpoint;
use crate::chunk::{BUFFER, Chunk};

/// Where a relay counts, as bytes are handed on. Shared counters are fine.
#[derive(Clone, Copy, Debug)]
pub struct Counters<'a> {
    /// Bytes from the first connection to the second.
    pub forward: &'a AtomicU64,
    /// Bytes from the second connection to the first.
    pub backward: &'a AtomicU64,
}

/// What one relay moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes from the first connection to the second.
    pub forward: u64,
    /// Bytes from the second connection to the first.
    pub backward: u64,
}

/// A relay ended before both directions had.
#[derive(Debug, Error)]
#[error("{cause} after {} bytes forward and {} back", totals.forward, totals.backward)]
pub struct RelayError {
    /// What was moved before.
    pub totals: Totals,
    /// Why it ended.
    #[source]
    pub cause: RelayFault,
}

/// Why a relay ended early.
#[derive(Debug, Error)]
pub enum RelayFault {
    /// One of the connections failed.
    #[error("{operation} {side} connection failed ({source})")]
    Broken {
        /// The connection at fault.
        side: Side,
        /// What it did not do.
        operation: Operation,
        /// The cause.
        source: io::Error,
    },
    /// The caller stopped it ([`relay_until`]).
    #[error("stopped")]
    Stopped,
}

/// One of the two connections of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first argument of [`relay`].
    First,
    /// The second argument of [`relay`].
    Second,
}

/// Reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Receiving.
    Reading,
    /// Sending, or ending the direction.
    Writing,
}

/// Copies both ways between two connections until both directions have ended; the end of one direction (half-close)
/// is passed on and leaves the other alone.
///
/// * A connection that fails on reading is gone: the other one is reset.
/// * One that fails on writing may still have something to say: the other direction goes on to its end.
///
/// Buffers are held only while bytes are on their way, so an idle relay holds none; a reader that stalls stops the
/// other side by flow control. Dropping the future resets both, so that no half-sent answer passes for a whole one.
pub async fn relay<A: Endpoint, B: Endpoint>(
    first: A,
    second: B,
    counters: Counters<'_>,
) -> Result<Totals, RelayError> {
    relay_until(first, second, counters, std::future::pending()).await
}

/// [`relay`] that resets both connections when `stop` completes ([`RelayFault::Stopped`]).
pub async fn relay_until<A: Endpoint, B: Endpoint>(
    first: A,
    second: B,
    counters: Counters<'_>,
    stop: impl Future<Output = ()>,
) -> Result<Totals, RelayError> {
    let mut forward = Direction::default();
    let mut backward = Direction::default();
    let mut stop = pin!(stop);
    let (mut first, mut second) = (Guard(Some(first)), Guard(Some(second)));
    let end = std::future::poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(RelayFault::Stopped));
        }
        // Present: guards are emptied only below.
        let (Some(first), Some(second)) = (&mut first.0, &mut second.0) else { return Poll::Pending };
        let a = forward.poll(cx, first, second, counters.forward, backward.state.is_over());
        let b = backward.poll(cx, second, first, counters.backward, forward.state.is_over());
        match (a, b) {
            (Err(error), _) => Poll::Ready(Err(RelayFault::reading(Side::First, error))),
            (_, Err(error)) => Poll::Ready(Err(RelayFault::reading(Side::Second, error))),
            (Ok(Poll::Ready(())), Ok(Poll::Ready(()))) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    })
    .await;
    let totals = Totals { forward: forward.moved, backward: backward.moved };
    if let Err(cause) = end {
        // The guards reset each side that is still there: it learns as from TCP.
        return Err(RelayError { totals, cause });
    }
    drop((first.0.take(), second.0.take()));
    for (direction, side) in [(forward, Side::Second), (backward, Side::First)] {
        if let State::Unwritable(source) = direction.state {
            let cause = RelayFault::Broken { side, operation: Operation::Writing, source };
            return Err(RelayError { totals, cause });
        }
    }
    Ok(totals)
}

/// Resets a connection that was not taken out in good order.
struct Guard<E: Endpoint>(Option<E>);

impl<E: Endpoint> Drop for Guard<E> {
    fn drop(&mut self) {
        if let Some(endpoint) = self.0.take() {
            endpoint.abort();
        }
    }
}

/// One direction of a relay.
#[derive(Default)]
struct Direction {
    state: State,
    /// What is being sent.
    current: Chunk,
    /// What was received meanwhile.
    backlog: Backlog,
    moved: u64,
}

#[derive(Default)]
enum State {
    /// Copying.
    #[default]
    Open,
    /// The source has ended; what is left is still to be sent.
    Ended,
    /// The source has failed; what is left is still to be sent.
    Broken(io::Error),
    /// The end was passed on.
    Done,
    /// The destination takes nothing more.
    Unwritable(io::Error),
}

impl State {
    fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Unwritable(_))
    }
}

impl Direction {
    /// Moves what can be moved. `Ok(Ready)` when the direction is over, `Err` when its source failed.
    fn poll<S: Endpoint, D: Endpoint>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        destination: &mut D,
        counter: &AtomicU64,
        other_is_over: bool,
    ) -> io::Result<Poll<()>> {
        if self.state.is_over() {
            return Ok(Poll::Ready(()));
        }
        match self.copy(cx, source, destination, counter) {
            Poll::Ready(Ok(())) => self.state = State::Done,
            Poll::Ready(Err(Fault::Read(error))) => return Err(error),
            Poll::Ready(Err(Fault::Write(error))) => self.give_up(error),
            Poll::Pending => {
                // With the other direction over, nobody else would notice that the destination is gone.
                let gone = if other_is_over { destination.poll_gone(cx) } else { Poll::Pending };
                let Poll::Ready(error) = gone else { return Ok(Poll::Pending) };
                self.give_up(error);
            }
        }
        Ok(Poll::Ready(()))
    }

    fn copy<S: Endpoint, D: Endpoint>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        destination: &mut D,
        counter: &AtomicU64,
    ) -> Poll<Result<(), Fault>> {
        loop {
            while !self.current.is_empty() {
                let Poll::Ready(sent) = destination.poll_send(cx, &mut self.current) else {
                    self.prefetch(cx, source);
                    return Poll::Pending;
                };
                let n = sent.map_err(Fault::Write)?;
                source.consumed(n);
                self.moved += n as u64;
                counter.fetch_add(n as u64, Ordering::Relaxed);
            }
            self.current = Chunk::Empty;
            if let Some(bytes) = self.backlog.pop() {
                self.current = Chunk::Shared(bytes);
                continue;
            }
            match mem::take(&mut self.state) {
                State::Open => {}
                State::Broken(error) => return Poll::Ready(Err(Fault::Read(error))),
                ended => {
                    self.state = ended;
                    return destination.poll_finish(cx).map_err(Fault::Write);
                }
            }
            match ready!(source.poll_recv(cx)).map_err(Fault::Read)? {
                Some(chunk) => self.current = chunk,
                None => self.state = State::Ended,
            }
        }
    }

    /// While the destination is blocked, takes small frames out of HTTP/2's hands and joins them: there each costs
    /// far more than its bytes, and the sum of that is limited for all streams together. Their flow control is not
    /// given back, so one stream window bounds the backlog.
    fn prefetch<S: Endpoint>(&mut self, cx: &mut Context<'_>, source: &mut S) {
        while S::PREFETCH && matches!(self.state, State::Open) {
            match source.poll_recv(cx) {
                Poll::Ready(Ok(Some(chunk))) => self.backlog.push(chunk),
                Poll::Ready(Ok(None)) => self.state = State::Ended,
                Poll::Ready(Err(error)) => self.state = State::Broken(error),
                Poll::Pending => return,
            }
        }
    }

    fn give_up(&mut self, error: io::Error) {
        self.state = State::Unwritable(error);
        self.current = Chunk::Empty;
        self.backlog = Backlog::default();
    }
}

enum Fault {
    Read(io::Error),
    Write(io::Error),
}

/// Received bytes in order, small pieces joined.
#[derive(Default)]
struct Backlog {
    queue: VecDeque<Bytes>,
    tail: BytesMut,
}

/// Pieces below this size are joined.
const SMALL: usize = 1024;

impl Backlog {
    fn push(&mut self, mut chunk: Chunk) {
        let length = chunk.len();
        if length < SMALL {
            self.tail.extend_from_slice(chunk.as_slice());
            if self.tail.len() >= BUFFER {
                self.flush();
            }
        } else {
            self.flush();
            self.queue.push_back(chunk.take_front(length));
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        if self.queue.is_empty() {
            self.flush();
        }
        self.queue.pop_front()
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push_back(mem::take(&mut self.tail).freeze());
        }
    }
}

// === impl RelayFault ===

impl RelayFault {
    fn reading(side: Side, source: io::Error) -> Self {
        Self::Broken { side, operation: Operation::Reading, source }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reading => "reading from the",
            Self::Writing => "writing to the",
        })
    }
}

#[cfg(test)]
mod tests;
