//! A socket and a stream of a tunnel: bytes go from the socket straight into frames, and to it straight from where TLS
//! put them.

use std::{
    future::Future,
    io::{self, IoSlice, Write as _},
    pin::Pin,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead as _, Interest, ReadBuf, Ready},
    net::{TcpStream, tcp::ReadHalf},
};

use super::{Account, Fault, Pair, Remainder, Side, Way, end, end_with};
use crate::{TunnelStream, stream::Received};

/// Bytes that are passed on before others get their turn.
const TURN: usize = 256 * 1024;

/// Both. The socket belongs to the caller, who closes it afterwards.
pub(super) struct Tunnelled<'s, F> {
    near: Near<'s, F>,
    /// Until it is closed.
    stream: Option<TunnelStream>,
}

/// The socket.
struct Near<'s, F> {
    socket: &'s TcpStream,
    /// Of the same.
    read: ReadHalf<'s>,
    /// Ready when it has failed. Looked at while flow control holds what it says: then nobody reads, who would be told.
    failed: Pin<&'s mut F>,
}

impl<'s, F> Tunnelled<'s, F> {
    pub(super) fn new(socket: &'s TcpStream, read: ReadHalf<'s>, failed: Pin<&'s mut F>, stream: TunnelStream) -> Self {
        Self { near: Near { socket, read, failed }, stream: Some(stream) }
    }
}

impl<F: Future<Output = io::Result<Ready>>> Pair for Tunnelled<'_, F> {
    /// The socket is the caller's anyway.
    type Socket = ();

    fn poll(&mut self, way: Way, cx: &mut Context<'_>, account: &mut Account<'_>) -> Poll<Result<(), Fault>> {
        // Present until it is closed.
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        match way {
            Way::Forward => send(&mut self.near, stream, cx, account),
            Way::Backward => receive(self.near.socket, stream, cx, account),
        }
    }

    fn poll_gone(&mut self, way: Way, cx: &mut Context<'_>) -> Poll<io::Error> {
        match (&mut self.stream, way) {
            (Some(stream), Way::Forward) => stream.poll_gone(cx),
            // A reset of the socket shows on the next write; keep-alive and user timeout are its owner's.
            _ => Poll::Pending,
        }
    }

    fn part(&mut self, last_words: &[u8]) -> io::Result<()> {
        self.stream.as_mut().map_or(Ok(()), TunnelStream::finish).and(end_with(self.near.socket, last_words))
    }

    fn is_empty(&self) -> bool {
        // What was taken from the socket is in a frame, and the stream gives what came straight to it.
        true
    }

    fn let_go(mut self, side: Side) -> Option<Remainder<()>> {
        let mut stream = self.stream.take()?;
        if side == Side::Second {
            return Some(Remainder::Peer(stream.into()));
        }
        // Nobody is left to be told if it has failed.
        let _ = stream.finish();
        Some(Remainder::Socket(()))
    }

    fn close(mut self) {
        drop(self.stream.take());
    }
}

impl<F> Drop for Tunnelled<'_, F> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            // Closing with linger 0 sends RST; if it can't be set, the peer sees an ordinary end.
            let _ = self.near.socket.set_zero_linger();
            stream.abort();
        }
    }
}

/// From the socket into frames.
fn send<F: Future<Output = io::Result<Ready>>>(
    near: &mut Near<'_, F>,
    stream: &mut TunnelStream,
    cx: &mut Context<'_>,
    account: &mut Account<'_>,
) -> Poll<Result<(), Fault>> {
    let mut left = TURN;
    loop {
        // Before there is something to read nobody is asked for space.
        ready!(near.socket.poll_read_ready(cx)).map_err(Fault::Read)?;
        let (mut failed, mut most) = (None, 0);
        let filled = stream.poll_fill(cx, |cx, space| {
            most = space.len();
            let mut space = ReadBuf::new(space);
            match ready!(Pin::new(&mut near.read).poll_read(cx, &mut space)) {
                Ok(()) => {
                    account.show(space.filled());
                    Poll::Ready(Ok(space.filled().len()))
                }
                Err(error) => {
                    failed = Some(error);
                    Poll::Ready(Ok(0))
                }
            }
        });
        let Poll::Ready(filled) = filled else {
            ready!(near.failed.as_mut().poll(cx)).map_err(Fault::Read)?;
            let error = near.socket.take_error().map_err(Fault::Read)?;
            // Writing may have been told of the error already.
            return Poll::Ready(Err(Fault::Read(error.unwrap_or(io::ErrorKind::ConnectionReset.into()))));
        };
        let n = filled.map_err(Fault::Write)?;
        if let Some(error) = failed {
            return Poll::Ready(Err(Fault::Read(error)));
        }
        if n == 0 {
            return Poll::Ready(stream.finish().map_err(Fault::Write));
        }
        account.moved(n);
        left = left.saturating_sub(n);
        if left == 0 || n == most && stream.has_rivals() {
            // There may be more, but others have their turn first: those that wait for the same room.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    }
}

/// From where TLS put it to the socket.
fn receive(
    socket: &TcpStream,
    stream: &mut TunnelStream,
    cx: &mut Context<'_>,
    account: &mut Account<'_>,
) -> Poll<Result<(), Fault>> {
    let mut left = TURN;
    loop {
        let passed = stream.poll_pass_on(cx, |cx, slices| {
            account.hands_on();
            let written = poll_write(socket, cx, slices);
            if let Poll::Ready(Ok(n)) = written {
                show(slices, n, account);
            }
            written
        });
        match ready!(passed) {
            Ok(0) => return Poll::Ready(Err(Fault::Write(io::ErrorKind::WriteZero.into()))),
            Ok(n) => {
                account.moved(n);
                left = left.saturating_sub(n);
                if left == 0 || account.is_held() {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            Err(Received::End) => return Poll::Ready(end(socket).map_err(Fault::Write)),
            Err(Received::Broken(error)) => return Poll::Ready(Err(Fault::Read(error))),
            Err(Received::Refused(error)) => return Poll::Ready(Err(Fault::Write(error))),
        }
    }
}

/// Shows the first `n` bytes.
fn show(slices: &[IoSlice<'_>], mut n: usize, account: &mut Account<'_>) {
    if !account.is_observed() {
        return;
    }
    for slice in slices {
        let shown = &slice[..slice.len().min(n)];
        if shown.is_empty() {
            return;
        }
        account.show(shown);
        n -= shown.len();
    }
}

/// Writes once. The socket is known to be full when it took less than there was.
fn poll_write(socket: &TcpStream, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
    let whole: usize = slices.iter().map(|slice| slice.len()).sum();
    loop {
        ready!(socket.poll_write_ready(cx))?;
        let mut written = 0;
        let result = socket.try_io(Interest::WRITABLE, || {
            written = (&*SockRef::from(socket)).write_vectored(slices)?;
            if written < whole { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match result {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
            Err(_) if written == 0 => {}
            _ => return Poll::Ready(Ok(written)),
        }
    }
}
