//! Telling about a request allocates nothing, once its like was seen.
#![allow(missing_docs)]

use std::time::{Duration, SystemTime};

use ripstop_telemetry::{
    Callee, Direction, Exchange, LogFormat, Measured, Outcome, Party, Registry, Reporter, RequestLabels,
    RequestProtocol, ResponseFlag, TapHub,
};

const OUTCOMES: [Outcome; 2] = [
    Outcome { status: 200, grpc: None, flags: ripstop_telemetry::ResponseFlags::NONE },
    Outcome { status: 503, grpc: Some(14), flags: ripstop_telemetry::ResponseFlags::NONE },
];

#[test]
fn counting_does_not_allocate() {
    let registry = Registry::default();
    let labels = RequestLabels::new(Reporter::Source, RequestProtocol::Http, None, None, Callee::Unknown, (None, None));
    let series = registry.shard().requests(&labels);
    let measured = Measured { duration: Duration::from_millis(3), request_bytes: 10, response_bytes: 20 };
    let flagged = Outcome { flags: ResponseFlag::UpstreamOverflow.into(), ..OUTCOMES[1] };
    let count = || {
        for outcome in [OUTCOMES[0], OUTCOMES[1], flagged] {
            series.record(outcome, measured);
        }
        series.messages(1, 1);
    };
    count();
    assert_eq!(allocation_counter::measure(|| (0..100).for_each(|_| count())).count_total, 0);
}

#[test]
fn a_line_allocates_nothing_but_its_buffer() {
    let nobody = Party::default();
    let headers: &[(&str, &str)] = &[("user-agent", "curl/8.0"), ("x-request-id", "1")];
    let mut exchange = Exchange::new(SystemTime::UNIX_EPOCH, Direction::Inbound, &nobody, &nobody);
    exchange.request.method = "GET";
    exchange.request.path = "/a?b=c&d";
    exchange.request.headers = &headers;
    exchange.response.flags = ResponseFlag::NoRouteFound.into();
    exchange.response.details = Some("route not found");
    exchange.downstream.remote = "[fd00::1]:5".parse().ok();
    for format in [LogFormat::istio_text(), LogFormat::istio_json()] {
        let mut out = String::with_capacity(4_096);
        assert_eq!(allocation_counter::measure(|| format.write(&exchange, &mut out)).count_total, 0);
        assert!(out.contains("NR"));
    }
}

#[test]
fn without_a_reader_nothing_is_recorded() {
    let nobody = Party::default();
    let exchange = Exchange::new(SystemTime::UNIX_EPOCH, Direction::Inbound, &nobody, &nobody);
    let mut writer = TapHub::default().writer();
    assert_eq!(allocation_counter::measure(|| writer.offer(&exchange)).count_total, 0);
}
