//! One connection through a tunnel.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{chunk::Chunk, pool::Slot, watched::into_io};

/// A byte stream through a tunnel, after CONNECT was answered with 200.
///
/// * Shutting down the write side sends END_STREAM; the peer's END_STREAM reads as the end. The two are independent.
/// * The peer's RST_STREAM with NO_ERROR or CANCEL reads as the end, too; any other code is
///   [`io::ErrorKind::BrokenPipe`]. The death of the tunnel is an error, never an end.
/// * Dropping it with a side still open sends RST_STREAM: CANCEL, or NO_ERROR from a server that had finished sending.
/// * Flow control is given back to the peer only as bytes are handed out, and at most 64 KiB wait to be sent, so a
///   stream that nobody reads holds at most one stream window in memory and never delays other streams.
pub struct TunnelStream {
    send: SendStream<Bytes>,
    recv: RecvStream,
    /// Received, not yet handed out, flow control not yet given back.
    unread: Bytes,
    ended: bool,
    finished: bool,
    baggage: Option<HeaderValue>,
    /// Last, so that HTTP/2 has let go of the stream when the place in the tunnel gets free.
    _slot: Option<Slot>,
}

impl TunnelStream {
    pub(crate) fn new(
        send: SendStream<Bytes>,
        recv: RecvStream,
        baggage: Option<HeaderValue>,
        slot: Option<Slot>,
    ) -> Self {
        Self { send, recv, unread: Bytes::new(), ended: false, finished: false, baggage, _slot: slot }
    }

    /// The peer's `baggage` header: on a client stream what the destination said of itself in its answer, on a server
    /// stream what the source said in its request.
    pub fn baggage(&self) -> Option<&str> {
        self.baggage.as_ref().and_then(|value| value.to_str().ok())
    }

    /// Ends the stream as a TCP reset does: RST_STREAM CONNECT_ERROR (RFC 9113 8.5); what waits to be sent is lost.
    pub fn abort(mut self) {
        self.send.send_reset(Reason::CONNECT_ERROR);
    }

    /// The next bytes without copying; none at the end. [`TunnelStream::consumed`] gives their flow control back.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if !self.unread.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.unread))));
        }
        while !self.ended {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => return Poll::Ready(Ok(Some(bytes))),
                Some(Err(error)) if is_end(&error) => self.ended = true,
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => self.ended = true,
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Gives flow control for `n` bytes back to the peer.
    pub(crate) fn consumed(&mut self, n: usize) {
        // Fails only for more than was received, which callers don't do, or once the stream is gone.
        let _ = self.recv.flow_control().release_capacity(n);
    }

    /// Sends a prefix of `chunk`, as much as flow control and the send buffer allow; at least one byte when ready.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<usize>> {
        let n = ready!(self.poll_capacity(cx, chunk.len()))?;
        let front = chunk.take_front(n);
        Poll::Ready(self.send.send_data(front, false).map(|()| n).map_err(into_io))
    }

    /// Sends END_STREAM; once.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if self.finished {
            return Ok(());
        }
        self.finished = true;
        match self.send.send_data(Bytes::new(), true) {
            Ok(()) => Ok(()),
            // A peer that wants no more bytes does not want their end either.
            Err(_) if self.ended => Ok(()),
            Err(error) => Err(into_io(error)),
        }
    }

    /// Ready when the peer reset the stream or the tunnel died.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.send.poll_reset(cx).map(|result| match result {
            Ok(reason) => broken(reason),
            Err(error) => into_io(error),
        })
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
}

impl AsyncRead for TunnelStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let Some(mut bytes) = ready!(self.poll_chunk(cx))? else {
            return Poll::Ready(Ok(()));
        };
        let n = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..n]);
        bytes.advance(n);
        self.unread = bytes;
        self.consumed(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let n = ready!(self.poll_capacity(cx, buf.len()))?;
        let bytes = Bytes::copy_from_slice(&buf[..n]);
        Poll::Ready(self.send.send_data(bytes, false).map(|()| n).map_err(into_io))
    }

    /// Nothing to do: the tunnel's owner sends what is queued without being asked.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Queues END_STREAM behind what was written.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish())
    }
}

impl fmt::Debug for TunnelStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelStream")
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

fn broken(reason: Reason) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, h2::Error::from(reason))
}
