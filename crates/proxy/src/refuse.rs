//! The one place where a plaintext connection is turned away.

use std::{io, os::fd::AsFd, time::Duration};

use socket2::SockRef;
use tokio::net::TcpStream;

/// Ends `stream` with a reset, so that the caller does not take the end for an orderly one.
#[expect(clippy::needless_pass_by_value, reason = "it ends here: dropping it is what sends the reset")]
pub fn reset(stream: TcpStream) -> io::Result<()> {
    SockRef::from(&stream.as_fd()).set_linger(Some(Duration::ZERO))
}

/// Refuses a plaintext connection that a policy does not allow.
pub fn refuse_plaintext(stream: TcpStream) {
    if let Err(error) = reset(stream) {
        tracing::debug!(%error, "a refused connection had already ended");
    }
}
