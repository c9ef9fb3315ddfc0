//! One line a connection.

use std::{
    fmt::Write as _,
    io::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, SystemTime},
};

use ripstop_model::{RuleId, SpiffeId, Workload};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::ResponseFlag;

/// Records that wait to be written at most; more are dropped and counted.
const QUEUE: usize = 10_000;

/// Writes connection records as logfmt lines (ztunnel's fields), off the caller's thread.
#[derive(Clone, Debug)]
pub struct AccessLog {
    records: SyncSender<ConnectionRecord>,
    dropped: Arc<AtomicU64>,
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
    pub fn start(mut out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (records, queue) = sync_channel::<ConnectionRecord>(QUEUE);
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            let mut lines = String::new();
            while let Ok(record) = queue.recv() {
                lines.clear();
                record.render(&mut lines);
                // What has piled up meanwhile goes out with one write.
                for record in queue.try_iter().take(63) {
                    record.render(&mut lines);
                }
                if out.write_all(lines.as_bytes()).and_then(|()| out.flush()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { records, dropped: Arc::default() })
    }

    /// Queues a record; never blocks.
    pub fn write(&self, record: ConnectionRecord) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.records.try_send(record) {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Records dropped since the start because the writer could not keep up.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
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
