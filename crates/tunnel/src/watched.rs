//! A transport that remembers signs of life and its first error.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Wraps the transport below HTTP/2, whose library keeps only the text of I/O errors.
#[derive(Debug)]
pub(crate) struct Watched<I> {
    io: I,
    watch: Arc<Watch>,
}

/// What [`Watched`] saw.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    heard: AtomicBool,
    error: OnceLock<Arc<io::Error>>,
}

impl Watch {
    /// Whether anything was received since the last call.
    pub(crate) fn take_heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }

    /// The first I/O error.
    pub(crate) fn error(&self) -> Option<Arc<io::Error>> {
        self.error.get().cloned()
    }

    /// The first I/O error, or else what HTTP/2 says.
    pub(crate) fn cause(&self, error: h2::Error) -> Arc<io::Error> {
        self.error().unwrap_or_else(|| Arc::new(into_io(error)))
    }

    fn keep(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        let error = self.error.get_or_init(|| Arc::new(error)).clone();
        io::Error::new(kind, error)
    }
}

impl<I> Watched<I> {
    pub(crate) fn new(io: I) -> (Self, Arc<Watch>) {
        let watch = Arc::<Watch>::default();
        (Self { io, watch: watch.clone() }, watch)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.watch.heard.store(true, Ordering::Relaxed);
        }
        Poll::Ready(result.map_err(|error| self.watch.keep(error)))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf).map_err(|error| self.watch.keep(error))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs).map_err(|error| self.watch.keep(error))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx).map_err(|error| self.watch.keep(error))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx).map_err(|error| self.watch.keep(error))
    }
}

/// An HTTP/2 error as an I/O error.
pub(crate) fn into_io(error: h2::Error) -> io::Error {
    if error.is_io() {
        let error = error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
        // The end of a tunnel must never look like the end of a stream.
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(io::ErrorKind::ConnectionReset, error),
            _ => error,
        };
    }
    let kind = if error.is_go_away() { io::ErrorKind::ConnectionAborted } else { io::ErrorKind::BrokenPipe };
    io::Error::new(kind, error)
}
