//! What can stand at either end of a relay.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
};

use crate::{
    TunnelStream,
    chunk::{Buffer, Chunk},
};

/// A connection that [`relay`](crate::relay) can copy: a [`TcpStream`] or a [`TunnelStream`].
///
/// The methods are not for use outside of this crate.
pub trait Endpoint: sealed::Endpoint {}

impl Endpoint for TcpStream {}
impl Endpoint for TunnelStream {}

mod sealed {
    use super::{Chunk, Context, Poll, io};

    pub trait Endpoint: Send {
        /// Whether received bytes should be collected while they can't be passed on yet.
        const PREFETCH: bool;

        /// The next bytes; none at the end.
        fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Chunk>>>;

        /// Tells that `n` received bytes were passed on.
        fn consumed(&mut self, n: usize);

        /// Sends a prefix of `chunk`, takes it off, and says how much it was; at least one byte.
        fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>>;

        /// Ends the sending direction.
        fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

        /// Ready when it is known, without sending, that sending is of no use.
        fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error>;

        /// Ends both directions at once and so that the peer takes it for an error.
        fn abort(self);
    }
}

impl sealed::Endpoint for TcpStream {
    const PREFETCH: bool = false;

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Chunk>>> {
        // Back in the thread's pool at once if there is nothing to read.
        let mut buffer = Buffer::take();
        let mut space = ReadBuf::new(buffer.space());
        ready!(Pin::new(self).poll_read(cx, &mut space))?;
        let length = space.filled().len();
        if length == 0 {
            return Poll::Ready(Ok(None));
        }
        buffer.set_filled(length);
        Poll::Ready(Ok(Some(Chunk::Pooled(buffer))))
    }

    fn consumed(&mut self, _: usize) {}

    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(self).poll_write(cx, chunk.as_slice()))?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        chunk.advance(n);
        Poll::Ready(Ok(n))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(self).poll_shutdown(cx)) {
            // The peer has closed everything already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<io::Error> {
        // A reset shows on the next write; TCP keep-alive and user timeout are the socket owner's.
        Poll::Pending
    }

    fn abort(self) {
        // Closing with linger 0 sends RST; if it can't be set, the peer sees an ordinary end.
        let _ = self.set_zero_linger();
    }
}

impl sealed::Endpoint for TunnelStream {
    const PREFETCH: bool = true;

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Chunk>>> {
        self.poll_chunk(cx).map_ok(|bytes| bytes.map(Chunk::Shared))
    }

    fn consumed(&mut self, n: usize) {
        Self::consumed(self, n);
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>> {
        Self::poll_send(self, cx, chunk)
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish())
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        Self::poll_gone(self, cx)
    }

    fn abort(self) {
        Self::abort(self);
    }
}
