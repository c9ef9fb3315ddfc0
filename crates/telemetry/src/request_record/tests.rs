use super::*;
use crate::samples;

fn party(name: &str) -> Party {
    Party::new(None, Some(&samples::workload(name)), None)
}

/// What a test's exchange borrows.
struct Scene {
    source: Party,
    destination: Party,
    service: ripstop_model::Service,
    route: RuleId,
    policy: RuleId,
    headers: Vec<(&'static str, &'static str)>,
}

fn scene() -> Scene {
    Scene {
        source: party("web"),
        destination: party("cart"),
        service: samples::service("cart"),
        route: RuleId("VirtualService/shop/cart/1/spec.http[0]".into()),
        policy: RuleId("AuthorizationPolicy/shop/deny/2".into()),
        headers: vec![("authorization", "Bearer secret"), ("cookie", "secret")],
    }
}

impl Scene {
    fn exchange(&self) -> Exchange<'_> {
        let mut exchange = Exchange::new(SystemTime::UNIX_EPOCH, Direction::Inbound, &self.source, &self.destination);
        exchange.duration = Duration::from_millis(5);
        exchange.service = Some(&self.service);
        exchange.request.method = "POST";
        exchange.request.authority = "cart";
        exchange.request.path = "/v2/items?token=secret";
        exchange.request.original_path = Some("/items?token=secret#secret");
        exchange.request.protocol = Some(Protocol::Http2);
        exchange.request.headers = &self.headers;
        exchange.request.body_bytes = 10;
        exchange.response.status = 403;
        exchange.response.grpc_status = Some(7);
        exchange.response.flags = crate::ResponseFlag::UnauthorizedExternalService.into();
        exchange.response.body_bytes = 20;
        exchange.upstream.host = "10.0.0.1:80".parse().ok();
        exchange.upstream.attempts = 2;
        exchange.verdict.route = Some(&self.route);
        exchange.verdict.policy = Some(&self.policy);
        exchange.verdict.decision = 77;
        exchange.verdict.version = 9;
        exchange.trace = TraceId::new([1; 16]);
        exchange
    }
}

#[test]
fn a_record_holds_what_is_said_and_nothing_secret() {
    let record = RequestRecord::new(&scene().exchange());
    let text = format!("{record:?}");
    assert!(!text.contains("secret"), "{text}");
    assert_eq!((&*record.method, &*record.authority, &*record.path), ("POST", "cart", "/items"));
    assert_eq!((record.status, record.grpc_status, record.flags.to_string()), (403, Some(7), "UAEX".to_owned()));
    assert_eq!((record.received, record.sent, record.attempts, record.decision, record.version), (10, 20, 2, 77, 9));
    assert_eq!(record.source.workload.as_deref(), Some("web-v1-0"));
    assert_eq!(record.source.owner.as_deref(), Some("web-v1"));
    assert_eq!(record.service.unwrap().to_string(), "shop/cart.shop.svc.cluster.local");
    assert_eq!(&*record.route.unwrap().0, "VirtualService/shop/cart/1/spec.http[0]");
    assert_eq!(&*record.policy.unwrap().0, "AuthorizationPolicy/shop/deny/2");
    assert_eq!(record.endpoint, "10.0.0.1:80".parse().ok());
    assert_eq!(record.trace, TraceId::new([1; 16]));
}

#[test]
fn texts_are_cut() {
    let long = "ä".repeat(1_000);
    let scene = scene();
    let mut exchange = scene.exchange();
    exchange.request.method = &long;
    exchange.request.authority = &long;
    exchange.request.path = &long;
    exchange.request.original_path = None;
    let record = RequestRecord::new(&exchange);
    assert_eq!((record.method.len(), record.authority.len(), record.path.len()), (32, 254, 512));
}

#[test]
fn a_record_is_small() {
    // What it points to is shared, or limited to 799 bytes.
    assert!(size_of::<RequestRecord>() <= 576, "{}", size_of::<RequestRecord>());
}

fn matches(filter: &RecordFilter) -> bool {
    filter.matches(&scene().exchange())
}

fn of(namespace: &str, workload: &str) -> PartyFilter {
    let given = |text: &str| Some(Arc::from(text)).filter(|_| !text.is_empty());
    PartyFilter { namespace: given(namespace), workload: given(workload) }
}

#[test]
fn nothing_said_matches_everything() {
    assert!(matches(&RecordFilter::default()));
}

#[test]
fn all_that_is_said_must_hold() {
    let party = |namespace, workload| RecordFilter { party: of(namespace, workload), ..RecordFilter::default() };
    let source = |namespace, workload| RecordFilter { source: of(namespace, workload), ..RecordFilter::default() };
    let to = |namespace, name| RecordFilter { destination: of(namespace, name), ..RecordFilter::default() };
    let service = |name: &str| RecordFilter { service: Some(name.into()), ..RecordFilter::default() };
    let method = |name: &str| RecordFilter { method: Some(name.into()), ..RecordFilter::default() };
    let path = |path: &str| RecordFilter { path_prefix: Some(path.into()), ..RecordFilter::default() };
    let status = |status| RecordFilter { status: Some(status), ..RecordFilter::default() };
    for (filter, expected) in [
        (party("shop", ""), true),
        (party("other", ""), false),
        (party("", "web-v1"), true),
        (party("", "cart-v1-0"), true),
        (party("shop", "cart-v1"), true),
        (party("", "cart"), false),
        (source("shop", "web-v1"), true),
        (source("", "cart-v1"), false),
        (to("shop", "cart-v1"), true),
        (to("", "cart"), true),
        (to("shop", "cart.shop.svc.cluster.local"), true),
        (to("other", "cart"), false),
        (to("shop", ""), true),
        (to("other", ""), false),
        (to("", "web-v1"), false),
        (service("cart"), true),
        (service("cart.shop.svc.cluster.local"), true),
        (service("web"), false),
        (method("POST"), true),
        (method("post"), false),
        (path("/items"), true),
        (path("/it"), true),
        (path("/items?token"), false),
        (path("/v2"), false),
        (status(StatusFilter::Code(403)), true),
        (status(StatusFilter::Code(404)), false),
        (status(StatusFilter::Class(4)), true),
        (status(StatusFilter::Class(5)), false),
        (RecordFilter { status: Some(StatusFilter::Class(5)), ..method("POST") }, false),
        (RecordFilter { status: Some(StatusFilter::Class(4)), ..method("POST") }, true),
    ] {
        assert_eq!(matches(&filter), expected, "{filter:?}");
    }
}

#[test]
fn a_filter_is_read_from_a_query() {
    let read = |pairs: &[(&str, &str)]| RecordFilter::of_query(pairs.iter().copied());
    let given = [
        ("namespace", "shop"),
        ("from", "shop/web"),
        ("to", "cart"),
        ("method", "get"),
        ("path", "/items"),
        ("status", "5xx"),
    ];
    let expected = RecordFilter {
        party: of("shop", ""),
        source: of("shop", "web"),
        destination: of("", "cart"),
        service: None,
        method: Some("GET".into()),
        path_prefix: Some("/items".into()),
        status: Some(StatusFilter::Class(5)),
    };
    assert_eq!(read(&given).unwrap(), expected);
    assert_eq!(read(&[]).unwrap(), RecordFilter::default());
    assert_eq!(read(&[("from", "shop/")]).unwrap().source, of("shop", ""));
    for (text, status) in
        [("404", StatusFilter::Code(404)), ("0", StatusFilter::Code(0)), ("4XX", StatusFilter::Class(4))]
    {
        assert_eq!(read(&[("status", text)]).unwrap().status, Some(status));
    }
    for (pair, message) in [
        (("status", "6xx"), "status=6xx: write a code such as 404, 5xx for a class, or 0 for no response"),
        (("status", "1000"), "status=1000: write a code such as 404, 5xx for a class, or 0 for no response"),
        (("stat", "1"), "stat=1: there are namespace, from, to, method, path, status"),
        (("from", ""), "from=: write NAME, NAMESPACE/NAME or NAMESPACE/"),
        (("to", "/"), "to=/: write NAME, NAMESPACE/NAME or NAMESPACE/"),
    ] {
        assert_eq!(read(&[pair]).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_record_as_json() {
    let scene = scene();
    let mut line = String::new();
    RequestRecord::new(&scene.exchange()).write_json("west", &mut line);
    assert!(line.ends_with("}\n") && line.lines().count() == 1, "{line}");
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (key, expected) in [
        ("proxy", "west"),
        ("method", "POST"),
        ("authority", "cart"),
        ("path", "/items"),
        ("endpoint", "10.0.0.1:80"),
        ("policy", "AuthorizationPolicy/shop/deny/2"),
        ("decision", "000000000000004d"),
        ("route", "VirtualService/shop/cart/1/spec.http[0]"),
        ("trace", "01010101010101010101010101010101"),
    ] {
        assert_eq!(json[key], expected, "{key}");
    }
    assert_eq!((&json["status"], &json["grpcStatus"]), (&403.into(), &7.into()));
    assert_eq!(json["flags"], serde_json::json!(["UAEX"]));
    assert_eq!(json["source"]["owner"], "web-v1");
    assert_eq!(json["service"], serde_json::json!({"namespace": "shop", "host": "cart.shop.svc.cluster.local"}));
    assert_eq!((&json["received"], &json["sent"], &json["attempts"]), (&10.into(), &20.into(), &2.into()));
    assert!(!line.contains("secret"), "{line}");
}
