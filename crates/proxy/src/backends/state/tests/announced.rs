//! Connections that are for one client.

use ripstop_model::{ConnectionPool, ProxyProtocolVersion};

use super::bed::{Bed, Server, dial, get, order_for, run, usage};
use crate::backends::{
    BackendError, ClientConnection, Connection,
    HttpVersion::{self, Http1, Http2},
    WorkerBackend,
    announced::Announced,
};

const SETTINGS: fn() -> ConnectionPool = ConnectionPool::default;

fn client(port: u16) -> ClientConnection {
    ClientConnection::new(([192, 0, 2, 1], port).into(), ([10, 0, 0, 7], 80).into())
}

async fn checkout(
    backend: &WorkerBackend,
    server: &Server,
    version: HttpVersion,
    said: ProxyProtocolVersion,
    client: &ClientConnection,
) -> Result<Connection, BackendError> {
    let announced = Announced::new(said, client.ends(), &backend.state().tending);
    let order = order_for(backend, server.address, version, Some(announced));
    backend.state().checkout(order, async |purpose| dial(purpose).await).await
}

/// Whether a request of `client` went by a connection that was there.
async fn reused(
    backend: &WorkerBackend,
    server: &Server,
    version: HttpVersion,
    said: ProxyProtocolVersion,
    client: &ClientConnection,
) -> bool {
    let mut connection = checkout(backend, server, version, said, client).await.unwrap();
    assert_eq!(get(&mut connection, "/").await, 200);
    let reused = connection.is_reused();
    connection.release();
    reused
}

#[test]
fn no_two_clients_share_a_connection_and_it_ends_with_its_client() {
    for version in [Http1, Http2] {
        run(async {
            let server = if version == Http1 { Server::http1().await } else { Server::http2(10).await };
            let backend = Bed::new().one(&server, SETTINGS());
            let (one, other) = (client(1), client(2));
            let v1 = ProxyProtocolVersion::V1;
            for (client, expected) in [(&one, false), (&other, false), (&one, true), (&other, true)] {
                assert_eq!(reused(&backend, &server, version, v1, client).await, expected);
            }
            assert_eq!((server.accepted(), usage(&backend)), (2, (2, 0)));
            drop(one);
            server.has_open(1).await;
            while usage(&backend) != (1, 0) {
                tokio::task::yield_now().await;
            }
            assert!(reused(&backend, &server, version, v1, &other).await);
            // By another rule it is told otherwise.
            assert!(!reused(&backend, &server, version, ProxyProtocolVersion::V2, &other).await);
        });
    }
}

#[test]
fn nobody_waits_for_what_is_opened_for_another_client() {
    run(async {
        let server = Server::http2(10).await;
        let backend = Bed::new().one(&server, SETTINGS());
        let (one, other) = (client(1), client(2));
        let v1 = ProxyProtocolVersion::V1;
        let announced = Announced::new(v1, one.ends(), &backend.state().tending);
        let order = order_for(&backend, server.address, Http2, Some(announced));
        let hangs = backend.state().checkout(order, async |_| std::future::pending().await);
        tokio::select! {
            biased;
            _ = hangs => panic!("it never opens"),
            reused = reused(&backend, &server, Http2, v1, &other) => assert!(!reused),
        }
    });
}

#[test]
fn a_connection_that_is_given_back_after_its_client_went_is_closed() {
    run(async {
        let server = Server::http1().await;
        let backend = Bed::new().one(&server, SETTINGS());
        let client = client(1);
        let mut connection = checkout(&backend, &server, Http1, ProxyProtocolVersion::V2, &client).await.unwrap();
        get(&mut connection, "/").await;
        drop(client);
        connection.release();
        assert_eq!(usage(&backend), (0, 0));
        server.has_open(0).await;
    });
}

#[test]
fn at_its_limit_a_backend_takes_from_those_who_wait_what_another_client_left_idle() {
    run(async {
        let server = Server::http1().await;
        let settings = ConnectionPool { max_connections: Some(1), ..SETTINGS() };
        let backend = Bed::new().one(&server, settings);
        let (one, other) = (client(1), client(2));
        assert!(!reused(&backend, &server, Http1, ProxyProtocolVersion::V1, &one).await);
        assert!(!reused(&backend, &server, Http1, ProxyProtocolVersion::V1, &other).await);
        assert_eq!((server.accepted(), usage(&backend)), (2, (1, 0)));
    });
}
