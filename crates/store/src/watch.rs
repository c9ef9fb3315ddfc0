//! Word from the system that files changed.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use notify::{
    Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::Notify;

use crate::scan::{MAX_FILES, is_configuration};

/// Watches a tree; what happens is kept as a state, not queued, so that any number of events costs
/// the same.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    watcher: Option<RecommendedWatcher>,
    outside: BTreeSet<PathBuf>,
}

#[derive(Debug, Default)]
struct Shared {
    changed: Notify,
    /// Files that were written to and not closed since.
    writing: Mutex<HashSet<PathBuf>>,
}

// === impl Watch ===

impl Watch {
    /// Watches everything below `root`; also why it cannot, if it cannot.
    pub(crate) fn start(root: &Path) -> (Self, Option<notify::Error>) {
        let shared = Arc::default();
        let (watcher, error) = watcher(&shared, root);
        (Self { shared, watcher, outside: BTreeSet::new() }, error)
    }

    /// Watches `root` anew: it is another directory of the same name now.
    pub(crate) fn restart(&mut self, root: &Path) {
        self.outside.clear();
        let (watcher, error) = watcher(&self.shared, root);
        self.watcher = watcher;
        if let Some(error) = error {
            tracing::warn!(%error, directory = %root.display(), "cannot watch, looking at intervals");
        }
    }

    /// Whether the system tells of changes.
    pub(crate) fn is_working(&self) -> bool {
        self.watcher.is_some()
    }

    /// Files that someone writes to at the moment.
    pub(crate) fn writing(&self) -> HashSet<PathBuf> {
        self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Watches these directories besides the tree.
    pub(crate) fn watch_outside(&mut self, directories: BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.outside.difference(&directories) {
            let _ = watcher.unwatch(gone); // it may have vanished
        }
        for new in directories.difference(&self.outside) {
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::debug!(directory = %new.display(), %error, "cannot watch, looking at intervals");
            }
        }
        self.outside = directories;
    }

    /// Waits without this object: completes when something changed.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.shared.clone())
    }
}

fn watcher(shared: &Arc<Shared>, root: &Path) -> (Option<RecommendedWatcher>, Option<notify::Error>) {
    let sink = shared.clone();
    let handler = move |event: notify::Result<Event>| sink.take(event);
    let made = RecommendedWatcher::new(handler, Config::default()).and_then(|mut watcher| {
        watcher.watch(root, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    match made {
        Ok(watcher) => (Some(watcher), None),
        Err(error) => (None, Some(error)),
    }
}

/// Tells of changes.
pub(crate) struct Changes(Arc<Shared>);

impl Changes {
    /// Completes when something changed since the last time.
    pub(crate) async fn next(&self) {
        self.0.changed.notified().await;
    }
}

// === impl Shared ===

impl Shared {
    fn take(&self, event: notify::Result<Event>) {
        let Ok(event) = event else {
            self.changed.notify_one();
            return;
        };
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match event.kind {
            EventKind::Modify(ModifyKind::Data(_)) => {
                let mut files = event.paths.into_iter().filter(|path| is_configuration(path)).peekable();
                if files.peek().is_none() {
                    return;
                }
                if writing.len() < MAX_FILES {
                    writing.extend(files);
                }
            }
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                if !event.paths.iter().any(|path| is_configuration(path)) {
                    return;
                }
                for path in &event.paths {
                    writing.remove(path);
                }
            }
            EventKind::Access(_) => return, // reading changes nothing; our own reading least of all
            _ => {
                for path in &event.paths {
                    writing.remove(path);
                }
            }
        }
        drop(writing);
        self.changed.notify_one();
    }
}
