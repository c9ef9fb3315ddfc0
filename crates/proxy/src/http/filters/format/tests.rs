use std::time::{Duration, UNIX_EPOCH};

use ripstop_telemetry::{Direction, Party};

use super::*;
use crate::http::filters::samples::{list, request};

fn expanded(value: &str) -> String {
    let (source, destination) = (Party::default(), Party::default());
    let start = UNIX_EPOCH + Duration::from_millis(1_606_339_578_409);
    let mut exchange = Exchange::new(start, Direction::Outbound, &source, &destination);
    exchange.downstream.remote = Some("10.1.2.3:4567".parse().unwrap());
    let headers = list(&[("x-user", "jason"), ("authorization", "Bearer secret"), ("x-user", "second")]);
    let answer = list(&[("server", "gunicorn")]);
    let known = Known {
        request: request(&headers),
        request_headers: &headers,
        response: Some((503, &answer)),
        exchange: &exchange,
        hostname: "node-1",
    };
    String::from_utf8(expand(value, &known).as_bytes().to_vec()).unwrap()
}

#[test]
fn operators() {
    for (value, expected) in [
        ("plain", "plain"),
        ("", ""),
        ("100%%", "100%"),
        ("%%REQ(x-user)%%", "%REQ(x-user)%"),
        ("%REQ(X-User)%", "jason"),
        ("a-%REQ(x-user)%-b", "a-jason-b"),
        ("a-%REQ(x-none)%-b", "a--b"),
        ("%REQ(x-none)%", ""),
        ("%REQ(x-none?x-user)%", "jason"),
        ("%REQ( x-user )%", "jason"),
        ("%REQ(authorization)%", "Bearer secret"),
        ("%REQ(:METHOD)% %REQ(:SCHEME)% %REQ(:AUTHORITY)%", "GET http reviews:9080"),
        ("%REQ(:path)%", "/v1/books?page=2"),
        ("%RESP(server)%%RESP(:status)%", "gunicorn503"),
        ("%HOSTNAME%", "node-1"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.1.2.3"),
        ("%START_TIME%", "2020-11-25T21:26:18.409Z"),
        ("%START_TIME(%s)%", "1606339578"),
        ("%UPSTREAM_HOST%", ""),
        ("%DYNAMIC_METADATA(a)%", ""),
        ("%NOBODY_KNOWS%", ""),
        ("%REQ(x-none)% jason ", "jason"),
        ("100% sure", "100% sure"),
    ] {
        assert_eq!(expanded(value), expected, "{value}");
    }
}

#[test]
fn without_an_answer_it_has_no_fields() {
    let (source, destination) = (Party::default(), Party::default());
    let exchange = Exchange::new(UNIX_EPOCH, Direction::Outbound, &source, &destination);
    let headers = list(&[]);
    let known = Known {
        request: request(&headers),
        request_headers: &headers,
        response: None,
        exchange: &exchange,
        hostname: "",
    };
    assert_eq!(expand("<%RESP(server)%>", &known).as_bytes(), b"<>");
}
