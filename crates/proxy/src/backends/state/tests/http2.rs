//! Connections of HTTP/2.

use std::{cell::Cell, rc::Rc, time::Duration};

use ripstop_model::ConnectionPool;
use tokio::{sync::Semaphore, task::spawn_local, time};

use super::bed::{Bed, Server, answer, ask, checkout, dial, get, order, run, send, usage};
use crate::backends::{BackendError, Connection, HttpVersion::Http2};

/// Until the connection has ended at both ends.
async fn has_ended(backend: &crate::backends::WorkerBackend, server: &Server) {
    server.has_open(0).await;
    while usage(backend).0 > 0 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn many_requests_share_a_connection_from_the_beginning() {
    run(async {
        let server = Server::http2(100).await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let mut asked = Vec::new();
        for _ in 0..20 {
            asked.push(ask(&backend, server.address, Http2).await);
        }
        let mut connections = Vec::new();
        for asked in asked {
            let mut connection = asked.await.unwrap().unwrap();
            send(&mut connection, "/wait");
            connections.push(connection);
        }
        server.gate.add_permits(20);
        for connection in &mut connections {
            assert_eq!(answer(connection).await, 200);
        }
        assert_eq!((server.accepted(), usage(&backend)), (1, (1, 0)));
        let reused = connections.iter().filter(|connection| connection.is_reused()).count();
        assert_eq!(reused, 19);
    });
}

#[test]
fn another_connection_is_opened_when_the_server_takes_no_more_streams() {
    run(async {
        let server = Server::http2(2).await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let mut connections = Vec::new();
        for _ in 0..5 {
            let mut connection = checkout(&backend, server.address, Http2).await.unwrap();
            send(&mut connection, "/wait");
            connections.push(connection);
        }
        assert_eq!((server.accepted(), usage(&backend)), (3, (3, 0)));
        server.gate.add_permits(5);
        for mut connection in connections {
            assert_eq!(answer(&mut connection).await, 200);
        }
        assert!(checkout(&backend, server.address, Http2).await.unwrap().is_reused());
    });
}

#[test]
fn the_rule_limits_streams_of_a_connection_and_requests_of_its_life() {
    run(async {
        let server = Server::http2(100).await;
        let settings = ConnectionPool { max_concurrent_streams: Some(1), ..ConnectionPool::default() };
        let mut bed = Bed::new();
        let backend = bed.one(&server, settings);
        let first = checkout(&backend, server.address, Http2).await.unwrap();
        let second = checkout(&backend, server.address, Http2).await.unwrap();
        assert_eq!((first.is_reused(), second.is_reused(), server.accepted()), (false, false, 2));
        drop((first, second));
        assert!(checkout(&backend, server.address, Http2).await.unwrap().is_reused());

        let other = Server::http2(100).await;
        let settings = ConnectionPool { max_requests_per_connection: Some(2), ..ConnectionPool::default() };
        let backend = bed.one(&other, settings);
        for reused in [false, true, false, true] {
            let mut connection = checkout(&backend, other.address, Http2).await.unwrap();
            assert_eq!(connection.is_reused(), reused);
            assert_eq!(get(&mut connection, "/").await, 200);
        }
        assert_eq!(other.accepted(), 2);
    });
}

#[test]
fn a_connection_whose_server_leaves_ends_its_requests_and_takes_no_more() {
    run(async {
        let server = Server::http2(100).await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let mut old = checkout(&backend, server.address, Http2).await.unwrap();
        send(&mut old, "/wait");
        // It is the server's now.
        get(&mut checkout(&backend, server.address, Http2).await.unwrap(), "/").await;
        server.leave.send(()).unwrap();
        let mut new = loop {
            let connection = checkout(&backend, server.address, Http2).await.unwrap();
            if !connection.is_reused() {
                break connection;
            }
            drop(connection);
            tokio::task::yield_now().await;
        };
        assert_eq!(get(&mut new, "/").await, 200);
        server.gate.add_permits(1);
        assert_eq!(answer(&mut old).await, 200);
        drop(old);
        server.has_open(1).await;
        assert_eq!(server.accepted(), 2);
    });
}

#[test]
fn a_connection_without_requests_ends_when_it_was_idle_for_too_long() {
    run(async {
        let server = Server::http2(100).await;
        let idle = Duration::from_secs(5);
        let settings = ConnectionPool { http_idle_timeout: Some(idle), ..ConnectionPool::default() };
        let backend = Bed::new().one(&server, settings);
        let mut connection = checkout(&backend, server.address, Http2).await.unwrap();
        get(&mut connection, "/").await;
        time::pause();
        drop(connection);
        time::advance(idle).await;
        time::resume();
        has_ended(&backend, &server).await;
        assert_eq!(usage(&backend), (0, 0));
    });
}

#[test]
fn one_that_is_too_old_takes_no_more_requests() {
    run(async {
        let server = Server::http2(100).await;
        let lifetime = Duration::from_secs(5);
        let settings = ConnectionPool { max_connection_duration: Some(lifetime), ..ConnectionPool::default() };
        let backend = Bed::new().one(&server, settings);
        let mut old = checkout(&backend, server.address, Http2).await.unwrap();
        send(&mut old, "/wait");
        time::pause();
        time::advance(lifetime).await;
        time::resume();
        assert!(!checkout(&backend, server.address, Http2).await.unwrap().is_reused());
        server.gate.add_permits(1);
        assert_eq!(answer(&mut old).await, 200);
    });
}

#[test]
fn whoever_waits_for_a_connection_that_fails_fails_with_it() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let (tries, gate) = (Rc::new(Cell::new(0)), Rc::new(Semaphore::new(0)));
        let mut asked = Vec::new();
        for _ in 0..5 {
            let (backend, tries, gate) = (Rc::clone(&backend), Rc::clone(&tries), Rc::clone(&gate));
            let order = order(&backend, server.address, Http2);
            let open = async move |_: &_| {
                tries.set(tries.get() + 1);
                gate.acquire().await.unwrap().forget();
                Err(BackendError::Gone("127.0.0.1:1".parse().unwrap()))
            };
            asked.push(spawn_local(async move { backend.state().checkout(order, open).await }));
            tokio::task::yield_now().await;
        }
        assert_eq!(usage(&backend), (1, 5));
        gate.add_permits(1);
        for asked in asked {
            assert!(matches!(asked.await.unwrap(), Err(BackendError::Gone(_))));
        }
        assert_eq!((tries.get(), usage(&backend)), (1, (0, 0)));
    });
}

#[test]
fn a_server_that_speaks_something_else_is_told_apart() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let error = checkout(&backend, server.address, Http2).await.unwrap_err();
        assert!(matches!(error, BackendError::Http2 { .. }), "{error}");
        assert_eq!(error.outcome(), Some(ripstop_balance::Outcome::ConnectFailure));
    });
}

#[test]
fn taking_a_place_on_a_connection_allocates_next_to_nothing() {
    run(async {
        let server = Server::http2(100).await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        get(&mut checkout(&backend, server.address, Http2).await.unwrap(), "/").await;
        let order = order(&backend, server.address, Http2);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let info = allocation_counter::measure(|| {
            let checkout = backend.state().checkout(order, async |purpose| dial(purpose).await);
            let mut checkout = std::pin::pin!(checkout);
            match checkout.as_mut().poll(&mut cx) {
                std::task::Poll::Ready(Ok(Connection::Http2(http2))) => assert!(http2.is_reused()),
                other => panic!("{other:?}"),
            }
        });
        assert_eq!(info.count_total, 0);
    });
}

/// By default it would be asked after 30 s, and have 20 s to answer.
#[test]
fn the_rule_says_when_a_server_is_asked_whether_it_is_there() {
    run(async {
        let server = Server::silent().await;
        let settings = ConnectionPool {
            http2_keepalive: Some((Duration::from_secs(3), Duration::from_secs(2))),
            ..ConnectionPool::default()
        };
        let backend = Bed::new().one(&server, settings);
        let mut connection = checkout(&backend, server.address, Http2).await.unwrap();
        time::pause();
        let asked = time::Instant::now();
        send(&mut connection, "/");
        let failed = std::future::poll_fn(|cx| {
            let mut upstream = connection.upstream();
            let _ = upstream.poll_flush(cx);
            upstream.poll_head(cx)
        });
        assert!(failed.await.is_err());
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    });
}
