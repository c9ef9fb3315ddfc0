//! Traffic as bytes, for another process.

use rustls::{CipherSuite, Side};

use super::{Allowance, Direction, Reassembly, Suite, Traffic, TrafficSecret};
use crate::{
    Error,
    handover::{Reader, Writer},
};

const LAST_SEQUENCE: u64 = 1 << 63;

// === impl Traffic ===

impl Traffic {
    pub(crate) fn encode(&self, writer: &mut Writer) {
        let Self { side, tx, rx, reassembly, allowance, undelivered, used_up, owes_key_update, peer_closed, silent } =
            self;
        writer.flag(*side == Side::Server);
        writer.u16(tx.secret().suite().code());
        for direction in [tx, rx] {
            writer.bytes(direction.secret().as_bytes());
            writer.u64(direction.sequence());
        }
        writer.bytes(reassembly.partial());
        let Allowance { empty_records, key_updates, warnings } = *allowance;
        for left in [empty_records, key_updates, warnings] {
            writer.byte(left);
        }
        writer.len(*undelivered);
        writer.len(*used_up);
        for flag in [*owes_key_update, *peer_closed, *silent] {
            writer.flag(flag);
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let side = if reader.flag()? { Side::Server } else { Side::Client };
        let suite =
            Suite::new(CipherSuite::from(reader.u16()?)).ok_or(Error::Handover("its cipher suite is not known"))?;
        let (tx, rx) = (direction(reader, suite)?, direction(reader, suite)?);
        let reassembly = Reassembly::resume(reader.bytes()?.to_vec());
        let allowance =
            Allowance { empty_records: reader.byte()?, key_updates: reader.byte()?, warnings: reader.byte()? };
        let (undelivered, used_up) = (reader.len()?, reader.len()?);
        let (owes_key_update, peer_closed, silent) = (reader.flag()?, reader.flag()?, reader.flag()?);
        Ok(Self { side, tx, rx, reassembly, allowance, undelivered, used_up, owes_key_update, peer_closed, silent })
    }

    /// How many of the inbound bytes are opened already.
    pub(crate) fn reserved(&self) -> usize {
        self.undelivered.saturating_add(self.used_up)
    }
}

fn direction(reader: &mut Reader<'_>, suite: Suite) -> Result<Direction, Error> {
    let secret = TrafficSecret::new(suite, reader.bytes()?).ok_or(Error::Handover("it is damaged"))?;
    match reader.u64()? {
        // No session gets there.
        LAST_SEQUENCE.. => Err(Error::Handover("it is damaged")),
        sequence => Ok(Direction::new(secret, sequence)),
    }
}
