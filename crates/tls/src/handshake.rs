//! The handshake of a session whose records this crate makes itself afterwards.

use std::sync::Arc;

use rustls::{Connection, Side, pki_types::CertificateDer};

use crate::{
    Buffer, Error,
    key_tap::KeyTap,
    outbound::Outbound,
    rustls_records::RustlsRecords,
    traffic::{Direction, Suite, Traffic, TrafficSecret},
};

/// A rustls connection that gets one record at a time, so that nothing of what follows its handshake is lost in it.
#[derive(Debug)]
pub(crate) struct Handshake {
    side: Side,
    tap: Arc<KeyTap>,
    records: RustlsRecords,
}

/// What is left of a handshake.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) traffic: Traffic,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) certificates: Option<Vec<CertificateDer<'static>>>,
}

/// How far a handshake came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It needs more ciphertext.
    Waits,
    /// It is over, and [`Handshake::finish`] follows.
    Over,
}

/// Who goes on after a handshake.
#[derive(Debug)]
pub(crate) enum Successor {
    /// Our own records.
    Own(Box<Established>),
    /// rustls: what was negotiated is beyond us.
    Rustls(Box<RustlsRecords>),
}

/// The largest record that rustls accepts.
const MAX_RECORD: usize = 5 + (1 << 14) + 2048;

// === impl Handshake ===

impl Handshake {
    pub(crate) fn new(side: Side, connection: Connection, tap: Arc<KeyTap>, outbound: &mut Outbound) -> Self {
        Self { side, tap, records: RustlsRecords::new(connection, outbound) }
    }

    pub(crate) fn records(&self) -> &RustlsRecords {
        &self.records
    }

    pub(crate) fn records_mut(&mut self) -> &mut RustlsRecords {
        &mut self.records
    }

    /// Goes on with what is in `inbound`.
    pub(crate) fn advance(&mut self, inbound: &mut Buffer, outbound: &mut Outbound) -> Result<Step, Error> {
        while self.records.state().is_handshaking() {
            let Some(len) = first_record(inbound.filled()) else { return Ok(Step::Waits) };
            let mut left = len;
            while left > 0 {
                left -= self.records.feed(inbound, left, outbound);
                if let Some(failure) = self.records.failure() {
                    return Err(failure.clone());
                }
            }
        }
        Ok(Step::Over)
    }

    /// Takes the secrets and lets rustls go.
    pub(crate) fn finish(self) -> Result<Successor, Error> {
        let Some((tx, rx)) = self.secrets() else { return Ok(Successor::Rustls(Box::new(self.records))) };
        let records = self.records;
        let alpn = records.state().alpn_protocol().map(<[u8]>::to_vec);
        let certificates = records.state().peer_certificates().map(<[_]>::to_vec);
        let extracted = records.into_connection().dangerous_extract_secrets()?;
        let (tx, rx) = (Direction::new(tx, extracted.tx.0), Direction::new(rx, extracted.rx.0));
        debug_assert!(tx.has_key(&extracted.tx.1) && rx.has_key(&extracted.rx.1), "rustls derived other keys");
        let traffic = Traffic::new(self.side, tx, rx);
        Ok(Successor::Own(Box::new(Established { traffic, alpn, certificates })))
    }

    /// The secrets to send and receive with.
    fn secrets(&self) -> Option<(TrafficSecret, TrafficSecret)> {
        let suite = Suite::new(self.records.state().negotiated_cipher_suite()?.suite())?;
        let client = TrafficSecret::new(suite, self.tap.client_secret()?)?;
        let server = TrafficSecret::new(suite, self.tap.server_secret()?)?;
        Some(match self.side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        })
    }
}

/// How many bytes to give rustls next: the first record, if it is complete; all, if rustls refuses their beginning.
fn first_record(bytes: &[u8]) -> Option<usize> {
    let (&kind, rest) = bytes.split_first()?;
    if !(20..=24).contains(&kind) || matches!(rest, [major, _, ..] if *major != 3) {
        return Some(bytes.len());
    }
    let [_, _, _, high, low] = *bytes.first_chunk()?;
    let len = 5 + usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_RECORD {
        return Some(bytes.len());
    }
    (bytes.len() >= len).then_some(len)
}
