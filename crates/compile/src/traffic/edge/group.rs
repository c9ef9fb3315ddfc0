//! Probes of a `WorkloadGroup`.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use ripstop_api::istio::{self, ProbeScheme as Written};
use ripstop_model::{Probe, ProbeAction, ProbeScheme};

/// The probe; nothing: it says nothing to try, which reading refuses.
pub(super) fn probe(written: &istio::ReadinessProbe) -> Option<Probe> {
    let action = if let Some(get) = &written.http_get {
        let path = if get.path.starts_with('/') { get.path.clone() } else { format!("/{}", get.path) };
        let header = |header: &istio::HttpHeader| (header.name.as_str().into(), header.value.as_str().into());
        ProbeAction::HttpGet {
            path: path.into(),
            port: get.port?,
            host: host(&get.host),
            scheme: match get.scheme {
                Written::Http => ProbeScheme::Http,
                Written::Https => ProbeScheme::Https,
            },
            headers: get.http_headers.iter().map(header).collect(),
        }
    } else if let Some(socket) = &written.tcp_socket {
        ProbeAction::TcpSocket { port: socket.port?, host: host(&socket.host) }
    } else if let Some(exec) = &written.exec {
        ProbeAction::Exec { command: exec.command.iter().map(|word| word.as_str().into()).collect() }
    } else if let Some(grpc) = &written.grpc {
        ProbeAction::Grpc { port: grpc.port?, service: grpc.service.as_str().into() }
    } else {
        return None;
    };
    // 0 is as good as nothing.
    let seconds = |written: Option<u32>, default: u64| {
        Duration::from_secs(written.filter(|seconds| *seconds > 0).map_or(default, u64::from))
    };
    let count = |written: Option<u32>, default| written.filter(|count| *count > 0).unwrap_or(default);
    Some(Probe {
        action,
        initial_delay: seconds(written.initial_delay_seconds, 0),
        period: seconds(written.period_seconds, 10),
        timeout: seconds(written.timeout_seconds, 1),
        success_threshold: count(written.success_threshold, 1),
        failure_threshold: count(written.failure_threshold, 3),
    })
}

/// An address; nothing: the workload's own. Reading refuses other names than `localhost`.
fn host(written: &str) -> Option<IpAddr> {
    match written {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        written => written.trim_start_matches('[').trim_end_matches(']').parse().ok(),
    }
}

#[cfg(test)]
mod tests;
