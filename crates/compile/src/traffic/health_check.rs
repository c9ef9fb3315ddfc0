//! `healthChecks` of a `TrafficPolicy`.

use std::time::Duration;

use ripstop_api::ripstop;
use ripstop_model::{HealthCheck, HealthChecks};

use super::{nonempty, rule_id};
use crate::Declared;

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(1);
/// In a row.
const HEALTHY: u32 = 2;
const UNHEALTHY: u32 = 3;

/// How endpoints are checked.
pub(super) fn compile(declared: &Declared, written: &ripstop::HealthChecks) -> Option<HealthChecks> {
    let check = match written {
        ripstop::HealthChecks { http: Some(http), .. } => HealthCheck::Http {
            method: nonempty(&http.method).unwrap_or_else(|| "GET".into()),
            path: http.path.as_str().into(),
            host: nonempty(&http.host),
            expected: http.expected_statuses.iter().filter_map(|status| (*status).try_into().ok()).collect(),
        },
        ripstop::HealthChecks { grpc: Some(grpc), .. } => HealthCheck::Grpc { service: grpc.service.as_str().into() },
        ripstop::HealthChecks { tcp: Some(tcp), .. } => {
            HealthCheck::Tcp { send: tcp.send.as_str().into(), receive: tcp.receive.as_str().into() }
        }
        _ => return None,
    };
    let interval = written.interval.filter(|interval| !interval.is_zero()).unwrap_or(INTERVAL);
    Some(HealthChecks {
        id: rule_id(declared, "spec.healthChecks"),
        check,
        interval,
        jitter: written.jitter.unwrap_or(interval / 10),
        timeout: written.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(TIMEOUT),
        healthy_threshold: written.healthy_threshold.unwrap_or(HEALTHY).max(1),
        unhealthy_threshold: written.unhealthy_threshold.unwrap_or(UNHEALTHY).max(1),
    })
}
