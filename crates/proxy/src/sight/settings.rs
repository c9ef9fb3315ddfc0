//! What `Telemetry` objects and the mesh say of a workload's requests, made ready.

use std::sync::Arc;

use ripstop_decide::{EffectiveMetrics, EffectiveTelemetry, EffectiveTracing, Program, telemetry};
use ripstop_model::{AccessLogFormat, LogEncoding, Share, Side, TraceHeaders, Workload};
use ripstop_telemetry::{LogFormat, MetricShape, Missing, RequestMetric, Surroundings, trace_context::Propagation};

/// Who gets metrics: the scraped exposition.
const METRICS: &str = "prometheus";
/// Who gets access logs: the proxy's standard output.
const LOGS: &str = "envoy";
/// The value of a tag that cannot be told.
const UNKNOWN: &str = "unknown";

/// Share of requests that are traced where nobody says another: 1 % (Istio's default), in millionths.
const SAMPLED: u32 = 10_000;

/// What is told of requests, and how.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// What changes about metrics; nothing: nothing.
    pub(super) shape: Option<Arc<MetricShape>>,
    /// Lines that are written. Filters are not evaluated: there is one for each log.
    pub(super) logs: Vec<Arc<LogFormat>>,
    /// How requests take part in traces; nothing: they do not, and what they bring passes as it is.
    pub(super) tracing: Option<Tracing>,
}

/// How requests take part in traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// Which headers tell of them.
    pub propagation: Propagation,
    /// Share of those about which nobody decided before.
    pub share: Share,
}

// === impl Settings ===

impl Settings {
    /// What holds for `side` of the calls of `workload`.
    pub(super) fn of(program: &Program, format: &Arc<LogFormat>, workload: &Workload, side: Side) -> Self {
        let EffectiveTelemetry { tracing, metrics, access_logs, .. } = telemetry(program, workload, side);
        let logs = access_logs.iter().filter(|log| &*log.provider.value == LOGS);
        Self {
            shape: shape(&metrics),
            logs: logs.map(|_| format.clone()).collect(),
            tracing: Tracing::of(program, &tracing),
        }
    }

    /// Whether both configurations say the same of every workload.
    pub(super) fn rest_on_the_same(a: &Program, b: &Program) -> bool {
        let (before, after) = (a.traffic(), b.traffic());
        before.telemetries.ptr_eq(&after.telemetries)
            && before.defaults.default_providers == after.defaults.default_providers
            && before.defaults.access_log == after.defaults.access_log
            && before.defaults.tracers == after.defaults.tracers
            && a.mesh().root_namespace == b.mesh().root_namespace
    }
}

// === impl Tracing ===

impl Tracing {
    /// Where a tracer is named whose headers are known.
    fn of(program: &Program, said: &EffectiveTracing) -> Option<Self> {
        let propagation = match program.traffic().defaults.tracers.get(&said.provider.as_ref()?.value)? {
            TraceHeaders::W3c => Propagation::W3c,
            TraceHeaders::B3 => Propagation::B3,
            TraceHeaders::B3AndW3c => Propagation::B3AndW3c,
        };
        let share = said.sampling.as_ref().map(|said| said.value).or(Share::from_millionths(SAMPLED));
        Some(Self { propagation, share: share? })
    }
}

/// How access logs are written. A format that cannot be read is Istio's own instead.
pub(super) fn log_format(program: &Program) -> LogFormat {
    let AccessLogFormat { encoding, format } = &program.traffic().defaults.access_log;
    let default = || match encoding {
        LogEncoding::Text => LogFormat::istio_text(),
        LogEncoding::Json => LogFormat::istio_json(),
    };
    let Some(format) = format else { return default() };
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let variable = |name: &str| std::env::var(name).ok();
    let surroundings = Surroundings { hostname: hostname.trim(), variable: &variable };
    let parsed = match encoding {
        LogEncoding::Text => LogFormat::text(format, Missing::Shown, &surroundings),
        LogEncoding::Json => LogFormat::json(format, Missing::Shown, &surroundings),
    };
    parsed.unwrap_or_else(|error| {
        tracing::error!(%error, "accessLogFormat cannot be followed; the default format is written");
        default()
    })
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

#[cfg(test)]
mod tests;
