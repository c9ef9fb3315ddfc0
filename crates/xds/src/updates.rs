//! Commits on their way to their owner.

use ripstop_wire::ResourceChange;
use tokio::sync::{mpsc, oneshot, watch};

/// The commits of a link, one after the other: the next one comes when the last one is answered.
/// Dropping this ends the link's discovery.
#[derive(Debug)]
pub struct Updates {
    pub(crate) first: Option<Commit>,
    pub(crate) later: mpsc::Receiver<Commit>,
}

/// What leads from the last accepted version to this one, to be applied as a whole.
///
/// Dropping it says that it is in force: it is written to disk and acknowledged. So keep it until
/// then, or [`reject`](Self::reject) it.
#[derive(Debug)]
#[must_use = "dropping a commit acknowledges it"]
pub struct Commit {
    /// Version of the whole configuration.
    pub version: u64,
    /// The last good state of an earlier run; the control plane was not asked yet.
    pub from_disk: bool,
    /// What changed.
    pub resources: Vec<ResourceChange>,
    pub(crate) answer: Answer,
}

/// The owner's verdict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Rejected(String),
}

/// Says yes when it is dropped without a word.
#[derive(Debug)]
pub(crate) struct Answer {
    verdict: Option<oneshot::Sender<Verdict>>,
    /// Told by a yes, whether or not anybody waits for the verdict yet.
    in_force: Option<(watch::Sender<u64>, u64)>,
}

impl Updates {
    /// The next commit; nothing when the link ended. The first comes at once if the last good state
    /// was on disk. Cancel safe.
    pub async fn next(&mut self) -> Option<Commit> {
        match self.first.take() {
            Some(first) => Some(first),
            None => self.later.recv().await,
        }
    }
}

impl Commit {
    /// It is in force; the same as dropping it.
    pub fn accept(self) {}

    /// It is refused as a whole, and the state before it stays in force. The control plane shows
    /// `reason`.
    pub fn reject(mut self, reason: &str) {
        self.answer.give(Verdict::Rejected(reason.to_owned()));
    }
}

impl Answer {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Verdict>) {
        let (sender, receiver) = oneshot::channel();
        (Self { verdict: Some(sender), in_force: None }, receiver)
    }

    /// As [`new`](Self::new), and `version` is in force with the yes: there may be no connection that
    /// waits for it.
    pub(crate) fn in_force(commits: &watch::Sender<u64>, version: u64) -> (Self, oneshot::Receiver<Verdict>) {
        let (mut answer, receiver) = Self::new();
        answer.in_force = Some((commits.clone(), version));
        (answer, receiver)
    }

    fn give(&mut self, verdict: Verdict) {
        let Some(sender) = self.verdict.take() else { return };
        if verdict == Verdict::Accepted
            && let Some((commits, version)) = &self.in_force
        {
            commits.send_replace(*version);
        }
        // Nobody waits for it when the link ended.
        let _ = sender.send(verdict);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.give(Verdict::Accepted);
    }
}
