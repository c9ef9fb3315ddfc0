//! Ports of gateways on the host's loopback: accepted here, handed over as connected sockets.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ripstop_net::FdChannel;
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use crate::handover::{self, ToWorld};

/// A port that a gateway listens on, to be opened on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opening {
    /// The port, as `Gateway` objects name it.
    pub(crate) port: u16,
    /// The process, `<namespace>/<name>`.
    pub(crate) gateway: String,
    /// What is spoken there: `http`, `https`, `tls`, `tcp`.
    pub(crate) protocol: String,
}

/// A connection that came to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Came {
    pub(crate) port: u16,
    pub(crate) gateway: String,
    pub(crate) peer: SocketAddr,
}

/// A port of a gateway on the host, and how it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrance {
    /// The port, as `Gateway` objects name it.
    pub port: u16,
    /// The process, `<namespace>/<name>`.
    pub gateway: String,
    /// What is spoken there: `http`, `https`, `tls`, `tcp`.
    pub protocol: String,
    /// Where it is open on the host.
    pub address: Option<SocketAddr>,
    /// Why it is not open; it is tried again.
    pub error: Option<String>,
}

/// The ports that are to be open; each is a task.
pub(crate) struct Entrances {
    host: Arc<FdChannel>,
    open: BTreeMap<u16, (Opening, AbortHandle)>,
    tasks: JoinSet<()>,
    known: BTreeMap<u16, Entrance>,
    tell: mpsc::Sender<Entrance>,
    told: mpsc::Receiver<Entrance>,
}

/// Ports below are for privileged users, unless the machine says otherwise; …
const PRIVILEGED: u16 = 1024;
/// … others find them by so much higher.
const MOVED_BY: u16 = 8000;
/// Pause before a port that could not be had is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Pause when the system has no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// News that wait at most.
const NEWS: usize = 64;

// === impl Entrances ===

impl Entrances {
    pub(crate) fn new(host: Arc<FdChannel>) -> Self {
        let (tell, told) = mpsc::channel(NEWS);
        Self { host, open: BTreeMap::new(), tasks: JoinSet::new(), known: BTreeMap::new(), tell, told }
    }

    /// Opens and closes ports, so that these are open; those that stay are not touched. Gives those that were closed.
    pub(crate) fn follow(&mut self, openings: Vec<Opening>) -> Vec<Entrance> {
        let wanted: BTreeMap<u16, Opening> = openings.into_iter().map(|opening| (opening.port, opening)).collect();
        let mut closed = Vec::new();
        self.open.retain(|port, (opening, task)| {
            let stays = wanted.get(port) == Some(opening);
            if !stays {
                task.abort();
                closed.extend(self.known.remove(port));
            }
            stays
        });
        for (port, opening) in wanted {
            if !self.open.contains_key(&port) {
                let (host, tell) = (Arc::clone(&self.host), self.tell.clone());
                let task = self.tasks.spawn(keep(opening.clone(), host, tell));
                self.open.insert(port, (opening, task));
            }
        }
        while self.tasks.try_join_next().is_some() {}
        closed
    }

    /// The next one that was opened, or could not be. Cancel safe.
    pub(crate) async fn next(&mut self) -> Entrance {
        loop {
            // The sender lives as long as this.
            let Some(entrance) = self.told.recv().await else { return std::future::pending().await };
            // What was told before it was closed counts no more.
            if self.open.contains_key(&entrance.port) {
                self.known.insert(entrance.port, entrance.clone());
                return entrance;
            }
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Entrance> {
        self.known.values().cloned().collect()
    }
}

/// Keeps one port open.
async fn keep(opening: Opening, host: Arc<FdChannel>, tell: mpsc::Sender<Entrance>) {
    let Opening { port, gateway, protocol } = opening;
    let news = |address: Option<SocketAddr>, error: Option<String>| Entrance {
        port,
        gateway: gateway.clone(),
        protocol: protocol.clone(),
        address,
        error,
    };
    let mut last = None;
    let listener = loop {
        match listen(port).await {
            Ok(listener) => break listener,
            Err(error) => {
                let moved = if error.port == port { "" } else { " (moved, as only root may open the other)" };
                let error = format!("{}:{}{moved}: {}", Ipv4Addr::LOCALHOST, error.port, error.source);
                if last.as_ref() != Some(&error) {
                    tracing::warn!(port, gateway, %error, "a port of a gateway cannot be opened; it is tried again");
                    last = Some(error.clone());
                    if tell.send(news(None, Some(error))).await.is_err() {
                        return;
                    }
                }
                sleep(RETRY).await;
            }
        }
    };
    let address = listener.local_addr().ok();
    tracing::info!(port, gateway, ?address, "a port of a gateway is open");
    if tell.send(news(address, None)).await.is_err() {
        return;
    }
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tracing::debug!(port, gateway, %peer, "a connection to a gateway");
                let came = ToWorld::Ingress(Came { port, gateway: gateway.clone(), peer });
                // Waits while PID 1 is behind: then the kernel's queue is the bound.
                if let Err(error) = handover::send_with(&host, &came, &stream).await {
                    tracing::warn!(%error, "a connection to a gateway is lost");
                }
            }
            Err(error) => {
                tracing::warn!(%error, port, "a port of a gateway cannot accept");
                sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Why a port cannot be opened, and which it was in the end.
#[derive(Debug)]
struct Unopened {
    port: u16,
    source: io::Error,
}

/// Listens on a port of the host's loopback: a privileged one is moved for who may not have it.
async fn listen(port: u16) -> Result<TcpListener, Unopened> {
    let bind = async |port: u16| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| Unopened { port, source })
    };
    match bind(port).await {
        Err(error) if error.source.kind() == io::ErrorKind::PermissionDenied && port < PRIVILEGED => {
            bind(port + MOVED_BY).await
        }
        other => other,
    }
}

// === impl Entrance ===

impl Entrance {
    /// As one writes it; nothing: it is not open.
    pub fn url(&self) -> Option<String> {
        let address = self.address?;
        Some(match self.protocol.as_str() {
            "http" | "https" => format!("{}://{address}", self.protocol),
            _ => format!("{address} ({})", self.protocol),
        })
    }
}

impl fmt::Display for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, gateway, address, error, .. } = self;
        match (self.url(), error) {
            (Some(url), _) => {
                write!(f, "{url} → gateway {gateway}")?;
                match address.map(|address| address.port()) {
                    Some(open) if open != *port => write!(f, " (port {port}, moved: only root may open it here)"),
                    _ => Ok(()),
                }
            }
            (None, Some(error)) => {
                write!(f, "port {port} of gateway {gateway} is not open: {error}; it is tried again")
            }
            (None, None) => write!(f, "port {port} of gateway {gateway} is closed"),
        }
    }
}

#[cfg(test)]
mod tests;
