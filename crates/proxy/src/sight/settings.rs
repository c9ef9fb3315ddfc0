//! What `Telemetry` objects and the mesh say of a workload's requests, made ready.

use std::sync::Arc;

use ripstop_decide::{EffectiveMetrics, EffectiveTelemetry, Program, telemetry};
use ripstop_model::{Side, Workload};
use ripstop_telemetry::{Exchange, LogFormat, MetricShape, RequestMetric};

/// Who gets metrics: the scraped exposition.
const METRICS: &str = "prometheus";
/// Who gets access logs: the proxy's standard output.
const LOGS: &str = "envoy";
/// The value of a tag that cannot be told.
const UNKNOWN: &str = "unknown";

/// What is told of requests, and how.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// What changes about metrics; nothing: nothing.
    pub(super) shape: Option<Arc<MetricShape>>,
    /// Logs that are written.
    pub(super) logs: Vec<Log>,
}

/// One access log.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) format: LogFormat,
}

// === impl Settings ===

impl Settings {
    /// What holds for `side` of the calls of `workload`.
    pub(super) fn of(program: &Program, workload: &Workload, side: Side) -> Self {
        let EffectiveTelemetry { metrics, access_logs, .. } = telemetry(program, workload, side);
        let logs = access_logs.iter().filter(|log| &*log.provider.value == LOGS);
        Self { shape: shape(&metrics), logs: logs.map(|_| Log { format: LogFormat::istio_text() }).collect() }
    }

    /// Whether both configurations say the same of every workload.
    pub(super) fn rest_on_the_same(a: &Program, b: &Program) -> bool {
        let (before, after) = (a.traffic(), b.traffic());
        before.telemetries.ptr_eq(&after.telemetries)
            && before.defaults.default_providers == after.defaults.default_providers
            && a.mesh().root_namespace == b.mesh().root_namespace
    }
}

/// What changes about metrics. If nobody at all is named to get them, they are as they are by default; if
/// others are named, they are off.
fn shape(metrics: &[EffectiveMetrics]) -> Option<Arc<MetricShape>> {
    let mut shape = MetricShape::default();
    let ours = metrics.iter().find(|metrics| &*metrics.provider.value == METRICS);
    for metric in RequestMetric::ALL {
        let Some(ours) = ours else {
            if !metrics.is_empty() {
                shape.disable(metric);
            }
            continue;
        };
        let effective = ours.metric(metric.override_name());
        if effective.disabled {
            shape.disable(metric);
        }
        for (tag, expression) in effective.tags {
            match expression {
                None => shape.remove(metric, tag),
                Some(expression) => shape.set(metric, tag, literal(expression).unwrap_or(UNKNOWN)),
            }
        }
    }
    (shape != MetricShape::default()).then(|| Arc::new(shape))
}

/// The text that an expression is, if it is nothing else.
fn literal(expression: &str) -> Option<&str> {
    let inner = |quote| expression.trim().strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).filter(|text| !text.contains(['"', '\'', '\\']))
}

// === impl Log ===

impl Log {
    /// Whether the request is logged.
    #[expect(clippy::unused_self, reason = "filters are not evaluated yet")]
    pub(super) fn takes(&self, _: &Exchange<'_>) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
