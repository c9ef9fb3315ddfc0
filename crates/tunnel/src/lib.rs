//! HBONE: TCP connections as CONNECT streams of HTTP/2 over mutual TLS.
//!
//! [`TunnelPool`] opens them, [`serve`] accepts them; both give a [`TunnelStream`], which [`relay`] copies to and from
//! a socket. Identities are verified by the rustls configurations that come in from outside; this crate trusts them.
//!
//! # How it works
//!
//! A tunnel has one owner task, which reads and writes its socket and runs TLS (`ripstop-tls`) and HTTP/2 (`ripstop-h2`).
//! The tasks of its streams are on the same thread: they put what their applications say straight into the frames that
//! the owner sends next, so that what several streams say at the same time leaves in one record; and they write what
//! comes straight from the buffer that TLS decrypted into. No lock, no channel, no copy between tasks. Nothing here is
//! `Send`: everything runs in the [`LocalSet`](tokio::task::LocalSet) of one worker.
//!
//! What a peer has proven may stop to count: [`Vouched`] ends its tunnel then.
//!
//! Buffers belong to the thread's pool and are held only while there is something in them. Deadlines are those of one
//! coarse timer wheel for each thread.
//!
//! # On the wire
//!
//! * TLS with ALPN `h2`, both sides present a certificate, the client sends no server name.
//! * Settings of both sides: push off (client), stream window 256 KiB, which grows to 4 MiB where the path needs it and
//!   the connection's window allows, connection window 32 MiB (by WINDOW_UPDATE at once), frames up to 64 KiB; the
//!   server allows 100 concurrent streams and header lists of 64 KiB, the client header lists of 16 KiB. Neither ever
//!   exceeds what the other advertises; a client assumes at most 100 streams until the server's SETTINGS are there.
//! * Request: `:method CONNECT`, `:authority` an [`Authority`], no `:scheme`, `:path` or `:protocol`; headers `baggage`,
//!   `forwarded`, `traceparent`, and `x-forwarded-network` in the inner request of a tunnel in a tunnel. Others are
//!   ignored.
//! * Answer: 200 once the application has accepted, optionally with `baggage`; then DATA both ways. 400 for anything
//!   but such a CONNECT or a destination that is not served, 401 denied by policy, 429 beyond a limit of connections, 503
//!   when the application can't be reached.
//! * END_STREAM is TCP's FIN in either direction. RST_STREAM NO_ERROR and CANCEL end a stream in order, CONNECT_ERROR
//!   stands for a TCP reset, other codes are errors. No trailers.
//! * GOAWAY: streams up to its last id finish, new ones go to another connection; streams above it are tried again.
//! * A tunnel ends with GOAWAY, close_notify and FIN; its socket stays until the peer has closed its side, 20 s at most,
//!   so that nothing on its way to the peer is lost. What a peer said before it went is still read.
//! * A tunnel whose peer is not trusted any more ends like that, but at once: its streams, too.
//! * PING after 10 s in which nothing was received; 20 s more of silence end the connection.
//!
//! No waiting here is without a deadline, no buffer without a bound: see [`settings`].

mod authority;
mod buffers;
mod error;
mod headers;
mod inbox;
mod keepalive;
mod link;
mod owner;
mod pipes;
mod pool;
mod relay;
mod seldom;
mod serve;
pub mod settings;
mod stream;
#[cfg(test)]
mod testing;
mod transport;
mod vouched;
mod wheel;

pub use authority::{Authority, AuthorityError};
pub use error::TunnelError;
pub use pool::{ConnectRequest, Credentials, PoolConfig, TunnelKey, TunnelPool};
pub use relay::{
    Counters, Left, Observer, Operation, Peer, RelayError, RelayFault, Relayed, Side, Totals, Way, Wish, relay,
    relay_observed, relay_until,
};
pub use seldom::Seldom;
pub use serve::{Accepted, IncomingStream, Refusal, accept};
pub use stream::TunnelStream;
pub use vouched::{Dialled, Vouched, Watch};
pub use wheel::Timer;
