//! One line a connection.

use std::{
    fmt::Write as _,
    io::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use ripstop_model::{RuleId, SpiffeId, Workload};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::ResponseFlag;

/// Records that wait to be written at most; more are dropped and counted.
const QUEUE: usize = 10_000;
/// How long the writing thread waits for company of a record: what ends within that time is written at once, and wakes
/// it once.
const GATHER: Duration = Duration::from_millis(10);
/// Bytes that are written at once.
const LINES: usize = 64 << 10;

/// Writes connection records as logfmt lines (ztunnel's fields), off the caller's thread.
#[derive(Clone, Debug)]
pub struct AccessLog {
    items: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

/// What waits for the writing thread.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are records")]
enum Item {
    Record(ConnectionRecord),
    /// Somebody wants to know when all of before is written.
    Flush(SyncSender<()>),
}

/// One connection, as one proxy saw it.
#[derive(Clone, Debug)]
pub struct ConnectionRecord {
    /// When it ended.
    pub at: SystemTime,
    /// Inbound or outbound.
    pub direction: Direction,
    /// Who called.
    pub source: Party,
    /// Who was called.
    pub destination: Party,
    /// Address of the tunnel's far end, if it went through one.
    pub hbone: Option<SocketAddr>,
    /// Host name of the service that was addressed.
    pub service: Option<Arc<str>>,
    /// Bytes sent to the far end.
    pub sent: u64,
    /// Bytes received from the far end.
    pub received: u64,
    /// How long it lasted.
    pub duration: Duration,
    /// How it ended.
    pub flag: ResponseFlag,
    /// The policy that refused it.
    pub policy: Option<RuleId>,
    /// Commit version of the configuration that decided.
    pub version: u64,
    /// Why it failed, and what to check.
    pub error: Option<String>,
}

/// One side of a connection.
#[derive(Clone, Debug, Default)]
pub struct Party {
    /// Address.
    pub address: Option<SocketAddr>,
    /// Instance name, if the address belongs to a workload.
    pub workload: Option<Arc<str>>,
    /// Name of its owner, Istio's workload name.
    pub owner: Option<Arc<str>>,
    /// Its namespace.
    pub namespace: Option<Arc<str>>,
    /// Identity proven by mutual TLS.
    pub identity: Option<SpiffeId>,
}

/// Which way a connection goes, seen from the workload whose proxy writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the workload.
    Inbound,
    /// Away from it.
    Outbound,
}

// === impl AccessLog ===

impl AccessLog {
    /// Starts the writing thread; it ends when the last clone is dropped.
    pub fn start(out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (items, queue) = sync_channel(QUEUE);
        thread::Builder::new().name("access-log".into()).spawn(move || run(&queue, out))?;
        Ok(Self { items, dropped: Arc::default() })
    }

    /// Queues a record; never blocks. It is written within moments.
    pub fn write(&self, record: ConnectionRecord) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.items.try_send(Item::Record(record)) {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Blocks until all that was queued before is written, but no longer than `patience`, nor when the queue is full.
    pub fn flush(&self, patience: Duration) {
        let (written, wait) = sync_channel(1);
        if self.items.try_send(Item::Flush(written)).is_ok() {
            // An end is as good: then nothing can be written any more.
            let _ = wait.recv_timeout(patience);
        }
    }

    /// Records dropped since the start because the writer could not keep up.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// Lets what is said next join what was said first.
#[expect(clippy::disallowed_methods, reason = "nothing is waited for but time")]
pub(crate) fn gather() {
    thread::sleep(GATHER);
}

/// Writes until the output fails or nobody is left to write for.
fn run(queue: &Receiver<Item>, mut out: impl Write) {
    let mut lines = String::new();
    let mut waiting = Vec::new();
    while let Ok(first) = queue.recv() {
        if matches!(first, Item::Record(_)) {
            gather();
        }
        lines.clear();
        for item in std::iter::once(first).chain(queue.try_iter()) {
            match item {
                Item::Record(record) => record.render(&mut lines),
                Item::Flush(written) => waiting.push(written),
            }
            if lines.len() >= LINES || !waiting.is_empty() {
                break;
            }
        }
        if out.write_all(lines.as_bytes()).and_then(|()| out.flush()).is_err() {
            return;
        }
        // Whoever asked may have lost patience.
        waiting.drain(..).for_each(|written| {
            let _ = written.try_send(());
        });
    }
}

// === impl ConnectionRecord ===

impl ConnectionRecord {
    /// Appends the record as one logfmt line.
    pub fn render(&self, out: &mut String) {
        let time = OffsetDateTime::from(self.at).format(&Rfc3339).unwrap_or_default();
        let level = if self.error.is_some() { "error" } else { "info" };
        let message = if self.flag == ResponseFlag::Deny { "connection denied" } else { "connection complete" };
        let _ = write!(out, "{time} {level} access {message}");
        self.source.render("src", out);
        self.destination.render("dst", out);
        if let Some(hbone) = self.hbone {
            let _ = write!(out, " dst.hbone_addr={hbone}");
        }
        if let Some(service) = &self.service {
            let _ = write!(out, " dst.service={service}");
        }
        let direction = match self.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        };
        let _ = write!(
            out,
            " direction={direction} bytes_sent={} bytes_recv={} duration={}ms response_flags={} version={}",
            self.sent,
            self.received,
            self.duration.as_millis(),
            self.flag.as_str(),
            self.version
        );
        if let Some(policy) = &self.policy {
            let _ = write!(out, " policy={policy}");
        }
        if let Some(error) = &self.error {
            let _ = write!(out, " error={error:?}");
        }
        out.push('\n');
    }
}

// === impl Party ===

impl Party {
    /// A side known by its address, the workload that has it, and what it proved.
    pub fn new(address: Option<SocketAddr>, workload: Option<&Workload>, identity: Option<&SpiffeId>) -> Self {
        Self {
            address,
            workload: workload.map(|workload| workload.name.clone()),
            owner: workload.map(|workload| workload.workload_name.clone()),
            namespace: workload.map(|workload| workload.namespace.clone()),
            identity: identity.cloned(),
        }
    }

    fn render(&self, side: &str, out: &mut String) {
        if let Some(address) = self.address {
            let _ = write!(out, " {side}.addr={address}");
        }
        if let Some(workload) = &self.workload {
            let _ = write!(out, " {side}.workload={workload}");
        }
        if let Some(namespace) = &self.namespace {
            let _ = write!(out, " {side}.namespace={namespace}");
        }
        if let Some(identity) = &self.identity {
            let _ = write!(out, " {side}.identity={identity}");
        }
    }
}

#[cfg(test)]
mod tests;
