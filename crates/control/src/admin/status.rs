//! What the control plane knows of its proxies and of the configuration.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use ripstop_api::{Finding, Level};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Answer, Failure};
use crate::{analysis::Analysis, plane::Plane, proxies::Proxy};

/// So long findings are waited for that belong to the newest configuration.
const ANALYSIS: Duration = Duration::from_secs(30);

/// Version, revision, proxies with their lag, certificate authority.
pub(super) fn status(plane: &Plane) -> Value {
    let (published, analysis) = (plane.published(), plane.analysis.borrow().clone());
    let now = Instant::now();
    let proxies = plane.proxies.list();
    let exists =
        |proxy: &&Proxy| proxy.connection.is_some() || published.has_instance(&proxy.component).unwrap_or(true);
    let proxies: Vec<Value> =
        proxies.iter().filter(exists).map(|proxy| show(plane, proxy, published.version, now)).collect();
    json!({
        "version": published.version,
        "trust_domain": plane.trust_domain.as_str(),
        "proxies": proxies,
        "revision": published.revision,
        "findings_revision": analysis.revision,
        "findings_count": analysis.findings.len(),
        "errors_count": analysis.errors,
        "warnings_count": analysis.findings.iter().filter(|finding| finding.level == Level::Warning).count(),
        "ca": plane.authority_status(),
    })
}

/// Findings of store and compile, in order of file and line.
pub(super) async fn findings(plane: &Plane) -> Answer {
    if let Some(analysis) = analysis(plane).await {
        return Ok(analysis.findings.iter().map(Finding::to_json).collect());
    }
    let message = format!(
        "findings of revision {} of the configuration are not there after {} s, those of revision {} are; ask again, \
         and look into the control plane's log if that goes on",
        plane.store.snapshot().revision,
        ANALYSIS.as_secs(),
        plane.analysis.borrow().revision
    );
    Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, message))
}

/// What is wrong with the configuration and the commit at the time of the question, or newer ones: what is being
/// worked out is waited for. Nothing if that takes too long.
pub(super) async fn analysis(plane: &Plane) -> Option<Arc<Analysis>> {
    let (revision, version) = (plane.store.snapshot().revision, plane.published().version);
    let mut analysis = plane.analysis.subscribe();
    let newest = analysis.wait_for(|analysis| analysis.revision >= revision && analysis.version >= version);
    let newest = timeout(ANALYSIS, newest).await.ok()?.ok()?.clone();
    Some(newest)
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
