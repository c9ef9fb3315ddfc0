use clap::Parser;
use serde_json::json;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    tap: Tap,
}

fn path_of(words: &[&str]) -> String {
    Line::parse_from([&["tap"], words].concat()).tap.path_of()
}

#[test]
fn filters_become_a_query() {
    assert_eq!(path_of(&[]), "/v1/tap?");
    assert_eq!(
        path_of(&["-n", "shop", "--from", "shop/web", "--path", "/a b&c", "--status", "5xx"]),
        "/v1/tap?namespace=shop&from=shop%2Fweb&path=%2Fa%20b%26c&status=5xx"
    );
}

#[test]
fn a_request_is_one_line() {
    let record = json!({
        "proxy": "west",
        "direction": "inbound",
        "time": "2026-01-02T03:04:05.678901234Z",
        "durationMs": 1.25,
        "source": {"namespace": "shop", "workload": "web-1", "address": "10.0.0.1:5"},
        "destination": {"address": "10.0.0.2:80"},
        "method": "GET",
        "authority": "cart",
        "path": "/a\u{1b}[2J",
        "status": 200,
        "grpcStatus": 5,
        "flags": ["DC", "UC"],
    });
    let line = text(&record);
    assert_eq!(
        line,
        "03:04:05.678  west in   shop/web-1 \u{2192} 10.0.0.2:80  GET cart/a\\u{1b}[2J  200 grpc 5 DC,UC  1.25ms\n"
    );
}
