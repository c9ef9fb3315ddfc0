//! Copying between two connections until both directions have ended.

mod plain;
mod tunnelled;

use std::{
    fmt,
    future::Future,
    io,
    net::Shutdown,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use socket2::SockRef;
use thiserror::Error;
use tokio::{io::Interest, net::TcpStream};

use self::{plain::Copy, tunnelled::Tunnelled};
use crate::{Seldom, TunnelStream};

/// Where a relay counts, as bytes are handed on. Shared counters are fine.
#[derive(Clone, Copy, Debug)]
pub struct Counters<'a> {
    /// Bytes from the socket to its peer.
    pub forward: &'a AtomicU64,
    /// Bytes from the peer to the socket.
    pub backward: &'a AtomicU64,
}

/// Is shown what a relay passes on, as it does; see [`relay_observed`].
pub trait Observer {
    /// The next bytes of that way. They were handed on, or are about to be; what answers them comes after.
    fn bytes(&mut self, way: Way, bytes: &[u8]);

    /// Bytes of that way are about to be handed on, so that whoever gets them may answer before [`Observer::bytes`] is
    /// called.
    fn hands_on(&mut self, _: Way) {}

    /// That way has ended in good order.
    fn end(&mut self, way: Way);

    /// Whether it has seen enough. Then it is shown nothing more, and long transfers may go through the kernel.
    fn is_done(&self) -> bool;

    /// What shall become of the relay now that nothing that was taken from either side waits to be passed on: see
    /// [`relay_observed`].
    fn wish(&self) -> Wish {
        Wish::GoOn
    }

    /// What the socket is told last when the relay ends by [`Wish::End`].
    fn last_words(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// What shall become of a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// It goes on.
    #[default]
    GoOn,
    /// Nothing more is taken of the peer for now.
    Hold,
    /// It ends, for both sides.
    End,
    /// It lets go of one of them, which somebody else goes on with.
    LetGo(Side),
}

/// How a relay came to its end.
#[derive(Debug)]
pub struct Relayed {
    /// What it moved.
    pub totals: Totals,
    /// What it has let go of, if it has.
    pub left: Option<Left>,
}

/// What a relay has let go of.
#[derive(Debug)]
pub enum Left {
    /// The socket.
    Socket(TcpStream),
    /// Its peer.
    Peer(Peer),
}

/// A direction of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the socket to its peer.
    Forward,
    /// From the peer to the socket.
    Backward,
}

/// What one relay moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes from the socket to its peer.
    pub forward: u64,
    /// Bytes from the peer to the socket.
    pub backward: u64,
}

/// What a socket is relayed to.
#[derive(Debug)]
pub enum Peer {
    /// Another socket.
    Plain(TcpStream),
    /// A stream of a tunnel.
    Tunnel(TunnelStream),
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

// === impl RelayFault ===

impl RelayFault {
    /// Whether that connection failed, and nobody stopped it.
    pub fn is_of(&self, at_fault: Side) -> bool {
        matches!(self, Self::Broken { side, .. } if *side == at_fault)
    }
}

/// One of the two connections of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The socket, the first argument of [`relay`].
    First,
    /// Its peer, the second argument of [`relay`].
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

/// Copies both ways between a socket and its peer until both directions have ended; the end of one direction
/// (half-close) is passed on and leaves the other alone.
///
/// * A connection that fails on reading is gone: the other one is reset.
/// * One that fails on writing may still have something to say: the other direction goes on to its end.
///
/// Buffers are held only while bytes are on their way, so an idle relay holds none; a reader that stalls stops the
/// other side by flow control. Between two sockets long transfers stay in the kernel. Dropping the future resets both,
/// so that no half-sent answer passes for a whole one.
pub async fn relay(socket: TcpStream, peer: impl Into<Peer>, counters: Counters<'_>) -> Result<Totals, RelayError> {
    relay_observed(socket, peer, counters, None, std::future::pending()).await.map(|relayed| relayed.totals)
}

/// [`relay`] that resets both connections when `stop` completes ([`RelayFault::Stopped`]).
pub async fn relay_until(
    socket: TcpStream,
    peer: impl Into<Peer>,
    counters: Counters<'_>,
    stop: impl Future<Output = ()>,
) -> Result<Totals, RelayError> {
    relay_observed(socket, peer, counters, None, stop).await.map(|relayed| relayed.totals)
}

/// [`relay_until`] that shows `observer`, if there is one, all that it passes on. Nothing is held back or changed for
/// it, but as long as it has not seen enough everything goes through this process.
///
/// When it wants the end ([`Wish::End`]), both sides learn of that in good order: nothing more is read of the socket,
/// which is told that nothing more comes, and the peer learns that its caller has ended. The relay is over once the peer
/// has ended, too. With [`Wish::LetGo`] one of them is given back as it is, without having noticed anything, with all that
/// it says from then on; the other one is told that nothing more comes, and its further words are for nobody. While it
/// wants nothing more of the peer ([`Wish::Hold`]), whatever the peer says waits, its end, too, until the socket has ended:
/// then all is over.
pub async fn relay_observed(
    socket: TcpStream,
    peer: impl Into<Peer>,
    counters: Counters<'_>,
    observer: Option<&mut dyn Observer>,
    stop: impl Future<Output = ()>,
) -> Result<Relayed, RelayError> {
    match peer.into() {
        Peer::Plain(other) => {
            let (totals, left) = run(Copy::new(socket, other), counters, observer, stop).await?;
            let left = left.map(|left| match left {
                Remainder::Socket(socket) => Left::Socket(socket),
                Remainder::Peer(peer) => Left::Peer(peer),
            });
            Ok(Relayed { totals, left })
        }
        Peer::Tunnel(stream) => {
            let mut socket = socket;
            let (totals, left) = {
                let (read, write) = socket.split();
                let socket = write.as_ref();
                let failed = pin!(socket.ready(Interest::ERROR));
                run(Tunnelled::new(socket, read, failed, stream), counters, observer, stop).await?
            };
            let left = left.map(|left| match left {
                Remainder::Socket(()) => Left::Socket(socket),
                Remainder::Peer(peer) => Left::Peer(peer),
            });
            Ok(Relayed { totals, left })
        }
    }
}

/// Two connections and what is on its way between them. Dropped before [`Pair::close`], it resets both.
trait Pair {
    /// What stays of the socket when the pair lets go of it.
    type Socket;

    /// Moves what can be moved that way; ready when that way has ended. `Err` when its source has failed, or its
    /// destination.
    fn poll(&mut self, way: Way, cx: &mut Context<'_>, account: &mut Account<'_>) -> Poll<Result<(), Fault>>;

    /// Ready when the destination of that way is known to be gone, without sending.
    fn poll_gone(&mut self, way: Way, cx: &mut Context<'_>) -> Poll<io::Error>;

    /// Tells both that nothing more comes for them, the socket after `last_words`.
    fn part(&mut self, last_words: &[u8]) -> io::Result<()>;

    /// Lets go of one, and ends the other in good order.
    fn let_go(self, side: Side) -> Option<Remainder<Self::Socket>>;

    /// Whether nothing that was taken from either side waits to be passed on.
    fn is_empty(&self) -> bool;

    /// Closes both in good order.
    fn close(self);
}

/// What a pair lets go of.
enum Remainder<S> {
    Socket(S),
    Peer(Peer),
}

/// Where one direction tells of what it moves.
struct Account<'a> {
    way: Way,
    total: &'a mut u64,
    counter: &'a AtomicU64,
    observer: Option<&'a mut dyn Observer>,
}

#[derive(Debug)]
enum Fault {
    Read(io::Error),
    Write(io::Error),
}

/// How far a direction is.
#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    Done,
    /// The destination takes nothing more.
    Unwritable(io::Error),
}

#[derive(Debug, Default)]
struct Direction {
    state: State,
    moved: u64,
}

async fn run<P: Pair>(
    mut pair: P,
    counters: Counters<'_>,
    mut observer: Option<&mut dyn Observer>,
    stop: impl Future<Output = ()>,
) -> Result<(Totals, Option<Remainder<P::Socket>>), RelayError> {
    let mut let_go = None;
    let mut forward = Direction::default();
    let mut backward = Direction::default();
    let mut stop = pin!(Seldom::new(stop));
    let end = std::future::poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(RelayFault::Stopped));
        }
        if observer.as_ref().is_some_and(|observer| observer.is_done()) {
            observer = None;
        }
        let backward_was_over = backward.is_over();
        let mut poll = |direction: &mut Direction, observer: &mut Option<&mut dyn Observer>, way, other_is_over| {
            let observer = observer.as_mut().map(|observer| &mut **observer as &mut dyn Observer);
            let counter = if way == Way::Forward { counters.forward } else { counters.backward };
            direction.poll(way, &mut pair, cx, (counter, observer), other_is_over)
        };
        let wish = |observer: &Option<&mut dyn Observer>| observer.as_ref().map_or(Wish::GoOn, |seen| seen.wish());
        let mut a = poll(&mut forward, &mut observer, Way::Forward, backward_was_over);
        let b = match wish(&observer) {
            // Who is held has nothing to wait for any more.
            Wish::Hold if forward.is_over() => return Poll::Ready(Ok(())),
            Wish::Hold if !backward_was_over => Ok(Poll::Pending),
            // What the peer has said since is for whoever goes on with it.
            Wish::LetGo(Side::Second) if !backward_was_over && !forward.is_over() => Ok(Poll::Pending),
            _ => poll(&mut backward, &mut observer, Way::Backward, forward.is_over()),
        };
        if backward.is_over() && !backward_was_over && matches!(a, Ok(Poll::Pending)) {
            // What ended this way may have ended the other way, too, and nobody wakes us for that once more.
            a = poll(&mut forward, &mut observer, Way::Forward, true);
        }
        let is_quiet = matches!((&a, &b), (Ok(Poll::Pending), Ok(Poll::Pending)));
        if is_quiet && matches!(wish(&observer), Wish::End | Wish::LetGo(_)) {
            // What was said since is not left behind.
            a = poll(&mut forward, &mut observer, Way::Forward, false);
            let is_still_quiet = matches!(a, Ok(Poll::Pending)) && pair.is_empty();
            match wish(&observer) {
                Wish::LetGo(side) if is_still_quiet => {
                    let_go = Some(side);
                    return Poll::Ready(Ok(()));
                }
                Wish::End if is_still_quiet => {
                    let last_words = observer.take().map(|observer| observer.last_words()).unwrap_or_default();
                    forward.state = pair.part(&last_words).map_or_else(State::Unwritable, |()| State::Done);
                    cx.waker().wake_by_ref();
                }
                _ => {}
            }
        }
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
        // Dropping the pair resets each side that is still there: it learns as from TCP.
        return Err(RelayError { totals, cause });
    }
    if let Some(side) = let_go {
        return Ok((totals, pair.let_go(side)));
    }
    pair.close();
    for (direction, side) in [(forward, Side::Second), (backward, Side::First)] {
        if let State::Unwritable(source) = direction.state {
            let cause = RelayFault::Broken { side, operation: Operation::Writing, source };
            return Err(RelayError { totals, cause });
        }
    }
    Ok((totals, None))
}

// === impl Direction ===

impl Direction {
    fn is_over(&self) -> bool {
        !matches!(self.state, State::Open)
    }

    /// Moves what can be moved. `Ok(Ready)` when the direction is over, `Err` when its source failed.
    fn poll(
        &mut self,
        way: Way,
        pair: &mut impl Pair,
        cx: &mut Context<'_>,
        (counter, observer): (&AtomicU64, Option<&mut dyn Observer>),
        other_is_over: bool,
    ) -> io::Result<Poll<()>> {
        if self.is_over() {
            return Ok(Poll::Ready(()));
        }
        let observer = observer.map(|observer| observer as &mut dyn Observer);
        let mut account = Account { way, total: &mut self.moved, counter, observer };
        self.state = match pair.poll(way, cx, &mut account) {
            Poll::Ready(Ok(())) => {
                if let Some(observer) = account.observer {
                    observer.end(way);
                }
                State::Done
            }
            Poll::Ready(Err(Fault::Read(error))) => return Err(error),
            Poll::Ready(Err(Fault::Write(error))) => State::Unwritable(error),
            Poll::Pending => {
                // With the other direction over, nobody else would notice that the destination is gone.
                let gone = if other_is_over { pair.poll_gone(way, cx) } else { Poll::Pending };
                let Poll::Ready(error) = gone else { return Ok(Poll::Pending) };
                State::Unwritable(error)
            }
        };
        Ok(Poll::Ready(()))
    }
}

// === impl Account ===

impl Account<'_> {
    /// So many bytes were handed on.
    fn moved(&mut self, n: usize) {
        *self.total += n as u64;
        self.counter.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// They will be handed on now.
    fn hands_on(&mut self) {
        if let Some(observer) = &mut self.observer {
            observer.hands_on(self.way);
        }
    }

    /// Bytes on their way, for whoever looks on.
    fn show(&mut self, bytes: &[u8]) {
        if let Some(observer) = &mut self.observer {
            observer.bytes(self.way, bytes);
        }
    }

    fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    /// Whether nothing more is taken of that way's source, by what was shown last.
    fn is_held(&self) -> bool {
        let wish = self.observer.as_ref().map_or(Wish::GoOn, |observer| observer.wish());
        self.way == Way::Backward && matches!(wish, Wish::Hold | Wish::LetGo(Side::Second))
    }
}

// === impl Peer ===

impl From<TcpStream> for Peer {
    fn from(socket: TcpStream) -> Self {
        Self::Plain(socket)
    }
}

impl From<TunnelStream> for Peer {
    fn from(stream: TunnelStream) -> Self {
        Self::Tunnel(stream)
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

/// Sends `last_words`, which are few, and ends the sending side of a socket that has taken all before.
fn end_with(socket: &TcpStream, last_words: &[u8]) -> io::Result<()> {
    let said = if last_words.is_empty() { Ok(0) } else { socket.try_write(last_words) };
    end(socket).and(said.map(|_| ()))
}

/// Ends the sending side of a socket.
fn end(socket: &TcpStream) -> io::Result<()> {
    match SockRef::from(socket).shutdown(Shutdown::Write) {
        // The peer has closed everything already.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
