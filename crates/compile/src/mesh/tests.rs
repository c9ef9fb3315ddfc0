use std::time::Duration;

use ripstop_model::{
    AccessLogFormat, InboundPolicy, Keepalive, LogEncoding, OutboundPolicy, TraceHeaders, TrafficDefaults,
};

use crate::tests::{World, object};

/// Default providers of traces, metrics and access logs under that mesh configuration.
fn providers(config: &str) -> [String; 3] {
    let mut world = World::of(&object("Mesh", "", "default", &format!("spec:\n  meshConfig: {config}\n")));
    let providers = &world.compile().traffic.defaults.default_providers;
    [&providers.tracing, &providers.metrics, &providers.access_logging].map(|names| names.join(","))
}

#[test]
fn default_providers() {
    for (config, expected) in [
        ("{}", ["", "", ""]),
        ("{accessLogFile: /dev/stdout}", ["", "", "envoy"]),
        (
            "{defaultProviders: {tracing: [Zipkin, otel], metrics: [Prometheus], accessLogging: [Loki]}}",
            ["zipkin,otel", "prometheus", "loki"],
        ),
        ("{accessLogFile: /dev/stdout, defaultProviders: {accessLogging: [loki]}}", ["", "", "loki"]),
        ("{accessLogFile: /dev/stdout, defaultProviders: {metrics: [prometheus]}}", ["", "prometheus", "envoy"]),
    ] {
        assert_eq!(providers(config), expected, "{config}");
    }
}

#[test]
fn access_log_formats() {
    for (config, encoding, format) in [
        ("{}", LogEncoding::Text, None),
        ("{accessLogEncoding: JSON}", LogEncoding::Json, None),
        ("{accessLogFormat: '%PROTOCOL%'}", LogEncoding::Text, Some("%PROTOCOL%")),
        ("{accessLogEncoding: JSON, accessLogFormat: '{}'}", LogEncoding::Json, Some("{}")),
    ] {
        let mut world = World::of(&object("Mesh", "", "default", &format!("spec:\n  meshConfig: {config}\n")));
        let expected = AccessLogFormat { encoding, format: format.map(Into::into) };
        assert_eq!(world.compile().traffic.defaults.access_log, expected, "{config}");
    }
}

#[test]
fn tracers() {
    let config = "{extensionProviders: [
      {name: zipkin, zipkin: {service: zipkin.obs.svc.cluster.local, port: 9411}},
      {name: both, zipkin: {service: zipkin.obs.svc.cluster.local, port: 9411, traceContextOption: USE_B3_WITH_W3C_PROPAGATION}},
      {name: otel, opentelemetry: {service: otel.obs.svc.cluster.local, port: 4317}},
      {name: dog, datadog: {service: dog.obs.svc.cluster.local, port: 8126}},
      {name: logs, envoyFileAccessLog: {path: /dev/stdout}}]}";
    let mut world = World::of(&object("Mesh", "", "default", &format!("spec:\n  meshConfig: {config}\n")));
    let compiled = world.compile();
    let tracers: Vec<_> = compiled.traffic.defaults.tracers.iter().map(|(name, headers)| (&**name, *headers)).collect();
    let expected = [("both", TraceHeaders::B3AndW3c), ("otel", TraceHeaders::W3c), ("zipkin", TraceHeaders::B3)];
    assert_eq!(tracers, expected);
}

/// What holds under that mesh configuration.
fn defaults(config: &str) -> TrafficDefaults {
    let mut world = World::of(&object("Mesh", "", "default", &format!("spec:\n  meshConfig: {config}\n")));
    (*world.compile().traffic.defaults).clone()
}

#[test]
fn settings_of_connections() {
    let seconds = Duration::from_secs;
    let unset = defaults("{}");
    assert_eq!((unset.detection_timeout, unset.keepalive, unset.name_refresh), (None, None, None));
    let set = defaults("{protocolDetectionTimeout: 5s, tcpKeepalive: {probes: 3, time: 7s}, dnsRefreshRate: 9s}");
    let keepalive = Keepalive { probes: Some(3), time: Some(seconds(7)), interval: None };
    assert_eq!(set.detection_timeout, Some(seconds(5)));
    assert_eq!((set.keepalive, set.name_refresh), (Some(keepalive), Some(seconds(9))));
    assert_eq!((unset.inbound, unset.tunnel_idle), (InboundPolicy::Passthrough, None));
    let set = defaults("{inboundTrafficPolicy: {mode: LOCALHOST}, hboneIdleTimeout: 20s}");
    assert_eq!((set.inbound, set.tunnel_idle), (InboundPolicy::Localhost, Some(seconds(20))));
    let outbound = |mode: &str| defaults(&format!("{{outboundTrafficPolicy: {{mode: {mode}}}}}")).outbound;
    assert_eq!(outbound("ALLOW_ANY_DYNAMIC_DNS"), OutboundPolicy::AllowAnyDynamicDns);
    assert_eq!(outbound("ALLOW_ANY"), OutboundPolicy::AllowAny);
    assert_eq!(defaults("{protocolDetectionTimeout: 0s}").detection_timeout, Some(Duration::ZERO));
}
