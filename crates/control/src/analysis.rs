//! What is wrong with the mesh, worked out beside the commits: they never wait for it.

use std::{
    collections::HashSet,
    future::pending,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use ripstop_api::{Finding, Level};
use ripstop_compile::Output;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::plane::Plane;

/// Bounds of a wait for a turn of the clock.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);

/// What is wrong, and with which state of the mesh.
#[derive(Clone, Default)]
pub(crate) struct Analysis {
    /// Revision of the store.
    pub(crate) revision: u64,
    /// Version of the commit; 0 before anything was looked at.
    pub(crate) version: u64,
    /// Of store and compile, by file and line.
    pub(crate) findings: Arc<[Finding]>,
    /// How many of them are errors.
    pub(crate) errors: usize,
}

/// What is looked at. Cheap to keep.
#[derive(Clone, Default)]
pub(crate) struct Subject {
    /// What the store says of its files.
    pub(crate) stored: Arc<Vec<Finding>>,
    /// About settings that cannot be changed.
    pub(crate) fixed: Arc<[Finding]>,
    /// About SPIFFE bundles.
    pub(crate) bundles: Arc<[Finding]>,
    /// The mesh as it was compiled; nothing before the first time.
    pub(crate) output: Option<Output>,
}

/// Looks at what is published until `stop`: at the newest, and at nothing twice. What was published while it
/// looked at something older is not looked at, but for the last. Where time alone changes what is wrong, as the lives of
/// certificates do, the same is looked at again.
pub(crate) async fn run(plane: Arc<Plane>, stop: CancellationToken) {
    let mut current = plane.current.subscribe();
    current.mark_changed();
    let mut seen: Option<Subject> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = current.changed() => if changed.is_err() { return },
            () = turn(seen.as_ref()) => seen = None,
        }
        let published = current.borrow_and_update().clone();
        let mut analysis = Analysis::clone(&plane.analysis.borrow());
        if !seen.as_ref().is_some_and(|seen| seen.is_same(&published.subject)) {
            let (subject, before) = (published.subject.clone(), analysis.findings.clone());
            let looking = spawn_blocking(move || {
                let findings = subject.findings(SystemTime::now());
                tell_new(&before, &findings);
                findings
            });
            let found = tokio::select! {
                // It ends by itself and holds nothing that others need.
                () = stop.cancelled() => return,
                found = looking => found,
            };
            match found {
                Ok(findings) => analysis.findings = findings.into(),
                Err(error) => {
                    tracing::error!(%error, revision = published.revision, "the mesh could not be analysed; its findings are those of an earlier revision");
                    continue;
                }
            }
            analysis.errors = analysis.findings.iter().filter(|finding| finding.level == Level::Error).count();
            seen = Some(published.subject.clone());
        }
        (analysis.revision, analysis.version) = (published.revision, published.version);
        plane.metrics.findings_errors.store(analysis.errors as u64, Relaxed);
        plane.analysis.send_replace(Arc::new(analysis));
    }
}

/// Waits until time alone changes what is wrong; without end where it does not.
async fn turn(seen: Option<&Subject>) {
    let Some(output) = seen.and_then(|seen| seen.output.as_ref()) else { return pending().await };
    let Some(turn) = output.findings_turn(SystemTime::now()) else { return pending().await };
    // The clock may be set while we wait.
    while let Ok(left) = turn.duration_since(SystemTime::now()) {
        sleep(left.clamp(SHORTEST, LONGEST)).await;
    }
}

/// Logs what was not there before.
fn tell_new(before: &[Finding], findings: &[Finding]) {
    let known: HashSet<&Finding> = before.iter().collect();
    for finding in findings.iter().filter(|finding| !known.contains(finding)) {
        match finding.level {
            Level::Error | Level::Warning => tracing::warn!("{finding}"),
            Level::Info => tracing::info!("{finding}"),
        }
    }
}

// === impl Subject ===

impl Subject {
    /// All findings, in order of file and position. Looks at the whole mesh.
    fn findings(&self, now: SystemTime) -> Vec<Finding> {
        let mut findings = self.stored.to_vec();
        findings.extend(self.output.iter().flat_map(|output| output.findings(now)));
        findings.extend(self.fixed.iter().chain(&*self.bundles).cloned());
        findings.sort_by(|a, b| (&a.position, a.code, &a.path).cmp(&(&b.position, b.code, &b.path)));
        findings
    }

    /// Whether both are known to be one; costs nothing.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let outputs = match (&self.output, &other.output) {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            _ => false,
        };
        outputs
            && Arc::ptr_eq(&self.stored, &other.stored)
            && Arc::ptr_eq(&self.fixed, &other.fixed)
            && Arc::ptr_eq(&self.bundles, &other.bundles)
    }
}
