//! Connections of HTTP/2 whose openings outlive those who asked for them.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use ripstop_model::ConnectionPool;
use tokio::{
    sync::Semaphore,
    task::{spawn_local, yield_now},
    time::{self, Instant, sleep},
};

use super::bed::{Asked, Bed, Server, ask, checkout, dial, get, order, run, usage};
use crate::{
    backends::{
        BackendError, Connection,
        HttpVersion::{self, Http1, Http2},
        WorkerBackend,
    },
    testing::{LONG, until},
};

/// Connecting as these tests have it: counted, and only as far as they let it.
#[derive(Clone)]
struct Dials {
    begun: Rc<Cell<usize>>,
    gate: Rc<Semaphore>,
    leads: Leads,
}

/// What comes of it.
#[derive(Clone, Copy)]
enum Leads {
    There,
    Nowhere,
}

impl Dials {
    fn new(leads: Leads) -> Self {
        Self { begun: Rc::default(), gate: Rc::new(Semaphore::new(0)), leads }
    }

    /// Somebody who asks for a connection, and waits by now.
    async fn ask(&self, backend: &Rc<WorkerBackend>, address: SocketAddr, version: HttpVersion) -> Asked {
        let (dials, backend) = (self.clone(), Rc::clone(backend));
        let order = order(&backend, address, version);
        let open = async move |purpose: &_| {
            dials.begun.set(dials.begun.get() + 1);
            dials.gate.acquire().await.unwrap().forget();
            match dials.leads {
                Leads::There => dial(purpose).await,
                Leads::Nowhere => Err(BackendError::Gone(address)),
            }
        };
        let asked = spawn_local(async move { backend.state().checkout(order, open).await });
        // The second time it is the opening's turn.
        yield_now().await;
        yield_now().await;
        asked
    }

    fn begun(&self) -> usize {
        self.begun.get()
    }
}

async fn told(asked: Asked) -> Result<Connection, BackendError> {
    time::timeout(LONG, asked).await.expect("the opening ends").unwrap()
}

async fn leave(asked: Asked) {
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
}

/// Waits until a connection of HTTP/2 is there that has no request.
async fn is_idle(backend: &WorkerBackend) {
    until(|| {
        let pools = backend.state().pools.borrow();
        pools.values().any(|pool| pool.shared.borrow().iter().any(|connection| connection.is_idle()))
    })
    .await;
}

#[test]
fn whoever_waits_has_the_connection_whose_asker_left() {
    run(async {
        let server = Server::http2(100).await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let dials = Dials::new(Leads::There);
        let first = dials.ask(&backend, server.address, Http2).await;
        let second = dials.ask(&backend, server.address, Http2).await;
        assert_eq!(usage(&backend), (1, 2));
        leave(first).await;
        assert_eq!(usage(&backend), (1, 1));
        dials.gate.add_permits(1);
        let mut connection = told(second).await.unwrap();
        assert!(!connection.is_reused());
        assert_eq!(get(&mut connection, "/").await, 200);
        assert_eq!((dials.begun(), server.accepted(), usage(&backend)), (1, 1, (1, 0)));
    });
}

#[test]
fn a_connection_that_nobody_waits_for_any_more_is_idle_and_ends_as_such() {
    run(async {
        let server = Server::http2(100).await;
        let idle = Duration::from_secs(5);
        let settings = ConnectionPool {
            http_idle_timeout: Some(idle),
            max_requests_per_connection: Some(1),
            ..ConnectionPool::default()
        };
        let mut bed = Bed::new();
        let backend = bed.one(&server, settings.clone());
        let dials = Dials::new(Leads::There);
        let asked = dials.ask(&backend, server.address, Http2).await;
        leave(asked).await;
        assert_eq!((dials.begun(), usage(&backend)), (1, (1, 0)));
        dials.gate.add_permits(1);
        is_idle(&backend).await;
        // It has had no request yet: it takes the only one that it may have.
        let mut connection = checkout(&backend, server.address, Http2).await.unwrap();
        assert!(!connection.is_reused());
        assert_eq!(get(&mut connection, "/").await, 200);
        drop(connection);
        assert_eq!(server.accepted(), 1);

        let other = Server::http2(100).await;
        let backend = bed.one(&other, settings);
        leave(dials.ask(&backend, other.address, Http2).await).await;
        dials.gate.add_permits(1);
        is_idle(&backend).await;
        other.has_open(1).await;
        time::pause();
        time::advance(idle).await;
        time::resume();
        other.has_open(0).await;
        until(|| usage(&backend).0 == 0).await;
    });
}

#[test]
fn whoever_waits_is_told_that_the_opening_failed_whose_asker_left() {
    run(async {
        let server = Server::http2(100).await;
        let backend = Bed::new().one(&server, ConnectionPool::default());
        let dials = Dials::new(Leads::Nowhere);
        let first = dials.ask(&backend, server.address, Http2).await;
        let second = dials.ask(&backend, server.address, Http2).await;
        leave(first).await;
        dials.gate.add_permits(1);
        assert!(matches!(told(second).await, Err(BackendError::Gone(_))));
        assert_eq!((dials.begun(), usage(&backend)), (1, (0, 0)));
        // Who comes later tries anew.
        let third = dials.ask(&backend, server.address, Http2).await;
        assert_eq!((dials.begun(), usage(&backend)), (2, (1, 1)));
        leave(third).await;
    });
}

#[test]
fn the_connect_timeout_is_of_the_opening_whoever_asked_for_it() {
    run(async {
        let server = Server::http2(100).await;
        let limit = Duration::from_secs(3);
        let settings = ConnectionPool { connect_timeout: Some(limit), ..ConnectionPool::default() };
        let backend = Bed::new().one(&server, settings);
        let dials = Dials::new(Leads::There);
        time::pause();
        let began = Instant::now();
        let first = dials.ask(&backend, server.address, Http2).await;
        sleep(Duration::from_secs(1)).await;
        let second = dials.ask(&backend, server.address, Http2).await;
        sleep(Duration::from_secs(1)).await;
        leave(first).await;
        assert!(matches!(told(second).await, Err(BackendError::Timeout { limit: given, .. }) if given == limit));
        // To the millisecond of the timer.
        assert_eq!((began.elapsed().as_secs(), dials.begun()), (limit.as_secs(), 1));
        assert_eq!(usage(&backend), (0, 0));
    });
}

#[test]
fn a_connection_that_nobody_waits_for_any_more_makes_room_for_another() {
    run(async {
        let (server, other) = (Server::http2(100).await, Server::http2(100).await);
        let settings = ConnectionPool { max_connections: Some(1), ..ConnectionPool::default() };
        let backend = Bed::new().configure(&[server.address, other.address], settings).remove(0);
        let dials = Dials::new(Leads::There);
        let first = dials.ask(&backend, server.address, Http2).await;
        let starving = ask(&backend, other.address, Http2).await;
        leave(first).await;
        assert_eq!(usage(&backend), (1, 1));
        dials.gate.add_permits(1);
        let mut connection = told(starving).await.unwrap();
        assert_eq!(get(&mut connection, "/").await, 200);
        server.has_open(0).await;
        assert_eq!((server.accepted(), other.accepted(), usage(&backend)), (1, 1, (1, 0)));
    });
}

#[test]
fn who_waits_for_an_opening_takes_no_ring_that_is_for_others() {
    run(async {
        let (server, other, third) = (Server::http2(100).await, Server::http1().await, Server::http1().await);
        let settings = ConnectionPool { max_connections: Some(2), ..ConnectionPool::default() };
        let backend = Bed::new().configure(&[server.address, other.address, third.address], settings).remove(0);
        let held = checkout(&backend, other.address, Http1).await.unwrap();
        let dials = Dials::new(Leads::There);
        let first = dials.ask(&backend, server.address, Http2).await;
        // The second one is told to wait, the third one waits behind it.
        let second = dials.ask(&backend, server.address, Http2).await;
        let behind = dials.ask(&backend, server.address, Http2).await;
        let starving = ask(&backend, third.address, Http1).await;
        assert_eq!(usage(&backend), (2, 4));
        drop(held);
        // The opening goes on meanwhile.
        let mut connection = told(starving).await.unwrap();
        assert_eq!(get(&mut connection, "/").await, 200);
        assert_eq!((dials.begun(), server.accepted(), usage(&backend)), (1, 0, (2, 3)));
        for asked in [first, second, behind] {
            leave(asked).await;
        }
    });
}

#[test]
fn who_starves_gets_the_room_of_an_opening_that_failed() {
    run(async {
        let (server, other) = (Server::http2(100).await, Server::http1().await);
        let settings = ConnectionPool { max_connections: Some(1), ..ConnectionPool::default() };
        let backend = Bed::new().configure(&[server.address, other.address], settings).remove(0);
        let dials = Dials::new(Leads::Nowhere);
        let mut asked = Vec::new();
        for _ in 0..3 {
            asked.push(dials.ask(&backend, server.address, Http2).await);
        }
        let starving = ask(&backend, other.address, Http1).await;
        dials.gate.add_permits(1);
        for asked in asked {
            assert!(told(asked).await.is_err());
        }
        let mut connection = told(starving).await.unwrap();
        assert_eq!(get(&mut connection, "/").await, 200);
        assert_eq!(dials.begun(), 1);
    });
}

#[test]
fn an_opening_whose_endpoint_went_meanwhile_leaves_nothing() {
    run(async {
        let (server, other) = (Server::http2(100).await, Server::http2(100).await);
        let mut bed = Bed::new();
        let backend = bed.one(&server, ConnectionPool::default());
        let dials = Dials::new(Leads::There);
        leave(dials.ask(&backend, server.address, Http2).await).await;
        let backend = bed.one(&other, ConnectionPool::default());
        dials.gate.add_permits(1);
        until(|| server.accepted() > 0 && usage(&backend).0 == 0).await;
        server.has_open(0).await;
    });
}

#[test]
fn a_connection_of_http1_is_given_up_with_its_asker() {
    run(async {
        let server = Server::http1().await;
        let settings = ConnectionPool { max_connections: Some(1), ..ConnectionPool::default() };
        let backend = Bed::new().one(&server, settings);
        let dials = Dials::new(Leads::There);
        let first = dials.ask(&backend, server.address, Http1).await;
        let second = dials.ask(&backend, server.address, Http1).await;
        assert_eq!((dials.begun(), usage(&backend)), (1, (1, 2)));
        leave(first).await;
        dials.gate.add_permits(1);
        let connection = told(second).await;
        assert_eq!((dials.begun(), server.accepted(), usage(&backend)), (2, 1, (1, 0)));
        drop(connection);
        assert_eq!(usage(&backend), (0, 0));
    });
}
