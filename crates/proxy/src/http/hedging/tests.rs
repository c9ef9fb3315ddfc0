use std::sync::Arc;

use ripstop_model::{
    Change, ConnectionPool, HedgeDelay, Hedging, HttpRule, OutlierDetection, PortSettings, RetryBudget, RetryPolicy,
    RuleId, ServerProtocol, Share, TrafficChange, TrafficPolicy, TrafficTarget, TrafficTargetKind,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    task::spawn_local,
    time::timeout,
};

use super::*;
use crate::{
    backends::testing::{behind, pool, service, workload},
    testing::{Edge, LONG, Leads, Played, forward, head, routes, run, until},
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
    edge_with(servers, policy, PortSettings::default()).await
}

async fn edge_with(servers: &[Played], policy: Change, settings: PortSettings) -> Edge {
    let leads = Leads::To(servers[0].address());
    let edge = Edge::new(ServerProtocol::Http, leads, settings, forward()).await;
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
    let mut waits: Vec<_> = servers.iter().map(|server| Box::pin(server.asked())).collect();
    let (number, (stream, head)) = poll_fn(|cx| {
        let mut asked =
            waits.iter_mut().enumerate().map(|(number, wait)| wait.as_mut().poll(cx).map(|it| (number, it)));
        asked.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await;
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
fn a_second_attempt_waits_in_no_line() {
    run(async {
        let servers = three().await;
        let settings = pool(ConnectionPool { max_connections: Some(1), ..ConnectionPool::default() });
        let edge = edge_with(&servers, policy(hedging(2), Some(5)), settings).await;
        let mut client = edge.sent(GET).await;
        let (_, mut only, _) = asked(&servers).await;
        until(|| counted(&edge, "refused", 1)).await;
        assert!(counted(&edge, "sent", 0));
        answers(&mut only, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        // What was not sent is no attempt.
        let nobody = tokio::time::timeout(Duration::from_millis(300), asked(&servers)).await;
        assert!(nobody.is_err(), "it was sent though there was no room");
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

        // While the first one hangs, the answer of another one waits for its end: as long as an attempt may take, or all.
        for (timeout, per_try, status) in [(600, None, 504), (5000, Some(600), 500)] {
            let mut rule = retried(&["503"]);
            rule.timeout = Some(Duration::from_millis(timeout));
            if let Some(retries) = &mut rule.retries {
                retries.per_try_timeout = per_try.map(Duration::from_millis);
            }
            edge.worker.change(routes(Some(rule)));
            let mut client = edge.sent(GET).await;
            let (_, mut hangs, _) = asked(&servers).await;
            let (_, mut other, _) = asked(&servers).await;
            answers(&mut other, 500).await;
            let head = head(&mut client).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            is_ended(&mut hangs).await;
        }
    });
}

/// A rule that tries again, three times, what fails in one of these ways.
fn retried(on: &[&str]) -> HttpRule {
    let retries = RetryPolicy {
        attempts: 3,
        per_try_timeout: None,
        on: on.iter().map(|word| (*word).into()).collect(),
        status_codes: Vec::new(),
        backoff: Duration::from_millis(1),
        remote_localities: false,
        ignore_previous_hosts: None,
    };
    HttpRule { retries: Some(retries), ..forward() }
}

#[test]
fn a_first_attempt_that_fails_is_made_again_whoever_hangs() {
    run(async {
        let mut servers = three().await;
        let edge = edge(&servers, policy(hedging(2), Some(5))).await;
        edge.worker.change(routes(Some(retried(&["reset"]))));
        let mut client = edge.sent(GET).await;
        let (_, first, _) = asked(&servers).await;
        let (_, mut hangs, _) = asked(&servers).await;
        drop(first);
        let (_, mut third, asked_third) = asked(&servers).await;
        assert!(asked_third.contains("x-envoy-attempt-count: 3\r\n"), "{asked_third}");
        answers(&mut third, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        is_ended(&mut hangs).await;

        // Where there is nobody else, those who were asked already are asked again.
        servers.truncate(2);
        let edge = edge_with(&servers, policy(hedging(2), Some(5)), PortSettings::default()).await;
        edge.worker.change(routes(Some(retried(&["reset"]))));
        let mut client = edge.sent(GET).await;
        let (_, first, _) = asked(&servers).await;
        let (_, mut hangs, _) = asked(&servers).await;
        drop(first);
        let (_, mut third, _) = asked(&servers).await;
        is_ended(&mut hangs).await;
        answers(&mut third, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn a_failure_that_nobody_would_mend_leaves_the_others_their_time() {
    run(async {
        let servers = three().await;
        let edge = edge(&servers, policy(hedging(2), Some(5))).await;
        let mut client = edge.sent(GET).await;
        let (_, first, _) = asked(&servers).await;
        let (_, mut slow, _) = asked(&servers).await;
        drop(first);
        let nobody = timeout(Duration::from_millis(500), asked(&servers)).await;
        assert!(nobody.is_err(), "it was tried again");
        answers(&mut slow, 201).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 201 "));
    });
}

/// The first request that comes by each of some connections that are kept.
fn hear(streams: Vec<TcpStream>) -> mpsc::Receiver<(TcpStream, String)> {
    let (tell, heard) = mpsc::channel(16);
    for mut stream in streams {
        let tell = tell.clone();
        spawn_local(async move {
            let mut first = [0; 1];
            if matches!(stream.peek(&mut first).await, Ok(1)) {
                let head = head(&mut stream).await;
                // Nobody asks at the end of a test.
                let _ = tell.send((stream, head)).await;
            }
        });
    }
    heard
}

#[test]
fn a_kept_connection_that_had_ended_is_no_failure_though_others_are_asked() {
    run(async {
        let servers = three().await;
        let outlier = OutlierDetection { consecutive_5xx: 1, max_ejection_percent: 100, ..OutlierDetection::default() };
        let settings = PortSettings { outlier: Some(Arc::new(outlier)), ..PortSettings::default() };
        let edge = edge_with(&servers, policy(hedging(2), Some(0)), settings).await;
        // Each server has a connection that is kept.
        let mut clients = Vec::new();
        let mut kept: Vec<(usize, TcpStream)> = Vec::new();
        while !(0..3).all(|number| kept.iter().any(|(other, _)| *other == number)) {
            clients.push(edge.sent(GET).await);
            let (number, stream, _) = asked(&servers).await;
            kept.push((number, stream));
        }
        for (_, stream) in &mut kept {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
        for client in &mut clients {
            assert!(head(client).await.starts_with("HTTP/1.1 200 "));
        }
        let mut quick = hedging(2);
        quick.delay = HedgeDelay::Fixed(Duration::from_millis(5));
        edge.worker.change(policy(quick, Some(5)));
        let mut heard = hear(kept.into_iter().map(|(_, stream)| stream).collect());
        let mut next = async || timeout(LONG, heard.recv()).await.expect("somebody is asked").unwrap();
        let mut client = edge.sent(GET).await;
        let (first, _) = next().await;
        let (mut hangs, _) = next().await;
        // At the same moment at which it was sent, as far as anybody can tell.
        drop(first);
        let (mut third, _) = tokio::select! {
            (_, stream, head) = asked(&servers) => (stream, head),
            other = next() => other,
        };
        is_ended(&mut hangs).await;
        answers(&mut third, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        assert_eq!(edge.ejected(), Vec::<String>::new());
    });
}

#[test]
fn a_bad_answer_of_another_one_does_not_end_the_first_and_is_told() {
    run(async {
        let servers = three().await;
        let outlier = OutlierDetection { consecutive_5xx: 1, max_ejection_percent: 100, ..OutlierDetection::default() };
        let settings = PortSettings { outlier: Some(Arc::new(outlier)), ..PortSettings::default() };
        let edge = edge_with(&servers, policy(hedging(2), Some(5)), settings).await;
        let mut client = edge.sent(GET).await;
        let (_, mut slow, _) = asked(&servers).await;
        let (second, mut bad, _) = asked(&servers).await;
        answers(&mut bad, 500).await;
        let early = timeout(Duration::from_millis(500), client.read_u8()).await;
        assert!(early.is_err(), "the first one was not waited for");
        answers(&mut slow, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        until(|| edge.ejected() == [servers[second].address().to_string()]).await;
    });
}

#[test]
fn a_second_attempt_takes_nobodys_place_in_line() {
    run(async {
        let servers = three().await;
        let one =
            ConnectionPool { max_connections: Some(1), max_pending_requests: Some(1), ..ConnectionPool::default() };
        let edge = edge_with(&servers, policy(hedging(2), Some(5)), pool(one)).await;
        let mut slow = edge.sent(GET).await;
        let (_, mut busy, _) = asked(&servers).await;
        until(|| counted(&edge, "refused", 1)).await;
        let mut client = edge.sent(GET).await;
        let waits = || {
            let told = edge.worker.context.shared.backends.inspect(std::time::Instant::now());
            told[0]["pending"].as_u64() == Some(1)
        };
        until(waits).await;
        answers(&mut busy, 200).await;
        assert!(head(&mut slow).await.starts_with("HTTP/1.1 200 "));
        let (_, mut next, _) = asked(&servers).await;
        answers(&mut next, 201).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 201 "));
    });
}

#[test]
fn the_retry_of_another_ones_answer_needs_no_room_beside_it() {
    run(async {
        let servers = three().await;
        let one = ConnectionPool { max_retries: Some(1), ..ConnectionPool::default() };
        let edge = edge_with(&servers, policy(hedging(2), None), pool(one)).await;
        edge.worker.change(routes(Some(retried(&["503"]))));
        let mut client = edge.sent(GET).await;
        let (_, first, _) = asked(&servers).await;
        let (_, mut other, _) = asked(&servers).await;
        drop(first);
        answers(&mut other, 503).await;
        let (_, mut third, _) = asked(&servers).await;
        answers(&mut third, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn who_takes_too_long_for_one_attempt_is_asked_again_whatever_others_said() {
    run(async {
        let servers = three().await;
        let edge = edge(&servers, policy(hedging(2), Some(5))).await;
        let mut rule = retried(&["reset"]);
        if let Some(retries) = &mut rule.retries {
            retries.per_try_timeout = Some(Duration::from_millis(600));
        }
        edge.worker.change(routes(Some(rule)));
        let mut client = edge.sent(GET).await;
        let (_, mut hangs, _) = asked(&servers).await;
        let (_, mut bad, _) = asked(&servers).await;
        answers(&mut bad, 500).await;
        let (_, mut third, _) = asked(&servers).await;
        is_ended(&mut hangs).await;
        answers(&mut third, 200).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    });
}
