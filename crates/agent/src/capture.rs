//! Capture of the node's enrolled workloads: the shell around [`machine`].
//!
//! One task, [`Capture`], owns all machines. It hears configuration, the proxies,
//! the directory of namespaces and its own finished [`operation`]s, and tells
//! the proxies and the control plane. Whatever enters a namespace happens on
//! threads of its own; nothing here waits for them.

mod kept;
mod lines;
mod machine;
mod operation;
mod sides;
mod slot;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ripstop_decide::Program;
use ripstop_model::{Workload, WorkloadUid};
use ripstop_wire::ripstop::CaptureSet;
use tokio::{
    sync::{mpsc, watch},
    time::sleep_until,
};
use tracing::{debug, error, warn};

use crate::{
    Error,
    namespaces::{Directory, Found, Watch},
    proxy_link::ProxyEvent,
};
use lines::{Arriving, Lines};
use machine::{Action, Event, Opened, State};
use operation::{Done, Judge, Operation, Operations, Outcome};
pub(crate) use slot::Served;
use slot::Slot;

/// Changes within this time make one report.
const COALESCE: Duration = Duration::from_millis(20);
/// How often exempt connections are counted, while there are any.
const REFRESH: Duration = Duration::from_secs(1);
/// A file that is no namespace yet is looked at again after this long, later ever less often.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const LOOK_SELDOM: Duration = Duration::from_secs(1);

/// See the module's text.
pub(crate) struct Capture<R> {
    node: Arc<str>,
    directory: Directory,
    watch: Watch,
    snapshots: watch::Receiver<Arc<Program>>,
    proxies: mpsc::Receiver<ProxyEvent>,
    report: R,
    served: watch::Sender<Served>,
    started: Instant,
    slots: HashMap<WorkloadUid, Slot>,
    operations: Operations,
    lines: Lines,
    /// A proxy that waits until all namespaces were looked into.
    arriving: Option<Arriving>,
    report_at: Option<Duration>,
    look: Option<Look>,
    /// A snapshot was taken over: before, nobody knows who is local.
    configured: bool,
}

#[derive(Clone, Copy)]
struct Look {
    at: Duration,
    pause: Duration,
}

// === impl Capture ===

impl<R: FnMut(CaptureSet)> Capture<R> {
    pub(crate) fn new(
        node: &str,
        directory: Directory,
        snapshots: watch::Receiver<Arc<Program>>,
        proxies: mpsc::Receiver<ProxyEvent>,
        report: R,
        served: watch::Sender<Served>,
    ) -> Result<Self, Error> {
        Ok(Self {
            node: node.into(),
            watch: directory.watch()?,
            directory,
            snapshots,
            proxies,
            report,
            served,
            started: Instant::now(),
            slots: HashMap::new(),
            operations: Operations::default(),
            lines: Lines::default(),
            arriving: None,
            report_at: None,
            look: None,
            configured: false,
        })
    }

    /// Runs until nobody sends snapshots any more; what is in place stays in place.
    pub(crate) async fn run(mut self) {
        self.snapshots.mark_changed();
        loop {
            let wake = self.wake().map(|at| tokio::time::Instant::from_std(self.started + at));
            let settled = !self.is_probing();
            tokio::select! {
                changed = self.snapshots.changed() => match changed {
                    Ok(()) => self.configure(),
                    Err(_) => return,
                },
                Some(event) = self.proxies.recv(), if settled && self.arriving.is_none() => self.hear(event),
                done = self.operations.next(), if !self.operations.is_empty() => {
                    if let Some(done) = done {
                        self.finish(done);
                    }
                }
                changed = self.watch.changed() => match changed {
                    Ok(()) => self.scan(),
                    Err(error) => {
                        error!(%error, "the directory of namespaces cannot be watched any more");
                        return;
                    }
                },
                () = sleep_until(wake.unwrap_or_else(tokio::time::Instant::now)), if wake.is_some() => {}
            }
            self.settle();
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn is_probing(&self) -> bool {
        self.slots.values().any(|slot| slot.probing)
    }

    /// When something is due although nothing happens.
    fn wake(&self) -> Option<Duration> {
        let report = self.report_at.filter(|_| self.may_report());
        let slots =
            self.slots.values().flat_map(|slot| [slot.machine_due(), slot.refresh_due(), slot.kept.close_due()]);
        let due = [self.look.map(|look| look.at), self.turns_due(), self.dismissals_due()];
        slots.flatten().chain(report).chain(due.into_iter().flatten()).min()
    }

    /// Takes over a new snapshot: who is local, and who is meant to be captured.
    fn configure(&mut self) {
        let snapshot = self.snapshots.borrow_and_update().clone();
        if snapshot.version() == 0 {
            return;
        }
        self.configured = true;
        let now = self.now();
        for slot in self.slots.values_mut() {
            slot.workload = None;
        }
        for workload in snapshot.workloads().filter(|workload| workload.node == self.node) {
            self.slots.entry(workload.uid.clone()).or_default().workload = Some(workload.clone());
        }
        for slot in self.slots.values_mut() {
            // A workload that runs, but that configuration does not name (any more, or not yet), stays
            // as it is: its end shows in its namespace.
            slot.machine.observe(Event::Wanted(slot.workload.as_deref().map(is_wanted)), now);
            slot.refresh_now(now);
        }
        self.report_at.get_or_insert(now + COALESCE);
        self.scan();
    }

    /// Looks at all namespace files.
    fn scan(&mut self) {
        let now = self.now();
        let mut unsettled = false;
        let uids: Vec<WorkloadUid> = self.slots.keys().cloned().collect();
        for uid in uids {
            let found = self.directory.find(&uid);
            let Some(slot) = self.slots.get_mut(&uid) else { continue };
            match found {
                Found::Namespace(netns) if slot.inode == Some(netns.inode()) => {}
                Found::Namespace(netns) => {
                    self.gone(&uid);
                    if let Some(slot) = self.slots.get_mut(&uid) {
                        slot.appear(netns.inode());
                        self.operations.start(&uid, slot.epoch, netns, Operation::Probe);
                    }
                }
                Found::Nothing => self.gone(&uid),
                Found::NotYet => {
                    self.gone(&uid);
                    unsettled = true;
                }
                Found::Unknown(error) => {
                    warn!(workload = %uid, %error, "the namespace of a workload cannot be looked at; it is tried again");
                    unsettled = true;
                }
            }
        }
        self.look = unsettled.then(|| {
            let pause = self.look.map_or(LOOK_AGAIN, |look| (look.pause * 2).min(LOOK_SELDOM));
            Look { at: now + pause, pause }
        });
    }

    fn gone(&mut self, uid: &WorkloadUid) {
        let now = self.now();
        if let Some(slot) = self.slots.get_mut(uid)
            && slot.disappear()
        {
            slot.machine.observe(Event::NamespaceGone, now);
            self.forget_others(uid);
            self.advance(uid);
        }
    }

    /// Takes note of a finished operation.
    fn finish(&mut self, done: Done) {
        let now = self.now();
        let Done { uid, epoch, outcome, rules } = done;
        let Some(slot) = self.slots.get_mut(&uid).filter(|slot| slot.epoch == epoch) else {
            return debug!(workload = %uid, "finished for a namespace that is gone");
        };
        slot.rules = rules.unwrap_or(slot.rules);
        match outcome {
            Outcome::Probed(Ok(rules)) => {
                slot.probing = false;
                slot.machine.observe(Event::Namespace(rules), now);
                // Another agent captured it. Nobody says that it is served here yet, so whom it asks for comes first: that
                // one is on its way, perhaps, and nobody takes its place meanwhile.
                if rules != machine::Rules::None && !slot.handed && slot.wanted_side() != slot.sides.now() {
                    slot.sides.move_over();
                    slot.machine.observe(Event::Moved(slot.sides.now()), now);
                }
                if self.lines.of(&uid, slot.sides.now()).is_some() {
                    slot.machine.observe(Event::ProxyUp { held: slot.handed }, now);
                }
                if rules != machine::Rules::None {
                    slot.refresh_at = Some(now);
                }
            }
            Outcome::Probed(Err(reason)) => {
                warn!(workload = %uid, reason, "the rules of a namespace cannot be read");
                slot.disappear();
                self.look = Some(Look { at: now + LOOK_SELDOM, pause: LOOK_SELDOM });
            }
            Outcome::Opened(Ok(listeners)) => {
                let proxy = self.lines.of(&uid, slot.sides.now());
                slot.kept.keep(&listeners);
                slot.handed = proxy.is_some_and(|proxy| proxy.outbox.add(uid.as_str(), listeners));
                if slot.handed {
                    slot.kept.handed_over(now);
                } else {
                    slot.kept.let_go();
                }
                let outcome = if slot.handed { Opened::Handed } else { Opened::NotYet };
                slot.machine.observe(Event::Opened(outcome), now);
            }
            Outcome::Opened(Err(outcome)) => slot.machine.observe(Event::Opened(outcome), now),
            Outcome::Step(event) => {
                let counts = matches!(event, Event::Enrolled(Ok(_)) | Event::Left(Ok(())));
                slot.machine.observe(event, now);
                if counts {
                    // Policy may forbid some of the exempt connections already.
                    slot.refresh_at = Some(now);
                }
            }
            Outcome::Plain(outcome) => {
                match outcome {
                    Ok(open) => slot.machine.observe(Event::PlainCount(open), now),
                    Err(reason) => debug!(workload = %uid, reason, "exempt connections cannot be counted"),
                }
                slot.refreshed(now);
            }
        }
    }

    /// Does all that is due now.
    fn settle(&mut self) {
        let now = self.now();
        if self.look.is_some_and(|look| now >= look.at) {
            self.scan();
        }
        self.let_in();
        for slot in self.slots.values_mut().filter(|slot| slot.kept.close_due().is_some_and(|due| now >= due)) {
            slot.kept.let_go();
        }
        let uids: Vec<WorkloadUid> = self.slots.keys().cloned().collect();
        for uid in &uids {
            self.turn(uid);
            self.advance(uid);
        }
        self.give_up_broken();
        self.refresh(now);
        self.tell_all();
        self.dismiss();
        self.slots.retain(|_, slot| slot.workload.is_some() || slot.inode.is_some() || slot.handed);
        if self.report_at.is_some_and(|at| now >= at) && self.may_report() {
            self.report_at = None;
            let served = slot::served(&self.slots);
            self.served.send_if_modified(|now| std::mem::replace(now, served.clone()) != served);
            (self.report)(slot::capture_set(&self.node, &self.slots));
        }
    }

    /// What is captured must not be reported as if it were not, only because it was not seen yet.
    fn may_report(&self) -> bool {
        self.configured && !self.is_probing()
    }

    /// Does what the machine of one workload asks for.
    fn advance(&mut self, uid: &WorkloadUid) {
        let now = self.now();
        let Some(slot) = self.slots.get_mut(uid).filter(|slot| !slot.is_refreshing()) else { return };
        let side = slot.sides.now();
        while let Some(action) = slot.machine.poll(now) {
            let proxy = self.lines.of(uid, side);
            let told = match (action, &proxy) {
                (Action::Drain, Some(proxy)) => proxy.outbox.drain(uid.as_str()),
                (Action::Delete, Some(proxy)) => {
                    slot.handed = false;
                    slot.kept.let_go();
                    proxy.outbox.delete(uid.as_str())
                }
                (Action::Delete, None) => {
                    slot.kept.let_go();
                    true
                }
                (Action::Drain, None) => true,
                (Action::Open, Some(proxy)) if slot.handed => {
                    let told = proxy.outbox.add(uid.as_str(), Vec::new());
                    slot.machine.observe(Event::Opened(Opened::Handed), now);
                    told
                }
                (Action::Open, Some(proxy)) if !slot.kept.is_empty() => {
                    slot.handed = proxy.outbox.add(uid.as_str(), slot.kept.copies());
                    slot.kept.handed_over(now);
                    slot.machine.observe(Event::Opened(Opened::Handed), now);
                    slot.handed
                }
                (Action::Open | Action::Enrol | Action::Leave | Action::Remove, _) => {
                    let operation = Operation::of(action);
                    match self.directory.find(uid) {
                        Found::Namespace(netns) if slot.inode == Some(netns.inode()) => {
                            self.operations.start(uid, slot.epoch, netns, operation);
                        }
                        found => {
                            // It changed under our eyes; the watch tells more.
                            let reason = match found {
                                Found::Unknown(error) => format!("the workload's namespace cannot be opened: {error}"),
                                _ => "the workload's namespace is gone".to_owned(),
                            };
                            slot.machine.observe(operation.failed(&reason), now);
                            self.look.get_or_insert(Look { at: now, pause: LOOK_AGAIN });
                        }
                    }
                    true
                }
            };
            if let Some(proxy) = proxy {
                proxy.note(told);
            }
        }
        if slot.changed() {
            self.report_at.get_or_insert(now + COALESCE);
        }
        slot.log(uid);
    }

    /// Counts exempt connections where it is time, and resets those that policy forbids.
    fn refresh(&mut self, now: Duration) {
        let program = self.snapshots.borrow().clone();
        for (uid, slot) in &mut self.slots {
            if slot.refresh_due().is_none_or(|at| now < at) {
                continue;
            }
            match self.directory.find(uid) {
                Found::Namespace(netns) if slot.inode == Some(netns.inode()) => {
                    slot.refreshing();
                    let judge = (slot.machine.state() == State::Captured)
                        .then(|| slot.workload.clone())
                        .flatten()
                        .map(|workload| Judge { workload, program: program.clone() });
                    self.operations.start(uid, slot.epoch, netns, Operation::Refresh(judge));
                }
                Found::Unknown(_) => slot.refresh_at = Some(now + REFRESH),
                _ => slot.refresh_at = None,
            }
        }
    }
}

/// Whether configuration wants a workload to be captured.
fn is_wanted(workload: &Workload) -> bool {
    workload.enrolment.is_enrolled() && !workload.native_tunnel
}

#[cfg(test)]
mod tests;
