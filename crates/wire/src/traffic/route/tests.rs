use std::sync::Arc;

use prost::Message as _;
use ripstop_model::{
    Abort, Cors, Fault, HostPattern, HttpAction, HttpMatch, HttpRule, Mirror, Redirect, RedirectPath, RedirectPort,
    RetryPolicy, Rewrite, Share, StringMatch, UriRewrite, Visibility,
};

use super::*;
use crate::{
    ripstop::{abort, http_rule, redirect},
    testing::{self, Sample},
};

pub(crate) fn table(sample: &mut Sample) -> RouteTable {
    RouteTable {
        id: sample.id(),
        namespace: sample.name(),
        name: sample.name(),
        created: sample.long(),
        hosts: sample.list(Sample::host),
        gateways: sample.list(gateway),
        visibility: sample.visibility(),
        http: sample.list(rule),
        tls: sample.list(connection),
        tcp: sample.list(connection),
    }
}

pub(crate) fn retry(sample: &mut Sample) -> RetryPolicy {
    RetryPolicy {
        attempts: sample.number(),
        per_try_timeout: sample.maybe(Sample::duration),
        on: sample.list(Sample::text),
        status_codes: sample.list(Sample::short),
        backoff: sample.duration(),
        remote_localities: sample.flag(),
        ignore_previous_hosts: sample.maybe(Sample::flag),
    }
}

fn gateway(sample: &mut Sample) -> GatewayName {
    if sample.flag() { GatewayName::Mesh } else { GatewayName::Named((sample.name(), sample.name())) }
}

fn rule(sample: &mut Sample) -> HttpRule {
    HttpRule {
        id: sample.id(),
        name: sample.text(),
        matches: sample.list(http_match),
        action: action(sample),
        rewrite: Rewrite { uri: sample.maybe(uri_rewrite), authority: sample.maybe(Sample::text) },
        timeout: sample.maybe(Sample::duration),
        retries: sample.maybe(retry),
        fault: Fault {
            delay: sample.maybe(|sample| (sample.duration(), sample.share())),
            abort: sample.maybe(|sample| {
                let code = sample.short();
                (sample.pick(&[Abort::Http(code), Abort::Grpc(code)]), sample.share())
            }),
        },
        mirrors: sample.list(|sample| Mirror { backend: backend(sample), share: sample.share(), path: sample.text() }),
        cors: sample.maybe(cors).map(Arc::new),
        request_headers: headers(sample),
        response_headers: headers(sample),
    }
}

fn http_match(sample: &mut Sample) -> HttpMatch {
    let named = |sample: &mut Sample| (sample.text(), text_match(sample));
    let claim = |sample: &mut Sample| (sample.list(Sample::text), text_match(sample));
    HttpMatch {
        name: sample.text(),
        path: sample.text(),
        uri: sample.maybe(text_match),
        ignore_uri_case: sample.flag(),
        scheme: sample.maybe(text_match),
        method: sample.maybe(text_match),
        authority: sample.maybe(text_match),
        headers: sample.list(named),
        without_headers: sample.list(named),
        query: sample.list(named),
        claims: sample.list(claim),
        without_claims: sample.list(claim),
        port: sample.maybe(Sample::short),
        source: source(sample),
    }
}

fn text_match(sample: &mut Sample) -> StringMatch {
    let text = sample.text();
    sample.pick(&[
        StringMatch::Present,
        StringMatch::Exact(text.clone()),
        StringMatch::Prefix(text.clone()),
        StringMatch::Regex(text),
    ])
}

fn source(sample: &mut Sample) -> SourceMatch {
    SourceMatch { labels: sample.selector(), namespace: sample.maybe(Sample::text), gateways: sample.list(gateway) }
}

fn action(sample: &mut Sample) -> HttpAction {
    match sample.below(3) {
        0 => HttpAction::Forward(sample.list(weighted)),
        1 => HttpAction::Redirect(Arc::new(Redirect {
            status: sample.short(),
            path: match sample.below(3) {
                0 => RedirectPath::Kept,
                1 => RedirectPath::Full(sample.text()),
                _ => RedirectPath::Prefix(sample.text()),
            },
            authority: sample.maybe(Sample::text),
            scheme: sample.maybe(Sample::text),
            port: match sample.below(4) {
                0 => RedirectPort::Kept,
                1 => RedirectPort::Fixed(sample.short()),
                2 => RedirectPort::ByScheme,
                _ => RedirectPort::OfRequest,
            },
        })),
        _ => HttpAction::Respond { status: sample.short(), body: Arc::from(&b"\x00\xff body"[..]) },
    }
}

fn uri_rewrite(sample: &mut Sample) -> UriRewrite {
    if sample.flag() {
        UriRewrite::Matched(sample.text())
    } else {
        UriRewrite::Regex { pattern: sample.text(), rewrite: sample.text() }
    }
}

fn cors(sample: &mut Sample) -> Cors {
    Cors {
        origins: sample.list(text_match),
        methods: sample.list(Sample::text),
        headers: sample.list(Sample::text),
        expose: sample.list(Sample::text),
        max_age: sample.maybe(Sample::duration),
        credentials: sample.maybe(Sample::flag),
        forward_unmatched: sample.flag(),
    }
}

fn connection(sample: &mut Sample) -> ConnectionRule {
    let blocks = ["10.0.0.0/8", "10.1.2.3/8", "192.0.2.1/32", "fd00::/8"].map(|block| block.parse().unwrap());
    ConnectionRule {
        id: sample.id(),
        matches: sample.list(|sample| ConnectionMatch {
            path: sample.text(),
            sni: sample.list(Sample::host),
            destinations: sample.list(|sample| sample.pick(&blocks)),
            port: sample.maybe(Sample::short),
            source: source(sample),
        }),
        backends: sample.list(weighted),
    }
}

fn weighted(sample: &mut Sample) -> WeightedBackend {
    WeightedBackend {
        backend: backend(sample),
        weight: sample.number(),
        request_headers: headers(sample),
        response_headers: headers(sample),
        authority: sample.maybe(Sample::text),
        path: sample.text(),
    }
}

pub(crate) fn backend(sample: &mut Sample) -> BackendRef {
    BackendRef { host: sample.text(), subset: sample.maybe(Sample::text), port: sample.maybe(Sample::short) }
}

fn headers(sample: &mut Sample) -> HeaderOperations {
    HeaderOperations { set: sample.labels(), add: sample.labels(), remove: sample.list(Sample::text) }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let table = table(sample);
        let encoded = encode(&table);
        assert_eq!(*encoded.name, format!("{}/{}", table.namespace, table.name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(table));
    });
}

/// Proxies keep resources on disk: numbers of fields stay what they are.
#[test]
fn has_these_bytes() {
    let table = RouteTable {
        id: RuleId("VirtualService/shop/web/3".into()),
        namespace: "shop".into(),
        name: "web".into(),
        created: 5,
        hosts: vec![HostPattern::new("*.shop")],
        gateways: vec![GatewayName::Mesh, GatewayName::Named(("edge".into(), "all".into()))],
        visibility: Visibility::only("shop"),
        http: Vec::new(),
        tls: Vec::new(),
        tcp: vec![ConnectionRule {
            id: RuleId("r".into()),
            matches: Vec::new(),
            backends: vec![WeightedBackend {
                backend: BackendRef { host: "db".into(), subset: None, port: Some(0) },
                weight: 1,
                request_headers: HeaderOperations::default(),
                response_headers: HeaderOperations::default(),
                authority: None,
                path: "p".into(),
            }],
        }],
    };
    testing::assert_fields(
        &encode(&table).body,
        &[
            (1, b"VirtualService/shop/web/3"),
            (2, b"shop"),
            (3, b"web"),
            (4, &[5]),
            (5, b"*.shop"),
            (6, b"\x08\x01"),
            (6, b"\x12\x04edge\x1a\x03all"),
            (7, b"\x12\x04shop"),
            (10, b"\x0a\x01r\x1a\x0d\x0a\x06\x0a\x02db\x18\x00\x10\x01\x32\x01p"),
        ],
    );
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::RouteTable {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        ..ripstop::RouteTable::default()
    };
    let respond = |status| Some(http_rule::Action::Respond(ripstop::Respond { status, body: Bytes::new() }));
    let rule = || ripstop::HttpRule { id: "r".into(), action: respond(200), ..ripstop::HttpRule::default() };
    let with = |rule: ripstop::HttpRule| ripstop::RouteTable { http: vec![rule], ..good() };
    let matching = |written: ripstop::HttpMatch| with(ripstop::HttpRule { matches: vec![written], ..rule() });
    let forward = |backend: Option<ripstop::BackendRef>| {
        let backends = vec![ripstop::WeightedBackend { backend, ..ripstop::WeightedBackend::default() }];
        with(ripstop::HttpRule { action: Some(http_rule::Action::Forward(ripstop::Forward { backends })), ..rule() })
    };
    let fault = |fault| with(ripstop::HttpRule { fault: Some(fault), ..rule() });
    let delay = |nanos, share| ripstop::Fault {
        delay: Some(ripstop::Delay { duration: Some(ripstop::Duration { seconds: 1, nanos }), share }),
        abort: None,
    };
    let aborted = |status| ripstop::Fault { delay: None, abort: Some(ripstop::Abort { status, share: 1 }) };
    let connection = |destination: &str| ripstop::ConnectionRule {
        id: "c".into(),
        matches: vec![ripstop::ConnectionMatch {
            destinations: vec!["10.0.0.0/8".into(), destination.into()],
            ..ripstop::ConnectionMatch::default()
        }],
        ..ripstop::ConnectionRule::default()
    };
    for (field, message) in [
        ("field id", ripstop::RouteTable { id: String::new(), ..good() }),
        ("field hosts[0]", ripstop::RouteTable { hosts: vec!["UPPER".into()], ..good() }),
        (
            "field visibility",
            ripstop::RouteTable {
                visibility: Some(ripstop::Visibility { nobody: true, namespaces: vec!["a".into()] }),
                ..good()
            },
        ),
        ("field http[0].id", with(ripstop::HttpRule { id: String::new(), ..rule() })),
        ("field http[0].action: it is missing", with(ripstop::HttpRule { action: None, ..rule() })),
        ("field http[0].action.status", with(ripstop::HttpRule { action: respond(70_000), ..rule() })),
        ("field http[0].action.backends[0].backend: it is missing", forward(None)),
        (
            "field http[0].action.backends[0].backend.port",
            forward(Some(ripstop::BackendRef { port: Some(65_536), ..ripstop::BackendRef::default() })),
        ),
        (
            "field http[0].action.port",
            with(ripstop::HttpRule {
                action: Some(http_rule::Action::Redirect(ripstop::Redirect {
                    port: Some(redirect::Port::Fixed(65_536)),
                    ..ripstop::Redirect::default()
                })),
                ..rule()
            }),
        ),
        (
            "field http[0].matches[0].uri: it is missing",
            matching(ripstop::HttpMatch { uri: Some(ripstop::StringMatch::default()), ..Default::default() }),
        ),
        (
            "field http[0].matches[0].headers[0].value: it is missing",
            matching(ripstop::HttpMatch { headers: vec![ripstop::NamedMatch::default()], ..Default::default() }),
        ),
        ("field http[0].matches[0].port", matching(ripstop::HttpMatch { port: Some(1 << 16), ..Default::default() })),
        ("field http[0].fault.delay.duration", fault(delay(1_000_000_000, 1))),
        ("field http[0].fault.delay.share", fault(delay(0, 1_000_001))),
        ("field http[0].fault.abort.status: it is missing", fault(aborted(None))),
        ("field http[0].fault.abort.status", fault(aborted(Some(abort::Status::Http(1 << 16))))),
        (
            "field http[0].retries.backoff: it is missing",
            with(ripstop::HttpRule { retries: Some(ripstop::RetryPolicy::default()), ..rule() }),
        ),
        ("field tcp[0].matches[0].destinations[1]", ripstop::RouteTable { tcp: vec![connection("x")], ..good() }),
        ("field tls[0].id", ripstop::RouteTable { tls: vec![ripstop::ConnectionRule::default()], ..good() }),
        ("content is that of \"other/name\"", ripstop::RouteTable { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    assert_eq!(
        decode("ns/name", &forward(Some(ripstop::BackendRef::default())).encode_to_vec().into()).map(|_| ()),
        Ok(())
    );
    let edge = decode("ns/name", &fault(delay(999_999_999, 1_000_000)).encode_to_vec().into()).unwrap();
    assert_eq!(edge.http[0].fault.delay, Some((std::time::Duration::new(1, 999_999_999), Share::ALL)));
    // A field that is new, inside: number 99, a text.
    let good = with(rule()).encode_to_vec();
    let newer = [&good[..], &[0x9a, 0x06, 1, b'x']].concat();
    let error = decode("ns/name", &newer.into()).unwrap_err().to_string();
    assert!(error.contains("not known here"), "{error}");
}
