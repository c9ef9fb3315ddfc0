use std::time::Duration;

use ripstop_model::{ConnectionPool, Fault, HttpRule, PortSettings, RetryPolicy, ServerProtocol, Share};
use tokio::io::AsyncWriteExt as _;

use crate::{
    backends::testing::pool,
    testing::{Edge, Leads, NEVER, Played, forward, head, run, until},
};

/// How a request of a client that has left is told of.
const LEFT: &str = "GET /left HTTP/1.1 0 DC downstream_remote_disconnect\n";

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: web.example\r\n\r\n").into_bytes()
}

async fn edge(server: &Played, settings: PortSettings, rule: HttpRule) -> Edge {
    Edge::new(ServerProtocol::Http, Leads::To(server.address()), settings, rule).await
}

/// A client that asks, and does not wait.
async fn leave(edge: &Edge) {
    drop(edge.sent(&get("/left")).await);
}

#[test]
fn who_leaves_during_a_delay_is_not_delayed_further() {
    run(async {
        let server = Played::new().await;
        let fault = Fault { delay: Some((NEVER, Share::ALL)), abort: None };
        let edge = edge(&server, PortSettings::default(), HttpRule { fault, ..forward() }).await;
        leave(&edge).await;
        edge.worker.requests.tells("GET /left HTTP/1.1 0 DI,DC downstream_remote_disconnect\n").await;
    });
}

#[test]
fn who_leaves_before_a_name_is_known_waits_for_it_no_more() {
    run(async {
        let edge = Edge::new(ServerProtocol::Http, Leads::Nowhere, PortSettings::default(), forward()).await;
        leave(&edge).await;
        edge.worker.requests.tells(LEFT).await;
    });
}

/// Whoever comes next has the place.
#[test]
fn who_leaves_before_there_is_a_connection_gives_its_place_back() {
    run(async {
        let server = Played::new().await;
        let limits = ConnectionPool {
            max_connections: Some(1),
            max_pending_requests: Some(1),
            max_requests: Some(2),
            ..ConnectionPool::default()
        };
        let edge = edge(&server, pool(limits), forward()).await;
        let mut first = edge.sent(&get("/first")).await;
        let (mut answering, _) = server.asked().await;
        for times in 1..=3 {
            leave(&edge).await;
            until(|| edge.worker.requests.text() == LEFT.repeat(times)).await;
        }
        let mut next = edge.sent(&get("/next")).await;
        for (client, path) in [(&mut first, "/first"), (&mut next, "/next")] {
            answering.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            assert!(head(client).await.starts_with("HTTP/1.1 204 "), "{}", edge.worker.requests.text());
            edge.worker.requests.tells(&format!("GET {path} HTTP/1.1 204 - via_upstream\n")).await;
            if path == "/first" {
                assert!(head(&mut answering).await.starts_with("GET /next "));
            }
        }
    });
}

#[test]
fn who_leaves_during_a_pause_is_not_tried_for_again() {
    run(async {
        let server = Played::new().await;
        let retries = RetryPolicy {
            attempts: 1,
            on: vec!["5xx".into()],
            backoff: Duration::from_secs(1_000_000_000),
            ..RetryPolicy::default()
        };
        let edge = edge(&server, PortSettings::default(), HttpRule { retries: Some(retries), ..forward() }).await;
        let client = edge.sent(&get("/left")).await;
        let (mut answering, _) = server.asked().await;
        answering.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        drop(client);
        edge.worker.requests.tells(LEFT).await;
    });
}
