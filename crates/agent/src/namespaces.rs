//! Workloads' namespaces as the supervisor shows them: one mounted file each.

use std::{
    io,
    path::{Path, PathBuf},
};

use ripstop_model::WorkloadUid;
use ripstop_net::NetNs;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::net::unix::pipe::Receiver;

use crate::Error;

/// What a workload's file shows.
#[derive(Debug)]
pub(crate) enum Found {
    /// Its namespace.
    Namespace(NetNs),
    /// No file: it does not run.
    Nothing,
    /// A file without a namespace, about to get one or about to go: look again.
    NotYet,
    /// The agent could not look, for want of descriptors or memory: nothing is known of it now. Look
    /// again.
    Unknown(io::Error),
}

/// The directory of namespace files.
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

/// Tells when files come and go. An inotify descriptor is waited for and read like a pipe's.
#[derive(Debug)]
pub(crate) struct Watch(Receiver);

// === impl Directory ===

impl Directory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Starts watching.
    pub(crate) fn watch(&self) -> Result<Watch, Error> {
        Watch::new(&self.0).map_err(|source| Error::File { what: "watch", path: self.0.clone(), source })
    }

    /// The namespace of `uid` now.
    pub(crate) fn find(&self, uid: &WorkloadUid) -> Found {
        let Some(name) = file_name(uid) else { return Found::Nothing };
        match NetNs::open(self.0.join(name)) {
            Ok(netns) => Found::Namespace(netns),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
            Err(error) if is_no_namespace(&error) => Found::NotYet,
            Err(error) => Found::Unknown(error),
        }
    }
}

/// Whether the file is there, but is not of nsfs: [`NetNs::from_fd`] says it, not the kernel.
fn is_no_namespace(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput && error.raw_os_error().is_none()
}

/// `<namespace>.<instance>`, the last two segments of the uid.
fn file_name(uid: &WorkloadUid) -> Option<String> {
    let mut segments = uid.as_str().rsplit('/');
    let (instance, namespace) = (segments.next()?, segments.next()?);
    let plain = |segment: &str| !segment.is_empty() && segment != "." && segment != "..";
    (plain(instance) && plain(namespace)).then(|| format!("{namespace}.{instance}"))
}

// === impl Watch ===

impl Watch {
    fn new(path: &Path) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let events = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::ONLYDIR;
        inotify::add_watch(&fd, path, events)?;
        Ok(Self(Receiver::from_owned_fd_unchecked(fd)?))
    }

    /// Waits until something came or went since the last call. Cancel safe.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            self.0.readable().await?;
            let mut seen = false;
            // Which file it was does not matter: all are looked at.
            loop {
                match self.0.try_read(&mut buffer) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) => seen = true,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            if seen {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
