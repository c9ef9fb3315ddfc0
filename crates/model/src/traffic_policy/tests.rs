use super::*;

fn requests() -> RequestMatch {
    RequestMatch {
        path: Some(TextMatch::Prefix("/api".into())),
        methods: vec!["GET".into(), "PUT".into()],
        headers: vec![("x-a".into(), TextMatch::Exact("1".into())), ("x-b".into(), TextMatch::Present)],
    }
}

#[test]
fn all_that_is_asked_for_must_hold() {
    let header = |with: &'static str| {
        move |name: &str| with.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix(':')).map(Cow::Borrowed)
    };
    let met = |method, path, with| requests().is_met(method, path, header(with));
    assert!(met("GET", "/api/x", "x-a:1 x-b:2") && met("PUT", "/apis", "x-b: x-a:1"));
    assert!(!met("POST", "/api", "x-a:1 x-b:2") && !met("GET", "/", "x-a:1 x-b:2"));
    assert!(!met("GET", "/api", "x-a:12 x-b:2") && !met("GET", "/api", "x-a:1"));
    assert!(RequestMatch::default().is_met("ANY", "/", |_| None));
    let exact = RequestMatch { path: Some(TextMatch::Exact("/a".into())), ..RequestMatch::default() };
    assert!(exact.is_met("GET", "/a", |_| None) && !exact.is_met("GET", "/a/", |_| None));
}

#[test]
fn limits_and_targets_have_words() {
    let allowance = Allowance {
        requests: requests(),
        key: LimitKey::Header("x-user".into()),
        count: 10,
        interval: Duration::from_secs(1),
        burst: 20,
    };
    assert_eq!(allowance.to_string(), "10 requests GET,PUT /api* x-a=1 x-b of each value of x-user in 1s, 20 at once");
    let plain = Allowance { requests: RequestMatch::default(), key: LimitKey::All, ..allowance };
    assert_eq!(plain.to_string(), "10 requests in 1s, 20 at once");
    let target = TrafficTarget { kind: TrafficTargetKind::Entry, name: "bank".into(), section: Some("http".into()) };
    assert_eq!(target.to_string(), "http of ServiceEntry bank");
}
