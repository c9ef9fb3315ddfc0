//! Classes of bytes, as one table, and runs of them.

use wide::u8x16;

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
    let run = match class {
        TOKEN => run_of_token(bytes),
        VALUE => run_of_value(bytes),
        TARGET => run_of_target(bytes),
        _ => run(class, bytes),
    };
    run == bytes.len()
}

/// Whether it is a token: at least one byte, all of them token bytes.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(TOKEN, bytes)
}

/// How many bytes from the start are of `class`.
pub(crate) fn run(class: u8, bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !is(class, *byte)).unwrap_or(bytes.len())
}

/// As [`run`] for [`TOKEN`], sixteen bytes a step.
pub(crate) fn run_of_token(bytes: &[u8]) -> usize {
    run_wide(TOKEN, bytes, |wide| {
        let is_letter = below(lower(wide) - u8x16::splat(b'a'), 26);
        !(is_letter | below(wide - u8x16::splat(b'0'), 10) | equal(wide, b'-'))
    })
}

/// As [`run`] for [`VALUE`], sixteen bytes a step.
pub(crate) fn run_of_value(bytes: &[u8]) -> usize {
    run_wide(VALUE, bytes, |wide| below(wide, b' ') | equal(wide, 0x7f))
}

/// As [`run`] for [`TARGET`], sixteen bytes a step.
pub(crate) fn run_of_target(bytes: &[u8]) -> usize {
    run_wide(TARGET, bytes, |wide| !below(wide - u8x16::splat(b'!'), 0x7f - b'!') | equal(wide, b'#'))
}

/// Without optional whitespace at both ends.
pub(crate) fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// As [`run`], of which `suspects` tells the bytes that may be outside of `class`.
fn run_wide(class: u8, bytes: &[u8], suspects: impl Fn(u8x16) -> u8x16) -> usize {
    let mut at = 0;
    while let Some(sixteen) = bytes[at..].first_chunk() {
        let found = suspects(u8x16::new(*sixteen)).move_mask();
        if found == 0 {
            at += 16;
            continue;
        }
        at += found.trailing_zeros() as usize;
        if !is(class, bytes[at]) {
            return at;
        }
        at += 1;
    }
    at + run(class, &bytes[at..])
}

/// Which bytes are below `limit`, which is not 0.
fn below(wide: u8x16, limit: u8) -> u8x16 {
    wide.min(u8x16::splat(limit - 1)).cmp_eq(wide)
}

/// Which bytes are `byte`.
fn equal(wide: u8x16, byte: u8) -> u8x16 {
    wide.cmp_eq(u8x16::splat(byte))
}

/// Letters as small ones; other bytes as something that is no letter.
fn lower(wide: u8x16) -> u8x16 {
    wide | u8x16::splat(0x20)
}

#[cfg(test)]
mod tests;
