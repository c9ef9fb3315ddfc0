//! `extensionProviders`.

use std::time::Duration;

use ripstop_api::istio::{
    AuthorizedBody, DatadogTracer, DynatraceApi, DynatraceDetector, DynatraceSampler, EnvironmentDetector,
    ExtensionProvider, FileAccessLog, FileLogFormat, FreeForm, GrpcAuthorizer, Hidden, HttpAccessLog, HttpAuthorizer,
    LightstepTracer, OpenCensusContext, OpenCensusTracer, OpenTelemetryTracer, OtelAccessLog, OtelLogFormat,
    PrometheusProvider, ProviderGrpc, ProviderHeader, ProviderHttp, ResourceDetectors, SecretProvider,
    ServiceAttributeEnrichment, SkywalkingTracer, StackdriverLogging, StackdriverProvider, TcpAccessLog,
    TraceContextOption, ZipkinTracer,
};

use super::{config, pairs, parse, texts};

const TEXT: &str = include_str!("../data/config/providers.yaml");

fn named(name: &str) -> ExtensionProvider {
    ExtensionProvider { name: name.into(), ..ExtensionProvider::default() }
}

fn secret() -> Hidden {
    Hidden("secret-text".into())
}

fn header(name: &str, value: Option<Hidden>, env_name: Option<&str>) -> ProviderHeader {
    ProviderHeader { name: name.into(), value, env_name: env_name.map(str::to_owned) }
}

fn json(text: &str) -> FreeForm {
    FreeForm(serde_json::from_str(text).expect("JSON"))
}

fn authorizers() -> [ExtensionProvider; 2] {
    let http = HttpAuthorizer {
        service: "tools/authz.tools.svc.cluster.local".into(),
        port: Some(8000),
        timeout: Some(Duration::from_secs(1)),
        path_prefix: "/check".into(),
        fail_open: true,
        clear_route_cache: true,
        status_on_error: "503".into(),
        include_headers_in_check: texts(&["x-old"]),
        include_request_headers_in_check: texts(&["authorization", "x-*"]),
        include_additional_headers_in_check: pairs(&[("x-mesh", "1")]),
        include_request_body_in_check: Some(AuthorizedBody {
            max_request_bytes: 1024,
            allow_partial_message: true,
            pack_as_bytes: true,
        }),
        headers_to_upstream_on_allow: texts(&["x-user"]),
        headers_to_downstream_on_deny: texts(&["www-authenticate"]),
        headers_to_downstream_on_allow: texts(&["set-cookie"]),
    };
    let grpc = GrpcAuthorizer {
        service: "192.0.2.7".into(),
        port: Some(9000),
        timeout: Some(Duration::from_secs(2)),
        fail_open: true,
        clear_route_cache: true,
        status_on_error: "401".into(),
        include_request_body_in_check: Some(AuthorizedBody { max_request_bytes: 2048, ..AuthorizedBody::default() }),
    };
    [
        ExtensionProvider { envoy_ext_authz_http: Some(http), ..named("authz-http") },
        ExtensionProvider { envoy_ext_authz_grpc: Some(grpc), ..named("authz-grpc") },
    ]
}

fn older_tracers() -> [ExtensionProvider; 6] {
    let zipkin = ZipkinTracer {
        service: "zipkin.tools.svc.cluster.local".into(),
        port: Some(9411),
        max_tag_length: Some(100),
        enable_64bit_trace_id: true,
        path: "/v2".into(),
        trace_context_option: TraceContextOption::B3WithW3c,
        timeout: Some(Duration::from_secs(3)),
        headers: vec![header("authorization", Some(secret()), None), header("x-key", None, Some("KEY"))],
    };
    let lightstep = LightstepTracer {
        service: "light.example".into(),
        port: Some(443),
        access_token: secret(),
        max_tag_length: Some(101),
    };
    let datadog = DatadogTracer { service: "dog.example".into(), port: Some(8126), max_tag_length: Some(102) };
    let stackdriver = StackdriverProvider {
        debug: true,
        max_number_of_attributes: Some(1),
        max_number_of_annotations: Some(2),
        max_number_of_message_events: Some(3),
        max_tag_length: Some(103),
        logging: Some(StackdriverLogging { labels: pairs(&[("path", "request.url_path")]) }),
    };
    let opencensus = OpenCensusTracer {
        service: "oc.example".into(),
        port: Some(55678),
        context: vec![OpenCensusContext::B3, OpenCensusContext::W3c],
        max_tag_length: Some(104),
    };
    let skywalking =
        SkywalkingTracer { service: "sky.example".into(), port: Some(11800), access_token: Some(secret()) };
    [
        ExtensionProvider { zipkin: Some(zipkin), ..named("zipkin") },
        ExtensionProvider { lightstep: Some(lightstep), ..named("lightstep") },
        ExtensionProvider { datadog: Some(datadog), ..named("datadog") },
        ExtensionProvider { stackdriver: Some(stackdriver), ..named("stackdriver") },
        ExtensionProvider { opencensus: Some(opencensus), ..named("opencensus") },
        ExtensionProvider { skywalking: Some(skywalking), ..named("skywalking") },
    ]
}

fn open_telemetry() -> [ExtensionProvider; 2] {
    let http = OpenTelemetryTracer {
        service: "otel.example".into(),
        port: Some(4318),
        max_tag_length: Some(105),
        http: Some(ProviderHttp {
            path: "/v1/traces".into(),
            timeout: Some(Duration::from_secs(4)),
            headers: vec![header("a", Some(secret()), None)],
        }),
        grpc: None,
        resource_detectors: Some(ResourceDetectors {
            environment: Some(EnvironmentDetector {}),
            dynatrace: Some(DynatraceDetector {}),
        }),
        dynatrace_sampler: Some(DynatraceSampler {
            tenant: "abc".into(),
            cluster_id: -7,
            root_spans_per_minute: Some(1000),
            http_service: Some(DynatraceApi {
                service: "abc.example".into(),
                port: Some(443),
                http: Some(ProviderHttp { path: "/s".into(), ..ProviderHttp::default() }),
            }),
        }),
        service_attribute_enrichment: ServiceAttributeEnrichment::OtelSemanticConventions,
    };
    let grpc = OpenTelemetryTracer {
        service: "otel.example".into(),
        port: Some(4317),
        grpc: Some(ProviderGrpc {
            timeout: Some(Duration::from_secs(5)),
            initial_metadata: vec![header("b", None, Some("B"))],
        }),
        ..OpenTelemetryTracer::default()
    };
    [
        ExtensionProvider { opentelemetry: Some(http), ..named("otel-http") },
        ExtensionProvider { opentelemetry: Some(grpc), ..named("otel-grpc") },
    ]
}

fn logs() -> [ExtensionProvider; 5] {
    let text = FileLogFormat { text: Some("%PROTOCOL%".into()), labels: None };
    let nested = json(r#"{"list": [1, true, null, 1.5]}"#);
    let labels = [("status".to_owned(), json(r#""%RESPONSE_CODE%""#)), ("nested".to_owned(), nested)];
    let labels = FileLogFormat { text: None, labels: Some(labels.into()) };
    let http = HttpAccessLog {
        service: "als.example".into(),
        port: Some(1),
        log_name: "a".into(),
        filter_state_objects_to_log: texts(&["b"]),
        additional_request_headers_to_log: texts(&["c"]),
        additional_response_headers_to_log: texts(&["d"]),
        additional_response_trailers_to_log: texts(&["e"]),
    };
    let tcp = TcpAccessLog {
        service: "als.example".into(),
        port: Some(2),
        log_name: "f".into(),
        filter_state_objects_to_log: texts(&["g"]),
    };
    let otel = OtelAccessLog {
        service: "als.example".into(),
        port: Some(3),
        log_name: "h".into(),
        log_format: Some(OtelLogFormat { text: "i".into(), labels: [("j".to_owned(), json(r#""k""#))].into() }),
    };
    let file = FileAccessLog { path: "/tmp/log".into(), log_format: Some(text), omit_empty_values: true };
    let json = FileAccessLog { log_format: Some(labels), ..FileAccessLog::default() };
    [
        ExtensionProvider { envoy_file_access_log: Some(file), ..named("file") },
        ExtensionProvider { envoy_file_access_log: Some(json), ..named("json") },
        ExtensionProvider { envoy_http_als: Some(http), ..named("http-als") },
        ExtensionProvider { envoy_tcp_als: Some(tcp), ..named("tcp-als") },
        ExtensionProvider { envoy_otel_als: Some(otel), ..named("otel-als") },
    ]
}

#[test]
fn every_provider() {
    let (objects, said) = parse(TEXT);
    let mut expected = Vec::new();
    expected.extend(authorizers());
    expected.extend(older_tracers());
    expected.extend(open_telemetry());
    expected.push(ExtensionProvider { prometheus: Some(PrometheusProvider {}), ..named("prometheus") });
    expected.extend(logs());
    let sds = SecretProvider { name: "vault".into(), service: "vault.example".into(), port: Some(8234) };
    expected.push(ExtensionProvider { sds: Some(sds), ..named("sds") });
    let providers = &config(&objects[0]).extension_providers;
    assert_eq!(providers.len(), expected.len());
    for (provider, expected) in providers.iter().zip(&expected) {
        assert_eq!(provider, expected);
    }
    let below = "spec.meshConfig.extensionProviders";
    let named = [
        "[0].envoyExtAuthzHttp.includeHeadersInCheck",
        "[3].lightstep",
        "[5].stackdriver",
        "[6].opencensus",
        "[8].opentelemetry.resourceDetectors.dynatrace",
        "[8].opentelemetry.dynatraceSampler",
        "[13].envoyHttpAls",
        "[14].envoyTcpAls",
        "[16].sds",
    ];
    assert_eq!(said, named.map(|path| format!("{below}{path}")));
}

#[test]
fn tokens_are_not_shown() {
    let (objects, _) = parse(TEXT);
    let shown = format!("{:#?}", config(&objects[0]));
    assert!(shown.contains("light.example") && !shown.contains("secret-text"), "{shown}");
}
