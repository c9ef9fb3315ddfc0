//! The timers of a thread: one coarse wheel, turned by one task, which is there only while a timer is.
//!
//! A deadline that is moved on costs nothing until the old one is due; tunnels under load never touch the wheel.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Deadlines are met this late at most.
const TICK: Duration = Duration::from_millis(16);
/// Slots of the wheel; later deadlines go round again.
const SLOTS: usize = 256;

thread_local! {
    static WHEEL: Rc<Wheel> = Rc::default();
}

/// A deadline of a task, on the thread's wheel: met some 16 ms late at most, and free to be moved on.
///
/// It needs a [`LocalSet`](tokio::task::LocalSet) to run in.
#[derive(Debug, Default)]
pub struct Timer {
    entry: Rc<Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// None once the timer is gone, or has fired.
    deadline: Cell<Option<Instant>>,
    /// The tick under which the wheel knows it.
    filed: Cell<Option<u64>>,
    task: RefCell<Option<Waker>>,
}

/// What is due at some tick, or whole rounds later.
#[derive(Clone, Debug)]
struct Slot {
    /// Each entry with the tick it was filed under.
    entries: Vec<(u64, Rc<Entry>)>,
    /// The first of these ticks, the last there is if there are none.
    earliest: u64,
}

#[derive(Debug)]
struct Wheel {
    slots: RefCell<Vec<Slot>>,
    /// Entries that nobody waits for any more, at most.
    dead: Cell<usize>,
    origin: Cell<Option<Instant>>,
    /// The tick that was looked at last.
    turned: Cell<u64>,
    entries: Cell<usize>,
    /// The next tick that the turning task waits for; none while there is no such task.
    next: Cell<Option<u64>>,
    turner: RefCell<Option<Waker>>,
}

// === impl Timer ===

impl Timer {
    /// Moves the deadline.
    pub fn set(&self, deadline: Instant) {
        self.entry.deadline.set(Some(deadline));
        WHEEL.with(|wheel| wheel.file(&self.entry));
    }

    /// There is no deadline until the next [`Self::set`].
    pub fn clear(&self) {
        self.entry.deadline.set(None);
    }

    /// Ready once the deadline that was set last has passed; then there is none until the next [`Self::set`].
    pub fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let Some(deadline) = self.entry.deadline.get() else { return Poll::Pending };
        if Instant::now() >= deadline {
            self.entry.deadline.set(None);
            return Poll::Ready(());
        }
        let mut task = self.entry.task.borrow_mut();
        match &mut *task {
            Some(task) => task.clone_from(cx.waker()),
            task => *task = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Runs `future`; none if `after` passes before it is ready.
    pub async fn within<T>(after: Duration, future: impl Future<Output = T>) -> Option<T> {
        let deadline = Instant::now() + after;
        let mut timer = None;
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(value));
            }
            // What is ready at once needs none.
            let timer = timer.get_or_insert_with(|| {
                let timer = Self::default();
                timer.set(deadline);
                timer
            });
            timer.poll(cx).map(|()| None)
        })
        .await
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.entry.deadline.set(None);
        self.entry.task.take();
        if self.entry.filed.get().is_some() {
            // A thread that is ending has no wheel any more.
            let _ = WHEEL.try_with(|wheel| wheel.bury());
        }
    }
}

// === impl Wheel ===

impl Default for Wheel {
    fn default() -> Self {
        Self {
            slots: RefCell::new(vec![Slot::default(); SLOTS]),
            dead: Cell::new(0),
            origin: Cell::new(None),
            turned: Cell::new(0),
            entries: Cell::new(0),
            next: Cell::new(None),
            turner: RefCell::default(),
        }
    }
}

impl Entry {
    /// Whether it is filed under `tick`, and somebody waits for it. If nobody does, it is no longer filed.
    fn is_awaited(&self, tick: u64) -> bool {
        if self.filed.get() != Some(tick) {
            return false;
        }
        let awaited = self.deadline.get().is_some();
        if !awaited {
            self.filed.set(None);
        }
        awaited
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self { entries: Vec::new(), earliest: u64::MAX }
    }
}

impl Wheel {
    /// Puts an entry where its deadline belongs, unless it is due to be looked at earlier anyway.
    fn file(self: &Rc<Self>, entry: &Rc<Entry>) {
        let Some(deadline) = entry.deadline.get() else { return };
        let tick = self.tick_of(deadline).max(self.turned.get() + 1);
        if entry.filed.get().is_some_and(|filed| filed <= tick) {
            return;
        }
        let other = entry.filed.replace(Some(tick));
        self.put(tick, entry.clone());
        if other.is_some() {
            // It had a later deadline.
            self.bury();
        }
        match self.next.get() {
            None => {
                self.next.set(Some(tick));
                // Ends by itself when the last timer is gone.
                tokio::task::spawn_local(self.clone().turn());
            }
            Some(next) if tick < next => {
                self.next.set(Some(tick));
                if let Some(turner) = &*self.turner.borrow() {
                    turner.wake_by_ref();
                }
            }
            Some(_) => {}
        }
    }

    fn put(&self, tick: u64, entry: Rc<Entry>) {
        let slot = &mut self.slots.borrow_mut()[slot(tick)];
        slot.entries.push((tick, entry));
        slot.earliest = slot.earliest.min(tick);
        self.entries.set(self.entries.get() + 1);
    }

    /// One more entry is dead. When most are, they are cleared away: each had its turn long before it would be due.
    fn bury(&self) {
        self.dead.set(self.dead.get() + 1);
        if self.dead.get() < SLOTS.max(self.entries.get() / 2) {
            return;
        }
        let mut left = 0;
        for slot in &mut *self.slots.borrow_mut() {
            slot.entries.retain(|(tick, entry)| entry.is_awaited(*tick));
            slot.earliest = slot.entries.iter().map(|(tick, _)| *tick).min().unwrap_or(u64::MAX);
            left += slot.entries.len();
        }
        self.entries.set(left);
        self.dead.set(0);
    }

    async fn turn(self: Rc<Self>) {
        let running = Running(&self);
        while let Some(next) = self.next.get() {
            let mut sleep = pin!(sleep_until(self.instant_of(next)));
            poll_fn(|cx| {
                self.turner.replace(Some(cx.waker().clone()));
                // A timer with an earlier deadline has come.
                if self.next.get() != Some(next) {
                    return Poll::Ready(());
                }
                sleep.as_mut().poll(cx)
            })
            .await;
            #[cfg(test)]
            tests::TURNS.set(tests::TURNS.get() + 1);
            self.look(Instant::now());
            self.next.set(self.first_occupied());
        }
        drop(running);
    }

    /// Looks at all slots up to `now`.
    fn look(self: &Rc<Self>, now: Instant) {
        let reached = self.ticks_until(now);
        let from = self.turned.get();
        if reached <= from {
            return;
        }
        self.turned.set(reached);
        let count = usize::try_from(reached - from).unwrap_or(SLOTS).min(SLOTS);
        for tick in (from + 1..=reached).take(count.max(1)) {
            let looked_at = {
                let slot = &mut self.slots.borrow_mut()[slot(tick)];
                if slot.earliest > reached {
                    continue;
                }
                std::mem::take(slot).entries
            };
            self.entries.set(self.entries.get() - looked_at.len());
            for (tick, entry) in looked_at {
                if !entry.is_awaited(tick) {
                    self.dead.set(self.dead.get().saturating_sub(1));
                } else if tick > reached {
                    // A later round.
                    self.put(tick, entry);
                } else {
                    self.visit(&entry, reached);
                }
            }
        }
    }

    fn visit(self: &Rc<Self>, entry: &Rc<Entry>, reached: u64) {
        entry.filed.set(None);
        let Some(deadline) = entry.deadline.get() else { return };
        if self.tick_of(deadline) > reached {
            // It was moved on.
            self.file(entry);
        } else if let Some(task) = &*entry.task.borrow() {
            task.wake_by_ref();
        }
    }

    /// The next tick that something is filed under.
    fn first_occupied(&self) -> Option<u64> {
        if self.entries.get() == 0 {
            return None;
        }
        self.slots.borrow().iter().map(|slot| slot.earliest).min()
    }

    fn origin(&self) -> Instant {
        self.origin.get().unwrap_or_else(|| {
            let now = Instant::now();
            self.origin.set(Some(now));
            now
        })
    }

    /// The first tick at or after `deadline`.
    fn tick_of(&self, deadline: Instant) -> u64 {
        let passed = deadline.saturating_duration_since(self.origin());
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX) / TICK_MILLIS + 1
    }

    /// The last tick that is over at `now`.
    fn ticks_until(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.origin());
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX) / TICK_MILLIS
    }

    fn instant_of(&self, tick: u64) -> Instant {
        self.origin() + Duration::from_millis(tick.saturating_mul(TICK_MILLIS))
    }
}

/// Says that nobody turns the wheel any more, also when the task is dropped with its runtime.
struct Running<'w>(&'w Wheel);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.next.set(None);
        self.0.turner.take();
    }
}

#[expect(clippy::cast_possible_truncation, reason = "16")]
const TICK_MILLIS: u64 = TICK.as_millis() as u64;

#[expect(clippy::cast_possible_truncation, reason = "below SLOTS")]
fn slot(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests;
