//! The lines to proxies: the node's, and those of single workloads; of each the newest counts.
//!
//! What the proxy says becomes [`ProxyEvent`]s; what it is told goes through the
//! [`Outbox`] that came with [`ProxyEvent::Up`]. Listeners and sockets are closed
//! here as soon as they are sent.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::Duration,
};

use prost::Message as _;
use ripstop_net::{FdChannel, NetNs, PeerNs, scm::SeqpacketListener};
use ripstop_wire::ripstop::{
    AddWorkload, AgentToProxy, DelWorkload, DrainWorkload, LendListeners, ProxyHello, ProxyToAgent, ReleaseWorkload,
    SnapshotSent, SocketRequest, Sockets, agent_to_proxy, proxy_to_agent,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{Error, broker::Broker};

/// How long a proxy may take to say hello, and to take a message.
const DEADLINE: Duration = Duration::from_secs(5);
/// Messages that wait for the proxy to take them.
const OUTBOX: usize = 1024;
/// Connections at a time: the node's proxy, one of each workload that has its own, their successors, and some that have not
/// said hello.
const CONNECTIONS: usize = 4096;
/// Pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(50);
/// Version of the protocol.
const PROTOCOL: u32 = 1;

/// What a proxy says, with the number of its connection.
#[derive(Debug)]
pub(crate) struct ProxyEvent {
    /// Counts connections; of one proxy the highest is it.
    pub(crate) line: u64,
    pub(crate) said: Said,
}

/// See [`ProxyEvent`].
#[derive(Debug)]
pub(crate) enum Said {
    /// It connected, and still holds the listeners of these workloads. It serves one `only`, or the node.
    Up { held: Vec<String>, only: Option<String>, pid: Option<u32>, outbox: Outbox },
    /// It is gone.
    Down,
    /// It took the listeners of a workload, or says why not.
    Ack { uid: String, error: String },
    /// It needs sockets in a workload's namespace.
    Sockets(SocketRequest),
    /// Captured connections of workloads that leave, or that others serve by now.
    Counts(Vec<(String, u64)>),
    /// Copies of the listeners of a workload.
    Lent { uid: String, listeners: Vec<OwnedFd> },
}

/// Where messages for one connection of a proxy go; dropping it closes the connection.
#[derive(Clone, Debug)]
pub(crate) struct Outbox(mpsc::Sender<Outgoing>);

#[derive(Debug)]
struct Outgoing {
    kind: agent_to_proxy::Kind,
    fds: Vec<OwnedFd>,
}

/// Who says which proxy a process is.
#[derive(Clone, Debug)]
pub(crate) enum Voucher {
    /// Who started it.
    Supervisor(Broker),
    /// Nobody: proxies are what they say. So where somebody starts an agent alone.
    Nobody,
}

/// Accepts proxies that live in the node's own namespace, for ever. None is what `voucher` does not say it is.
pub(crate) async fn serve(
    listener: SeqpacketListener,
    node: NetNs,
    voucher: Voucher,
    events: mpsc::Sender<ProxyEvent>,
) {
    let mut lines = JoinSet::new();
    let check = |peer: &PeerNs| if peer.netns == node.inode() { Ok(()) } else { Err("it lives in another namespace") };
    for line in 1.. {
        if lines.len() >= CONNECTIONS {
            warn!(limit = CONNECTIONS, "too many proxies: further ones wait");
            lines.join_next().await;
        }
        while lines.try_join_next().is_some() {}
        match listener.accept_checked(check, refused).await {
            Ok((channel, peer)) => {
                lines.spawn(converse(line, channel, peer, voucher.clone(), events.clone()));
            }
            Err(error) => {
                warn!(%error, "the agent's socket");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Listens on `path`.
pub(crate) fn listen(path: &Path) -> Result<SeqpacketListener, Error> {
    SeqpacketListener::bind(path).map_err(|source| Error::File { what: "listen on", path: path.to_owned(), source })
}

fn refused(who: Result<(PeerNs, &str), std::io::Error>) {
    match who {
        Ok((peer, reason)) => warn!(pid = peer.pid, uid = peer.uid, reason, "refused on the agent's socket"),
        Err(error) => warn!(%error, "refused on the agent's socket: its peer cannot be known"),
    }
}

async fn converse(line: u64, channel: FdChannel, peer: PeerNs, voucher: Voucher, events: mpsc::Sender<ProxyEvent>) {
    let Ok(Some((proxy_to_agent::Kind::Hello(hello), _))) = timeout(DEADLINE, receive(&channel)).await else {
        return warn!(pid = peer.pid, "the proxy connected, but said no hello in time");
    };
    let ProxyHello { protocol, held, only, .. } = hello;
    let only = Some(only).filter(|only| !only.is_empty());
    if protocol != PROTOCOL {
        return warn!(protocol, ours = PROTOCOL, "the proxy speaks another version; restart the older of the two");
    }
    if let Err(reason) = voucher.vouch(&channel, peer.pid, only.as_deref()).await {
        return warn!(pid = peer.pid, sidecar_of = only, reason, "a proxy that is not what it says is refused");
    }
    info!(pid = peer.pid, held = held.len(), sidecar_of = only, "a proxy is there");
    let (outbox, mut out) = mpsc::channel(OUTBOX);
    let event = |said| ProxyEvent { line, said };
    if events.send(event(Said::Up { held, only: only.clone(), pid: peer.pid, outbox: Outbox(outbox) })).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            // Its workloads' names are in its questions, so nothing is lost if the order differs.
            kind = receive(&channel) => {
                let said = match kind {
                    Some((proxy_to_agent::Kind::Ack(ack), _)) => Said::Ack { uid: ack.uid, error: ack.error },
                    Some((proxy_to_agent::Kind::Sockets(request), _)) => Said::Sockets(request),
                    Some((proxy_to_agent::Kind::Lent(lent), listeners)) => Said::Lent { uid: lent.uid, listeners },
                    Some((proxy_to_agent::Kind::Counts(counts), _)) => {
                        Said::Counts(counts.counts.into_iter().map(|count| (count.uid, count.captured)).collect())
                    }
                    Some((proxy_to_agent::Kind::Hello(_), _)) => continue,
                    None => break,
                };
                if events.send(event(said)).await.is_err() {
                    return;
                }
            }
            outgoing = out.recv() => {
                let Some(Outgoing { kind, fds }) = outgoing else { return };
                let bytes = AgentToProxy { kind: Some(kind) }.encode_to_vec();
                let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                match timeout(DEADLINE, channel.send(&bytes, &borrowed)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        warn!(%error, "the proxy cannot be told");
                        break;
                    }
                    Err(_) => {
                        warn!("the proxy takes no messages; its connection is closed");
                        break;
                    }
                }
            }
        }
    }
    info!(pid = peer.pid, sidecar_of = only, "a proxy went away");
    // Nobody hears it when the agent ends.
    let _ = events.send(event(Said::Down)).await;
}

/// The next message that makes sense, with its descriptors; nothing at the end.
async fn receive(channel: &FdChannel) -> Option<(proxy_to_agent::Kind, Vec<OwnedFd>)> {
    loop {
        let message = match channel.recv().await {
            Ok(message) => message?,
            Err(error) => {
                warn!(%error, "the proxy cannot be heard");
                return None;
            }
        };
        match ProxyToAgent::decode(&*message.data) {
            Ok(ProxyToAgent { kind: Some(kind) }) => return Some((kind, message.fds)),
            Ok(_) => warn!("the proxy sent a message that this version does not know"),
            Err(error) => {
                warn!(%error, "the proxy sent a message that cannot be read");
                return None;
            }
        }
    }
}

// === impl Voucher ===

impl Voucher {
    /// Whether the process at the other end of `channel`, as the kernel names it, is the proxy of the workload `only`, or, with
    /// nothing, of the node; why not.
    async fn vouch(&self, channel: &FdChannel, pid: Option<u32>, only: Option<&str>) -> Result<(), String> {
        let Self::Supervisor(supervisor) = self else { return Ok(()) };
        let pid = pid.ok_or("its process cannot be seen from here")?;
        let process = channel.peer_process().map_err(|error| error.to_string())?;
        let serves = supervisor.serves(pid).await.map_err(|error| error.to_string())?;
        if !process.is_alive().map_err(|error| error.to_string())? {
            return Err("it has ended, and its number may mean another by now".to_owned());
        }
        if serves.may_say(only) { Ok(()) } else { Err("it was started for something else".to_owned()) }
    }
}

// === impl Outbox ===

impl Outbox {
    /// Hands over a workload's listeners; without any, the proxy serves on with those it has.
    pub(crate) fn add(&self, uid: &str, listeners: Vec<OwnedFd>) -> bool {
        self.put(agent_to_proxy::Kind::Add(AddWorkload { uid: uid.to_owned() }), listeners)
    }

    /// Tells it to finish what is open.
    pub(crate) fn drain(&self, uid: &str) -> bool {
        self.put(agent_to_proxy::Kind::Drain(DrainWorkload { uid: uid.to_owned() }), Vec::new())
    }

    /// Tells it to drop a workload.
    pub(crate) fn delete(&self, uid: &str) -> bool {
        self.put(agent_to_proxy::Kind::Del(DelWorkload { uid: uid.to_owned() }), Vec::new())
    }

    /// Tells it that another proxy serves a workload from now on.
    pub(crate) fn release(&self, uid: &str) -> bool {
        self.put(agent_to_proxy::Kind::Release(ReleaseWorkload { uid: uid.to_owned() }), Vec::new())
    }

    /// Asks it for copies of a workload's listeners.
    pub(crate) fn lend(&self, uid: &str) -> bool {
        self.put(agent_to_proxy::Kind::Lend(LendListeners { uid: uid.to_owned() }), Vec::new())
    }

    /// Gives it the sockets that it asked for.
    pub(crate) fn sockets(&self, id: u64, sockets: Result<Vec<OwnedFd>, String>) -> bool {
        let (fds, error) = match sockets {
            Ok(fds) => (fds, String::new()),
            Err(error) => (Vec::new(), error),
        };
        let count = u32::try_from(fds.len()).unwrap_or(u32::MAX);
        self.put(agent_to_proxy::Kind::Sockets(Sockets { id, count, error }), fds)
    }

    /// Tells it that all workloads of the node were added.
    pub(crate) fn snapshot_sent(&self) -> bool {
        self.put(agent_to_proxy::Kind::SnapshotSent(SnapshotSent {}), Vec::new())
    }

    /// A full or closed outbox takes nothing: the connection is about to end, and its successor is
    /// told everything anew.
    fn put(&self, kind: agent_to_proxy::Kind, fds: Vec<OwnedFd>) -> bool {
        self.0.try_send(Outgoing { kind, fds }).is_ok()
    }
}

#[cfg(test)]
mod tests;
