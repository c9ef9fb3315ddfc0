//! Counting and recording one connection.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Instant, SystemTime},
};

use ripstop_model::{Service, SpiffeId, Workload};
use ripstop_telemetry::{ConnectionRecord, Direction, Party, Reporter, ResponseFlag, TcpLabels, TcpSeries};

use crate::{error::Error, worker::Context};

/// Who speaks with whom, as far as it is known.
#[derive(Clone, Debug)]
pub struct Parties {
    /// Seen from the workload whose proxy this is.
    pub direction: Direction,
    /// The caller's address.
    pub source_address: SocketAddr,
    /// The caller.
    pub source: Option<Arc<Workload>>,
    /// The caller's proven identity.
    pub source_identity: Option<SpiffeId>,
    /// The callee's address.
    pub destination_address: SocketAddr,
    /// The callee.
    pub destination: Option<Arc<Workload>>,
    /// The callee's proven identity.
    pub destination_identity: Option<SpiffeId>,
    /// The service that was called.
    pub service: Option<Arc<Service>>,
    /// The tunnel's far end.
    pub hbone: Option<SocketAddr>,
    /// Who tells of it.
    pub reporter: Reporter,
}

/// A connection that was counted as open; [`Measured::close`] counts its end.
#[derive(Debug)]
pub struct Measured {
    /// Where its bytes are counted.
    pub series: Arc<TcpSeries>,
    labels: TcpLabels,
}

// === impl Parties ===

impl Parties {
    fn labels(&self) -> TcpLabels {
        TcpLabels::new(
            self.reporter,
            self.source.as_deref(),
            self.destination.as_deref(),
            self.service.as_deref(),
            (self.source_identity.as_ref(), self.destination_identity.as_ref()),
        )
    }

    /// Counts the connection as opened.
    pub fn open(&self, context: &Context) -> Measured {
        let labels = self.labels();
        let series = context.shard.series(&labels);
        series.opened.fetch_add(1, Relaxed);
        Measured { series, labels }
    }

    /// Counts and records a connection that was refused or never came about.
    pub fn failed(&self, context: &Context, since: Instant, version: u64, error: &Error) {
        let series = context.shard.series(&self.labels().with_flag(error.flag()));
        series.opened.fetch_add(1, Relaxed);
        series.closed.fetch_add(1, Relaxed);
        self.write(context, since, version, (0, 0), Some(error));
    }

    fn write(&self, context: &Context, since: Instant, version: u64, bytes: (u64, u64), error: Option<&Error>) {
        context.shared.access_log.write(ConnectionRecord {
            at: SystemTime::now(),
            direction: self.direction,
            source: Party::new(Some(self.source_address), self.source.as_deref(), self.source_identity.as_ref()),
            destination: Party::new(
                Some(self.destination_address),
                self.destination.as_deref(),
                self.destination_identity.as_ref(),
            ),
            hbone: self.hbone,
            service: self.service.as_ref().map(|service| service.key.hostname.clone()),
            sent: bytes.0,
            received: bytes.1,
            duration: since.elapsed(),
            flag: error.map_or(ResponseFlag::None, Error::flag),
            policy: error.and_then(Error::policy).cloned(),
            version,
            error: error.map(ToString::to_string),
        });
    }
}

// === impl Measured ===

impl Measured {
    /// Counts the end of the connection and records it. `bytes`: sent to and received from the
    /// far end.
    pub fn close(
        self,
        context: &Context,
        parties: &Parties,
        since: Instant,
        version: u64,
        bytes: (u64, u64),
        error: Option<&Error>,
    ) {
        match error.map(Error::flag) {
            // Opened and closed may differ in their flag, as in ztunnel.
            Some(flag) if flag != ResponseFlag::None => {
                context.shard.series(&self.labels.with_flag(flag)).closed.fetch_add(1, Relaxed);
            }
            _ => {
                self.series.closed.fetch_add(1, Relaxed);
            }
        }
        parties.write(context, since, version, bytes, error);
    }
}
