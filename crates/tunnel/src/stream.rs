//! One connection through a tunnel.

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use ripstop_h2::{Code, StreamRef};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    inbox::{Fault, Inbox},
    link::Link,
    pool::Place,
};

/// A byte stream through a tunnel, after CONNECT was answered with 200.
///
/// * Shutting down the write side sends END_STREAM; the peer's END_STREAM reads as the end. The two are independent.
/// * The peer's RST_STREAM with NO_ERROR or CANCEL reads as the end, too; any other code is
///   [`io::ErrorKind::BrokenPipe`]. The death of the tunnel is an error, never an end.
/// * Dropping it with a side still open sends RST_STREAM: CANCEL, or NO_ERROR from a server that had finished sending.
/// * Flow control is given back to the peer only as bytes are handed out, so a stream that nobody reads holds at most
///   one stream window in memory and never delays other streams.
pub struct TunnelStream {
    handle: Handle,
    finished: bool,
    baggage: Option<Box<[u8]>>,
    /// Of a client's stream. Last, so that HTTP/2 has let go of the stream when the place in the tunnel gets free.
    place: Option<Place>,
}

/// A stream of a tunnel; resets it when dropped before its end.
pub(crate) struct Handle {
    pub(crate) link: Link,
    pub(crate) stream: StreamRef,
    pub(crate) inbox: Rc<Inbox>,
    /// What dropping it says.
    pub(crate) code: Code,
}

// === impl TunnelStream ===

impl TunnelStream {
    pub(crate) fn new(handle: Handle, baggage: Option<Box<[u8]>>, place: Option<Place>) -> Self {
        Self { handle, finished: false, baggage, place }
    }

    /// The peer's `baggage` header: on a client stream what the destination said of itself in its answer, on a server
    /// stream what the source said in its request.
    pub fn baggage(&self) -> Option<&str> {
        std::str::from_utf8(self.baggage.as_ref()?).ok()
    }

    /// Whether its tunnel takes no new streams, as one of its ends has said: what is under way goes on.
    pub fn is_leaving(&self) -> bool {
        !self.handle.link.is_open()
    }

    /// Ends the stream as a TCP reset does: RST_STREAM CONNECT_ERROR (RFC 9113 8.5).
    pub fn abort(mut self) {
        self.abort_on_drop();
    }

    /// Dropped from now on, it ends as by [`Self::abort`].
    pub fn abort_on_drop(&mut self) {
        self.handle.code = Code::CONNECT_ERROR;
    }

    /// Passes on what came: `write` takes of it and says how much. Ready with false at the end, with true after each
    /// write.
    pub(crate) fn poll_pass_on(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Context<'_>, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<Result<usize, Received>> {
        let Handle { link, stream, inbox, .. } = &self.handle;
        if inbox.len() == 0 {
            // The end and a fault are behind what came before.
            let state = if inbox.has_ended() {
                Some(Received::End)
            } else {
                inbox.fault().map(|fault| Received::Broken(fault.to_io()))
            };
            if let Some(state) = state {
                return Poll::Ready(Err(state));
            }
            inbox.register_reader(cx);
            return Poll::Pending;
        }
        let taken = |written: &Poll<io::Result<usize>>| match written {
            Poll::Ready(Ok(n)) => *n,
            _ => 0,
        };
        match inbox.write_to(|slices| write(cx, slices), taken) {
            Poll::Ready(Ok(n)) => {
                link.consume(*stream, n);
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Received::Refused(error))),
            Poll::Pending => {
                inbox.unpin();
                Poll::Pending
            }
        }
    }

    /// Has `fill` put bytes into the next frame, once there may be some; gives what it gave.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        fill: impl FnOnce(&mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "the stream's sending side has ended")));
        }
        let Handle { link, stream, inbox, .. } = &self.handle;
        link.poll_fill(*stream, inbox, cx, fill)
    }

    /// Whether other streams wait for room to send.
    pub(crate) fn has_rivals(&self) -> bool {
        self.handle.link.has_waiting()
    }

    /// Sends END_STREAM; once.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        let Handle { link, stream, inbox, code } = &mut self.handle;
        if !link.contains(*stream) {
            return match inbox.fault() {
                // A peer that wants no more bytes does not want their end either.
                Some(fault) if !fault.is_end() => Err(fault.to_io()),
                _ => Ok(()),
            };
        }
        link.finish(*stream);
        if self.place.is_none() {
            *code = Code::NO_ERROR;
        }
        Ok(())
    }

    /// Ready when the peer reset the stream or the tunnel died.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if let Some(fault) = self.handle.inbox.fault() {
            return Poll::Ready(fault.to_io());
        }
        self.handle.inbox.register_writer(cx);
        Poll::Pending
    }
}

/// What [`TunnelStream::poll_pass_on`] came to.
#[derive(Debug)]
pub(crate) enum Received {
    /// Nothing more comes.
    End,
    /// The stream failed.
    Broken(io::Error),
    /// Whoever it was passed on to failed.
    Refused(io::Error),
}

impl AsyncRead for TunnelStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let copied = self.poll_pass_on(cx, |_, slices| {
            let before = buf.remaining();
            for slice in slices {
                buf.put_slice(&slice[..slice.len().min(buf.remaining())]);
            }
            Poll::Ready(Ok(before - buf.remaining()))
        });
        match ready!(copied) {
            Ok(_) | Err(Received::End) => Poll::Ready(Ok(())),
            Err(Received::Broken(error) | Received::Refused(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_fill(cx, |_, space| {
            let n = space.len().min(buf.len());
            space[..n].copy_from_slice(&buf[..n]);
            Poll::Ready(Ok(n))
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if slices.iter().all(|slice| slice.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.poll_fill(cx, |_, space| {
            let mut filled = 0;
            for slice in slices {
                let n = slice.len().min(space.len() - filled);
                space[filled..filled + n].copy_from_slice(&slice[..n]);
                filled += n;
            }
            Poll::Ready(Ok(filled))
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
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
            .field("id", &self.handle.stream.id())
            .field("ended", &self.handle.inbox.has_ended())
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}

// === impl Handle ===

impl Handle {
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.inbox.fault()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.link.drop_stream(self.stream, &self.inbox, self.code);
    }
}
