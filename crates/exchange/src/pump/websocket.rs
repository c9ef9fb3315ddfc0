//! The opening handshake of WebSocket, between an HTTP that has it (RFC 6455 4) and one that has not (RFC 8441 5).

use aws_lc_rs::{digest, rand};

use crate::Fault;

/// The protocol's name.
pub(super) const NAME: &[u8] = b"websocket";

/// What a client that asks for it over HTTP/1.1 sends.
#[derive(Debug)]
pub(super) struct Key([u8; 24]);

/// What a server answers over HTTP/1.1.
#[derive(Debug)]
pub(super) struct Accept([u8; 28]);

/// Whether a protocol's name is WebSocket's.
pub(crate) fn is_name(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(NAME)
}

// === impl Key ===

impl Key {
    /// A new one.
    pub(super) fn new() -> Result<Self, Fault> {
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).map_err(|_| std::io::Error::other("there are no random bytes"))?;
        let mut text = [0; 24];
        base64(&nonce, &mut text);
        Ok(Self(text))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

// === impl Accept ===

impl Accept {
    /// The answer to a key.
    pub(super) fn of(key: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        context.update(key);
        context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let mut text = [0; 28];
        base64(context.finish().as_ref(), &mut text);
        Self(text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// With padding (RFC 4648 4), into a text of the right length.
fn base64(bytes: &[u8], text: &mut [u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (three, four) in bytes.chunks(3).zip(text.chunks_mut(4)) {
        let group = three.iter().fold(0, |group, byte| group << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for (at, place) in four.iter_mut().enumerate() {
            *place = if at <= three.len() { ALPHABET[group >> (18 - 6 * at) & 63] } else { b'=' };
        }
    }
}

#[cfg(test)]
mod tests;
