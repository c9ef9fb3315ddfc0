//! Connections that come by a proxy which says, by the PROXY protocol, whom it speaks for.

use std::{future::poll_fn, net::SocketAddr};

use ripstop_exchange::Io;
use ripstop_proxy_protocol::{Header, Parsed, parse};
use ripstop_tls::Buffer;
use tokio::time::timeout;

use super::connection::HANDSHAKE;
use crate::error::Error;

/// Reads the header that a connection of `proxy` begins with. What was read behind it is left in `read`. Nothing: it ended
/// before it said anything, as those do by which load balancers find out whether somebody listens.
pub(super) async fn header(stream: &mut Io, read: &mut Buffer, proxy: SocketAddr) -> Result<Option<Header>, Error> {
    let refused = |reason: String| Error::Unannounced { address: proxy, reason };
    let reading = async {
        loop {
            match parse(read.filled()) {
                Ok(Parsed::Whole { header, length }) => {
                    read.consume(length);
                    return Ok(Some(header));
                }
                Ok(Parsed::Partial) => {}
                Err(malformed) => return Err(refused(malformed.to_string())),
            }
            match poll_fn(|cx| stream.poll_read(cx, read)).await {
                Ok(0) | Err(_) if read.is_empty() => return Ok(None),
                Ok(0) => return Err(refused("it ended before its header did".into())),
                Ok(_) => {}
                Err(error) => return Err(refused(error.to_string())),
            }
        }
    };
    timeout(HANDSHAKE, reading).await.unwrap_or_else(|_| Err(refused("its header did not come in time".into())))
}

#[cfg(test)]
mod tests;
