//! One workload as the shell sees it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use ripstop_model::{DataplaneMode, Workload, WorkloadUid};
use ripstop_wire::ripstop::{Capture as Report, CaptureSet, capture};
use tracing::info;

use super::{
    REFRESH,
    kept::Kept,
    machine::{Machine, State},
    sides::{Side, Sides},
};

/// Workloads that are captured and served by the proxy that they ask for, with the inodes of their namespaces.
pub(crate) type Served = BTreeMap<WorkloadUid, u64>;

/// A workload: its machine, its namespace, and what was said of it.
#[derive(Default)]
pub(super) struct Slot {
    /// Nothing: configuration does not name it.
    pub(super) workload: Option<Arc<Workload>>,
    pub(super) machine: Machine,
    /// Its namespace.
    pub(super) inode: Option<u64>,
    /// Counts namespaces: what was started for an earlier one does not count.
    pub(super) epoch: u64,
    /// Its namespace is being looked into.
    pub(super) probing: bool,
    /// Which proxy serves it.
    pub(super) sides: Sides,
    /// That proxy is connected, and was given its listeners.
    pub(super) handed: bool,
    /// The listeners that it was given.
    pub(super) kept: Kept,
    /// Rules in its namespace, for the log.
    pub(super) rules: usize,
    /// When exempt connections are counted next.
    pub(super) refresh_at: Option<Duration>,
    refreshing: bool,
    said: Said,
}

const TO_SIDECAR: &str = "the proxy of the node serves it until its sidecar is there";
const TO_NODE: &str = "its sidecar serves it until the proxy of the node is there";

/// What of a slot is reported.
#[derive(Clone, Default, PartialEq, Eq)]
struct Said {
    state: Option<State>,
    side: Side,
    left_behind: bool,
    reason: String,
    plain: u64,
    draining: u64,
    logged: Option<State>,
    logged_reason: String,
}

// === impl Slot ===

impl Slot {
    /// A namespace is there, and is about to be looked into.
    pub(super) fn appear(&mut self, inode: u64) {
        self.inode = Some(inode);
        self.epoch += 1;
        self.probing = true;
    }

    /// The namespace is gone; says whether there was one.
    pub(super) fn disappear(&mut self) -> bool {
        self.kept.let_go();
        self.epoch += 1;
        self.probing = false;
        self.refresh_at = None;
        self.refreshing = false;
        self.inode.take().is_some()
    }

    /// Which proxy is to serve it; what does not say leaves it where it is.
    pub(super) fn wanted_side(&self) -> Side {
        match self.workload.as_deref() {
            Some(workload) if workload.has_sidecar() => Side::Sidecar,
            Some(workload) if workload.enrolment.mode == DataplaneMode::Node => Side::Node,
            _ => self.sides.now(),
        }
    }

    /// Whether a sidecar has nothing to do with it any more: it asks for none, and nothing of it is at one.
    pub(super) fn is_done_with_sidecar(&self) -> bool {
        let asks = self.workload.as_ref().is_none_or(|workload| workload.has_sidecar());
        let is_elsewhere = self.sides.now() == Side::Node || self.machine.state() == State::None && !self.handed;
        !asks && is_elsewhere && !self.sides.may_ask(Side::Sidecar)
    }

    /// Whether the proxy that does not serve it has something of it, or is being given it.
    fn is_left_behind(&self) -> bool {
        self.sides.may_ask(self.sides.now().other())
    }

    /// What is in the way, or what is still to come.
    fn reason(&self) -> &str {
        let reason = self.machine.reason();
        let turns = self.machine.state() == State::Captured && self.wanted_side() != self.sides.now();
        match (reason, self.wanted_side()) {
            ("", Side::Sidecar) if turns => TO_SIDECAR,
            ("", Side::Node) if turns => TO_NODE,
            _ => reason,
        }
    }

    /// When exempt connections are to be counted. In one namespace things happen one after the
    /// other.
    pub(super) fn refresh_due(&self) -> Option<Duration> {
        self.refresh_at.filter(|_| !self.refreshing && !self.probing && !self.machine.is_busy())
    }

    /// Whether the machine has to wait for a count.
    pub(super) fn is_refreshing(&self) -> bool {
        self.refreshing
    }

    /// When the machine has something to do although nothing happens.
    pub(super) fn machine_due(&self) -> Option<Duration> {
        self.machine.wake().filter(|_| !self.refreshing)
    }

    /// Counts at once, if there is anything to count: policy may forbid it now.
    pub(super) fn refresh_now(&mut self, now: Duration) {
        if self.machine.plain() > 0 {
            self.refresh_at = Some(now);
        }
    }

    pub(super) fn refreshing(&mut self) {
        self.refreshing = true;
        self.refresh_at = None;
    }

    /// A count ended. While there is anything left, the next one is due in a while.
    pub(super) fn refreshed(&mut self, now: Duration) {
        self.refreshing = false;
        if self.machine.plain() > 0 || self.machine.state() == State::Draining {
            self.refresh_at.get_or_insert(now + REFRESH);
        }
    }

    /// Whether the next report says something new of it.
    pub(super) fn changed(&mut self) -> bool {
        let machine = &self.machine;
        let said = Said {
            state: Some(machine.state()),
            side: self.sides.now(),
            left_behind: self.is_left_behind(),
            reason: self.reason().to_owned(),
            plain: machine.plain(),
            draining: machine.draining(),
            logged: self.said.logged,
            logged_reason: self.said.logged_reason.clone(),
        };
        let changed = said != self.said;
        self.said = said;
        changed
    }

    /// Logs a transition, once.
    pub(super) fn log(&mut self, uid: &WorkloadUid) {
        let (state, reason) = (self.machine.state(), self.reason().to_owned());
        let before = self.said.logged.unwrap_or(State::None);
        if before == state && self.said.logged_reason == reason {
            return;
        }
        info!(
            workload = %uid,
            from = %before,
            to = %state,
            reason,
            proxy = %self.sides.now(),
            rules = self.rules,
            plain = self.machine.plain(),
            draining = self.machine.draining(),
            "capture"
        );
        self.said.logged = Some(state);
        self.said.logged_reason = reason;
    }

    /// Whether it is captured, and by the proxy that it asks for; if so, in which namespace.
    fn served(&self) -> Option<u64> {
        let is_served = self.machine.state() == State::Captured && self.reason().is_empty();
        self.inode.filter(|_| is_served && self.machine.is_serving())
    }

    fn report(&self, uid: &WorkloadUid) -> Report {
        let state = match self.machine.state() {
            State::None => capture::State::None,
            State::Pending | State::SynPhase => capture::State::Pending,
            State::Captured => capture::State::Captured,
            State::Draining => capture::State::Draining,
        };
        Report {
            uid: uid.to_string(),
            state: state.into(),
            reason: self.reason().to_owned(),
            plain: self.machine.plain(),
            draining: self.machine.draining(),
            by_sidecar: self.sides.now() == Side::Sidecar,
            left_behind: self.is_left_behind(),
        }
    }
}

/// Those that nothing slips by.
pub(super) fn served(slots: &HashMap<WorkloadUid, Slot>) -> Served {
    slots.iter().filter_map(|(uid, slot)| Some((uid.clone(), slot.served()?))).collect()
}

/// Everything on the node, in order of uids.
pub(super) fn capture_set(node: &str, slots: &HashMap<WorkloadUid, Slot>) -> CaptureSet {
    let mut captures: Vec<Report> = slots.iter().map(|(uid, slot)| slot.report(uid)).collect();
    captures.sort_by(|a, b| a.uid.cmp(&b.uid));
    CaptureSet { node: node.to_owned(), captures }
}
