//! One line a request.

use std::{
    io::Write,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
        mpsc::{Receiver, channel},
    },
    thread::{self, Thread},
    time::Duration,
};

use crate::{access_log::gather, exchange::Exchange, log_format::LogFormat};

/// Bytes that wait for the writing thread, for each lane.
const LANE_BYTES: usize = 1 << 20;

/// Writes the lines of requests, off the workers' threads. The thread ends when the log and all of its
/// lanes are dropped, and everything is written.
#[derive(Clone, Debug)]
pub struct RequestLog {
    handle: Arc<Handle>,
}

/// One worker's way into the log: lines are made here, and wait in a buffer that the writing thread
/// exchanges for an empty one. A line that finds the buffer full is dropped and counted.
#[derive(Debug)]
pub struct LogLane {
    lane: Arc<Lane>,
    handle: Arc<Handle>,
    /// The line in the making; its memory is kept.
    line: String,
}

/// What keeps the writing thread going.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    writer: Thread,
    /// Ends with the writing thread.
    ended: Mutex<Receiver<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// Nobody writes any more.
    closed: AtomicBool,
    /// The output does not take any more.
    failed: AtomicBool,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: Mutex<String>,
}

// === impl RequestLog ===

impl RequestLog {
    /// Starts the writing thread.
    pub fn start(out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let (end, ended) = channel();
        let thread = thread::Builder::new().name("request-log".into()).spawn(move || {
            theirs.run(out);
            drop(end);
        })?;
        let writer = thread.thread().clone();
        Ok(Self { handle: Arc::new(Handle { shared, writer, ended: Mutex::new(ended) }) })
    }

    /// A lane for one more worker.
    pub fn lane(&self) -> LogLane {
        let lane = Arc::new(Lane::default());
        lock(&self.handle.shared.lanes).push(lane.clone());
        LogLane { lane, handle: self.handle.clone(), line: String::new() }
    }

    /// Takes nothing more, and blocks until all that was queued is written, but no longer than `patience`.
    pub fn close(&self, patience: Duration) {
        self.handle.close();
        // Nothing is ever sent: the wait ends with the thread, or with patience.
        let _ = lock(&self.handle.ended).recv_timeout(patience);
    }

    /// Lines dropped since the start because the output could not keep up, or failed.
    pub fn dropped(&self) -> u64 {
        self.handle.shared.dropped.load(Relaxed)
    }
}

// === impl LogLane ===

impl LogLane {
    /// Queues the line of `exchange`. Never waits for the output: the writing thread holds the buffer
    /// just long enough to exchange it.
    pub fn write(&mut self, format: &LogFormat, exchange: &Exchange<'_>) {
        self.line.clear();
        format.write(exchange, &mut self.line);
        let shared = &self.handle.shared;
        let mut waiting = lock(&self.lane.waiting);
        if shared.failed.load(Relaxed) || waiting.len() + self.line.len() > LANE_BYTES {
            shared.dropped.fetch_add(1, Relaxed);
            return;
        }
        let sleeping = waiting.is_empty();
        waiting.push_str(&self.line);
        drop(waiting);
        if sleeping {
            self.handle.writer.unpark();
        }
    }
}

// === impl Handle ===

impl Handle {
    fn close(&self) {
        self.shared.closed.store(true, Release);
        self.writer.unpark();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

// === impl Shared ===

impl Shared {
    fn run(&self, mut out: impl Write) {
        let mut lines = String::new();
        loop {
            // Asked first: what was written before it was closed is found after.
            let closed = self.closed.load(Acquire);
            let mut idle = true;
            let lanes = lock(&self.lanes).clone();
            for lane in &lanes {
                lines.clear();
                mem::swap(&mut *lock(&lane.waiting), &mut lines);
                if lines.is_empty() {
                    continue;
                }
                idle = false;
                if out.write_all(lines.as_bytes()).and_then(|()| out.flush()).is_err() {
                    self.failed.store(true, Relaxed);
                    return;
                }
            }
            drop(lanes);
            self.forget_finished();
            if idle && closed {
                return;
            }
            if idle {
                thread::park();
                if !self.closed.load(Acquire) {
                    gather();
                }
            }
        }
    }

    /// Lanes whose worker is gone and that are empty are not looked at any more.
    fn forget_finished(&self) {
        lock(&self.lanes).retain(|lane| Arc::strong_count(lane) > 1 || !lock(&lane.waiting).is_empty());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
