//! Where names outside of the mesh lead.

use std::{
    collections::HashSet,
    fmt,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use ipnet::IpNet;
use tokio::{
    net::UdpSocket,
    time::{sleep, timeout},
};

use super::shared::SharedBackend;
use crate::outbound::random;

/// Time for one answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Between two answers about a name: what the first said, but not less and not more, unless the mesh says so
/// (`dnsRefreshRate`).
const SOONEST: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(60);
/// Largest answer over UDP that is asked for.
const MESSAGE: usize = 4096;

/// Where a name leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    /// Its addresses; none: there is no such name.
    pub(super) addresses: Vec<IpAddr>,
    /// How long that is true, as far as is known.
    pub(super) ttl: Option<Duration>,
}

/// What a resolver promises.
pub(super) type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Resolved>> + Send + 'a>>;

/// Finds addresses.
pub(super) trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// Addresses of `name` as a workload at `near` would find them. IPv6 only if there is no IPv4.
    fn resolve<'a>(&'a self, name: &'a str, near: Option<IpAddr>) -> Resolving<'a>;
}

/// The DNS of this node, which its workloads ask, too; where it has none, the resolver of the machine.
#[derive(Debug, Default)]
pub(super) struct NodeResolver {
    /// Where the node's DNS is, if it can't be found out.
    pub(super) server: Option<IpAddr>,
}

/// Keeps asking for the names of `backend`, as long as it has any and somebody uses it.
pub(super) fn start(backend: &Arc<SharedBackend>, resolver: &Arc<dyn Resolve>) {
    let resolver = Arc::clone(resolver);
    tokio::spawn(keep_asking(Arc::downgrade(backend), resolver));
}

async fn keep_asking(backend: Weak<SharedBackend>, resolver: Arc<dyn Resolve>) {
    let mut unknown = HashSet::new();
    while let Some(wait) = ask_all(&backend, &*resolver, &mut unknown).await {
        let Some(backend) = backend.upgrade() else { return };
        tokio::select! {
            () = backend.renamed() => {}
            () = sleep(wait) => {}
        }
    }
}

/// Asks for all names once; how long to wait until the next time; nothing: nobody needs any more. Of what is not known to
/// DNS, and not in `unknown` yet, the log tells.
async fn ask_all(
    backend: &Weak<SharedBackend>,
    resolver: &dyn Resolve,
    unknown: &mut HashSet<Arc<str>>,
) -> Option<Duration> {
    let facts = Arc::clone(&*backend.upgrade()?.facts());
    if facts.names.is_empty() && backend.upgrade()?.stop_resolving() {
        return None;
    }
    let near = facts.caller.addresses.first().copied();
    let latest = facts.name_refresh.unwrap_or(LATEST);
    let soonest = SOONEST.min(latest);
    let mut wait = latest;
    for name in &facts.names {
        let answer = timeout(DEADLINE, resolver.resolve(name, near)).await;
        let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let backend = backend.upgrade()?;
        match answer {
            Ok(Resolved { addresses, ttl }) => {
                wait = wait.min(ttl.unwrap_or(latest)).max(soonest);
                if !addresses.is_empty() {
                    unknown.remove(name);
                } else if unknown.insert(Arc::clone(name)) {
                    tracing::warn!(%name, backend = %backend.key(), "DNS knows no address of a name: calls of it fail");
                }
                backend.learn(name, Some(addresses));
            }
            Err(error) => {
                tracing::warn!(%name, %error, backend = %backend.key(), "a name could not be resolved");
                wait = soonest;
                backend.learn(name, None);
            }
        }
    }
    Some(wait)
}

// === impl NodeResolver ===

impl Resolve for NodeResolver {
    fn resolve<'a>(&'a self, name: &'a str, near: Option<IpAddr>) -> Resolving<'a> {
        Box::pin(async move {
            if let Some(server) = self.server.or_else(|| near.and_then(own_address)) {
                match ask(SocketAddr::new(server, 53), name).await {
                    // Nobody serves DNS here.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    answer => return answer,
                }
            }
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(Resolved { addresses: preferred(found.map(|address| address.ip()).collect()), ttl: None })
        })
    }
}

/// The node's own address in the block that a workload of it at `near` is in: the first of the block, which is where its
/// DNS is. How large the block is, is not known here; but of all first addresses of blocks only this one is the node's.
fn own_address(near: IpAddr) -> Option<IpAddr> {
    let longest: u8 = if near.is_ipv4() { 30 } else { 126 };
    let firsts = (8..=longest).rev().filter_map(|length| {
        Some(match IpNet::new(near, length).ok()?.network() {
            IpAddr::V4(network) => Ipv4Addr::from(u32::from(network) + 1).into(),
            IpAddr::V6(network) => Ipv6Addr::from(u128::from(network) + 1).into(),
        })
    });
    let mut last = None;
    let mut candidates = firsts.filter(|first| last.replace(*first) != Some(*first));
    // Only an address of one's own can be bound.
    candidates.find(|first| std::net::UdpSocket::bind((*first, 0)).is_ok()).or_else(|| facing(near))
}

/// The address that speaks to `near`.
fn facing(near: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if near.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    // Nothing is sent: the kernel only looks where the way begins.
    socket.connect((near, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// Asks one server for IPv4 addresses, and if there are none, for others.
pub(super) async fn ask(server: SocketAddr, name: &str) -> io::Result<Resolved> {
    let found = query(server, name, RecordType::A).await?;
    if found.addresses.is_empty() { query(server, name, RecordType::AAAA).await } else { Ok(found) }
}

async fn query(server: SocketAddr, name: &str, kind: RecordType) -> io::Result<Resolved> {
    let mut host = Name::from_ascii(name).map_err(io::Error::other)?;
    // As it is, whatever search lists say.
    host.set_fqdn(true);
    let mut message = Message::query();
    // Low bits of a random number.
    message.metadata.id = u16::try_from(random() & 0xffff).unwrap_or_default();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(host, kind));
    let asked = message.to_vec().map_err(io::Error::other)?;

    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&asked).await?;
    let mut buffer = vec![0; MESSAGE];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let Ok(answer) = Message::from_vec(&buffer[..length]) else { continue };
        if answer.metadata.id == message.metadata.id && answer.queries == message.queries {
            return read(&answer, kind);
        }
    }
}

/// What an answer says. Aliases are in it with what they stand for.
fn read(answer: &Message, kind: RecordType) -> io::Result<Resolved> {
    match answer.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Ok(Resolved::default()),
        other => return Err(io::Error::other(format!("the DNS server answers {other}"))),
    }
    let records = answer.answers.iter().filter(|record| record.record_type() == kind);
    let addresses = records.clone().filter_map(|record| match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    });
    let ttl = answer.answers.iter().map(|record| u64::from(record.ttl)).min().map(Duration::from_secs);
    Ok(Resolved { addresses: preferred(addresses.collect()), ttl })
}

/// In an order that does not change from one answer to the next; IPv6 only if there is nothing else.
fn preferred(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.iter().any(IpAddr::is_ipv4) {
        addresses.retain(IpAddr::is_ipv4);
    }
    addresses
}

#[cfg(test)]
mod tests;
