//! The end of a connection whose server's words were followed, and end between two frames.

use crate::frame::{HEAD, Head, kind};

/// What a client is told that shall come anew, by whoever goes on in its server's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// The last stream of the client that was heard; 0: none.
    pub last_stream: u32,
    /// Whether the server has said its settings, which come first on every connection (RFC 9113 3.4).
    pub is_greeted: bool,
}

impl Farewell {
    /// SETTINGS, if they are due, and GOAWAY without an error (RFC 9113 6.8).
    pub fn frames(self) -> Vec<u8> {
        let head = |kind, length| Head::new(length, kind, 0, 0).bytes();
        let mut frames = Vec::with_capacity(2 * HEAD + 8);
        if !self.is_greeted {
            frames.extend_from_slice(&head(kind::SETTINGS, 0));
        }
        frames.extend_from_slice(&head(kind::GOAWAY, 8));
        frames.extend_from_slice(&self.last_stream.to_be_bytes());
        frames.extend_from_slice(&[0; 4]);
        frames
    }
}
