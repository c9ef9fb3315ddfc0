//! Access lines in the log of a node proxy, told from what the proxy says of itself.

use std::mem;

/// Passes whole lines that are of the access log; what is not complete yet is kept.
#[derive(Debug, Default)]
pub(crate) struct AccessLines {
    rest: Vec<u8>,
}

// === impl AccessLines ===

impl AccessLines {
    /// The access lines that `chunk` completes.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(chunk);
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let rest = self.rest.split_off(whole);
        let lines = mem::replace(&mut self.rest, rest);
        lines.split_inclusive(|byte| *byte == b'\n').filter(|line| !is_own(line)).flatten().copied().collect()
    }
}

/// Whether a line is an event of the process itself: a time, and a level in capitals. Those of connections have
/// theirs in small letters; what the lines of requests look like is the user's choice.
fn is_own(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let time = words.next().is_some_and(|word| word.first().is_some_and(u8::is_ascii_digit) && word.ends_with(b"Z"));
    time && words.next().is_some_and(|level| [b"ERROR" as &[u8], b"WARN", b"INFO", b"DEBUG", b"TRACE"].contains(&level))
}

#[cfg(test)]
mod tests;
