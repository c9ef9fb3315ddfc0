//! `x-request-id`.

use ripstop_telemetry::trace_context::Sampling;

use super::edits::Text;

/// A UUID of version 4 of random bits. If its trace is recorded, the digit of the version is the one that tells Envoy's
/// proxies so: 9 (`a` for a trace that was asked for), and else the 4 that it is.
pub fn request_id(random: [u8; 16], sampling: Sampling) -> Text<'static> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = random;
    let version = match sampling {
        Sampling::Dropped => 4,
        Sampling::Sampled => 9,
        Sampling::Debug => 10,
    };
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    Text::copied(&text)
}

#[cfg(test)]
mod tests;
