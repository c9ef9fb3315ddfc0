//! What a waypoint stood in front of until lately.
//!
//! Nodes and waypoints get each configuration at about the same time, not at the same moment: for a while after something
//! has gone to its endpoints, or to another waypoint, calls for it may still come. They are served as before.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use ripstop_decide::{CalledKey, Callee, Program, stands_before};
use ripstop_model::{Admission, Workload};

use crate::gateway::drain_time;

/// What the waypoint stood in front of until lately. It holds no more than that was.
#[derive(Debug, Default)]
pub struct Lately(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// What it stands in front of.
    served: HashSet<CalledKey>,
    /// What it did, and until when it is served all the same.
    gone: HashMap<CalledKey, Instant>,
}

// === impl Lately ===

impl Lately {
    /// `program` is about to be in force at the waypoint that is `own`.
    pub fn follow(&self, own: &Workload, program: &Program) {
        let services = program.services().map(|service| Callee::Service(service.clone()));
        let entries = program.entries().map(|entry| Callee::Entry(entry.clone()));
        let behind = program.workloads().filter(|workload| workload.waypoint.is_some());
        let workloads = behind.map(|workload| Callee::Workload(workload.clone()));
        let served = services.chain(entries).chain(workloads).filter(|callee| stands_before(own, callee));
        let served: HashSet<CalledKey> = served.filter_map(|callee| callee.called()).collect();
        let now = Instant::now();
        let table = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.gone.retain(|key, until| now < *until && !served.contains(key));
        let until = now + drain_time(program, &own.uid);
        table.gone.extend(table.served.difference(&served).map(|key| (key.clone(), until)));
        table.served = served;
    }

    /// Whether it stood in front of that until lately. Whom it refuses by now it serves no more.
    pub fn served(&self, callee: &Callee) -> bool {
        if callee.waypoint().is_some_and(|waypoint| waypoint.admission == Admission::Refused) {
            return false;
        }
        let Some(key) = callee.called() else { return false };
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.gone.get(&key).is_some_and(|until| Instant::now() < *until)
    }
}
