//! The numbers of the wire and the limits behind them.

use std::time::Duration;

/// Streams one tunnel carries at once, both as what we advertise (SETTINGS_MAX_CONCURRENT_STREAMS) and as the most
/// we open; a peer that allows fewer gets fewer.
pub const MAX_STREAMS: u32 = 100;
/// Receive window of a stream (SETTINGS_INITIAL_WINDOW_SIZE): what one stalled reader may hold in memory.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// What the receive window of a stream may grow to. What all streams grow by comes out of what [`CONNECTION_WINDOW`]
/// leaves.
pub const MAX_STREAM_WINDOW: u32 = 4 * 1024 * 1024;
/// Receive window of the connection, opened by WINDOW_UPDATE right behind the preface.
pub const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;
/// Largest frame we accept (SETTINGS_MAX_FRAME_SIZE). What we send never exceeds the peer's setting. A frame of this size
/// with its records fits what the kernel sends at once (45 segments of 1,428 bytes or more), so that no small rest goes
/// through the whole stack by itself.
pub const MAX_FRAME: u32 = 62 * 1024;
/// Largest header list a client accepts in an answer (SETTINGS_MAX_HEADER_LIST_SIZE).
pub const CLIENT_HEADER_LIST: u32 = 16 * 1024;
/// Largest header list a server accepts in a request (SETTINGS_MAX_HEADER_LIST_SIZE).
pub const SERVER_HEADER_LIST: u32 = 64 * 1024;
/// Payload of all streams of a tunnel that may wait to be encrypted.
pub const OUTPUT: usize = 128 * 1024;
/// Connections that a peer may give up before they were answered. An application that gives up many at once must not
/// cost the others their tunnel; what each costs here is bounded by the number of handlers.
pub const EARLY_RESETS: ripstop_h2::Rate = ripstop_h2::Rate::new(2_000, 1_000);
/// TCP connect, TLS and HTTP/2 preface together, on either side.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// From sending CONNECT to its answer; the peer connects to its application in between.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Silence after which a PING is sent.
pub const PING_AFTER: Duration = Duration::from_secs(10);
/// Further silence after which the peer is given up.
pub const PING_DEADLINE: Duration = Duration::from_secs(20);
/// Tunnels between the same two parties.
pub const MAX_TUNNELS: usize = 16;
/// Bytes of a tunnel that may wait in the kernel (TCP_NOTSENT_LOWAT): small messages queue behind them.
pub const UNSENT: u32 = 128 * 1024;
/// A tunnel that moves more than this, in bytes a second, gets help by another one when streams are opened.
pub const BUSY: u64 = 100_000_000;
/// Tunnels that load alone may lead to, between the same two parties and of one worker.
pub const MAX_TUNNELS_FOR_LOAD: usize = 4;
/// A tunnel without streams is closed after this time.
pub const IDLE_AFTER: Duration = Duration::from_mins(5);

/// Room for what the window accounting of the connection lags behind.
const SLACK: u32 = 1024 * 1024;

// The invariant behind "one stalled stream never blocks the others": even when every stream of a connection but one
// is full and unread, the last still has connection window.
const _: () = assert!(CONNECTION_WINDOW >= MAX_STREAMS * STREAM_WINDOW + SLACK);
const _: () = assert!(MAX_FRAME >= 16_384 && MAX_FRAME <= STREAM_WINDOW, "RFC 9113 6.5.2");

/// What both ends say at the beginning.
pub(crate) fn config(role: ripstop_h2::Role) -> ripstop_h2::Config {
    ripstop_h2::Config {
        window: STREAM_WINDOW,
        max_window: MAX_STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
        max_frame: MAX_FRAME,
        max_header_list: match role {
            ripstop_h2::Role::Client => CLIENT_HEADER_LIST,
            ripstop_h2::Role::Server => SERVER_HEADER_LIST,
        },
        max_streams: MAX_STREAMS,
        connect_protocol: false,
        output: OUTPUT,
        refusals: ripstop_h2::Refusals::Answer,
        limits: ripstop_h2::Limits { early_resets: EARLY_RESETS, ..ripstop_h2::Limits::default() },
        ..ripstop_h2::Config::default()
    }
}
