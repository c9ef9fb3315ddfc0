//! Connections that were accepted elsewhere: on the host, whose namespaces a mesh without root can't enter.

use std::{net::SocketAddr, os::fd::OwnedFd, sync::Arc, time::Duration};

use ripstop_net::{FdChannel, scm::Message, socket::reset_on_close};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::doors::{Open, Taker};
use crate::{
    listeners::canonical,
    local::LocalWorkload,
    worker::{Accepted, Capture, Crew, Place},
};

/// How long a connection waits for its listener: the host may have heard of it earlier.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection, as the one who accepted it tells of it: `{"port": 80, "peer": "127.0.0.1:40000"}`, and its descriptor.
struct Handed {
    port: u16,
    peer: SocketAddr,
    stream: OwnedFd,
}

/// Takes connections until nobody hands over any more.
pub async fn receive(channel: FdChannel, open: watch::Receiver<Open>, workload: Arc<LocalWorkload>, crew: Arc<Crew>) {
    let mut waiting = JoinSet::new();
    loop {
        while waiting.try_join_next().is_some() {}
        let message = match channel.recv().await {
            Ok(Some(message)) => message,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                tracing::warn!(%error, "a connection from the host was lost");
                continue;
            }
            Ok(None) | Err(_) => return,
        };
        let Some(handed) = Handed::read(message) else {
            tracing::warn!("what the host handed over is no connection");
            continue;
        };
        let Ok(place) = workload.places.clone().try_acquire_owned() else {
            // If it cannot be set, the caller sees an ordinary end.
            let _ = reset_on_close(&handed.stream);
            tracing::warn!(limit = workload.limit, "too many connections: new ones are reset");
            continue;
        };
        let Handed { port, peer, stream } = handed;
        let (workload, crew, mut open) = (workload.clone(), crew.clone(), open.clone());
        // Places are the bound of those who wait.
        waiting.spawn(async move {
            let there = timeout(PATIENCE, open.wait_for(|open| open.contains_key(&port))).await;
            let door = there.ok().and_then(Result::ok).and_then(|open| open.get(&port).cloned());
            let Some(door) = door else {
                tracing::info!(port, %peer, "a connection came to a port where nothing listens any more");
                let _ = reset_on_close(&stream);
                return;
            };
            crew.deal(Accepted {
                capture: Capture::Gateway(door, Taker::Host),
                workload,
                stream: stream.into(),
                peer,
                place: Place::Workload(place),
            });
        });
    }
}

// === impl Handed ===

impl Handed {
    fn read(mut message: Message) -> Option<Self> {
        let stream = message.fds.pop()?;
        let told: serde_json::Value = serde_json::from_slice(&message.data).ok()?;
        let port = u16::try_from(told["port"].as_u64()?).ok()?;
        let peer = canonical(told["peer"].as_str()?.parse().ok()?);
        Some(Self { port, peer, stream })
    }
}

#[cfg(test)]
mod tests;
