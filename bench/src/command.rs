//! What the conductor asks of a driver, and what the driver tells: lines of JSON.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Where the server, or the relay before it, listens.
    pub target: SocketAddr,
    /// Milliseconds that are measured.
    pub millis: u64,
    /// What to do meanwhile.
    pub work: Work,
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// One request after the other on each connection, as fast as answers come.
    Requests {
        /// Number of connections.
        connections: u32,
    },
    /// Requests at a fixed rate over all connections.
    Paced {
        /// Number of connections.
        connections: u32,
        /// Requests a second, of all connections together.
        rate: u32,
    },
    /// A new connection for each request, ended by the server.
    Connects {
        /// Number of connections at a time.
        concurrency: u32,
    },
    /// Unary calls of gRPC: on each stream one after the other, as fast as answers come.
    Grpc {
        /// Number of connections.
        connections: u32,
        /// Number of streams on each.
        streams: u32,
    },
    /// Streams, as fast as they are taken.
    Bulk {
        /// Number of streams.
        streams: u32,
    },
}

/// What a driver says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// It runs and takes commands.
    Ready,
    /// Everything is warm; the measured time begins.
    Begin,
    /// The measured time is over. Connections are still open.
    End,
    /// What came of the command.
    Done(Outcome),
    /// The command could not be carried out.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What came of a command, all of the measured time only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Seconds between begin and end.
    pub seconds: f64,
    /// Requests answered; bytes delivered for bulk streams.
    pub count: u64,
    /// Requests of a fixed rate that were due, and that no connection was free for. They are in the percentiles.
    pub unsent: u64,
    /// Median time of a request, in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// Connections or requests that failed, warm-up included.
    pub errors: u64,
    /// The first of these errors.
    pub first_error: Option<String>,
}

// === impl Work ===

impl Work {
    /// The port of the server that this work needs.
    pub fn port(self) -> u16 {
        match self {
            Self::Requests { .. } | Self::Paced { .. } => crate::message::EXCHANGE_PORT,
            Self::Connects { .. } => crate::message::SINGLE_PORT,
            Self::Grpc { .. } => crate::message::CALL_PORT,
            Self::Bulk { .. } => crate::message::SINK_PORT,
        }
    }
}
