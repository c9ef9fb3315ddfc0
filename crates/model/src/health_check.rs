//! How endpoints are asked whether they are well.

use std::{fmt, sync::Arc, time::Duration};

use crate::RuleId;

/// How the endpoints of a backend are asked whether they are well, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// Id of the rule.
    pub id: RuleId,
    /// What is asked.
    pub check: HealthCheck,
    /// From one to the next; at least 100 ms.
    pub interval: Duration,
    /// By how much more an interval is longer at most.
    pub jitter: Duration,
    /// Until one has failed, connecting included; at least 1 ms.
    pub timeout: Duration,
    /// So many in a row that pass bring an endpoint back; at least 1.
    pub healthy_threshold: u32,
    /// So many in a row that fail take it out; at least 1.
    pub unhealthy_threshold: u32,
}

/// What an endpoint is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthCheck {
    /// A request.
    Http {
        /// Method.
        method: Arc<str>,
        /// Path, with query.
        path: Arc<str>,
        /// Authority; nothing: the backend's host.
        host: Option<Arc<str>>,
        /// Statuses that pass; empty: 200 to 299.
        expected: Vec<u16>,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// Service that is asked about; empty: the whole server.
        service: Arc<str>,
    },
    /// A connection.
    Tcp {
        /// What is sent; empty: nothing.
        send: Arc<str>,
        /// What the answer must begin with; empty: there need be none.
        receive: Arc<str>,
    },
}

impl fmt::Display for HealthChecks {
    /// `GET /healthz every 10s, within 1s; out after 3 that fail, back after 2 that pass`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, interval, timeout, healthy_threshold, unhealthy_threshold, .. } = self;
        write!(
            f,
            "{check} every {interval:?}, within {timeout:?}; out after {unhealthy_threshold} that fail, back after {healthy_threshold} that pass"
        )
    }
}

impl fmt::Display for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { method, path, .. } => write!(f, "{method} {path}"),
            Self::Grpc { service } if service.is_empty() => f.write_str("gRPC health"),
            Self::Grpc { service } => write!(f, "gRPC health of {service}"),
            Self::Tcp { receive, .. } if receive.is_empty() => f.write_str("connecting"),
            Self::Tcp { receive, .. } => write!(f, "connecting and {receive:?}"),
        }
    }
}
