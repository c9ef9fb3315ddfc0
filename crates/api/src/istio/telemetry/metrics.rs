//! `metrics` of a `Telemetry`.

use std::{collections::BTreeMap, time::Duration};

use super::{ProviderRef, WorkloadMode, check};
use crate::schema::{choice, message};

message! {
    /// One of `metrics`.
    TelemetryMetrics {
        /// Of `extensionProviders`.
        providers: Vec<ProviderRef> = "providers";
        /// Applied in order, after those of the layers below.
        overrides: Vec<MetricsOverride> = "overrides";
        /// Between reports of TCP connections; nothing: 5 s.
        reporting_interval: Option<Duration> = "reportingInterval";
    }
    check check::metrics
}

message! {
    /// One of `overrides`.
    MetricsOverride {
        /// Which metrics; nothing: all.
        selector: Option<MetricSelector> = "match";
        /// Not counted.
        disabled: Option<bool> = "disabled";
        /// Label → what becomes of it.
        tag_overrides: BTreeMap<String, TagOverride> = "tagOverrides";
    }
    check check::overriding
}

message! {
    /// `match` of an override: one of `metric` and `customMetric`.
    MetricSelector {
        /// One of Istio's.
        metric: Option<IstioMetric> = "metric";
        /// Another one.
        custom_metric: Option<String> = "customMetric";
        /// Side.
        mode: WorkloadMode = "mode";
    }
    check check::metric
}

choice! {
    /// Istio's metrics.
    IstioMetric {
        /// All of them.
        All = 0 "ALL_METRICS",
        /// `istio_requests_total`.
        RequestCount = 1 "REQUEST_COUNT",
        /// `istio_request_duration_milliseconds`.
        RequestDuration = 2 "REQUEST_DURATION",
        /// `istio_request_bytes`.
        RequestSize = 3 "REQUEST_SIZE",
        /// `istio_response_bytes`.
        ResponseSize = 4 "RESPONSE_SIZE",
        /// `istio_tcp_connections_opened_total`.
        TcpOpenedConnections = 5 "TCP_OPENED_CONNECTIONS",
        /// `istio_tcp_connections_closed_total`.
        TcpClosedConnections = 6 "TCP_CLOSED_CONNECTIONS",
        /// `istio_tcp_sent_bytes_total`.
        TcpSentBytes = 7 "TCP_SENT_BYTES",
        /// `istio_tcp_received_bytes_total`.
        TcpReceivedBytes = 8 "TCP_RECEIVED_BYTES",
        /// `istio_request_messages_total`.
        GrpcRequestMessages = 9 "GRPC_REQUEST_MESSAGES",
        /// `istio_response_messages_total`.
        GrpcResponseMessages = 10 "GRPC_RESPONSE_MESSAGES",
    }
}

message! {
    /// One of `tagOverrides`.
    TagOverride {
        /// Set or removed.
        operation: TagOperation = "operation";
        /// CEL; for `UPSERT`.
        value: String = "value";
    }
    check check::tag_override
}

choice! {
    /// `operation` of a tag.
    TagOperation {
        /// Set.
        Upsert = 0 "UPSERT",
        /// Removed.
        Remove = 1 "REMOVE",
    }
}
