//! What the control plane knows of its proxies and of the configuration.

use std::time::Instant;

use ripstop_api::Finding;
use serde_json::{Value, json};

use crate::{plane::Plane, proxies::Proxy};

/// Version, proxies with their lag, certificate authority.
pub(super) fn status(plane: &Plane) -> Value {
    let published = plane.published();
    let now = Instant::now();
    let proxies: Vec<Value> =
        plane.proxies.list().iter().map(|proxy| show(plane, proxy, published.version, now)).collect();
    json!({
        "version": published.version,
        "trust_domain": plane.trust_domain.as_str(),
        "proxies": proxies,
        "findings_count": published.findings.len(),
        "errors_count": published.findings.iter().filter(|f| f.level == ripstop_api::Level::Error).count(),
        "ca": plane.authority_status(),
    })
}

/// Findings of store and compile, in order of file and line.
pub(super) fn findings(plane: &Plane) -> Value {
    plane.published().findings.iter().map(Finding::to_json).collect()
}

fn show(plane: &Plane, proxy: &Proxy, current: u64, now: Instant) -> Value {
    let lag = plane.history.lag(proxy.acked, now);
    let state = match (proxy.connection, &proxy.nack) {
        (None, _) => "STALE",
        (Some(_), Some(_)) => "REJECTED",
        (Some(_), None) if proxy.acked >= current => "SYNCED",
        (Some(_), None) => "PENDING",
    };
    json!({
        "id": proxy.component.id.as_str(),
        "role": proxy.component.role.as_str(),
        "name": &*proxy.component.name,
        "state": state,
        "connected": proxy.connection.is_some(),
        "since_ms": proxy.since,
        "sent": proxy.sent,
        "acked": proxy.acked,
        "lag": lag.commits,
        "lag_ms": lag.millis,
        "nack": proxy.nack,
    })
}
