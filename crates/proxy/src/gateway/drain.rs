//! Connections to a gateway or waypoint that would not be let in any more as they were.
//!
//! When a listener goes, asks for other TLS, or its routes lead nowhere, or when a waypoint stands in front of something no
//! more, what is open drains, as with Envoy: it may finish
//! what it is about within [`drain_time`], and what is left then is ended. Policies do not wait for that. Whether it would be
//! let in rests on how it came in and on nothing else of it: those that came in alike are decided about once.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use ripstop_decide::{CalledKey, Outcome, Program, called_as, listening_at, outcome, proxy_defaults, stands_before};
use ripstop_model::{Workload, WorkloadUid};
use tokio_util::sync::CancellationToken;

use crate::{
    http::standpoint::{Carries, Entrance, at_waypoint},
    local::LocalWorkload,
};

/// How long connections drain where nothing is said of it (Istio's default of `drainDuration`).
const DRAIN_TIME: Duration = Duration::from_secs(45);

/// How long connections to the gateway or waypoint `own` drain that begin to do so now.
pub fn drain_time(program: &Program, own: &WorkloadUid) -> Duration {
    let own = program.workload(own);
    let proxy = own.map_or(&program.traffic().defaults.proxies, |own| proxy_defaults(program, own));
    proxy.drain.unwrap_or(DRAIN_TIME)
}

/// What has come in at one worker and is open, by how it came in.
#[derive(Clone, Debug, Default)]
pub struct Entered(Rc<RefCell<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// What would be let in by `judged`; fires once it would not be any more.
    open: HashMap<Rc<Manner>, Rc<CancellationToken>>,
    /// By what all of it was last judged.
    judged: Option<Arc<Program>>,
}

/// How a connection came in: all that the decision about it rests on, its client's policies apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Manner {
    /// The gateway or waypoint.
    own: WorkloadUid,
    came: Came,
}

/// Where a connection came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Came {
    /// By a listener of a gateway.
    Listener {
        entrance: Entrance,
        /// The address that it called; nothing: each of its requests is routed by itself.
        address: Option<IpAddr>,
    },
    /// By a tunnel to a waypoint.
    Tunnel {
        /// What it is for.
        destination: SocketAddr,
        called: CalledKey,
        carries: Carries,
    },
}

/// Keeps a connection in the table.
#[derive(Debug)]
pub struct Place {
    table: Entered,
    manner: Rc<Manner>,
    outlived: Rc<CancellationToken>,
}

// === impl Entered ===

impl Entered {
    /// Enters a connection; `program` decides now.
    pub fn enter(&self, manner: Manner, program: &Arc<Program>) -> Place {
        // What is there holds by `program` then.
        self.recheck(program);
        let open = &mut self.0.borrow_mut().open;
        if let Some((manner, outlived)) = open.get_key_value(&manner) {
            return Place { table: self.clone(), manner: manner.clone(), outlived: outlived.clone() };
        }
        let (manner, outlived) = (Rc::new(manner), Rc::new(CancellationToken::new()));
        // A workload that is gone ends by itself.
        if program.workload(&manner.own).is_none_or(|own| manner.holds(program, own)) {
            open.insert(manner.clone(), outlived.clone());
        } else {
            outlived.cancel();
        }
        Place { table: self.clone(), manner, outlived }
    }

    /// Decides anew about all that is open, if listeners or routes are others in `program`.
    pub fn recheck(&self, program: &Arc<Program>) {
        self.recheck_by(program, Manner::holds);
    }

    fn recheck_by(&self, program: &Arc<Program>, mut holds: impl FnMut(&Manner, &Program, &Workload) -> bool) {
        let table = &mut *self.0.borrow_mut();
        let judged = table.judged.replace(program.clone());
        if judged.as_ref().is_some_and(|judged| Arc::ptr_eq(judged, program)) {
            return;
        }
        table.open.retain(|manner, outlived| {
            let Some(own) = program.workload(&manner.own) else { return true };
            let stays = judged.as_ref().is_some_and(|judged| is_same(judged, program, own, manner))
                || holds(manner, program, own);
            if !stays {
                outlived.cancel();
            }
            stays
        });
    }
}

/// Whether listeners, what stands before them, and routes of a gateway, and what a waypoint stands in front of, are the
/// same in both. Of workloads nobody looks whether they all are.
fn is_same(judged: &Program, program: &Program, own: &Arc<Workload>, manner: &Manner) -> bool {
    if matches!(manner.came, Came::Tunnel { called: CalledKey::Workload(_), .. }) {
        return false;
    }
    let (before, now) = (judged.traffic(), program.traffic());
    before.gateways.ptr_eq(&now.gateways)
        && before.routes.ptr_eq(&now.routes)
        && before.entries.ptr_eq(&now.entries)
        && judged.has_services_of(program)
        && before.process_proxies.ptr_eq(&now.process_proxies)
        && before.defaults.topology == now.defaults.topology
        && judged.workload(&own.uid).is_some_and(|before| Arc::ptr_eq(before, own))
}

// === impl Manner ===

impl Manner {
    /// Of a connection to `destination`, at the gateway that is `workload`. By whom it was brought does not matter.
    pub fn new(workload: &LocalWorkload, mut entrance: Entrance, destination: SocketAddr) -> Self {
        entrance.before.proxy = None;
        let address = (entrance.carries == Carries::Bytes).then_some(destination.ip());
        Self { own: workload.uid.clone(), came: Came::Listener { entrance, address } }
    }

    /// Of a connection for what is `called` at `destination`, at the waypoint that is `workload`.
    pub fn at_waypoint(workload: &LocalWorkload, destination: SocketAddr, called: CalledKey, carries: Carries) -> Self {
        Self { own: workload.uid.clone(), came: Came::Tunnel { destination, called, carries } }
    }

    /// Whether a connection that comes now is let in like this, and bytes are passed on.
    fn holds(&self, program: &Program, own: &Workload) -> bool {
        match &self.came {
            Came::Listener { entrance, address } => {
                entrance.still_holds(program, own)
                    && entrance.still_announced(program, own)
                    && address.is_none_or(|address| {
                        listening_at(program, &own.labels, entrance.reached).is_some()
                            && leads_on(&outcome(program, &entrance.call(own, address, None)))
                    })
            }
            Came::Tunnel { destination, called, carries } => {
                called_as(program, called, *destination).is_some_and(|called| {
                    let leads = || leads_on(&outcome(program, &at_waypoint(own, *destination, &called, None, None)));
                    stands_before(own, &called) && (*carries == Carries::Requests || leads())
                })
            }
        }
    }
}

fn leads_on(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Forward { .. })
}

// === impl Place ===

impl Place {
    /// Ready once nobody would be let in any more like this.
    pub async fn outlived(&self) {
        self.outlived.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = &mut self.table.0.borrow_mut().open;
        let is_there = open.get(&self.manner).is_some_and(|outlived| Rc::ptr_eq(outlived, &self.outlived));
        // Only this and the table have it.
        if is_there && Rc::strong_count(&self.outlived) == 2 {
            open.remove(&self.manner);
        }
    }
}

#[cfg(test)]
mod tests;
