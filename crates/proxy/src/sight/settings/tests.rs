use ripstop_decide::Said;
use ripstop_model::{Change, MetricOverride, TracingSettings, TrafficChange, TrafficDefaults};
use ripstop_telemetry::{Direction, Exchange, Party};

use super::*;
use crate::sight::samples::{Bench, silent, telemetry, workload};

fn metrics(provider: &str, overrides: &[MetricOverride]) -> EffectiveMetrics {
    let said = |change: &MetricOverride| Said { value: change.clone(), by: None };
    EffectiveMetrics {
        provider: Said { value: provider.into(), by: None },
        overrides: overrides.iter().map(said).collect(),
    }
}

fn change(metric: Option<&str>, disabled: Option<bool>, tags: &[(&str, Option<&str>)]) -> MetricOverride {
    MetricOverride {
        metric: metric.map(Into::into),
        side: Side::Both,
        disabled,
        tags: tags.iter().map(|(tag, value)| ((*tag).into(), value.map(Into::into))).collect(),
    }
}

fn all(disable: bool) -> MetricShape {
    let mut shape = MetricShape::default();
    if disable {
        for metric in RequestMetric::ALL {
            shape.disable(metric);
        }
    }
    shape
}

#[test]
fn shapes() {
    assert_eq!(shape(&[]), None, "nobody is named: as by default");
    assert_eq!(shape(&[metrics("prometheus", &[])]), None);
    assert_eq!(shape(&[metrics("stackdriver", &[])]).as_deref(), Some(&all(true)), "only others are named");
    let both = [metrics("stackdriver", &[]), metrics("prometheus", &[change(None, Some(true), &[])])];
    assert_eq!(shape(&both).as_deref(), Some(&all(true)));
    let mut expected = all(false);
    expected.disable(RequestMetric::Duration);
    expected.set(RequestMetric::Requests, "a", "b");
    expected.set(RequestMetric::Requests, "c", "unknown");
    expected.remove(RequestMetric::Requests, "d");
    let changes = [
        change(Some("REQUEST_DURATION"), Some(true), &[]),
        change(Some("REQUEST_COUNT"), None, &[("a", Some("\"b\"")), ("c", Some("request.host")), ("d", None)]),
        change(Some("CUSTOM"), Some(true), &[]),
    ];
    assert_eq!(shape(&[metrics("prometheus", &changes)]).as_deref(), Some(&expected));
}

#[test]
fn literals() {
    for (expression, text) in [
        ("'a'", Some("a")),
        (" \"a b\" ", Some("a b")),
        ("''", Some("")),
        ("a", None),
        ("'a' + 'b'", None),
        ("'a\\n'", None),
        ("'", None),
    ] {
        assert_eq!(literal(expression), text, "{expression}");
    }
}

#[test]
fn logs_are_for_one_side() {
    let logs = |bench: &Bench, side| {
        let format = Arc::new(LogFormat::istio_text());
        Settings::of(&bench.program, &format, &workload("cart", 2), side).logs.len()
    };
    let bench = Bench::new([]);
    assert_eq!((logs(&bench, Side::Server), logs(&bench, Side::Client)), (1, 1));
    let bench = Bench::new([telemetry(silent)]);
    assert_eq!((logs(&bench, Side::Server), logs(&bench, Side::Client)), (0, 1));
}

#[test]
fn formats_of_the_mesh() {
    let line = |encoding, format: Option<&str>| {
        let access_log = AccessLogFormat { encoding, format: format.map(Into::into) };
        let defaults = Arc::new(TrafficDefaults { access_log, ..TrafficDefaults::default() });
        let program = Program::default().with(1, [Change::TrafficObject(TrafficChange::Defaults(defaults))]);
        let (nobody, mut out) = (Party::default(), String::new());
        let mut exchange = Exchange::new(std::time::SystemTime::UNIX_EPOCH, Direction::Inbound, &nobody, &nobody);
        exchange.request.method = "GET";
        log_format(&program).write(&exchange, &mut out);
        out
    };
    assert!(line(LogEncoding::Text, None).starts_with("[1970-01-01T00:00:00.000Z] \"GET - -\" 0 - "));
    assert!(line(LogEncoding::Json, None).starts_with("{\"authority\":null,"));
    assert_eq!(line(LogEncoding::Text, Some("m=%REQ(:METHOD)%")), "m=GET\n");
    assert_eq!(line(LogEncoding::Json, Some("{\"m\": \"%REQ(:METHOD)%\"}")), "{\"m\":\"GET\"}\n");
    // What cannot be read is the default one.
    assert_eq!(line(LogEncoding::Text, Some("%NONE%")), line(LogEncoding::Text, None));
    assert_eq!(line(LogEncoding::Json, Some("[")), line(LogEncoding::Json, None));
}

#[test]
fn requests_take_part_in_traces_whose_headers_are_known() {
    let settings = |tracing: Vec<TracingSettings>| {
        let tracers = [("zipkin".into(), TraceHeaders::B3), ("otel".into(), TraceHeaders::W3c)].into();
        let defaults = TrafficDefaults { tracers, ..TrafficDefaults::default() };
        let changes = [
            Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults))),
            telemetry(|telemetry| telemetry.tracing = tracing),
        ];
        let bench = Bench::new(changes);
        let format = Arc::new(log_format(&bench.program));
        Settings::of(&bench.program, &format, &workload("web", 1), Side::Client).tracing
    };
    let by = |provider: &str, millionths: Option<u32>| TracingSettings {
        providers: vec![provider.into()],
        sampling: millionths.and_then(Share::from_millionths),
        ..TracingSettings::default()
    };
    assert_eq!(settings(Vec::new()), None);
    assert_eq!(settings(vec![by("nobody", Some(1))]), None);
    let tracing =
        |propagation, millionths| Share::from_millionths(millionths).map(|share| Tracing { propagation, share });
    assert_eq!(settings(vec![by("otel", Some(500_000))]), tracing(Propagation::W3c, 500_000));
    assert_eq!(settings(vec![by("zipkin", None)]), tracing(Propagation::B3, 10_000), "Istio's default");
}
