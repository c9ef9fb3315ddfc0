//! Last good states on disk, written beside the work and not in it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::disk;

/// Least time between two writes of one file: a storm of changes costs ten writes a second.
const PACE: Duration = Duration::from_millis(100);
/// Wait before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

type Content = Option<Arc<dyn Fn() -> Vec<u8> + Send + Sync>>;

/// Keeps the newest state of one file on disk. Between two writes older states
/// are skipped; a full disk is told and tried again, and never stops the mesh.
pub(crate) struct Keeper {
    newest: watch::Sender<Content>,
}

impl Keeper {
    /// Starts the owned task that writes `path`. At `stop` it writes the newest state and ends.
    pub(crate) fn start(path: PathBuf, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let (newest, seen) = watch::channel(None);
        tasks.spawn(keep(path, seen, stop));
        Self { newest }
    }

    /// The state that `encode` makes is to be on disk. It is encoded on a thread of its own.
    pub(crate) fn keep(&self, encode: impl Fn() -> Vec<u8> + Send + Sync + 'static) {
        self.newest.send_replace(Some(Arc::new(encode)));
    }
}

async fn keep(path: PathBuf, mut newest: watch::Receiver<Content>, stop: CancellationToken) {
    loop {
        let ended = tokio::select! {
            changed = newest.changed() => changed.is_err(),
            () = stop.cancelled() => true,
        };
        // At the end `changed` may have lost the race: look once more.
        if ended && !newest.has_changed().unwrap_or(true) {
            return;
        }
        let content = newest.borrow_and_update().clone();
        let Some(encode) = content else { return };
        let target = path.clone();
        let written = tokio::task::spawn_blocking(move || disk::replace(&target, &encode())).await;
        let pause = match written {
            Ok(Ok(())) => PACE,
            Ok(Err(error)) => {
                tracing::error!(path = %path.display(), %error, "the last good state cannot be written; check the disk");
                newest.mark_changed();
                RETRY
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "the last good state could not be encoded");
                RETRY
            }
        };
        if ended {
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests;
