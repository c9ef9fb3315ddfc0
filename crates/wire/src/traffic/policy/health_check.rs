//! How endpoints are asked whether they are well.

use std::time::Duration;

use ripstop_model::{HealthCheck, HealthChecks, RuleId};

use super::super::value::{duration_to_wire, set_duration, text_from_wire, text_to_wire};
use crate::{
    DecodeError,
    place::Place,
    ripstop::{self, health_checks::Check},
};

/// Shorter ones would be a flood.
const SHORTEST: Duration = Duration::from_millis(100);

pub(super) fn to_wire(checks: &HealthChecks) -> ripstop::HealthChecks {
    let check = match &checks.check {
        HealthCheck::Http { method, path, host, expected } => Check::Http(ripstop::HttpCheck {
            method: method.to_string(),
            path: path.to_string(),
            host: text_to_wire(host.as_ref()),
            expected: expected.iter().map(|status| u32::from(*status)).collect(),
        }),
        HealthCheck::Grpc { service } => Check::Grpc(ripstop::GrpcCheck { service: service.to_string() }),
        HealthCheck::Tcp { send, receive } => {
            Check::Tcp(ripstop::TcpCheck { send: send.to_string(), receive: receive.to_string() })
        }
    };
    ripstop::HealthChecks {
        id: checks.id.to_string(),
        check: Some(check),
        interval: Some(duration_to_wire(checks.interval)),
        jitter: Some(duration_to_wire(checks.jitter)),
        timeout: Some(duration_to_wire(checks.timeout)),
        healthy_threshold: checks.healthy_threshold,
        unhealthy_threshold: checks.unhealthy_threshold,
    }
}

pub(super) fn from_wire(place: &Place<'_>, checks: ripstop::HealthChecks) -> Result<HealthChecks, DecodeError> {
    let check = match place.field("check").set(checks.check)? {
        Check::Http(http) => HealthCheck::Http {
            method: place.field("http.method").required(http.method)?,
            path: place.field("http.path").required(http.path)?,
            host: text_from_wire(http.host),
            expected: place.field("http.expected").shorts(http.expected)?,
        },
        Check::Grpc(grpc) => HealthCheck::Grpc { service: grpc.service.into() },
        Check::Tcp(tcp) => HealthCheck::Tcp { send: tcp.send.into(), receive: tcp.receive.into() },
    };
    let at_least = |field: &str, duration, least: Duration| {
        let place = place.field(field);
        let duration = set_duration(&place, duration)?;
        if duration < least { Err(place.error(format!("it is shorter than {least:?}"))) } else { Ok(duration) }
    };
    let some = |field: &str, number: u32| match number {
        0 => Err(place.field(field).error("0 in a row are none")),
        number => Ok(number),
    };
    Ok(HealthChecks {
        id: RuleId(place.field("id").required(checks.id)?),
        check,
        interval: at_least("interval", checks.interval, SHORTEST)?,
        jitter: at_least("jitter", checks.jitter, Duration::ZERO)?,
        timeout: at_least("timeout", checks.timeout, Duration::from_millis(1))?,
        healthy_threshold: some("healthy_threshold", checks.healthy_threshold)?,
        unhealthy_threshold: some("unhealthy_threshold", checks.unhealthy_threshold)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::Sample;

    pub(crate) fn health_checks(sample: &mut Sample) -> HealthChecks {
        let http = HealthCheck::Http {
            method: sample.name(),
            path: sample.name(),
            host: sample.maybe(Sample::text),
            expected: sample.list(Sample::short),
        };
        let grpc = HealthCheck::Grpc { service: sample.text() };
        let tcp = HealthCheck::Tcp { send: sample.text(), receive: sample.text() };
        HealthChecks {
            id: sample.id(),
            check: sample.pick(&[http, grpc, tcp]),
            interval: sample.duration().max(SHORTEST),
            jitter: sample.duration(),
            timeout: sample.duration().max(Duration::from_millis(1)),
            healthy_threshold: sample.number().max(1),
            unhealthy_threshold: sample.number().max(1),
        }
    }

    pub(crate) fn malformed() -> Vec<(&'static str, ripstop::HealthChecks)> {
        let good = || {
            let check = HealthCheck::Grpc { service: Arc::default() };
            let second = Duration::from_secs(1);
            to_wire(&HealthChecks {
                id: RuleId("id".into()),
                check,
                interval: second,
                jitter: second,
                timeout: second,
                healthy_threshold: 1,
                unhealthy_threshold: 1,
            })
        };
        let http = |path: &str, expected: Vec<u32>| {
            let http = ripstop::HttpCheck { method: "GET".into(), path: path.into(), host: None, expected };
            ripstop::HealthChecks { check: Some(Check::Http(http)), ..good() }
        };
        let nothing = Some(ripstop::Duration { seconds: 0, nanos: 0 });
        vec![
            ("field health_checks.id", ripstop::HealthChecks { id: String::new(), ..good() }),
            ("field health_checks.check", ripstop::HealthChecks { check: None, ..good() }),
            ("field health_checks.http.path", http("", Vec::new())),
            ("field health_checks.http.expected[0]", http("/", vec![70_000])),
            ("field health_checks.interval", ripstop::HealthChecks { interval: nothing, ..good() }),
            ("field health_checks.timeout", ripstop::HealthChecks { timeout: nothing, ..good() }),
            ("field health_checks.jitter", ripstop::HealthChecks { jitter: None, ..good() }),
            ("field health_checks.healthy_threshold", ripstop::HealthChecks { healthy_threshold: 0, ..good() }),
            ("field health_checks.unhealthy_threshold", ripstop::HealthChecks { unhealthy_threshold: 0, ..good() }),
        ]
    }
}
