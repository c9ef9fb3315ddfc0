use std::io;

use ripstop_h2::Code;

use super::*;
use crate::http::filters::{
    origin::Origin,
    samples::{List, list},
};

fn policy(on: &[&str], status_codes: &[u16]) -> RetryPolicy {
    RetryPolicy {
        on: on.iter().map(|word| (*word).into()).collect(),
        status_codes: status_codes.to_vec(),
        ..RetryPolicy::default()
    }
}

fn failure(fault: Fault, sent: Sent, answered: Answered) -> Failure {
    Failure { party: Party::Upstream, fault, sent, answered }
}

/// The words, each alone, that retry an attempt; status code 418 is among the retriable.
fn words_for(attempt: Attempt<'_>) -> Vec<&'static str> {
    let all = [
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
        "http3-post-connect-failure",
    ];
    let asked = list(&[("x-envoy-retriable-header-names", "X-Again, x-once-more")]);
    let retried =
        |word: &&str| Retries::of(&policy(&[word], &[418]), Origin::Caller.shaping(&asked)).should_retry(attempt);
    all.into_iter().filter(retried).collect()
}

fn words_for_answer(status: u16, fields: &[(&'static str, &'static str)]) -> Vec<&'static str> {
    words_for(Attempt::Answer { status, headers: &list(fields) })
}

#[test]
fn answers() {
    let none: [&str; 0] = [];
    assert_eq!(words_for_answer(200, &[]), none);
    assert_eq!(words_for_answer(404, &[]), none);
    assert_eq!(words_for_answer(500, &[]), ["5xx"]);
    for status in [502, 503, 504] {
        assert_eq!(words_for_answer(status, &[]), ["5xx", "gateway-error"]);
    }
    assert_eq!(words_for_answer(599, &[]), ["5xx"]);
    assert_eq!(words_for_answer(409, &[]), ["retriable-4xx"]);
    assert_eq!(words_for_answer(418, &[]), ["retriable-status-codes"]);
    assert_eq!(words_for_answer(200, &[("x-again", "")]), ["retriable-headers"]);
    assert_eq!(words_for_answer(503, &[("x-envoy-ratelimited", "true")]), ["envoy-ratelimited"]);
}

#[test]
fn statuses_of_grpc() {
    for (status, word) in [
        ("1", "cancelled"),
        ("4", "deadline-exceeded"),
        ("13", "internal"),
        ("8", "resource-exhausted"),
        ("14", "unavailable"),
    ] {
        assert_eq!(words_for_answer(200, &[("grpc-status", status)]), [word]);
    }
    for status in ["0", "2", "5", "14x", ""] {
        assert_eq!(words_for_answer(200, &[("grpc-status", status)]), Vec::<&str>::new(), "{status}");
    }
}

#[test]
fn ends_without_an_answer() {
    let any = ["5xx", "gateway-error", "reset"];
    let unsent = ["5xx", "gateway-error", "reset", "reset-before-request", "connect-failure"];
    assert_eq!(words_for(Attempt::NotConnected), unsent);
    let of = |fault, sent, answered| words_for(Attempt::Failed(&failure(fault, sent, answered)));
    assert_eq!(of(Fault::Gone, Sent::Nothing, Answered::Nothing), unsent);
    assert_eq!(of(Fault::Gone, Sent::All, Answered::Nothing), any);
    assert_eq!(of(Fault::Io(io::ErrorKind::ConnectionReset.into()), Sent::Head, Answered::Nothing), any);
    assert_eq!(of(Fault::Reset(Code::INTERNAL_ERROR), Sent::PartOfBody, Answered::Nothing), any);
    assert_eq!(
        of(Fault::Unprocessed, Sent::All, Answered::Nothing),
        ["5xx", "gateway-error", "reset", "refused-stream"]
    );
    assert_eq!(words_for(Attempt::TimedOut { sent: Sent::All }), any);
    assert_eq!(
        words_for(Attempt::TimedOut { sent: Sent::Nothing }),
        ["5xx", "gateway-error", "reset", "reset-before-request"]
    );
}

#[test]
fn what_is_never_retried() {
    let none: [&str; 0] = [];
    assert_eq!(words_for(Attempt::Overflow), none);
    let begun = failure(Fault::Gone, Sent::All, Answered::Begun);
    assert_eq!(words_for(Attempt::Failed(&begun)), none);
    let gone = Failure { party: Party::Downstream, ..failure(Fault::Gone, Sent::All, Answered::Nothing) };
    assert_eq!(words_for(Attempt::Failed(&gone)), none);
    let large = failure(Fault::HeadTooLarge, Sent::Nothing, Answered::Nothing);
    assert_eq!(words_for(Attempt::Failed(&large)), none);
}

#[test]
fn the_meshs_default_retries_what_was_not_processed() {
    let default = RetryPolicy::default();
    let retries = Retries::of(&default, Shaping::NONE);
    assert_eq!(retries.attempts, 2);
    assert!(retries.is_possible());
    let answer = |status, fields: &[(&'static str, &'static str)]| {
        retries.should_retry(Attempt::Answer { status, headers: &list(fields) })
    };
    assert!(retries.should_retry(Attempt::NotConnected));
    assert!(retries.should_retry(Attempt::Failed(&failure(Fault::Unprocessed, Sent::All, Answered::Nothing))));
    assert!(answer(200, &[("grpc-status", "14")]));
    assert!(answer(200, &[("grpc-status", "1")]));
    // It names status codes, and has none.
    assert!(!answer(503, &[]));
    assert!(!retries.should_retry(Attempt::Failed(&failure(Fault::Gone, Sent::All, Answered::Nothing))));
    assert!(!retries.should_retry(Attempt::TimedOut { sent: Sent::All }));
}

#[test]
fn bare_numbers_are_status_codes() {
    let policy = policy(&["connect-failure", "503"], &[]);
    let retries = Retries::of(&policy, Shaping::NONE);
    let headers = list(&[]);
    assert!(retries.should_retry(Attempt::Answer { status: 503, headers: &headers }));
    assert!(!retries.should_retry(Attempt::Answer { status: 502, headers: &headers }));
}

#[test]
fn attempts_are_counted_and_paused() {
    let policy = policy(&["5xx"], &[]);
    let retries = Retries::of(&policy, Shaping::NONE);
    let headers = list(&[]);
    let failed = Attempt::Answer { status: 500, headers: &headers };
    let half = u64::MAX / 2 + 1;
    // Half of 25 ms, then half of twice that.
    assert_eq!(retries.next(0, failed, half), Next::Again(Duration::from_micros(12_500)));
    assert_eq!(retries.next(1, failed, half), Next::Again(Duration::from_millis(25)));
    assert_eq!(retries.next(2, failed, half), Next::Exhausted);
    assert_eq!(retries.next(0, Attempt::Answer { status: 200, headers: &headers }, half), Next::Done);
    let never = RetryPolicy { attempts: 0, ..policy.clone() };
    let never = Retries::of(&never, Shaping::NONE);
    assert!(!never.is_possible());
    assert_eq!(never.next(0, failed, half), Next::Done);
}

#[test]
fn callers_ask_for_more() {
    let asked: List = list(&[
        ("x-envoy-retry-on", "gateway-error, 429"),
        ("x-envoy-retry-grpc-on", "internal"),
        ("x-envoy-max-retries", "5"),
        ("x-envoy-retriable-status-codes", "425,x"),
    ]);
    let policy = policy(&["connect-failure"], &[]);
    let retries = Retries::of(&policy, Origin::Caller.shaping(&asked));
    assert_eq!(retries.attempts, 5);
    let none = list(&[]);
    let retried = |status| retries.should_retry(Attempt::Answer { status, headers: &none });
    assert_eq!([429, 425, 502, 500, 404].map(retried), [true, true, true, false, false]);
    assert!(retries.should_retry(Attempt::NotConnected));
    let internal = list(&[("grpc-status", "13")]);
    assert!(retries.should_retry(Attempt::Answer { status: 200, headers: &internal }));
    assert_eq!(Retries::of(&policy, Origin::Mesh.shaping(&asked)).attempts, 2);
}
