//! A session on its way to another process.

mod bytes;

use std::fmt;

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

pub(crate) use self::bytes::{Reader, Writer};
use crate::{
    Buffer, Error, copy::copy, handshake::Established, outbound::Outbound, session::INBOUND, traffic::Traffic,
};

/// All that another process needs to go on with a [`Session`](crate::Session): secrets, sequence numbers, and bytes
/// that were not delivered yet. It is wiped when dropped.
///
/// Whoever has it can read and forge the rest of the connection: it goes only over channels that are as private as
/// memory. It must be used at most once: two sessions made of one would seal different bytes with one nonce.
pub struct Handover(Zeroizing<Vec<u8>>);

/// What a session is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) established: Established,
    pub(crate) inbound: Buffer,
    pub(crate) outbound: Outbound,
    /// Whether the socket has come to its end.
    pub(crate) fin: bool,
    /// Whether this end has closed.
    pub(crate) closed: bool,
}

/// Changes with the layout; a process refuses what it does not know.
const VERSION: u8 = 1;

// === impl Handover ===

impl Handover {
    /// The bytes, to be sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, as received.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn encode(parts: &Parts) -> Self {
        let Parts { established, inbound, outbound, fin, closed } = parts;
        let mut writer = Writer::default();
        writer.byte(VERSION);
        established.traffic.encode(&mut writer);
        writer.flag(*fin);
        writer.flag(*closed);
        writer.bytes(inbound.filled());
        writer.pieces(outbound.len(), outbound.pieces());
        writer.flag(established.alpn.is_some());
        writer.bytes(established.alpn.as_deref().unwrap_or_default());
        writer.flag(established.certificates.is_some());
        writer.len(established.certificates.as_ref().map_or(0, Vec::len));
        for certificate in established.certificates.iter().flatten() {
            writer.bytes(certificate);
        }
        Self(writer.finish())
    }

    pub(crate) fn decode(&self) -> Result<Parts, Error> {
        let mut reader = Reader::new(&self.0);
        if reader.byte()? != VERSION {
            return Err(Error::Handover("it has another version"));
        }
        let traffic = Traffic::decode(&mut reader)?;
        let (fin, closed) = (reader.flag()?, reader.flag()?);
        let (waiting, queued) = (reader.bytes()?, reader.bytes()?);
        if traffic.reserved() > waiting.len() || waiting.len() > INBOUND {
            return Err(Error::Handover("its lengths contradict each other"));
        }
        let mut inbound = Buffer::with_capacity(INBOUND);
        if !waiting.is_empty() {
            copy(waiting, inbound.space());
            inbound.fill(waiting.len());
        }
        let mut outbound = Outbound::default();
        outbound.append(queued);
        let (has_alpn, alpn) = (reader.flag()?, reader.bytes()?);
        let (has_certificates, count) = (reader.flag()?, reader.len()?);
        let mut certificates = Vec::new();
        for _ in 0..count {
            certificates.push(CertificateDer::from(reader.bytes()?.to_vec()));
        }
        reader.finish()?;
        let established = Established {
            traffic,
            alpn: has_alpn.then(|| alpn.to_vec()),
            certificates: has_certificates.then_some(certificates),
        };
        Ok(Parts { established, inbound, outbound, fin, closed })
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handover").field(&format_args!("{} secret bytes", self.0.len())).finish()
    }
}
