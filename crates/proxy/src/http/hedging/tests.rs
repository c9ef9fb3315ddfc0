use std::sync::Arc;

use ripstop_model::{
    Change, HedgeDelay, Hedging, PortSettings, RetryBudget, RuleId, ServerProtocol, Share, TrafficChange,
    TrafficPolicy, TrafficTarget, TrafficTargetKind,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::{
    backends::testing::{behind, service, workload},
    testing::{Edge, Leads, Played, forward, head, run, until},
};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: web.example\r\n\r\n";

fn hedging(attempts: u32) -> Hedging {
    Hedging {
        id: RuleId("TrafficPolicy/ns/web/1/spec.hedging".into()),
        delay: HedgeDelay::Fixed(Duration::from_millis(150)),
        attempts,
        methods: vec!["GET".into()],
    }
}

fn policy(hedging: Hedging, budget: Option<u32>) -> Change {
    let target = TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: None };
    let policy = TrafficPolicy {
        id: RuleId("TrafficPolicy/ns/web/1".into()),
        namespace: "ns".into(),
        name: "web".into(),
        targets: vec![target],
        rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        retry_budget: budget.map(|min_concurrency| RetryBudget {
            share: Share::NONE,
            min_concurrency,
            min_per_second: 0,
            interval: Duration::ZERO,
        }),
        session_affinity: None,
        global_rate_limits: Vec::new(),
        balancing: None,
        health_checks: None,
        adaptive_concurrency: None,
        hedging: Some(Arc::new(hedging)),
        created: 1,
    };
    Change::TrafficObject(TrafficChange::Policy(("ns".into(), "web".into()), Some(Arc::new(policy))))
}

/// A gateway that calls as many servers as there are, and hedges.
async fn edge(servers: &[Played], policy: Change) -> Edge {
    let leads = Leads::To(servers[0].address());
    let edge = Edge::new(ServerProtocol::Http, leads, PortSettings::default(), forward()).await;
    for (number, server) in (3..).zip(&servers[1..]) {
        let mut more = behind(workload(&format!("web{number}"), number), &service("web"), server.address().port());
        more.addresses = vec![server.address().ip()];
        edge.worker.change(Change::Workload(Arc::new(more)));
    }
    edge.worker.change(policy);
    edge
}

/// Whoever is asked next.
async fn asked(servers: &[Played]) -> (usize, TcpStream, String) {
    let [one, other, third] = servers else { panic!("three servers") };
    let (number, (stream, head)) = tokio::select! {
        asked = one.asked() => (0, asked),
        asked = other.asked() => (1, asked),
        asked = third.asked() => (2, asked),
    };
    (number, stream, head.to_ascii_lowercase())
}

async fn three() -> Vec<Played> {
    vec![Played::new().await, Played::new().await, Played::new().await]
}

/// Nobody waits for its answer.
async fn is_ended(stream: &mut TcpStream) {
    let mut heard = [0; 1];
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut heard)).await;
    assert_eq!(ended.expect("it ends in time").unwrap_or(0), 0);
}

async fn answers(stream: &mut TcpStream, status: u16) {
    let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// So many of that result were counted.
fn counted(edge: &Edge, result: &str, count: u64) -> bool {
    let end = format!("result=\"{result}\"}} {count}");
    let metrics = edge.worker.metrics();
    metrics.lines().any(|line| line.starts_with("ripstop_hedged_requests_total{") && line.ends_with(&end))
}

#[test]
fn whoever_answers_well_first_answers() {
    run(async {
        let servers = three().await;
        let edge = edge(&servers, policy(hedging(2), Some(5))).await;
        let mut client = edge.sent(GET).await;
        let (first, mut slow, asked_first) = asked(&servers).await;
        assert!(asked_first.contains("x-envoy-attempt-count: 1\r\n"), "{asked_first}");
        let (second, mut fast, asked_second) = asked(&servers).await;
        assert!(first != second && asked_second.contains("x-envoy-attempt-count: 2\r\n"), "{asked_second}");
        answers(&mut fast, 201).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 201 "));
        is_ended(&mut slow).await;
        until(|| counted(&edge, "won", 1)).await;

        // The first one may be faster after all.
        client.write_all(GET).await.unwrap();
        let (_, mut slow, _) = asked(&servers).await;
        let (_, mut other, _) = asked(&servers).await;
        answers(&mut slow, 404).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 404 "));
        is_ended(&mut other).await;

        // A failure is not what is waited for, whoever fails.
        for fails_first in [true, false] {
            let mut client = edge.sent(GET).await;
            let (_, mut one, _) = asked(&servers).await;
            let (_, mut other, _) = asked(&servers).await;
            let (bad, good) = if fails_first { (&mut one, &mut other) } else { (&mut other, &mut one) };
            answers(bad, 500).await;
            answers(good, 200).await;
            let head = head(&mut client).await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{fails_first}: {head}");
        }
        // Where all fail there is an answer, too.
        let mut client = edge.sent(GET).await;
        let (_, mut one, _) = asked(&servers).await;
        let (_, mut other, _) = asked(&servers).await;
        drop(one.shutdown().await);
        drop(one);
        answers(&mut other, 500).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 500 "));
        until(|| counted(&edge, "sent", 5)).await;
    });
}

#[test]
fn no_more_attempts_than_wanted_and_only_of_what_may_be_sent_twice() {
    run(async {
        let servers = three().await;
        let edge = edge(&servers, policy(hedging(3), None)).await;
        let mut client = edge.sent(GET).await;
        let mut all = [asked(&servers).await, asked(&servers).await, asked(&servers).await];
        all.sort_by_key(|(number, ..)| *number);
        assert_eq!(all.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [0, 1, 2]);
        answers(&mut all[2].1, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));

        // One that changes something.
        let mut client = edge.sent(b"POST /a HTTP/1.1\r\nHost: web.example\r\nContent-Length: 0\r\n\r\n").await;
        let (_, mut only, _) = asked(&servers).await;
        let nobody = tokio::time::timeout(Duration::from_millis(500), asked(&servers)).await;
        assert!(nobody.is_err(), "it was sent twice");
        answers(&mut only, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));

        // Nothing beyond the budget.
        edge.worker.change(policy(hedging(2), Some(0)));
        let mut client = edge.sent(GET).await;
        let (_, mut only, _) = asked(&servers).await;
        until(|| counted(&edge, "refused", 1)).await;
        answers(&mut only, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn a_client_that_leaves_ends_all_attempts() {
    run(async {
        let servers = three().await;
        let edge = edge(&servers, policy(hedging(2), Some(5))).await;
        let client = edge.sent(GET).await;
        let (_, mut one, _) = asked(&servers).await;
        let (_, mut other, _) = asked(&servers).await;
        drop(client);
        is_ended(&mut one).await;
        is_ended(&mut other).await;
    });
}

#[test]
fn whoever_loses_is_broken_off_before_the_answer_ends() {
    run(async {
        let servers = three().await;
        let edge = edge(&servers, policy(hedging(2), Some(5))).await;
        let mut client = edge.sent(GET).await;
        let (_, mut slow, _) = asked(&servers).await;
        let (_, mut fast, _) = asked(&servers).await;
        let connections = || {
            let told = edge.worker.context.shared.backends.inspect(std::time::Instant::now());
            told[0]["connections"].as_u64()
        };
        assert_eq!(connections(), Some(2));
        fast.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nha").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        is_ended(&mut slow).await;
        until(|| connections() == Some(1)).await;
        fast.write_all(b"lf").await.unwrap();
        let mut body = [0; 4];
        client.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"half");
    });
}

#[test]
fn an_answer_in_hand_does_not_wait_for_ever_for_a_better_one() {
    run(async {
        let servers = three().await;
        let edge = edge(&servers, policy(hedging(2), Some(5))).await;
        let mut client = edge.sent(GET).await;
        let (_, mut one, _) = asked(&servers).await;
        let (_, mut hangs, _) = asked(&servers).await;
        answers(&mut one, 500).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 500 "));
        is_ended(&mut hangs).await;

        // The answer of another one is kept as well, while the first one hangs.
        let mut rule = forward();
        rule.timeout = Some(Duration::from_millis(600));
        edge.worker.change(crate::testing::routes(Some(rule)));
        let mut client = edge.sent(GET).await;
        let (_, mut hangs, _) = asked(&servers).await;
        let (_, mut other, _) = asked(&servers).await;
        answers(&mut other, 500).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 500 "));
        is_ended(&mut hangs).await;
    });
}
