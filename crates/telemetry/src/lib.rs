//! What the mesh tells about itself: counters, access log, process logs.
//!
//! Counters live in [`Shard`]s, one a worker: a worker resolves the labels of a
//! connection to a [`TcpSeries`] once and then only adds to it; [`Registry`]
//! merges the shards when it is scraped. [`AccessLog`] takes one
//! [`ConnectionRecord`] a connection, never blocks the caller, and counts what it
//! had to drop.
//!
//! No telemetry holds payloads or credentials.

mod access_log;
pub mod exposition;
pub mod logging;
mod tcp;

pub use access_log::{AccessLog, ConnectionRecord, Direction, Party};
pub use tcp::{Registry, Reporter, ResponseFlag, SecurityPolicy, Shard, TcpLabels, TcpSeries};
