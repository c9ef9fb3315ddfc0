use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::{ClusterName, Direction, Party, Protocol, ResponseFlag, ResponseFlags, trace_context::TraceId};

/// Headers with the values of a test.
type Pairs = Vec<(&'static str, &'static [u8])>;

/// What a test's exchange borrows.
struct Scene {
    source: Party,
    destination: Party,
    request: Pairs,
    response: Pairs,
    trailers: Pairs,
}

fn scene() -> Scene {
    Scene {
        source: Party::default(),
        destination: Party::default(),
        request: vec![("user-agent", b"curl/7.73.0-DEV"), ("x-request-id", b"84961386-6d84-929d-98bd-c5aee93b5c88")],
        response: Vec::new(),
        trailers: Vec::new(),
    }
}

impl Scene {
    /// Istio's documented exchange, as the caller's proxy sees it.
    fn exchange(&self) -> Exchange<'_> {
        let start = UNIX_EPOCH + Duration::from_millis(1_606_339_578_409);
        let mut exchange = Exchange::new(start, Direction::Outbound, &self.source, &self.destination);
        exchange.duration = Duration::from_micros(4_900);
        exchange.request.method = "GET";
        exchange.request.scheme = "http";
        exchange.request.authority = "httpbin:8000";
        exchange.request.path = "/status/418";
        exchange.request.protocol = Some(Protocol::Http11);
        exchange.request.headers = &self.request;
        exchange.response.status = 418;
        exchange.response.details = Some("via_upstream");
        exchange.response.headers = &self.response;
        exchange.response.trailers = &self.trailers;
        exchange.response.body_bytes = 135;
        exchange.downstream.local = "10.0.45.184:8000".parse().ok();
        exchange.downstream.remote = "10.44.1.23:46520".parse().ok();
        exchange.upstream.host = "10.44.1.27:80".parse().ok();
        exchange.upstream.local = "10.44.1.23:37652".parse().ok();
        exchange.upstream.cluster = Some("outbound|8000||httpbin.foo.svc.cluster.local");
        exchange.upstream.service_time = Some(Duration::from_micros(4_100));
        exchange.verdict.route_name = Some("default");
        exchange
    }

    /// The line of the documented exchange, changed.
    fn line<'s>(&'s self, format: &LogFormat, change: impl FnOnce(&mut Exchange<'s>)) -> String {
        let mut exchange = self.exchange();
        change(&mut exchange);
        written(format, &exchange)
    }
}

fn written(format: &LogFormat, exchange: &Exchange<'_>) -> String {
    let mut out = String::new();
    format.write(exchange, &mut out);
    out
}

fn text(format: &str) -> LogFormat {
    LogFormat::text(format, Missing::Shown, &Surroundings::NONE).unwrap()
}

/// What the operators of `format` print for the documented exchange, changed.
fn printed(format: &str, change: impl FnOnce(&mut Exchange<'_>)) -> String {
    let scene = scene();
    let line = scene.line(&text(format), change);
    line.strip_suffix('\n').unwrap().to_owned()
}

fn refused(format: &str) -> Error {
    LogFormat::text(format, Missing::Shown, &Surroundings::NONE).unwrap_err()
}

#[test]
fn the_documented_line_of_the_caller() {
    assert_eq!(
        scene().line(&LogFormat::istio_text(), |_| ()),
        "[2020-11-25T21:26:18.409Z] \"GET /status/418 HTTP/1.1\" 418 - via_upstream - \"-\" 0 135 4 4 \"-\" \
         \"curl/7.73.0-DEV\" \"84961386-6d84-929d-98bd-c5aee93b5c88\" \"httpbin:8000\" \"10.44.1.27:80\" \
         outbound|8000||httpbin.foo.svc.cluster.local 10.44.1.23:37652 10.0.45.184:8000 10.44.1.23:46520 - default\n"
    );
}

#[test]
fn the_documented_line_of_the_callee() {
    let cluster = ClusterName { direction: Direction::Inbound, port: 8000, subset: "", host: "" }.to_string();
    let scene = scene();
    let mut exchange = scene.exchange();
    exchange.duration = Duration::from_millis(3);
    exchange.upstream.service_time = Some(Duration::from_millis(1));
    exchange.upstream.host = "127.0.0.1:80".parse().ok();
    exchange.upstream.local = "127.0.0.1:41854".parse().ok();
    exchange.upstream.cluster = Some(&cluster);
    exchange.downstream.local = "10.44.1.27:80".parse().ok();
    exchange.downstream.remote = "10.44.1.23:37652".parse().ok();
    exchange.downstream.server_name = Some("outbound_.8000_._.httpbin.foo.svc.cluster.local");
    assert_eq!(
        written(&LogFormat::istio_text(), &exchange),
        "[2020-11-25T21:26:18.409Z] \"GET /status/418 HTTP/1.1\" 418 - via_upstream - \"-\" 0 135 3 1 \"-\" \
         \"curl/7.73.0-DEV\" \"84961386-6d84-929d-98bd-c5aee93b5c88\" \"httpbin:8000\" \"127.0.0.1:80\" \
         inbound|8000|| 127.0.0.1:41854 10.44.1.27:80 10.44.1.23:37652 \
         outbound_.8000_._.httpbin.foo.svc.cluster.local default\n"
    );
}

#[test]
fn a_failed_request_without_an_endpoint() {
    let scene = Scene { request: Vec::new(), ..scene() };
    let line = scene.line(&LogFormat::istio_text(), |exchange| {
        exchange.response.status = 503;
        exchange.response.flags =
            [ResponseFlag::UpstreamConnectionFailure, ResponseFlag::UpstreamRetryLimitExceeded].into_iter().collect();
        exchange.response.details = Some("upstream_reset_before_response_started{connection failure}");
        exchange.upstream =
            crate::Upstream { transport_failure: Some("TLS error: bad certificate"), ..crate::Upstream::default() };
        exchange.verdict.route_name = None;
    });
    assert_eq!(
        line,
        "[2020-11-25T21:26:18.409Z] \"GET /status/418 HTTP/1.1\" 503 UF,URX \
         upstream_reset_before_response_started{connection_failure} - \"TLS_error:_bad_certificate\" 0 135 4 - \
         \"-\" \"-\" \"-\" \"httpbin:8000\" \"-\" - - 10.0.45.184:8000 10.44.1.23:46520 - -\n"
    );
}

#[test]
fn the_documented_exchange_as_json() {
    let line = scene().line(&LogFormat::istio_json(), |_| ());
    assert_eq!(
        line,
        "{\"authority\":\"httpbin:8000\",\"bytes_received\":0,\"bytes_sent\":135,\
         \"connection_termination_details\":null,\"downstream_local_address\":\"10.0.45.184:8000\",\
         \"downstream_remote_address\":\"10.44.1.23:46520\",\"duration\":4,\"method\":\"GET\",\
         \"path\":\"/status/418\",\"protocol\":\"HTTP/1.1\",\
         \"request_id\":\"84961386-6d84-929d-98bd-c5aee93b5c88\",\"requested_server_name\":null,\
         \"response_code\":418,\"response_code_details\":\"via_upstream\",\"response_flags\":\"-\",\
         \"route_name\":\"default\",\"start_time\":\"2020-11-25T21:26:18.409Z\",\
         \"upstream_cluster\":\"outbound|8000||httpbin.foo.svc.cluster.local\",\
         \"upstream_host\":\"10.44.1.27:80\",\"upstream_local_address\":\"10.44.1.23:37652\",\
         \"upstream_service_time\":\"4\",\"upstream_transport_failure_reason\":null,\
         \"user_agent\":\"curl/7.73.0-DEV\",\"x_forwarded_for\":null}\n"
    );
}

#[test]
fn json_of_any_shape() {
    let format = r#"{"b": ["%RESPONSE_CODE%", "%ROUTE_NAME% and %REQ(NONE)%", 1.5, "%REQ(NONE)%"],
        "a\"\n": {"length": "%BYTES_SENT%", "none": "%REQ(NONE)%", "quote": "say \"%PROTOCOL%\""}}"#;
    let line = |missing| scene().line(&LogFormat::json(format, missing, &Surroundings::NONE).unwrap(), |_| ());
    let shown: Json = serde_json::from_str(&line(Missing::Shown)).unwrap();
    assert_eq!(
        shown,
        json!({
            "b": [418, "default and -", 1.5, null],
            "a\"\n": { "length": 135, "none": null, "quote": "say \"HTTP/1.1\"" },
        })
    );
    let omitted: Json = serde_json::from_str(&line(Missing::Omitted)).unwrap();
    assert_eq!(
        omitted,
        json!({ "b": [418, "default and ", 1.5], "a\"\n": { "length": 135, "quote": "say \"HTTP/1.1\"" } })
    );
}

#[test]
fn json_that_is_no_format_is_refused() {
    for json in ["", "[]", "\"%PROTOCOL%\"", "{\"a\": true}", "{\"a\": [null]}", "{\"a\": 1"] {
        let error = LogFormat::json(json, Missing::Shown, &Surroundings::NONE).unwrap_err();
        assert!(matches!(error, Error::Json(_)), "{json}: {error}");
    }
    let error = LogFormat::json("{\"a\": \"%NONSENSE%\"}", Missing::Shown, &Surroundings::NONE).unwrap_err();
    assert_eq!(error, Error::UnknownOperator("NONSENSE".into()));
}

#[test]
fn every_operator_prints_what_it_names() {
    let spiffe = |name: &str| format!("spiffe://cluster.local/ns/foo/sa/{name}").parse().unwrap();
    let (client, own, server) = (spiffe("sleep"), spiffe("proxy"), spiffe("httpbin"));
    let mut all = scene();
    all.request.push(("x-twice", b"one"));
    all.request.push(("X-Twice", b"two"));
    all.response.push(("content-type", b"application/grpc"));
    all.trailers.push(("checksum", b"abc"));
    for (format, expected) in [
        (
            "%START_TIME(%s.%6f)% %EMIT_TIME(%s.%6f)% %EMIT_TIME%",
            "1606339578.409000 1606339578.413900 2020-11-25T21:26:18.413Z",
        ),
        ("%REQ(X-TWICE)% %REQ(none?x-twice)% %REQ(none?also-none)% %REQ(x-twice):2%", "one one - on"),
        ("%REQ(:METHOD)% %REQ(:SCHEME)% %REQ(HOST)% %REQ(:PATH)%", "GET http httpbin:8000 /new?q=1"),
        ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/old?q=1 /old"),
        ("%PATH% %PATH(NQ)% %PATH(WQ:PATH)% %PATH(NQ:PATH)% %PATH(WQ:ORIG)%", "/old?q=1 /old /new?q=1 /new /old?q=1"),
        ("%RESP(CONTENT-TYPE)% %RESP(:STATUS)% %TRAILER(checksum)%", "application/grpc 418 abc"),
        ("%PROTOCOL% %UPSTREAM_PROTOCOL%", "HTTP/1.1 HTTP/2"),
        ("%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "418 a_b a b"),
        ("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", "DI,FI DelayInjected,FaultInjected"),
        (
            "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%",
            "DeadlineExceeded DEADLINE_EXCEEDED 4 4",
        ),
        ("%CONNECTION_TERMINATION_DETAILS%|%DOWNSTREAM_TRANSPORT_FAILURE_REASON%", "rbac denied|no_cipher"),
        ("%BYTES_RECEIVED% %BYTES_SENT% %REQUEST_HEADERS_BYTES% %RESPONSE_HEADERS_BYTES%", "7 135 70 80"),
        ("%DOWNSTREAM_WIRE_BYTES_RECEIVED% %DOWNSTREAM_WIRE_BYTES_SENT%", "77 215"),
        ("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_ID%", "3 9"),
        ("%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "4 1 - 3 1"),
        ("%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT%", "10.44.1.27:80 10.44.1.27:80 80"),
        (
            "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_PORT% %UPSTREAM_CLUSTER%",
            "10.44.1.23 37652 outbound|8000||httpbin.foo.svc.cluster.local",
        ),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%", "fd00::1 46520"),
        ("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "[fd00::1]:46520 10.9.9.9:1"),
        (
            "%DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_LOCAL_URI_SAN%",
            "spiffe://cluster.local/ns/foo/sa/sleep spiffe://cluster.local/ns/foo/sa/proxy",
        ),
        ("%UPSTREAM_PEER_URI_SAN% %UPSTREAM_LOCAL_URI_SAN%", "spiffe://cluster.local/ns/foo/sa/httpbin -"),
        ("%HOSTNAME% %ENVIRONMENT(POD)% %ENVIRONMENT(POD):3% %ENVIRONMENT(NONE)%", "node-1 pod-of-POD pod -"),
        ("%TRACE_ID% 100%% %%PROTOCOL%%", "0102030405060708090a0b0c0d0e0f10 100% %PROTOCOL%"),
    ] {
        let variable = |name: &str| (name == "POD").then(|| format!("pod-of-{name}"));
        let around = Surroundings { hostname: "node-1", variable: &variable };
        let format = LogFormat::text(format, Missing::Shown, &around).unwrap();
        let mut exchange = all.exchange();
        exchange.request.path = "/new?q=1";
        exchange.request.original_path = Some("/old?q=1");
        exchange.request.body_bytes = 7;
        exchange.request.header_bytes = 70;
        exchange.response.header_bytes = 80;
        exchange.response.grpc_status = Some(4);
        exchange.response.details = Some("a b");
        exchange.response.flags = ResponseFlags::from(ResponseFlag::FaultInjected).with(ResponseFlag::DelayInjected);
        exchange.downstream.remote = "[fd00::1]:46520".parse().ok();
        exchange.downstream.direct_remote = "10.9.9.9:1".parse().ok();
        exchange.downstream.termination = Some("rbac denied");
        exchange.downstream.transport_failure = Some("no cipher");
        exchange.downstream.connection = 9;
        exchange.downstream.peer = Some(&client);
        exchange.downstream.own = Some(&own);
        exchange.upstream.peer = Some(&server);
        exchange.upstream.protocol = Some(Protocol::Http2);
        exchange.upstream.attempts = 3;
        exchange.timing.request_read = Some(Duration::from_millis(1));
        exchange.timing.response_began = Some(Duration::from_millis(3));
        exchange.trace = TraceId::new(std::array::from_fn(|index| u8::try_from(index).unwrap() + 1));
        let line = written(&format, &exchange);
        assert_eq!(line, format!("{expected}\n"), "{format:?}");
    }
}

#[test]
fn a_status_without_a_name_is_a_number() {
    assert_eq!(printed("%GRPC_STATUS%", |exchange| exchange.response.grpc_status = Some(99)), "99");
    assert_eq!(printed("%GRPC_STATUS(SNAKE_STRING)%", |exchange| exchange.response.grpc_status = None), "-");
}

#[test]
fn the_service_time_is_the_proxys_or_the_headers() {
    let mut scene = scene();
    scene.response.push(("x-envoy-upstream-service-time", b"77"));
    scene.request.push(("x-envoy-upstream-service-time", b"5"));
    let format = text("%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %REQ(X-ENVOY-UPSTREAM-SERVICE-TIME)%");
    assert_eq!(scene.line(&format, |_| ()), "4 5\n");
    assert_eq!(scene.line(&format, |exchange| exchange.upstream.service_time = None), "77 5\n");
}

#[test]
fn a_clients_original_path_does_not_count() {
    let mut scene = scene();
    scene.request.push(("x-envoy-original-path", b"/admin"));
    assert_eq!(scene.line(&text("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"), |_| ()), "/status/418\n");
}

#[test]
fn lines_end_and_missing_values_may_be_left_out() {
    let line =
        |format: &str| scene().line(&LogFormat::text(format, Missing::Omitted, &Surroundings::NONE).unwrap(), |_| ());
    assert_eq!(line("[%REQ(NONE)%] %ROUTE_NAME%"), "[] default\n");
    assert_eq!(line("%ROUTE_NAME%\n"), "default\n");
    assert_eq!(line(""), "\n");
}

#[test]
fn values_cannot_break_out_of_a_line_or_a_field() {
    let evil: &[u8] = b"x\" 200 - \"\r\n[2020] \"GET /\x1b[31m\\ \xff\xc2\x85\xe2\x80\xae end";
    let scene = Scene { request: vec![("user-agent", evil)], ..scene() };
    let escaped = "x\\\" 200 - \\\"\\r\\n[2020] \\\"GET /\\x1b[31m\\\\ \\xff\\xc2\\x85\\xe2\\x80\\xae end";
    assert_eq!(scene.line(&text("\"%REQ(USER-AGENT)%\""), |_| ()), format!("\"{escaped}\"\n"));
    let json = LogFormat::json("{\"a\":\"%REQ(USER-AGENT)%\"}", Missing::Shown, &Surroundings::NONE).unwrap();
    let line = scene.line(&json, |_| ());
    assert_eq!(line.matches('\n').count(), 1);
    assert!(line.contains("\\u001b") && line.contains("\\u0085") && line.contains("\\u202e"), "{line}");
    let read: Json = serde_json::from_str(&line).unwrap();
    assert_eq!(read["a"], String::from_utf8_lossy(evil).as_ref());
}

#[test]
fn all_that_a_client_says_is_escaped() {
    let line = printed("%REQ(:METHOD)%%REQ(:AUTHORITY)%%REQ(:PATH)%%REQUESTED_SERVER_NAME%", |exchange| {
        exchange.request.method = "\n";
        exchange.request.authority = "\n";
        exchange.request.path = "\n";
        exchange.downstream.server_name = Some("a b\n.example");
    });
    assert_eq!(line, "\\n\\n\\ninvalid:a_b_.example");
}

#[test]
fn values_have_a_limit() {
    let (scene, long) = (scene(), "ä".repeat(5_000));
    let mut exchange = scene.exchange();
    exchange.request.path = &long;
    assert_eq!(written(&text("%REQ(:PATH)%"), &exchange), format!("{}\n", "ä".repeat(2_048)));
    // A character is never cut in two; a longer limit does not count.
    assert_eq!(printed("%REQ(:PATH):3%", |exchange| exchange.request.path = "ää"), "ä");
    assert_eq!(printed("%REQ(:PATH):0%.", |exchange| exchange.request.path = "ää"), ".");
    assert_eq!(printed("%REQ(:PATH):999999%", |exchange| exchange.request.path = "ää"), "ää");
}

#[test]
fn credentials_are_never_written() {
    let scene = Scene {
        request: vec![("authorization", b"Bearer secret"), ("cookie", b"secret"), ("x-api-key", b"secret")],
        response: vec![("set-cookie", b"secret")],
        ..scene()
    };
    let format = text(
        "%REQ(Authorization)% %REQ(NONE?COOKIE):4% %REQ_WITHOUT_QUERY(X-API-KEY)% %RESP(SET-COOKIE)% \
         %REQ(Proxy-Authorization)% %REQ(:PATH)% %REQ(X-ENVOY-ORIGINAL-PATH)%",
    );
    let line = scene.line(&format, |exchange| {
        exchange.request.path = "/a?x=1&Access_Token=secret&y";
        exchange.request.original_path = Some("/b?access_token=secret");
    });
    assert_eq!(
        line,
        "[redacted] [red [redacted] [redacted] - /a?x=1&Access_Token=[redacted]&y /b?access_token=[redacted]\n"
    );
    assert_eq!(format.redacted(), ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"]);
    assert!(LogFormat::istio_json().redacted().is_empty() && LogFormat::istio_text().redacted().is_empty());
    let json = LogFormat::json("{\"a\":[{\"b\":\"%REQ(COOKIE)%\"}]}", Missing::Shown, &Surroundings::NONE).unwrap();
    assert_eq!(json.redacted(), ["cookie"]);
}

#[test]
fn what_is_wrong_is_said() {
    for (format, at) in [
        ("%", 0),
        ("ok %START_TIME", 3),
        ("%%%", 2),
        ("%req(a)%", 0),
        ("%REQ(a%", 0),
        ("50% of", 2),
        ("%REQ(a):%x", 0),
        ("%REQ(a):99999999999999999999%", 0),
        ("%()%", 0),
        ("%REQ(a)b%", 0),
    ] {
        assert_eq!(refused(format), Error::Syntax { at }, "{format}");
    }
    assert_eq!(refused("%REQUEST%"), Error::UnknownOperator("REQUEST".into()));
    assert_eq!(refused("%QUERY:5%"), Error::UnknownOperator("QUERY".into()));
    for name in ["CEL(request.path)", "FILTER_STATE(a:PLAIN):5", "LOCAL_REPLY_BODY", "DYNAMIC_METADATA(a:b)"] {
        let operator = name.split('(').next().unwrap().to_owned();
        assert_eq!(refused(&format!("%{name}%")), Error::UnsupportedOperator(operator));
    }
    for format in [
        "%PROTOCOL(x)%",
        "%PROTOCOL():5%",
        "%DURATION:5%",
        "%REQ%",
        "%REQ()%",
        "%REQ(a?b?c)%",
        "%REQ(a b)%",
        "%REQ(?a)%",
        "%REQ(a\n)%",
        "%START_TIME(%Q)%",
        "%START_TIME(%s):3%",
        "%GRPC_STATUS(X)%",
        "%ENVIRONMENT%",
        "%PATH(X)%",
        "%PATH(WQ:X)%",
        "%RESPONSE_CODE_DETAILS(X)%",
    ] {
        let error = refused(format);
        assert!(matches!(error, Error::Parameters { .. }), "{format}: {error}");
    }
    let error = Error::Parameters { operator: "REQ".into(), problem: "needs a parameter" };
    assert_eq!(refused("%REQ%"), error);
    assert_eq!(error.to_string(), "the access log operator %REQ% needs a parameter");
}

#[test]
fn formats_have_limits() {
    let long = Error::FormatTooLong { bytes: 16 << 10, operators: 256 };
    text(&"x".repeat(16 << 10));
    assert_eq!(refused(&"x".repeat((16 << 10) + 1)), long);
    text(&"%PROTOCOL%".repeat(256));
    assert_eq!(refused(&"%PROTOCOL%".repeat(257)), long);
    let json = |operators: usize| {
        let texts = vec!["%PROTOCOL%"; operators];
        LogFormat::json(&json!({ "a": texts }).to_string(), Missing::Shown, &Surroundings::NONE)
    };
    assert!(json(256).is_ok());
    assert_eq!(json(257).unwrap_err(), long);
    let deep = format!("{}1{}", "{\"a\":".repeat(1_000), "}".repeat(1_000));
    assert!(LogFormat::json(&deep, Missing::Shown, &Surroundings::NONE).is_err());
}

/// Pieces that formats are made of, and pieces that spoil them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[%A-Z_():?0-9 \\n\"]{0,6}",
        "\\PC{0,4}",
        prop::sample::select(vec![
            "%START_TIME%",
            "%START_TIME(",
            "%REQ(",
            ":PATH)%",
            "%REQ(A?B):5%",
            "%RESPONSE_FLAGS%",
            "%%",
            ")%",
            "%f",
            "%DURATION%",
            "%CEL(x)%",
            "%TRACE_ID%",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(format in pieces(), path in "\\PC{0,20}", value in prop::collection::vec(any::<u8>(), 0..30)) {
        if let Ok(parsed) = LogFormat::text(&format, Missing::Shown, &Surroundings::NONE) {
            let (scene, headers) = (scene(), vec![("a", value)]);
            let mut exchange = scene.exchange();
            exchange.request.headers = &headers;
            exchange.request.path = &path;
            let line = written(&parsed, &exchange);
            // Whatever the values are, lines are only those that the format itself breaks.
            let own = format.matches('\n').count() + usize::from(!format.ends_with('\n'));
            prop_assert_eq!(line.matches('\n').count(), own);
            prop_assert!(line.ends_with('\n'));
        }
    }

    #[test]
    fn json_lines_are_json(format in pieces(), key in "\\PC{0,5}", value in prop::collection::vec(any::<u8>(), 0..30)) {
        let format = json!({ (key): format.clone(), "list": [format] }).to_string();
        if let Ok(parsed) = LogFormat::json(&format, Missing::Omitted, &Surroundings::NONE) {
            let (scene, headers) = (scene(), vec![("a", value)]);
            let mut exchange = scene.exchange();
            exchange.request.headers = &headers;
            let line = written(&parsed, &exchange);
            prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            prop_assert!(serde_json::from_str::<Json>(&line).is_ok(), "{}", line);
        }
    }

    #[test]
    fn no_json_makes_the_parser_panic(format in "\\PC{0,60}|[{}\\[\\]\",:a0 %]{0,60}") {
        let _ = LogFormat::json(&format, Missing::Shown, &Surroundings::NONE);
    }
}
