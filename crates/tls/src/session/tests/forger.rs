//! A peer that seals what no honest peer would.

use aws_lc_rs::aead::{Aad, Nonce};

use super::*;
use crate::traffic::TrafficSecret;

/// Seals anything with the secret of an honest session.
pub(super) struct Forger {
    secret: TrafficSecret,
    sequence: u64,
}

impl Forger {
    /// Goes on in the place of `end`, which must be a session with records of its own.
    pub(super) fn new(end: &mut End) -> Self {
        let Layer::Own(established) = &end.session().layer else { panic!("not its own records") };
        let tx = established.traffic.tx();
        Self { secret: tx.secret().clone(), sequence: tx.sequence() }
    }

    /// A record of `inner`: payload, type and padding.
    pub(super) fn record(&mut self, inner: &[u8]) -> Vec<u8> {
        let len = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
        self.record_with([23, 3, 3, len[0], len[1]], inner)
    }

    /// A record with a header that is not of this length or type.
    pub(super) fn record_with(&mut self, header: [u8; 5], inner: &[u8]) -> Vec<u8> {
        let key = self.secret.key();
        let mut nonce = key.iv;
        for (byte, of_sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= of_sequence;
        }
        self.sequence += 1;
        let mut record = header.to_vec();
        let mut body = inner.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.aead.seal_in_place_append_tag(nonce, Aad::from(header), &mut body).unwrap();
        record.extend_from_slice(&body);
        record
    }

    /// Goes on with the next key, without having said so.
    pub(super) fn update(&mut self) {
        self.secret = self.secret.next();
        self.sequence = 0;
    }

    /// A key update, and the change of key.
    pub(super) fn key_update(&mut self, request: u8) -> Vec<u8> {
        let record = self.record(&[24, 0, 0, 1, request, 22]);
        self.update();
        record
    }
}
