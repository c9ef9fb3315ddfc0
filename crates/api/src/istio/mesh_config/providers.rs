//! `extensionProviders`: external authorizers, tracers, metrics and logs by name.

mod authorization;
mod logging;
mod tracing;

use std::time::Duration;

pub use authorization::*;
pub use logging::*;
pub use tracing::*;

use super::check;
use crate::{istio::Hidden, schema::message};

message! {
    /// One of `extensionProviders`: a name and exactly one provider.
    ExtensionProvider {
        /// Name that policies use.
        name: String = "name" => required();
        /// Authorizer by HTTP.
        envoy_ext_authz_http: Option<HttpAuthorizer> = "envoyExtAuthzHttp";
        /// Authorizer by gRPC.
        envoy_ext_authz_grpc: Option<GrpcAuthorizer> = "envoyExtAuthzGrpc";
        /// Tracer.
        zipkin: Option<ZipkinTracer> = "zipkin";
        /// Tracer.
        lightstep: Option<LightstepTracer> = "lightstep" => without_effect("write `opentelemetry`");
        /// Tracer.
        datadog: Option<DatadogTracer> = "datadog";
        /// Tracer, metrics and logs.
        stackdriver: Option<StackdriverProvider> = "stackdriver" => without_effect("write `opentelemetry`");
        /// Tracer.
        opencensus: Option<OpenCensusTracer> = "opencensus" => without_effect("write `opentelemetry`");
        /// Tracer.
        skywalking: Option<SkywalkingTracer> = "skywalking";
        /// Tracer.
        opentelemetry: Option<OpenTelemetryTracer> = "opentelemetry";
        /// Metrics.
        prometheus: Option<PrometheusProvider> = "prometheus";
        /// Log file.
        envoy_file_access_log: Option<FileAccessLog> = "envoyFileAccessLog";
        /// Log of requests by gRPC.
        envoy_http_als: Option<HttpAccessLog> = "envoyHttpAls" => without_effect("write `envoyOtelAls`");
        /// Log of connections by gRPC.
        envoy_tcp_als: Option<TcpAccessLog> = "envoyTcpAls" => without_effect("write `envoyOtelAls`");
        /// Log by OpenTelemetry.
        envoy_otel_als: Option<OtelAccessLog> = "envoyOtelAls";
        /// Secrets of gateways from elsewhere.
        sds: Option<SecretProvider> = "sds" => without_effect("gateways read Secrets");
    }
    check check::provider
}

message! {
    /// `prometheus`.
    PrometheusProvider {
    }
}

message! {
    /// `sds`.
    SecretProvider {
        /// Name that `credentialName` uses.
        name: String = "name" => required();
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
    }
    check check::service
}

message! {
    /// Calls by HTTP.
    ProviderHttp {
        /// Path.
        path: String = "path" => required();
        /// For the answer; nothing: 3 s.
        timeout: Option<Duration> = "timeout";
        /// Further headers.
        headers: Vec<ProviderHeader> = "headers";
    }
}

message! {
    /// A header: exactly one of `value` and `envName`.
    ProviderHeader {
        /// Name.
        name: String = "name" => required();
        /// Value.
        value: Option<Hidden> = "value";
        /// Environment variable of the proxy that holds it.
        env_name: Option<String> = "envName";
    }
    check check::header
}

message! {
    /// `defaultProviders`.
    DefaultProviders {
        /// Of traces.
        tracing: Vec<String> = "tracing";
        /// Of metrics.
        metrics: Vec<String> = "metrics";
        /// Of access logs.
        access_logging: Vec<String> = "accessLogging";
    }
}
