//! The mesh's `defaultConfig`.

use std::time::Duration;

use ripstop_api::istio::{
    AddedHeader, ClientCertDetails, ClientTls, ClientTlsMode, ConnectionProfile, ConnectionSettings, ControlPlaneAuth,
    CustomTag, EscapedSlashesAction, ForwardClientCert, FreeForm, GatewayProxyProtocol, GatewayTopology, HeaderSwitch,
    Hidden, InterceptionMode, KeyAccelerator, LightstepAddress, LiteralTag, MeshProxyConfig, MetadataExchange,
    MetadataExchangeMode, NamedTag, OpenCensusAgent, OpenCensusContext, PrivateKeyProvider, ProxyHeaders, ProxyImage,
    ProxyStatsMatcher, ProxyTracing, RemoteService, ServerHeader, StackdriverTracing, TcpKeepalive, TracerAddress,
    TracingServiceName, UnderscoresAction,
};

use super::{config, pairs, parse, texts};

const TEXT: &str = include_str!("../data/config/proxies.yaml");

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn tags() -> [(&'static str, CustomTag); 4] {
    let literal = |value: &str| Some(LiteralTag { value: value.into() });
    let named =
        |name: &str, default_value: &str| Some(NamedTag { name: name.into(), default_value: default_value.into() });
    [
        ("a", CustomTag { literal: literal("x"), ..CustomTag::default() }),
        ("b", CustomTag { environment: named("B", "w"), ..CustomTag::default() }),
        ("c", CustomTag { header: named("c", "z"), ..CustomTag::default() }),
        ("d", CustomTag { formatter: literal("%PROTOCOL%"), ..CustomTag::default() }),
    ]
}

fn headers() -> ProxyHeaders {
    let disabled = Some(HeaderSwitch { disabled: Some(true) });
    ProxyHeaders {
        forwarded_client_cert: ForwardClientCert::SanitizeSet,
        set_current_client_cert_details: Some(ClientCertDetails {
            subject: Some(false),
            cert: Some(true),
            chain: Some(true),
            dns: Some(false),
            uri: Some(false),
        }),
        request_id: disabled.clone(),
        server: Some(ServerHeader { disabled: Some(true), value: "mesh".into() }),
        attempt_count: disabled.clone(),
        envoy_debug_headers: disabled,
        metadata_exchange_headers: Some(MetadataExchange { mode: MetadataExchangeMode::InMesh }),
        preserve_http1_header_case: Some(true),
        x_forwarded_host: Some(AddedHeader { enabled: Some(true) }),
        x_forwarded_port: Some(AddedHeader { enabled: Some(true) }),
    }
}

fn connections() -> ConnectionSettings {
    ConnectionSettings {
        profile: ConnectionProfile::Edge,
        listener_per_connection_buffer_limit_bytes: Some(1),
        cluster_per_connection_buffer_limit_bytes: Some(2),
        http_idle_timeout: Some(seconds(3)),
        http_request_timeout: Some(seconds(4)),
        http_request_headers_timeout: Some(seconds(5)),
        http_stream_idle_timeout: Some(seconds(6)),
        http_max_connection_duration: Some(seconds(7)),
        http_max_stream_duration: Some(seconds(8)),
        http_drain_timeout: Some(seconds(9)),
        http_max_concurrent_streams: Some(10),
        http2_initial_stream_window_size: Some(11),
        http2_initial_connection_window_size: Some(12),
        http_headers_with_underscores_action: UnderscoresAction::DropHeader,
        http_merge_slashes: Some(true),
        http_path_with_escaped_slashes_action: EscapedSlashesAction::UnescapeAndForward,
        global_downstream_connection_limit: Some(13),
    }
}

fn expected() -> MeshProxyConfig {
    let tls = |mode| Some(ClientTls { mode, ..ClientTls::default() });
    MeshProxyConfig {
        config_path: "./etc".into(),
        binary_path: "/envoy".into(),
        service_cluster: None,
        tracing_service_name: Some(TracingServiceName::CanonicalNameOnly),
        drain_duration: Some(seconds(30)),
        parent_shutdown_duration: Some(seconds(60)),
        discovery_address: "istiod:15012".into(),
        discovery_refresh_delay: Some(seconds(1)),
        zipkin_address: "zipkin:9411".into(),
        statsd_udp_address: "statsd:9125".into(),
        envoy_metrics_service_address: "metrics:15000".into(),
        proxy_admin_port: Some(15001),
        availability_zone: "a".into(),
        control_plane_auth_policy: ControlPlaneAuth::MutualTls,
        custom_config_file: "/c".into(),
        stat_name_length: Some(190),
        concurrency: Some(3),
        proxy_bootstrap_template_path: "/t".into(),
        interception_mode: InterceptionMode::Tproxy,
        tracing: Some(ProxyTracing {
            zipkin: Some(TracerAddress { address: "zipkin.tools:9411".into() }),
            custom_tags: tags().map(|(name, tag)| (name.to_owned(), tag)).into(),
            max_path_tag_length: Some(128),
            sampling: Some(12.5),
            tls_settings: tls(ClientTlsMode::IstioMutual),
            enable_istio_tags: Some(false),
            ..ProxyTracing::default()
        }),
        envoy_access_log_service: Some(RemoteService {
            address: "als:1".into(),
            tls_settings: tls(ClientTlsMode::Simple),
            tcp_keepalive: Some(TcpKeepalive { probes: Some(1), ..TcpKeepalive::default() }),
        }),
        envoy_metrics_service: Some(RemoteService { address: "ms:1".into(), ..RemoteService::default() }),
        proxy_metadata: pairs(&[("ISTIO_META_A", "b")]),
        status_port: Some(15021),
        extra_stat_tags: texts(&["x"]),
        gateway_topology: Some(GatewayTopology {
            num_trusted_proxies: Some(2),
            forward_client_cert_details: ForwardClientCert::Sanitize,
            proxy_protocol: Some(GatewayProxyProtocol {}),
        }),
        termination_drain_duration: Some(seconds(6)),
        mesh_id: "mesh1".into(),
        readiness_probe: Some(FreeForm(serde_json::json!({"httpGet": {"path": "/", "port": 80}}))),
        proxy_stats_matcher: Some(ProxyStatsMatcher {
            inclusion_prefixes: texts(&["a"]),
            inclusion_suffixes: texts(&["b"]),
            inclusion_regexps: texts(&["c.*"]),
        }),
        hold_application_until_proxy_starts: Some(true),
        ca_certificates_pem: texts(&["-----BEGIN CERTIFICATE-----"]),
        image: Some(ProxyImage { image_type: "distroless".into() }),
        runtime_values: pairs(&[("a", "1")]),
        private_key_provider: Some(PrivateKeyProvider {
            cryptomb: Some(KeyAccelerator { poll_delay: Some(Duration::from_millis(10)), fallback: Some(true) }),
            qat: None,
        }),
        proxy_headers: Some(headers()),
        file_flush_interval: Some(seconds(2)),
        file_flush_min_size_kb: Some(65),
        stats_compression: Some(false),
        connection_settings: Some(connections()),
    }
}

#[test]
fn every_field_of_the_default_config() {
    let (objects, said) = parse(TEXT);
    let read: Vec<_> =
        objects.iter().map(|object| config(object).default_config.as_deref().expect("a config")).collect();
    assert_eq!(*read[0], expected());
    let others = MeshProxyConfig {
        service_cluster: Some("web".into()),
        private_key_provider: Some(PrivateKeyProvider {
            cryptomb: None,
            qat: Some(KeyAccelerator { poll_delay: Some(Duration::from_millis(1)), fallback: None }),
        }),
        tracing: Some(ProxyTracing {
            lightstep: Some(LightstepAddress { address: "l:1".into(), access_token: Hidden("secret-text".into()) }),
            ..ProxyTracing::default()
        }),
        ..MeshProxyConfig::default()
    };
    assert_eq!(*read[1], others);
    let tracing: Vec<_> = read[2..].iter().map(|config| config.tracing.clone().expect("tracing")).collect();
    let datadog = TracerAddress { address: "$(HOST_IP):8126".into() };
    assert_eq!(tracing[0], ProxyTracing { datadog: Some(datadog), ..ProxyTracing::default() });
    let stackdriver = StackdriverTracing {
        debug: true,
        max_number_of_attributes: Some(1),
        max_number_of_annotations: Some(2),
        max_number_of_message_events: Some(3),
    };
    assert_eq!(tracing[1], ProxyTracing { stackdriver: Some(stackdriver), ..ProxyTracing::default() });
    let agent = OpenCensusAgent { address: "dns://oc:1".into(), context: vec![OpenCensusContext::B3] };
    assert_eq!(tracing[2], ProxyTracing { open_census_agent: Some(agent), ..ProxyTracing::default() });
    let without_effect = [
        "configPath",
        "binaryPath",
        "parentShutdownDuration",
        "discoveryAddress",
        "discoveryRefreshDelay",
        "zipkinAddress",
        "statsdUdpAddress",
        "envoyMetricsServiceAddress",
        "proxyAdminPort",
        "availabilityZone",
        "controlPlaneAuthPolicy",
        "customConfigFile",
        "statNameLength",
        "proxyBootstrapTemplatePath",
        "interceptionMode",
        "envoyAccessLogService",
        "envoyMetricsService",
        "proxyMetadata",
        "statusPort",
        "extraStatTags",
        "meshId",
        "readinessProbe",
        "proxyStatsMatcher",
        "holdApplicationUntilProxyStarts",
        "image",
        "runtimeValues",
        "privateKeyProvider",
        "proxyHeaders.metadataExchangeHeaders",
        "proxyHeaders.preserveHttp1HeaderCase",
        "statsCompression",
        "serviceCluster",
        "privateKeyProvider",
        "tracing.lightstep",
        "tracing.stackdriver",
        "tracing.openCensusAgent",
    ];
    assert_eq!(said, without_effect.map(|name| format!("spec.meshConfig.defaultConfig.{name}")));
}
