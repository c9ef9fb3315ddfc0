//! The numbers of the wire and the limits behind them.

use std::time::Duration;

/// Streams one tunnel carries at once, both as what we advertise (SETTINGS_MAX_CONCURRENT_STREAMS) and as the most
/// we open; a peer that allows fewer gets fewer.
pub const MAX_STREAMS: u32 = 100;
/// Receive window of a stream (SETTINGS_INITIAL_WINDOW_SIZE): what one stalled reader may hold in memory.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// Receive window of the connection, opened by WINDOW_UPDATE right behind the preface.
pub const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;
/// Largest frame we accept (SETTINGS_MAX_FRAME_SIZE). What we send never exceeds the peer's setting.
pub const MAX_FRAME: u32 = 64 * 1024;
/// Largest header list a client accepts in an answer (SETTINGS_MAX_HEADER_LIST_SIZE).
pub const CLIENT_HEADER_LIST: u32 = 16 * 1024;
/// Largest header list a server accepts in a request (SETTINGS_MAX_HEADER_LIST_SIZE).
pub const SERVER_HEADER_LIST: u32 = 64 * 1024;
/// Bytes of a stream that may wait to be sent; a writer gets no more capacity before they left.
pub const SEND_BUFFER: usize = 64 * 1024;
/// What the bookkeeping of small DATA frames that nobody reads may cost a connection before it is closed.
pub const SMALL_FRAME_BUDGET: usize = CONNECTION_WINDOW as usize;
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
/// A tunnel without streams is closed after this time.
pub const IDLE_AFTER: Duration = Duration::from_mins(5);

/// Room for what the window accounting of the connection lags behind.
const SLACK: u32 = 4 * MAX_FRAME;

// The invariant behind "one stalled stream never blocks the others": even when every stream of a connection but one
// is full and unread, the last still has connection window.
const _: () = assert!(CONNECTION_WINDOW >= MAX_STREAMS * STREAM_WINDOW + SLACK);
const _: () = assert!(MAX_FRAME >= 16_384 && MAX_FRAME <= STREAM_WINDOW, "RFC 9113 6.5.2");
