//! What a connection speaks whose bytes are only looked on, found out by its first ones.

use ripstop_h2::PREFACE;

/// Bytes that a server may say before its client: those of HTTP/2 may send their settings at once.
const AHEAD: usize = 4096;
/// What they are.
const SETTINGS: u8 = 4;

/// The beginning of a connection.
#[derive(Debug, Default)]
pub struct Opening {
    /// The client's first bytes agree with the preface of HTTP/2, of which so many were seen.
    seen: usize,
    /// What the server said meanwhile.
    said: Vec<u8>,
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// HTTP/1, as far as can be said: none of HTTP/2, whose client speaks first.
    Http1,
    /// HTTP/2.
    Http2,
    /// Something else: its server speaks first.
    Other,
}

// === impl Opening ===

impl Opening {
    /// The client's next bytes; nothing: more of them will tell.
    pub fn client(&mut self, bytes: &[u8]) -> Option<Language> {
        let left = &PREFACE[self.seen..];
        let n = left.len().min(bytes.len());
        if bytes[..n] != left[..n] {
            return Some(if self.said.is_empty() { Language::Http1 } else { Language::Other });
        }
        if n == left.len() {
            return Some(Language::Http2);
        }
        self.seen += n;
        None
    }

    /// The server's next bytes; nothing: the client will tell.
    pub fn server(&mut self, bytes: &[u8]) -> Option<Language> {
        if self.said.len() + bytes.len() > AHEAD {
            return Some(Language::Other);
        }
        self.said.extend_from_slice(bytes);
        // A frame of SETTINGS for the connection (RFC 9113 3.4).
        let is_settings = self.said.get(3).is_none_or(|kind| *kind == SETTINGS)
            && self.said.iter().skip(5).take(4).all(|byte| *byte == 0);
        (!is_settings).then_some(Language::Other)
    }

    /// Whether nobody has said anything.
    pub fn is_silent(&self) -> bool {
        self.seen == 0 && self.said.is_empty()
    }

    /// Whether the client has said nothing, and the server no more than whole frames of HTTP/2.
    pub fn is_only_greeted(&self) -> bool {
        let mut rest = &self.said[..];
        while let [a, b, c, _, _, _, _, _, _, more @ ..] = rest {
            let Some(behind) = more.get(u32::from_be_bytes([0, *a, *b, *c]) as usize..) else { break };
            rest = behind;
        }
        self.seen == 0 && rest.is_empty()
    }

    /// What was heard before the bytes that told: of the client, and of the server.
    pub fn heard(&self) -> (&'static [u8], &[u8]) {
        (&PREFACE[..self.seen], &self.said)
    }
}

#[cfg(test)]
mod tests;
