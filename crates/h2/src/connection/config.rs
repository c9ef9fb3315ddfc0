//! What a connection offers, and what it puts up with.

use crate::{Rate, frame::DEFAULT_MAX_FRAME, settings::DEFAULT_TABLE};

/// What a connection offers its peer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Receive window of a stream at its beginning, in bytes (SETTINGS_INITIAL_WINDOW_SIZE).
    pub window: u32,
    /// What the window of a stream may grow to where the path needs it, in bytes.
    pub max_window: u32,
    /// Receive window of the connection, in bytes. Bounds what all streams together may leave unread. For no stream to
    /// ever wait for another's reader it must be at least `streams × window` and a little.
    pub connection_window: u32,
    /// Largest frame accepted, in bytes (SETTINGS_MAX_FRAME_SIZE), 16,384 to 16,777,215.
    pub max_frame: u32,
    /// Largest list of header fields accepted, in bytes as RFC 9113 6.5.2 counts (SETTINGS_MAX_HEADER_LIST_SIZE).
    pub max_header_list: u32,
    /// Size of HPACK's table for what is received, in bytes (SETTINGS_HEADER_TABLE_SIZE).
    pub header_table: u32,
    /// Streams open at once: of a server, those that the peer may open (SETTINGS_MAX_CONCURRENT_STREAMS); of a client,
    /// those that it opens, if the server allows as many.
    pub max_streams: u32,
    /// Of a server: extended CONNECT is possible (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441).
    pub connect_protocol: bool,
    /// How much payload may wait in [`Connection::output`](crate::Connection::output), in bytes.
    pub output: usize,
    /// Of a server: what becomes of requests that it can't take.
    pub refusals: Refusals,
    /// What a peer may do that is of no use.
    pub limits: Limits,
}

/// How requests are refused that are malformed or too large. Those that may be tried elsewhere (too many streams) are
/// reset with REFUSED_STREAM in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusals {
    /// RST_STREAM with PROTOCOL_ERROR or ENHANCE_YOUR_CALM.
    #[default]
    Reset,
    /// 400 or 431 without content, as people rather see (RFC 9113 8.1.1); then RST_STREAM with NO_ERROR, if the request
    /// has not ended.
    Answer,
}

/// What a peer may do that costs us more than it: beyond it, the connection ends with ENHANCE_YOUR_CALM.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Streams that the peer resets before they were answered (rapid reset, CVE-2023-44487).
    pub early_resets: Rate,
    /// Streams that we have to reset because of what the peer did (MadeYouReset, CVE-2025-8671), refused ones included.
    pub provoked_resets: Rate,
    /// Streams beyond [`Config::max_streams`] that are refused at no charge while the peer has not acknowledged our
    /// SETTINGS, so that it may not know of that limit. Further ones are `provoked_resets`.
    pub unsettled_refusals: u32,
    /// SETTINGS, each of which has to be acknowledged (CVE-2019-9515).
    pub settings: Rate,
    /// PINGs, each of which has to be answered (CVE-2019-9512). Every head and every DATA frame that is sent, and every
    /// one that is received with something in it, allows one more: grpc-go and others measure their path with a PING
    /// for each DATA frame they get.
    pub pings: Rate,
    /// Frames that bring nothing: DATA without data (CVE-2019-9518), PRIORITY (CVE-2019-9513), frames of unknown types,
    /// frames of streams that are gone (of DATA those of less than 1 KiB), window updates of less than 1 KiB. Of window
    /// updates 10 are free for each DATA frame that was sent, unless that used up a window: who opens windows little by
    /// little makes us send more frames.
    pub idle_frames: Rate,
    /// Responses before the final one (1xx) of one stream; beyond it, the stream is reset.
    pub informational: u32,
    /// CONTINUATION frames of one header block (CVE-2024-27316).
    pub continuations: u32,
    /// A header block as it is sent, in bytes.
    pub header_block: usize,
    /// A header list beyond `max_header_list` costs the peer the stream; beyond this, in bytes, the connection (HPACK
    /// bombs).
    pub header_bomb: usize,
    /// Bytes of acknowledgements, resets and window updates that wait because the peer does not read. If this much and
    /// [`Config::output`] wait in all, heads of answers included, new requests are refused.
    pub unread_output: usize,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            window: 256 * 1024,
            max_window: 4 * 1024 * 1024,
            connection_window: 32 * 1024 * 1024,
            max_frame: DEFAULT_MAX_FRAME,
            max_header_list: 64 * 1024,
            header_table: DEFAULT_TABLE,
            max_streams: 100,
            connect_protocol: false,
            output: 128 * 1024,
            refusals: Refusals::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            early_resets: Rate::new(200, 100),
            provoked_resets: Rate::new(200, 20),
            unsettled_refusals: 1_000,
            settings: Rate::new(100, 10),
            pings: Rate::new(100, 10),
            idle_frames: Rate::new(2_000, 1_000),
            informational: 16,
            continuations: 16,
            header_block: 96 * 1024,
            header_bomb: 1024 * 1024,
            unread_output: 256 * 1024,
        }
    }
}
