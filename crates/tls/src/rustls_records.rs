//! Handshake and records of rustls' buffered API.

use std::io::{BufRead, IoSlice, Read, Write};

use rustls::{CommonState, Connection};

use crate::{Buffer, Error, Progress, outbound::Outbound};

/// A rustls connection that is fed from memory.
#[derive(Debug)]
pub(crate) struct RustlsRecords {
    connection: Connection,
    /// Plaintext that rustls holds because there was no room for it.
    undelivered: usize,
    peer_closed: bool,
    failure: Option<Error>,
}

// === impl RustlsRecords ===

impl RustlsRecords {
    /// Takes over a new connection. What it has to say first (a `ClientHello`) is queued.
    pub(crate) fn new(mut connection: Connection, outbound: &mut Outbound) -> Self {
        // The owner bounds what it seals ahead, by `Session::queued`.
        connection.set_buffer_limit(None);
        let mut records = Self { connection, undelivered: 0, peer_closed: false, failure: None };
        records.flush(outbound);
        records
    }

    pub(crate) fn state(&self) -> &CommonState {
        &self.connection
    }

    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Whether the peer sent `close_notify`.
    pub(crate) fn peer_has_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether opened bytes wait for room.
    pub(crate) fn holds_plaintext(&self) -> bool {
        self.undelivered > 0
    }

    /// Opens what is in `inbound`, up to the end of its last complete record, a failure, or the room of `plain`.
    pub(crate) fn open(
        &mut self,
        inbound: &mut Buffer,
        outbound: &mut Outbound,
        plain: &mut Buffer,
    ) -> Result<Progress, Error> {
        loop {
            self.deliver(plain);
            if self.undelivered > 0 {
                return Ok(Progress::NeedsRoom);
            }
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if self.peer_closed {
                // RFC 8446 6.1: whatever comes after the closure alert is ignored.
                inbound.clear();
            }
            if inbound.is_empty() {
                return Ok(Progress::Drained);
            }
            self.feed(inbound, inbound.len(), outbound);
        }
    }

    /// Seals `parts` as one run of bytes. Before the end of the handshake, rustls keeps them and seals them then.
    pub(crate) fn seal(&mut self, parts: &[&[u8]], outbound: &mut Outbound) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let sealed = self.connection.writer().write_vectored(&slices);
        self.flush(outbound);
        let error = match sealed {
            Ok(n) if n == total => return Ok(()),
            // rustls refuses to use a sequence number twice and says nothing else.
            Ok(_) => rustls::Error::EncryptError,
            Err(error) => rustls::Error::General(error.to_string()),
        };
        Err(self.failure.insert(Error::Tls(error)).clone())
    }

    pub(crate) fn close(&mut self, outbound: &mut Outbound) {
        self.connection.send_close_notify();
        self.flush(outbound);
    }

    /// Gives rustls a piece of the first `limit` bytes of `inbound`, and lets it open the records that are complete.
    /// Tells how much it took.
    pub(crate) fn feed(&mut self, inbound: &mut Buffer, limit: usize, outbound: &mut Outbound) -> usize {
        let mut bytes = &inbound.filled()[..limit];
        let taken = match self.connection.read_tls(&mut bytes) {
            Ok(n) => n,
            // rustls' own buffer is full of a handshake message that it would have refused for its size.
            Err(error) => {
                self.failure = Some(Error::Tls(rustls::Error::General(error.to_string())));
                return 0;
            }
        };
        inbound.consume(taken);
        match self.connection.process_new_packets() {
            Ok(state) => {
                self.undelivered = state.plaintext_bytes_to_read();
                self.peer_closed = state.peer_has_closed();
            }
            Err(error) => {
                self.failure = Some(Error::Tls(error));
                // What was opened before the failure is genuine; how much it is, only the reader finds out.
                let holds = self.connection.reader().fill_buf().is_ok_and(|chunk| !chunk.is_empty());
                self.undelivered = if holds { usize::MAX } else { 0 };
            }
        }
        self.flush(outbound);
        taken
    }

    /// Gives up the connection.
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Changes our key, and asks the peer to change its own.
    pub(crate) fn refresh_keys(&mut self, outbound: &mut Outbound) -> Result<(), Error> {
        self.connection.refresh_traffic_keys()?;
        self.flush(outbound);
        Ok(())
    }

    fn deliver(&mut self, plain: &mut Buffer) {
        while self.undelivered > 0 && plain.room() > 0 {
            match self.connection.reader().read(plain.space()) {
                Ok(n) if n > 0 => {
                    plain.fill(n);
                    self.undelivered -= n;
                }
                // `WouldBlock`: there is no more.
                Ok(_) | Err(_) => {
                    plain.fill(0);
                    self.undelivered = 0;
                }
            }
        }
    }

    fn flush(&mut self, outbound: &mut Outbound) {
        while self.connection.wants_write() && self.connection.write_tls(outbound).is_ok() {}
    }
}
