//! Classes of bytes, as one table, and runs of them.

/// Bytes of tokens: methods, field names, connection options (RFC 9110 5.6.2).
pub(crate) const TOKEN: u8 = 1;
/// Bytes of field values and reason phrases: visible, space, tab, 0x80 and above (RFC 9110 5.5).
pub(crate) const VALUE: u8 = 1 << 1;
/// Bytes of request targets: visible ASCII without `#`, which is never sent (RFC 9112 3.2).
pub(crate) const TARGET: u8 = 1 << 2;
/// Bytes of host names: RFC 3986's unreserved ones.
pub(crate) const HOST: u8 = 1 << 3;
/// Bytes inside a quoted string, without `"` and `\` (RFC 9110 5.6.4).
pub(crate) const QUOTED: u8 = 1 << 4;

static CLASSES: [u8; 256] = classes();

const EIGHT_ONES: u64 = 0x0101_0101_0101_0101;
const EIGHT_HIGH: u64 = EIGHT_ONES << 7;

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        #[allow(clippy::cast_possible_truncation)] // below 256
        let byte = i as u8;
        let mut class = 0;
        let punctuation = matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        if byte.is_ascii_alphanumeric() || punctuation {
            class |= TOKEN;
        }
        if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
            class |= VALUE;
            if byte != b'"' && byte != b'\\' {
                class |= QUOTED;
            }
        }
        if byte.is_ascii_graphic() && byte != b'#' {
            class |= TARGET;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            class |= HOST;
        }
        table[i] = class;
        i += 1;
    }
    table
}

/// Whether `byte` is of `class`.
pub(crate) fn is(class: u8, byte: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Whether all bytes are of `class`.
pub(crate) fn all(class: u8, bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| is(class, *byte))
}

/// Whether it is a token: at least one byte, all of them token bytes.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(TOKEN, bytes)
}

/// How many bytes from the start are of `class`.
pub(crate) fn run(class: u8, bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !is(class, *byte)).unwrap_or(bytes.len())
}

/// As [`run`] for [`VALUE`], eight bytes a step.
pub(crate) fn run_of_value(bytes: &[u8]) -> usize {
    run_fast(VALUE, bytes, |word| below(word, b' ') | equal(word, 0x7f))
}

/// As [`run`] for [`TARGET`], eight bytes a step.
pub(crate) fn run_of_target(bytes: &[u8]) -> usize {
    run_fast(TARGET, bytes, |word| below(word, b'!') | equal(word, 0x7f) | equal(word, b'#') | (word & EIGHT_HIGH))
}

/// Without optional whitespace at both ends.
pub(crate) fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The lowest bit of `suspects` is in the first of eight bytes that may be outside of `class`, if one may be.
fn run_fast(class: u8, bytes: &[u8], suspects: impl Fn(u64) -> u64) -> usize {
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk() {
        let found = suspects(u64::from_le_bytes(*eight));
        if found == 0 {
            at += 8;
            continue;
        }
        at += found.trailing_zeros() as usize / 8;
        if !is(class, bytes[at]) {
            return at;
        }
        at += 1;
    }
    at + run(class, &bytes[at..])
}

/// Not zero if a byte of `word` is below `limit`, which is at most 0x80. The lowest bit is in the first such byte; those
/// above it may be in others.
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(EIGHT_ONES * u64::from(limit)) & !word & EIGHT_HIGH
}

/// As [`below`] for bytes that are `byte`.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (EIGHT_ONES * u64::from(byte)), 1)
}

#[cfg(test)]
mod tests;
