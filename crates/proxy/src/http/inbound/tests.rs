use std::{io::ErrorKind, sync::Arc, time::Duration};

use ripstop_model::{Change, ConnectionPool, ProcessKind, TrafficChange, TrafficPolicy, Workload};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    backends::testing::workload,
    testing::{Callee, LONG, crowded, denied, head, limited, run, strict},
};

/// Reads `expected`.
async fn hears(client: &mut TcpStream, expected: &str) {
    let mut heard = vec![0; expected.len()];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), expected);
}

async fn is_reset(client: &mut TcpStream) {
    assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// What is cut must not look whole: least of all where only the end of the connection says that it is.
#[test]
fn an_answer_that_a_policy_ends_ends_with_a_reset() {
    let versions = [
        ("GET /long HTTP/1.0\r\nHost: a\r\n\r\n", "Content-Type: text/plain\r\n\r\n", "part", "part"),
        ("GET /long HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n", "part", "4\r\npart\r\n"),
        ("GET /long HTTP/1.1\r\nHost: a\r\n\r\n", "Content-Length: 9\r\n\r\n", "part", "part"),
    ];
    for change in [|| denied("/long"), strict] {
        for (request, fields, body, expected) in versions {
            run(async move {
                let callee = Callee::new().await;
                let mut client = callee.sent(request).await;
                let mut application = callee.answering(&format!("HTTP/1.1 200 OK\r\n{fields}{body}")).await;
                assert!(head(&mut client).await.contains(" 200 OK\r\n"));
                hears(&mut client, expected).await;
                callee.worker.change(change());
                is_reset(&mut client).await;
                is_reset(&mut application).await;
            });
        }
    }
}

#[test]
fn an_answer_that_a_policy_ends_is_told_of_with_the_policy() {
    run(async {
        let callee = Callee::new().await;
        let mut client = callee.sent("GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let _application = callee.answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart").await;
        head(&mut client).await;
        callee.worker.change(denied("/long"));
        callee
            .worker
            .requests
            .tells("GET /long HTTP/1.1 200 DENY revoked_matched_policy[ns[ns]-policy[paths]-rule[0]]\n")
            .await;
    });
}

/// An answer that is complete is delivered, whatever happens to its connection then.
#[test]
fn a_whole_answer_is_not_lost_with_its_connection() {
    run(async {
        let callee = Callee::new().await;
        let mut client = callee.sent("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let _application = callee.answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole").await;
        callee.worker.requests.tells("GET /a HTTP/1.1 200 - via_upstream\n").await;
        callee.worker.change(strict());
        callee.worker.connections.tells("PeerAuthentication/ns/default/1").await;
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        assert!(heard.ends_with("\r\n\r\nwhole"), "{heard}");
    });
}

/// What gateways and waypoints are answered comes to clients from outside.
#[test]
fn only_workloads_are_told_why_they_are_refused() {
    for (kind, told) in [
        (Some(ProcessKind::Command), true),
        (Some(ProcessKind::Gateway), false),
        (Some(ProcessKind::Waypoint), false),
        (None, false),
    ] {
        run(async move {
            let callee = Callee::new().await;
            let addresses = kind.map_or("10.1.0.9", |_| "127.0.0.1").parse().unwrap();
            let caller =
                Workload { kind: kind.unwrap_or_default(), addresses: vec![addresses], ..workload("caller", 9) };
            // Its callee has that address, too.
            callee.moved("10.1.0.1");
            callee.worker.change(Change::Workload(Arc::new(caller)));
            let mut client = callee.sent("GET /secret HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let head = head(&mut client).await.to_ascii_lowercase();
            assert!(head.starts_with("http/1.1 403 "), "{head}");
            hears(&mut client, "RBAC: access denied").await;
            assert_eq!(!head.contains("content-length: 19\r\n"), told, "{kind:?}: {head}");
            callee.worker.requests.tells("rbac_access_denied_matched_policy[ns[ns]-policy[paths]-rule[0]]").await;
        });
    }
}

#[test]
fn what_is_no_request_is_told_of_by_its_callee() {
    run(async {
        let callee = Callee::new().await;
        let mut client = callee.sent("GET / HTTP/1.1\r\nno field\r\n\r\n").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 400 "));
        callee.worker.requests.tells("- - HTTP/1.1 400 DPE http1.codec_error\n").await;
        let mut client = callee.sent("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 400 "));
        callee.worker.requests.tells("GET /%zz HTTP/1.1 400 DPE path_normalization_failed\n").await;
        assert!(callee.worker.metrics().contains("destination_workload=\"web\""));
    });
}

#[test]
fn what_is_beyond_a_limit_is_not_passed_on() {
    run(async {
        let callee = Callee::unread().await;
        callee.worker.change(limited(1));
        let ask = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut client = callee.sent(ask).await;
        let _application =
            callee.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-RateLimit-Limit: 7\r\n\r\n").await;
        let first = head(&mut client).await.to_ascii_lowercase();
        assert!(first.starts_with("http/1.1 200 "), "{first}");
        let told = ["x-ratelimit-limit: 1\r\n", "x-ratelimit-remaining: 0\r\n", "x-ratelimit-reset: 3600\r\n"];
        assert!(told.iter().all(|line| first.contains(line)) && !first.contains("limit: 7"), "{first}");
        // By the same connection, and by another.
        client.write_all(ask.as_bytes()).await.unwrap();
        for mut client in [client, callee.sent(ask).await] {
            let second = head(&mut client).await;
            assert!(second.starts_with("HTTP/1.1 429 ") && second.contains("\r\nretry-after: 3600\r\n"), "{second}");
        }
        callee.worker.requests.tells("GET /a HTTP/1.1 429 RL local_rate_limited\n").await;
        let metrics = callee.worker.metrics();
        assert!(metrics.contains("response_code=\"429\""), "{metrics}");
        let refused =
            "policy=\"ns/limits\",target_kind=\"Service\",target=\"web\",section=\"\",result=\"refused\"} 2\n";
        assert!(metrics.contains(refused), "{metrics}");
    });
}

#[test]
fn what_can_not_be_read_is_no_way_around_a_limit() {
    run(async {
        let callee = Callee::unread().await;
        callee.worker.change(limited(1));
        // Applications may take for requests what nobody else does.
        let mut client = callee.sent(&format!("{} /a HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(40))).await;
        tokio::select! {
            () = is_reset(&mut client) => {}
            accepted = callee.listener.accept() => panic!("the application got {accepted:?}"),
        }
        callee.worker.connections.tells("requests to port").await;
    });
}

#[test]
fn what_a_policy_refuses_is_not_counted() {
    run(async {
        let callee = Callee::new().await;
        callee.worker.change(limited(1));
        for _ in 0..2 {
            let mut client = callee.sent("GET /secret HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(head(&mut client).await.starts_with("HTTP/1.1 403 "));
        }
        let mut client = callee.sent("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let _application = callee.answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
    });
}

#[test]
fn an_application_gets_no_more_requests_than_it_takes() {
    run(async {
        let callee = Callee::unread().await;
        callee.worker.change(crowded(1));
        let ask = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut client = callee.sent(ask).await;
        let mut application = callee.listener.accept().await.unwrap().0;
        head(&mut application).await;
        let mut other = callee.sent(ask).await;
        let refused = head(&mut other).await;
        assert!(
            refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nx-envoy-overloaded: true\r\n"),
            "{refused}"
        );
        hears(&mut other, "reached concurrency limit").await;
        callee.worker.requests.tells("GET /a HTTP/1.1 503 UO reached_concurrency_limit\n").await;
        // An answer that has begun takes no place, however long it lasts.
        application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        let third = callee.sent(ask).await;
        let mut application = callee.listener.accept().await.unwrap().0;
        head(&mut application).await;
        // Nor does one whose client has left.
        third.set_zero_linger().unwrap();
        drop(third);
        let mut heard = [0; 1];
        let ended = tokio::time::timeout(Duration::from_secs(30), application.read(&mut heard)).await;
        assert_eq!(ended.expect("it ends in time").unwrap_or(0), 0);
        let mut fourth = callee.sent(ask).await;
        let _application = callee.answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(head(&mut fourth).await.starts_with("HTTP/1.1 204 "));
        let metrics = callee.worker.metrics();
        let refused = metrics.lines().find(|line| line.starts_with("ripstop_adaptive_concurrency_refused_total{"));
        assert!(refused.is_some_and(|line| line.ends_with(" 1")), "{metrics}");
    });
}

#[test]
fn whoever_finds_no_seat_costs_limits_nothing() {
    run(async {
        let callee = Callee::unread().await;
        let policy = |change| match change {
            Change::TrafficObject(TrafficChange::Policy(name, Some(policy))) => (name, policy),
            other => panic!("{other:?}"),
        };
        let ((name, twice), (_, alone)) = (policy(limited(2)), policy(crowded(1)));
        let both =
            TrafficPolicy { adaptive_concurrency: alone.adaptive_concurrency.clone(), ..TrafficPolicy::clone(&twice) };
        callee.worker.change(Change::TrafficObject(TrafficChange::Policy(name, Some(Arc::new(both)))));
        let ask = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut client = callee.sent(ask).await;
        let mut application = callee.listener.accept().await.unwrap().0;
        head(&mut application).await;
        for _ in 0..3 {
            let mut other = callee.sent(ask).await;
            assert!(head(&mut other).await.starts_with("HTTP/1.1 503 "));
        }
        application.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
        for status in ["204", "429"] {
            let mut next = callee.sent(ask).await;
            let _application =
                if status == "204" { Some(callee.answering("HTTP/1.1 204 No Content\r\n\r\n").await) } else { None };
            let heard = head(&mut next).await;
            assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{heard}");
        }
    });
}

#[test]
fn limits_that_come_later_count_on_connections_that_are_open() {
    run(async {
        let callee = Callee::unread().await;
        callee.worker.change(crowded(5));
        let ask = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut client = callee.sent(ask).await;
        let mut application = callee.answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
        callee.worker.change(limited(1));
        client.write_all(ask.as_bytes()).await.unwrap();
        head(&mut application).await;
        application.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
        client.write_all(ask.as_bytes()).await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 429 "));
    });
}

#[test]
fn what_its_listener_does_not_let_in_is_not_passed_on() {
    run(async {
        let callee = Callee::injected(ConnectionPool { max_requests: Some(1), ..ConnectionPool::default() }).await;
        let ask = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut first = callee.sent(ask).await;
        let mut application = callee.answering("").await;
        let mut beyond = callee.sent(ask).await;
        let told = head(&mut beyond).await.to_ascii_lowercase();
        assert!(told.starts_with("http/1.1 503 ") && told.contains("x-envoy-overloaded: true\r\n"), "{told}");
        callee.worker.requests.tells("GET /a HTTP/1.1 503 UO ").await;
        application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        assert!(head(&mut first).await.starts_with("HTTP/1.1 200 "));
        callee.worker.requests.tells("GET /a HTTP/1.1 200 - via_upstream").await;
        // Its place is free again.
        first.write_all(ask.as_bytes()).await.unwrap();
        assert!(head(&mut application).await.starts_with("GET /a "));
    });
}

/// Whoever has a connection since before comes to no place that is not the application's any more.
#[test]
fn requests_on_open_connections_go_where_the_application_is_now() {
    run(async {
        let callee = Callee::looked_at(ConnectionPool::default()).await;
        let ask = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut client = callee.sent(ask).await;
        let _before = callee.answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
        let moved = TcpListener::bind("127.0.0.1:0").await.unwrap();
        callee.delivers_to(moved.local_addr().unwrap());
        client.write_all(ask.as_bytes()).await.unwrap();
        let (mut application, _) = timeout(LONG, moved.accept()).await.expect("it is asked there").unwrap();
        head(&mut application).await;
        application.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    });
}
