//! Watches a node's uplink: what passes between the nodes, and whether a text is among it.

use bytes::Bytes;
use ripstop_net::{NetNs, socket::PacketSocket};
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Duration, interval},
};

use crate::{Error, Result, marker::MarkerMatcher};

/// What passed since the watch began. One JSON line each second, and one at the first hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct LinkCounts {
    /// Packets, both ways.
    packets: u64,
    /// Their bytes, link headers included.
    bytes: u64,
    /// How often the marker was seen.
    marker_hits: u64,
    /// Packets that came faster than they could be looked at.
    dropped: u64,
}

/// Room for a packet with segmentation offload.
const LARGEST: usize = 256 << 10;

/// Opens the watch on `interface` of the world's own namespace.
pub(crate) fn open(interface: &str) -> Result<PacketSocket> {
    let watch = || PacketSocket::open(&NetNs::current()?, interface);
    watch().map_err(Error::system(format!("watch link {interface}")))
}

/// Watches until nobody reads the lines any more. The first line comes at once: what passes after it
/// is counted.
pub(crate) async fn run(socket: PacketSocket, marker: &[u8], lines: mpsc::Sender<Bytes>) {
    let mut matcher = MarkerMatcher::new(marker);
    let mut counts = LinkCounts::default();
    let mut buffer = vec![0; LARGEST];
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        let tell = tokio::select! {
            _ = seconds.tick() => true,
            packet = socket.recv(&mut buffer) => match packet {
                Ok(length) => counts.take(length, matcher.frame(&buffer[..length.min(LARGEST)])),
                Err(error) => {
                    tracing::warn!(%error, "link watch ended");
                    return;
                }
            },
            () = lines.closed() => return,
        };
        if tell {
            counts.dropped += socket.dropped().map_or(0, u64::from);
            if lines.send(counts.line()).await.is_err() {
                return;
            }
        }
    }
}

// === impl LinkCounts ===

impl LinkCounts {
    /// Counts a packet; gives whether it holds the first hit.
    fn take(&mut self, length: usize, hits: u64) -> bool {
        let first = self.marker_hits == 0 && hits > 0;
        self.packets += 1;
        self.bytes += length as u64;
        self.marker_hits += hits;
        first
    }

    fn line(&self) -> Bytes {
        // Numbers always serialise.
        let text = serde_json::to_string(self).unwrap_or_default();
        Bytes::from(text + "\n")
    }
}

#[cfg(test)]
mod tests;
