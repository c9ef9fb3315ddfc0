//! Tracers.

use std::{collections::BTreeMap, time::Duration};

use super::{ProviderHeader, ProviderHttp, check};
use crate::{
    decode::{Decoder, Field},
    istio::Hidden,
    schema::{choice, message},
};

message! {
    /// `zipkin`.
    ZipkinTracer {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// Longest path in a span.
        max_tag_length: Option<u32> = "maxTagLength";
        /// Trace ids of 64 bits instead of 128.
        enable_64bit_trace_id: bool = "enable64bitTraceId";
        /// Path; empty: `/api/v2/spans`.
        path: String = "path";
        /// Headers that carry the context.
        trace_context_option: TraceContextOption = "traceContextOption";
        /// For the answer; nothing: 5 s.
        timeout: Option<Duration> = "timeout";
        /// Further headers.
        headers: Vec<ProviderHeader> = "headers";
    }
    check check::service
}

choice! {
    /// `traceContextOption`.
    TraceContextOption {
        /// B3.
        B3 = 0 "USE_B3",
        /// B3, else `traceparent`; both are sent on.
        B3WithW3c = 1 "USE_B3_WITH_W3C_PROPAGATION",
    }
}

message! {
    /// `lightstep`.
    LightstepTracer {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// Token.
        access_token: Hidden = "accessToken" => required();
        /// Longest path in a span.
        max_tag_length: Option<u32> = "maxTagLength";
    }
    check check::service
}

message! {
    /// `datadog`.
    DatadogTracer {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// Longest path in a span.
        max_tag_length: Option<u32> = "maxTagLength";
    }
    check check::service
}

message! {
    /// `skywalking`.
    SkywalkingTracer {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// Token.
        access_token: Option<Hidden> = "accessToken";
    }
    check check::service
}

message! {
    /// `opencensus`.
    OpenCensusTracer {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// Headers that carry the context.
        context: Vec<OpenCensusContext> = "context";
        /// Longest path in a span.
        max_tag_length: Option<u32> = "maxTagLength";
    }
    check check::service
}

choice! {
    /// One of `context`.
    OpenCensusContext {
        /// None.
        Unspecified = 0 "UNSPECIFIED",
        /// `traceparent`.
        W3c = 1 "W3C_TRACE_CONTEXT",
        /// `grpc-trace-bin`.
        GrpcBin = 2 "GRPC_BIN",
        /// `x-cloud-trace-context`.
        Cloud = 3 "CLOUD_TRACE_CONTEXT",
        /// `x-b3-…`.
        B3 = 4 "B3",
    }
}

message! {
    /// `stackdriver`.
    StackdriverProvider {
        /// Prints spans too.
        debug: bool = "debug";
        /// Of a span.
        max_number_of_attributes: Option<u64> = "maxNumberOfAttributes";
        /// Of a span.
        max_number_of_annotations: Option<u64> = "maxNumberOfAnnotations";
        /// Of a span.
        max_number_of_message_events: Option<u64> = "maxNumberOfMessageEvents";
        /// Longest path in a span.
        max_tag_length: Option<u32> = "maxTagLength";
        /// Access logs.
        logging: Option<StackdriverLogging> = "logging";
    }
}

message! {
    /// `stackdriver.logging`.
    StackdriverLogging {
        /// Label → expression.
        labels: BTreeMap<String, String> = "labels";
    }
}

message! {
    /// `opentelemetry`: OTLP by gRPC, or by HTTP if `http` is given.
    OpenTelemetryTracer {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// Longest path in a span.
        max_tag_length: Option<u32> = "maxTagLength";
        /// By HTTP.
        http: Option<ProviderHttp> = "http";
        /// By gRPC.
        grpc: Option<ProviderGrpc> = "grpc";
        /// What is told about the workload.
        resource_detectors: Option<ResourceDetectors> = "resourceDetectors";
        /// Sampling by Dynatrace.
        dynatrace_sampler: Option<DynatraceSampler> = "dynatraceSampler" => without_effect("spans are sampled by `randomSamplingPercentage`");
        /// How `service.name` is made.
        service_attribute_enrichment: ServiceAttributeEnrichment = "serviceAttributeEnrichment";
    }
    check check_open_telemetry
}

message! {
    /// `opentelemetry.grpc`.
    ProviderGrpc {
        /// For the answer.
        timeout: Option<Duration> = "timeout";
        /// Further metadata.
        initial_metadata: Vec<ProviderHeader> = "initialMetadata";
    }
}

message! {
    /// `resourceDetectors`.
    ResourceDetectors {
        /// `OTEL_RESOURCE_ATTRIBUTES`.
        environment: Option<EnvironmentDetector> = "environment";
        /// Dynatrace's files.
        dynatrace: Option<DynatraceDetector> = "dynatrace" => without_effect("write `environment`");
    }
}

message! {
    /// `resourceDetectors.environment`.
    EnvironmentDetector {
    }
}

message! {
    /// `resourceDetectors.dynatrace`.
    DynatraceDetector {
    }
}

message! {
    /// `dynatraceSampler`.
    DynatraceSampler {
        /// Tenant.
        tenant: String = "tenant" => required();
        /// Cluster.
        cluster_id: i32 = "clusterId" => required();
        /// Root spans a minute if Dynatrace cannot be asked; nothing: 1000.
        root_spans_per_minute: Option<u32> = "rootSpansPerMinute";
        /// Where it is asked; nothing: where spans go.
        http_service: Option<DynatraceApi> = "httpService";
    }
}

message! {
    /// `dynatraceSampler.httpService`.
    DynatraceApi {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// How it is called.
        http: Option<ProviderHttp> = "http" => required();
    }
    check check::service
}

choice! {
    /// `serviceAttributeEnrichment`.
    ServiceAttributeEnrichment {
        /// The canonical name.
        IstioCanonical = 0 "ISTIO_CANONICAL",
        /// By OpenTelemetry's rules for Kubernetes; namespace, version and instance too.
        OtelSemanticConventions = 1 "OTEL_SEMANTIC_CONVENTIONS",
    }
}

fn check_open_telemetry(tracer: &OpenTelemetryTracer, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check::service(tracer, decoder, field);
    decoder.at_most_one(field, &["http", "grpc"]);
}
