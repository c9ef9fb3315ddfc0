//! File descriptors sent over unix sockets.
//!
//! Messages are at most [`MAX_MESSAGE`] bytes and carry at most [`MAX_FDS`] descriptors; received descriptors are
//! close-on-exec, and a message that did not fit is an error, never a shortened message. One whose descriptors did not
//! fit, because the receiver has no room for more, comes without any and says so; the socket is as good as before. [`FdChannel`] does it on
//! tokio over `SOCK_SEQPACKET`, where a send is a message.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    recvmsg, sendmsg, socket_with, socketpair,
};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::io::unix::AsyncFd;

use crate::namespace::{PeerNs, PeerProcess, peer_namespace, peer_process};

/// The most bytes of a message.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// The most descriptors of a message.
pub const MAX_FDS: usize = 128;

/// A received message.
#[derive(Debug, Default)]
pub struct Message {
    /// Its bytes.
    pub data: Vec<u8>,
    /// The descriptors that came with it, in the order in which they were sent; close-on-exec.
    pub fds: Vec<OwnedFd>,
    /// More descriptors were sent than this process may open now, or than [`MAX_FDS`]: the kernel closed some, the
    /// others were closed here. The bytes are whole.
    pub truncated: bool,
}

/// Sends bytes with descriptors in one `sendmsg`; gives how many bytes were taken (all of them but on a stream).
///
/// `InvalidInput` for an empty message (a reader can't tell it from the end) and beyond the limits.
pub fn send_with_fds(socket: impl AsFd, data: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if data.is_empty() || data.len() > MAX_MESSAGE || fds.len() > MAX_FDS {
        let text = format!("a message of {} bytes with {} descriptors", data.len(), fds.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
    }
    retry(|| sendmsg(&socket, &[IoSlice::new(data)], &mut control, SendFlags::NOSIGNAL))
}

/// Receives a message, or on a stream what is there; `None` at the end.
///
/// `InvalidData` if it was longer than [`MAX_MESSAGE`]; [`Message::truncated`] if its descriptors could not be taken.
/// Either concerns this message alone: the next one can be received.
pub fn recv_with_fds(socket: impl AsFd) -> io::Result<Option<Message>> {
    let mut data = vec![0; MAX_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        retry(|| recvmsg(&socket, &mut [IoSliceMut::new(&mut data)], &mut control, RecvFlags::CMSG_CLOEXEC))?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message beyond the limits was cut off"));
    }
    let truncated = received.flags.contains(ReturnFlags::CTRUNC) || fds.len() > MAX_FDS;
    if received.bytes == 0 && fds.is_empty() && !truncated {
        return Ok(None);
    }
    if truncated {
        // Some of them would be taken for all.
        fds.clear();
    }
    data.truncate(received.bytes);
    data.shrink_to_fit();
    Ok(Some(Message { data, fds, truncated }))
}

/// A connected `SOCK_SEQPACKET` unix socket on tokio.
///
/// Made inside a tokio runtime with I/O enabled. Several tasks may share it; each message goes to one of them.
#[derive(Debug)]
pub struct FdChannel {
    socket: AsyncFd<OwnedFd>,
}

impl FdChannel {
    /// Takes a connected socket; makes it non-blocking.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket: watched(socket)? })
    }

    /// Two connected ends.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = seqpacket_pair()?;
        Ok((Self::new(a)?, Self::new(b)?))
    }

    /// Connects to a [`SeqpacketListener`]. Does not wait: a full backlog is `WouldBlock`.
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        with_short_path(path.as_ref(), |path| Ok(connect(&socket, &SocketAddrUnix::new(path)?)?))?;
        Self::new(socket)
    }

    /// Sends one message, waiting for room.
    pub async fn send(&self, data: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        loop {
            let mut ready = self.socket.writable().await?;
            match ready.try_io(|socket| send_with_fds(socket, data, fds)) {
                Ok(sent) => return sent.map(drop),
                Err(_would_block) => {}
            }
        }
    }

    /// Receives one message; `None` when the other end has closed. Cancelling loses nothing.
    pub async fn recv(&self) -> io::Result<Option<Message>> {
        loop {
            let mut ready = self.socket.readable().await?;
            match ready.try_io(recv_with_fds) {
                Ok(message) => return message,
                Err(_would_block) => {}
            }
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> io::Result<PeerNs> {
        peer_namespace(self.socket.get_ref())
    }

    /// The process at the other end.
    pub fn peer_process(&self) -> io::Result<PeerProcess> {
        peer_process(self.socket.get_ref())
    }
}

impl AsFd for FdChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

/// Two connected `SOCK_SEQPACKET` sockets, close-on-exec, blocking; for one end to be given to a child.
pub fn seqpacket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// A copy of a descriptor that this process was started with.
pub fn own_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    let myself = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(myself, number, PidfdGetfdFlags::empty())?)
}

/// Listens on a unix socket of kind `SOCK_SEQPACKET`; the file is removed with it.
#[derive(Debug)]
pub struct SeqpacketListener {
    socket: AsyncFd<OwnedFd>,
    path: PathBuf,
}

impl SeqpacketListener {
    /// Binds, replacing a socket file that a dead predecessor left; mode 0600.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        // The mode of the open socket becomes the mode of the file: never open wider than 0600, not for a moment.
        rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(0o600))?;
        with_short_path(path, |path| Ok(bind(&socket, &SocketAddrUnix::new(path)?)?))?;
        listen(&socket, 128)?;
        Ok(Self { socket: watched(socket)?, path: path.to_owned() })
    }

    /// Waits for a connection whose peer passes `check`; others are closed at once, with the reason that `check` gave
    /// handed to `refused`.
    pub async fn accept_checked<E>(
        &self,
        check: impl Fn(&PeerNs) -> Result<(), E>,
        refused: impl Fn(Result<(PeerNs, E), io::Error>),
    ) -> io::Result<(FdChannel, PeerNs)> {
        loop {
            let (channel, peer) = self.accept().await?;
            match peer {
                Err(error) => refused(Err(error)),
                Ok(peer) => match check(&peer) {
                    Ok(()) => return Ok((channel, peer)),
                    Err(reason) => refused(Ok((peer, reason))),
                },
            }
        }
    }

    /// Waits for a connection; tells who made it, or why that can't be known (then it must be refused).
    pub async fn accept(&self) -> io::Result<(FdChannel, io::Result<PeerNs>)> {
        loop {
            let mut ready = self.socket.readable().await?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match ready.try_io(|socket| retry(|| accept_with(socket, flags))) {
                Ok(Ok(connection)) => {
                    let channel = FdChannel::new(connection)?;
                    let peer = channel.peer();
                    return Ok((channel, peer));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Ok(Err(error)) if out_of_descriptors(&error) => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

impl Drop for SeqpacketListener {
    fn drop(&mut self) {
        // Not ours any more if it can't be removed.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Registers a descriptor with the runtime.
pub(crate) fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd gives the same open descriptor until it is dropped, and `AsyncFd` drops it after it has
    // deregistered it.
    let registered = unsafe { AsyncFd::register(fd) };
    Ok(registered?)
}

fn out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Gives `work` a way to the socket `path` that fits into a socket address, which holds 107 bytes of path: longer ones
/// are reached by a descriptor of their directory.
pub fn with_short_path<T>(path: &Path, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    use std::os::fd::AsRawFd;
    if SocketAddrUnix::new(path).is_ok() {
        return work(path);
    }
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let directory = std::fs::File::open(parent)?;
    work(&Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name))
}

fn retry<T>(mut work: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(&mut work)?)
}

#[cfg(test)]
mod tests;
