//! HBONE on the libraries of the field (the `h2` crate, tokio-rustls): what our own tunnel is compared with in tests.
//!
//! [`Client`] opens streams over one connection, [`serve`] accepts them; both give a [`Stream`]. What is on the wire and
//! what an end means are as `ripstop-tunnel` documents them; pools, relays and signs of life are left out. Everything
//! runs in the local tasks of one thread. Not for the product.

mod client;
mod server;
mod stream;

use std::io;

use h2::Reason;

pub use client::{Client, OpenError};
pub use server::{Incoming, serve};
pub use stream::Stream;

/// Bytes of a stream that may wait to be sent; a writer gets no more capacity before they left.
const SEND_BUFFER: usize = 64 * 1024;

/// An HTTP/2 error as an I/O error.
fn into_io(error: h2::Error) -> io::Error {
    if error.is_io() {
        let error = error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
        // The end of a tunnel must never look like the end of a stream.
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(io::ErrorKind::ConnectionReset, error),
            _ => error,
        };
    }
    let kind = if error.is_go_away() { io::ErrorKind::ConnectionAborted } else { io::ErrorKind::BrokenPipe };
    io::Error::new(kind, error)
}

fn broken(reason: Reason) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, h2::Error::from(reason))
}
