//! Two sockets: first by way of a buffer, and once a transfer is long, within the kernel.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ripstop_tls::Buffer;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf},
    net::TcpStream,
};

use super::{Account, Fault, Pair, Remainder, Side, Way, end, end_with};
use crate::pipes::{self, Lent};

/// What a direction moves through a buffer before it is worth a pipe.
const SPLICE_AFTER: u64 = 256 * 1024;
/// Bytes that one direction moves before others get their turn.
const TURN: usize = 1024 * 1024;

/// Both sockets, until they are closed.
pub(super) struct Copy {
    ends: Option<(TcpStream, TcpStream)>,
    forward: Half,
    backward: Half,
}

/// One direction.
#[derive(Default)]
struct Half {
    buffer: Buffer,
    /// Instead of the buffer, once there was much; held only while bytes are on their way.
    pipe: Option<Lent>,
    /// Since a pipe was last asked for in vain.
    moved: u64,
    /// The source has ended.
    ended: bool,
}

impl Copy {
    pub(super) fn new(socket: TcpStream, other: TcpStream) -> Self {
        Self { ends: Some((socket, other)), forward: Half::default(), backward: Half::default() }
    }
}

impl Pair for Copy {
    type Socket = TcpStream;

    fn poll(&mut self, way: Way, cx: &mut Context<'_>, account: &mut Account<'_>) -> Poll<Result<(), Fault>> {
        // Present until they are closed.
        let Some((socket, other)) = &mut self.ends else { return Poll::Ready(Ok(())) };
        match way {
            Way::Forward => self.forward.poll(socket, other, cx, account),
            Way::Backward => self.backward.poll(other, socket, cx, account),
        }
    }

    fn poll_gone(&mut self, _: Way, _: &mut Context<'_>) -> Poll<io::Error> {
        // A reset shows on the next write; keep-alive and user timeout are the sockets' owner's.
        Poll::Pending
    }

    fn part(&mut self, last_words: &[u8]) -> io::Result<()> {
        self.ends.as_ref().map_or(Ok(()), |(socket, other)| end(other).and(end_with(socket, last_words)))
    }

    fn is_empty(&self) -> bool {
        self.forward.is_empty() && self.backward.is_empty()
    }

    fn let_go(mut self, side: Side) -> Option<Remainder<TcpStream>> {
        self.ends.take().map(|(socket, other)| match side {
            Side::First => Remainder::Socket(socket),
            Side::Second => Remainder::Peer(other.into()),
        })
    }

    fn close(mut self) {
        drop(self.ends.take());
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Some((socket, other)) = self.ends.take() {
            // Closing with linger 0 sends RST; if it can't be set, the peer sees an ordinary end.
            let _ = (socket.set_zero_linger(), other.set_zero_linger());
        }
    }
}

impl Half {
    fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.pipe.is_none()
    }

    fn poll(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        cx: &mut Context<'_>,
        account: &mut Account<'_>,
    ) -> Poll<Result<(), Fault>> {
        let mut left = TURN;
        loop {
            let n = ready!(self.pass_on(to, cx, account)).map_err(Fault::Write)?;
            if n > 0 {
                self.moved += n as u64;
                account.moved(n);
                left = left.saturating_sub(n);
                if left == 0 || account.is_held() {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            } else if self.ended {
                return Poll::Ready(end(to).map_err(Fault::Write));
            } else {
                self.ended = ready!(self.take(from, cx, account.is_observed())).map_err(Fault::Read)? == 0;
            }
        }
    }

    /// Writes what is there; 0 if nothing is.
    fn pass_on(
        &mut self,
        to: &mut TcpStream,
        cx: &mut Context<'_>,
        account: &mut Account<'_>,
    ) -> Poll<io::Result<usize>> {
        if !self.buffer.is_empty() {
            account.hands_on();
            let n = ready!(Pin::new(to).poll_write(cx, self.buffer.filled()))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            account.show(&self.buffer.filled()[..n]);
            self.buffer.consume(n);
            return Poll::Ready(Ok(n));
        }
        let Some(pipe) = self.pipe.as_mut().filter(|pipe| !pipe.is_empty()) else { return Poll::Ready(Ok(0)) };
        loop {
            ready!(to.poll_write_ready(cx))?;
            match to.try_io(Interest::WRITABLE, || pipe.drain(&*to)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Reads something; 0 at the end. There is nothing to pass on when it is called.
    fn take(&mut self, from: &mut TcpStream, cx: &mut Context<'_>, is_observed: bool) -> Poll<io::Result<usize>> {
        let taken = self.poll_take(from, cx, is_observed);
        if !matches!(taken, Poll::Ready(Ok(1..))) {
            // Others may need it before there is more.
            self.pipe = None;
        }
        taken
    }

    fn poll_take(&mut self, from: &mut TcpStream, cx: &mut Context<'_>, is_observed: bool) -> Poll<io::Result<usize>> {
        ready!(from.poll_read_ready(cx))?;
        if self.pipe.is_none() && self.moved >= SPLICE_AFTER && !is_observed {
            self.pipe = pipes::take();
            if self.pipe.is_none() {
                // The buffer goes on for as long again.
                self.moved = 0;
            }
        }
        let Some(pipe) = &mut self.pipe else {
            let mut space = ReadBuf::new(self.buffer.space());
            let read = Pin::new(from).poll_read(cx, &mut space);
            let n = space.filled().len();
            self.buffer.fill(n);
            return read.map_ok(|()| n);
        };
        loop {
            match from.try_io(Interest::READABLE, || pipe.fill(&*from)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(from.poll_read_ready(cx))?,
                result => return Poll::Ready(result),
            }
        }
    }
}
