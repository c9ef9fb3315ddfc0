//! Who is at the other end of a unix socket: told by the kernel, not by the peer.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::socket::option;

const SO_PEERPIDFD: libc::c_int = 77;
/// `_IO(PIDFS_IOCTL_MAGIC, 4)`
const PIDFD_GET_NET_NAMESPACE: libc::Ioctl = 0xff04;

/// The process that connected (or, for the connecting side, that listens), at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerNs {
    /// Inode of its network namespace; compare with [`super::NetNs::inode`].
    pub netns: u64,
    /// Its process id, if the caller's pid namespace can see it.
    pub pid: Option<u32>,
    /// Its user id as the caller's user namespace names it.
    pub uid: u32,
}

/// Finds out the network namespace of the peer of a connected unix socket.
///
/// The kernel hands out a pidfd of the peer and, from it, its namespace; older kernels are asked by
/// `SO_PEERCRED`, `pidfd_open` and `/proc`, read twice while the pidfd proves the process alive. A peer that is gone,
/// or can't be seen, is `PermissionDenied`: never guess.
pub fn peer_namespace(socket: impl AsFd) -> io::Result<PeerNs> {
    let socket = socket.as_fd();
    let credentials: libc::ucred = option::get(socket, libc::SOL_SOCKET, libc::SO_PEERCRED)?;
    // A peer outside of the caller's pid namespace has the number 0.
    let pid = u32::try_from(credentials.pid).ok().filter(|pid| *pid != 0);
    let uid = credentials.uid;
    match peer_pidfd(socket).and_then(|pidfd| namespace_of(pidfd.as_fd())) {
        Ok(netns) => return Ok(PeerNs { netns, pid, uid }),
        Err(error) if not_supported(&error) => {}
        Err(error) => return Err(unknown_peer(&error.to_string())),
    }
    let number = pid.ok_or_else(|| unknown_peer("it lives in a pid namespace that can't be seen from here"))?;
    by_proc(number, uid).map(|netns| PeerNs { netns, pid, uid })
}

/// The older way, for kernels without `SO_PEERPIDFD` (6.5) or its namespace request (6.11).
fn by_proc(number: u32, uid: u32) -> io::Result<u64> {
    let pid = Pid::from_raw(number.cast_signed()).ok_or_else(|| unknown_peer("bad process id"))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let first = inode_by_proc(number)?;
    let owner = fs::metadata(format!("/proc/{number}"))?.uid();
    let second = inode_by_proc(number)?;
    // Alive now, hence all along: the number meant one process in every reading. That this process is the one that
    // connected, and not a successor of its number, shows in its user at least.
    let mut waiting = [PollFd::new(&pidfd, PollFlags::IN)];
    let dead = poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? != 0;
    if dead || first != second || (owner != uid && owner != 0) {
        return Err(unknown_peer("it changed while it was looked at"));
    }
    Ok(first)
}

fn inode_by_proc(pid: u32) -> io::Result<u64> {
    Ok(fs::metadata(format!("/proc/{pid}/ns/net"))?.ino())
}

fn peer_pidfd(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let fd: libc::c_int = option::get(socket, libc::SOL_SOCKET, SO_PEERPIDFD)?;
    // SAFETY: the kernel has just made this descriptor for this call, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn namespace_of(pidfd: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: the request takes no argument and touches no memory of ours.
    let fd = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_NET_NAMESPACE, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the request answers with a new descriptor of the namespace, which nobody else owns.
    let namespace = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(rustix::fs::fstat(&namespace)?.st_ino)
}

fn unknown_peer(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("the peer of this socket can't be identified: {why}"))
}

fn not_supported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOPROTOOPT | libc::ENOTTY | libc::EINVAL | libc::EOPNOTSUPP))
}
