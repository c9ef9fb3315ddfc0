//! Integers with a prefix of some bits (RFC 7541 section 5.1).

use super::Error;

#[cfg(test)]
mod tests;

/// Octets after the prefix that are read at most: as many as the largest accepted value needs.
const MAX_CONTINUATION: u32 = 5;

/// Appends `value` with a prefix of `bits` bits; `flags` are the other bits of the first octet.
#[inline]
pub(super) fn encode(value: usize, bits: u32, flags: u8, out: &mut Vec<u8>) {
    let largest = mask(bits);
    match u8::try_from(value) {
        Ok(small) if small < largest => out.push(flags | small),
        _ => encode_long(value - usize::from(largest), flags | largest, out),
    }
}

#[cold]
fn encode_long(mut rest: usize, first: u8, out: &mut Vec<u8>) {
    out.push(first);
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// The integer whose prefix is the low `bits` bits of `first`; takes what follows off `rest`.
#[inline]
pub(super) fn decode(first: u8, bits: u32, rest: &mut &[u8]) -> Result<u32, Error> {
    let prefix = first & mask(bits);
    if prefix < mask(bits) { Ok(u32::from(prefix)) } else { decode_long(prefix, rest) }
}

#[cold]
fn decode_long(prefix: u8, rest: &mut &[u8]) -> Result<u32, Error> {
    let mut value = u64::from(prefix);
    for octet in 0..MAX_CONTINUATION {
        let (&next, after) = rest.split_first().ok_or(Error::Truncated)?;
        *rest = after;
        value += u64::from(next & 0x7f) << (octet * 7);
        if next & 0x80 == 0 {
            return u32::try_from(value).map_err(|_| Error::IntegerTooLarge);
        }
    }
    Err(Error::IntegerTooLarge)
}

/// The low `bits` bits.
fn mask(bits: u32) -> u8 {
    u8::MAX >> (8 - bits)
}
