//! Proxies that are connected: the node's, and those of single workloads.

use std::{collections::HashMap, os::fd::OwnedFd, time::Duration};

use ripstop_model::WorkloadUid;
use ripstop_wire::ripstop::{CaptureSet, SocketRequest};
use tracing::{debug, info, warn};

use super::{
    Capture,
    machine::{Event, Opened},
    operation,
    sides::Side,
    slot::Slot,
};
use crate::{
    namespaces::Found,
    proxy_link::{Outbox, ProxyEvent, Said},
};

/// Which proxy it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// The node's.
    Node,
    /// That of one workload.
    Sidecar(WorkloadUid),
}

/// A proxy that is connected.
pub(super) struct Proxy {
    line: u64,
    pub(super) outbox: Outbox,
    /// It was told that it knows all workloads that are its.
    told_all: bool,
    /// It takes no messages any more.
    pub(super) broken: bool,
    /// Its process, as the kernel says.
    pid: Option<u32>,
    /// Since when its workload is not for it.
    needless: Option<Duration>,
    /// It was told so.
    dismissed: bool,
}

/// All of them; of each place the newest.
#[derive(Default)]
pub(super) struct Lines(HashMap<Place, Proxy>);

/// A proxy that waits until all namespaces were looked into.
pub(super) struct Arriving {
    line: u64,
    pid: Option<u32>,
    place: Place,
    held: Vec<String>,
    outbox: Outbox,
}

// === impl Place ===

impl Place {
    /// The proxy of `uid` on that side.
    pub(super) fn of(uid: &WorkloadUid, side: Side) -> Self {
        match side {
            Side::Node => Self::Node,
            Side::Sidecar => Self::Sidecar(uid.clone()),
        }
    }

    fn side(&self) -> Side {
        match self {
            Self::Node => Side::Node,
            Self::Sidecar(_) => Side::Sidecar,
        }
    }

    /// Whether it may serve `uid` at all.
    fn may_serve(&self, uid: &WorkloadUid) -> bool {
        match self {
            Self::Node => true,
            Self::Sidecar(own) => own == uid,
        }
    }
}

// === impl Lines ===

impl Lines {
    /// The proxy of `uid` on that side, if it takes messages.
    pub(super) fn of(&mut self, uid: &WorkloadUid, side: Side) -> Option<&mut Proxy> {
        self.0.get_mut(&Place::of(uid, side)).filter(|proxy| !proxy.broken)
    }

    fn place(&self, line: u64) -> Option<Place> {
        self.0.iter().find(|(_, proxy)| proxy.line == line).map(|(place, _)| place.clone())
    }

    fn broken(&self) -> Vec<Place> {
        self.0.iter().filter(|(_, proxy)| proxy.broken).map(|(place, _)| place.clone()).collect()
    }
}

// === impl Proxy ===

impl Proxy {
    /// What became of telling it something; a proxy that takes nothing is about to be given up.
    pub(super) fn note(&mut self, told: bool) -> bool {
        self.broken |= !told;
        told
    }
}

impl<R: FnMut(CaptureSet)> Capture<R> {
    /// Takes note of what a proxy said.
    pub(super) fn hear(&mut self, event: ProxyEvent) {
        let ProxyEvent { line, said } = event;
        if let Said::Up { held, only, pid, outbox } = said {
            let place = only.map_or(Place::Node, |uid| Place::Sidecar(WorkloadUid::new(uid)));
            // Whoever comes in its name while it lives is not it; it tries again, if it is its successor.
            let is_another = |proxy: &Proxy| !proxy.broken && proxy.pid != pid && proxy.pid.is_some_and(lives);
            if let Some(first) = self.lines.0.get(&place).filter(|proxy| is_another(proxy)) {
                return warn!(
                    pid,
                    first = first.pid,
                    place = %place.side(),
                    "a second proxy came while the first one lives; it is refused. If the first one is not the mesh's, end it"
                );
            }
            let held: Vec<String> =
                held.into_iter().filter(|uid| place.may_serve(&WorkloadUid::new(uid.as_str()))).collect();
            for uid in &held {
                self.slots.entry(WorkloadUid::new(uid.as_str())).or_default();
            }
            self.arriving = Some(Arriving { line, pid, place, held, outbox });
            return self.scan();
        }
        let Some(place) = self.lines.place(line) else { return };
        let (now, side) = (self.now(), place.side());
        match said {
            Said::Up { .. } => {}
            Said::Down => self.proxy_gone(&place),
            Said::Ack { uid, error } => self.acknowledged(&place, &WorkloadUid::new(uid), error),
            Said::Counts(counts) => {
                for (uid, count) in counts {
                    let uid = WorkloadUid::new(uid);
                    if let Some(slot) = self.slots.get_mut(&uid).filter(|_| place.may_serve(&uid)) {
                        // One that does not serve it counts what it finishes.
                        if side == slot.sides.now() && slot.handed {
                            slot.sides.counted(side, count);
                        } else {
                            slot.sides.finishes(side, count);
                        }
                        if side == slot.sides.now() {
                            slot.machine.observe(Event::CapturedCount(count + slot.sides.left_behind()), now);
                        } else if !slot.handed {
                            slot.machine.observe(Event::CapturedCount(slot.sides.left_behind()), now);
                        }
                    }
                }
            }
            Said::Sockets(request) => self.give_sockets(&place, &request),
            Said::Lent { uid, listeners } => self.lent(&place, &WorkloadUid::new(uid), &listeners),
        }
    }

    fn acknowledged(&mut self, place: &Place, uid: &WorkloadUid, error: String) {
        let (now, side) = (self.now(), place.side());
        let Some(slot) = self.slots.get_mut(uid).filter(|_| place.may_serve(uid)) else { return };
        if side != slot.sides.now() {
            if !slot.sides.is_handing() {
                return;
            }
            if error.is_empty() {
                self.move_over(uid);
            } else {
                warn!(workload = %uid, error, "{side} cannot take it; {} goes on", side.other());
                slot.sides.put_off(now);
            }
            return;
        }
        if !slot.handed {
            return;
        }
        slot.handed = error.is_empty();
        if slot.handed {
            slot.kept.acknowledged();
        } else {
            slot.kept.let_go();
        }
        let outcome = if error.is_empty() { Ok(()) } else { Err(error) };
        slot.machine.observe(Event::Acknowledged(outcome), now);
    }

    /// The other proxy of a workload accepts what comes for it: it serves from now on, and the one before lets go.
    fn move_over(&mut self, uid: &WorkloadUid) {
        let now = self.now();
        let Some(slot) = self.slots.get_mut(uid) else { return };
        let before = slot.sides.move_over();
        info!(workload = %uid, to = %before.other(), from = %before, "another proxy serves it");
        slot.handed = true;
        slot.machine.observe(Event::Moved(before.other()), now);
        Self::release(&mut self.lines, slot, uid, before);
    }

    /// Tells a proxy to let go of a workload and to finish what it has: it answers with how much that is, if only once that
    /// it is nothing.
    fn release(lines: &mut Lines, slot: &mut Slot, uid: &WorkloadUid, side: Side) {
        if let Some(proxy) = lines.of(uid, side) {
            slot.sides.released(side);
            let told = proxy.outbox.release(uid.as_str());
            proxy.note(told);
        }
    }

    /// A new agent has no copies of the listeners that a proxy holds.
    fn lent(&mut self, place: &Place, uid: &WorkloadUid, listeners: &[OwnedFd]) {
        let slot = self.slots.get_mut(uid).filter(|slot| place.may_serve(uid) && slot.sides.now() == place.side());
        if let Some(slot) = slot.filter(|slot| slot.handed && slot.kept.is_empty() && listeners.len() == LISTENERS) {
            slot.kept.keep(listeners);
            slot.kept.acknowledged();
        }
    }

    fn proxy_here(&mut self, arriving: Arriving) {
        let Arriving { line, pid, place, held, outbox } = arriving;
        let (now, side) = (self.now(), place.side());
        for uid in held.iter().filter(|uid| !self.slots.contains_key(&WorkloadUid::new(uid.as_str()))) {
            // Neither configured nor there any more.
            outbox.delete(uid);
        }
        // The line to a predecessor closes with its outbox, and what that one had is gone.
        if self.lines.0.contains_key(&place) {
            self.proxy_gone(&place);
        }
        let proxy = Proxy {
            line,
            outbox: outbox.clone(),
            told_all: false,
            broken: false,
            pid,
            needless: None,
            dismissed: false,
        };
        self.lines.0.insert(place.clone(), proxy);
        let mut moves = Vec::new();
        for (uid, slot) in self.slots.iter_mut().filter(|(uid, _)| place.may_serve(uid)) {
            let holds = held.iter().any(|held| held == uid.as_str());
            if side != slot.sides.now() {
                match (holds, slot.handed) {
                    (false, _) => continue,
                    // An agent ended while it moved: both have them.
                    (true, true) if slot.wanted_side() == side => {
                        moves.push(uid.clone());
                        continue;
                    }
                    (true, true) => {
                        Self::release(&mut self.lines, slot, uid, side);
                        continue;
                    }
                    (true, false) => {
                        slot.sides.move_over();
                        slot.machine.observe(Event::Moved(side), now);
                    }
                }
            }
            slot.handed = holds;
            if holds {
                slot.kept.acknowledged();
                if slot.kept.is_empty() {
                    outbox.lend(uid.as_str());
                }
            }
            slot.machine.observe(Event::ProxyUp { held: holds }, now);
        }
        for uid in &moves {
            self.move_over(uid);
        }
    }

    pub(super) fn proxy_gone(&mut self, place: &Place) {
        let (now, side) = (self.now(), place.side());
        self.lines.0.remove(place);
        for (_, slot) in self.slots.iter_mut().filter(|(uid, _)| place.may_serve(uid)) {
            slot.sides.gone(side);
            if side != slot.sides.now() {
                continue;
            }
            slot.handed = false;
            slot.kept.await_successor(now);
            slot.machine.observe(Event::ProxyDown, now);
            if slot.sides.left_behind() > 0 {
                slot.machine.observe(Event::CapturedCount(slot.sides.left_behind()), now);
            }
        }
    }

    /// A workload's namespace is gone: whoever has connections of it, but does not serve it, is told, too.
    pub(super) fn forget_others(&mut self, uid: &WorkloadUid) {
        let Some(slot) = self.slots.get_mut(uid) else { return };
        for side in [Side::Node, Side::Sidecar].into_iter().filter(|side| slot.sides.may_ask(*side)) {
            if let Some(proxy) = self.lines.of(uid, side) {
                let told = proxy.outbox.delete(uid.as_str());
                proxy.note(told);
            }
        }
        slot.sides.forget();
    }

    /// Those that take no messages are as good as gone.
    pub(super) fn give_up_broken(&mut self) {
        for place in self.lines.broken() {
            self.proxy_gone(&place);
        }
    }

    /// A proxy that was waiting for all namespaces to be looked into.
    pub(super) fn let_in(&mut self) {
        if !self.is_probing()
            && let Some(arriving) = self.arriving.take()
        {
            self.proxy_here(arriving);
        }
    }

    /// Moves a workload to the proxy that it asks for, as far as that is possible now.
    pub(super) fn turn(&mut self, uid: &WorkloadUid) {
        let now = self.now();
        let Some(slot) = self.slots.get_mut(uid) else { return };
        let (wanted, serving) = (slot.wanted_side(), slot.sides.now());
        if wanted == serving {
            if slot.sides.is_handing() {
                // It was asked for, and is not any more.
                slot.sides.stay();
                Self::release(&mut self.lines, slot, uid, serving.other());
            }
            return;
        }
        let is_there = self.lines.of(uid, wanted).is_some();
        if !slot.handed {
            // Who served it last may come back sooner than who never did comes.
            if !is_there && slot.machine.is_captured() {
                return;
            }
            // Nobody serves it, so nobody has to let go of it.
            let was_handing = slot.sides.is_handing();
            slot.sides.move_over();
            slot.machine.observe(Event::Moved(wanted), now);
            slot.machine.observe(if is_there { Event::ProxyUp { held: false } } else { Event::ProxyDown }, now);
            if is_there && was_handing {
                slot.handed = true;
                slot.machine.observe(Event::Opened(Opened::Handed), now);
            }
            return;
        }
        if slot.sides.is_overdue(now) {
            warn!(workload = %uid, "{wanted} has not answered; {serving} goes on");
            slot.sides.put_off(now);
            // Nothing is at one that does not answer; if it is, it will say so.
            if let Some(proxy) = self.lines.of(uid, wanted) {
                let told = proxy.outbox.release(uid.as_str());
                proxy.note(told);
            }
        }
        if slot.sides.is_handing() || !slot.machine.is_serving() || slot.sides.due().is_some_and(|due| now < due) {
            return;
        }
        if slot.kept.is_empty() {
            // Whoever holds them lends them, if it can.
            slot.sides.put_off(now);
            if let Some(proxy) = self.lines.of(uid, serving) {
                let told = proxy.outbox.lend(uid.as_str());
                proxy.note(told);
            }
            return;
        }
        if let Some(proxy) = self.lines.of(uid, wanted) {
            let told = proxy.outbox.add(uid.as_str(), slot.kept.copies());
            if proxy.note(told) {
                slot.sides.hand(now);
            }
        }
    }

    fn give_sockets(&mut self, place: &Place, request: &SocketRequest) {
        let uid = WorkloadUid::new(request.uid.as_str());
        let side = place.side();
        let serves = |slot: &&Slot| slot.sides.now() == side && slot.machine.is_served() || slot.sides.may_ask(side);
        let slot = self.slots.get(&uid).filter(|_| place.may_serve(&uid)).filter(serves);
        let Some(proxy) = self.lines.0.get(place) else { return };
        let refused = match (slot, self.directory.find(&uid)) {
            (Some(slot), Found::Namespace(netns)) if slot.inode == Some(netns.inode()) => {
                match operation::prepared(request) {
                    Ok(wish) => {
                        self.operations.give(netns, wish, request.id, proxy.outbox.clone());
                        return;
                    }
                    Err(reason) => reason,
                }
            }
            (Some(_), Found::Unknown(error)) => format!("the namespace of {uid} cannot be opened: {error}"),
            _ => format!("{uid} has no capture here"),
        };
        debug!(workload = %uid, reason = refused, "sockets refused");
        proxy.outbox.sockets(request.id, Err(refused));
    }

    /// Once all workloads that are a proxy's are with it, it is told so.
    pub(super) fn tell_all(&mut self) {
        if !self.configured || self.is_probing() {
            return;
        }
        for (place, proxy) in self.lines.0.iter_mut().filter(|(_, proxy)| !proxy.told_all && !proxy.broken) {
            let side = place.side();
            let waits = |slot: &Slot| {
                let is_its = slot.sides.now() == side;
                is_its && slot.machine.is_to_be_handed() || !is_its && slot.handed && slot.wanted_side() == side
            };
            let is_complete = match place {
                Place::Node => !self.slots.values().any(waits),
                // Of its only workload nothing may be known yet.
                Place::Sidecar(uid) => self.slots.get(uid).is_some_and(|slot| slot.workload.is_some() && !waits(slot)),
            };
            if is_complete {
                proxy.told_all = true;
                let told = proxy.outbox.snapshot_sent();
                proxy.note(told);
                info!(proxy = %side, "a proxy knows all workloads that are its");
            }
        }
    }

    /// Sidecars of workloads that do not ask for them any more, and of which they have nothing, are told so, and end. Not at
    /// once: who started one may have heard of it sooner than this agent did.
    pub(super) fn dismiss(&mut self) {
        if !self.configured || self.is_probing() {
            return;
        }
        let now = self.now();
        for (place, proxy) in self.lines.0.iter_mut().filter(|(_, proxy)| !proxy.broken) {
            let Place::Sidecar(uid) = place else { continue };
            let is_needless = self.slots.get(uid).is_some_and(Slot::is_done_with_sidecar);
            proxy.needless = is_needless.then(|| proxy.needless.unwrap_or(now));
            let is_due = proxy.needless.is_some_and(|since| now >= since + DISMISSAL);
            if is_due && !proxy.dismissed {
                let told = proxy.outbox.release(uid.as_str());
                proxy.note(told);
            }
            proxy.dismissed = is_due;
        }
    }

    /// When a sidecar is to be told that it is needless.
    pub(super) fn dismissals_due(&self) -> Option<Duration> {
        let needless = self.lines.0.values().filter(|proxy| !proxy.broken && !proxy.dismissed);
        // What was due already is done once all namespaces were looked into.
        let now = self.now();
        needless.filter_map(|proxy| Some(proxy.needless? + DISMISSAL)).filter(|due| *due > now).min()
    }

    /// When a workload may be given to the proxy that it asks for, after that failed, or when that has to have answered.
    pub(super) fn turns_due(&self) -> Option<Duration> {
        let turning = self.slots.values().filter(|slot| slot.handed && slot.wanted_side() != slot.sides.now());
        // What was due already has been tried, and is tried again when something happens.
        let now = self.now();
        turning.filter_map(|slot| slot.sides.due()).filter(|due| *due > now).min()
    }
}

/// A sidecar that is not needed is told so after this.
const DISMISSAL: Duration = Duration::from_secs(5);

/// Whether there is such a process.
fn lives(pid: u32) -> bool {
    std::path::Path::new("/proc").join(pid.to_string()).exists()
}

/// Listeners of a workload.
const LISTENERS: usize = 6;
