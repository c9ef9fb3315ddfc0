//! Bytes of any protocol, where one side is TLS that ends here.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use ripstop_exchange::Io;
use ripstop_tls::Buffer;
use ripstop_tunnel::Counters;
use tokio::select;

use crate::error::Error;

/// One direction.
#[derive(Default)]
struct Half {
    buffer: Buffer,
    stage: Stage,
    moved: u64,
}

/// How far one direction got.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// Its sender has ended.
    Ended,
    /// Its receiver has been told.
    Told,
}

/// Copies between `client` and `far` until both have ended, or `stop` says why it has to end before; gives what was
/// moved, and why it ended before its time.
pub async fn relay(
    mut client: Io,
    mut far: Io,
    counters: Counters<'_>,
    stop: impl Future<Output = Error>,
) -> ((u64, u64), Option<Error>) {
    let (mut forward, mut backward) = (Half::default(), Half::default());
    let ended = {
        let copying = poll_fn(|cx| {
            let one = forward.poll(cx, &mut client, &mut far, counters.forward)?;
            let other = backward.poll(cx, &mut far, &mut client, counters.backward)?;
            if one.is_ready() && other.is_ready() { Poll::Ready(io::Result::Ok(())) } else { Poll::Pending }
        });
        let (copying, stop) = (pin!(copying), pin!(stop));
        select! {
            copied = copying => copied.err().map(|error| Error::Relay(error.to_string())),
            stopped = stop => Some(stopped),
        }
    };
    if ended.is_some() {
        client.reset_on_drop();
        far.reset_on_drop();
    }
    ((forward.moved, backward.moved), ended)
}

// === impl Half ===

impl Half {
    fn poll(&mut self, cx: &mut Context<'_>, from: &mut Io, to: &mut Io, counter: &AtomicU64) -> Poll<io::Result<()>> {
        loop {
            while !self.buffer.is_empty() {
                let written = ready!(to.poll_write_vectored(cx, &[IoSlice::new(self.buffer.filled())]))?;
                self.buffer.consume(written);
                self.moved += written as u64;
                counter.fetch_add(written as u64, Relaxed);
            }
            match self.stage {
                Stage::Open => {
                    // What waits inside of TLS goes while nothing more comes.
                    let _goes_when_it_can = to.poll_flush(cx)?;
                    match ready!(from.poll_read(cx, &mut self.buffer)) {
                        Ok(0) => self.stage = Stage::Ended,
                        Ok(_) => {}
                        // Many say no goodbye in TLS before they end. What they have said is heard all the same.
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.stage = Stage::Ended,
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                Stage::Ended => {
                    ready!(to.poll_shutdown(cx))?;
                    self.stage = Stage::Told;
                }
                Stage::Told => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
