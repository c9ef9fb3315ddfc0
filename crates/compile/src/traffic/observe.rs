//! `Telemetry` and `ProxyConfig`.

use std::sync::Arc;

use ripstop_api::istio::{self, TagOperation, WorkloadMode};
use ripstop_model::{
    AccessLogSettings, MetricOverride, MetricsSettings, ProxySettings, Share, Side, TagSource, Telemetry,
    TracingSettings,
};

use super::{named, nonempty, object_id, target, workloads};
use crate::Declared;

/// What is measured, logged and traced.
pub(crate) fn telemetry(declared: &Declared, written: &istio::Telemetry) -> Telemetry {
    let (namespace, name) = named(&declared.object);
    Telemetry {
        id: object_id(declared),
        target: target(written.selector.as_ref(), written.target_ref.as_ref(), &written.target_refs),
        tracing: written.tracing.iter().map(tracing).collect(),
        metrics: written.metrics.iter().map(metrics).collect(),
        access_logs: written.access_logging.iter().map(access_log).collect(),
        created: declared.created,
        namespace,
        name,
    }
}

/// Settings of single proxies.
pub(crate) fn proxy_settings(declared: &Declared, written: &istio::ProxyConfig) -> ProxySettings {
    let (namespace, name) = named(&declared.object);
    let environment =
        written.environment_variables.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    ProxySettings {
        id: object_id(declared),
        selector: written.selector.as_ref().map(workloads).unwrap_or_default(),
        concurrency: written.concurrency,
        environment: environment.collect(),
        created: declared.created,
        namespace,
        name,
    }
}

fn tracing(written: &istio::TelemetryTracing) -> TracingSettings {
    let tag = |tag: &istio::CustomTag| {
        let text = |text: &str| Arc::<str>::from(text);
        if let Some(literal) = &tag.literal {
            TagSource::Literal(text(&literal.value))
        } else if let Some(environment) = &tag.environment {
            TagSource::Environment(text(&environment.name), text(&environment.default_value))
        } else if let Some(header) = &tag.header {
            TagSource::Header(text(&header.name.to_ascii_lowercase()), text(&header.default_value))
        } else {
            TagSource::Formatter(text(
                tag.formatter.as_ref().map(|formatter| formatter.value.as_str()).unwrap_or_default(),
            ))
        }
    };
    let tags = written.custom_tags.iter().map(|(name, written)| (name.as_str().into(), tag(written)));
    TracingSettings {
        side: side(written.selector.as_ref().map(|selector| selector.mode)),
        providers: providers(&written.providers),
        sampling: written.random_sampling_percentage.map(Share::from_percent),
        disabled: written.disable_span_reporting,
        tags: (!written.custom_tags.is_empty()).then(|| tags.collect()),
    }
}

fn metrics(written: &istio::TelemetryMetrics) -> MetricsSettings {
    let overriding = |written: &istio::MetricsOverride| {
        let selector = written.selector.as_ref();
        let metric = selector.and_then(|selector| match (&selector.custom_metric, selector.metric) {
            (Some(custom), _) => nonempty(custom),
            (None, Some(istio::IstioMetric::All) | None) => None,
            (None, Some(metric)) => nonempty(metric.as_str()),
        });
        let tag = |(name, tag): (&String, &istio::TagOverride)| {
            let value = (tag.operation != TagOperation::Remove).then(|| tag.value.as_str().into());
            (name.as_str().into(), value)
        };
        MetricOverride {
            metric,
            side: side(selector.map(|selector| selector.mode)),
            disabled: written.disabled,
            tags: written.tag_overrides.iter().map(tag).collect(),
        }
    };
    MetricsSettings {
        providers: providers(&written.providers),
        overrides: written.overrides.iter().map(overriding).collect(),
    }
}

fn access_log(written: &istio::TelemetryLogging) -> AccessLogSettings {
    AccessLogSettings {
        side: side(written.selector.as_ref().map(|selector| selector.mode)),
        providers: providers(&written.providers),
        disabled: written.disabled,
        filter: written.filter.as_ref().and_then(|filter| nonempty(&filter.expression)),
    }
}

fn side(mode: Option<WorkloadMode>) -> Side {
    match mode.unwrap_or_default() {
        WorkloadMode::ClientAndServer => Side::Both,
        WorkloadMode::Client => Side::Client,
        WorkloadMode::Server => Side::Server,
    }
}

/// Names of providers, whose case does not count.
fn providers(written: &[istio::ProviderRef]) -> Vec<Arc<str>> {
    written.iter().map(|provider| provider.name.to_ascii_lowercase().into()).collect()
}
