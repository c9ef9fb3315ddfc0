//! Where values go: they are escaped and cut on the way.

use std::fmt;

/// Bytes of one value at most, before they are escaped.
pub(super) const VALUE_BYTES: usize = 4096;

/// How values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// For a line of text with quoted fields.
    Text,
    /// For the inside of a JSON string.
    Json,
}

/// A buffer that takes values of one style.
#[derive(Debug)]
pub(super) struct Sink<'o> {
    out: &'o mut String,
    style: Style,
    /// Bytes that the current value may still have.
    room: usize,
}

// === impl Sink ===

impl<'o> Sink<'o> {
    pub fn new(out: &'o mut String, style: Style) -> Self {
        Self { out, style, room: VALUE_BYTES }
    }

    /// Appends text of the format itself.
    pub fn literal(&mut self, text: &str) {
        match self.style {
            Style::Text => self.out.push_str(text),
            Style::Json => {
                for c in text.chars() {
                    self.escaped(c);
                }
            }
        }
    }

    /// Begins a value of at most `limit` bytes.
    pub fn begin(&mut self, limit: usize) {
        self.room = limit.min(VALUE_BYTES);
    }

    /// Appends a part of a value, which need not be UTF-8.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            self.text(chunk.valid());
            for byte in chunk.invalid() {
                if !self.take(1) {
                    return;
                }
                match self.style {
                    Style::Text => self.hex(*byte),
                    Style::Json => self.out.push(char::REPLACEMENT_CHARACTER),
                }
            }
        }
    }

    /// Appends a part of a value.
    pub fn text(&mut self, text: &str) {
        for c in text.chars() {
            if !self.take(c.len_utf8()) {
                return;
            }
            self.escaped(c);
        }
    }

    /// Takes room; what does not fit ends the value.
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes);
        self.room = left.unwrap_or(0);
        left.is_some()
    }

    fn escaped(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            c if misleads(c) => match self.style {
                Style::Text => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        self.hex(byte);
                    }
                }
                // All of them are in the basic plane.
                Style::Json => {
                    let _ = fmt::Write::write_fmt(self.out, format_args!("\\u{:04x}", u32::from(c)));
                }
            },
            c => self.out.push(c),
        }
    }

    fn hex(&mut self, byte: u8) {
        let _ = fmt::Write::write_fmt(self.out, format_args!("\\x{byte:02x}"));
    }
}

/// Whether a character makes a terminal or a viewer show something else than is there: controls, line
/// and paragraph separators, changes of direction.
fn misleads(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}
