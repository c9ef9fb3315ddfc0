//! How much a peer may ask for.

/// Limits of what is read, all in bytes unless they are counts. Each has its reason in [`Reason`](crate::Reason).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A whole head, from its first byte to the empty line, also one ignored empty line before it. Default 64 KiB. A
    /// buffer of this size is always enough to read a head.
    pub head: u32,
    /// A method. Default 32.
    pub method: u32,
    /// A request target. Default 16 KiB.
    pub target: u32,
    /// A reason phrase. Default 512.
    pub reason: u32,
    /// Fields of a head, a count. Default 128.
    pub fields: u32,
    /// The name of a field. Default 256.
    pub name: u32,
    /// The value of a field, without whitespace before it. Default 32 KiB.
    pub value: u32,
    /// Options of all Connection fields of a head, a count. Default 32.
    pub connection_options: u32,
    /// Protocols of all Upgrade fields of a head, a count. Default 8.
    pub upgrade_protocols: u32,
    /// A trailer section, with the empty line that ends it. Default 8 KiB.
    pub trailers: u32,
    /// Fields of a trailer section, a count. Default 32.
    pub trailer_fields: u32,
    /// A chunk's line: size and extensions. Default 256.
    pub chunk_line: u32,
    /// Chunk extensions of one body in all. Default 4 KiB.
    pub chunk_extensions: u32,
    /// A body, without its framing. Default: no limit.
    pub body: u64,
    /// Informational (1xx) responses to one request, a count. Default 16.
    pub informational: u32,
    /// Requests of one connection that have no complete response yet, a count of at least 1. Default 16.
    pub pipelined: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 64 << 10,
            method: 32,
            target: 16 << 10,
            reason: 512,
            fields: 128,
            name: 256,
            value: 32 << 10,
            connection_options: 32,
            upgrade_protocols: 8,
            trailers: 8 << 10,
            trailer_fields: 32,
            chunk_line: 256,
            chunk_extensions: 4 << 10,
            body: u64::MAX,
            informational: 16,
            pipelined: 16,
        }
    }
}
