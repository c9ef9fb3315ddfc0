use super::*;
use crate::{
    ResponseFlag,
    exposition::check::{self, Samples},
    labels::Reporter,
    registry::Registry,
    request_labels::{Callee, MetricShape, RequestProtocol},
};

fn labels(host: &str) -> RequestLabels {
    let callee = Callee::Host(host);
    RequestLabels::new(Reporter::Source, RequestProtocol::Http, None, None, callee, (None, None))
}

fn outcome(status: u16) -> Outcome {
    Outcome { status, ..Outcome::default() }
}

fn measured(millis: u64) -> Measured {
    Measured { duration: Duration::from_millis(millis), request_bytes: 100, response_bytes: 2_000 }
}

fn read(registry: &Registry) -> Samples {
    let mut out = String::new();
    registry.render(&mut out);
    check::read(&out).unwrap_or_else(|what| panic!("{what}\n{out}"))
}

/// The sum of the samples of `name` whose labels are among others these.
fn sum(samples: &Samples, name: &str, wanted: &[(&str, &str)]) -> String {
    let found = samples.iter().filter(|((found, labels), _)| {
        found == name
            && wanted.iter().all(|(label, value)| labels.iter().any(|(name, text)| name == label && text == value))
    });
    found.fold(0.0, |sum, (_, value)| sum + value).to_string()
}

#[test]
fn outcomes_are_told_apart() {
    let registry = Registry::default();
    let series = registry.shard().requests(&labels("a"));
    let failed = ResponseFlag::UpstreamConnectionFailure;
    let exhausted: ResponseFlags = [failed, ResponseFlag::UpstreamRetryLimitExceeded].into_iter().collect();
    series.record(outcome(200), measured(3));
    series.record(outcome(200), measured(4));
    series.record(Outcome { status: 503, grpc: None, flags: exhausted }, measured(20_000));
    series.record(Outcome { status: 200, grpc: Some(14), flags: ResponseFlags::NONE }, measured(1));
    let samples = read(&registry);
    let requests = "istio_requests_total";
    let ok = [("response_code", "200"), ("grpc_response_status", ""), ("response_flags", "-")];
    assert_eq!(sum(&samples, requests, &ok), "2");
    assert_eq!(sum(&samples, requests, &[("response_code", "503"), ("response_flags", "UF,URX")]), "1");
    assert_eq!(sum(&samples, requests, &[("response_code", "200"), ("grpc_response_status", "14")]), "1");
    assert_eq!(sum(&samples, requests, &[]), "4");
    let duration = "istio_request_duration_milliseconds";
    assert_eq!(sum(&samples, &format!("{duration}_bucket"), &[("le", "5"), ok[0], ok[1]]), "2");
    assert_eq!(sum(&samples, &format!("{duration}_bucket"), &[("le", "1"), ok[0], ok[1]]), "0");
    assert_eq!(sum(&samples, &format!("{duration}_sum"), &ok), "7");
    assert_eq!(sum(&samples, &format!("{duration}_count"), &[]), "4");
    assert_eq!(sum(&samples, "istio_request_bytes_sum", &[]), "400");
    assert_eq!(sum(&samples, "istio_response_bytes_bucket", &[("le", "1000")]), "0");
    assert_eq!(sum(&samples, "istio_response_bytes_bucket", &[("le", "2500")]), "4");
}

#[test]
fn a_metric_without_series_does_not_appear() {
    let registry = Registry::default();
    let series = registry.shard().requests(&labels("a"));
    let mut out = String::new();
    registry.render(&mut out);
    assert!(RequestMetric::ALL.iter().all(|metric| !out.contains(metric.as_str())), "{out}");
    series.messages(1, 0);
    registry.render(&mut out);
    assert!(out.contains("# TYPE istio_request_messages_total counter\n"), "{out}");
    assert!(!out.contains("istio_response_messages_total") && !out.contains("istio_requests_total"), "{out}");
}

#[test]
fn messages_have_no_outcome() {
    let registry = Registry::default();
    let series = registry.shard().requests(&labels("a"));
    series.messages(1, 3);
    series.messages(0, 4);
    let samples = read(&registry);
    assert_eq!(sum(&samples, "istio_request_messages_total", &[]), "1");
    assert_eq!(sum(&samples, "istio_response_messages_total", &[]), "7");
    let ((_, labels), _) = samples.iter().find(|((name, _), _)| name == "istio_response_messages_total").unwrap();
    assert!(labels.iter().all(|(name, _)| name != "response_code" && name != "response_flags"), "{labels:?}");
    assert_eq!(labels.len(), 22);
    assert_eq!(sum(&samples, "istio_requests_total", &[]), "0");
}

#[test]
fn workers_are_added() {
    let registry = Registry::default();
    for _ in 0..3 {
        registry.shard().requests(&labels("a")).record(outcome(200), measured(1));
    }
    let samples = read(&registry);
    assert_eq!(samples.keys().filter(|(name, _)| name == "istio_requests_total").count(), 1);
    assert_eq!(sum(&samples, "istio_requests_total", &[("destination_service", "a")]), "3");
    assert_eq!(sum(&samples, "istio_request_bytes_count", &[]), "3");
}

#[test]
fn series_that_lost_what_told_them_apart_are_added() {
    let registry = Registry::default();
    let mut shape = MetricShape::default();
    shape.remove(RequestMetric::Requests, "response_code");
    shape.disable(RequestMetric::RequestBytes);
    let series = registry.shard().requests(&labels("a").with_shape(Arc::new(shape)));
    series.record(outcome(200), measured(1));
    series.record(outcome(404), measured(1));
    let samples = read(&registry);
    assert_eq!(samples.keys().filter(|(name, _)| name == "istio_requests_total").count(), 1);
    assert_eq!(sum(&samples, "istio_requests_total", &[]), "2");
    assert_eq!(sum(&samples, "istio_response_bytes_count", &[("response_code", "404")]), "1");
    assert!(samples.keys().all(|(name, _)| !name.starts_with("istio_request_bytes")));
}

#[test]
fn outcomes_of_one_handle_are_bounded() {
    let registry = Registry::default();
    let series = registry.shard().requests(&labels("a"));
    for status in 0..100 {
        series.record(outcome(status), measured(1));
    }
    let samples = read(&registry);
    let own: usize = OUTCOMES;
    assert_eq!(sum(&samples, "istio_requests_total", &[("destination_service", "a")]), own.to_string());
    // The overflow series tells as many outcomes apart, and then none.
    let service = ("destination_service", "overflow");
    assert_eq!(sum(&samples, "istio_requests_total", &[service]), (100 - own).to_string());
    let rest = [service, ("response_code", "overflow"), ("response_flags", "overflow")];
    assert_eq!(sum(&samples, "istio_requests_total", &rest), (100 - 2 * own).to_string());
    assert_eq!(sum(&samples, "ripstop_request_series_overflow_total", &[]), (100 - own).to_string());
    assert_eq!(sum(&samples, "ripstop_request_series", &[]), own.to_string());
}

#[test]
fn two_threads_that_find_the_same_outcome_new_lose_nothing() {
    let registry = Registry::default();
    let series = registry.shard().requests(&labels("a"));
    std::thread::scope(|scope| {
        for offset in 0..4 {
            let series = &series;
            scope.spawn(move || {
                for status in 0..20 {
                    series.record(outcome((status + offset * 5) % 20), measured(1));
                }
            });
        }
    });
    let samples = read(&registry);
    assert_eq!(sum(&samples, "istio_requests_total", &[]), "80");
    assert_eq!(sum(&samples, "istio_requests_total", &[("response_code", "7")]), "4");
}
