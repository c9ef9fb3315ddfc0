use std::sync::Arc;

use ripstop_model::{Change, PortSettings, ServerProtocol, Topology, TrafficChange, TrafficDefaults};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::testing::{Edge, Leads, Played, forward, head, run};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n";

/// A gateway before which that stands.
async fn edge(protocol: ServerProtocol, server: &Played, topology: Topology) -> Edge {
    let edge = Edge::new(protocol, Leads::To(server.address()), PortSettings::default(), forward()).await;
    let defaults = TrafficDefaults { topology, ..TrafficDefaults::default() };
    edge.worker.change(Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults))));
    edge
}

fn proxied() -> Topology {
    Topology { proxy_protocol: true, ..Topology::default() }
}

fn v2() -> Vec<u8> {
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x0f\xa0\0\x50"[..], GET].concat()
}

#[test]
fn the_header_says_who_the_client_is() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Http, &server, proxied()).await;
        let v1 = [b"PROXY TCP4 192.0.2.1 198.51.100.7 4000 80\r\n", GET].concat();
        for bytes in [v1, v2()] {
            let mut client = edge.sent(&bytes).await;
            let (mut far, asked) = server.asked().await;
            assert!(asked.contains("x-forwarded-for: 192.0.2.1\r\n"), "{asked}");
            far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
        }
        // It speaks for itself.
        let _client = edge.sent(&[b"PROXY UNKNOWN\r\n", GET].concat()).await;
        let (_far, asked) = server.asked().await;
        assert!(asked.contains("x-forwarded-for: 127.0.0.1\r\n"), "{asked}");
    });
}

#[test]
fn what_comes_with_the_header_is_passed_on() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Tcp, &server, proxied()).await;
        let mut client = edge.sent(b"PROXY TCP6 2001:db8::1 2001:db8::7 4000 80\r\nping").await;
        let mut far = server.accept().await;
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ping");
        far.write_all(b"pong").await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");
    });
}

#[test]
fn a_connection_without_its_header_is_refused() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Http, &server, proxied()).await;
        for (bytes, told) in [
            (GET, "does not begin with a header"),
            (b"\x16\x03\x01\0\x05", "does not begin with a header"),
            (b"PROXY TCP4 192.0.2.1\r\n", "is not made of the parts"),
        ] {
            let mut client = edge.sent(bytes).await;
            assert!(matches!(client.read(&mut [0]).await, Err(_) | Ok(0)), "{bytes:?}");
            edge.worker.connections.tells(told).await;
        }
        let mut client = edge.sent(b"PROXY TCP4 ").await;
        client.shutdown().await.unwrap();
        assert!(matches!(client.read(&mut [0]).await, Err(_) | Ok(0)));
        edge.worker.connections.tells("it ended before its header did").await;
    });
}

#[test]
fn whoever_came_in_otherwise_has_to_come_anew() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Http, &server, Topology::default()).await;
        let mut client = edge.sent(GET).await;
        let (mut far, _) = server.asked().await;
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 204 "));
        let defaults = TrafficDefaults { topology: proxied(), ..TrafficDefaults::default() };
        edge.worker.change(Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults))));
        assert!(matches!(client.read(&mut [0]).await, Err(_) | Ok(0)), "it goes on");
    });
}
