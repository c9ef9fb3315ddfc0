use std::time::Duration;

use ripstop_model::{
    AccessLogFormat, ClientTlsMode, InboundPolicy, Keepalive, LogEncoding, OutboundPolicy, RetryPolicy, TraceHeaders,
    TrafficDefaults,
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
    let tls = |config: &str| defaults(config).outbound_tls.map(|tls| (tls.mode, tls.files.ca.clone()));
    let secured = "{outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS, tls: {mode: SIMPLE, caCertificates: /ca}}}";
    assert_eq!(tls(secured), Some((ClientTlsMode::Simple, "/ca".into())));
    assert_eq!(tls("{outboundTrafficPolicy: {tls: {mode: DISABLE}}}"), None);
    assert_eq!(defaults("{protocolDetectionTimeout: 0s}").detection_timeout, Some(Duration::ZERO));
}

#[test]
fn callees_retry_what_did_not_arrive_unless_the_mesh_says_otherwise() {
    let inbound = |written: &str| defaults(&format!("{{defaultInboundHttpRetryPolicy: {written}}}")).inbound_retries;
    let words = |policy: &RetryPolicy| policy.on.join(",");
    assert_eq!(defaults("{}").inbound_retries, RetryPolicy::inbound());
    let fewer = inbound("{attempts: 1, backoff: 1s}");
    assert_eq!((fewer.attempts, fewer.backoff), (1, Duration::from_secs(1)));
    assert_eq!(words(&fewer), "reset-before-request");
    let more = inbound("{attempts: 5, retryOn: '5xx,reset'}");
    assert_eq!((more.attempts, words(&more).as_str()), (5, "5xx,reset"));
    assert_eq!(inbound("{attempts: 0}").attempts, 0);
}
