//! Text as YAML and JSON scalars.

use std::fmt::Write as _;

use crate::tree::Type;

/// Plain where every reader takes it for text, else in double quotes.
pub(super) fn yaml(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c))
        && Type::of(text) == Type::Text;
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// In double quotes, with escapes that YAML and JSON share.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            '\n' => quoted += "\\n",
            '\r' => quoted += "\\r",
            '\t' => quoted += "\\t",
            // Not printable in YAML, or a line break there.
            '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c)); // a String takes everything
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
