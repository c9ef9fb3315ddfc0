//! Sockets that capture, spoof and answer for others.
//!
//! The constructors without a namespace argument make the socket in the calling thread's namespace; the others enter
//! the one given. Marks and transparency need `CAP_NET_ADMIN` over the namespace; what is set stays set, so the
//! sockets can be handed to a process without any.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::namespace::{NetNs, run_in};
use crate::source::{Family, SocketKind};
use crate::{MARK_PROXY, MARK_SPOOFED};

mod datagram;
pub(crate) mod option;
mod packet;

pub use datagram::{Datagram, recv_original, send_original};
pub use packet::PacketSocket;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Ports of connections in the name of a peer: not privileged ones, and below the start of Linux' own range (32768).
const SPOOFED_PORTS: Range<u16> = 1024..32_768;

/// A TCP listener for captured connections of both IP versions on `[::]:port`: transparent, marked, non-blocking.
///
/// The original destination of an accepted connection is its local address: [`original_destination`]. The port is
/// never shared: `AddrInUse` means that somebody in the namespace listens there.
pub fn transparent_listener(netns: &NetNs, port: u16) -> io::Result<OwnedFd> {
    run_in(netns, || {
        let socket = Socket::new(Domain::IPV6, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
        socket.set_only_v6(false)?;
        socket.set_reuse_address(true)?;
        make_transparent(&socket, Family::V6)?;
        socket.set_mark(MARK_PROXY)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    })?
}

/// A UDP socket for captured datagrams of one IP version on the wildcard address: transparent, marked, non-blocking,
/// and told the original destination of each: read it with [`recv_original`].
pub fn transparent_datagram(netns: &NetNs, port: u16, family: Family) -> io::Result<OwnedFd> {
    run_in(netns, || {
        let socket = Socket::new(domain(family), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
        make_transparent(&socket, family)?;
        socket.set_mark(MARK_PROXY)?;
        let address = match family {
            Family::V4 => {
                option::set(&socket, libc::SOL_IP, option::IP_RECVORIGDSTADDR, 1)?;
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
            }
            Family::V6 => {
                socket.set_only_v6(true)?;
                option::set(&socket, libc::SOL_IPV6, option::IPV6_RECVORIGDSTADDR, 1)?;
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))
            }
        };
        socket.bind(&address.into())?;
        Ok(socket.into())
    })?
}

/// A socket for the proxy's own packets, as [`SocketKind`] says, in the calling thread's namespace.
///
/// All are transparent, also [`SocketKind::Plain`]: what arrives for a socket that is not would be taken for traffic
/// of the application by the capture rules, and refused.
pub fn outgoing(kind: SocketKind, family: Family) -> io::Result<OwnedFd> {
    let (ty, protocol) = match kind {
        SocketKind::Plain | SocketKind::Transparent => (Type::STREAM, Protocol::TCP),
        SocketKind::DnsReply => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(domain(family), ty.nonblocking().cloexec(), Some(protocol))?;
    make_transparent(&socket, family)?;
    if family == Family::V6 {
        socket.set_only_v6(true)?;
    }
    match kind {
        SocketKind::Plain => socket.set_mark(MARK_PROXY)?,
        SocketKind::Transparent => {
            socket.set_mark(MARK_SPOOFED)?;
            make_freebind(&socket, family)?;
            // One port serves many destinations; see `bind_as`.
            socket.set_reuse_address(true)?;
        }
        SocketKind::DnsReply => {
            socket.set_mark(MARK_PROXY)?;
            make_freebind(&socket, family)?;
            // Many answer from one address at a time. None of them is ever connected, or it would be given the next
            // question of that client.
            socket.set_reuse_address(true)?;
        }
    }
    Ok(socket.into())
}

/// Binds a [`SocketKind::Transparent`] socket to the address of a peer, with a port that the peer itself does not use.
///
/// In the workload's namespace the connection of the peer and the one that is made in its name end at the same address
/// and port, so they must not also start at the same one: the kernel could not tell their packets apart, and does not
/// look. Ports are taken in turn from below those that Linux gives to clients. If the connect that follows says
/// `AddrNotAvailable`, the port is still in use for this destination: take another socket.
pub fn bind_as(socket: impl AsFd, peer: IpAddr) -> io::Result<()> {
    const ATTEMPTS: u16 = 64;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let socket = SockRef::from(&socket);
    let count = SPOOFED_PORTS.end - SPOOFED_PORTS.start;
    let mut last = io::ErrorKind::AddrInUse.into();
    for _ in 0..ATTEMPTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(seed());
        let address = SocketAddr::new(peer, SPOOFED_PORTS.start + step % count);
        match socket.bind(&address.into()) {
            // Somebody listens on this port on all addresses.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            other => return other,
        }
    }
    Err(last)
}

/// Where the turn of ports starts, so that a restarted proxy does not take those of its predecessor again.
fn seed() -> u16 {
    static SEED: OnceLock<u16> = OnceLock::new();
    *SEED.get_or_init(|| {
        let mut bytes = [0; 2];
        // Any start will do if there is no randomness.
        let _ = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
        u16::from_ne_bytes(bytes)
    })
}

/// Where the client of a captured connection wanted to go: the local address of the accepted socket, with IPv4
/// addresses as such and not as mapped IPv6 ones.
pub fn original_destination(accepted: impl AsFd) -> io::Result<SocketAddr> {
    let address = SockRef::from(&accepted).local_addr()?;
    address.as_socket().map(canonical).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// An address with IPv4 as such and not mapped into IPv6; flow and scope are kept for real IPv6 only.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

/// Makes the close of this TCP socket a reset: what is unsent is dropped, the peer sees `ConnectionReset`.
pub fn reset_on_close(socket: impl AsFd) -> io::Result<()> {
    SockRef::from(&socket).set_linger(Some(Duration::ZERO))
}

/// For how long no data has come to this TCP socket, nor left it; before there was any, since it was opened.
pub fn quiet_for(socket: impl AsFd) -> io::Result<Duration> {
    let info: libc::tcp_info = option::get(socket, libc::SOL_TCP, libc::TCP_INFO)?;
    Ok(Duration::from_millis(info.tcpi_last_data_sent.min(info.tcpi_last_data_recv).into()))
}

fn domain(family: Family) -> Domain {
    match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    }
}

fn make_transparent(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => socket.set_ip_transparent_v4(true),
        Family::V6 => option::set(socket, libc::SOL_IPV6, option::IPV6_TRANSPARENT, 1),
    }
}

fn make_freebind(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => socket.set_freebind_v4(true),
        Family::V6 => socket.set_freebind_v6(true),
    }
}

#[cfg(test)]
mod tests;
