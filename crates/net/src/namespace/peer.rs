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

/// A process, whoever gets its number once it has ended.
#[derive(Debug)]
pub struct PeerProcess(OwnedFd);

impl PeerProcess {
    /// Whether it has not ended: then its number has meant it all along.
    pub fn is_alive(&self) -> io::Result<bool> {
        let mut waiting = [PollFd::new(&self.0, PollFlags::IN)];
        Ok(poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0)
    }
}

/// The process that connected to a unix socket; before Linux 6.5, which has no `SO_PEERPIDFD`, whoever has its number now.
pub fn peer_process(socket: impl AsFd) -> io::Result<PeerProcess> {
    let socket = socket.as_fd();
    match peer_pidfd(socket) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
            let credentials: libc::ucred = option::get(socket, libc::SOL_SOCKET, libc::SO_PEERCRED)?;
            let number = Pid::from_raw(credentials.pid).ok_or_else(invisible)?;
            Ok(PeerProcess(pidfd_open(number, PidfdFlags::empty())?))
        }
        process => Ok(PeerProcess(process?)),
    }
}

/// User id of the peer of a connected unix socket, as the caller's user namespace names it (`SO_PEERCRED`).
pub fn peer_user(socket: impl AsFd) -> io::Result<u32> {
    let credentials: libc::ucred = option::get(socket.as_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED)?;
    Ok(credentials.uid)
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
    let netns = match peer_pidfd(socket) {
        Ok(pidfd) => match namespace_of(pidfd.as_fd()) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL | libc::EOPNOTSUPP)) => {
                by_proc(pidfd.as_fd(), pid.ok_or_else(invisible)?, uid)
            }
            other => other.map_err(|error| unknown_peer(&error.to_string())),
        },
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
            let number = pid.ok_or_else(invisible)?;
            let handle = Pid::from_raw(number.cast_signed()).ok_or_else(invisible)?;
            by_proc(pidfd_open(handle, PidfdFlags::empty())?.as_fd(), number, uid)
        }
        Err(error) => Err(unknown_peer(&error.to_string())),
    }?;
    Ok(PeerNs { netns, pid, uid })
}

/// The older way, for kernels without `SO_PEERPIDFD` (6.5), or without its namespace request (6.11).
fn by_proc(pidfd: BorrowedFd<'_>, number: u32, uid: u32) -> io::Result<u64> {
    let first = inode_by_proc(number)?;
    let owner = fs::metadata(format!("/proc/{number}"))?.uid();
    let second = inode_by_proc(number)?;
    // Alive now, hence all along: the number meant one process in every reading. Where the pidfd had to be opened by
    // that number, too, that it is the process that connected, and not a successor, shows in its user at least.
    let mut waiting = [PollFd::new(&pidfd, PollFlags::IN)];
    let dead = poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? != 0;
    if dead || first != second || (owner != uid && owner != 0) {
        return Err(unknown_peer("it changed while it was looked at"));
    }
    Ok(first)
}

fn invisible() -> io::Error {
    unknown_peer("it lives in a pid namespace that can't be seen from here")
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn both_ways_agree() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = peer_namespace(&one).unwrap();
        let own = std::process::id();
        let pidfd = pidfd_open(Pid::from_raw(own.cast_signed()).unwrap(), PidfdFlags::empty()).unwrap();
        assert_eq!(by_proc(pidfd.as_fd(), own, peer.uid).unwrap(), peer.netns);
        assert_eq!(peer.pid, Some(own));
        assert!(peer_process(&one).unwrap().is_alive().unwrap());
    }

    #[test]
    fn a_dead_peer_is_unknown() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_raw(child.id().cast_signed()).unwrap(), PidfdFlags::empty()).unwrap();
        let uid = rustix::process::getuid().as_raw();
        assert!(by_proc(pidfd.as_fd(), child.id(), uid).is_ok());
        let process = PeerProcess(pidfd.try_clone().unwrap());
        assert!(process.is_alive().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(by_proc(pidfd.as_fd(), child.id(), uid).is_err());
        assert!(!process.is_alive().unwrap());
    }
}
