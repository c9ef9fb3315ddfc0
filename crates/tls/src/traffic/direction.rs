//! Sealing or opening the records of one direction.

use std::fmt;

use aws_lc_rs::{
    aead::{Aad, Nonce},
    error::Unspecified,
};

use rustls::ConnectionTrafficSecrets;

use super::{
    record::{ContentType, HEADER, OVERHEAD, TAG},
    secret::{Key, TrafficSecret},
};

/// One direction of a session: its secret, the key of it that is in use, and the number of the next record.
pub(crate) struct Direction {
    secret: TrafficSecret,
    key: Key,
    sequence: u64,
    limit: u64,
}

// === impl Direction ===

impl Direction {
    /// `sequence` is the number of the next record.
    pub(crate) fn new(secret: TrafficSecret, sequence: u64) -> Self {
        Self { key: secret.key(), sequence, limit: secret.suite().confidentiality_limit(), secret }
    }

    pub(crate) fn secret(&self) -> &TrafficSecret {
        &self.secret
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether the key may seal only one more record, which must tell of its successor.
    pub(crate) fn is_worn(&self) -> bool {
        self.sequence + 1 >= self.limit
    }

    /// Allows only `limit` records a key.
    #[cfg(test)]
    pub(crate) fn wear_out_after(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Whether its key is the one that rustls has.
    pub(crate) fn has_key(&self, secrets: &ConnectionTrafficSecrets) -> bool {
        self.secret.has_key(secrets)
    }

    /// Changes to the next generation of keys.
    pub(crate) fn update(&mut self) {
        self.secret = self.secret.next();
        self.key = self.secret.key();
        self.sequence = 0;
    }

    /// Makes a record of `payload` in `record`, which is longer by [`OVERHEAD`].
    pub(crate) fn seal(&mut self, kind: ContentType, payload: &[u8], record: &mut [u8]) -> Result<(), Unspecified> {
        let header = write_header(record);
        let (body, rest) = record[HEADER..].split_at_mut(payload.len());
        let nonce = self.next_nonce();
        self.key.aead.seal_out_of_place_scatter(nonce, Aad::from(header), payload, body, &[kind.code()], rest)
    }

    /// Makes a record of the payload that is in `record` already, after the header and before the rest.
    pub(crate) fn seal_in_place(&mut self, kind: ContentType, record: &mut [u8]) -> Result<(), Unspecified> {
        let header = write_header(record);
        let payload = record.len() - OVERHEAD;
        let (body, rest) = record[HEADER..].split_at_mut(payload);
        let nonce = self.next_nonce();
        self.key.aead.seal_in_place_scatter(nonce, Aad::from(header), body, &[kind.code()], rest)
    }

    /// Opens `body` into `inner`, which is as long. After a failure the session must end.
    pub(crate) fn open(
        &mut self,
        header: [u8; HEADER],
        body: &[u8],
        tag: &[u8],
        inner: &mut [u8],
    ) -> Result<(), Unspecified> {
        let nonce = self.next_nonce();
        self.key.aead.open_separate_gather(nonce, Aad::from(header), body, tag, inner)
    }

    /// Opens `body` where it is. After a failure the session must end.
    pub(crate) fn open_in_place(
        &mut self,
        header: [u8; HEADER],
        body: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Unspecified> {
        let nonce = self.next_nonce();
        self.key.aead.open_in_place_separate_tag(nonce, Aad::from(header), tag, body).map(|_| ())
    }

    /// A nonce is used up by asking for it, whatever comes of it.
    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = self.key.iv;
        // Its last bytes, from the last on.
        for (byte, of_sequence) in nonce.iter_mut().rev().zip(self.sequence.to_le_bytes()) {
            *byte ^= of_sequence;
        }
        self.sequence = self.sequence.checked_add(1).expect("2^64 records take centuries");
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Writes the header of a record of this length.
fn write_header(record: &mut [u8]) -> [u8; HEADER] {
    debug_assert!(record.len() >= HEADER + 1 + TAG, "a record has a type and a tag");
    let length = u16::try_from(record.len() - HEADER).expect("a record is shorter than 2^14 + 256 bytes");
    let [high, low] = length.to_be_bytes();
    let header = [ContentType::ApplicationData.code(), 3, 3, high, low];
    record[..HEADER].copy_from_slice(&header);
    header
}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direction")
            .field("secret", &self.secret)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}
