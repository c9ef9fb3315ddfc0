//! `Telemetry` (`telemetry.istio.io` v1, v1alpha1).

mod check;
mod metrics;
mod tags;

use std::collections::BTreeMap;

pub use metrics::*;
pub use tags::*;

use super::{TargetRef, WorkloadSelector};
use crate::schema::{choice, message};

message! {
    /// Traces, metrics and access logs of workloads.
    Telemetry {
        /// Workloads; nothing: all of the namespace, or of the mesh if it is the root namespace.
        selector: Option<WorkloadSelector> = "selector";
        /// What it is attached to, in its old form.
        target_ref: Option<TargetRef> = "targetRef" => older("`targetRefs`");
        /// What it is attached to instead.
        target_refs: Vec<TargetRef> = "targetRefs";
        /// Traces.
        tracing: Vec<TelemetryTracing> = "tracing";
        /// Metrics.
        metrics: Vec<TelemetryMetrics> = "metrics";
        /// Access logs.
        access_logging: Vec<TelemetryLogging> = "accessLogging";
    }
    check check::telemetry
}

message! {
    /// One of `tracing`. Nothing means what the layer below says.
    TelemetryTracing {
        /// Whose traces.
        selector: Option<ModeSelector> = "match";
        /// Of `extensionProviders`; the first one acts.
        providers: Vec<ProviderRef> = "providers";
        /// Share of requests, in per cent.
        random_sampling_percentage: Option<f64> = "randomSamplingPercentage";
        /// Makes no spans; the context is passed on all the same.
        disable_span_reporting: Option<bool> = "disableSpanReporting";
        /// Further tags of spans; replace those of the layer below.
        custom_tags: BTreeMap<String, CustomTag> = "customTags";
        /// Whether `x-request-id` decides on sampling; nothing: yes.
        use_request_id_for_trace_sampling: Option<bool> = "useRequestIdForTraceSampling";
        /// Istio's own tags; nothing: yes.
        enable_istio_tags: Option<bool> = "enableIstioTags";
        /// Does not pass the context on.
        disable_context_propagation: Option<bool> = "disableContextPropagation";
    }
    check check::tracing
}

message! {
    /// One of `accessLogging`.
    TelemetryLogging {
        /// Whose requests and connections.
        selector: Option<ModeSelector> = "match";
        /// Of `extensionProviders`.
        providers: Vec<ProviderRef> = "providers";
        /// No logs.
        disabled: Option<bool> = "disabled";
        /// Which are logged.
        filter: Option<LogFilter> = "filter";
    }
}

message! {
    /// `filter` of an access log.
    LogFilter {
        /// CEL; must be true.
        expression: String = "expression";
    }
}

message! {
    /// `match` of a signal.
    ModeSelector {
        /// Side.
        mode: WorkloadMode = "mode";
    }
}

choice! {
    /// Which side of a call a workload is. A gateway counts as client.
    WorkloadMode {
        /// Both.
        ClientAndServer = 0 "CLIENT_AND_SERVER",
        /// The caller.
        Client = 1 "CLIENT",
        /// The called.
        Server = 2 "SERVER",
    }
}

message! {
    /// One of `providers`.
    ProviderRef {
        /// Name; case does not count.
        name: String = "name" => required();
    }
    check check::provider
}
