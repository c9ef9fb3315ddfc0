//! A socket with TLS: large reads, vectored writes.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use ripstop_tls::{Buffer, Progress, Session};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
};

use crate::settings;

/// The lower half of a tunnel.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: TcpStream,
    session: Session,
    /// What was decrypted. Streams that have not passed on their parts of it share it.
    plain: Rc<Buffer>,
    /// More waits to be decrypted than there was room for.
    more: bool,
    /// The last read took as much as it could: there may be more.
    full: bool,
    /// The sending side is shut down.
    ended: bool,
}

impl Transport {
    pub(crate) fn new(socket: TcpStream, session: Session) -> Self {
        // What is in the kernel can't be overtaken any more. Without the option it is only more.
        let _ = SockRef::from(&socket).set_tcp_notsent_lowat(settings::UNSENT);
        Self { socket, session, plain: Rc::default(), more: false, full: false, ended: false }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Drives the handshake to its end.
    pub(crate) async fn handshake(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| {
            loop {
                let written = self.poll_write(cx);
                if !self.session.is_handshaking() {
                    // What is left of the last flight goes with what comes next.
                    return written.map_ok(|()| ()).map(|_| Ok(()));
                }
                if let Poll::Ready(Err(error)) = written {
                    return Poll::Ready(Err(error));
                }
                match self.poll_receive(cx) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false)) => {
                        let end = io::Error::new(io::ErrorKind::UnexpectedEof, "the peer ended TLS in its handshake");
                        return Poll::Ready(Err(end));
                    }
                    Poll::Ready(Err(error)) => {
                        // The alert that says why.
                        let _ = self.poll_write(cx);
                        return Poll::Ready(Err(error));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Reads once and decrypts: what there is now can be taken from [`Self::plain`]. False at the end.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.more {
            // Its socket may stay open until it has heard the same from us.
            if self.session.peer_has_closed() {
                return Poll::Ready(Ok(false));
            }
            // Before there is something to read nobody is asked for space.
            if let Err(error) = ready!(self.socket.poll_read_ready(cx)) {
                return Poll::Ready(Err(error));
            }
            let socket = Pin::new(&mut self.socket);
            let full = &mut self.full;
            let read = self.session.read_from(|space| {
                let mut space = ReadBuf::new(space);
                match socket.poll_read(cx, &mut space) {
                    Poll::Ready(result) => {
                        *full = space.remaining() == 0;
                        result.map(|()| space.filled().len())
                    }
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            });
            match read {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if Rc::get_mut(&mut self.plain).is_none() {
            self.plain = Rc::default();
        }
        // Nobody else has it now.
        let Some(plain) = Rc::get_mut(&mut self.plain) else { return Poll::Pending };
        match self.session.open(plain) {
            Ok(progress) => self.more = progress == Progress::NeedsRoom,
            Err(error) if plain.is_empty() => return Poll::Ready(Err(error.into())),
            // What came before the error is still looked at; the next call gives it again.
            Err(_) => self.more = true,
        }
        Poll::Ready(Ok(!self.session.peer_has_closed() || !self.plain.is_empty()))
    }

    /// Whether [`Self::poll_receive`] would find more at once.
    pub(crate) fn has_more(&self) -> bool {
        self.more || self.full
    }

    /// What was decrypted last.
    pub(crate) fn plain(&self) -> Rc<Buffer> {
        self.plain.clone()
    }

    /// What [`Self::plain`] held was looked at.
    pub(crate) fn taken(&mut self) {
        match Rc::get_mut(&mut self.plain) {
            Some(plain) => plain.consume(plain.len()),
            // Streams still need it.
            None => self.plain = Rc::default(),
        }
    }

    /// Encrypts `bytes`.
    pub(crate) fn seal(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.session.seal(&[bytes]).map_err(io::Error::from)
    }

    /// Writes what is encrypted.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.session.wants_write() {
            return Poll::Ready(Ok(()));
        }
        let mut socket = Pin::new(&mut self.socket);
        let written = self.session.write_to(|slices| match socket.as_mut().poll_write_vectored(cx, slices) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    /// Ends the sending side, close_notify and then FIN, and waits until the peer has ended its own. What still comes is
    /// of no interest, but if it met a closed socket, the kernel would reset the connection and drop what the peer has not
    /// yet received.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            self.session.close();
            ready!(self.poll_write(cx))?;
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.ended = true;
        }
        let mut rest = Buffer::default();
        loop {
            let mut space = ReadBuf::new(rest.space());
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut space))?;
            if space.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
