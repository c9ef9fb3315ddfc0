//! Connections of HTTP/1.1.

use std::{sync::Arc, time::Duration};

use ripstop_model::ConnectionPool;
use tokio::time;

use super::{
    super::Order,
    bed::{Bed, Server, answer, checkout, dial, endpoint, get, run, send, usage},
};
use crate::backends::{
    BackendError,
    HttpVersion::Http1,
    purpose::{Purpose, Way},
    testing::workload,
};

#[test]
fn a_connection_is_used_again_after_its_answer() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        for reused in [false, true, true] {
            let mut connection = checkout(&backend, server.address, Http1).await.unwrap();
            assert_eq!(connection.is_reused(), reused);
            assert_eq!(get(&mut connection, "/").await, 200);
            connection.release();
        }
        assert_eq!((server.accepted(), usage(&backend)), (1, (1, 0)));
    });
}

#[test]
fn requests_at_once_have_connections_of_their_own_and_the_last_one_used_is_used_next() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let mut first = checkout(&backend, server.address, Http1).await.unwrap();
        let mut second = checkout(&backend, server.address, Http1).await.unwrap();
        for connection in [&mut first, &mut second] {
            assert_eq!(get(connection, "/").await, 200);
        }
        assert_eq!((server.accepted(), usage(&backend)), (2, (2, 0)));
        let served = |connection: &mut crate::backends::Connection| match connection {
            crate::backends::Connection::Http1(http1) => http1.client().served(),
            crate::backends::Connection::Http2(_) => unreachable!(),
        };
        first.release();
        get(&mut second, "/").await;
        second.release();
        let mut third = checkout(&backend, server.address, Http1).await.unwrap();
        assert_eq!(served(&mut third), 2);
    });
}

#[test]
fn what_has_not_ended_is_not_used_again() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let mut connection = checkout(&backend, server.address, Http1).await.unwrap();
        send(&mut connection, "/wait");
        connection.release();
        assert_eq!(usage(&backend), (0, 0));
        let dropped = checkout(&backend, server.address, Http1).await.unwrap();
        drop(dropped);
        assert_eq!(usage(&backend), (0, 0));
        assert!(!checkout(&backend, server.address, Http1).await.unwrap().is_reused());
    });
}

#[test]
fn a_connection_ends_after_as_many_requests_as_it_may_have() {
    run(async {
        let server = Server::http1().await;
        let settings = ConnectionPool { max_requests_per_connection: Some(2), ..ConnectionPool::default() };
        let backend = Bed::new().one(&server, settings);
        for reused in [false, true, false, true, false] {
            let mut connection = checkout(&backend, server.address, Http1).await.unwrap();
            assert_eq!(connection.is_reused(), reused);
            get(&mut connection, "/").await;
            connection.release();
        }
        assert_eq!(server.accepted(), 3);
    });
}

#[test]
fn a_peer_that_ends_a_connection_that_nobody_uses_frees_it() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let mut connection = checkout(&backend, server.address, Http1).await.unwrap();
        get(&mut connection, "/").await;
        connection.release();
        server.leave.send(()).unwrap();
        server.has_open(0).await;
        // The one who looks after it has heard of it, or will.
        while usage(&backend) != (0, 0) {
            tokio::task::yield_now().await;
        }
        assert!(!checkout(&backend, server.address, Http1).await.unwrap().is_reused());
    });
}

#[test]
fn a_connection_that_nobody_uses_ends_when_it_was_idle_for_too_long() {
    run(async {
        let server = Server::http1().await;
        let idle = Duration::from_secs(30);
        let settings = ConnectionPool { http_idle_timeout: Some(idle), ..ConnectionPool::default() };
        let backend = Bed::new().one(&server, settings);
        let mut connection = checkout(&backend, server.address, Http1).await.unwrap();
        get(&mut connection, "/").await;
        time::pause();
        connection.release();
        time::advance(Duration::from_millis(29_999)).await;
        assert_eq!(usage(&backend), (1, 0));
        time::advance(Duration::from_millis(2)).await;
        time::resume();
        server.has_open(0).await;
        assert_eq!(usage(&backend), (0, 0));
    });
}

#[test]
fn a_connection_that_is_too_old_ends_when_its_request_does() {
    run(async {
        let server = Server::http1().await;
        let lifetime = Duration::from_secs(30);
        let settings = ConnectionPool { max_connection_duration: Some(lifetime), ..ConnectionPool::default() };
        let backend = Bed::new().one(&server, settings);
        let mut connection = checkout(&backend, server.address, Http1).await.unwrap();
        send(&mut connection, "/wait");
        time::pause();
        time::advance(lifetime).await;
        time::resume();
        server.gate.add_permits(1);
        assert_eq!(answer(&mut connection).await, 200);
        assert_eq!(usage(&backend), (1, 0));
        connection.release();
        assert_eq!(usage(&backend), (0, 0));
    });
}

#[test]
fn an_endpoint_that_is_reached_otherwise_now_gets_new_connections_and_old_requests_go_on() {
    run(async {
        let server = Server::http1().await;
        let mut bed = Bed::new();
        let backend = bed.one(&server, ConnectionPool::default());
        let order = |generation| {
            let identity = workload("caller", 99).identity().unwrap();
            let way = Way::Tunnel { caller: bed.caller.uid.clone(), identity, generation, inside: None };
            let facts = Arc::clone(&*backend.shared().facts());
            let purpose = Purpose { endpoint: endpoint(&backend, server.address), way, announced: None };
            Order::new(facts, purpose, Http1)
        };
        let mut expected = Vec::new();
        let mut busy = backend.state().checkout(order(1), async |purpose| dial(purpose).await).await.unwrap();
        send(&mut busy, "/wait");
        for (generation, reused) in [(1, false), (1, true), (2, false), (2, true)] {
            let mut connection =
                backend.state().checkout(order(generation), async |purpose| dial(purpose).await).await.unwrap();
            get(&mut connection, "/").await;
            expected.push((connection.is_reused(), reused));
            connection.release();
        }
        assert!(expected.iter().all(|(is, should)| is == should), "{expected:?}");
        // The idle one of before was dropped when it was found.
        assert_eq!(usage(&backend).0, 2);
        server.gate.add_permits(1);
        assert_eq!(answer(&mut busy).await, 200);
    });
}

#[test]
fn an_endpoint_that_is_gone_keeps_no_connections() {
    run(async {
        let (server, other) = (Server::http1().await, Server::http1().await);
        let mut bed = Bed::new();
        let backend = bed.one(&server, ConnectionPool::default());
        let mut idle = checkout(&backend, server.address, Http1).await.unwrap();
        let mut busy = checkout(&backend, server.address, Http1).await.unwrap();
        get(&mut idle, "/").await;
        idle.release();
        let gone = endpoint(&backend, server.address);
        let backend = bed.one(&other, ConnectionPool::default());
        assert!(backend.shared().facts().current(&gone).is_none());
        assert_eq!(get(&mut busy, "/").await, 200);
        busy.release();
        backend.state().sweep(time::Instant::now());
        assert_eq!(usage(&backend), (0, 0));
    });
}

#[test]
fn a_server_that_does_not_answer_is_given_up_after_the_connect_timeout() {
    run(async {
        let server = Server::http1().await;
        let limit = Duration::from_secs(3);
        let settings = ConnectionPool { connect_timeout: Some(limit), ..ConnectionPool::default() };
        let backend = Bed::new().one(&server, settings);
        time::pause();
        let order = super::bed::order(&backend, server.address, Http1);
        let began = time::Instant::now();
        let error = backend.state().checkout(order, async |_| std::future::pending().await).await.unwrap_err();
        assert!(
            matches!(error, BackendError::Timeout { address, limit: given } if (address, given) == (server.address, limit))
        );
        assert_eq!(error.outcome(), Some(ripstop_balance::Outcome::ConnectFailure));
        // To the millisecond of the timer.
        assert_eq!(began.elapsed().as_secs(), limit.as_secs());
        assert_eq!(usage(&backend), (0, 0));
    });
}

#[test]
fn a_server_that_is_not_there_is_a_failure_of_the_endpoint() {
    run(async {
        let server = Server::http1().await;
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let backend = Bed::new().configure(&[server.address, nobody], ConnectionPool::default()).remove(0);
        let error = checkout(&backend, nobody, Http1).await.unwrap_err();
        assert_eq!(error.outcome(), Some(ripstop_balance::Outcome::ConnectFailure));
        assert_eq!(error.flag(), ripstop_telemetry::ResponseFlag::UpstreamConnectionFailure);
        assert_eq!(usage(&backend), (0, 0));
    });
}

#[test]
fn taking_an_idle_connection_allocates_next_to_nothing() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let mut connection = checkout(&backend, server.address, Http1).await.unwrap();
        get(&mut connection, "/").await;
        connection.release();
        let order = super::bed::order(&backend, server.address, Http1);
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        let info = allocation_counter::measure(|| {
            let checkout = backend.state().checkout(order, async |purpose| dial(purpose).await);
            let mut checkout = std::pin::pin!(checkout);
            match checkout.as_mut().poll(&mut cx) {
                std::task::Poll::Ready(Ok(connection)) => {
                    assert!(connection.is_reused());
                    connection.release();
                }
                other => panic!("{other:?}"),
            }
        });
        assert_eq!(info.count_total, 0);
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn connections_to_an_endpoint_that_went_end_without_being_asked_for() {
    run(async {
        let (server, other) = (Server::http1().await, Server::http1().await);
        let mut bed = Bed::new();
        let backend = bed.one(&server, ConnectionPool::default());
        let mut idle = checkout(&backend, server.address, Http1).await.unwrap();
        get(&mut idle, "/").await;
        idle.release();
        let backend = bed.one(&other, ConnectionPool::default());
        server.has_open(0).await;
        assert_eq!(usage(&backend), (0, 0));
    });
}

#[test]
fn what_a_caller_has_kept_ends_with_it() {
    run(async {
        let server = Server::http1().await;
        let mut bed = Bed::new();
        let backend = bed.one(&server, ConnectionPool::default());
        let mut idle = checkout(&backend, server.address, Http1).await.unwrap();
        let mut busy = checkout(&backend, server.address, Http1).await.unwrap();
        get(&mut idle, "/").await;
        idle.release();
        bed.forget(&workload("somebody", 1).uid);
        assert_eq!(usage(&backend), (2, 0));
        bed.forget(&bed.caller.uid);
        server.has_open(1).await;
        get(&mut busy, "/").await;
        drop(busy);
        server.has_open(0).await;
    });
}
