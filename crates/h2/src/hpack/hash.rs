//! Hashes of names and values, the same at compile time and at run time.
//!
//! They only ever lead to a place where a comparison follows, in tables that look at a fixed number of places: who
//! makes them collide gains nothing but a worse compression of its own fields.

/// 2^64 divided by the golden ratio, made odd: its bits are spread well.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of `bytes` after what `before` is the hash of.
pub(super) const fn hash(before: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(before ^ bytes.len() as u64);
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk() {
        state = mix(state ^ u64::from_le_bytes(*chunk));
        rest = after;
    }
    let mut tail = 0;
    if let Some((chunk, after)) = rest.split_first_chunk() {
        tail = u32::from_le_bytes(*chunk) as u64;
        rest = after;
    }
    while let Some((&octet, after)) = rest.split_first() {
        tail = tail << 8 | octet as u64;
        rest = after;
    }
    mix(state ^ tail)
}

/// Both halves of a product, folded.
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
const fn mix(value: u64) -> u64 {
    let product = (value ^ SPREAD) as u128 * SPREAD as u128;
    product as u64 ^ (product >> 64) as u64
}
