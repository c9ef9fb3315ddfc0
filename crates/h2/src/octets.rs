//! Classes of bytes, as one table, and runs of them.

/// Bytes of tokens: methods and protocols (RFC 9110 5.6.2).
pub(crate) const TOKEN: u8 = 1;
/// Bytes of field names in HTTP/2: those of tokens but capitals (RFC 9113 8.2.1).
pub(crate) const NAME: u8 = 1 << 1;
/// Bytes of field values: visible, space, tab, 0x80 and above (RFC 9110 5.5).
pub(crate) const VALUE: u8 = 1 << 2;
/// Bytes of paths: visible ASCII without `#`, which is never sent (RFC 9110 4.2.5).
pub(crate) const PATH: u8 = 1 << 3;
/// Bytes of host names: RFC 3986's unreserved ones.
pub(crate) const HOST: u8 = 1 << 4;

static CLASSES: [u8; 256] = classes();

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES << 7;

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        let mut class = 0;
        let mark = matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        if byte.is_ascii_alphanumeric() || mark {
            class |= TOKEN;
            if !byte.is_ascii_uppercase() {
                class |= NAME;
            }
        }
        if byte == b'\t' || byte >= b' ' && byte != 0x7f {
            class |= VALUE;
        }
        if byte.is_ascii_graphic() && byte != b'#' {
            class |= PATH;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            class |= HOST;
        }
        table[byte as usize] = class;
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

/// Whether all bytes are of `class`.
pub(crate) fn all(class: u8, bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| is(class, byte))
}

/// Whether it is a token: at least one byte, all of them token bytes.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(TOKEN, bytes)
}

/// As [`all`] for [`VALUE`], eight bytes a step.
pub(crate) fn all_of_value(bytes: &[u8]) -> bool {
    all_fast(VALUE, bytes, |word| below(word, b' ') | equal(word, 0x7f))
}

/// As [`all`] for [`PATH`], eight bytes a step.
pub(crate) fn all_of_path(bytes: &[u8]) -> bool {
    all_fast(PATH, bytes, |word| below(word, b'!') | equal(word, 0x7f) | equal(word, b'#') | word & HIGH)
}

/// Without spaces and tabs at both ends.
pub(crate) fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn is(class: u8, byte: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// `suspects` is zero if none of eight bytes can be outside of `class`.
fn all_fast(class: u8, bytes: &[u8], suspects: impl Fn(u64) -> u64) -> bool {
    let (words, rest) = bytes.as_chunks();
    words.iter().all(|word| suspects(u64::from_ne_bytes(*word)) == 0 || all(class, word)) && all(class, rest)
}

/// Not zero if a byte of `word` is below `limit`, which is at most 0x80. It may be not zero for others.
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH
}

/// As [`below`] for bytes that are `byte`.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}

#[cfg(test)]
mod tests;
