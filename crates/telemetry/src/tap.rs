//! Looking on while requests pass.
//!
//! Each worker has a [`TapWriter`]; whoever wants to look on opens a [`Tap`] at the [`TapHub`]. Between
//! each of both is a ring of its own, so that a slow reader loses records of its own and nobody else's.
//! While nobody looks on, offering a request is one relaxed load.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll, Waker},
};

use crate::{
    error::Error,
    exchange::Exchange,
    request_record::{RecordFilter, RequestRecord},
};

/// Taps that may be open at a time.
pub const TAPS: usize = 16;

/// Records that wait for a reader, for each worker, unless the reader asks for another number.
pub const RING: usize = 1024;

/// Where taps are opened.
#[derive(Clone, Debug, Default)]
pub struct TapHub {
    shared: Arc<Hub>,
}

/// One worker's end: requests are offered to all taps.
#[derive(Debug)]
pub struct TapWriter {
    hub: Arc<Hub>,
    /// The version of the list of taps that `rings` follows.
    seen: u64,
    rings: Vec<(Arc<Reader>, Arc<Ring>)>,
}

/// One reader's end. Closing it is dropping it.
#[derive(Debug)]
pub struct Tap {
    hub: Arc<Hub>,
    reader: Arc<Reader>,
    /// Drops that were told already.
    told: u64,
}

/// What a reader gets at a time.
#[derive(Debug, Default)]
pub struct Batch {
    /// Requests, those of a worker in order.
    pub records: Vec<Arc<RequestRecord>>,
    /// Requests that were wanted and are lost, since the last batch: the reader was too slow.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Hub {
    /// Open taps: what a worker looks at first.
    open: AtomicUsize,
    /// Changes with each tap that is opened or closed.
    version: AtomicU64,
    readers: Mutex<Vec<Arc<Reader>>>,
}

#[derive(Debug)]
struct Reader {
    filter: RecordFilter,
    /// Records in each of its rings at most.
    room: usize,
    rings: Mutex<Vec<Arc<Ring>>>,
    waker: Mutex<Option<Waker>>,
    /// Of all rings, also of those that are gone.
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Ring {
    records: Mutex<VecDeque<Arc<RequestRecord>>>,
    /// The worker is gone.
    finished: AtomicBool,
}

// === impl TapHub ===

impl TapHub {
    /// The end of one more worker.
    pub fn writer(&self) -> TapWriter {
        TapWriter { hub: self.shared.clone(), seen: 0, rings: Vec::new() }
    }

    /// Opens a tap on the requests that `filter` wants, for up to `room` records of each worker that wait
    /// to be read. The oldest is dropped for the newest. [`TAPS`] may be open at a time.
    pub fn open(&self, filter: RecordFilter, room: usize) -> Result<Tap, Error> {
        let reader = Arc::new(Reader {
            filter,
            room: room.max(1),
            rings: Mutex::default(),
            waker: Mutex::default(),
            dropped: AtomicU64::new(0),
        });
        let mut readers = lock(&self.shared.readers);
        if readers.len() >= TAPS {
            return Err(Error::TooManyTaps(TAPS));
        }
        readers.push(reader.clone());
        self.shared.changed(&readers);
        drop(readers);
        Ok(Tap { hub: self.shared.clone(), reader, told: 0 })
    }

    /// Taps that are open now.
    pub fn taps(&self) -> usize {
        self.shared.open.load(Relaxed)
    }
}

// === impl Hub ===

impl Hub {
    /// Tells the workers of a change of `readers`, which is locked.
    fn changed(&self, readers: &[Arc<Reader>]) {
        self.version.fetch_add(1, Release);
        self.open.store(readers.len(), Release);
    }
}

// === impl TapWriter ===

impl TapWriter {
    /// Whether anybody looks on. Where it costs something to know all of an exchange, this is asked first.
    pub fn is_watched(&self) -> bool {
        self.hub.open.load(Relaxed) > 0
    }

    /// Gives the request to all taps that want it. Never waits: a ring that is being read counts the
    /// record as dropped.
    pub fn offer(&mut self, exchange: &Exchange<'_>) {
        if !self.is_watched() {
            if !self.rings.is_empty() {
                self.follow();
            }
            return;
        }
        if self.hub.version.load(Acquire) != self.seen {
            self.follow();
        }
        let mut record = None;
        for (reader, ring) in self.rings.iter().filter(|(reader, _)| reader.filter.matches(exchange)) {
            let record = record.get_or_insert_with(|| Arc::new(RequestRecord::new(exchange)));
            reader.take(ring, record);
        }
    }

    /// Follows the list of taps. If that is in use right now, the next request does it.
    fn follow(&mut self) {
        let version = self.hub.version.load(Acquire);
        let readers = match self.hub.readers.try_lock() {
            Ok(readers) => readers,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        self.rings.retain(|(reader, _)| readers.iter().any(|open| Arc::ptr_eq(open, reader)));
        for reader in readers.iter() {
            if self.rings.iter().any(|(known, _)| Arc::ptr_eq(known, reader)) {
                continue;
            }
            let mut rings = match reader.rings.try_lock() {
                Ok(rings) => rings,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // It reads right now.
                Err(TryLockError::WouldBlock) => return,
            };
            let ring = Arc::new(Ring::default());
            rings.push(ring.clone());
            self.rings.push((reader.clone(), ring));
        }
        self.seen = version;
    }
}

impl Drop for TapWriter {
    fn drop(&mut self) {
        for (_, ring) in &self.rings {
            ring.finished.store(true, Release);
        }
    }
}

// === impl Reader ===

impl Reader {
    /// Puts a record into the ring, or counts it as dropped, and wakes the reader if it waits.
    fn take(&self, ring: &Ring, record: &Arc<RequestRecord>) {
        let records = match ring.records.try_lock() {
            Ok(records) => Some(records),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        match records {
            Some(mut records) => {
                if records.len() >= self.room {
                    records.pop_front();
                    self.dropped.fetch_add(1, Relaxed);
                }
                records.push_back(record.clone());
            }
            None => {
                self.dropped.fetch_add(1, Relaxed);
            }
        }
        // If the reader holds it, it is about to look once more: it looks after it has left its waker.
        if let Ok(mut waker) = self.waker.try_lock()
            && let Some(waker) = waker.take()
        {
            waker.wake();
        }
    }

    /// Moves what waits in the rings to `records`, and forgets rings that are finished.
    fn drain(&self, records: &mut Vec<Arc<RequestRecord>>) {
        lock(&self.rings).retain(|ring| {
            let finished = ring.finished.load(Acquire);
            // The worker is kept out for an exchange only.
            let waiting = mem::take(&mut *lock(&ring.records));
            records.extend(waiting);
            !finished
        });
    }
}

// === impl Tap ===

impl Tap {
    /// What came since the last call, without waiting.
    pub fn take(&mut self) -> Batch {
        let mut batch = Batch::default();
        self.reader.drain(&mut batch.records);
        let dropped = self.reader.dropped.load(Relaxed);
        batch.dropped = dropped - self.told;
        self.told = dropped;
        batch
    }

    /// Waits until there is something to take.
    pub async fn next(&mut self) -> Batch {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`Self::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Batch> {
        let batch = self.take();
        if !batch.is_empty() {
            return Poll::Ready(batch);
        }
        *lock(&self.reader.waker) = Some(context.waker().clone());
        // What came before the waker was there woke nobody.
        let batch = self.take();
        if batch.is_empty() { Poll::Pending } else { Poll::Ready(batch) }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut readers = lock(&self.hub.readers);
        readers.retain(|reader| !Arc::ptr_eq(reader, &self.reader));
        self.hub.changed(&readers);
    }
}

// === impl Batch ===

impl Batch {
    /// Whether nothing came and nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.dropped == 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
