//! Network namespaces: made, kept, entered by a thread of its own, and told apart.
//!
//! A namespace is identified by its inode on nsfs. No thread that runs other code is ever moved: [`run_in`] moves a
//! fresh thread that ends with the call.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::mount::{MountFlags, mount_bind, unmount};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

mod peer;

pub use peer::{PeerNs, PeerProcess, peer_namespace, peer_process, peer_user};

/// A network namespace that lives at least as long as this handle; cheap to clone.
#[derive(Clone, Debug)]
pub struct NetNs {
    fd: Arc<OwnedFd>,
    inode: u64,
}

impl NetNs {
    /// Makes a new namespace, owned by the caller's user namespace. Its loopback device is down.
    ///
    /// Needs `CAP_SYS_ADMIN` in the caller's user namespace.
    pub fn create() -> io::Result<Self> {
        on_fresh_thread("ripstop-netns-new", || {
            // SAFETY: only this thread, which does nothing else and ends here, moves to the new network namespace; no
            // file descriptor table or memory is unshared.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            Self::current()
        })?
    }

    /// The calling thread's namespace.
    pub fn current() -> io::Result<Self> {
        Self::open("/proc/thread-self/ns/net")
    }

    /// The namespace behind a path: a bind mount of one, or `/proc/PID/ns/net`.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_fd(File::open(path)?.into())
    }

    /// The namespace of a process.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        Self::open(format!("/proc/{pid}/ns/net"))
    }

    /// Takes an open namespace file.
    ///
    /// `InvalidInput` if the file is not on nsfs.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        const NSFS_MAGIC: u64 = 0x6e73_6673;
        if u64::try_from(rustix::fs::fstatfs(&fd)?.f_type).ok() != Some(NSFS_MAGIC) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a namespace file"));
        }
        let inode = rustix::fs::fstat(&fd)?.st_ino;
        Ok(Self { fd: Arc::new(fd), inode })
    }

    /// The inode that names this namespace among all that live now.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Keeps the namespace alive under a path: the file is made if needed, and the namespace mounted on it.
    pub fn bind_to(&self, path: impl AsRef<Path>) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let path = path.as_ref();
        File::options().create(true).truncate(false).write(true).open(path)?;
        let source = format!("/proc/thread-self/fd/{}", self.fd.as_raw_fd());
        mount_bind(source, path)?;
        Ok(())
    }

    /// Undoes [`NetNs::bind_to`]: detaches the mount and removes the file. Fine if neither is there.
    pub fn unbind(path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        match unmount(path, rustix::mount::UnmountFlags::DETACH) {
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether a process lives in this namespace.
    pub fn holds_process(&self, pid: u32) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        Ok(std::fs::metadata(format!("/proc/{pid}/ns/net"))?.ino() == self.inode)
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl PartialEq for NetNs {
    fn eq(&self, other: &Self) -> bool {
        self.inode == other.inode
    }
}

impl Eq for NetNs {}

/// Runs `work` on a fresh thread that entered `netns`, and gives its result; the thread ends before this returns.
///
/// Sockets made by `work` stay in that namespace wherever they are used afterwards. Files below `/proc/sys/net` are
/// those of the namespace. A child process spawned by `work` must not ask for a signal at its parent's death, as that
/// is the death of the thread.
pub fn run_in<T, F>(netns: &NetNs, work: F) -> io::Result<T>
where
    T: Send,
    F: FnOnce() -> T + Send,
{
    on_fresh_thread("ripstop-netns", || -> io::Result<T> {
        move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(work())
    })?
}

/// Makes every mount of the caller's mount namespace private, so that nothing made later is seen outside.
pub fn make_mounts_private() -> io::Result<()> {
    use rustix::mount::{MountPropagationFlags, mount_change};
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(())
}

/// Mounts a tmpfs of at most `bytes` over a directory, owned by the caller, mode 0700, without devices or set-user-id.
pub fn mount_tmpfs(path: impl AsRef<Path>, bytes: u64) -> io::Result<()> {
    let options = std::ffi::CString::new(format!("mode=0700,size={bytes}"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("tmpfs", path.as_ref(), "tmpfs", flags, options.as_c_str())?;
    Ok(())
}

fn on_fresh_thread<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work)?;
        thread.join().map_err(|panic| std::panic::resume_unwind(panic))
    })
}
