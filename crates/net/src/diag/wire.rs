//! sock_diag's messages, as linux/inet_diag.h lays them out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{TcpSocket, TcpState, Tuple};
use crate::Error;
use crate::netlink::{Message, Request, Socket, u16_be, u32_ne};
pub(super) use crate::source::Family;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const INET_DIAG_MARK: u16 = 15;
/// All but TIME_WAIT: there may be many thousands, and the shorter the dump the surer that it is whole.
const STATES: u32 = !(1 << 6);
const NO_COOKIE: [u8; 8] = [0xff; 8];
/// struct inet_diag_msg
const ANSWER: usize = 72;
/// struct inet_diag_req_v2
const REQUEST: usize = 56;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp = 6,
    Udp = 17,
}

/// A socket of either protocol; of UDP the state says nothing.
pub(super) struct Entry {
    pub(super) socket: TcpSocket,
}

/// All sockets of a protocol and address family.
pub(super) fn dump(socket: &mut Socket, protocol: Protocol, family: Family) -> Result<Vec<Entry>, Error> {
    let mut head = [0; REQUEST];
    head[0] = number(family);
    head[1] = protocol as u8;
    head[4..8].copy_from_slice(&STATES.to_ne_bytes());
    let mut found = Vec::new();
    let result = socket.dump(Request::new(SOCK_DIAG_BY_FAMILY, 0, &head), &mut |message| {
        found.extend(read(message)?);
        Ok(())
    });
    match result {
        // The kernel's table is walked while connections come and go; each entry is true of some moment, and one that
        // is there all the time is never missed.
        Ok(()) => Ok(found),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(found),
        // A kernel without IPv6, or without diagnostics of UDP, has no such sockets to tell of.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EAFNOSUPPORT)) => Ok(found),
        Err(source) => Err(Error::Netlink { command: format!("list {protocol:?} sockets"), source }),
    }
}

/// The request that resets one connection.
pub(super) fn destroy(tuple: &Tuple) -> Request {
    let mut head = [0; REQUEST];
    head[0] = number(Family::from(tuple.local));
    head[1] = Protocol::Tcp as u8;
    head[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    head[8..10].copy_from_slice(&tuple.local.port().to_be_bytes());
    head[10..12].copy_from_slice(&tuple.remote.port().to_be_bytes());
    write_ip(&mut head[12..28], tuple.local.ip());
    write_ip(&mut head[28..44], tuple.remote.ip());
    head[48..56].copy_from_slice(&NO_COOKIE);
    Request::new(SOCK_DESTROY, 0, &head)
}

fn read(message: Message<'_>) -> io::Result<Option<Entry>> {
    if message.kind != SOCK_DIAG_BY_FAMILY {
        return Ok(None);
    }
    let (head, attributes) = message.split(ANSWER)?;
    let state = match head[1] {
        1 => TcpState::Established,
        2 => TcpState::SynSent,
        3 | 12 => TcpState::SynReceived,
        10 => TcpState::Listen,
        _ => TcpState::Closing,
    };
    let port = |at: usize| u16_be(&head[at..]).unwrap_or(0);
    let local = SocketAddr::new(read_ip(head[0], &head[8..24]), port(4));
    let remote = SocketAddr::new(read_ip(head[0], &head[24..40]), port(6));
    let word = |at: usize| u32_ne(&head[at..]).unwrap_or(0);
    let mut mark = 0;
    for (kind, value) in attributes {
        if kind == INET_DIAG_MARK {
            mark = u32_ne(value).unwrap_or(0);
        }
    }
    let tuple = Tuple { local, remote };
    let (unread, unsent) = if state == TcpState::Listen { (word(56), 0) } else { (word(56), word(60)) };
    let waiting = unread.saturating_add(unsent);
    Ok(Some(Entry { socket: TcpSocket { tuple, state, uid: word(64), inode: word(68).into(), mark, waiting } }))
}

fn number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn read_ip(family: u8, bytes: &[u8]) -> IpAddr {
    if family == number(Family::V4) {
        return Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into();
    }
    let octets: [u8; 16] = bytes.try_into().unwrap_or_default();
    Ipv6Addr::from(octets).to_canonical()
}

fn write_ip(into: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(v4) => into[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => into.copy_from_slice(&v6.octets()),
    }
}
