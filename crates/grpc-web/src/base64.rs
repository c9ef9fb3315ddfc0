//! Base64 (RFC 4648 4) as gRPC-Web has it: any number of texts behind each other, each padded or not in need of it.

use crate::Malformed;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// What stands for nothing.
const PAD: u8 = b'=';

/// Reads base64 in pieces of any size.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// Characters of four that have come, by their value.
    bits: u32,
    /// How many, with those that stand for nothing.
    count: u8,
    /// How many of them stand for nothing.
    padding: u8,
}

/// Appends `bytes` to `out` in base64, padded: a text of its own.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            three.iter().enumerate().fold(0_u32, |bits, (place, byte)| bits | u32::from(*byte) << (16 - 8 * place));
        for place in 0..4 {
            let value = (bits >> (18 - 6 * place)) as usize & 63;
            out.push(if place > three.len() { PAD } else { ALPHABET[value] });
        }
    }
}

// === impl Decoder ===

impl Decoder {
    /// Appends to `out` what the next `piece` of the text stands for.
    pub fn decode(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        out.reserve(piece.len().div_ceil(4) * 3);
        for byte in piece {
            self.take(*byte, out)?;
        }
        Ok(())
    }

    /// The text has ended.
    pub fn finish(&self) -> Result<(), Malformed> {
        if self.count == 0 { Ok(()) } else { Err(Malformed::Cut) }
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let value = match (byte, value(byte)) {
            (PAD, _) if self.count >= 2 => {
                self.padding += 1;
                0
            }
            (_, Some(value)) if self.padding == 0 => value,
            _ => return Err(Malformed::Byte(byte)),
        };
        self.bits = self.bits << 6 | u32::from(value);
        self.count += 1;
        if self.count < 4 {
            return Ok(());
        }
        let [_, bytes @ ..] = self.bits.to_be_bytes();
        let (some, rest) = bytes.split_at(3 - usize::from(self.padding));
        if rest.iter().any(|byte| *byte != 0) {
            return Err(Malformed::Loose);
        }
        out.extend_from_slice(some);
        *self = Self::default();
        Ok(())
    }
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
