//! One end of a connection.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection,
    pki_types::{CertificateDer, ServerName},
};

use crate::{Buffer, Error, outbound::Outbound, rustls_records::RustlsRecords};

/// A client's or server's end of a connection, during and after the handshake.
#[derive(Debug)]
pub struct Session {
    inbound: Buffer,
    outbound: Outbound,
    records: RustlsRecords,
    failure: Option<Error>,
    end: InboundEnd,
    closed: bool,
}

/// What [`Session::open`] stopped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Every complete record was opened; more needs more ciphertext.
    Drained,
    /// There is more to open or deliver than `plain` has room for.
    NeedsRoom,
}

/// Whether the socket can give more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InboundEnd {
    Open,
    Fin,
}

// === impl Session ===

impl Session {
    /// The end that speaks first; its `ClientHello` is queued at once.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        Ok(Self::new(ClientConnection::new(config, name)?.into()))
    }

    /// The end that is spoken to.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self::new(ServerConnection::new(config)?.into()))
    }

    fn new(connection: Connection) -> Self {
        let mut outbound = Outbound::default();
        let records = RustlsRecords::new(connection, &mut outbound);
        Self { inbound: Buffer::default(), outbound, records, failure: None, end: InboundEnd::Open, closed: false }
    }

    /// Whether [`read_from`](Self::read_from) has space and the peer can still send something that matters.
    pub fn wants_read(&self) -> bool {
        self.inbound.room() > 0
            && self.end == InboundEnd::Open
            && self.failure.is_none()
            && !self.records.peer_has_closed()
    }

    /// Calls `read` once with all the space there is for ciphertext, and gives what it gave; 0 is the peer's FIN.
    ///
    /// After [`open`](Self::open) gave [`Progress::Drained`] there is space for more than two records of the largest
    /// size. Without any space (records wait for room in `plain`) `read` is not called and the answer is
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): the socket has not said that it is empty.
    pub fn read_from(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        if self.inbound.room() == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = read(self.inbound.space());
        match &result {
            Ok(n) => {
                self.inbound.fill(*n);
                if *n == 0 {
                    self.end = InboundEnd::Fin;
                }
            }
            Err(_) => self.inbound.fill(0),
        }
        result
    }

    /// Opens complete records and appends their application data to `plain`, as far as it has room. Answers to the
    /// peer (handshake, key updates, alerts) are queued.
    ///
    /// Besides an error there may be new bytes in `plain`: what came before its cause.
    pub fn open(&mut self, plain: &mut Buffer) -> Result<Progress, Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let progress = self.records.open(&mut self.inbound, &mut self.outbound, plain);
        let result = match progress {
            Ok(Progress::Drained) if self.end == InboundEnd::Fin && !self.peer_has_closed() => Err(Error::Truncated),
            other => other,
        };
        if let Err(error) = &result {
            self.failure = Some(error.clone());
            self.inbound.clear();
        }
        result
    }

    /// Whether the handshake is still going on. Its last bytes may be queued when it is not.
    pub fn is_handshaking(&self) -> bool {
        self.records.state().is_handshaking()
    }

    /// The application protocol that both ends agreed on, once they did.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.records.state().alpn_protocol()
    }

    /// The peer's certificate chain, leaf first, once the peer has proven it.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.records.state().peer_certificates()
    }

    /// Seals `parts`, taken as one run of bytes, into as few records as possible, and queues these for
    /// [`write_to`](Self::write_to). Before the end of the handshake the bytes are kept and sealed then.
    ///
    /// Nothing limits how much is queued but the caller, by [`queued`](Self::queued).
    pub fn seal(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.closed {
            return Err(Error::Closed);
        }
        self.records.seal(parts, &mut self.outbound)
    }

    /// Whether ciphertext is queued.
    pub fn wants_write(&self) -> bool {
        !self.outbound.is_empty()
    }

    /// Bytes of ciphertext that are not written yet.
    pub fn queued(&self) -> usize {
        self.outbound.len()
    }

    /// Calls `write` until all that is queued is written, or gives its error (as `WouldBlock`). What a failed session
    /// still has to say is written, too.
    pub fn write_to(&mut self, write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<()> {
        self.outbound.write_to(write)
    }

    /// Tells the peer that nothing more will come from this end (`close_notify`), unless a fatal alert said so
    /// already. The peer may go on sending.
    pub fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.records.close(&mut self.outbound);
        }
    }

    /// Whether the peer has said that nothing more will come from it (`close_notify`) and all before that is opened.
    pub fn peer_has_closed(&self) -> bool {
        self.records.peer_has_closed() && !self.records.holds_plaintext()
    }
}

#[cfg(test)]
mod tests;
