use ripstop_model::{Change, HttpRule, PortSettings, ServerProtocol};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, advance, pause, resume, timeout},
};

use super::*;
use crate::{
    backends::testing::workload,
    http::standpoint::{Carries, Entrance},
    testing::{Edge, LONG, Leads, Played, forward, head, listener, routes, run},
};

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn program(changes: impl IntoIterator<Item = Change>) -> Program {
    let changes: Vec<_> = changes.into_iter().collect();
    Program::default().with(1, changes)
}

#[test]
fn bytes_pass_as_long_as_they_would_come_in_by_the_same_way() {
    let own = workload("edge", 1);
    let plain = Standpoint::Gateway(Entrance::plain(80, Carries::Bytes));
    let secured =
        Standpoint::Gateway(Entrance { server_name: Some("a.example".into()), ..Entrance::plain(80, Carries::Bytes) });
    let other = Standpoint::Gateway(Entrance::plain(81, Carries::Bytes));
    for (standpoint, protocol, rule, expected) in [
        (&plain, Some(ServerProtocol::Tcp), Some(forward()), true),
        (&plain, Some(ServerProtocol::Tcp), None, false),
        (&plain, Some(ServerProtocol::Http), Some(forward()), false),
        (&plain, Some(ServerProtocol::Tls), Some(forward()), false),
        (&plain, None, Some(forward()), false),
        (&other, Some(ServerProtocol::Tcp), Some(forward()), false),
        (&secured, Some(ServerProtocol::Tcp), Some(forward()), false),
    ] {
        let program = program([listener(protocol), routes(rule.clone())]);
        let passes = passes(&program, &own, standpoint, at("10.1.0.1:80"));
        assert_eq!(passes, expected, "{standpoint:?} {protocol:?} {}", rule.is_some());
    }
    assert!(passes(&program([]), &own, &Standpoint::Node, at("10.1.0.1:80")));
}

/// A client that the server greeted.
async fn greeted(edge: &Edge, server: &Played) -> (TcpStream, TcpStream) {
    let mut client = edge.sent(b"ping").await;
    let mut far = server.accept().await;
    for _ in 0..2 {
        exchange(&mut client, &mut far).await;
        client.write_all(b"ping").await.unwrap();
    }
    (client, far)
}

async fn exchange(client: &mut TcpStream, far: &mut TcpStream) {
    let mut heard = [0; 4];
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
    far.write_all(b"pong").await.unwrap();
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"pong");
}

async fn ended(client: &mut TcpStream) {
    assert_eq!(timeout(LONG, client.read(&mut [0])).await.expect("it ends").unwrap(), 0);
}

async fn edge(server: &Played, protocol: ServerProtocol, rule: HttpRule) -> Edge {
    Edge::new(protocol, Leads::To(server.address()), PortSettings::default(), rule).await
}

#[test]
fn bytes_that_would_not_pass_any_more_do_for_a_while_and_then_end_with_a_reset() {
    for change in [|| listener(None), || listener(Some(ServerProtocol::Http)), || routes(None)] {
        run(async move {
            let server = Played::new().await;
            let edge = edge(&server, ServerProtocol::Tcp, forward()).await;
            let (mut client, mut far) = greeted(&edge, &server).await;
            edge.worker.change(change());
            exchange(&mut client, &mut far).await;
            pause();
            let changed = Instant::now();
            advance(DRAIN_TIME.saturating_sub(Duration::from_secs(1))).await;
            resume();
            client.write_all(b"ping").await.unwrap();
            exchange(&mut client, &mut far).await;
            pause();
            let error = client.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            assert!(changed.elapsed() < DRAIN_TIME + Duration::from_secs(1));
            resume();
            edge.worker.connections.tells("port 80 of the gateway takes no such connection any more").await;
            edge.worker.connections.tells("LR").await;
        });
    }
}

#[test]
fn bytes_that_would_pass_still_go_on() {
    run(async {
        let server = Played::new().await;
        let edge = edge(&server, ServerProtocol::Tcp, forward()).await;
        let (mut client, mut far) = greeted(&edge, &server).await;
        edge.worker.change(routes(Some(HttpRule { name: "other".into(), ..forward() })));
        exchange(&mut client, &mut far).await;
        pause();
        advance(DRAIN_TIME * 10).await;
        resume();
        client.write_all(b"ping").await.unwrap();
        exchange(&mut client, &mut far).await;
    });
}

#[test]
fn an_answer_that_outlasts_the_time_ends_with_a_reset_too() {
    run(async {
        let server = Played::new().await;
        let edge = edge(&server, ServerProtocol::Http, forward()).await;
        let mut client = edge.sent(b"GET /long HTTP/1.1\r\nHost: web.example\r\n\r\n").await;
        let (mut far, _) = server.asked().await;
        far.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        edge.worker.change(listener(None));
        edge.door.closed.cancel();
        let mut heard = [0; 6];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"1\r\na\r\n");
        pause();
        let changed = Instant::now();
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let lasted = changed.elapsed();
        assert!(lasted + Duration::from_secs(1) > DRAIN_TIME && lasted < DRAIN_TIME + Duration::from_secs(1));
        resume();
        edge.worker.requests.tells("GET /long HTTP/1.1 200 LR drained\n").await;
    });
}

/// They were let in by rules for requests, which are not asked at a port of TCP; bytes go where its routes lead.
#[test]
fn of_a_port_that_became_one_of_tcp_no_further_requests_are_taken() {
    run(async {
        let server = Played::new().await;
        let edge = edge(&server, ServerProtocol::Http, forward()).await;
        let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: web.example\r\n\r\n").into_bytes();
        let mut busy = edge.sent(&request("/begun")).await;
        let (mut far, _) = server.asked().await;
        let mut idle = edge.sent(&request("/idle")).await;
        server.asked().await.0.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut idle).await.starts_with("HTTP/1.1 204 "));
        edge.worker.change(listener(Some(ServerProtocol::Tcp)));
        // Nothing was asked on it, so it ends; what was asked for is answered, and that connection ends then.
        ended(&mut idle).await;
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        assert!(head(&mut busy).await.starts_with("HTTP/1.1 204 "));
        ended(&mut busy).await;
        let (mut client, mut far) = greeted(&edge, &server).await;
        exchange(&mut client, &mut far).await;
    });
}
