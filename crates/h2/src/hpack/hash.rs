//! Hashes of names and values, the same at compile time and at run time.
//!
//! They only ever lead to a place where a comparison follows, in tables that look at a fixed number of places: who
//! makes them collide gains nothing but a worse compression of its own fields.

/// Two odd constants whose bits are spread well: 2^64 divided by the golden ratio, and by pi.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const SPREAD_MORE: u64 = 0x517c_c1b7_2722_0a95;

/// The hash of `bytes` after what `before` is the hash of.
pub(super) const fn hash(before: u64, bytes: &[u8]) -> u64 {
    let len = bytes.len();
    let mut state = before ^ (len as u64).wrapping_mul(SPREAD);
    let mut rest = bytes;
    while rest.len() > 16
        && let Some((chunk, after)) = rest.split_first_chunk()
        && let Some((next_chunk, after)) = after.split_first_chunk()
    {
        state = mix(u64::from_le_bytes(*chunk) ^ SPREAD_MORE, u64::from_le_bytes(*next_chunk) ^ state);
        rest = after;
    }
    // Up to 16 octets are left; both ends of them, which overlap if they are less.
    let (head, tail) = if let (Some(head), Some(tail)) = (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
        (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        (u32::from_le_bytes(*head) as u64, u32::from_le_bytes(*tail) as u64)
    } else if let (Some(&head), Some(&tail)) = (rest.first(), rest.last()) {
        (head as u64, (rest[rest.len() / 2] as u64) << 8 | tail as u64)
    } else {
        (0, 0)
    };
    mix(mix(head ^ SPREAD_MORE, tail ^ state), SPREAD)
}

/// Both halves of a product, folded.
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
const fn mix(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}
