//! Netlink, as far as it is needed here: requests with answers, and dumps; attributes written and read.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send, socket_with,
    sockopt,
};

mod codec;

pub(crate) use codec::{Attributes, Message, Request, attributes, find, u16_be, u32_be, u32_ne};

/// How long the kernel may take to answer. It answers from within the request; this only guards against a lost answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Large enough for any single answer of the kernel.
const ROOM: usize = 256 * 1024;

pub(crate) const NLM_F_REQUEST: u16 = 0x1;
pub(crate) const NLM_F_ACK: u16 = 0x4;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_REPLACE: u16 = 0x100;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_APPEND: u16 = 0x800;
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;

/// A netlink family.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Route,
    SockDiag,
    Netfilter,
}

/// A netlink socket of the namespace that it was opened in.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    room: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open(kind: Kind) -> io::Result<Self> {
        let protocol: Option<Protocol> = match kind {
            Kind::Route => None,
            Kind::SockDiag => Some(netlink::SOCK_DIAG),
            Kind::Netfilter => Some(netlink::NETFILTER),
        };
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        bind(&fd, &netlink::SocketAddrNetlink::new(0, 0))?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok(Self { fd, sequence: 0, room: vec![0; ROOM] })
    }

    /// The next sequence number.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends finished messages as one datagram.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The kernel takes what fits its buffer limit; large batches need room there.
        if bytes.len() > 100_000 {
            // Above the system's limit only with CAP_NET_ADMIN over the initial namespace; then the send will tell.
            let _ = sockopt::set_socket_send_buffer_size(&self.fd, bytes.len() * 2);
        }
        let sent = rustix::io::retry_on_intr(|| send(&self.fd, bytes, SendFlags::empty()))?;
        if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Receives one datagram, and shows each message in it until `each` breaks.
    pub(crate) fn receive(&mut self, each: &mut dyn FnMut(Message<'_>) -> io::Result<()>) -> io::Result<()> {
        let (length, whole) = rustix::io::retry_on_intr(|| recv(&self.fd, self.room.as_mut_slice(), RecvFlags::TRUNC))?;
        if whole > length {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer of the kernel was too long"));
        }
        codec::messages(&self.room[..length], each)
    }

    /// Receives one datagram if there is one.
    pub(crate) fn receive_ready(&mut self, each: &mut dyn FnMut(Message<'_>) -> io::Result<()>) -> io::Result<bool> {
        let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
        match rustix::io::retry_on_intr(|| recv(&self.fd, self.room.as_mut_slice(), flags)) {
            Ok((length, _)) => codec::messages(&self.room[..length], each).map(|()| true),
            Err(rustix::io::Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends one request and waits for its acknowledgement.
    pub(crate) fn request(&mut self, mut request: Request) -> io::Result<()> {
        let sequence = self.next_sequence();
        self.send(request.finish(sequence, NLM_F_ACK))?;
        let mut answer = None;
        while answer.is_none() {
            self.receive(&mut |message| {
                if message.sequence == sequence && message.kind == NLMSG_ERROR {
                    answer = Some(message.error());
                }
                Ok(())
            })?;
        }
        answer.unwrap_or(Ok(()))
    }

    /// Asks for everything of a kind, and shows each message of the answer. A dump that the kernel calls inconsistent
    /// (something changed meanwhile) is `Interrupted`: ask again.
    pub(crate) fn dump(
        &mut self,
        mut request: Request,
        each: &mut dyn FnMut(Message<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let sequence = self.next_sequence();
        self.send(request.finish(sequence, NLM_F_DUMP))?;
        let mut done = false;
        let mut interrupted = false;
        let mut failed = None;
        while !done {
            self.receive(&mut |message| {
                if message.sequence != sequence {
                    return Ok(());
                }
                interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_DONE => done = true,
                    NLMSG_ERROR => {
                        done = true;
                        failed = message.error().err();
                    }
                    _ if failed.is_none() => failed = each(message).err(),
                    _ => {}
                }
                Ok(())
            })?;
        }
        match failed {
            Some(error) => Err(error),
            None if interrupted => Err(io::ErrorKind::Interrupted.into()),
            None => Ok(()),
        }
    }

    /// Asks for one thing.
    pub(crate) fn get(
        &mut self,
        mut request: Request,
        each: &mut dyn FnMut(Message<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let sequence = self.next_sequence();
        self.send(request.finish(sequence, 0))?;
        let mut answer = None;
        while answer.is_none() {
            self.receive(&mut |message| {
                if message.sequence == sequence {
                    answer = Some(if message.kind == NLMSG_ERROR { message.error() } else { each(message) });
                }
                Ok(())
            })?;
        }
        answer.unwrap_or(Ok(()))
    }
}
