use std::time::Duration;

use ripstop_model::{ConnectionPool, RetryPolicy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::testing::{Callee, head, run};

fn retrying(attempts: u32, on: &[&str]) -> RetryPolicy {
    let on = on.iter().map(|word| (*word).into()).collect();
    RetryPolicy { attempts, on, backoff: Duration::from_millis(1), ..RetryPolicy::default() }
}

/// By default nothing is asked for twice that may have been done.
#[test]
fn what_reached_the_application_is_not_sent_again() {
    run(async {
        let callee = Callee::new().await;
        let mut client = callee.sent("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        drop(callee.answering("").await);
        assert!(head(&mut client).await.starts_with("HTTP/1.1 503 "));
    });
}

#[test]
fn the_mesh_says_what_is_sent_again() {
    run(async {
        let callee = Callee::new().await;
        callee.worker.defaults(|defaults| defaults.inbound_retries = retrying(2, &["reset", "5xx"]));
        let request = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
        let mut client = callee.sent(request).await;
        for answer in ["", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"] {
            let mut application = callee.answering(answer).await;
            let mut body = [0; 4];
            application.read_exact(&mut body).await.unwrap();
            assert_eq!(&body, b"body");
        }
        let _application = callee.answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 OK\r\n"));
        let mut body = [0; 4];
        client.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"done");
        callee.worker.requests.tells("POST /a HTTP/1.1 200 - via_upstream\n").await;
    });
}

/// The last answer is passed on, whatever it is.
#[test]
fn attempts_have_an_end() {
    run(async {
        let callee = Callee::new().await;
        callee.worker.defaults(|defaults| defaults.inbound_retries = retrying(1, &["5xx"]));
        let mut client = callee.sent("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let _first = callee.answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").await;
        let _last = callee.answering("HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 501 "));
    });
}

/// Clients of gRPC try again by themselves; with no attempts nobody does.
#[test]
fn some_requests_are_sent_once() {
    for (attempts, fields) in [(3, "Content-Type: application/grpc\r\n"), (0, "")] {
        run(async move {
            let callee = Callee::new().await;
            callee.worker.defaults(|defaults| defaults.inbound_retries = retrying(attempts, &["5xx"]));
            let mut client = callee.sent(&format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
            let mut application = callee.answering("HTTP/1.1 500 Internal Server Error\r\n").await;
            application.write_all(b"Content-Length: 0\r\n\r\n").await.unwrap();
            assert!(head(&mut client).await.starts_with("HTTP/1.1 500 "));
        });
    }
}

#[test]
fn an_attempt_has_a_time_of_its_own_where_the_mesh_says_so() {
    run(async {
        let callee = Callee::new().await;
        callee.worker.defaults(|defaults| {
            let policy = retrying(1, &["5xx"]);
            defaults.inbound_retries = RetryPolicy { per_try_timeout: Some(Duration::from_millis(50)), ..policy };
        });
        let mut client = callee.sent("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let slow = callee.answering("").await;
        let _quick = callee.answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        drop(slow);
        let mut client = callee.sent("GET /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let _both = (callee.answering("").await, callee.answering("").await);
        assert!(head(&mut client).await.starts_with("HTTP/1.1 504 "));
        callee.worker.requests.tells("GET /b HTTP/1.1 504 UT upstream_per_try_timeout\n").await;
    });
}

/// The default policy does not send again what may have been done, and has no time of its own.
#[test]
fn the_time_of_an_attempt_holds_without_another_one() {
    run(async {
        let callee = Callee::new().await;
        let time = Some(Duration::from_millis(50));
        callee.worker.defaults(|defaults| defaults.inbound_retries.per_try_timeout = time);
        let mut client = callee.sent("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let _slow = callee.answering("").await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 504 "));
    });
}

/// What may not be tried again is passed on.
#[test]
fn an_answer_is_kept_back_only_where_there_is_room_for_another_attempt() {
    run(async {
        let pool = ConnectionPool { max_retries: Some(1), ..ConnectionPool::default() };
        let callee = Callee::injected(pool).await;
        callee.worker.defaults(|defaults| defaults.inbound_retries = retrying(1, &["5xx"]));
        let failed = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
        let mut first = callee.sent("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let _failed = callee.answering(failed).await;
        // It is under way for the second time.
        let mut again = callee.listener.accept().await.unwrap().0;
        head(&mut again).await;
        let mut second = callee.sent("GET /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let _failed = callee.answering(failed).await;
        assert!(head(&mut second).await.starts_with("HTTP/1.1 503 "));
        again.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        assert!(head(&mut first).await.starts_with("HTTP/1.1 200 "));
    });
}
