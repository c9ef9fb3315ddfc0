use bytes::Bytes;
use prost::Message as _;
use ripstop_exchange::{Protocol, RequestFacts};
use ripstop_model::{Change, PathNormalization, RequestMatch, Service, TrafficChange, TrafficPolicy};
use ripstop_net::socket::reset_on_close;
use ripstop_wire::rate_limit::{
    HeaderValue, Period,
    rate_limit_response::{DescriptorStatus, RateLimit, rate_limit::Unit},
};
use tokio::net::TcpListener;

use super::{
    told::{GlobalQuota, good},
    *,
};
use crate::{
    backends::testing::{behind, service as service_of, workload},
    http::{
        admission::Counted,
        filters::edits::{Edits, Text},
        head::Head,
    },
    testing::{Callee, head as head_of, limited, run},
};

fn head(path: &str, fields: &[(&str, &str)]) -> Head {
    let line = RequestFacts {
        method: b"GET",
        scheme: None,
        authority: Some(b"Web.shop:8080"),
        path: path.as_bytes(),
        query: Some(b"q=1"),
        protocol: Protocol::Http11,
    };
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    Head::of(&line, fields, PathNormalization::Base).unwrap()
}

fn entry(key: &str, value: DescriptorValue, default: Option<&str>) -> DescriptorEntry {
    DescriptorEntry { key: key.into(), value, default: default.map(Into::into) }
}

fn limit() -> GlobalRateLimit {
    GlobalRateLimit {
        id: RuleId("TrafficPolicy/shop/a/1/spec.globalRateLimits[0]".into()),
        host: "limits.shop".into(),
        port: 8081,
        domain: "shop".into(),
        requests: RequestMatch::default(),
        descriptors: Vec::new(),
        hits: 1,
        timeout: Duration::from_millis(20),
        on_failure: UnknownLimit::Passes,
        status: 429,
        tells: true,
        dry_run: false,
    }
}

fn status(left: u32, per: u32, unit: Unit, name: &str) -> DescriptorStatus {
    DescriptorStatus {
        code: Code::Ok.into(),
        current_limit: Some(RateLimit { name: name.into(), requests_per_unit: per, unit: unit.into() }),
        limit_remaining: left,
        duration_until_reset: Some(Period { seconds: 7, nanos: 5 }),
    }
}

fn field(key: &str, value: &str) -> HeaderValue {
    HeaderValue { key: key.into(), value: value.into(), raw_value: Bytes::new() }
}

#[test]
fn a_descriptor_has_all_of_its_values_or_is_left_out() {
    let (own, head) = (Arc::new(workload("web", 1)), head("/a/../b", &[("x-user", "ann"), ("x-user", "bob")]));
    let peer = "spiffe://td/ns/shop/sa/web".parse().unwrap();
    let of = |peer, workload: Option<&Workload>, source: &str, wanted: &DescriptorEntry| {
        let asking = Asking { head: &head, peer, source: SocketAddr::new(source.parse().unwrap(), 9) };
        let subject = Subject { asking, own: &own, workload, service: None, called: (Ipv6Addr::LOCALHOST, 80).into() };
        written(wanted, &subject, Some("web.shop.svc")).map(|entry| format!("{}={}", entry.key, entry.value))
    };
    let known = |value| of(Some(&peer), Some(&*own), "10.0.0.1", &entry("k", value, None));
    for (value, told) in [
        (DescriptorValue::Identity, "k=spiffe://td/ns/shop/sa/web"),
        (DescriptorValue::Header("x-user".into()), "k=ann,bob"),
        (DescriptorValue::Header("host".into()), "k=Web.shop:8080"),
        (DescriptorValue::Path, "k=/b"),
        (DescriptorValue::Method, "k=GET"),
        (DescriptorValue::Host, "k=web.shop"),
        (DescriptorValue::SourceAddress, "k=10.0.0.1"),
        (DescriptorValue::Constant("c".into()), "k=c"),
        (DescriptorValue::DestinationService, "k=web.shop.svc"),
    ] {
        assert_eq!(known(value).as_deref(), Some(told));
    }
    let by_address = |source| of(None, None, source, &entry("k", DescriptorValue::SourceAddress, None)).unwrap();
    assert_eq!(by_address("fd00:1:2:3:4::5"), "k=fd00:1:2:3::", "of IPv6 the network");
    assert_eq!(by_address("::ffff:10.0.0.1"), "k=10.0.0.1");
    for value in [DescriptorValue::Identity, DescriptorValue::Header("x".into()), DescriptorValue::DestinationWorkload]
    {
        assert_eq!(of(None, None, "10.0.0.1", &entry("k", value.clone(), None)), None, "{value:?}");
        let stands = of(None, None, "10.0.0.1", &entry("k", value, Some("nobody")));
        assert_eq!(stands.as_deref(), Some("k=nobody"));
    }
}

#[test]
fn only_over_limit_is_one_too_many() {
    let answer =
        |code: i32| grpc::framed(&RateLimitResponse { overall_code: code, ..Default::default() }.encode_to_vec());
    assert_eq!(read(&answer(2)).unwrap().overall_code(), Code::OverLimit);
    for passes in [1, 0, 9] {
        assert_ne!(read(&answer(passes)).unwrap().overall_code(), Code::OverLimit, "{passes}");
    }
    for bad in [grpc::framed(&[0xff; 5]), Vec::new()] {
        assert_eq!(read(&bad).unwrap_err().to_string(), "no answer of a service of limits");
    }
}

#[test]
fn clients_are_told_of_the_limit_that_leaves_least() {
    let quota = GlobalQuota::of(&[
        status(5, 10, Unit::Minute, "per minute"),
        DescriptorStatus::default(),
        status(3, 100, Unit::Day, "say \"no\""),
        status(9, 9, Unit::Unknown, ""),
    ]);
    let limit = "100, 10;w=60;name=\"per minute\", 100;w=86400".to_owned();
    assert_eq!(quota, Some(GlobalQuota { limit, left: 3, reset: 7 }));
    assert_eq!(GlobalQuota::of(&[DescriptorStatus::default()]), None, "nothing is known");
    let mut granted = Granted::default();
    let answer = |left| RateLimitResponse { statuses: vec![status(left, 10, Unit::Second, "")], ..Default::default() };
    granted.take(&limit_silent(), answer(0));
    assert_eq!(granted.quota, None, "clients need not be told");
    for left in [4, 2, 3] {
        granted.take(&self::limit(), answer(left));
    }
    assert_eq!(granted.quota.map(|quota| quota.left), Some(2));
}

fn limit_silent() -> GlobalRateLimit {
    GlobalRateLimit { tells: false, ..limit() }
}

#[test]
fn what_is_over_a_limit_is_refused_in_the_services_words() {
    let answer = RateLimitResponse {
        overall_code: Code::OverLimit.into(),
        statuses: vec![status(0, 2, Unit::Second, "")],
        response_headers_to_add: vec![field("X-Why", "too many"), field("connection", "close"), field("bad name", "a")],
        raw_body: Bytes::from_static(b"later"),
        ..Default::default()
    };
    let told = |local: &Local| -> Vec<String> {
        let text = |value: &Text<'_>| String::from_utf8_lossy(value.as_bytes()).into_owned();
        local.fields.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect()
    };
    let local = refusal(&limit(), answer.clone());
    assert_eq!((local.status, &*local.body, local.details), (429, &b"later"[..], "request_rate_limited"));
    let fields = [
        "x-envoy-ratelimited: true",
        "x-ratelimit-limit: 2, 2;w=1",
        "x-ratelimit-remaining: 0",
        "x-ratelimit-reset: 7",
        "x-why: too many",
    ];
    assert_eq!(told(&local), fields);
    assert_eq!(told(&refusal(&limit_silent(), answer)), ["x-envoy-ratelimited: true", "x-why: too many"]);
}

#[test]
fn fields_that_would_break_a_message_are_left_out() {
    let raw = HeaderValue { key: "x-raw".into(), value: String::new(), raw_value: Bytes::from_static(b"\xff") };
    let bad = [
        field("content-length", "7"),
        field(":status", "200"),
        field("", "a"),
        field("x-a", "a\r\nx-b: c"),
        field("host", "else"),
    ];
    let all = bad.into_iter().chain([raw, field("X-Good", "a b")]).collect();
    let kept: Vec<_> = good(all).collect();
    assert_eq!(kept, [("x-raw".to_owned(), b"\xff".to_vec()), ("x-good".to_owned(), b"a b".to_vec())]);
}

const LIMITS: &str = "limits.ns.svc.cluster.local";

/// A service that takes connections, and says nothing.
async fn silent(callee: &Callee, on_failure: UnknownLimit, timeout: Duration) -> TcpListener {
    // At the workload's own address there would be the workload.
    let service = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = service.local_addr().unwrap();
    let own = Service { addresses: vec!["240.240.0.9".parse().unwrap()], ..service_of("limits") };
    let instance = behind(workload("limits", 2), &own, address.port());
    let instance = Workload { addresses: vec![address.ip()], ..instance };
    callee.worker.change(Change::Service(Arc::new(own)));
    callee.worker.change(Change::Workload(Arc::new(instance)));
    let descriptors = vec![LimitDescriptor(vec![entry("k", DescriptorValue::Constant("c".into()), None)])];
    let asked = GlobalRateLimit { host: LIMITS.into(), port: 80, descriptors, timeout, on_failure, ..limit() };
    let Change::TrafficObject(TrafficChange::Policy(name, Some(policy))) = limited(1) else { unreachable!() };
    let policy = TrafficPolicy {
        rate_limits: Vec::new(),
        global_rate_limits: vec![Arc::new(asked)],
        ..TrafficPolicy::clone(&policy)
    };
    callee.worker.change(Change::TrafficObject(TrafficChange::Policy(name, Some(Arc::new(policy)))));
    service
}

const ASK: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn without_an_answer_in_time_a_request_passes() {
    run(async {
        let callee = Callee::unread().await;
        let _service = silent(&callee, UnknownLimit::Passes, Duration::from_millis(30)).await;
        let mut client = callee.sent(ASK).await;
        let _application = callee.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let answer = head_of(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("ratelimit"), "{answer}");
        let mut metrics = String::new();
        callee.worker.context.shared.global_limits.render(&mut metrics);
        assert!(metrics.contains("section=\"\",result=\"failed\"} 1\n"), "{metrics}");
        let told = callee.worker.context.shared.global_limits.inspect()[0]["allowance"].to_string();
        let failed = "counts in domain shop; 1 without an answer, the last time: no answer within 30ms";
        assert!(told.contains(&format!("{LIMITS}:80 {failed}")), "{told}");
    });
}

#[test]
fn without_an_answer_in_time_a_request_is_refused_where_it_shall_be() {
    run(async {
        let callee = Callee::unread().await;
        let _service = silent(&callee, UnknownLimit::Refused, Duration::from_millis(30)).await;
        let mut client = callee.sent(ASK).await;
        let answer = head_of(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        callee.worker.requests.tells("GET /a HTTP/1.1 500 RLSE rate_limiter_error\n").await;
    });
}

#[test]
fn whoever_leaves_is_not_waited_for() {
    run(async {
        let callee = Callee::unread().await;
        let service = silent(&callee, UnknownLimit::Refused, Duration::from_secs(10)).await;
        let client = callee.sent(ASK).await;
        let asked = tokio::time::timeout(Duration::from_secs(9), service.accept()).await;
        let _asked = asked.expect("the service is asked").unwrap();
        // Of one that has merely ended its side, nobody knows.
        reset_on_close(&client).unwrap();
        drop(client);
        callee.worker.requests.tells("GET /a HTTP/1.1 0 DC downstream_remote_disconnect\n").await;
    });
}

#[test]
fn what_is_added_for_an_endpoint_holds_for_every_attempt() {
    let mut counted = Counted::of((Ipv6Addr::LOCALHOST, 1).into());
    let mut granted = Granted::default();
    let answer = RateLimitResponse {
        request_headers_to_add: vec![field("x-tier", "a")],
        statuses: vec![status(1, 2, Unit::Second, "")],
        ..Default::default()
    };
    granted.take(&limit(), answer);
    counted.passed_to_endpoint(Allowed::new(None, Some(Box::new(granted)), Vec::new()));
    // The next attempt goes to an endpoint of which nobody asks anything.
    counted.passed_to_endpoint(Allowed::default());
    assert_eq!(counted.granted().request().collect::<Vec<_>>(), [("x-tier", &b"a"[..])]);
    let mut edits = Edits::new();
    counted.granted().tell(&mut edits);
    assert_eq!(edits.list().len(), 3, "the client is told of the limit");
}
