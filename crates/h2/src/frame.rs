//! Frames: their heads, types and flags (RFC 9113 4, 6).

/// What a client says first.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Largest frame that is always allowed, in bytes (SETTINGS_MAX_FRAME_SIZE before it is changed).
pub const DEFAULT_MAX_FRAME: u32 = 16_384;
/// Largest value of SETTINGS_MAX_FRAME_SIZE.
pub(crate) const MAX_MAX_FRAME: u32 = (1 << 24) - 1;
/// Window of streams and of the connection before anything is said about it, in bytes.
pub const DEFAULT_WINDOW: u32 = 65_535;
/// Largest window, in bytes.
pub const MAX_WINDOW: u32 = (1 << 31) - 1;
/// Largest stream id.
pub(crate) const MAX_STREAM_ID: u32 = (1 << 31) - 1;

/// Bytes of a frame's head.
pub(crate) const HEAD: usize = 9;

/// Frame types.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0x0;
    pub(crate) const HEADERS: u8 = 0x1;
    pub(crate) const PRIORITY: u8 = 0x2;
    pub(crate) const RST_STREAM: u8 = 0x3;
    pub(crate) const SETTINGS: u8 = 0x4;
    pub(crate) const PUSH_PROMISE: u8 = 0x5;
    pub(crate) const PING: u8 = 0x6;
    pub(crate) const GOAWAY: u8 = 0x7;
    pub(crate) const WINDOW_UPDATE: u8 = 0x8;
    pub(crate) const CONTINUATION: u8 = 0x9;
}

/// Flags.
pub(crate) mod flag {
    /// Of SETTINGS and PING.
    pub(crate) const ACK: u8 = 0x1;
    /// Of DATA and HEADERS.
    pub(crate) const END_STREAM: u8 = 0x1;
    /// Of HEADERS and CONTINUATION.
    pub(crate) const END_HEADERS: u8 = 0x4;
    /// Of DATA and HEADERS.
    pub(crate) const PADDED: u8 = 0x8;
    /// Of HEADERS.
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of payload.
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// Without the reserved bit.
    pub(crate) stream: u32,
}

impl Head {
    pub(crate) fn new(length: usize, kind: u8, flags: u8, stream: u32) -> Self {
        // Callers never exceed the peer's maximum frame size, which has 24 bits.
        Self { length: u32::try_from(length).unwrap_or(MAX_MAX_FRAME), kind, flags, stream }
    }

    pub(crate) fn parse(bytes: [u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, d, e, f, g] = bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([d, e, f, g]) & MAX_STREAM_ID,
        }
    }

    pub(crate) fn bytes(self) -> [u8; HEAD] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The first four bytes of `bytes` as a number.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_be_bytes)
}
