//! One worker's connections to one endpoint.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    task::{Context, Waker},
};

use tokio::{sync::Notify, time::Instant};

use super::{
    error::BackendError,
    facts::Facts,
    http1::Http1Connection,
    http2::Http2Connection,
    purpose::{Fit, Purpose},
};

/// One worker's connections to one endpoint of a backend.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// Connections of HTTP/1.1 that nobody uses, the one that was used last at the end: it is used next, so that those
    /// that are not needed grow old.
    pub(super) idle: RefCell<VecDeque<Box<Http1Connection>>>,
    /// Connections of HTTP/2 that take further streams.
    pub(super) shared: RefCell<Vec<Rc<Http2Connection>>>,
    /// What those of HTTP/2 are made for that are being opened.
    opening: RefCell<Vec<Rc<Purpose>>>,
    /// How many wait for what this pool has.
    pub(super) parked: Cell<usize>,
    /// Rings when there may be something for one of those.
    pub(super) changed: Notify,
    failures: RefCell<Failures>,
}

/// Connections of HTTP/2 that could not be opened.
#[derive(Debug, Default)]
struct Failures {
    count: u64,
    /// What the last one was made for, and why it failed.
    last: Option<(Rc<Purpose>, BackendError)>,
}

/// Counts one that waits. If it gives up, the next one takes its turn.
#[derive(Debug)]
pub(super) struct Parked<'a> {
    pool: &'a Pool,
    gave_up: bool,
}

/// While one opens a connection of HTTP/2, the others wait for it.
#[derive(Debug)]
pub(super) struct Opening {
    pool: Rc<Pool>,
    purpose: Rc<Purpose>,
    /// Whether the others are told when it ends.
    rings: bool,
}

// === impl Pool ===

impl Pool {
    /// Takes a connection of HTTP/1.1 that can be used for `purpose`.
    pub(super) fn take(&self, purpose: &Purpose, facts: &Facts, now: Instant) -> Option<Box<Http1Connection>> {
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            match purpose.fits(&idle[at].purpose) {
                Fit::Other => {}
                Fit::Stale => drop(idle.remove(at)),
                Fit::Same => {
                    let mut connection = idle.remove(at)?;
                    if !connection.is_too_old(facts, now) && connection.client.is_reusable() {
                        return Some(connection);
                    }
                }
            }
        }
        None
    }

    /// A connection of HTTP/2 that takes a stream for `purpose`.
    pub(super) fn share(&self, purpose: &Purpose, facts: &Facts, now: Instant) -> Option<Rc<Http2Connection>> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|connection| purpose.fits(&connection.purpose) != Fit::Stale && !connection.is_done(facts, now));
        let fits = |connection: &&Rc<Http2Connection>| {
            purpose.fits(&connection.purpose) == Fit::Same && connection.has_room(facts)
        };
        shared.iter().find(fits).cloned()
    }

    /// Whether a connection of HTTP/2 may be opened for `purpose`: one at a time, as others can use it.
    pub(super) fn begin_opening(self: &Rc<Self>, purpose: &Purpose) -> Option<Opening> {
        let mut opening = self.opening.borrow_mut();
        if opening.iter().any(|other| purpose.fits(other) == Fit::Same) {
            return None;
        }
        let purpose = Rc::new(purpose.clone());
        opening.push(Rc::clone(&purpose));
        Some(Opening { pool: Rc::clone(self), purpose, rings: true })
    }

    /// How many connections of HTTP/2 could not be opened so far.
    pub(super) fn failures(&self) -> u64 {
        self.failures.borrow().count
    }

    /// Why one that `purpose` could use could not be opened since `before`.
    pub(super) fn failed_since(&self, before: u64, purpose: &Purpose) -> Option<BackendError> {
        let failures = self.failures.borrow();
        let last =
            failures.last.as_ref().filter(|(failed, _)| failures.count > before && purpose.fits(failed) == Fit::Same);
        last.map(|(_, error)| error.clone())
    }

    /// Drops what has ended, or is too old. `waker` is told when another one ends. When to look again.
    pub(super) fn sweep(&self, facts: &Facts, now: Instant, waker: &Waker) -> Option<Instant> {
        let mut cx = Context::from_waker(waker);
        let mut next: Option<Instant> = None;
        let mut look_at = |instant: Option<Instant>| {
            if let Some(instant) = instant {
                next = Some(next.map_or(instant, |next| next.min(instant)));
            }
        };
        self.idle.borrow_mut().retain_mut(|connection| {
            let stays = !connection.is_too_old(facts, now) && connection.client.poll_lost(&mut cx).is_pending();
            if stays {
                look_at(connection.ends(facts));
            }
            stays
        });
        self.shared.borrow_mut().retain(|connection| {
            let stays = !connection.is_done(facts, now);
            if stays {
                look_at(connection.ends(facts));
            }
            stays
        });
        next
    }

    /// Drops the connection that was idle for the longest time; whether there was one.
    pub(super) fn shed(&self) -> bool {
        if self.idle.borrow_mut().pop_front().is_some() {
            return true;
        }
        let mut shared = self.shared.borrow_mut();
        match shared.iter().position(|connection| connection.is_idle()) {
            Some(at) => {
                shared.remove(at);
                true
            }
            None => false,
        }
    }

    /// Drops all that nobody uses, and takes no further streams on the rest.
    pub(super) fn clear(&self) {
        self.idle.borrow_mut().clear();
        self.shared.borrow_mut().clear();
    }

    /// Whether it holds nothing, and nobody waits for it.
    pub(super) fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty()
            && self.shared.borrow().is_empty()
            && self.parked.get() == 0
            && self.opening.borrow().is_empty()
    }
}

// === impl Parked ===

impl<'a> Parked<'a> {
    pub(super) fn new(pool: &'a Pool) -> Self {
        pool.parked.set(pool.parked.get() + 1);
        Self { pool, gave_up: true }
    }

    /// It was called.
    pub(super) fn wake(mut self) {
        self.gave_up = false;
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.pool.parked.set(self.pool.parked.get() - 1);
        if self.gave_up {
            self.pool.changed.notify_one();
        }
    }
}

// === impl Opening ===

impl Opening {
    /// Nothing was tried.
    pub(super) fn put_off(mut self) {
        self.rings = false;
    }

    /// Whoever waits for the connection fails with it.
    pub(super) fn fail(self, error: &BackendError) {
        let mut failures = self.pool.failures.borrow_mut();
        failures.count += 1;
        failures.last = Some((Rc::clone(&self.purpose), error.clone()));
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.pool.opening.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.purpose));
        if self.rings {
            self.pool.changed.notify_waiters();
        }
    }
}
