//! One end of a connection.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, CommonState, ServerConfig, ServerConnection, Side,
    pki_types::{CertificateDer, ServerName},
};

use crate::{
    Buffer, Error, Handover,
    handover::Parts,
    handshake::{Established, Handshake, Step, Successor},
    key_tap::KeyTap,
    outbound::Outbound,
    rustls_records::RustlsRecords,
};

/// A client's or server's end of a connection, during and after the handshake.
#[derive(Debug)]
pub struct Session {
    inbound: Buffer,
    outbound: Outbound,
    layer: Layer,
    failure: Option<Error>,
    /// The last read took all that the socket had.
    dry: bool,
    fin: bool,
    closed: bool,
}

/// Who seals and opens the records after the handshake, which is always rustls'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Records {
    /// rustls. It copies every payload twice and allocates for every record.
    Rustls,
    /// This crate, from the buffer of the reader and into the queue of the writer; such a session can be handed to
    /// another process. It needs `enable_secret_extraction` in the configuration, and else is as [`Rustls`](Self::Rustls).
    #[default]
    Own,
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

/// How much ciphertext is read at once at most. A bulk stream costs its reader some tenth less than with a quarter of
/// it, and more gains nothing.
pub(crate) const INBOUND: usize = 4 * Buffer::SIZE;

#[derive(Debug)]
enum Layer {
    Rustls(Box<RustlsRecords>),
    Handshake(Box<Handshake>),
    Own(Box<Established>),
    /// None: it was lost between two, and the session has failed.
    Lost,
}

// === impl Session ===

impl Session {
    /// The end that speaks first; its `ClientHello` is queued at once.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        Self::client_with(config, name, Records::default())
    }

    /// The end that is spoken to.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Self::server_with(config, Records::default())
    }

    /// A client's end with a certain way to make records.
    pub fn client_with(config: Arc<ClientConfig>, name: ServerName<'static>, records: Records) -> Result<Self, Error> {
        let (config, tap) = match records {
            Records::Rustls => (config, None),
            Records::Own => KeyTap::client(config),
        };
        Ok(Self::new(Side::Client, ClientConnection::new(config, name)?.into(), tap))
    }

    /// A server's end with a certain way to make records.
    pub fn server_with(config: Arc<ServerConfig>, records: Records) -> Result<Self, Error> {
        let (config, tap) = match records {
            Records::Rustls => (config, None),
            Records::Own => KeyTap::server(config),
        };
        Ok(Self::new(Side::Server, ServerConnection::new(config)?.into(), tap))
    }

    fn new(side: Side, connection: rustls::Connection, tap: Option<Arc<KeyTap>>) -> Self {
        let mut outbound = Outbound::default();
        let layer = match tap {
            Some(tap) => Layer::Handshake(Box::new(Handshake::new(side, connection, tap, &mut outbound))),
            None => Layer::Rustls(Box::new(RustlsRecords::new(connection, &mut outbound))),
        };
        Self {
            inbound: Buffer::with_capacity(INBOUND),
            outbound,
            layer,
            failure: None,
            dry: true,
            fin: false,
            closed: false,
        }
    }

    /// Goes on with the session of another process.
    pub fn import(handover: Handover) -> Result<Self, Error> {
        let Parts { established, inbound, outbound, fin, closed } = handover.decode()?;
        drop(handover);
        let layer = Layer::Own(Box::new(established));
        Ok(Self { inbound, outbound, layer, failure: None, dry: true, fin, closed })
    }

    /// Gives the session up for another process to go on with. It stays with us if it has failed, is still in its
    /// handshake, or has [`Records::Rustls`].
    pub fn export(self) -> Result<Handover, Box<Self>> {
        let Self { inbound, outbound, layer: Layer::Own(established), failure: None, dry: _, fin, closed } = self
        else {
            return Err(Box::new(self));
        };
        Ok(Handover::encode(&Parts { established: *established, inbound, outbound, fin, closed }))
    }

    /// Who makes the records. Before the end of the handshake: who is meant to.
    pub fn records(&self) -> Records {
        match &self.layer {
            Layer::Rustls(_) => Records::Rustls,
            Layer::Handshake(_) | Layer::Own(_) | Layer::Lost => Records::Own,
        }
    }

    /// Whether [`read_from`](Self::read_from) has space and the peer can still send something that matters.
    pub fn wants_read(&self) -> bool {
        self.inbound.room() > 0 && !self.fin && self.failure.is_none() && !self.peer_said_goodbye()
    }

    /// Calls `read` once with all the space there is for ciphertext, and gives what it gave; 0 is the peer's FIN.
    ///
    /// After [`open`](Self::open) gave [`Progress::Drained`] there is space for some 240 KiB. Without any space (records
    /// wait for room in `plain`) `read` is not called and the answer is [`WouldBlock`](io::ErrorKind::WouldBlock): the
    /// socket has not said that it is empty.
    pub fn read_from(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        if self.inbound.room() == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let space = self.inbound.space();
        let size = space.len();
        let result = read(space);
        let n = *result.as_ref().unwrap_or(&0);
        self.inbound.fill(n);
        self.fin |= result.is_ok() && n == 0;
        self.dry = n < size;
        if n == 0 {
            self.inbound.shrink();
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
        let result = match self.open_layer(plain) {
            Ok(Progress::Drained) if self.fin && !self.peer_has_closed() => Err(Error::Truncated),
            other => other,
        };
        match &result {
            Ok(Progress::Drained) if self.dry => self.inbound.shrink(),
            Ok(_) => {}
            Err(error) => {
                self.failure = Some(error.clone());
                self.inbound.clear();
            }
        }
        result
    }

    fn open_layer(&mut self, plain: &mut Buffer) -> Result<Progress, Error> {
        if let Layer::Handshake(handshake) = &mut self.layer {
            match handshake.advance(&mut self.inbound, &mut self.outbound)? {
                Step::Waits => return Ok(Progress::Drained),
                Step::Over => self.succeed_handshake()?,
            }
        }
        let Self { inbound, outbound, layer, .. } = self;
        match layer {
            Layer::Rustls(records) => records.open(inbound, outbound, plain),
            Layer::Own(established) => established.traffic.open(inbound, outbound, plain),
            Layer::Handshake(_) | Layer::Lost => Ok(Progress::Drained),
        }
    }

    fn succeed_handshake(&mut self) -> Result<(), Error> {
        if let Layer::Handshake(handshake) = std::mem::replace(&mut self.layer, Layer::Lost) {
            self.layer = match handshake.finish()? {
                Successor::Rustls(records) => Layer::Rustls(records),
                Successor::Own(mut established) => {
                    if self.closed {
                        established.traffic.fall_silent();
                    }
                    Layer::Own(established)
                }
            };
        }
        Ok(())
    }

    /// Whether the handshake is still going on. Its last bytes may be queued when it is not.
    pub fn is_handshaking(&self) -> bool {
        self.state().is_some_and(CommonState::is_handshaking)
    }

    /// The application protocol that both ends agreed on, once they did.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        match &self.layer {
            Layer::Own(established) => established.alpn.as_deref(),
            _ => self.state()?.alpn_protocol(),
        }
    }

    /// The peer's certificate chain, leaf first, once the peer has proven it.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match &self.layer {
            Layer::Own(established) => established.certificates.as_deref(),
            _ => self.state()?.peer_certificates(),
        }
    }

    fn state(&self) -> Option<&CommonState> {
        match &self.layer {
            Layer::Rustls(records) => Some(records.state()),
            Layer::Handshake(handshake) => Some(handshake.records().state()),
            Layer::Own(_) | Layer::Lost => None,
        }
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
        let outbound = &mut self.outbound;
        match &mut self.layer {
            Layer::Rustls(records) => records.seal(parts, outbound),
            Layer::Handshake(handshake) => handshake.records_mut().seal(parts, outbound),
            Layer::Own(established) => established.traffic.seal(parts, outbound),
            Layer::Lost => Err(Error::Closed),
        }
    }

    /// Changes the key that this end seals with, and asks the peer to change its own. Keys that wear out are changed
    /// without being told to; this is for an owner who wants it earlier.
    pub fn refresh_keys(&mut self) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.closed {
            return Err(Error::Closed);
        }
        let outbound = &mut self.outbound;
        match &mut self.layer {
            Layer::Rustls(records) => records.refresh_keys(outbound),
            Layer::Handshake(handshake) => handshake.records_mut().refresh_keys(outbound),
            Layer::Own(established) => established.traffic.refresh_keys(outbound),
            Layer::Lost => Err(Error::Closed),
        }
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
    pub fn write_to(&mut self, mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<()> {
        self.outbound.write_to(&mut write)?;
        if let Layer::Own(established) = &mut self.layer {
            // A key update that had to wait for the queue.
            established.traffic.answer(&mut self.outbound).map_err(io::Error::from)?;
            self.outbound.write_to(&mut write)?;
        }
        Ok(())
    }

    /// Tells the peer that nothing more will come from this end (`close_notify`), unless a fatal alert said so
    /// already. The peer may go on sending.
    pub fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let outbound = &mut self.outbound;
        match &mut self.layer {
            Layer::Rustls(records) => records.close(outbound),
            Layer::Handshake(handshake) => handshake.records_mut().close(outbound),
            Layer::Own(established) => {
                if let Err(error) = established.traffic.close(outbound) {
                    self.failure = Some(error);
                }
            }
            Layer::Lost => {}
        }
    }

    /// Whether the peer has said that nothing more will come from it (`close_notify`) and all before that is opened.
    pub fn peer_has_closed(&self) -> bool {
        self.peer_said_goodbye()
            && match &self.layer {
                Layer::Rustls(records) => !records.holds_plaintext(),
                Layer::Handshake(_) | Layer::Lost => true,
                Layer::Own(established) => !established.traffic.holds_plaintext(),
            }
    }

    fn peer_said_goodbye(&self) -> bool {
        match &self.layer {
            Layer::Rustls(records) => records.peer_has_closed(),
            Layer::Handshake(_) | Layer::Lost => false,
            Layer::Own(established) => established.traffic.peer_has_closed(),
        }
    }
}

#[cfg(test)]
mod tests;
