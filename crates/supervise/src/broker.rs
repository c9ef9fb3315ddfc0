//! The broker: connects, in the host's namespaces, what workloads may reach outside of the mesh,
//! and passes the connected sockets on. It never passes a socket that is not connected.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use ripstop_net::FdChannel;
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpStream, UdpSocket},
    sync::{Semaphore, watch},
};

use crate::{
    egress::{EgressRules, Owner, Transport},
    handover,
};

/// A request of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BrokerRequest {
    /// Comes back in the reply.
    pub(crate) id: u64,
    /// A connection on behalf of a workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) connect: Option<ConnectRequest>,
    /// A connection to a place that is known by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) named: Option<NamedRequest>,
    /// A socket that is connected to the resolver for foreign names.
    #[serde(default)]
    pub(crate) dns: bool,
    /// Transport of the socket to the resolver; UDP if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proto: Option<Transport>,
    /// A process: whose proxy is it? PID 1 answers that itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<u32>,
}

/// Where to, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConnectRequest {
    pub(crate) addr: SocketAddr,
    #[serde(default)]
    pub(crate) proto: Transport,
    /// `<namespace>/<instance>`, for the log.
    #[serde(default)]
    pub(crate) workload: String,
    /// How long it may take, in milliseconds; nothing, or longer: [`CONNECT_DEADLINE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) within: Option<u64>,
}

/// Where to by name, which is found as the host finds names, and who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NamedRequest {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// For the log.
    #[serde(default)]
    pub(crate) asker: String,
}

/// The answer; a granted one carries one descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BrokerReply {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Whose proxy a process is, as [`Board::proxy`](crate::board::Board::proxy) says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) serves: Option<String>,
}

/// Serves requests that PID 1 relays, under rules that may change at any time.
#[derive(Clone)]
pub(crate) struct Broker {
    channel: Arc<FdChannel>,
    rules: watch::Receiver<EgressRules>,
    slots: Arc<Semaphore>,
}

/// Longest wait for a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(4);
/// What each of many addresses of a name has of it at least: a packet may get lost, and is sent again.
const SHORTEST_SHARE: Duration = Duration::from_millis(1200);
/// Requests worked on at once, of all agents.
const MAX_IN_FLIGHT: usize = 256;
/// Largest request.
const MAX_REQUEST: usize = 4096;

// === impl BrokerReply ===

impl BrokerReply {
    pub(crate) fn granted(id: u64) -> Self {
        Self { id, ok: true, error: None, serves: None }
    }

    pub(crate) fn refused(id: u64, reason: impl Into<String>) -> Self {
        Self { id, ok: false, error: Some(reason.into()), serves: None }
    }

    pub(crate) fn proxy(id: u64, serves: String) -> Self {
        Self { serves: Some(serves), ..Self::granted(id) }
    }
}

// === impl Broker ===

impl Broker {
    pub(crate) fn new(channel: FdChannel, rules: watch::Receiver<EgressRules>) -> Self {
        Self { channel: Arc::new(channel), rules, slots: Arc::new(Semaphore::new(MAX_IN_FLIGHT)) }
    }

    /// Serves until PID 1 is gone.
    pub(crate) async fn run(self) {
        let mut work = tokio::task::JoinSet::new();
        loop {
            while work.try_join_next().is_some() {}
            let message = match self.channel.recv().await {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
                Err(error) => {
                    tracing::error!(%error, "broker lost its channel");
                    return;
                }
            };
            let Some(request) = parse(&message.data) else { continue };
            let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
                self.reply(
                    &BrokerReply::refused(request.id, "the broker is busy: too many connections are being made"),
                    None,
                )
                .await;
                continue;
            };
            let broker = self.clone();
            work.spawn(async move {
                broker.serve(request).await;
                drop(slot);
            });
        }
    }

    async fn serve(&self, request: BrokerRequest) {
        let id = request.id;
        let rules = self.rules.borrow().clone();
        let outcome = match (request.connect, request.named) {
            (Some(connect), _) => grant(&rules, &connect).await,
            (None, Some(named)) => grant_named(&rules, &named).await,
            (None, None) if request.dns => dns(&rules, request.proto.unwrap_or(Transport::Udp)).await,
            (None, None) => Err("the request asks for nothing".to_string()),
        };
        match outcome {
            Ok(socket) => self.reply(&BrokerReply::granted(id), Some(socket)).await,
            Err(reason) => self.reply(&BrokerReply::refused(id, reason), None).await,
        }
    }

    async fn reply(&self, reply: &BrokerReply, socket: Option<OwnedFd>) {
        let fds: Vec<_> = socket.iter().map(AsFd::as_fd).collect();
        if let Err(error) = handover::send(&self.channel, reply, &fds).await {
            tracing::warn!(%error, "broker could not answer");
        }
    }
}

/// Reads a request; an unreadable one has no id to answer to.
pub(crate) fn parse(data: &[u8]) -> Option<BrokerRequest> {
    if data.len() > MAX_REQUEST {
        tracing::warn!(bytes = data.len(), "broker request is too large");
        return None;
    }
    serde_json::from_slice(data).inspect_err(|error| tracing::warn!(%error, "broker request makes no sense")).ok()
}

/// Finds a name, and grants the first of its addresses that may be reached and answers.
async fn grant_named(rules: &EgressRules, request: &NamedRequest) -> Result<OwnedFd, String> {
    let NamedRequest { host, port, asker } = request;
    let until = tokio::time::Instant::now() + CONNECT_DEADLINE;
    let found = tokio::time::timeout_at(until, tokio::net::lookup_host((&**host, *port))).await;
    let found = found.map_err(|_| format!("{host} was not found in time"))?;
    let found = found.map_err(|error| format!("{host} is not found: {error}"))?;
    let found: Vec<SocketAddr> = found.collect();
    let granted = grant_first(rules, &found, asker, until).await;
    let nobody = if found.is_empty() { "has no address" } else { "was found too late to connect to it" };
    granted.unwrap_or_else(|| Err(format!("{host} {nobody}")))
}

/// Grants the first of `found` that may be reached and answers until then; else why the last of them is not; or nothing if
/// there is none. Who says nothing leaves the others their time.
async fn grant_first(
    rules: &EgressRules,
    found: &[SocketAddr],
    asker: &str,
    until: tokio::time::Instant,
) -> Option<Result<OwnedFd, String>> {
    let mut last = None;
    for (addr, sharers) in found.iter().copied().zip((1..=found.len()).rev()) {
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        let share = (left / u32::try_from(sharers).unwrap_or(u32::MAX)).max(SHORTEST_SHARE).min(left);
        let Some(within) = u64::try_from(share.as_millis()).ok().filter(|left| *left > 0) else { break };
        let connect = ConnectRequest { addr, proto: Transport::Tcp, workload: asker.to_owned(), within: Some(within) };
        let granted = grant(rules, &connect).await;
        if granted.is_ok() {
            return Some(granted);
        }
        last = Some(granted);
    }
    last
}

/// Decides, connects, and logs both.
async fn grant(rules: &EgressRules, request: &ConnectRequest) -> Result<OwnedFd, String> {
    let ConnectRequest { addr, proto, workload, within } = request;
    let limit = within.map_or(CONNECT_DEADLINE, |limit| Duration::from_millis(limit).min(CONNECT_DEADLINE));
    let address = SocketAddr::new(addr.ip().to_canonical(), addr.port());
    if let Err(refusal) = rules.judge(address.ip(), *proto, owner_of(address.ip()).await) {
        tracing::info!(workload, destination = %address, outcome = "refused", reason = %refusal, "egress");
        return Err(format!("{address} may not be reached from the mesh: {refusal}"));
    }
    let connected = tokio::time::timeout(limit, connect(address, *proto)).await;
    match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(socket) => {
            tracing::info!(workload, destination = %address, outcome = "granted", "egress");
            Ok(socket)
        }
        Err(error) => {
            tracing::info!(workload, destination = %address, outcome = "failed", reason = %error, "egress");
            Err(format!("{address}: {error}"))
        }
    }
}

async fn dns(rules: &EgressRules, transport: Transport) -> Result<OwnedFd, String> {
    let resolvers = match rules.dns_upstream.as_slice() {
        [] => resolvers_of(&tokio::fs::read_to_string("/etc/resolv.conf").await.unwrap_or_default()),
        upstream => upstream.to_vec(),
    };
    let mut reason = "the host's /etc/resolv.conf names no resolver; Mesh spec.dns.upstream can name one".to_string();
    for resolver in resolvers {
        let address = SocketAddr::new(resolver, 53);
        let connected = tokio::time::timeout(CONNECT_DEADLINE, connect(address, transport)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(socket) => {
                tracing::info!(destination = %address, outcome = "granted", "egress of DNS");
                return Ok(socket);
            }
            Err(error) => reason = format!("resolver {address}: {error}"),
        }
    }
    tracing::info!(outcome = "failed", %reason, "egress of DNS");
    Err(reason)
}

async fn connect(address: SocketAddr, transport: Transport) -> io::Result<OwnedFd> {
    match transport {
        Transport::Tcp => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream.into_std()?.into())
        }
        Transport::Udp => Ok(connected_datagram(address).await?.into_std()?.into()),
    }
}

/// Whether an address is the host's own: then the kernel would send to it from itself.
async fn owner_of(address: IpAddr) -> Owner {
    let own = match connected_datagram(SocketAddr::new(address, 9)).await {
        // Nothing is sent by this.
        Ok(socket) => socket.local_addr().is_ok_and(|local| local.ip().to_canonical() == address),
        // No route: the connection will fail by itself.
        Err(_) => false,
    };
    if own { Owner::Host } else { Owner::Other }
}

async fn connected_datagram(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// The resolvers of a resolv.conf, in order (resolv.conf(5)); scoped addresses are left out.
fn resolvers_of(text: &str) -> Vec<IpAddr> {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers.filter_map(|rest| rest.split_whitespace().next()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
