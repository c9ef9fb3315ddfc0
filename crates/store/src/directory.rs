//! The store over a directory of files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ripstop_api::{Finding, Kind, ObjectId};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, spawn_blocking},
    time::{sleep_until, timeout},
};

use crate::{
    Error,
    catalog::{Catalog, StoreSnapshot},
    change::{self, Placed, Plan, Wish},
    edit::{self, Done, Edited, Pairs},
    finding::{NOT_WATCHED, STATE_NOT_SAVED, of_file},
    scan::Scanner,
    settle::Settling,
    state::StateDir,
    version::Version,
    watch::Watch,
};

/// Events are gathered for so long before the files are looked at.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// The files are looked at so often even if no event came: an event may be missed (network file
/// systems, links out of the tree).
const WATCHED_INTERVAL: Duration = Duration::from_secs(2);
/// The same where the system does not tell of changes.
const UNWATCHED_INTERVAL: Duration = Duration::from_millis(400);
/// An edit that takes longer has failed.
const EDIT_DEADLINE: Duration = Duration::from_secs(10);
/// Time to end.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// Edits that wait at most.
const EDIT_QUEUE: usize = 16;

/// Objects of a directory of YAML and JSON files (`*.yaml`, `*.yml`, `*.json`, at any depth; hidden
/// files, hidden directories and editors' backups are left out), followed as they change.
///
/// A change is seen within a second. Dropping the store ends its task.
#[derive(Debug)]
pub struct DirectoryStore {
    snapshots: watch::Receiver<Arc<StoreSnapshot>>,
    edits: mpsc::Sender<Edit>,
    root: PathBuf,
    task: JoinHandle<()>,
}

/// Something to be changed, and whom to tell.
enum Edit {
    Metadata {
        id: ObjectId,
        labels: Vec<(String, Option<String>)>,
        annotations: Vec<(String, Option<String>)>,
        done: oneshot::Sender<Result<Edited, Error>>,
    },
    Documents {
        wishes: Vec<Wish>,
        done: oneshot::Sender<Result<(u64, Vec<Placed>), Error>>,
    },
    Trial {
        wishes: Vec<Wish>,
        done: oneshot::Sender<Result<(StoreSnapshot, Vec<Placed>), Error>>,
    },
}

/// Who waits for an edit, and with what it is answered.
enum Reply {
    Metadata(oneshot::Sender<Result<Edited, Error>>, Result<Edited, Error>),
    Documents(oneshot::Sender<Result<(u64, Vec<Placed>), Error>>, Result<Vec<Placed>, Error>),
    Trial(oneshot::Sender<Result<(StoreSnapshot, Vec<Placed>), Error>>, Result<(StoreSnapshot, Vec<Placed>), Error>),
}

// === impl DirectoryStore ===

impl DirectoryStore {
    /// Reads `dir` and starts to follow it. What has to outlive the process (ages of objects, their
    /// last good state) is kept in `state_dir`, which is made if need be and must belong to this
    /// store alone.
    ///
    /// Fails if `dir` cannot be listed or `state_dir` not be used; broken objects are findings.
    pub async fn open(dir: impl Into<PathBuf>, state_dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let (dir, state_dir) = (dir.into(), state_dir.into());
        let opened = spawn_blocking(move || {
            let mut core = Core::open(&dir, &state_dir)?;
            let look = core.look(&BTreeSet::new());
            Ok((core, look))
        });
        let (core, look) = opened.await.map_err(|_| Error::Closed)??;
        let root = core.root.clone();
        let (publish, snapshots) = watch::channel(core.snapshot.clone());
        let (edits, queue) = mpsc::channel(EDIT_QUEUE);
        let task = tokio::spawn(follow(core, look, publish, queue));
        Ok(Self { snapshots, edits, root, task })
    }

    /// The objects as they are.
    pub fn snapshot(&self) -> Arc<StoreSnapshot> {
        self.snapshots.borrow().clone()
    }

    /// Follows the objects; the value at the start counts as seen.
    pub fn subscribe(&self) -> watch::Receiver<Arc<StoreSnapshot>> {
        self.snapshots.clone()
    }

    /// Sets or (nothing) removes labels and annotations of an object in its file, which otherwise
    /// stays as it is. A namespace that is declared nowhere gets a file of its own, which goes with the last label
    /// or annotation.
    pub async fn edit_metadata(
        &self,
        id: ObjectId,
        labels: Vec<(String, Option<String>)>,
        annotations: Vec<(String, Option<String>)>,
    ) -> Result<Edited, Error> {
        let (done, result) = oneshot::channel();
        self.ask(Edit::Metadata { id, labels, annotations, done }, result).await?
    }

    /// Puts documents where their objects are declared, each into a file of its own where nobody declares it, or takes
    /// them out, with what became of each; all of it, or, where one can't be granted, nothing. Comments are kept, all else
    /// in the files stays as it is, and a file goes with the last that it says. With it the revision of the first snapshot
    /// that has all.
    pub async fn change(&self, wishes: Vec<Wish>) -> Result<(u64, Vec<Placed>), Error> {
        let (done, result) = oneshot::channel();
        self.ask(Edit::Documents { wishes, done }, result).await?
    }

    /// What [`Self::change`] would do, and the objects as they would be then. Nothing is written.
    pub async fn try_change(&self, wishes: Vec<Wish>) -> Result<(StoreSnapshot, Vec<Placed>), Error> {
        let (done, result) = oneshot::channel();
        self.ask(Edit::Trial { wishes, done }, result).await?
    }

    async fn ask<T>(&self, edit: Edit, answer: oneshot::Receiver<T>) -> Result<T, Error> {
        let answered = timeout(EDIT_DEADLINE, async {
            self.edits.send(edit).await.map_err(|_| Error::Closed)?;
            answer.await.map_err(|_| Error::Closed)
        });
        answered.await.unwrap_or(Err(Error::Slow))
    }

    /// The documents that declare `ids`, comments included, as they stand in their files now, which are named, too.
    pub async fn documents(&self, ids: Vec<ObjectId>) -> Result<Vec<Result<(String, String), Error>>, Error> {
        let (snapshot, root) = (self.snapshot(), self.root.clone());
        let read = move || {
            let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (index, id) in ids.iter().enumerate() {
                if let Some(stored) = snapshot.objects.get(id) {
                    places.entry(&stored.object.source.position.file).or_default().push(index);
                }
            }
            let mut found: Vec<_> = ids.iter().map(|id| Err(Error::NotFound(id.clone()))).collect();
            for (file, indices) in places {
                let here: Vec<ObjectId> = indices.iter().map(|index| ids[*index].clone()).collect();
                for (index, document) in indices.into_iter().zip(change::documents(&root, file, &here)) {
                    let document = document.map_err(|error| snapshot.why_unread(&ids[index], &root, error));
                    found[index] = document.map(|text| (file.to_owned(), text));
                }
            }
            found
        };
        spawn_blocking(read).await.map_err(|_| Error::Closed)
    }

    /// Ends the store and waits for it, at most 5 s.
    pub async fn close(self) {
        drop(self.edits);
        let abort = self.task.abort_handle();
        match timeout(CLOSE_DEADLINE, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the task of the store failed"),
            Err(_) => {
                tracing::warn!("the files do not answer; the store is left");
                abort.abort();
            }
        }
    }
}

/// The owner of the files: looks when something happened, publishes what changed.
async fn follow(
    mut core: Core,
    mut look: Look,
    publish: watch::Sender<Arc<StoreSnapshot>>,
    mut edits: mpsc::Receiver<Edit>,
) {
    let changes = core.watch.changes();
    let mut event_due: Option<Instant> = None;
    let mut looked = Instant::now();
    loop {
        let interval = if core.watch.is_working() { WATCHED_INTERVAL } else { UNWATCHED_INTERVAL };
        let due = [Some(looked + interval), look.again, event_due].into_iter().flatten().min().unwrap_or(looked);
        let edit = tokio::select! {
            edit = edits.recv() => match edit {
                Some(edit) => Some(edit),
                None => return,
            },
            () = changes.next() => {
                event_due.get_or_insert_with(|| Instant::now() + DEBOUNCE);
                continue;
            }
            () = sleep_until(due.into()) => None,
        };
        event_due = None;
        looked = Instant::now();
        let worked = spawn_blocking(move || {
            let mut reply = None;
            let mut trusted = BTreeSet::new();
            match edit {
                Some(Edit::Metadata { id, labels, annotations, done }) => {
                    let result = core.edit(&id, &labels, &annotations);
                    let file = result.as_ref().ok().and_then(|edited| edited.file.as_ref());
                    trusted.extend(file.map(|(file, _)| file.clone()));
                    reply = Some(Reply::Metadata(done, result));
                }
                Some(Edit::Documents { wishes, done }) => {
                    let result = core.grant(&wishes);
                    let placed = result.iter().flatten().filter(|placed| placed.done != Done::Nothing);
                    trusted.extend(placed.flat_map(|placed| placed.files.clone()));
                    reply = Some(Reply::Documents(done, result));
                }
                Some(Edit::Trial { wishes, done }) => reply = Some(Reply::Trial(done, core.try_grant(&wishes))),
                None => {}
            }
            let look = core.look(&trusted);
            (core, look, reply)
        });
        let reply;
        (core, look, reply) = match worked.await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "the store failed and stops following its files");
                return;
            }
        };
        // Whatever looked at the files.
        let is_known = Arc::ptr_eq(&*publish.borrow(), &core.snapshot);
        if !is_known {
            publish.send_replace(core.snapshot.clone());
        }
        let revision = core.snapshot.revision;
        // Whoever asked may have left.
        match reply {
            Some(Reply::Metadata(done, result)) => {
                let _ = done.send(result.map(|edited| Edited { revision, ..edited }));
            }
            Some(Reply::Documents(done, result)) => {
                let _ = done.send(result.map(|placed| (revision, placed)));
            }
            Some(Reply::Trial(done, result)) => {
                let _ = done.send(result);
            }
            None => {}
        }
    }
}

/// Everything that does blocking I/O.
struct Core {
    root: PathBuf,
    scanner: Scanner,
    settling: Settling,
    catalog: Catalog,
    state: StateDir,
    watch: Watch,
    /// The root could not be listed the last time.
    lost: bool,
    /// Directories that could not be listed the last time.
    blind: BTreeSet<String>,
    not_watched: Option<Finding>,
    snapshot: Arc<StoreSnapshot>,
}

/// What came of looking at the files.
struct Look {
    again: Option<Instant>,
}

// === impl Core ===

impl Core {
    fn open(dir: &Path, state_dir: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Directory { path: dir.to_owned(), source };
        let unusable = |source| Error::State { path: state_dir.to_owned(), source };
        let root = fs::canonicalize(dir).map_err(unreadable)?;
        fs::read_dir(&root).map_err(unreadable)?;
        let (state, saved) = StateDir::open(state_dir).map_err(unusable)?;
        let skip = fs::canonicalize(state_dir).map_err(unusable)?;
        let (watch, error) = Watch::start(&root);
        let not_watched = error.map(|error| {
            tracing::warn!(%error, directory = %root.display(), "cannot watch, looking at intervals");
            let message = format!("the directory cannot be watched and is looked at every 400 ms: {error}");
            of_file(NOT_WATCHED, ".", message, "raise fs.inotify.max_user_watches and max_user_instances")
        });
        Ok(Self {
            scanner: Scanner::new(root.clone(), skip),
            root,
            settling: Settling::default(),
            catalog: Catalog::restore(saved),
            state,
            watch,
            lost: false,
            blind: BTreeSet::new(),
            not_watched,
            snapshot: Arc::default(),
        })
    }

    /// Looks at all files. `trusted` ones are believed at once.
    fn look(&mut self, trusted: &BTreeSet<String>) -> Look {
        let mut scan = self.scanner.scan(&self.watch.writing());
        let lost = scan.view.blind.contains("");
        if std::mem::replace(&mut self.lost, lost) && !lost {
            self.watch.restart(&self.root);
        }
        self.watch.watch_outside(std::mem::take(&mut scan.outside));
        scan.view.watched = self.watch.is_working();
        let outcome = self.settling.observe(Instant::now(), &scan.view, trusted);
        for (file, version) in outcome.accepted {
            tracing::debug!(file, gone = version.is_none(), "file changed");
            self.catalog.accept(&file, version);
        }
        self.blind = scan.view.blind;
        let declared_twice = self.catalog.resolve(now_ms(), |file| hides(&self.blind, file));

        let mut findings = self.catalog.findings();
        findings.extend(declared_twice);
        findings.append(&mut scan.findings);
        findings.extend(self.not_watched.clone());
        if let Err(error) = self.state.save(self.catalog.saved()) {
            tracing::warn!(%error, "the last good state of the configuration cannot be saved");
            let message = format!("the last good state cannot be saved: {error}");
            findings.push(of_file(STATE_NOT_SAVED, ".", message, "is the disk full? It is tried again"));
        }
        findings.sort_by(|a, b| a.position.cmp(&b.position));

        let objects = self.catalog.objects();
        let changed =
            self.snapshot.revision == 0 || *self.snapshot.objects != objects || *self.snapshot.findings != findings;
        if changed {
            let old = &self.snapshot;
            let objects = if *old.objects == objects { old.objects.clone() } else { Arc::new(objects) };
            let revision = old.revision + 1;
            self.snapshot = Arc::new(StoreSnapshot { revision, objects, findings: Arc::new(findings) });
        }
        Look { again: outcome.again }
    }

    /// Puts documents and takes documents out, by what the files are now.
    fn grant(&mut self, wishes: &[Wish]) -> Result<Vec<Placed>, Error> {
        self.look(&BTreeSet::new());
        self.plan(wishes)?.carry_out()
    }

    /// The same, unwritten: what the objects would be.
    fn try_grant(&mut self, wishes: &[Wish]) -> Result<(StoreSnapshot, Vec<Placed>), Error> {
        self.look(&BTreeSet::new());
        let plan = self.plan(wishes)?;
        let mut catalog = self.catalog.clone();
        for (file, text) in plan.texts() {
            catalog.accept(file, text.map(|text| Version::of_text(file, text)));
        }
        let placed = plan.placed();
        Ok((catalog.into_snapshot(now_ms(), |file| hides(&self.blind, file)), placed))
    }

    fn plan(&self, wishes: &[Wish]) -> Result<Plan<'_>, Error> {
        let mut plan = Plan::new(&self.root, self.watch.writing());
        for wish in wishes {
            if let Some(broken) = self.catalog.broken(&self.root, &wish.id) {
                return Err(broken);
            }
            plan.add(wish, &self.catalog.files_of(&wish.id))?;
        }
        Ok(plan)
    }

    /// Makes an edit; which revision has it shows when the files are looked at.
    fn edit(&mut self, id: &ObjectId, labels: &Pairs, annotations: &Pairs) -> Result<Edited, Error> {
        let edited = |file, unchanged| Edited { revision: 0, file, unchanged };
        if let Some(broken) = self.catalog.broken(&self.root, id) {
            return Err(broken);
        }
        let file = self.catalog.file_of(id).or_else(|| self.catalog.claimant_of(id));
        if let Some(file) = file {
            let (done, unchanged) = edit::edit(&self.root, file, id, labels, annotations)?;
            return Ok(edited(Some((file.to_owned(), done)), unchanged));
        }
        if id.kind != Kind::Namespace {
            return Err(Error::NotFound(id.clone()));
        }
        let pairs = || labels.iter().chain(annotations);
        let absent: Vec<_> = pairs().filter(|(_, value)| value.is_none()).map(|(key, _)| key.clone()).collect();
        if absent.len() == pairs().count() {
            return Ok(edited(None, absent));
        }
        let file = edit::declare_namespace(&self.root, &id.name, labels, annotations)?;
        Ok(edited(Some((file, Done::Made)), absent))
    }
}

/// Whether a file is in one of these directories.
fn hides(blind: &BTreeSet<String>, file: &str) -> bool {
    blind.iter().any(|directory| file.starts_with(directory.as_str()))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
