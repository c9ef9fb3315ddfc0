use std::sync::Arc;

use ripstop_model::{
    Action, Attribute, Authorization, Change, Condition, PolicyTarget, PortSettings, Rule, RuleId, Selector, Sense,
    ServerProtocol, ServerTlsMode, Topology, TrafficChange, TrafficDefaults, Value,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    gateway::samples,
    http::detect::client_hello,
    testing::{Edge, Leads, Played, forward, head, run, secured},
};

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
        // Who says nothing wants to know whether somebody listens.
        let silent = edge.connect().await;
        let ends = silent.local_addr().unwrap().to_string();
        drop(silent);
        let mut client = edge.sent(b"PROXY TCP4 ").await;
        client.shutdown().await.unwrap();
        assert!(matches!(client.read(&mut [0]).await, Err(_) | Ok(0)));
        edge.worker.connections.tells("it ended before its header did").await;
        assert!(!edge.worker.connections.text().contains(&ends), "{}", edge.worker.connections.text());
    });
}

/// Only clients of that block may come.
fn only(block: &str) -> Change {
    let condition = Condition {
        attribute: Attribute::RemoteIp,
        sense: Sense::AnyOf,
        values: vec![Value::Block(block.parse().unwrap())],
        path: "from[0].source.remoteIpBlocks".into(),
    };
    Change::Authorization(Arc::new(Authorization {
        id: RuleId("AuthorizationPolicy/ns/clients/1".into()),
        namespace: "ns".into(),
        name: "clients".into(),
        target: PolicyTarget::Workloads(Selector::default()),
        action: Action::Allow,
        dry_run: false,
        rules: vec![Rule { from: vec![vec![condition]], ..Rule::default() }],
        created: 1,
    }))
}

#[test]
fn who_may_come_by_what_a_proxy_says_may_stay() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Tcp, &server, proxied()).await;
        edge.worker.change(only("192.0.2.0/24"));
        let mut client = edge.sent(b"PROXY TCP4 192.0.2.1 198.51.100.7 4000 80\r\nping").await;
        let mut far = server.accept().await;
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.unwrap();
        // Something else changes, and everything that is open is judged again.
        edge.worker.forgets().await;
        edge.worker.change(only("192.0.2.0/25"));
        edge.worker.forgets().await;
        far.write_all(b"pong").await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");
        edge.worker.change(only("198.51.100.0/24"));
        assert!(matches!(client.read(&mut [0]).await, Err(_) | Ok(0)));
        let mut other = edge.sent(b"PROXY TCP4 192.0.2.1 198.51.100.7 4000 80\r\nping").await;
        assert!(matches!(other.read(&mut [0]).await, Err(_) | Ok(0)));
    });
}

#[test]
fn tls_begins_behind_the_header_however_it_comes() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Tls, &server, proxied()).await;
        edge.worker.change(secured(ServerProtocol::Tls, samples::tls(ServerTlsMode::Passthrough)));
        let header = b"PROXY TCP4 192.0.2.1 198.51.100.7 4000 443\r\n";
        let hello = client_hello("web.example");
        let whole = [&header[..], &hello].concat();
        for cut in [0, 20, header.len(), header.len() + 3] {
            let mut client = edge.connect().await;
            client.set_nodelay(true).unwrap();
            client.write_all(&whole[..cut]).await.unwrap();
            tokio::task::yield_now().await;
            client.write_all(&whole[cut..]).await.unwrap();
            let mut far = server.accept().await;
            let mut heard = vec![0; hello.len()];
            far.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, hello, "{cut}");
        }
    });
}

/// Cloud networks tell much of themselves behind the addresses.
#[test]
fn what_else_a_header_tells_is_passed_over() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Http, &server, proxied()).await;
        let long = [&[0xea, 0x0f, 0xfd][..], &[7; 0xffd]].concat();
        let length = u16::try_from(12 + long.len()).unwrap().to_be_bytes();
        let header = [&v2()[..14], &length, &v2()[16..28], &long].concat();
        let mut client = edge.sent(&header).await;
        client.write_all(GET).await.unwrap();
        let (_far, asked) = server.asked().await;
        assert!(asked.contains("x-forwarded-for: 192.0.2.1\r\n"), "{asked}");
    });
}

/// Bytes do not care who is believed of requests.
#[test]
fn connections_of_bytes_outlive_what_is_said_of_requests() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Tcp, &server, Topology::default()).await;
        let mut client = edge.sent(b"ping").await;
        let mut far = server.accept().await;
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.unwrap();
        let topology = Topology { trusted_proxies: Some(1), ..Topology::default() };
        edge.worker.defaults(|defaults| defaults.topology = topology);
        edge.worker.forgets().await;
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(90)).await;
        tokio::time::resume();
        far.write_all(b"pong").await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");
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
