//! What the mesh tells about itself: counters, access logs, request records, trace contexts, process
//! logs.
//!
//! Counters live in [`Shard`]s, one a worker: a worker resolves the labels of a connection to a
//! [`TcpSeries`], or those of requests to a [`RequestSeries`], once and then only adds to it;
//! [`Registry`] merges the shards when it is scraped. [`AccessLog`] takes one [`ConnectionRecord`] a
//! connection.
//!
//! Of a request everything is told from one borrowed [`Exchange`]: a [`RequestLog`] writes it as a
//! [`LogFormat`] says, a [`TapWriter`] gives it to whoever looks on. Both never block the caller, and
//! count what they had to drop.
//!
//! No telemetry holds payloads or credentials.

mod access_log;
mod error;
mod exchange;
pub mod exposition;
mod headers;
mod histogram;
mod labels;
mod log_format;
pub mod logging;
mod registry;
mod request_labels;
mod request_log;
mod request_record;
mod request_series;
mod response_flags;
#[cfg(test)]
mod samples;
mod tap;
mod tcp;
pub mod trace_context;

pub use access_log::{AccessLog, ConnectionRecord, Direction, Party};
pub use error::Error;
pub use exchange::{ClusterName, Downstream, Exchange, Protocol, Request, Response, Timing, Upstream, Verdict};
pub use headers::{Headers, NoHeaders};
pub use labels::{Reporter, SecurityPolicy};
pub use log_format::{LogFormat, Missing, Surroundings};
pub use registry::{Registry, Shard};
pub use request_labels::{Callee, MetricShape, RequestLabels, RequestMetric, RequestProtocol};
pub use request_log::{LogLane, RequestLog};
pub use request_record::{PartyFilter, RecordFilter, RequestRecord, StatusFilter};
pub use request_series::{Measured, Outcome, RequestSeries};
pub use response_flags::{FlagNames, ResponseFlag, ResponseFlags};
pub use tap::{Batch, RING, TAPS, Tap, TapHub, TapWriter};
pub use tcp::{TcpLabels, TcpSeries};
