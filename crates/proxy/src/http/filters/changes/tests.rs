use std::time::UNIX_EPOCH;

use ripstop_model::{RetryPolicy, Rewrite, Share, UriRewrite, WeightedBackend};
use ripstop_telemetry::{
    Direction, Party,
    trace_context::{Incoming, RandomBits},
};

use super::*;
use crate::http::filters::{
    origin::Shaping,
    retry::Retries,
    samples::{self, List, backend, lines, list, operations, rule},
};

/// What every request in these tests gets.
const ID: &str = "=x-request-id: 00000000-0000-4000-8000-000000000000";
const PLAIN: &str = "=x-forwarded-proto: http";
const FIRST: &str = "=x-envoy-attempt-count: 1";

struct Case {
    origin: Origin,
    transport: Transport,
    fields: List,
    spelling: Spelling,
    rule: Option<HttpRule>,
    target: Option<Target>,
    path: &'static str,
    span: Option<(Span, Propagation)>,
    operation: Option<&'static str>,
    client_cert: ClientCert<'static>,
    headers: ProxyHeaders,
    dropped: Vec<Box<[u8]>>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            origin: Origin::Caller,
            transport: Transport::Plain,
            fields: list(&[]),
            spelling: Spelling::AsItCame,
            rule: None,
            target: None,
            path: "/v1/books",
            span: None,
            operation: None,
            client_cert: ClientCert::Ends,
            headers: ProxyHeaders { server: None, ..ProxyHeaders::default() },
            dropped: Vec::new(),
        }
    }
}

impl Case {
    fn ruled(rule: HttpRule, target: Option<&WeightedBackend>) -> Self {
        Self { rule: Some(rule), target: target.map(samples::target), ..Self::default() }
    }

    /// With a rule whose only backend is plain.
    fn operated(request: HeaderOperations, fields: &[(&'static str, &'static str)]) -> Self {
        let rule = HttpRule { request_headers: request, ..rule(vec![backend("reviews", 0)]) };
        Self { fields: list(fields), ..Self::ruled(rule, Some(&backend("reviews", 0))) }
    }

    fn with<R>(&self, check: impl FnOnce(&Context<'_>, &RequestChanges<'_>) -> R) -> R {
        let (source, destination) = (Party::default(), Party::default());
        let exchange = Exchange::new(UNIX_EPOCH, Direction::Outbound, &source, &destination);
        let policy = RetryPolicy::default();
        let request = Request { spelling: self.spelling, ..samples::request(&self.fields) };
        let retries = Retries::of(&policy, Shaping::NONE);
        let context = Context {
            request,
            origin: self.origin,
            rule: self.rule.as_ref(),
            target: self.target.as_ref(),
            exchange: &exchange,
            hostname: "node-1",
            headers: &self.headers,
        };
        let outgoing = Outgoing {
            path: Cow::Borrowed(self.path),
            transport: self.transport,
            timeouts: Timeouts::of(&request, self.origin, self.rule.as_ref(), &retries),
            random: [0; 16],
            span: self.span.as_ref().map(|(span, propagation)| (span, *propagation)),
            operation: self.operation,
            client_cert: self.client_cert,
            port: 8080,
            dropped: &self.dropped,
        };
        check(&context, &super::request(&context, &outgoing))
    }

    fn lines(&self) -> Vec<String> {
        self.with(|_, changes| lines(&changes.list()))
    }

    /// What an answer with these fields gets.
    fn answer(&self, fields: &[(&'static str, &'static str)], service_time: Option<u64>) -> Vec<String> {
        let headers = list(fields);
        self.with(|context, changes| {
            let answer = Answer {
                status: 200,
                headers: &headers,
                service_time: service_time.map(Duration::from_millis),
                cors: None,
            };
            lines(&super::answer(context, Some(changes), answer).list())
        })
    }
}

/// Without what every request gets.
fn own(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| ![ID, PLAIN, FIRST].contains(&line.as_str())).collect()
}

#[test]
fn what_every_request_gets() {
    assert_eq!(Case::default().lines(), [PLAIN, ID, FIRST]);
    Case::default().with(|_, changes| assert_eq!((changes.path(), changes.authority()), (None, None)));
    let told = list(&[("X-Request-Id", "abc"), ("x-forwarded-proto", "https")]);
    assert_eq!(Case { fields: told, ..Case::default() }.lines(), [FIRST]);
    let empty = Case { fields: list(&[("x-request-id", "")]), transport: Transport::Tls, ..Case::default() };
    assert_eq!(empty.lines(), ["=x-forwarded-proto: https", ID, FIRST]);
}

#[test]
fn from_outside_nobody_is_believed() {
    let fields = list(&[
        ("x-envoy-retry-on", "5xx"),
        ("X-Envoy-Original-Path", "/forged"),
        ("x-envoy-external-address", "9.9.9.9"),
        ("x-forwarded-client-cert", "By=x"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "5.6.7.8"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "abc"),
        ("x-own", "1"),
    ]);
    let origin = Origin::Outside { client: Some("10.0.0.9".parse().unwrap()) };
    assert_eq!(
        Case { origin, fields, ..Case::default() }.lines(),
        [
            "-x-envoy-retry-on",
            "-X-Envoy-Original-Path",
            "-x-forwarded-client-cert",
            "=x-forwarded-for: 1.2.3.4,5.6.7.8,10.0.0.9",
            "=x-envoy-external-address: 10.0.0.9",
            PLAIN,
            ID,
            FIRST,
        ]
    );
}

#[test]
fn how_the_client_sent_it_is_told_in_one_way() {
    let origin = Origin::Behind { proxy: "10.0.0.9".parse().unwrap(), client: None };
    for (said, transport, told) in [
        ("https", Transport::Tls, "=x-forwarded-proto: https"),
        ("http", Transport::Plain, PLAIN),
        // What is no scheme, nobody behind the gateway is told.
        ("HTTPS", Transport::Plain, PLAIN),
    ] {
        let fields = list(&[("x-forwarded-proto", said)]);
        let lines = Case { origin, transport, fields, ..Case::default() }.lines();
        assert!(lines.contains(&told.to_owned()), "{said}: {lines:?}");
    }
}

#[test]
fn what_a_proxy_tells_of_a_certificate() {
    let fields = || list(&[("X-Forwarded-Client-Cert", "Hash=a"), ("x-forwarded-client-cert", "Hash=b;URI=c")]);
    for (client_cert, expected) in [
        (ClientCert::Ends, &["-x-forwarded-client-cert"][..]),
        (ClientCert::Passes, &[]),
        (ClientCert::Appended("Hash=d"), &["=x-forwarded-client-cert: Hash=a,Hash=b;URI=c,Hash=d"]),
        (ClientCert::Set("Hash=d"), &["=x-forwarded-client-cert: Hash=d"]),
    ] {
        assert_eq!(own(Case { client_cert, fields: fields(), ..Case::default() }.lines()), expected, "{client_cert:?}");
    }
}

#[test]
fn what_shapes_a_call_ends_at_the_callers_proxy() {
    let fields = list(&[
        ("x-envoy-max-retries", "1"),
        ("x-envoy-original-path", "/kept"),
        ("x-envoy-upstream-rq-timeout-ms", "500"),
    ]);
    assert_eq!(
        own(Case { fields, ..Case::default() }.lines()),
        ["-x-envoy-max-retries", "-x-envoy-upstream-rq-timeout-ms", "=x-envoy-expected-rq-timeout-ms: 500",]
    );
}

#[test]
fn paths_and_hosts() {
    let rewrite = Rewrite { uri: Some(UriRewrite::Matched("/v2".into())), authority: Some("other.host".into()) };
    let case = Case {
        path: "/v2/books",
        ..Case::ruled(HttpRule { rewrite, ..rule(vec![backend("reviews", 0)]) }, Some(&backend("reviews", 0)))
    };
    assert_eq!(
        own(case.lines()),
        ["=x-envoy-original-host: reviews:9080", "=x-envoy-original-path: /v1/books?page=2",]
    );
    case.with(|_, changes| {
        let list = changes.list();
        let head = changes.head(&list);
        assert_eq!(head.path, Some(&b"/v2/books?page=2"[..]));
        assert_eq!(head.authority, Some(&b"other.host"[..]));
        assert_eq!(head.fields, &*list);
    });
    let path = |path, spelling| {
        Case { spelling, path, ..Case::default() }.with(|_, changes| changes.path().map(str::to_owned))
    };
    assert_eq!(path("/v1/books", Spelling::Normalized).as_deref(), Some("/v1/books?page=2"));
    assert_eq!(path("/x?y=1", Spelling::AsItCame).as_deref(), Some("/x?y=1&page=2"));
    assert_eq!(path("books", Spelling::AsItCame).as_deref(), Some("/books?page=2"));
    assert_eq!(path("", Spelling::AsItCame).as_deref(), Some("/?page=2"));
}

#[test]
fn the_rules_host_comes_before_the_backends() {
    let of_backend = WeightedBackend { authority: Some("dest.host".into()), ..backend("reviews", 1) };
    let backends = vec![of_backend.clone(), backend("other", 1)];
    let authority = |rewrite| {
        let case = Case::ruled(HttpRule { rewrite, ..rule(backends.clone()) }, Some(&of_backend));
        case.with(|_, changes| changes.authority().map(str::to_owned))
    };
    assert_eq!(authority(Rewrite::default()).as_deref(), Some("dest.host"));
    let of_rule = Rewrite { uri: None, authority: Some("route.host".into()) };
    assert_eq!(authority(of_rule).as_deref(), Some("route.host"));
}

#[test]
fn operations_of_one_level() {
    let case = Case::operated(
        operations(
            &[
                ("x-both", "set"),
                ("x-new", "%REQ(x-old)%"),
                ("x-empty", "%REQ(x-none)%"),
                ("x-id", "%REQ(x-request-id)%"),
            ],
            &[("x-multi", "added"), ("connection", "close")],
            &["x-both", "x-old", "host"],
        ),
        &[("x-both", "in"), ("x-old", "v"), ("x-multi", "one"), ("x-empty", "was")],
    );
    assert_eq!(
        own(case.lines()),
        ["-x-old", "=x-both: set", "=x-id: 00000000-0000-4000-8000-000000000000", "=x-new: v", "+x-multi: added",]
    );
}

#[test]
fn of_several_backends_the_rule_wins() {
    let of_backend = WeightedBackend {
        request_headers: operations(&[("x-l", "dest"), ("x-d", "dest")], &[], &["x-r2"]),
        ..backend("reviews", 1)
    };
    let of_rule = operations(&[("x-l", "route"), ("x-r2", "route"), ("x-seen", "%REQ(x-d)%")], &[], &["x-d"]);
    let several = HttpRule { request_headers: of_rule.clone(), ..rule(vec![of_backend.clone(), backend("other", 1)]) };
    assert_eq!(
        own(Case::ruled(several, Some(&of_backend)).lines()),
        ["-x-d", "=x-l: route", "=x-r2: route", "=x-seen: dest",]
    );
    // Of an only one, both are one level: what is removed goes first, and the backend's comes last.
    let single = HttpRule { request_headers: of_rule, ..rule(vec![of_backend.clone()]) };
    assert_eq!(own(Case::ruled(single, Some(&of_backend)).lines()), ["=x-r2: route", "=x-d: dest", "=x-l: dest",]);
}

#[test]
fn answers() {
    let mut case = Case::operated(HeaderOperations::default(), &[("x-in", "yes")]);
    let ruled = case.rule.as_mut().unwrap();
    ruled.response_headers = operations(
        &[("x-up", "new"), ("x-req", "%REQ(x-in)%"), ("x-old", "%RESP(x-up)%"), ("x-id", "%REQ(x-request-id)%")],
        &[("x-more", "%RESP(:status)%")],
        &["x-gone"],
    );
    let fields = [("x-up", "old"), ("x-gone", "1"), ("x-envoy-decorator-operation", "reviews:9080/*")];
    assert_eq!(
        case.answer(&fields, Some(17)),
        [
            "-x-envoy-decorator-operation",
            "=x-envoy-upstream-service-time: 17",
            "-x-gone",
            "=x-id: 00000000-0000-4000-8000-000000000000",
            "=x-old: old",
            "=x-req: yes",
            "=x-up: new",
            "+x-more: 200",
        ]
    );
    assert_eq!(Case::default().answer(&[], None), Vec::<String>::new());
}

#[test]
fn operations_of_backends_are_about_answers_too() {
    let of_backend = WeightedBackend {
        response_headers: operations(&[("x-version", "v2"), ("x-l", "dest")], &[], &[]),
        ..backend("reviews", 1)
    };
    let several = HttpRule {
        response_headers: operations(&[("x-l", "route")], &[], &[]),
        ..rule(vec![of_backend.clone(), backend("other", 1)])
    };
    assert_eq!(Case::ruled(several, Some(&of_backend)).answer(&[], None), ["=x-version: v2", "=x-l: route"]);
}

#[test]
fn what_scripts_may_see_and_who_answers_beat_the_rule() {
    let cors =
        ripstop_model::Cors { origins: vec![ripstop_model::StringMatch::Present], ..ripstop_model::Cors::default() };
    let policy = crate::http::filters::cors::CorsPolicy::new(&cors);
    let asking = list(&[("origin", "http://a.com")]);
    let crate::http::filters::cors::Asked::Granted(grant) = policy.ask("GET", &asking) else { panic!("not granted") };
    let mut case = Case::operated(HeaderOperations::default(), &[]);
    case.rule.as_mut().unwrap().response_headers =
        operations(&[("access-control-allow-origin", "x"), ("server", "mine")], &[], &[]);
    case.headers = ProxyHeaders::default();
    let made = case.with(|context, _| {
        let answer = Answer { status: 404, headers: &NoHeaders, service_time: None, cors: Some(grant) };
        lines(&super::answer(context, None, answer).list())
    });
    assert_eq!(made, ["=access-control-allow-origin: http://a.com", "=server: istio-envoy"]);
}

#[test]
fn traces() {
    let fields = list(&[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("b3", "0")]);
    let random = RandomBits { trace: [1; 16], span: [2; 8], choice: u32::MAX };
    let span = Span::begin(Incoming::read(&fields, Propagation::W3c), Share::NONE, random);
    let case =
        Case { fields, span: Some((span, Propagation::W3c)), operation: Some("reviews:9080/*"), ..Case::default() };
    assert_eq!(
        case.lines(),
        [
            PLAIN,
            // The trace is recorded, which the id tells Envoy's proxies.
            "=x-request-id: 00000000-0000-9000-8000-000000000000",
            FIRST,
            "=x-envoy-decorator-operation: reviews:9080/*",
            "=traceparent: 00-0af7651916cd43dd8448eb211c80319c-0202020202020202-01",
        ]
    );
    // Who takes no part leaves them alone.
    let untouched = Case { fields: list(&[("traceparent", "x"), ("b3", "0")]), ..Case::default() };
    assert_eq!(untouched.lines(), [PLAIN, ID, FIRST]);
    let several = Span::begin(Incoming::Nothing, Share::ALL, random);
    let b3 = Case { span: Some((several, Propagation::B3)), ..Case::default() };
    assert_eq!(
        own(b3.lines()),
        [
            "=x-request-id: 00000000-0000-9000-8000-000000000000",
            "=x-b3-traceid: 01010101010101010101010101010101",
            "=x-b3-spanid: 0202020202020202",
            "=x-b3-sampled: 1",
        ]
    );
}

#[test]
fn further_attempts() {
    let timeout = Some(Duration::from_secs(3));
    let case = Case::ruled(HttpRule { timeout, ..rule(vec![backend("reviews", 0)]) }, None);
    case.with(|_, changes| {
        let mut changes = changes.clone();
        assert_eq!(own(lines(&changes.list())), ["=x-envoy-expected-rq-timeout-ms: 3000"]);
        changes.again(2, Duration::from_secs(1));
        assert_eq!(
            lines(&changes.list()),
            [PLAIN, ID, "=x-envoy-expected-rq-timeout-ms: 2000", "=x-envoy-attempt-count: 2",]
        );
        let mut seen = Vec::new();
        changes.on(&case.fields).visit("x-envoy-attempt-count", &mut |value| seen.push(value.to_vec()));
        assert_eq!(seen, [b"2"]);
    });
}

#[test]
fn a_simple_request_and_its_answer_cost_no_allocations_once_storages_are_warm() {
    let case = Case::operated(HeaderOperations::default(), &[("user-agent", "curl"), ("accept", "*/*")]);
    let policy = RetryPolicy::default();
    case.with(|context, _| {
        let mut id = None;
        let mut change = || {
            let retries = Retries::of(&policy, context.origin.shaping(context.request.headers));
            let outgoing = Outgoing {
                path: Cow::Borrowed(context.request.path),
                transport: Transport::Plain,
                timeouts: Timeouts::of(&context.request, context.origin, context.rule, &retries),
                random: [0; 16],
                span: None,
                operation: None,
                client_cert: ClientCert::Ends,
                port: 80,
                dropped: &[],
            };
            let changes = super::request(context, &outgoing);
            let service_time = Some(Duration::from_millis(3));
            let answer = Answer { status: 200, headers: &NoHeaders, service_time, cors: None };
            let edits = super::answer(context, Some(&changes), answer);
            id = Some((changes.list().len(), edits.list().len()));
        };
        change();
        let again = allocation_counter::measure(change);
        assert_eq!((id, again.count_total), (Some((3, 1)), 0));
    });
}

#[test]
fn the_mesh_says_what_proxies_write_by_themselves() {
    let rewritten = Rewrite { authority: Some("other.example".into()), ..Rewrite::default() };
    let rule =
        HttpRule { rewrite: rewritten, timeout: Some(Duration::from_secs(2)), ..rule(vec![backend("reviews", 0)]) };
    let case = |headers: ProxyHeaders| Case { headers, ..Case::ruled(rule.clone(), Some(&backend("reviews", 0))) };
    let nothing = case(ProxyHeaders { server: None, written: [].into() });
    assert_eq!(nothing.lines(), [PLAIN]);
    // How long it has, a server of gRPC is told by what is gRPC's own.
    let called = Case { fields: list(&[("content-type", "application/grpc")]), ..case(nothing.headers.clone()) };
    called.with(|_, changes| {
        assert_eq!(lines(&changes.list()), [PLAIN, "=grpc-timeout: 2000m"]);
        let mut changes = changes.clone();
        changes.again(2, Duration::from_secs(1));
        assert_eq!(lines(&changes.list()), [PLAIN, "=grpc-timeout: 1000m"]);
    });
    assert_eq!(nothing.answer(&[("server", "own")], Some(3)), [""; 0]);
    let added = case(ProxyHeaders {
        server: Some("mesh".into()),
        written: [ProxyHeader::ForwardedHost, ProxyHeader::ForwardedPort].into(),
    });
    assert_eq!(added.lines(), [PLAIN, "=x-forwarded-port: 8080", "+x-forwarded-host: reviews:9080"]);
    assert_eq!(added.answer(&[("server", "own")], Some(3)), ["=server: mesh"]);
}
