//! A socket and a stream of a tunnel: bytes go from the socket straight into frames, and to it straight from where TLS
//! put them.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
};

use super::{Fault, Pair, Way, poll_end};
use crate::{TunnelStream, stream::Received};

/// Bytes that are passed on before others get their turn.
const TURN: usize = 256 * 1024;

/// Both, until they are closed.
pub(super) struct Tunnelled {
    ends: Option<(TcpStream, TunnelStream)>,
}

impl Tunnelled {
    pub(super) fn new(socket: TcpStream, stream: TunnelStream) -> Self {
        Self { ends: Some((socket, stream)) }
    }
}

impl Pair for Tunnelled {
    fn poll(&mut self, way: Way, cx: &mut Context<'_>, moved: &mut dyn FnMut(usize)) -> Poll<Result<(), Fault>> {
        // Present until it is closed.
        let Some((socket, stream)) = &mut self.ends else { return Poll::Ready(Ok(())) };
        match way {
            Way::Forward => send(socket, stream, cx, moved),
            Way::Backward => receive(socket, stream, cx, moved),
        }
    }

    fn poll_gone(&mut self, way: Way, cx: &mut Context<'_>) -> Poll<io::Error> {
        match (&mut self.ends, way) {
            (Some((_, stream)), Way::Forward) => stream.poll_gone(cx),
            // A reset of the socket shows on the next write; keep-alive and user timeout are its owner's.
            _ => Poll::Pending,
        }
    }

    fn close(mut self) {
        drop(self.ends.take());
    }
}

impl Drop for Tunnelled {
    fn drop(&mut self) {
        if let Some((socket, stream)) = self.ends.take() {
            // Closing with linger 0 sends RST; if it can't be set, the peer sees an ordinary end.
            let _ = socket.set_zero_linger();
            stream.abort();
        }
    }
}

/// From the socket into frames.
fn send(
    socket: &mut TcpStream,
    stream: &mut TunnelStream,
    cx: &mut Context<'_>,
    moved: &mut dyn FnMut(usize),
) -> Poll<Result<(), Fault>> {
    let mut left = TURN;
    loop {
        // Before there is something to read nobody is asked for space.
        ready!(socket.poll_read_ready(cx)).map_err(Fault::Read)?;
        let (mut failed, mut most) = (None, 0);
        let filled = stream.poll_fill(cx, |cx, space| {
            most = space.len();
            let mut space = ReadBuf::new(space);
            match ready!(Pin::new(&mut *socket).poll_read(cx, &mut space)) {
                Ok(()) => Poll::Ready(Ok(space.filled().len())),
                Err(error) => {
                    failed = Some(error);
                    Poll::Ready(Ok(0))
                }
            }
        });
        let n = ready!(filled).map_err(Fault::Write)?;
        if let Some(error) = failed {
            return Poll::Ready(Err(Fault::Read(error)));
        }
        if n == 0 {
            return Poll::Ready(stream.finish().map_err(Fault::Write));
        }
        moved(n);
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
    socket: &mut TcpStream,
    stream: &mut TunnelStream,
    cx: &mut Context<'_>,
    moved: &mut dyn FnMut(usize),
) -> Poll<Result<(), Fault>> {
    let mut left = TURN;
    loop {
        let passed = stream.poll_pass_on(cx, |cx, slices| Pin::new(&mut *socket).poll_write_vectored(cx, slices));
        match ready!(passed) {
            Ok(0) => return Poll::Ready(Err(Fault::Write(io::ErrorKind::WriteZero.into()))),
            Ok(n) => {
                moved(n);
                left = left.saturating_sub(n);
                if left == 0 {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            Err(Received::End) => return poll_end(socket, cx).map_err(Fault::Write),
            Err(Received::Broken(error)) => return Poll::Ready(Err(Fault::Read(error))),
            Err(Received::Refused(error)) => return Poll::Ready(Err(Fault::Write(error))),
        }
    }
}
