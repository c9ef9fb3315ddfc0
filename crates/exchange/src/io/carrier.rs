//! What carries TLS.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use ripstop_tunnel::TunnelStream;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf},
    net::TcpStream,
};

use super::{Liveness, peek};

/// What carries TLS: a socket, or a stream of a tunnel, whose own encryption is around it.
#[derive(Debug)]
pub enum Carrier {
    /// A socket.
    Tcp(TcpStream),
    /// A stream of a tunnel.
    Tunnel(Box<TunnelStream>),
}

// === impl Carrier ===

impl Carrier {
    /// The socket; nothing: there is none of its own.
    pub(super) fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(socket) => Some(socket),
            Self::Tunnel(_) => None,
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, space),
            Self::Tunnel(stream) => Pin::new(&mut **stream).poll_read(cx, space),
        }
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Tunnel(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, slices),
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tunnel(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }

    /// Dropped from now on, it is broken off.
    pub(super) fn reset_on_drop(&mut self) {
        match self {
            // If it can't be set, the peer sees an end without close_notify.
            Self::Tcp(socket) => drop(socket.set_zero_linger()),
            Self::Tunnel(stream) => stream.abort_on_drop(),
        }
    }

    /// Waits until the peer has broken it off, without reading.
    pub(super) async fn broken(&mut self) {
        match self {
            // An error of the runtime: then nobody waits for the peer either.
            Self::Tcp(socket) => drop(socket.ready(Interest::ERROR).await),
            Self::Tunnel(stream) => drop(poll_fn(|cx| stream.poll_gone(cx)).await),
        }
    }

    /// See [`super::Io::is_leaving`].
    pub(super) fn is_leaving(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Tunnel(stream) => stream.is_leaving(),
        }
    }

    /// Whether anything has come, after a read that gave nothing.
    pub(super) fn liveness(&self) -> Liveness {
        match self {
            // What the runtime has not heard of yet can't be told from data.
            Self::Tcp(socket) => peek(socket),
            // Its owner tells of everything at once.
            Self::Tunnel(_) => Liveness::Quiet,
        }
    }
}

impl From<TcpStream> for Carrier {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

impl From<TunnelStream> for Carrier {
    fn from(stream: TunnelStream) -> Self {
        Self::Tunnel(Box::new(stream))
    }
}
