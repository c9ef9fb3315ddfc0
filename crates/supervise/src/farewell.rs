//! The last of a workload's network: its processes have ended, and its link is still up.
//!
//! The sockets of proxies that serve a workload are in its namespace, also those of the tunnels that carry its connections. So
//! what an application wrote last, and that a connection has ended, gets to nobody once the link is down: peers would
//! count connections as open until they find out by themselves that nobody is there.

use std::time::Duration;

use ripstop_net::{
    NetNs,
    diag::{self, TcpSocket, TcpState},
};
use tokio::time::{sleep, timeout};

/// How long what was said last may take to get out.
const LAST: Duration = Duration::from_secs(1);
/// How long proxies may take to end what they have there.
const END: Duration = Duration::from_secs(1);
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until nothing that was written waits to be read or acknowledged, for a second at most. A proxy that has read
/// something passes it on before the next look, so that it is nowhere twice only if it is through.
pub(crate) async fn said(netns: &NetNs) {
    let waits = |sockets: &[TcpSocket]| sockets.iter().any(|socket| socket.waiting > 0);
    let quiet = async {
        let mut quiet = 0;
        while quiet < 2 {
            quiet = if looked(netns, waits) { 0 } else { quiet + 1 };
            sleep(LOOK).await;
        }
    };
    let _in_time = timeout(LAST, quiet).await;
}

/// Waits until no process has a connection there, and the end of each is acknowledged, for a second at most.
pub(crate) async fn ended(netns: &NetNs) {
    let is_open = |socket: &TcpSocket| socket.state != TcpState::Listen && (socket.inode != 0 || socket.waiting > 0);
    let ended = async {
        while looked(netns, |sockets| sockets.iter().any(is_open)) {
            sleep(LOOK).await;
        }
    };
    let _in_time = timeout(END, ended).await;
}

/// What there is to see now; nothing where that cannot be seen.
fn looked(netns: &NetNs, is_there: impl FnOnce(&[TcpSocket]) -> bool) -> bool {
    match tokio::task::block_in_place(|| diag::tcp_sockets(netns)) {
        Ok(sockets) => is_there(&sockets),
        Err(error) => {
            tracing::debug!(%error, "the sockets of a namespace cannot be listed");
            false
        }
    }
}
