//! DNS of the node: the mesh's names from the last good snapshot, all others by
//! the broker from the host's resolver.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ipnet::IpNet;
use ripstop_dns::{ForwardFuture, Forwarder, Transport};
use ripstop_net::{NetNs, link::Links};
use socket2::{SockRef, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::sleep,
};

use crate::{
    Error,
    broker::{Broker, Proto},
};

const PORT: u16 = 53;
/// Largest DNS message.
const MESSAGE: usize = u16::MAX as usize;
/// Idle sockets to the resolver that are kept.
const IDLE: usize = 16;
/// A socket to the resolver is used no longer than this, so that another resolver of the host
/// takes effect, and ports change.
const AGE: Duration = Duration::from_secs(30);
/// How long the node's addresses may take to appear, and how often they are looked for.
const ADDRESSES: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Passes queries on to the host's resolver. One query a socket at a time, so that ids need not
/// be changed and no answer is taken for another's.
pub(crate) struct Upstream {
    broker: Broker,
    idle: Mutex<Vec<(UdpSocket, Instant)>>,
}

/// The node's own addresses in its block, where its DNS lives: those of the loopback device and
/// of dummies that the world can reach. Waits until there are some.
pub(crate) async fn node_addresses(netns: &NetNs, node: &str) -> Result<Vec<IpAddr>, Error> {
    let deadline = Instant::now() + ADDRESSES;
    loop {
        let addresses = listed(netns)?;
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        if Instant::now() > deadline {
            return Err(Error::NoNodeAddress { node: node.to_owned() });
        }
        sleep(LOOK).await;
    }
}

/// Listens on port 53 of each address.
pub(crate) async fn sockets(addresses: &[IpAddr]) -> Result<(Vec<UdpSocket>, Vec<TcpListener>), Error> {
    let (mut udp, mut tcp) = (Vec::new(), Vec::new());
    for address in addresses {
        let address = SocketAddr::new(*address, PORT);
        let failed = |source| Error::Service { service: "DNS", address, source };
        udp.push(UdpSocket::bind(address).await.map_err(failed)?);
        tcp.push(TcpListener::bind(address).await.map_err(failed)?);
    }
    Ok((udp, tcp))
}

fn listed(netns: &NetNs) -> Result<Vec<IpAddr>, Error> {
    let mut links = Links::open(netns)?;
    let mut addresses = Vec::new();
    for link in links.list()?.iter().filter(|link| link.name == "lo" || link.kind == "dummy") {
        let found = links.addresses(&link.name)?;
        addresses.extend(found.iter().map(IpNet::addr).filter(|address| is_reachable(*address)));
    }
    Ok(addresses)
}

fn is_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

// === impl Upstream ===

impl Upstream {
    pub(crate) fn new(broker: Broker) -> Self {
        Self { broker, idle: Mutex::default() }
    }

    async fn ask_udp(&self, query: &[u8]) -> io::Result<Vec<u8>> {
        while let Some((socket, since)) = self.idle_socket() {
            // A socket of before may be dead: its resolver restarted, or is another now.
            if since.elapsed() < AGE
                && let Ok(reply) = exchange(&socket, query).await
            {
                self.keep(socket, since);
                return Ok(reply);
            }
        }
        let socket = datagram(self.broker.resolver(Proto::Udp).await?)?;
        let reply = exchange(&socket, query).await?;
        self.keep(socket, Instant::now());
        Ok(reply)
    }

    /// Over TCP if the broker has that to offer, else over UDP: then a long answer is cut, and
    /// says so.
    async fn ask_tcp(&self, query: &[u8]) -> io::Result<Vec<u8>> {
        let granted = self.broker.resolver(Proto::Tcp).await?;
        if SockRef::from(&granted).r#type()? != Type::STREAM {
            return exchange(&datagram(granted)?, query).await;
        }
        let stream = std::net::TcpStream::from(granted);
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream)?;
        let length = u16::try_from(query.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
        let mut reply = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut reply).await?;
        Ok(reply)
    }

    fn idle_socket(&self) -> Option<(UdpSocket, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, socket: UdpSocket, since: Instant) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push((socket, since));
        }
    }
}

impl Forwarder for Upstream {
    fn forward<'a>(&'a self, query: &'a [u8], transport: Transport) -> ForwardFuture<'a> {
        Box::pin(async move {
            match transport {
                Transport::Udp => self.ask_udp(query).await,
                Transport::Tcp => self.ask_tcp(query).await,
            }
        })
    }
}

fn datagram(socket: OwnedFd) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Sends `query`, and waits for the answer with its id; others are late ones. A socket whose
/// exchange was given up is dropped with it.
async fn exchange(socket: &UdpSocket, query: &[u8]) -> io::Result<Vec<u8>> {
    socket.send(query).await?;
    let mut reply = vec![0; MESSAGE];
    loop {
        let length = socket.recv(&mut reply).await?;
        if length >= 2 && reply.get(..2) == query.get(..2) {
            reply.truncate(length);
            return Ok(reply);
        }
    }
}

#[cfg(test)]
mod tests;
