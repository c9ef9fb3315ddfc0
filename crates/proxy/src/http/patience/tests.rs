use std::sync::Arc;

use ripstop_model::{EscapedSlashes, HttpRule, PortSettings, RetryPolicy, ServerProtocol, Underscores};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::*;
use crate::testing::{Edge, LONG, Leads, Played, forward, head, run};

const SOON: Option<Duration> = Some(Duration::from_millis(200));

/// A gateway that puts up with that, and the server behind it.
async fn edge(settings: ConnectionSettings) -> (Edge, Played) {
    let server = Played::new().await;
    let leads = Leads::To(server.address());
    let edge = Edge::new(ServerProtocol::Http, leads, PortSettings::default(), forward()).await;
    edge.worker.defaults(|defaults| Arc::make_mut(&mut defaults.proxies).connections = settings);
    (edge, server)
}

/// Waits until the gateway has ended a connection, in good order or not.
async fn ends(client: &mut TcpStream) {
    let mut rest = Vec::new();
    let ended = timeout(LONG, client.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open");
}

#[test]
fn a_request_that_does_not_come_to_its_end_is_given_up() {
    run(async {
        let (edge, _server) = edge(ConnectionSettings { request: SOON, ..ConnectionSettings::NONE }).await;
        let mut client = edge.sent(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        edge.worker.requests.tells("POST /a HTTP/1.1 408 - request_overall_timeout\n").await;
    });
}

#[test]
fn a_request_that_has_come_has_time_for_its_answer() {
    run(async {
        let (edge, server) = edge(ConnectionSettings { request: SOON, ..ConnectionSettings::NONE }).await;
        let mut client = edge.sent(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (mut far, _) = server.asked().await;
        // Longer than a request may take to come.
        assert!(timeout(2 * SOON.unwrap(), client.readable()).await.is_err());
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    });
}

/// As calls of gRPC do in both directions.
#[test]
fn a_request_that_is_answered_already_may_take_longer() {
    run(async {
        let (edge, server) = edge(ConnectionSettings { request: SOON, ..ConnectionSettings::NONE }).await;
        let mut client = edge.sent(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc").await;
        let (mut far, _) = server.asked().await;
        far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc").await.unwrap();
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let mut heard = [0; 6];
        client.read_exact(&mut heard[..3]).await.unwrap();
        // Longer than a request may take to come.
        sleep(2 * SOON.unwrap()).await;
        client.write_all(b"def").await.unwrap();
        far.write_all(b"def").await.unwrap();
        timeout(LONG, client.read_exact(&mut heard[3..])).await.expect("it goes on").unwrap();
        assert_eq!(&heard, b"abcdef");
    });
}

#[test]
fn nothing_moves_for_too_long() {
    run(async {
        let (edge, server) = edge(ConnectionSettings { stream_idle: SOON, ..ConnectionSettings::NONE }).await;
        let mut client = edge.sent(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (_far, _) = server.asked().await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
        edge.worker.requests.tells("GET /a HTTP/1.1 504 SI stream_idle_timeout\n").await;
    });
}

#[test]
fn an_answer_that_lasts_too_long_is_cut_off() {
    run(async {
        let (edge, server) = edge(ConnectionSettings { stream: SOON, ..ConnectionSettings::NONE }).await;
        let mut client = edge.sent(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (mut far, _) = server.asked().await;
        far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        ends(&mut client).await;
        edge.worker.requests.tells(" DT max_duration_timeout\n").await;
    });
}

#[test]
fn connections_without_requests_and_old_ones_end() {
    for settings in [
        ConnectionSettings { idle: SOON, ..ConnectionSettings::NONE },
        ConnectionSettings { connection: SOON, ..ConnectionSettings::NONE },
    ] {
        run(async move {
            let (edge, server) = edge(settings).await;
            let mut client = edge.sent(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let (mut far, _) = server.asked().await;
            far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            let answer = head(&mut client).await;
            assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
            ends(&mut client).await;
        });
    }
}

#[test]
fn heads_that_stay_away_are_not_waited_for() {
    run(async {
        let (edge, _server) = edge(ConnectionSettings { head: SOON, ..ConnectionSettings::NONE }).await;
        let mut client = edge.sent(b"GET /a HTTP/1.1\r\nHost:").await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    });
}

#[test]
fn a_gateway_takes_so_many_connections_at_once() {
    run(async {
        let (edge, server) = edge(ConnectionSettings { connections: Some(1), ..ConnectionSettings::NONE }).await;
        let first = edge.sent(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (far, _) = server.asked().await;
        let mut second = edge.connect().await;
        ends(&mut second).await;
        drop((first, far));
        // Once it has gone, there is room.
        loop {
            let mut third = edge.connect().await;
            third.write_all(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let asked = timeout(Duration::from_millis(100), server.asked()).await;
            if let Ok((_far, asked)) = asked {
                assert!(asked.starts_with("GET /b "), "{asked}");
                break;
            }
        }
    });
}

#[test]
fn names_with_underscores_are_refused_or_taken_away() {
    let sent = b"GET /a HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: b\r\nX-Kept: c\r\n\r\n";
    run(async {
        let refusing = ConnectionSettings { underscores: Some(Underscores::Refused), ..ConnectionSettings::NONE };
        let (edge, _server) = edge(refusing).await;
        let mut client = edge.sent(sent).await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        edge.worker.requests.tells("GET /a HTTP/1.1 400 DPE http1.unexpected_underscore\n").await;
    });
    run(async {
        let dropping = ConnectionSettings { underscores: Some(Underscores::Dropped), ..ConnectionSettings::NONE };
        let (edge, server) = edge(dropping).await;
        let _client = edge.sent(sent).await;
        let (_far, asked) = server.asked().await;
        let asked = asked.to_ascii_lowercase();
        assert!(!asked.contains("x_forwarded_for") && asked.contains("x-kept: c"), "{asked}");
    });
}

#[test]
fn escaped_slashes_lead_to_where_they_would() {
    run(async {
        let sending = ConnectionSettings {
            escaped_slashes: Some(EscapedSlashes::Redirected),
            merge_slashes: Some(true),
            ..ConnectionSettings::NONE
        };
        let (edge, _server) = edge(sending).await;
        let mut client = edge.sent(b"GET /a%2F%2fb?c=%2F HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = head(&mut client).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 307 ") && answer.contains("location: /a/b?c=%2f\r\n"), "{answer}");
    });
}

#[test]
fn what_is_kept_of_a_body_says_whether_it_is_sent_again() {
    run(async {
        for (kept, is_sent_again) in [(None, true), (Some(64), false)] {
            let (server, backoff) = (Played::new().await, Duration::from_millis(1));
            let retries = RetryPolicy { attempts: 1, on: vec!["5xx".into()], backoff, ..RetryPolicy::default() };
            let rule = HttpRule { retries: Some(retries), ..forward() };
            let leads = Leads::To(server.address());
            let edge = Edge::new(ServerProtocol::Http, leads, PortSettings::default(), rule).await;
            let settings = ConnectionSettings { kept, ..ConnectionSettings::NONE };
            edge.worker.defaults(|defaults| Arc::make_mut(&mut defaults.proxies).connections = settings);
            let request = format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{}", "a".repeat(100));
            let mut client = edge.sent(request.as_bytes()).await;
            let (mut first, _) = server.asked().await;
            first.read_exact(&mut [0; 100]).await.unwrap();
            let busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            first.write_all(busy).await.unwrap();
            if is_sent_again {
                let (mut second, _) = server.asked().await;
                second.read_exact(&mut [0; 100]).await.unwrap();
                second.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
            let (answer, status) = (head(&mut client).await, if is_sent_again { 204 } else { 503 });
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{kept:?}: {answer}");
        }
    });
}
