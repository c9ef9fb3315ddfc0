//! Datagrams that were meant for somebody else.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

use super::{canonical, option};

/// A received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Its length; if it was longer than the buffer, that of the buffer.
    pub length: usize,
    /// Whether the buffer was too short for it.
    pub truncated: bool,
    /// Who sent it.
    pub source: SocketAddr,
    /// Where it was sent.
    pub destination: SocketAddr,
}

/// Room for either kind of socket address as a control message, twice over.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// Receives a datagram with its original destination, from a socket of [`super::transparent_datagram`]; `WouldBlock`
/// when there is none. For tokio: `async_io(Interest::READABLE, || recv_original(..))`.
pub fn recv_original(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Datagram> {
    let mut control = Control([0; 128]);
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a msghdr of zeros is valid: null pointers with lengths 0.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_name = name.as_mut_ptr().cast();
    header.msg_namelen = libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>()).unwrap_or_default();
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len();
    let length = loop {
        // SAFETY: every pointer in `header` leads to memory that is writable for the length beside it and lives over
        // the call.
        let received = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut header, 0) };
        if let Ok(length) = usize::try_from(received) {
            break length;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    let truncated = header.msg_flags & libc::MSG_TRUNC != 0;
    // SAFETY: zeroed, then written by the kernel: a valid sockaddr of the family that it names, in a storage.
    let source = unsafe { address_at(name.as_ptr().cast()) };
    let mut destination = None;
    // SAFETY: `header` is as the kernel left it; CMSG_FIRSTHDR and CMSG_NXTHDR stay within msg_control.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while !message.is_null() {
            let (level, kind) = ((*message).cmsg_level, (*message).cmsg_type);
            if (level, kind) == (libc::SOL_IP, option::IP_RECVORIGDSTADDR)
                || (level, kind) == (libc::SOL_IPV6, option::IPV6_RECVORIGDSTADDR)
            {
                destination = address_at(libc::CMSG_DATA(message).cast());
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
    }
    let missing = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("a datagram without {what}"));
    Ok(Datagram {
        length,
        truncated,
        source: source.ok_or_else(|| missing("a source address"))?,
        destination: destination.ok_or_else(|| missing("its original destination"))?,
    })
}

/// Answers a captured datagram: binds a fresh [`crate::SocketKind::DnsReply`] socket to the address that was asked and
/// sends. The socket can send more answers of the same kind until it is dropped.
pub fn send_original(socket: impl AsFd, data: &[u8], from: SocketAddr, to: SocketAddr) -> io::Result<()> {
    let socket = socket2::SockRef::from(&socket);
    socket.bind(&from.into())?;
    let sent = socket.send_to(data, &to.into())?;
    if sent == data.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// # Safety
/// `pointer` must lead to an initialised `sockaddr_in` or `sockaddr_in6`, or to two bytes of another family.
unsafe fn address_at(pointer: *const u8) -> Option<SocketAddr> {
    // SAFETY: every sockaddr starts with its family.
    let family = unsafe { pointer.cast::<libc::sa_family_t>().read_unaligned() };
    match i32::from(family) {
        libc::AF_INET => {
            // SAFETY: the family says so.
            let address = unsafe { pointer.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(address.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says so.
            let address = unsafe { pointer.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            Some(canonical(SocketAddrV6::new(ip, port, address.sin6_flowinfo, address.sin6_scope_id).into()))
        }
        _ => None,
    }
}
