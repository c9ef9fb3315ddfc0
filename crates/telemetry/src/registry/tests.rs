use std::time::Duration;

use super::*;
use crate::{
    Callee, Measured, Outcome, RequestProtocol,
    exposition::check::{self, Sample},
};

fn labels(host: &str, reporter: Reporter) -> RequestLabels {
    RequestLabels::new(reporter, RequestProtocol::Http, None, None, Callee::Host(host), (None, None))
}

fn record(series: &RequestSeries, status: u16) {
    let measured = Measured { duration: Duration::from_millis(1), ..Measured::default() };
    series.record(Outcome { status, ..Outcome::default() }, measured);
}

fn value(registry: &Registry, name: &str, wanted: &[(&str, &str)]) -> String {
    let mut out = String::new();
    registry.render(&mut out);
    let samples = check::read(&out).unwrap_or_else(|what| panic!("{what}\n{out}"));
    let matches = |(found, labels): &Sample| {
        found == name
            && wanted.iter().all(|(label, value)| labels.iter().any(|(name, text)| name == label && text == value))
    };
    samples.iter().filter(|(sample, _)| matches(sample)).fold(0.0, |sum, (_, value)| sum + value).to_string()
}

#[test]
fn a_handle_is_resolved_once() {
    let shard = Registry::default().shard();
    let labels = labels("a", Reporter::Source);
    assert!(Arc::ptr_eq(&shard.requests(&labels), &shard.requests(&labels.clone())));
}

#[test]
fn beyond_the_limit_there_are_no_more_series() {
    let registry = Registry::with_limit(3);
    let (first, second) = (registry.shard(), registry.shard());
    let source = Reporter::Source;
    record(&first.requests(&labels("a", source)), 200);
    record(&second.requests(&labels("a", source)), 200);
    record(&first.requests(&labels("a", source)), 404);
    // Neither a new outcome nor a new handle finds room, on whatever worker; known ones still count.
    record(&second.requests(&labels("a", source)), 404);
    let destination = second.requests(&labels("b", Reporter::Destination));
    assert!(destination.is_overflow());
    record(&destination, 200);
    record(&first.requests(&labels("a", source)), 404);
    let requests = "istio_requests_total";
    assert_eq!(value(&registry, requests, &[("destination_service", "a")]), "4");
    let overflow = ("destination_service", "overflow");
    assert_eq!(value(&registry, requests, &[overflow, ("reporter", "source"), ("response_code", "404")]), "1");
    assert_eq!(value(&registry, requests, &[overflow, ("reporter", "destination"), ("response_code", "200")]), "1");
    assert_eq!(value(&registry, requests, &[]), "6");
    assert_eq!(value(&registry, "ripstop_request_series_overflow_total", &[]), "2");
    assert_eq!(value(&registry, "ripstop_request_series", &[]), "3");
    assert_eq!(value(&registry, "ripstop_request_series_limit", &[]), "3");
}

#[test]
fn idle_series_make_room() {
    let registry = Registry::with_limit(3);
    let shard = registry.shard();
    let held = shard.requests(&labels("held", Reporter::Source));
    let busy = labels("busy", Reporter::Source);
    record(&shard.requests(&busy), 200);
    record(&shard.requests(&busy), 404);
    assert_eq!(value(&registry, "ripstop_request_series", &[]), "3");
    // What moved since it was last looked at stays.
    registry.evict_idle();
    assert_eq!(value(&registry, "ripstop_request_series", &[]), "3");
    record(&shard.requests(&busy), 200);
    registry.evict_idle();
    assert_eq!(value(&registry, "ripstop_request_series", &[]), "3");
    registry.evict_idle();
    // What somebody holds stays, too, though it never moved.
    assert_eq!(value(&registry, "ripstop_request_series", &[]), "1");
    assert!(Arc::ptr_eq(&held, &shard.requests(&labels("held", Reporter::Source))));
    assert_eq!(value(&registry, "istio_requests_total", &[]), "0");
    record(&shard.requests(&busy), 200);
    assert_eq!(value(&registry, "istio_requests_total", &[]), "1");
}

#[test]
fn idle_connections_are_forgotten_too() {
    let registry = Registry::default();
    let shard = registry.shard();
    let labels = TcpLabels::new(Reporter::Source, None, None, None, (None, None));
    shard.series(&labels).opened.fetch_add(2, Relaxed);
    let opened = "istio_tcp_connections_opened_total";
    registry.evict_idle();
    assert_eq!(value(&registry, opened, &[]), "2");
    let open = shard.series(&labels);
    registry.evict_idle();
    assert_eq!(value(&registry, opened, &[]), "2");
    drop(open);
    registry.evict_idle();
    assert_eq!(value(&registry, opened, &[]), "0");
}

#[test]
fn a_label_cannot_break_out() {
    let registry = Registry::default();
    let host = "a\"} 1\nevil{b=\"\\";
    record(&registry.shard().requests(&labels(host, Reporter::Source)), 200);
    assert_eq!(value(&registry, "istio_requests_total", &[("destination_service", host)]), "1");
}
