//! When a changed file may be believed.
//!
//! Editors truncate, rename and rewrite; copies arrive in pieces. A change that
//! loses nothing acts at once. One that is suspicious (errors, fewer objects, a
//! shorter file, no file at all) has to stay as it is for a while; and a file that
//! someone still holds open for writing is waited for. Time comes in as an
//! argument.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::version::Version;

/// Files with the state that acts, and the one that may follow.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    files: BTreeMap<String, Tracked>,
    opened: bool,
}

#[derive(Debug, Default)]
struct Tracked {
    /// What acts; nothing: the file is not there.
    accepted: Option<Version>,
    inode: Inode,
    pending: Option<Pending>,
}

/// A state that has not been believed yet.
#[derive(Debug)]
struct Pending {
    version: Option<Version>,
    since: Instant,
}

/// A file as it was just seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) version: Version,
    pub(crate) inode: Inode,
    /// Someone wrote to it and has not closed it.
    pub(crate) being_written: bool,
}

/// Device and inode number.
pub(crate) type Inode = (u64, u64);

/// All files as they were just seen.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) files: BTreeMap<String, Seen>,
    /// Directories (relative, with trailing slash; empty: the root) that could not be listed:
    /// nothing is known of what is below.
    pub(crate) blind: BTreeSet<String>,
    /// Whether `being_written` can be relied on.
    pub(crate) watched: bool,
}

/// What came of looking.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Files whose state changed, with the new one; nothing: gone.
    pub(crate) accepted: Vec<(String, Option<Version>)>,
    /// When to look again even if nothing happens.
    pub(crate) again: Option<Instant>,
}

/// A suspicious change has to last so long.
pub(crate) const SUSPICIOUS: Duration = Duration::from_millis(300);
/// A file held open for writing is believed when nothing was written for so long.
pub(crate) const HELD_OPEN: Duration = Duration::from_secs(2);

// === impl Settling ===

impl Settling {
    /// Takes in what was seen at `now`. The first view is believed as it is (before it there is
    /// nothing that could be lost but what the catalog keeps), and so are `trusted` files.
    pub(crate) fn observe(&mut self, now: Instant, view: &View, trusted: &BTreeSet<String>) -> Outcome {
        let first = !std::mem::replace(&mut self.opened, true);
        let moved = self.moved(view);
        for file in view.files.keys() {
            if !self.files.contains_key(file) {
                self.files.insert(file.clone(), Tracked::default());
            }
        }
        let mut outcome = Outcome::default();
        for (file, tracked) in &mut self.files {
            let seen = view.files.get(file);
            if seen.is_none() && view.blind.iter().any(|directory| file.starts_with(directory.as_str())) {
                continue;
            }
            let version = seen.map(|seen| &seen.version);
            if same(version, tracked.accepted.as_ref()) {
                tracked.pending = None;
                tracked.inode = seen.map(|seen| seen.inode).unwrap_or_default();
                continue;
            }
            let since = match &tracked.pending {
                Some(pending) if same(pending.version.as_ref(), version) => pending.since,
                _ => now,
            };
            let patience = if first || moved.contains(file) || trusted.contains(file) {
                Duration::ZERO
            } else if seen.is_some_and(|seen| seen.being_written) {
                HELD_OPEN
            } else if !view.watched || is_suspicious(tracked.accepted.as_ref(), version) {
                SUSPICIOUS
            } else {
                Duration::ZERO
            };
            if now.duration_since(since) >= patience {
                tracked.accepted = version.cloned();
                tracked.inode = seen.map(|seen| seen.inode).unwrap_or_default();
                tracked.pending = None;
                outcome.accepted.push((file.clone(), tracked.accepted.clone()));
            } else {
                tracked.pending = Some(Pending { version: version.cloned(), since });
                let due = since + patience;
                outcome.again = Some(outcome.again.map_or(due, |again| again.min(due)));
            }
        }
        self.files.retain(|_, tracked| tracked.accepted.is_some() || tracked.pending.is_some());
        outcome
    }

    /// Files that are gone because they now have another name.
    fn moved(&self, view: &View) -> BTreeSet<String> {
        let arrived: BTreeSet<Inode> =
            view.files.iter().filter(|(file, _)| !self.files.contains_key(*file)).map(|(_, seen)| seen.inode).collect();
        let gone = self.files.iter().filter(|(file, tracked)| {
            !view.files.contains_key(*file) && tracked.accepted.is_some() && arrived.contains(&tracked.inode)
        });
        gone.map(|(file, _)| file.clone()).collect()
    }
}

fn same(a: Option<&Version>, b: Option<&Version>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.same(b),
        _ => false,
    }
}

/// Whether going from `old` to `new` looks like a moment in the middle of something.
fn is_suspicious(old: Option<&Version>, new: Option<&Version>) -> bool {
    let Some(new) = new else { return true };
    if !new.is_clean() {
        return true;
    }
    let Some(old) = old else { return false };
    let left: BTreeSet<_> = new.claims().collect();
    new.size() < old.size() || old.claims().any(|id| !left.contains(id))
}

#[cfg(test)]
mod tests;
