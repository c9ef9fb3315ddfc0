//! The sockets of a network namespace, asked of the kernel.
//!
//! [`tcp_sockets`] lists connections and listeners, [`holders`] finds which process listens on a port, [`destroy`]
//! resets connections from outside. Addresses are canonical: IPv4 as such, also on dual-stack sockets.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;

use crate::netlink::{Kind, Socket};
use crate::{Error, NetNs, run_in};

mod wire;

/// The two ends of a connection, as one of its sockets sees them; without flow labels and scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

/// State of a TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpState {
    /// Open.
    Established,
    /// Connecting.
    SynSent,
    /// Being accepted.
    SynReceived,
    /// Closing, in any of the states in which data may still flow or be acknowledged.
    Closing,
    /// A listener.
    Listen,
}

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// Its ends; a listener's other end is the wildcard address and port 0.
    pub tuple: Tuple,
    /// Its state.
    pub state: TcpState,
    /// The user that opened it.
    pub uid: u32,
    /// The inode that `/proc/PID/fd` shows; 0 if no process holds it.
    pub inode: u64,
    /// Its mark; 0 without.
    pub mark: u32,
    /// Bytes that nobody here has read yet, or that the other end has not acknowledged, and so of the end itself; of a
    /// listener, connections that nobody has accepted.
    pub waiting: u32,
}

impl TcpSocket {
    /// Whether it is one of the proxy's, or an application's end of a connection that the proxy made.
    pub fn is_marked(&self) -> bool {
        matches!(self.mark & crate::MARK_MASK, crate::MARK_PROXY | crate::MARK_SPOOFED)
    }
}

/// A socket that holds a port, and the processes that have it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it is UDP, else TCP.
    pub udp: bool,
    /// The processes that hold it, with their names; empty if none can be seen from here.
    pub processes: Vec<(u32, String)>,
}

/// All TCP sockets of a namespace but those that only wait for stray packets (`TIME_WAIT`). Marks are told with
/// `CAP_NET_ADMIN` over it only.
pub fn tcp_sockets(netns: &NetNs) -> Result<Vec<TcpSocket>, Error> {
    let mut socket = open(netns)?;
    let mut found = wire::dump(&mut socket, wire::Protocol::Tcp, wire::Family::V4)?;
    found.extend(wire::dump(&mut socket, wire::Protocol::Tcp, wire::Family::V6)?);
    Ok(found.into_iter().map(|entry| entry.socket).collect())
}

/// Who listens on any of these ports, TCP or UDP, on whatever address; sockets of the proxy are not named.
pub fn holders(netns: &NetNs, ports: &[u16]) -> Result<Vec<Holder>, Error> {
    let mut socket = open(netns)?;
    let mut holders = Vec::new();
    let mut by_inode: HashMap<u64, usize> = HashMap::new();
    for (protocol, udp) in [(wire::Protocol::Tcp, false), (wire::Protocol::Udp, true)] {
        for family in [wire::Family::V4, wire::Family::V6] {
            for entry in wire::dump(&mut socket, protocol, family)? {
                let TcpSocket { tuple, state, inode, .. } = entry.socket;
                // A UDP socket is in the state that TCP calls closed unless it is connected.
                let holds = udp || state == TcpState::Listen;
                if holds && ports.contains(&tuple.local.port()) && !entry.socket.is_marked() {
                    by_inode.insert(inode, holders.len());
                    holders.push(Holder { address: tuple.local, udp, processes: Vec::new() });
                }
            }
        }
    }
    if !by_inode.is_empty() {
        name_processes(&by_inode, &mut holders).map_err(|error| Error::io("look for processes in /proc", error))?;
    }
    Ok(holders)
}

/// Resets connections, given by the end that is in this namespace; gives how many there were.
///
/// Fails with `EOPNOTSUPP` where the kernel was built without `CONFIG_INET_DIAG_DESTROY`.
pub fn destroy(netns: &NetNs, connections: &[Tuple]) -> Result<usize, Error> {
    if connections.is_empty() {
        return Ok(0);
    }
    let mut socket = open(netns)?;
    let mut destroyed = 0;
    for tuple in connections {
        // A dual-stack socket is found by its IPv4 addresses too.
        match socket.request(wire::destroy(tuple)) {
            Ok(()) => destroyed += 1,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(source) => {
                let command = format!("destroy the connection {} - {}", tuple.local, tuple.remote);
                return Err(Error::Netlink { command, source });
            }
        }
    }
    Ok(destroyed)
}

fn open(netns: &NetNs) -> Result<Socket, Error> {
    let socket = run_in(netns, || Socket::open(Kind::SockDiag)).and_then(|result: io::Result<Socket>| result);
    socket.map_err(|error| Error::io("open netlink for socket diagnostics in a network namespace", error))
}

/// Finds the processes that hold sockets. Those that can't be looked into are passed over.
fn name_processes(by_inode: &HashMap<u64, usize>, holders: &mut [Holder]) -> io::Result<()> {
    for process in fs::read_dir("/proc")? {
        let Some(pid) = process?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for fd in fds.flatten() {
            let Ok(target) = fs::read_link(fd.path()) else { continue };
            let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            let Some(holder) = inode.and_then(|inode: u64| by_inode.get(&inode)) else { continue };
            let processes = &mut holders[*holder].processes;
            if processes.iter().all(|(known, _)| *known != pid) {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                processes.push((pid, name.trim_end().to_owned()));
            }
        }
    }
    Ok(())
}
