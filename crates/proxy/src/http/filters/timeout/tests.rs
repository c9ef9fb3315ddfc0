use ripstop_model::RetryPolicy;

use super::*;
use crate::http::filters::{
    origin::Shaping,
    samples::{lines, list, request, rule},
};

const MESH: Origin = Origin::Mesh;

#[expect(clippy::unnecessary_wraps, reason = "it is compared with timeouts, of which there may be none")]
const fn ms(milliseconds: u64) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds))
}

fn of(
    origin: Origin,
    timeout: Option<Duration>,
    per_try: Option<Duration>,
    fields: &[(&'static str, &'static str)],
) -> Timeouts {
    let policy = RetryPolicy { per_try_timeout: per_try, ..RetryPolicy::default() };
    let rule = HttpRule { timeout, ..rule(Vec::new()) };
    let retries = Retries::of(&policy, Shaping::NONE);
    Timeouts::of(&request(&list(fields)), origin, Some(&rule), &retries)
}

/// Those of the whole and of each attempt.
fn pair(timeouts: Timeouts) -> (Option<Duration>, Option<Duration>) {
    (timeouts.whole, timeouts.per_try)
}

fn told(timeouts: Timeouts, elapsed: u64) -> Vec<String> {
    let mut edits = Edits::new();
    timeouts.tell(Duration::from_millis(elapsed), &ripstop_model::ProxyHeaders::default(), &mut edits);
    lines(&edits.list())
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[test]
fn none_unless_the_rule_has_one() {
    assert_eq!(pair(of(MESH, None, None, &[])), (None, None));
    assert_eq!(pair(of(MESH, ms(3000), None, &[])), (ms(3000), None));
    let policy = RetryPolicy::default();
    let retries = Retries::of(&policy, Shaping::NONE);
    assert_eq!(pair(Timeouts::of(&request(&list(&[])), MESH, None, &retries)), (None, None));
}

#[test]
fn an_attempt_ends_before_the_whole_or_with_it() {
    assert_eq!(pair(of(MESH, ms(3000), ms(1000), &[])), (ms(3000), ms(1000)));
    assert_eq!(pair(of(MESH, ms(1000), ms(1000), &[])), (ms(1000), None));
    assert_eq!(pair(of(MESH, ms(1000), ms(2000), &[])), (ms(1000), None));
    assert_eq!(pair(of(MESH, None, ms(2000), &[])), (None, ms(2000)));
    let timeouts = of(MESH, ms(3000), ms(1000), &[]);
    let after = |milliseconds| timeouts.of_attempt(Duration::from_millis(milliseconds));
    assert_eq!([after(0), after(2000), after(2500), after(4000)], [ms(1000), ms(1000), ms(500), ms(0)]);
    assert_eq!(timeouts.left(Duration::from_millis(400)), ms(2600));
}

#[test]
fn grpc_says_it_itself_up_to_the_rules() {
    let asked = |value| [GRPC, ("grpc-timeout", value)];
    assert_eq!(pair(of(MESH, ms(3000), None, &asked("1S"))), (ms(1000), None));
    assert_eq!(pair(of(MESH, ms(3000), None, &asked("9S"))), (ms(3000), None));
    assert_eq!(pair(of(MESH, None, None, &asked("1S"))), (ms(1000), None));
    assert_eq!(pair(of(MESH, None, ms(1000), &asked("300m"))), (ms(300), None));
    assert_eq!(pair(of(MESH, ms(3000), None, &asked("bad"))), (ms(3000), None));
    assert_eq!(pair(of(MESH, ms(3000), None, &[GRPC])), (ms(3000), None));
    // Only of gRPC.
    assert_eq!(pair(of(MESH, None, None, &[("grpc-timeout", "1S")])), (None, None));
}

#[test]
fn a_caller_may_say_it() {
    let fields = [("x-envoy-upstream-rq-timeout-ms", "500"), ("x-envoy-upstream-rq-per-try-timeout-ms", "100")];
    assert_eq!(pair(of(Origin::Caller, ms(3000), None, &fields)), (ms(500), ms(100)));
    assert_eq!(pair(of(MESH, ms(3000), None, &fields)), (ms(3000), None));
    assert_eq!(pair(of(Origin::Outside { client: None }, ms(3000), None, &fields)), (ms(3000), None));
    let none = [("x-envoy-upstream-rq-timeout-ms", "0")];
    assert_eq!(pair(of(Origin::Caller, ms(3000), None, &none)), (None, None));
    let bad = [("x-envoy-upstream-rq-timeout-ms", "soon")];
    assert_eq!(pair(of(Origin::Caller, ms(3000), None, &bad)), (ms(3000), None));
}

#[test]
fn servers_are_told() {
    assert_eq!(told(of(MESH, None, None, &[GRPC]), 0), Vec::<String>::new());
    assert_eq!(told(of(MESH, ms(3000), None, &[]), 0), ["=x-envoy-expected-rq-timeout-ms: 3000"]);
    assert_eq!(told(of(MESH, ms(3000), ms(1000), &[]), 2500), ["=x-envoy-expected-rq-timeout-ms: 500"]);
    assert_eq!(told(of(MESH, ms(3000), None, &[]), 5000), ["=x-envoy-expected-rq-timeout-ms: 1"]);
    let grpc = of(MESH, None, None, &[GRPC, ("grpc-timeout", "1500u")]);
    assert_eq!(told(grpc, 0), ["=x-envoy-expected-rq-timeout-ms: 2", "=grpc-timeout: 2m"]);
}

#[test]
fn deadlines_go_on() {
    let told = |value| [("x-envoy-expected-rq-timeout-ms", value)];
    assert_eq!(pair(of(MESH, None, None, &told("500"))), (ms(500), None));
    // A caller's call that has no end gets none.
    assert_eq!(pair(of(Origin::Caller, None, None, &told("500"))), (None, None));
    for origin in [MESH, Origin::Caller] {
        assert_eq!(pair(of(origin, ms(3000), ms(1000), &told("500"))), (ms(500), None));
        assert_eq!(pair(of(origin, ms(3000), None, &told("5000"))), (ms(3000), None));
        for nothing in ["0", "soon", "-1", ""] {
            assert_eq!(pair(of(origin, ms(3000), None, &told(nothing))), (ms(3000), None), "{nothing}");
        }
    }
    let behind = Origin::Behind { proxy: "10.0.0.1".parse().unwrap(), client: None };
    for outside in [Origin::Outside { client: None }, behind] {
        assert_eq!(pair(of(outside, ms(3000), None, &told("500"))), (ms(3000), None));
    }
    let both = [GRPC, ("grpc-timeout", "1S"), ("x-envoy-expected-rq-timeout-ms", "700")];
    let both = of(MESH, ms(3000), None, &both);
    // What is told to the next one is less by what has passed.
    assert_eq!(super::tests::told(both, 200), ["=x-envoy-expected-rq-timeout-ms: 500", "=grpc-timeout: 500m"]);
    let more = [("x-envoy-upstream-rq-timeout-ms", "900"), ("x-envoy-expected-rq-timeout-ms", "700")];
    assert_eq!(pair(of(Origin::Caller, ms(3000), None, &more)), (ms(900), None));
}

#[test]
fn who_has_no_time_blames_nobody() {
    let blames = |timeouts: Timeouts, elapsed| timeouts.blames(Duration::from_millis(elapsed));
    let hasty = of(MESH, ms(3000), None, &[GRPC, ("grpc-timeout", "1m")]);
    assert!(!blames(hasty, 1) && !blames(hasty, 50));
    let by_rule = of(MESH, ms(3000), None, &[GRPC, ("grpc-timeout", "9S")]);
    assert!(blames(by_rule, 3000));
    // Who hangs for long is to blame, whatever the caller's time, and where no rule grants any.
    for granted in [None, ms(30_000)] {
        assert!(blames(of(MESH, granted, None, &[GRPC, ("grpc-timeout", "5S")]), 5000));
    }
    // A caller has no time for an attempt.
    let hasty = [("x-envoy-upstream-rq-per-try-timeout-ms", "1")];
    assert!(!blames(of(Origin::Caller, ms(3000), None, &hasty), 1));
    let patient = [("x-envoy-upstream-rq-per-try-timeout-ms", "2000")];
    assert!(blames(of(Origin::Caller, ms(9000), None, &patient), 2000));
    // One attempt took too long, whatever the caller's time.
    let per_try = of(MESH, ms(3000), ms(100), &[GRPC, ("grpc-timeout", "1S")]);
    assert!(blames(per_try, 100));
    let per_try = of(MESH, ms(3000), ms(100), &[GRPC, ("grpc-timeout", "900m")]);
    assert!(blames(per_try, 100) && !blames(per_try, 900));
    assert!(blames(of(MESH, None, ms(100), &[]), 100));
}
