//! `defaultConfig` of the mesh (`istio.mesh.v1alpha1.ProxyConfig`).

use std::{collections::BTreeMap, time::Duration};

use super::{ConnectionSettings, GatewayTopology, ProxyHeaders, ProxyImage, ProxyTracing};
use crate::{
    decode::{Decoder, Field},
    finding::code,
    istio::{ClientTls, FreeForm, TcpKeepalive},
    schema::{choice, message},
};

message! {
    /// What proxies are like. Nothing means the default that each field names.
    MeshProxyConfig {
        /// Directory of the proxy's configuration.
        config_path: String = "configPath" => without_effect(ENVOY);
        /// The proxy.
        binary_path: String = "binaryPath" => without_effect(ENVOY);
        /// Name of all proxies.
        service_cluster: Option<String> = "serviceCluster" => without_effect("spans are named by `tracingServiceName`");
        /// Names of workloads in spans; nothing: `APP_LABEL_AND_NAMESPACE`.
        tracing_service_name: Option<TracingServiceName> = "tracingServiceName";
        /// How long connections drain when listeners change; nothing: 45 s.
        drain_duration: Option<Duration> = "drainDuration";
        /// How long the old proxy lives on.
        parent_shutdown_duration: Option<Duration> = "parentShutdownDuration" => without_effect(ENVOY);
        /// Where configuration comes from.
        discovery_address: String = "discoveryAddress" => without_effect("nodes know their control plane");
        /// Between looks.
        discovery_refresh_delay: Option<Duration> = "discoveryRefreshDelay" => without_effect(ENVOY);
        /// Tracer.
        zipkin_address: String = "zipkinAddress" => without_effect("write `tracing.zipkin.address`");
        /// `host:port` of statsd.
        statsd_udp_address: String = "statsdUdpAddress" => without_effect(METRICS);
        /// `host:port` for metrics.
        envoy_metrics_service_address: String = "envoyMetricsServiceAddress" => without_effect(METRICS);
        /// Port for administration.
        proxy_admin_port: Option<u16> = "proxyAdminPort" => without_effect(ENVOY);
        /// Zone.
        availability_zone: String = "availabilityZone" => without_effect("localities are labels of nodes");
        /// How proxies prove themselves to the control plane.
        control_plane_auth_policy: ControlPlaneAuth = "controlPlaneAuthPolicy" => without_effect("it is always mutual TLS");
        /// File with the proxy's own configuration.
        custom_config_file: String = "customConfigFile" => without_effect(ENVOY);
        /// Longest name of a statistic.
        stat_name_length: Option<u32> = "statNameLength" => without_effect(ENVOY);
        /// Threads; nothing: as many as may be used; 0: as many as the machine has.
        concurrency: Option<u32> = "concurrency";
        /// Template of the proxy's first configuration.
        proxy_bootstrap_template_path: String = "proxyBootstrapTemplatePath" => without_effect(ENVOY);
        /// How inbound traffic gets to the proxy.
        interception_mode: InterceptionMode = "interceptionMode" => without_effect("nodes capture traffic their own way");
        /// Tracing of workloads that no Telemetry speaks of.
        tracing: Option<ProxyTracing> = "tracing";
        /// Access logs by gRPC.
        envoy_access_log_service: Option<RemoteService> = "envoyAccessLogService" => without_effect("name a provider in a Telemetry instead");
        /// Metrics by gRPC.
        envoy_metrics_service: Option<RemoteService> = "envoyMetricsService" => without_effect(METRICS);
        /// Environment of the proxy.
        proxy_metadata: BTreeMap<String, String> = "proxyMetadata" => without_effect("it is for proxies that are injected beside a workload");
        /// Port of probes.
        status_port: Option<u16> = "statusPort" => without_effect(METRICS);
        /// Further labels of metrics.
        extra_stat_tags: Vec<String> = "extraStatTags" => without_effect("labels are added by `tagOverrides` of a Telemetry, and need no declaration");
        /// What stands before gateways.
        gateway_topology: Option<GatewayTopology> = "gatewayTopology";
        /// How long connections drain when a proxy ends; nothing: 5 s.
        termination_drain_duration: Option<Duration> = "terminationDrainDuration";
        /// Name of the mesh.
        mesh_id: String = "meshId" => without_effect("the mesh is one: nothing is named after it");
        /// Probe of workloads on virtual machines.
        readiness_probe: Option<FreeForm> = "readinessProbe" => without_effect("write it in a Process or WorkloadGroup");
        /// Which statistics there are.
        proxy_stats_matcher: Option<ProxyStatsMatcher> = "proxyStatsMatcher" => without_effect(ENVOY);
        /// Workloads wait for their proxy.
        hold_application_until_proxy_starts: Option<bool> = "holdApplicationUntilProxyStarts" => without_effect("workloads always start inside of the mesh");
        /// Further roots of trust.
        ca_certificates_pem: Vec<String> = "caCertificatesPem";
        /// Image of the proxy.
        image: Option<ProxyImage> = "image" => without_effect("proxies run without images");
        /// Runtime flags of the proxy.
        runtime_values: BTreeMap<String, String> = "runtimeValues" => without_effect(ENVOY);
        /// Who signs.
        private_key_provider: Option<PrivateKeyProvider> = "privateKeyProvider" => without_effect("keys are used by software");
        /// Headers that proxies write.
        proxy_headers: Option<ProxyHeaders> = "proxyHeaders";
        /// Between writes to access logs; nothing: 1 s.
        file_flush_interval: Option<Duration> = "fileFlushInterval";
        /// Kibibytes that are written at once; nothing: 64.
        file_flush_min_size_kb: Option<u32> = "fileFlushMinSizeKb";
        /// Compresses metrics; nothing: yes.
        stats_compression: Option<bool> = "statsCompression" => without_effect(METRICS);
        /// Limits of connections from callers.
        connection_settings: Option<ConnectionSettings> = "connectionSettings";
    }
    check check_proxy_config
}

const ENVOY: &str = "it is for Envoy, which this mesh does not use";
const METRICS: &str = "metrics are served at `metricsPort` of `Mesh`";

choice! {
    /// `tracingServiceName`.
    TracingServiceName {
        /// `app.namespace`.
        AppLabelAndNamespace = 0 "APP_LABEL_AND_NAMESPACE",
        /// Canonical name.
        CanonicalNameOnly = 1 "CANONICAL_NAME_ONLY",
        /// Canonical name and namespace.
        CanonicalNameAndNamespace = 2 "CANONICAL_NAME_AND_NAMESPACE",
    }
}

choice! {
    /// `controlPlaneAuthPolicy`.
    ControlPlaneAuth {
        /// Not at all.
        None = 0 "NONE",
        /// By certificate.
        MutualTls = 1 "MUTUAL_TLS",
    }
}

choice! {
    /// `interceptionMode`.
    InterceptionMode {
        /// By redirection.
        Redirect = 0 "REDIRECT",
        /// By transparent proxying.
        Tproxy = 1 "TPROXY",
        /// Not at all.
        None = 2 "NONE",
    }
}

message! {
    /// Where logs or metrics are sent.
    RemoteService {
        /// `host:port`.
        address: String = "address";
        /// TLS to it.
        tls_settings: Option<ClientTls> = "tlsSettings";
        /// Keepalive.
        tcp_keepalive: Option<TcpKeepalive> = "tcpKeepalive";
    }
}

message! {
    /// `proxyStatsMatcher`.
    ProxyStatsMatcher {
        /// Beginnings of names.
        inclusion_prefixes: Vec<String> = "inclusionPrefixes";
        /// Ends of names.
        inclusion_suffixes: Vec<String> = "inclusionSuffixes";
        /// Regexes of names.
        inclusion_regexps: Vec<String> = "inclusionRegexps";
    }
}

message! {
    /// `privateKeyProvider`: exactly one.
    PrivateKeyProvider {
        /// Vector instructions.
        cryptomb: Option<KeyAccelerator> = "cryptomb";
        /// A card.
        qat: Option<KeyAccelerator> = "qat";
    }
    check check_keys
}

message! {
    /// `cryptomb` or `qat`.
    KeyAccelerator {
        /// How long signatures are gathered.
        poll_delay: Option<Duration> = "pollDelay" => required();
        /// Signs without it if there is none.
        fallback: Option<bool> = "fallback";
    }
    check check_accelerator
}

fn check_proxy_config(config: &MeshProxyConfig, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_most_one(field, &["serviceCluster", "tracingServiceName"]);
    if config.drain_duration.is_some_and(|drain| drain.is_zero() || drain.subsec_nanos() != 0) {
        let message = "`drainDuration` is not a number of seconds from 1";
        decoder.report(code::OUT_OF_RANGE, &field.at("drainDuration"), message, "for example `45s`");
    }
}

fn check_keys(_: &PrivateKeyProvider, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if decoder.at_most_one(field, &["cryptomb", "qat"]).is_empty() {
        decoder.report(
            code::MISSING,
            field,
            "`privateKeyProvider` names no provider",
            "write `cryptomb` or `qat`, or remove it",
        );
    }
}

fn check_accelerator(accelerator: &KeyAccelerator, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if accelerator.poll_delay.is_some_and(|delay| delay.is_zero()) {
        decoder.report(code::OUT_OF_RANGE, &field.at("pollDelay"), "`pollDelay` is 0", "for example `10ms`");
    }
}
