//! When an agent's word that a workload is captured may be believed.
//!
//! Senders use a tunnel only while the receiver's capture stands. A report says
//! what was true when the agent wrote it; if the workload left the mesh and came
//! back, or got new addresses, meanwhile, an old report must not count for the new
//! state. So such a change raises a fence, and the agent's acknowledgement of the
//! commit that told it lowers it.

use std::{collections::HashMap, sync::Arc};

use ripstop_model::{Workload, WorkloadUid};

/// Workloads whose reports are not believed yet, with the version that their agent must have.
#[derive(Debug, Default)]
pub(crate) struct Fences(HashMap<WorkloadUid, Fence>);

#[derive(Debug)]
struct Fence {
    version: u64,
    node: Arc<str>,
}

/// How a workload was in the commit before.
pub(crate) enum Before<'a> {
    /// This is the first commit of this process: reports of the former life count.
    Unknown,
    /// It did not exist.
    Absent,
    /// It was this.
    Known(&'a Workload),
}

impl Fences {
    /// Whether `workload` is captured, as far as senders may know. `reported` is what its agent
    /// says, `version` the commit that is being made, `acked` what the agent of a node has in force.
    pub(crate) fn is_captured(
        &mut self,
        workload: &Workload,
        before: &Before<'_>,
        reported: bool,
        version: u64,
        acked: impl FnOnce(&str) -> u64,
    ) -> bool {
        if !workload.enrolment.is_enrolled() || !reported {
            // The next report that it is captured will be a new one.
            self.0.remove(&workload.uid);
            return false;
        }
        let is_new = match before {
            Before::Unknown => false,
            Before::Absent => true,
            Before::Known(old) => {
                !old.enrolment.is_enrolled() || old.addresses != workload.addresses || old.node != workload.node
            }
        };
        if is_new {
            self.0.insert(workload.uid.clone(), Fence { version, node: workload.node.clone() });
            return false;
        }
        match self.0.get(&workload.uid) {
            Some(fence) if acked(&fence.node) < fence.version => false,
            _ => {
                self.0.remove(&workload.uid);
                true
            }
        }
    }

    /// The workload is gone.
    pub(crate) fn forget(&mut self, uid: &WorkloadUid) {
        self.0.remove(uid);
    }

    /// Whether any acknowledgement is waited for.
    pub(crate) fn any(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
