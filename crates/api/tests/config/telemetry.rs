//! `Telemetry` and `ProxyConfig`.

use std::time::Duration;

use ripstop_api::{
    Spec,
    istio::{
        CustomTag, IstioMetric, Labels, LiteralTag, LogFilter, MetricSelector, MetricsOverride, ModeSelector, NamedTag,
        ProviderRef, ProxyConfig, ProxyImage, TagOperation, TagOverride, TargetRef, Telemetry, TelemetryLogging,
        TelemetryMetrics, TelemetryTracing, WorkloadMode, WorkloadSelector,
    },
};

use super::{pairs, parse};

fn selector() -> WorkloadSelector {
    WorkloadSelector { match_labels: Labels(pairs(&[("app", "web")])) }
}

fn providers(names: &[&str]) -> Vec<ProviderRef> {
    names.iter().map(|name| ProviderRef { name: (*name).into() }).collect()
}

fn tracing() -> TelemetryTracing {
    let literal = |value: &str| Some(LiteralTag { value: value.into() });
    let named =
        |name: &str, default_value: &str| Some(NamedTag { name: name.into(), default_value: default_value.into() });
    let tags = [
        ("literal", CustomTag { literal: literal("x"), ..CustomTag::default() }),
        ("environment", CustomTag { environment: named("NAME", "w"), ..CustomTag::default() }),
        ("header", CustomTag { header: named("x-name", "z"), ..CustomTag::default() }),
        ("formatter", CustomTag { formatter: literal("%PROTOCOL%"), ..CustomTag::default() }),
    ];
    TelemetryTracing {
        selector: Some(ModeSelector { mode: WorkloadMode::Client }),
        providers: providers(&["otel"]),
        random_sampling_percentage: Some(54.54),
        disable_span_reporting: Some(true),
        custom_tags: tags.map(|(name, tag)| (name.to_owned(), tag)).into(),
        use_request_id_for_trace_sampling: Some(false),
        enable_istio_tags: Some(false),
        disable_context_propagation: Some(true),
    }
}

fn metrics() -> TelemetryMetrics {
    let tags = [
        ("method", TagOverride { operation: TagOperation::Upsert, value: "request.method".into() }),
        ("host", TagOverride { operation: TagOperation::Remove, value: String::new() }),
    ];
    TelemetryMetrics {
        providers: providers(&["prometheus"]),
        reporting_interval: Some(Duration::from_secs(10)),
        overrides: vec![
            MetricsOverride {
                selector: Some(MetricSelector {
                    metric: Some(IstioMetric::GrpcRequestMessages),
                    custom_metric: None,
                    mode: WorkloadMode::Server,
                }),
                disabled: Some(true),
                ..MetricsOverride::default()
            },
            MetricsOverride {
                selector: Some(MetricSelector { custom_metric: Some("mine".into()), ..MetricSelector::default() }),
                disabled: Some(false),
                tag_overrides: tags.map(|(name, tag)| (name.to_owned(), tag)).into(),
            },
        ],
    }
}

#[test]
fn every_field_of_telemetry_and_proxy_config() {
    let (objects, said) = parse(include_str!("../data/config/telemetry.yaml"));
    let mut specs = objects.into_iter().map(|object| object.spec);
    let full = Telemetry {
        selector: Some(selector()),
        tracing: vec![tracing()],
        metrics: vec![metrics()],
        access_logging: vec![TelemetryLogging {
            selector: Some(ModeSelector { mode: WorkloadMode::Server }),
            providers: providers(&["envoy", "otel"]),
            disabled: Some(true),
            filter: Some(LogFilter { expression: "response.code >= 400".into() }),
        }],
        ..Telemetry::default()
    };
    assert_eq!(specs.next(), Some(Spec::Telemetry(Box::new(full))));
    let waypoint = TargetRef {
        group: "gateway.networking.k8s.io".into(),
        kind: "Gateway".into(),
        name: "waypoint".into(),
        namespace: "shop".into(),
    };
    let attached = Telemetry { target_refs: vec![waypoint], ..Telemetry::default() };
    assert_eq!(specs.next(), Some(Spec::Telemetry(Box::new(attached))));
    let service = TargetRef { kind: "Service".into(), name: "web".into(), ..TargetRef::default() };
    let attached = Telemetry { target_ref: Some(service), ..Telemetry::default() };
    assert_eq!(specs.next(), Some(Spec::Telemetry(Box::new(attached))));
    let proxies = ProxyConfig {
        selector: Some(selector()),
        concurrency: Some(0),
        environment_variables: pairs(&[("A", "b")]),
        image: Some(ProxyImage { image_type: "distroless".into() }),
    };
    assert_eq!(specs.next(), Some(Spec::ProxyConfig(Box::new(proxies))));
    assert_eq!(said, ["spec.targetRef", "spec.environmentVariables", "spec.image"]);
}

#[test]
fn the_handbook_of_telemetry_is_read() {
    let text = r#"apiVersion: telemetry.istio.io/v1alpha1
kind: Telemetry
metadata:
  name: custom-metrics
  namespace: production
spec:
  metrics:
    - providers:
        - name: prometheus
      overrides:
        - match:
            metric: REQUEST_COUNT
          tagOverrides:
            request_id:
              value: "request.headers['x-request-id'] | 'unknown'"
  accessLogging:
    - providers:
        - name: envoy             # built-in envoy access log
      filter:
        expression: "response.code >= 400"   # only log errors
  tracing:
    - providers:
        - name: jaeger
      randomSamplingPercentage: 1.0          # 1% sampling
"#;
    let (objects, said) = parse(text);
    let Spec::Telemetry(telemetry) = &objects[0].spec else { panic!("{objects:#?}") };
    assert_eq!((telemetry.tracing[0].random_sampling_percentage, said.len()), (Some(1.0), 0));
    let tag = &telemetry.metrics[0].overrides[0].tag_overrides["request_id"];
    assert_eq!(tag.value, "request.headers['x-request-id'] | 'unknown'", "expressions stay text");
}
