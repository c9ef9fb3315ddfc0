//! The byte streams that carry HTTP.

mod ahead;
mod carrier;
mod tls;

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use ripstop_tls::Buffer;
use ripstop_tunnel::TunnelStream;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use self::ahead::Ahead;
pub use self::{carrier::Carrier, tls::TlsStream};

/// Pieces written at once at most.
pub(crate) const VECTORED: usize = 18;

/// A byte stream of one of the kinds that carry HTTP. Dropped, it closes as its kind does: what was written before is
/// still delivered unless the peer has sent what nobody has read.
#[derive(Debug)]
pub enum Io {
    /// A socket.
    Tcp(TcpStream),
    /// A stream of a tunnel.
    Tunnel(TunnelStream),
    /// TLS on a socket, or in a tunnel.
    Tls(Box<TlsStream>),
    /// One of these, of which something was read already.
    Ahead(Box<Ahead>),
    /// What was one of these, and has ended.
    Closed,
}

/// What is known of a connection without reading from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// The peer has said nothing, neither data nor an end.
    Quiet,
    /// Something has come: data, the end, or an error.
    Stirred,
}

impl Io {
    /// The same, of which `read` was read already: it will be read once more.
    #[must_use]
    pub fn with_read(self, read: Buffer) -> Self {
        if read.is_empty() { self } else { Self::Ahead(Box::new(Ahead::new(self, read))) }
    }

    /// Reads once into the free part of `buffer`, which must have room; gives how much, 0 at the peer's end. No storage
    /// is taken while there is nothing to read.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        debug_assert!(buffer.room() > 0, "a read without room would look like the end");
        match self {
            Self::Tcp(socket) => {
                ready!(socket.poll_read_ready(cx))?;
                read_into(socket, cx, buffer)
            }
            Self::Tunnel(stream) => read_into(stream, cx, buffer),
            Self::Tls(stream) => stream.poll_read(cx, buffer),
            Self::Ahead(ahead) => ahead.poll_read(cx, buffer),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Writes from `slices` what can be written now; gives how much, never 0 unless they are empty. Of TLS it may still
    /// wait to be [flushed](Self::poll_flush).
    pub fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if slices.iter().all(|slice| slice.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let written = match self {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Tunnel(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => stream.poll_write_vectored(cx, slices),
            Self::Ahead(ahead) => return ahead.io.poll_write_vectored(cx, slices),
            Self::Closed => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        };
        match ready!(written) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            result => Poll::Ready(result),
        }
    }

    /// The socket that carries it; nothing: it is one of many streams of a tunnel, or in one.
    pub fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(socket) => Some(socket),
            Self::Tls(stream) => stream.carrier().socket(),
            Self::Ahead(ahead) => ahead.io.socket(),
            Self::Tunnel(_) | Self::Closed => None,
        }
    }

    /// Ready when what was written is out of our hands.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            // The kernel, or the tunnel's owner, sends without being asked.
            Self::Tcp(_) | Self::Tunnel(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => stream.poll_flush(cx),
            Self::Ahead(ahead) => ahead.io.poll_flush(cx),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Ends the sending side in good order.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = match self {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tunnel(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => stream.poll_shutdown(cx),
            Self::Ahead(ahead) => return ahead.io.poll_shutdown(cx),
            Self::Closed => return Poll::Ready(Ok(())),
        };
        match ready!(ended) {
            // The peer has closed everything already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }

    /// Dropped from now on, it ends both sides at once, so that the peer can't take that for an end in good order (RST).
    pub fn reset_on_drop(&mut self) {
        match self {
            // If it can't be set, the peer sees an ordinary end.
            Self::Tcp(socket) => drop(socket.set_zero_linger()),
            Self::Tunnel(stream) => stream.abort_on_drop(),
            // Without close_notify the peer knows that something is missing.
            Self::Tls(stream) => stream.carrier_mut().reset_on_drop(),
            Self::Ahead(ahead) => ahead.io.reset_on_drop(),
            Self::Closed => {}
        }
    }

    /// Ends both sides at once, as [`Self::reset_on_drop`] says.
    pub fn reset(&mut self) {
        self.reset_on_drop();
        *self = Self::Closed;
    }

    /// Waits until the peer has broken it off, without reading: an end in good order is none.
    pub(crate) async fn broken(&mut self) {
        let mut io = self;
        while let Self::Ahead(ahead) = io {
            io = &mut ahead.io;
        }
        match io {
            // An error of the runtime: then nobody waits for the peer either.
            Self::Tcp(socket) => drop(socket.ready(Interest::ERROR).await),
            Self::Tls(stream) => stream.carrier_mut().broken().await,
            Self::Tunnel(stream) => drop(poll_fn(|cx| stream.poll_gone(cx)).await),
            // One in another was looked through.
            Self::Ahead(_) | Self::Closed => {}
        }
    }

    /// Whether what it carries is called `https`: by TLS of its own. A tunnel's is the mesh's.
    pub fn is_secure(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Ahead(ahead) => ahead.io.is_secure(),
            Self::Tcp(_) | Self::Tunnel(_) | Self::Closed => false,
        }
    }

    /// Whether it leads through a tunnel that one of its ends is about to leave: what is under way goes on, and what is
    /// kept for later is of no use. Who waits for something to come is woken when that becomes so.
    pub fn is_leaving(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Closed => false,
            Self::Tunnel(stream) => stream.is_leaving(),
            Self::Tls(stream) => stream.is_leaving(),
            Self::Ahead(ahead) => ahead.io.is_leaving(),
        }
    }

    /// Whether anything has come that was not read, as far as can be told without reading. For a connection that waits
    /// to be used again: nothing may have.
    pub fn liveness(&mut self) -> Liveness {
        match self {
            Self::Tcp(socket) => peek(socket),
            Self::Tunnel(stream) => {
                // Its owner tells it of everything; there is nothing to ask the kernel.
                let mut cx = Context::from_waker(std::task::Waker::noop());
                let mut space = [0; 1];
                let mut space = ReadBuf::new(&mut space);
                match Pin::new(stream).poll_read(&mut cx, &mut space) {
                    Poll::Pending => Liveness::Quiet,
                    Poll::Ready(_) => Liveness::Stirred,
                }
            }
            Self::Tls(stream) => stream.liveness(),
            Self::Closed => Liveness::Stirred,
            Self::Ahead(ahead) if ahead.waits() => Liveness::Stirred,
            Self::Ahead(ahead) => ahead.io.liveness(),
        }
    }
}

impl From<TcpStream> for Io {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

impl From<TunnelStream> for Io {
    fn from(stream: TunnelStream) -> Self {
        Self::Tunnel(stream)
    }
}

impl From<TlsStream> for Io {
    fn from(stream: TlsStream) -> Self {
        Self::Tls(Box::new(stream))
    }
}

fn read_into<T: AsyncRead + Unpin>(from: &mut T, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
    let mut space = ReadBuf::new(buffer.space());
    let read = Pin::new(from).poll_read(cx, &mut space);
    let n = space.filled().len();
    // Nothing gives an unused storage back.
    buffer.fill(n);
    read.map_ok(|()| n)
}

/// Whether the kernel has something for the reader of `socket`.
fn peek(socket: &TcpStream) -> Liveness {
    let mut byte = [std::mem::MaybeUninit::uninit(); 1];
    match SockRef::from(socket).peek(&mut byte) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Liveness::Quiet,
        _ => Liveness::Stirred,
    }
}
