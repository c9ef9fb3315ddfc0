//! TLS on a socket, or in a tunnel.

use std::{
    io::{self, IoSlice},
    sync::Arc,
    task::{Context, Poll, ready},
};

use ripstop_tls::{Buffer, Session};
use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use tokio::{io::ReadBuf, net::TcpStream};

use super::{Liveness, VECTORED, carrier::Carrier};

/// A socket, or a stream of a tunnel, with TLS, whose records are opened straight into the reader's buffer.
#[derive(Debug)]
pub struct TlsStream {
    carrier: Carrier,
    session: Session,
    /// What the peer said right behind its handshake.
    early: Buffer,
    ended: bool,
}

/// Bytes of ciphertext that may wait for what carries them before writers have to.
const QUEUED: usize = 64 * 1024;

impl TlsStream {
    /// Makes TLS as the client of `name`. It has no deadline of its own.
    pub async fn connect(
        carrier: impl Into<Carrier>,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        Self::new(carrier.into(), Session::client(config, name)?).handshake(Buffer::default()).await
    }

    /// Makes TLS as the server. It has no deadline of its own.
    pub async fn accept(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        Self::accept_ahead(socket, Buffer::default(), config).await
    }

    /// As [`Self::accept`], where `read` was read already, to find out which configuration it takes.
    pub async fn accept_ahead(
        carrier: impl Into<Carrier>,
        read: Buffer,
        config: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        Self::new(carrier.into(), Session::server(config)?).handshake(read).await
    }

    fn new(carrier: Carrier, session: Session) -> Self {
        Self { carrier, session, early: Buffer::default(), ended: false }
    }

    /// The session: what was agreed on, and with whom.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What carries it.
    pub(super) fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// What carries it.
    pub(super) fn carrier_mut(&mut self) -> &mut Carrier {
        &mut self.carrier
    }

    async fn handshake(mut self, mut read: Buffer) -> io::Result<Self> {
        std::future::poll_fn(|cx| {
            loop {
                let written = self.poll_flush(cx);
                if !self.session.is_handshaking() {
                    // What is left of the last flight goes with what comes next.
                    return written.map_ok(|()| ()).map(|_| Ok(()));
                }
                if let Poll::Ready(Err(error)) = written {
                    return Poll::Ready(Err(error));
                }
                let came = if read.is_empty() { ready!(self.poll_ciphertext(cx)) } else { self.take(&mut read) };
                if let Err(error) = came {
                    return Poll::Ready(Err(error));
                }
                if let Err(error) = self.session.open(&mut self.early) {
                    // The alert that says why.
                    let _ = self.poll_flush(cx);
                    return Poll::Ready(Err(error.into()));
                }
            }
        })
        .await?;
        Ok(self)
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        if !self.early.is_empty() {
            let space = buffer.space();
            let n = space.len().min(self.early.len());
            space[..n].copy_from_slice(&self.early.filled()[..n]);
            buffer.fill(n);
            self.early.consume(n);
            return Poll::Ready(Ok(n));
        }
        let before = buffer.len();
        loop {
            let opened = self.session.open(buffer);
            if buffer.len() > before {
                // What came before an error is used; the next call gives the error again.
                return Poll::Ready(Ok(buffer.len() - before));
            }
            if let Err(error) = opened {
                let _ = self.poll_flush(cx);
                return Poll::Ready(Err(error.into()));
            }
            if self.session.peer_has_closed() {
                return Poll::Ready(Ok(0));
            }
            if self.session.wants_write() {
                // A key update wants its answer.
                let _ = self.poll_flush(cx)?;
            }
            ready!(self.poll_ciphertext(cx))?;
        }
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.session.queued() >= QUEUED {
            ready!(self.poll_flush(cx))?;
        }
        let mut parts: [&[u8]; VECTORED] = [&[]; VECTORED];
        let mut total = 0;
        let mut used = 0;
        for (part, slice) in parts.iter_mut().zip(slices) {
            let n = slice.len().min(QUEUED - total);
            *part = &slice[..n];
            total += n;
            used += 1;
        }
        self.session.seal(&parts[..used])?;
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(total))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.session.wants_write() {
            return Poll::Ready(Ok(()));
        }
        let carrier = &mut self.carrier;
        let written = self.session.write_to(|slices| match carrier.poll_write_vectored(cx, slices) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            self.session.close();
            ready!(self.poll_flush(cx))?;
            self.ended = true;
        }
        self.carrier.poll_shutdown(cx)
    }

    /// See [`super::Io::is_leaving`].
    pub(super) fn is_leaving(&self) -> bool {
        self.carrier.is_leaving()
    }

    /// Tickets and key updates may come at any time: they are looked at, and are no sign of anything.
    pub(super) fn liveness(&mut self) -> Liveness {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut plain = Buffer::default();
        match self.poll_read(&mut cx, &mut plain) {
            Poll::Pending => self.carrier.liveness(),
            Poll::Ready(_) => Liveness::Stirred,
        }
    }

    /// Takes ciphertext that was read already.
    fn take(&mut self, read: &mut Buffer) -> io::Result<()> {
        let taken = self.session.read_from(|space| {
            let n = space.len().min(read.len());
            space[..n].copy_from_slice(&read.filled()[..n]);
            Ok(n)
        })?;
        read.consume(taken);
        Ok(())
    }

    /// Reads ciphertext once. The peer's FIN is found by the session.
    fn poll_ciphertext(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let carrier = &mut self.carrier;
        let read = self.session.read_from(|space| {
            let mut space = ReadBuf::new(space);
            match carrier.poll_read(cx, &mut space) {
                Poll::Ready(result) => result.map(|()| space.filled().len()),
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result.map(|_| ())),
        }
    }
}
