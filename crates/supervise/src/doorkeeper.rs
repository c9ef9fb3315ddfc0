//! The doorkeeper of the admin socket: only processes of the host's network namespace, of the mesh's
//! own user or root, come in. What comes in is served by PID 1.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ripstop_net::{FdChannel, NetNs, PeerNs, peer_namespace, peer_user, scm::with_short_path};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::{
    Error, Result,
    handover::{self, AdminPeer, ToWorld},
};

/// Accepts on the admin socket and checks who comes.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    listener: UnixListener,
    path: PathBuf,
    own_netns: NetNs,
    own_uid: u32,
}

/// Pause when the system has no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(50);

// === impl Doorkeeper ===

impl Doorkeeper {
    /// Listens on `path` (0600), where a dead predecessor may have left its socket.
    pub(crate) fn bind(path: PathBuf) -> Result<Self> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::file("replace", &path)(error)),
            _ => {}
        }
        let listener =
            with_short_path(&path, |path| UnixListener::bind(path)).map_err(Error::file("listen on", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(Error::file("protect", &path))?;
        let own_netns = NetNs::current().map_err(Error::system("open the host's network namespace"))?;
        Ok(Self { listener, path, own_netns, own_uid: rustix::process::geteuid().as_raw() })
    }

    /// Hands over whoever may come in, for as long as it is not dropped.
    pub(crate) async fn run(self, world: Arc<FdChannel>) {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "admin socket cannot accept");
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            };
            match self.check(&stream) {
                Ok(peer) => {
                    if let Err(error) = handover::send_with(&world, &ToWorld::Admin(peer), &stream).await {
                        tracing::warn!(%error, "admin connection is lost");
                    }
                }
                Err(reason) => tracing::warn!(reason, "admin connection refused"),
            }
        }
    }

    fn check(&self, stream: &UnixStream) -> Result<AdminPeer, String> {
        let peer = match peer_namespace(stream) {
            Ok(peer) => peer,
            Err(error) => return admit_unseen(peer_user(stream).ok(), self.own_uid).ok_or_else(|| error.to_string()),
        };
        admit(&peer, self.own_netns.inode(), self.own_uid)
    }
}

impl Drop for Doorkeeper {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.path);
    }
}

/// Hands over connections to the metrics port.
pub(crate) async fn metrics(listener: TcpListener, world: Arc<FdChannel>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = handover::send_with(&world, &ToWorld::Metrics, &stream).await {
                    tracing::warn!(%error, "metrics connection is lost");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "metrics port cannot accept");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Connects to an admin socket; does not wait, within a runtime.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    let stream = with_short_path(path, |path| std::os::unix::net::UnixStream::connect(path))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// The rule: the host's own network namespace, and the mesh's own user or root.
fn admit(peer: &PeerNs, own_netns: u64, own_uid: u32) -> Result<AdminPeer, String> {
    if peer.netns != own_netns {
        return Err(format!("process {} lives in another network namespace", peer.pid.unwrap_or_default()));
    }
    if peer.uid != own_uid && peer.uid != 0 {
        return Err(format!("user {} does not own this mesh", peer.uid));
    }
    Ok(AdminPeer { uid: peer.uid, pid: peer.pid.unwrap_or_default() })
}

/// Root may come in whose namespace an ordinary user is not shown. In a world that is not root's, no workload is: the
/// kernel tells users as the host names them.
fn admit_unseen(uid: Option<u32>, own_uid: u32) -> Option<AdminPeer> {
    (own_uid != 0 && uid == Some(0)).then_some(AdminPeer { uid: 0, pid: 0 })
}

#[cfg(test)]
mod tests;
