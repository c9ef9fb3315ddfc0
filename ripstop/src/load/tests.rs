use std::collections::BTreeMap;

use clap::Parser;
use ripstop_load::{Failure, Failures, Latency, Report, Second, TargetReport};

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    load: Load,
}

fn plan(line: &str) -> Result<Plan> {
    Line::try_parse_from(std::iter::once("load").chain(line.split(' '))).unwrap().load.plan()
}

#[test]
fn a_line_says_what_is_sent() {
    let made = plan("http://web/a --rate 50 -c 3 --http 2 -s 4 -H host:shop -H x-a:b").unwrap();
    assert_eq!((made.protocol, made.pace), (Protocol::Http2, Pace::Open { rate: 50.0 }));
    assert_eq!(made.targets[0].url(), "http://web/a (host shop)");
    assert_eq!(made.message.method, "GET");
    assert_eq!(made.message.fields[0], ("x-a".to_owned(), "b".to_owned()));
    assert_eq!(plan("http://web/ --body x").unwrap().message.method, "POST");
    assert_eq!(plan("http://web/ -n 7").unwrap().length, Length::Requests(7));
}

#[test]
fn what_does_not_fit_together_is_told() {
    for (line, said) in [
        ("http://web/ --weights 1,2", "--weights has 2 shares for 1 URLs"),
        ("ftp://web/", "\"ftp://web/\" can't be sent to"),
        ("http://web/ -H nothing", "-H \"nothing\" is no field"),
        ("http://web/ --body @/nowhere", "reading the body from /nowhere"),
        ("https://web/ --cacert /nowhere", "/nowhere"),
    ] {
        let told = plan(line).unwrap_err().to_string();
        assert!(told.starts_with(said), "{line}: {told}");
    }
}

#[test]
fn a_chart_reaches_from_nothing_to_the_largest() {
    let lines = chart::chart(&[0.0, 1.0, 50.0, 100.0].map(Some), 4, 2, short);
    assert_eq!(lines, ["100 ┤   █", "  0 ┤ ▁██"]);
    assert_eq!(chart::chart(&[Some(0.0), Some(0.0), None], 2, 2, short), ["0 ┤  ", "0 ┤ ·"]);
}

#[test]
fn a_report_tells_what_matters() {
    let plan = plan("http://a/ http://b/ --rate 10 -c 1 -z 2s").unwrap();
    let latency = Latency {
        min_us: 80.0,
        mean_us: 120.4,
        p50_us: 110.0,
        p75_us: 130.0,
        p90_us: 1_500.0,
        p99_us: 25_000.0,
        p999_us: 310_000.0,
        p9999_us: 4_000_000.0,
        max_us: 4_000_000.0,
    };
    let target = |url: &str, requests, latency| TargetReport { url: url.into(), requests, bad: 1, latency };
    let second = |second, latency| Second { second, seconds: 1.0, requests: 9, bad: 1, latency };
    let report = Report {
        seconds: 2.0,
        tail_seconds: 1.25,
        requests: 18,
        good: 16,
        bad: 2,
        unsent: 2,
        resent: 0,
        per_second: 9.0,
        wanted_per_second: Some(10.0),
        received_bytes: 18,
        latency: Some(latency),
        statuses: BTreeMap::from([(200, 16), (503, 1)]),
        grpc_statuses: BTreeMap::new(),
        values: BTreeMap::from([("v1".into(), 17)]),
        failures: vec![Failures { kind: Failure::Timeout, count: 1, first: "it took longer than 1s".into() }],
        targets: vec![target("http://a/", 18, Some(latency)), target("http://b/", 0, None)],
        timeline: vec![second(0, Some(latency)), second(1, None)],
    };
    let told = text::report(&plan, &report);
    for line in [
        "HTTP/1.1, 1 connection, 2s",
        "18 in 2.0 s: 9.0/s of 10.0/s",
        "2 bad (11.11 %)",
        "2 more were due",
        "the last of them took 1.2 s more",
        "p99      25.0 ms   p99.9     310 ms   p99.99    4.00 s",
        "200: 16   503: 1",
        "v1: 17 (94.44 %)",
        "timeout: 1 (first: it took longer than 1s)",
        "http://b/   0          1     –        –",
    ] {
        assert!(told.contains(line), "{line:?} is not in\n{told}");
    }
    let csv = "second,seconds,requests,bad,p50_us,p90_us,p99_us,p999_us,max_us\n\
               0,1.000,9,1,110.0,1500.0,25000.0,310000.0,4000000.0\n1,1.000,9,1,,,,,\n";
    assert_eq!(text::csv(&report), csv);
}
