use ripstop_exchange::{Protocol, RequestFacts};
use ripstop_model::{Allowance, PathNormalization, RequestMatch, TextMatch, TrafficPolicy, TrafficTargetKind};

use super::*;

/// A worker of a proxy, and a policy for `web`.
struct Bed {
    shared: RateLimits,
    worker: WorkerLimits,
    policy: Arc<TrafficPolicy>,
}

/// A limit of so many in an hour.
fn limit(index: usize, key: LimitKey, count: u32) -> RateLimit {
    RateLimit {
        id: RuleId(format!("TrafficPolicy/shop/a/1/spec.rateLimits[{index}]").into()),
        allowance: Allowance {
            requests: RequestMatch::default(),
            key,
            count,
            interval: Duration::from_secs(3600),
            burst: count,
        },
        status: 429,
        tells: true,
        dry_run: false,
    }
}

impl Bed {
    fn new(limits: Vec<RateLimit>) -> Self {
        let target = TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: None };
        let policy = TrafficPolicy {
            id: RuleId("TrafficPolicy/shop/a/1".into()),
            namespace: "shop".into(),
            name: "a".into(),
            targets: vec![target],
            rate_limits: limits.into_iter().map(Arc::new).collect(),
            retry_budget: None,
            session_affinity: None,
            global_rate_limits: Vec::new(),
            connection_rates: Vec::new(),
            connection_limits: Vec::new(),
            balancing: None,
            health_checks: None,
            adaptive_concurrency: None,
            hedging: None,
            created: 1,
        };
        Self { shared: RateLimits::default(), worker: WorkerLimits::default(), policy: Arc::new(policy) }
    }

    fn asks(
        &self,
        worker: &WorkerLimits,
        head: &Head,
        peer: Option<&str>,
        source: &str,
    ) -> Result<Option<Quota>, Exceeded> {
        let limiting = Limiting { policy: &self.policy, target: &self.policy.targets[0] };
        let peer: Option<SpiffeId> = peer.map(|peer| peer.parse().unwrap());
        let source: IpAddr = source.parse().unwrap();
        let asking = Asking { head, peer: peer.as_ref(), source: (source, 40000).into() };
        worker.admit(&self.shared, 1, &[limiting], None, &asking)
    }

    /// Whether each request passes; each is `METHOD /path [name:value…]`.
    fn pass(&self, requests: &[&str]) -> Vec<bool> {
        requests.iter().map(|text| self.asks(&self.worker, &head(text), None, "10.0.0.1").is_ok()).collect()
    }

    /// Passed, refused, and spared on trial.
    fn counted(&self) -> Vec<u64> {
        let mut text = String::new();
        self.shared.render(&mut text);
        let counts = text.lines().filter_map(|line| line.split_once("result=")?.1.split_once("} "));
        counts.map(|(_, count)| count.parse().unwrap()).collect()
    }
}

fn head(text: &str) -> Head {
    let mut words = text.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let fields: Vec<(&[u8], &[u8])> = words
        .map(|word| word.split_once(':').unwrap())
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let line = RequestFacts {
        method: method.as_bytes(),
        scheme: None,
        authority: Some(b"web"),
        path: path.as_bytes(),
        query: query.map(str::as_bytes),
        protocol: Protocol::Http11,
    };
    Head::of(&line, fields.into_iter(), PathNormalization::Base).unwrap()
}

#[test]
fn what_is_beyond_a_limit_is_refused_and_the_client_is_told() {
    let bed = Bed::new(vec![limit(0, LimitKey::All, 2)]);
    let quota = bed.asks(&bed.worker, &head("GET /"), None, "10.0.0.1").unwrap().unwrap();
    assert_eq!(quota.fields(), [("x-ratelimit-limit", 2), ("x-ratelimit-remaining", 1), ("x-ratelimit-reset", 1800)]);
    assert!(bed.asks(&bed.worker, &head("GET /"), None, "10.0.0.1").is_ok());
    let exceeded = bed.asks(&bed.worker, &head("GET /"), None, "10.0.0.1").unwrap_err();
    assert_eq!(exceeded.rule, RuleId("TrafficPolicy/shop/a/1/spec.rateLimits[0]".into()));
    let local = exceeded.local();
    let told: Vec<String> = local
        .fields
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let expected = [
        "x-envoy-ratelimited: true",
        "retry-after: 1800",
        "x-ratelimit-limit: 2",
        "x-ratelimit-remaining: 0",
        "x-ratelimit-reset: 3600",
    ];
    assert_eq!(told, expected);
    assert_eq!((local.status, &*local.body), (429, &b"local_rate_limited"[..]));
    assert_eq!(bed.counted(), [2, 1, 0]);
}

#[test]
fn a_client_need_not_be_told() {
    let silent = RateLimit { tells: false, status: 503, ..limit(0, LimitKey::All, 1) };
    let bed = Bed::new(vec![silent]);
    assert_eq!(bed.asks(&bed.worker, &head("GET /"), None, "10.0.0.1"), Ok(None));
    let local = bed.asks(&bed.worker, &head("GET /"), None, "10.0.0.1").unwrap_err().local();
    assert_eq!((local.status, local.fields.len()), (503, 1), "but by the status");
}

#[test]
fn those_that_have_something_in_common_count_together() {
    let user = LimitKey::Header("x-user".into());
    assert_eq!(
        Bed::new(vec![limit(0, user, 1)]).pass(&[
            "GET / x-user:a",
            "GET / x-user:b",
            "GET /other x-user:a",
            "GET /",
            "GET /",
            "GET / x-user:a x-user:b",
            "GET / x-user:",
        ]),
        [true, true, false, true, false, true, true],
        "who leaves it out counts with those who do"
    );
    // It is asked for `web`, and HTTP/2 has no field for that.
    let host = Bed::new(vec![limit(0, LimitKey::Header("host".into()), 1)]);
    assert_eq!(host.pass(&["GET /", "GET / host:web", "GET / host:other"]), [true, false, false]);
    let path = Bed::new(vec![limit(0, LimitKey::Path, 1)]);
    assert_eq!(
        path.pass(&["GET /a", "GET /a?b", "POST /a", "GET /a/../a", "GET /b"]),
        [true, false, false, false, true]
    );
    let by = Bed::new(vec![limit(0, LimitKey::SourceAddress, 1)]);
    let from = |source: &str| by.asks(&by.worker, &head("GET /"), None, source).is_ok();
    assert!(from("10.0.0.1") && from("10.0.0.2") && !from("10.0.0.1") && !from("::ffff:10.0.0.2"));
    assert!(from("fd00::1") && !from("fd00::ffff:1") && from("fd00:0:0:1::1"), "of IPv6 the network counts");
    let by = Bed::new(vec![limit(0, LimitKey::Identity, 1)]);
    let as_peer = |peer| by.asks(&by.worker, &head("GET /"), peer, "10.0.0.1").is_ok();
    let (one, two) = (Some("spiffe://c/ns/a/sa/one"), Some("spiffe://c/ns/a/sa/two"));
    assert!(as_peer(one) && as_peer(two) && as_peer(None) && !as_peer(one) && !as_peer(None));
}

#[test]
fn only_what_is_meant_counts() {
    let mut one = limit(0, LimitKey::All, 1);
    one.allowance.requests = RequestMatch {
        path: Some(TextMatch::Prefix("/api".into())),
        methods: vec!["GET".into(), "PUT".into()],
        headers: vec![("x-a".into(), TextMatch::Exact("1".into())), ("x-b".into(), TextMatch::Present)],
    };
    let bed = Bed::new(vec![one]);
    let others = ["GET /a x-a:1 x-b:2", "POST /api x-a:1 x-b:2", "GET /api x-a:2 x-b:2", "GET /api x-a:1"];
    assert_eq!(bed.pass(&[others, others].concat()), [true; 8]);
    assert_eq!(bed.pass(&["PUT /api/x x-a:1 x-b:2", "GET /api x-b:2 x-a:1"]), [true, false]);
}

#[test]
fn what_one_limit_refuses_is_counted_by_no_other() {
    let bed = Bed::new(vec![limit(0, LimitKey::All, 3), limit(1, LimitKey::Path, 1)]);
    assert_eq!(bed.pass(&["GET /a", "GET /a", "GET /a", "GET /a"]), [true, false, false, false]);
    assert_eq!(bed.pass(&["GET /b", "GET /c", "GET /d"]), [true, true, false]);
    let quota = Bed::new(vec![limit(0, LimitKey::All, 9), limit(1, LimitKey::Path, 5)]);
    let quota = quota.asks(&quota.worker, &head("GET /"), None, "10.0.0.1").unwrap().unwrap();
    assert_eq!((quota.limit, quota.left), (5, 4), "the one that leaves least is told");
}

#[test]
fn a_limit_on_trial_refuses_nobody_and_tells_operators_alone() {
    let trial = RateLimit { dry_run: true, ..limit(0, LimitKey::All, 1) };
    let bed = Bed::new(vec![trial]);
    for _ in 0..3 {
        assert_eq!(bed.asks(&bed.worker, &head("GET /"), None, "10.0.0.1"), Ok(None));
    }
    assert_eq!(bed.counted(), [1, 0, 2]);
}

#[test]
fn workers_count_together_and_configurations_that_leave_a_limit_alone_leave_its_count() {
    let bed = Bed::new(vec![limit(0, LimitKey::All, 2)]);
    let other = WorkerLimits::default();
    assert!(bed.asks(&bed.worker, &head("GET /"), None, "10.0.0.1").is_ok());
    assert!(bed.asks(&other, &head("GET /"), None, "10.0.0.1").is_ok());
    assert!(bed.asks(&bed.worker, &head("GET /"), None, "10.0.0.1").is_err());
    // The same limit of the next generation, now the second one, with another status.
    let next = RateLimit { status: 503, ..limit(1, LimitKey::All, 2) };
    let policy = TrafficPolicy {
        id: RuleId("TrafficPolicy/shop/a/2".into()),
        rate_limits: vec![Arc::new(limit(0, LimitKey::Path, 100)), Arc::new(next)],
        ..(*bed.policy).clone()
    };
    let bed = Bed { policy: Arc::new(policy), ..bed };
    assert_eq!(bed.asks(&bed.worker, &head("GET /"), None, "10.0.0.1").unwrap_err().status, 503);
}
