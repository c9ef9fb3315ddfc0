//! When a connection that nobody reads is over.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use ripstop_net::socket::quiet_for;
use tokio::{
    net::TcpStream,
    select,
    time::{sleep, sleep_until},
};

use crate::error::Error;

/// How long a connection may last from its beginning, and how long nothing may pass on it.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    began: Instant,
    limit: Option<Duration>,
    silence: Option<Duration>,
}

// === impl Lifetime ===

impl Lifetime {
    /// As long as both ends want it.
    pub(super) fn endless() -> Self {
        Self::begins(None, None)
    }

    /// From now on.
    pub fn begins(limit: Option<Duration>, silence: Option<Duration>) -> Self {
        Self { began: Instant::now(), limit, silence }
    }

    /// Waits until it is over, and tells so. What passes is what its caller's socket says, which is asked when it would
    /// be over if nothing had passed: bytes cost nothing more.
    pub fn over(self, own: Option<&TcpStream>) -> impl Future<Output = Error> + use<> {
        let Self { began, limit, silence } = self;
        // A handle of its own, while the connection itself is elsewhere.
        let watched = silence.zip(own).map(|(limit, own)| (limit, own.as_fd().try_clone_to_owned()));
        async move {
            select! {
                error = outlived(began, limit) => error,
                error = silent(began, watched) => error,
            }
        }
    }
}

async fn outlived(began: Instant, limit: Option<Duration>) -> Error {
    let Some((limit, end)) = limit.and_then(|limit| Some((limit, began.checked_add(limit)?))) else {
        return std::future::pending().await;
    };
    sleep_until(end.into()).await;
    Error::Outlived(limit)
}

async fn silent(began: Instant, watched: Option<(Duration, io::Result<OwnedFd>)>) -> Error {
    let Some((limit, socket)) = watched else { return std::future::pending().await };
    loop {
        // While it was connected further, nobody could say anything.
        let quiet = socket.as_ref().map_err(io::Error::to_string).and_then(|socket| {
            quiet_for(socket).map(|quiet| quiet.min(began.elapsed())).map_err(|error| error.to_string())
        });
        match quiet.map(|quiet| limit.checked_sub(quiet).filter(|left| !left.is_zero())) {
            Ok(None) => return Error::Silent(limit),
            Ok(Some(left)) => sleep(left).await,
            Err(error) => {
                tracing::warn!(error, "a connection stays open however long it is silent");
                return std::future::pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
