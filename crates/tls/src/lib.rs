//! TLS 1.3 of a tunnel, without sockets.
//!
//! A [`Session`] is one end of a connection, from the first byte of its
//! handshake to its close. The owner of the socket moves ciphertext: it lets
//! the session read ([`Session::read_from`]) and write ([`Session::write_to`])
//! when the socket is ready. Between the two it opens what came
//! ([`Session::open`]) into a [`Buffer`] and seals what shall go
//! ([`Session::seal`]). Nothing here waits, knows the time or spawns.
//!
//! Handshake, certificates and policy are rustls' and come from the
//! configuration that the session is made with. The rules of the wire follow
//! RFC 8446; versions before 1.3 are not meant to be negotiated.

mod buffer;
mod copy;
mod error;
mod handover;
mod handshake;
mod key_tap;
mod outbound;
mod rustls_records;
mod session;
mod traffic;

#[cfg(test)]
mod testing;

pub use buffer::Buffer;
pub use error::Error;
pub use handover::Handover;
pub use session::{Progress, Records, Session};
