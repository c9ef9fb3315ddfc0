//! Prepared sockets in the workloads' namespaces: one pool a worker, refilled in batches by
//! the agent, so that no worker needs a capability or enters a namespace.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    rc::Rc,
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ripstop_model::WorkloadUid;
use ripstop_wire::{
    gate::{Answer, Ask, GATE, LONGEST},
    ripstop::SocketKind,
};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};

use crate::{error::Error, listeners::canonical, outbound::random, serve, worker::keep_alive};

/// Sockets asked for at once, at least and at most.
const SMALLEST_BATCH: usize = 4;
const LARGEST_BATCH: usize = 64;
/// A batch that is used up sooner was too small: each costs the agent a thread that enters the namespace.
const SOON: Duration = Duration::from_millis(20);
/// A batch that lasts longer was too large: what it holds is kept for nobody.
const LONG: Duration = Duration::from_secs(1);
/// How long a connection waits for a socket: longer than an agent needs to restart.
const SOCKET_DEADLINE: Duration = Duration::from_secs(5);
/// Ports of connections with a peer's address: none that the peer itself takes for its connections
/// (Linux: 32768 to 60999). A plain connection of the peer from before capture, or after it, may be
/// open beside them, and the application's kernel tells them apart by the port alone.
const SPOOFED_PORTS: std::ops::Range<u16> = 10_000..32_768;
/// Ports tried for one connection.
const PORT_ATTEMPTS: usize = 16;
/// How long a TCP connection may take to open (ztunnel's figure).
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Where nodes and the control plane are, and no workload is.
const FABRIC: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x7269, 0x7073, 0, 0, 0, 0, 0), 64)),
];

/// Which sockets are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketKey {
    /// Whose namespace.
    pub uid: WorkloadUid,
    /// Marks and options.
    pub kind: SocketKind,
    /// Family.
    pub ipv6: bool,
}

/// A wish of one worker, for the agent.
#[derive(Clone, Debug)]
pub struct Refill {
    /// Index of the worker.
    pub worker: usize,
    /// What it wants.
    pub key: SocketKey,
    /// How many.
    pub count: usize,
}

/// Where sockets come from.
#[derive(Clone, Debug)]
pub enum Supply {
    /// From the agent, who makes them in the workloads' namespaces.
    Agent(mpsc::Sender<Refill>),
    /// The proxy makes them in its own: it is the only workload that it speaks for. Nobody is led to what is the mesh's
    /// own: the address of the control plane, which the proxy itself reaches from there, those of nodes, and the ports at
    /// which proxies tell of themselves, wherever they are.
    Own {
        /// The address of the control plane.
        control: IpAddr,
        /// Where connections out of the mesh are asked for; nothing: the proxy makes them itself.
        gate: Option<SocketAddr>,
    },
}

/// The pool of one worker.
#[derive(Clone, Debug)]
pub struct SocketPool(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    worker: usize,
    supply: Supply,
    ready: RefCell<HashMap<SocketKey, Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    sockets: VecDeque<OwnedFd>,
    batch: usize,
    /// When there was a wish last.
    wished: Option<Instant>,
    asked: bool,
    /// Wishes that the agent could not fulfil.
    refusals: u64,
    arrived: Rc<Notify>,
}

// === impl SocketPool ===

impl SocketPool {
    /// An empty pool that is filled by `supply`.
    pub fn new(worker: usize, supply: impl Into<Supply>) -> Self {
        Self(Rc::new(Inner { worker, supply: supply.into(), ready: RefCell::default() }))
    }

    /// Takes delivery, or learns that there is none: then whoever waits fails. What comes for a
    /// workload that was forgotten meanwhile is closed.
    pub fn deliver(&self, key: &SocketKey, sockets: Result<Vec<OwnedFd>, String>) {
        let mut ready = self.0.ready.borrow_mut();
        let Some(shelf) = ready.get_mut(key) else { return };
        shelf.asked = false;
        match sockets {
            Ok(sockets) => shelf.sockets.extend(sockets),
            Err(_) => shelf.refusals += 1,
        }
        shelf.arrived.notify_waiters();
    }

    /// The agent is back: what was asked of its predecessor will not come.
    pub fn ask_again(&self) {
        for shelf in self.0.ready.borrow_mut().values_mut() {
            shelf.asked = false;
            shelf.arrived.notify_waiters();
        }
    }

    /// Drops the sockets of a workload that is gone.
    pub fn forget(&self, uid: &WorkloadUid) {
        self.0.ready.borrow_mut().retain(|key, _| key.uid != *uid);
    }

    /// A socket of that kind, at once if one is ready.
    pub async fn take(&self, key: &SocketKey) -> Result<Socket, Error> {
        let refills = match &self.0.supply {
            Supply::Agent(refills) => refills,
            Supply::Own { .. } => return own(key),
        };
        let wait = async {
            let mut refusals = None;
            loop {
                let arrived = {
                    let mut ready = self.0.ready.borrow_mut();
                    let shelf = ready.entry(key.clone()).or_default();
                    let socket = shelf.sockets.pop_front();
                    if socket.is_none() && *refusals.get_or_insert(shelf.refusals) != shelf.refusals {
                        return None;
                    }
                    self.refill(refills, key, shelf, socket.is_none());
                    if let Some(socket) = socket {
                        return Some(Socket::from(socket));
                    }
                    shelf.arrived.clone()
                };
                // A delivery between the borrow and this line is impossible: one thread.
                arrived.notified().await;
            }
        };
        timeout(SOCKET_DEADLINE, wait).await.ok().flatten().ok_or_else(|| Error::NoSocket(key.uid.as_str().into()))
    }

    /// Asks for more when less than half a batch is left; batches follow the pace at which they are used.
    fn refill(&self, refills: &mpsc::Sender<Refill>, key: &SocketKey, shelf: &mut Shelf, ran_out: bool) {
        if shelf.asked || shelf.sockets.len() > shelf.batch / 2 {
            return;
        }
        let now = Instant::now();
        let lasted = shelf.wished.replace(now).map(|wished| now.saturating_duration_since(wished));
        shelf.batch = match shelf.batch {
            0 => SMALLEST_BATCH,
            batch if lasted.is_some_and(|lasted| lasted >= LONG) => (batch / 2).max(SMALLEST_BATCH),
            batch if ran_out || lasted.is_some_and(|lasted| lasted < SOON) => (batch * 2).min(LARGEST_BATCH),
            batch => batch,
        };
        let refill = Refill { worker: self.0.worker, key: key.clone(), count: shelf.batch };
        // A full queue means that the agent is behind: the next taker asks again.
        shelf.asked = refills.try_send(refill).is_ok();
    }

    /// Opens a connection from the workload's namespace to `address`.
    /// `source` is the address the callee shall see; nothing: the workload's own.
    pub async fn connect(
        &self,
        uid: &WorkloadUid,
        source: Option<SocketAddr>,
        address: SocketAddr,
    ) -> Result<TcpStream, Error> {
        self.connect_within(uid, source, address, CONNECT_DEADLINE).await
    }

    /// Opens a connection from the workload to a place outside of the mesh, within `limit`, and within
    /// [`LONGEST`](ripstop_wire::gate::LONGEST). Where the agent makes such connections, it is asked, so that this knows
    /// whether there is one.
    pub async fn connect_outside(
        &self,
        uid: &WorkloadUid,
        address: SocketAddr,
        limit: Duration,
    ) -> Result<TcpStream, Error> {
        let gate = match &self.0.supply {
            Supply::Agent(_) => Some(SocketAddr::V4(GATE)),
            Supply::Own { gate, .. } => *gate,
        };
        // Nothing leaves a workload's network for its loopback device.
        let Some(gate) = gate.filter(|_| !canonical(address).ip().is_loopback()) else {
            return self.connect_within(uid, None, address, limit).await;
        };
        self.may_reach(address)?;
        let begun = Instant::now();
        let failed = |source| Error::Connect { address, source, hint: "" };
        let late = |_| failed(std::io::ErrorKind::TimedOut.into());
        let asking = async {
            let mut stream = self.open(uid, None, gate, limit).await?;
            stream.write_all(&Ask { destination: canonical(address), limit }.encode()).await.map_err(failed)?;
            let answer = stream.read_u8().await.map_err(failed)?;
            Ok::<_, Error>((stream, Answer::decode(answer)))
        };
        let (stream, answer) = timeout(limit.min(LONGEST), asking).await.map_err(late)??;
        match answer {
            Some(Answer::Connected) => Ok(stream),
            Some(Answer::Inside) => {
                self.connect_within(uid, None, address, limit.saturating_sub(begun.elapsed())).await
            }
            Some(Answer::Failed) => Err(Error::Connect {
                address,
                source: std::io::ErrorKind::ConnectionRefused.into(),
                hint: ": nobody outside took it, or it may not be made; the log of the node's agent says which",
            }),
            None => Err(failed(std::io::ErrorKind::InvalidData.into())),
        }
    }

    /// As [`Self::connect`], with a deadline of the caller's for the connection to open.
    pub async fn connect_within(
        &self,
        uid: &WorkloadUid,
        source: Option<SocketAddr>,
        address: SocketAddr,
        deadline: Duration,
    ) -> Result<TcpStream, Error> {
        let Some(source) = source else {
            return self.attempt(uid, None, address, deadline).await;
        };
        let mut last = None;
        for _ in 0..PORT_ATTEMPTS {
            let port = port_of(random());
            match self.attempt(uid, Some(SocketAddr::new(source.ip(), port)), address, deadline).await {
                Err(Error::Connect { source, address, hint }) if is_taken(&source) => {
                    last = Some(Error::Connect { source, address, hint });
                }
                other => return other,
            }
        }
        Err(last.unwrap_or_else(|| Error::NoSocket(uid.as_str().into())))
    }

    async fn attempt(
        &self,
        uid: &WorkloadUid,
        source: Option<SocketAddr>,
        address: SocketAddr,
        deadline: Duration,
    ) -> Result<TcpStream, Error> {
        self.may_reach(address)?;
        self.open(uid, source, address, deadline).await
    }

    /// Whether anybody may be led to `address`.
    fn may_reach(&self, address: SocketAddr) -> Result<(), Error> {
        let is_own = match self.0.supply {
            Supply::Agent(_) => canonical(address).ip() == IpAddr::V4(*GATE.ip()),
            Supply::Own { control, .. } => is_of_the_mesh(address, control),
        };
        if is_own { Err(Error::OwnPort(address)) } else { Ok(()) }
    }

    async fn open(
        &self,
        uid: &WorkloadUid,
        source: Option<SocketAddr>,
        address: SocketAddr,
        deadline: Duration,
    ) -> Result<TcpStream, Error> {
        let kind = if source.is_some() { SocketKind::Transparent } else { SocketKind::Plain };
        let key = SocketKey { uid: uid.clone(), kind, ipv6: address.is_ipv6() };
        let socket = self.take(&key).await?;
        let failed = |source: std::io::Error| {
            let hint = match source.kind() {
                std::io::ErrorKind::ConnectionRefused => ": nobody listens there",
                std::io::ErrorKind::TimedOut => ": no answer; is the workload's node up?",
                _ => "",
            };
            Error::Connect { address, source, hint }
        };
        keep_alive(&socket).map_err(failed)?;
        if let Some(source) = source {
            // Several connections may have one source, as long as they go to different places.
            socket.set_reuse_address(true).map_err(failed)?;
            socket.bind(&source.into()).map_err(failed)?;
        }
        let socket = TcpSocket::from_std_stream(socket.into());
        let stream = timeout(deadline, socket.connect(address))
            .await
            .map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(stream)
    }
}

/// Whether something of the mesh itself may be at `address`.
fn is_of_the_mesh(address: SocketAddr, control: IpAddr) -> bool {
    let ip = canonical(address).ip();
    ip == control || FABRIC.iter().any(|fabric| fabric.contains(&ip)) || serve::PORTS.contains(&address.port())
}

/// A new socket in the proxy's own namespace.
fn own(key: &SocketKey) -> Result<Socket, Error> {
    let domain = if key.ipv6 { Domain::IPV6 } else { Domain::IPV4 };
    Socket::new(domain, Type::STREAM.nonblocking(), None)
        .map_err(|source| Error::Io { what: "making a socket".into(), source })
}

impl From<mpsc::Sender<Refill>> for Supply {
    fn from(refills: mpsc::Sender<Refill>) -> Self {
        Self::Agent(refills)
    }
}

/// One of [`SPOOFED_PORTS`].
fn port_of(random: u64) -> u16 {
    let count = u64::from(SPOOFED_PORTS.end - SPOOFED_PORTS.start);
    SPOOFED_PORTS.start + u16::try_from(random % count).unwrap_or(0)
}

/// Whether another port may do where this one did not.
fn is_taken(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::AddrInUse | std::io::ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests;
