//! One connection through a tunnel.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{broken, into_io};

/// A byte stream through a tunnel; its ends mean what those of `ripstop_tunnel::TunnelStream` mean.
pub struct Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
    /// Received and not handed out.
    unread: Bytes,
    ended: bool,
    finished: bool,
}

impl Stream {
    pub(crate) fn new(send: SendStream<Bytes>, recv: RecvStream) -> Self {
        Self { send, recv, unread: Bytes::new(), ended: false, finished: false }
    }

    /// Ends the stream as a TCP reset does: RST_STREAM CONNECT_ERROR; what waits to be sent is lost.
    pub fn abort(mut self) {
        self.send.send_reset(Reason::CONNECT_ERROR);
    }

    /// Sends END_STREAM; once.
    fn finish(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        match self.send.send_data(Bytes::new(), true) {
            Ok(()) => Ok(()),
            // A peer that wants no more bytes does not want their end either.
            Err(_) if self.ended => Ok(()),
            Err(error) => Err(into_io(error)),
        }
    }

    fn poll_capacity(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        self.send.reserve_capacity(wanted);
        loop {
            let capacity = self.send.capacity();
            if capacity > 0 {
                return Poll::Ready(Ok(capacity.min(wanted)));
            }
            if let Some(Ok(_)) = ready!(self.send.poll_capacity(cx)) {
                continue;
            }
            let error = match self.send.poll_reset(cx) {
                Poll::Ready(Ok(reason)) => broken(reason),
                Poll::Ready(Err(error)) => into_io(error),
                Poll::Pending => io::ErrorKind::BrokenPipe.into(),
            };
            return Poll::Ready(Err(error));
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.ended && self.unread.is_empty() {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(bytes)) => self.unread = bytes,
                Some(Err(error)) if is_end(&error) => self.ended = true,
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => self.ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_more(cx))?;
        let n = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..n]);
        self.unread.advance(n);
        // Fails only once the stream is gone.
        let _ = self.recv.flow_control().release_capacity(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let n = ready!(self.poll_capacity(cx, buf.len()))?;
        let bytes = Bytes::copy_from_slice(&buf[..n]);
        Poll::Ready(self.send.send_data(bytes, false).map(|()| n).map_err(into_io))
    }

    /// Nothing to do: the connection sends what is queued without being asked.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Queues END_STREAM behind what was written.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("id", &self.send.stream_id().as_u32())
            .field("ended", &self.ended)
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}

/// RST_STREAM codes that end a stream in good order.
fn is_end(error: &h2::Error) -> bool {
    error.is_reset() && error.is_remote() && matches!(error.reason(), Some(Reason::NO_ERROR | Reason::CANCEL))
}
