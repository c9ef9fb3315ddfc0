//! A raw socket that sees every packet of an interface.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use tokio::io::unix::AsyncFd;

use super::option;
use crate::namespace::{NetNs, run_in};

/// Reads copies of the packets that an interface sends and receives, from the link header on.
#[derive(Debug)]
pub struct PacketSocket {
    socket: AsyncFd<OwnedFd>,
}

impl PacketSocket {
    /// Watches an interface of a namespace; needs `CAP_NET_RAW` over it, and a tokio runtime.
    pub fn open(netns: &NetNs, interface: &str) -> io::Result<Self> {
        let socket = run_in(netns, || open_here(interface))??;
        Ok(Self { socket: crate::scm::watched(socket)? })
    }

    /// The next packet: copied to `buffer` as far as it has room; gives its whole length on the wire. With
    /// segmentation offload a packet may be up to 64 KiB and more.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        use rustix::net::{RecvFlags, recv};
        loop {
            let mut ready = self.socket.readable().await?;
            let attempt = ready.try_io(|socket| Ok(recv(socket, &mut *buffer, RecvFlags::TRUNC)?.1));
            match attempt {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(length) => return length,
                Err(_would_block) => {}
            }
        }
    }

    /// How many packets did not fit into the queue since this was last asked.
    pub fn dropped(&self) -> io::Result<u32> {
        let stats: libc::tpacket_stats = option::get(self.socket.get_ref(), libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        Ok(stats.tp_drops)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

fn open_here(interface: &str) -> io::Result<OwnedFd> {
    use socket2::{Domain, Socket, Type};
    let index = rustix::net::netdevice::name_to_index(
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?,
        interface,
    )?;
    // Protocol 0: no packet is queued until the socket is bound to its interface.
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
    // Enough for a burst of large segments; without the privilege to exceed the limit, the limit it is.
    socket.set_recv_buffer_size(8 << 20)?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET.cast_unsigned().try_into().unwrap_or_default(),
        sll_protocol: u16::try_from(libc::ETH_P_ALL).unwrap_or_default().to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or_default();
    // SAFETY: `address` is a whole sockaddr_ll of that length and lives over the call.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if result == 0 { Ok(socket.into()) } else { Err(io::Error::last_os_error()) }
}
