//! Limits, which all workers share.

use std::{rc::Rc, time::Duration};

use ripstop_balance::{Overflow, Resource};
use ripstop_model::ConnectionPool;
use ripstop_telemetry::ResponseFlag;
use tokio::{task::spawn_local, time::timeout};

use super::bed::{Bed, Server, answer, ask, checkout, dial, get, order, run, send, usage};
use crate::backends::{
    BackendError,
    HttpVersion::{Http1, Http2},
    WorkerBackends,
};

fn at_most(connections: u32) -> ConnectionPool {
    ConnectionPool { max_connections: Some(connections), ..ConnectionPool::default() }
}

#[test]
fn at_the_limit_of_connections_requests_wait_for_one_in_turn() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, at_most(1));
        let mut held = checkout(&backend, server.address, Http1).await.unwrap();
        let first = ask(&backend, server.address, Http1).await;
        let second = ask(&backend, server.address, Http1).await;
        assert_eq!(usage(&backend), (1, 2));
        get(&mut held, "/").await;
        held.release();
        let mut held = first.await.unwrap().unwrap();
        assert!(held.is_reused() && !second.is_finished());
        get(&mut held, "/").await;
        held.release();
        assert!(second.await.unwrap().unwrap().is_reused());
        assert_eq!((server.accepted(), usage(&backend)), (1, (0, 0)));
    });
}

#[test]
fn when_a_connection_ends_one_that_waits_opens_another() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, at_most(1));
        let held = checkout(&backend, server.address, Http1).await.unwrap();
        let first = ask(&backend, server.address, Http1).await;
        drop(held);
        assert!(!first.await.unwrap().unwrap().is_reused());
        server.has_open(0).await;
        assert_eq!((server.accepted(), usage(&backend)), (2, (0, 0)));
    });
}

#[test]
fn one_that_waits_and_gives_up_takes_nobodys_turn() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, at_most(1));
        let mut held = checkout(&backend, server.address, Http1).await.unwrap();
        let first = ask(&backend, server.address, Http1).await;
        let second = ask(&backend, server.address, Http1).await;
        get(&mut held, "/").await;
        held.release();
        // It has been called, but has not run yet.
        first.abort();
        assert!(second.await.unwrap().unwrap().is_reused());
        assert_eq!(usage(&backend), (0, 0));
    });
}

#[test]
fn more_than_may_wait_are_refused() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, ConnectionPool { max_pending_requests: Some(1), ..at_most(1) });
        let held = checkout(&backend, server.address, Http1).await.unwrap();
        let waiting = ask(&backend, server.address, Http1).await;
        let error = checkout(&backend, server.address, Http1).await.unwrap_err();
        let expected = Overflow { resource: Resource::PendingRequest, limit: 1 };
        assert!(matches!(error, BackendError::Overflow(overflow) if overflow == expected), "{error}");
        assert_eq!((error.flag(), error.outcome()), (ResponseFlag::UpstreamOverflow, None));
        drop(held);
        waiting.await.unwrap().unwrap();
    });
}

#[test]
fn connections_that_nobody_uses_make_room_for_those_to_other_endpoints() {
    run(async {
        let (one, other) = (Server::http1().await, Server::http1().await);
        let backend = Bed::new().configure(&[one.address, other.address], at_most(1)).remove(0);
        let mut connection = checkout(&backend, one.address, Http1).await.unwrap();
        get(&mut connection, "/").await;
        connection.release();
        let mut connection = checkout(&backend, other.address, Http1).await.unwrap();
        assert_eq!(get(&mut connection, "/").await, 200);
        one.has_open(0).await;
        assert_eq!(usage(&backend), (1, 0));
    });
}

#[test]
fn one_that_is_given_back_while_another_endpoint_waits_makes_room_too() {
    run(async {
        let (one, other) = (Server::http1().await, Server::http1().await);
        let backend = Bed::new().configure(&[one.address, other.address], at_most(1)).remove(0);
        let mut held = checkout(&backend, one.address, Http1).await.unwrap();
        get(&mut held, "/").await;
        let waiting = ask(&backend, other.address, Http1).await;
        assert_eq!(usage(&backend), (1, 1));
        held.release();
        assert_eq!(get(&mut waiting.await.unwrap().unwrap(), "/").await, 200);
        one.has_open(0).await;
    });
}

#[test]
fn whoever_waits_behind_one_that_opens_a_connection_gets_what_others_give_back() {
    run(async {
        let (one, other) = (Server::http1().await, Server::http1().await);
        let backend = Bed::new().configure(&[one.address, other.address], at_most(2)).remove(0);
        let ended = checkout(&backend, other.address, Http1).await.unwrap();
        let mut held = checkout(&backend, other.address, Http1).await.unwrap();
        let first = ask(&backend, one.address, Http1).await;
        let second = ask(&backend, one.address, Http1).await;
        assert_eq!(usage(&backend), (2, 2));
        drop(ended);
        // It keeps its connection, so that the next one needs another.
        let _first = first.await.unwrap().unwrap();
        get(&mut held, "/").await;
        held.release();
        let second = timeout(Duration::from_secs(60), second).await.expect("nobody lets it wait for ever");
        assert_eq!(get(&mut second.unwrap().unwrap(), "/").await, 200);
        assert_eq!(one.accepted(), 2);
    });
}

#[test]
fn workers_share_limits_and_close_idle_connections_for_each_other() {
    run(async {
        let server = Server::http1().await;
        let workers = Bed::new().configure(&[server.address], at_most(1));
        let mut held = checkout(&workers[0], server.address, Http1).await.unwrap();
        let waiting = ask(&workers[1], server.address, Http1).await;
        assert_eq!((usage(&workers[0]), usage(&workers[1])), ((1, 1), (1, 1)));
        get(&mut held, "/").await;
        held.release();
        let mut held = waiting.await.unwrap().unwrap();
        assert!(!held.is_reused());
        get(&mut held, "/").await;
        held.release();
        // Now it is idle at the second worker before the first asks.
        let mut held = checkout(&workers[0], server.address, Http1).await.unwrap();
        assert!(!held.is_reused());
        assert_eq!(get(&mut held, "/").await, 200);
        assert_eq!((server.accepted(), usage(&workers[1])), (3, (1, 0)));
    });
}

#[test]
fn streams_wait_for_streams_when_no_connection_may_be_opened() {
    run(async {
        let server = Server::http2(1).await;
        let backend = Bed::new().one(&server, at_most(1));
        let mut held = checkout(&backend, server.address, Http2).await.unwrap();
        send(&mut held, "/wait");
        let first = ask(&backend, server.address, Http2).await;
        let second = ask(&backend, server.address, Http2).await;
        assert_eq!(usage(&backend), (1, 2));
        server.gate.add_permits(1);
        assert_eq!(answer(&mut held).await, 200);
        drop(held);
        let mut held = first.await.unwrap().unwrap();
        assert_eq!(get(&mut held, "/").await, 200);
        drop(held);
        let mut held = second.await.unwrap().unwrap();
        assert_eq!(get(&mut held, "/").await, 200);
        assert_eq!((server.accepted(), usage(&backend)), (1, (1, 0)));
    });
}

#[test]
fn a_limited_connection_takes_more_streams_than_one_of_many() {
    run(async {
        let server = Server::http2(1000).await;
        let backend = Bed::new().one(&server, at_most(1));
        let mut held = Vec::new();
        for _ in 0..150 {
            held.push(checkout(&backend, server.address, Http2).await.unwrap());
        }
        assert_eq!((server.accepted(), usage(&backend)), (1, (1, 0)));
    });
}

#[test]
fn shared_connections_without_requests_make_room_too() {
    run(async {
        let (one, other) = (Server::http2(100).await, Server::http2(100).await);
        let workers = Bed::new().configure(&[one.address, other.address], at_most(1));
        assert_eq!(get(&mut checkout(&workers[0], one.address, Http2).await.unwrap(), "/").await, 200);
        assert_eq!(get(&mut checkout(&workers[0], other.address, Http2).await.unwrap(), "/").await, 200);
        assert_eq!(get(&mut checkout(&workers[1], one.address, Http2).await.unwrap(), "/").await, 200);
        assert_eq!((one.accepted(), other.accepted(), usage(&workers[0])), (2, 1, (1, 0)));
    });
}

#[test]
fn workers_on_threads_of_their_own_never_have_more_together_and_all_get_through() {
    const WORKERS: usize = 4;
    const REQUESTS: usize = 50;
    let (started, server) = std::sync::mpsc::channel();
    let (done, is_done) = tokio::sync::oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        run(async {
            let (one, other) = (Server::http1().await, Server::http1().await);
            started.send([one.address, other.address]).unwrap();
            is_done.await.unwrap();
        });
    });
    let addresses = server.recv().unwrap();
    let mut bed = Bed::new();
    let (program, target) = bed.program(&addresses, at_most(2));
    let (backends, caller) = (&bed.backends, &bed.caller);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                run(async {
                    let worker = WorkerBackends::default();
                    let backend = worker.find(backends, &program, caller, &target);
                    let requests = (0..REQUESTS).map(|n| {
                        let backend = Rc::clone(&backend);
                        spawn_local(async move {
                            let mut connection = checkout(&backend, addresses[n % 2], Http1).await.unwrap();
                            assert!(usage(&backend).0 <= 2);
                            assert_eq!(get(&mut connection, "/").await, 200);
                            connection.release();
                        })
                    });
                    for request in requests.collect::<Vec<_>>() {
                        request.await.unwrap();
                    }
                });
            });
        }
    });
    done.send(()).unwrap();
    serving.join().unwrap();
}

#[test]
fn what_need_not_be_sent_takes_what_is_free_and_waits_for_nothing() {
    run(async {
        let (server, other) = (Server::http1().await, Server::http1().await);
        let settings = ConnectionPool { max_connections: Some(2), ..ConnectionPool::default() };
        let backend = Bed::new().configure(&[server.address, other.address], settings).remove(0);
        let spare = async |server: &Server| {
            let order = order(&backend, server.address, Http1);
            backend.state().checkout_spare(order, async |purpose| dial(purpose).await).await.unwrap()
        };
        let mut opened = spare(&server).await.expect("one may be opened");
        get(&mut opened, "/").await;
        opened.release();
        let again = spare(&server).await.expect("one is free");
        assert!(again.is_reused());
        let mut idle = checkout(&backend, other.address, Http1).await.unwrap();
        get(&mut idle, "/").await;
        idle.release();
        // What is kept for others is not closed for it.
        assert!(spare(&server).await.is_none());
        assert_eq!(usage(&backend), (2, 0));
        assert!(spare(&other).await.expect("one is free").is_reused());

        // Nor does it go before those who wait.
        let held = checkout(&backend, other.address, Http1).await.unwrap();
        let waits = ask(&backend, other.address, Http1).await;
        assert!(spare(&server).await.is_none());
        drop(held);
        waits.await.unwrap().unwrap();
    });
}
