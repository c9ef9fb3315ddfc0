//! What the mesh is like without anything beside it: memory by the number of workloads, what a workload's start
//! takes longer in it, and how soon a changed route is followed.
//!
//! Each in a world of its own, one after the other. Others' pairs stand beside one workload each, so that there is
//! nothing to compare with.

use anyhow::{Context, Result};

use crate::{
    plan::Plan,
    task::{Piece, SAMPLES},
};

mod memory;
mod town;

use town::Town;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Itself {
    /// Memory of one node proxy at rest in MiB, by the number of its workloads.
    pub memory: Vec<(u32, f64)>,
    /// What the start of workloads took.
    pub starts: Vec<Start>,
    /// Milliseconds from writing a route to the first answer that followed it.
    pub routes: Vec<f64>,
}

/// One workload outside the mesh and one in it, the one started after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// Milliseconds from `ripstop run` to the first byte of the first answer, outside.
    pub outside: f64,
    /// The same in the mesh.
    pub inside: f64,
    /// Connections that it took in the mesh: 1 where the first one was answered.
    pub tries: u32,
}

// === impl Start ===

impl Start {
    /// What the mesh has added, in milliseconds.
    pub fn added(self) -> f64 {
        self.inside - self.outside
    }
}

/// Takes what `plan` has picked of it, and tells what failed. `progress` is told what comes next.
pub fn run(plan: &Plan, progress: impl Fn(&str)) -> (Itself, Vec<String>) {
    let picked = |piece| plan.pieces.contains(&piece);
    let (mut itself, mut failures) = (Itself::default(), Vec::new());
    let mut keep = |what: &str, result: Result<()>| {
        if let Err(error) = result {
            failures.push(format!("the mesh itself, {what}: {error:#}"));
        }
    };
    if picked(Piece::Workloads) {
        keep("memory", memory::by_workloads(&progress, &mut itself.memory));
    }
    if picked(Piece::StartUp) || picked(Piece::Propagation) {
        keep("starts and routes", in_town(plan, &progress, &mut itself));
    }
    (itself, failures)
}

fn in_town(plan: &Plan, progress: impl Fn(&str), itself: &mut Itself) -> Result<()> {
    progress("the mesh itself: starting two machines");
    let town = Town::start()?;
    if plan.pieces.contains(&Piece::StartUp) {
        progress(&format!("the mesh itself: {SAMPLES} workloads start outside and inside"));
        itself.starts = town.starts().with_context(|| town.story_so_far())?;
    }
    if plan.pieces.contains(&Piece::Propagation) {
        progress(&format!("the mesh itself: a route changes {SAMPLES} times"));
        itself.routes = town.routes().with_context(|| town.story_so_far())?;
    }
    Ok(())
}
