use std::{collections::BTreeMap, time::Duration};

use ripstop_model::{MetricOverride, MetricsSettings};
use ripstop_telemetry::{RecordFilter, ResponseFlag};
use ripstop_tunnel::{Observer as _, Way};

use super::{
    samples::{Bench, silent, telemetry, workload},
    *,
};

const LABELS: [&str; 8] = [
    "reporter",
    "source_workload",
    "source_principal",
    "destination_workload",
    "destination_service",
    "response_code",
    "response_flags",
    "connection_security_policy",
];

fn tell(bench: &Bench, sight: &RequestSight, status: u16) {
    let mut exchange = sight.exchange(SystemTime::UNIX_EPOCH);
    exchange.duration = Duration::from_millis(3);
    (exchange.request.method, exchange.request.path, exchange.request.authority) = ("GET", "/a?b", "cart");
    (exchange.request.header_bytes, exchange.request.body_bytes) = (100, 10);
    (exchange.response.header_bytes, exchange.response.body_bytes) = (200, 20);
    exchange.response.status = status;
    bench.recorder.record(sight, RequestProtocol::Http, &exchange);
}

#[test]
fn a_request_is_told_everywhere() {
    let bench = Bench::new([]);
    let mut tap = bench.outlets.taps.open(RecordFilter::default(), 8).unwrap();
    let sight = bench.recorder.sight(bench.parties(8080), Reporter::Destination, Called::Service);
    tell(&bench, &sight, 200);
    tell(&bench, &sight, 200);
    let mut refused = sight.exchange(SystemTime::UNIX_EPOCH);
    refused.response.flags.insert(ResponseFlag::DownstreamConnectionTermination);
    bench.recorder.record(&sight, RequestProtocol::Grpc, &refused);
    bench.recorder.messages(&sight, 2, 3);
    let web = "spiffe://cluster.local/ns/shop/sa/web";
    let expected = [
        format!("destination web {web} cart unknown 0 DC mutual_tls 1"),
        format!("destination web {web} cart unknown 200 - mutual_tls 2"),
    ];
    assert_eq!(bench.counted("istio_requests_total", &LABELS), expected);
    let protocol = ["request_protocol"];
    assert_eq!(bench.counted("istio_request_bytes_sum", &protocol), ["grpc 0", "http 220"]);
    assert_eq!(bench.counted("istio_response_bytes_sum", &protocol), ["grpc 0", "http 440"]);
    assert_eq!(bench.counted("istio_request_messages_total", &protocol), ["grpc 2"]);
    assert_eq!(bench.counted("istio_response_messages_total", &protocol), ["grpc 3"]);
    assert!(bench.lines.wait(3)[0].starts_with("[1970-01-01T00:00:00.000Z] \"GET /a?b -\" 200 - "));
    let records = tap.take().records;
    assert_eq!(
        records.iter().map(|record| (record.status, &*record.path)).collect::<Vec<_>>(),
        [(200, "/a"), (200, "/a"), (0, ""),]
    );
}

#[test]
fn the_callee_is_named_as_it_is_known() {
    let bench = Bench::new([]);
    let called = [
        Called::Service,
        Called::Host("a.example".into()),
        Called::Passthrough("a.example".into()),
        Called::BlackHole("a.example".into()),
    ];
    for called in called {
        let mut parties = bench.parties(8080);
        if called == Called::Service {
            parties.service = Some(Arc::new(samples::service()));
        }
        tell(&bench, &bench.recorder.sight(parties, Reporter::Source, called), 200);
    }
    let labels = ["reporter", "destination_service", "destination_service_name", "connection_security_policy"];
    assert_eq!(
        bench.counted("istio_requests_total", &labels),
        [
            "source a.example BlackHoleCluster unknown 1",
            "source a.example PassthroughCluster unknown 1",
            "source a.example a.example unknown 1",
            "source cart.shop.svc.cluster.local cart unknown 1",
        ]
    );
}

/// Open connections follow what `Telemetry` objects say, with their next request.
#[test]
fn changes_reach_open_connections() {
    let bench = Bench::new([]);
    let sight = bench.recorder.sight(bench.parties(8080), Reporter::Destination, Called::Service);
    tell(&bench, &sight, 200);
    let quiet = Arc::new(bench.program.with(8, [telemetry(silent)]));
    bench.recorder.follow(&quiet);
    tell(&bench, &sight, 201);
    // Another workload changes nothing of that.
    bench.recorder.follow(&Arc::new(quiet.with(9, [ripstop_model::Change::Workload(Arc::new(workload("other", 3)))])));
    tell(&bench, &sight, 202);
    let tags = BTreeMap::from([
        ("source_principal".into(), None),
        ("team".into(), Some("'green'".into())),
        ("host".into(), Some("request.host".into())),
    ]);
    let change = MetricOverride { metric: None, side: Side::Server, disabled: None, tags };
    let change = |telemetry: &mut ripstop_model::Telemetry| {
        let providers = vec!["prometheus".into()];
        telemetry.metrics = vec![MetricsSettings { providers, overrides: vec![change] }];
    };
    bench.recorder.follow(&Arc::new(bench.program.with(10, [telemetry(change)])));
    tell(&bench, &sight, 203);
    let labels = ["response_code", "source_principal", "team", "host"];
    let web = "spiffe://cluster.local/ns/shop/sa/web";
    assert_eq!(
        bench.counted("istio_requests_total", &labels),
        [
            format!("200 {web} (none) (none) 1"),
            format!("201 {web} (none) (none) 1"),
            format!("202 {web} (none) (none) 1"),
            "203 (none) green unknown 1".to_owned(),
        ]
    );
    let lines = bench.lines.wait(2);
    let statuses: Vec<_> = lines.iter().filter_map(|line| line.split("\" ").nth(1)?.split(' ').next()).collect();
    assert_eq!(statuses, ["200", "203"]);
}

/// A known outcome costs no memory, whatever else is resolved anew.
#[test]
fn settings_are_resolved_once() {
    let bench = Bench::new([]);
    let parties = || bench.parties(8080);
    let (first, second) = (
        bench.recorder.sight(parties(), Reporter::Destination, Called::Service),
        bench.recorder.sight(parties(), Reporter::Destination, Called::Service),
    );
    let settings = |sight: &RequestSight| sight.resolved.borrow().settings.clone();
    assert!(Arc::ptr_eq(&settings(&first), &settings(&second)));
    tell(&bench, &first, 200);
    tell(&bench, &second, 200);
    let series = |sight: &RequestSight| sight.resolved.borrow().http.clone().unwrap();
    assert!(Arc::ptr_eq(&series(&first), &series(&second)));
}

/// Nor does reading it from the bytes that pass, once there was one like it.
#[test]
fn a_request_costs_no_memory() {
    let bench = Bench::new([telemetry(silent)]);
    let sight = bench.recorder.sight(bench.parties(8080), Reporter::Destination, Called::Service);
    tell(&bench, &sight, 200);
    let told = allocation_counter::measure(|| (0..100).for_each(|_| tell(&bench, &sight, 200)));
    assert_eq!(told.count_total, 0);

    let mut metering = Metering::of(&bench.recorder, &bench.program, &bench.parties(8080)).unwrap();
    let mut exchange = || {
        let request = b"GET /a?b HTTP/1.1\r\nHost: cart\r\nUser-Agent: test\r\nX-Request-Id: 7\r\n\r\n";
        metering.bytes(Way::Backward, request);
        metering.bytes(Way::Forward, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    };
    exchange();
    let read = allocation_counter::measure(|| (0..100).for_each(|_| exchange()));
    assert_eq!(read.count_total, 0);
    assert_eq!(bench.counted("istio_requests_total", &["destination_service_name"]), ["cart 101", "unknown 101"]);
}
