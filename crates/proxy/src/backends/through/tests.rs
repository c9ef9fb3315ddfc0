use std::time::Duration;

use ripstop_model::{ConnectionPool, PortSettings, ServerProtocol};
use ripstop_tls::Buffer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    backends::testing::{pool as pool_of, rule_change, rules},
    testing::{Edge, Leads, Played, forward, run},
};

/// What a proxy makes of the way on that answers so: what it was asked, and what is heard behind it.
fn led(settings: &TunnelSettings, answer: &'static [u8]) -> (String, Result<String, BackendError>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = tokio::task::spawn_local(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                match client.read_u8().await {
                    Ok(byte) => asked.push(byte),
                    Err(_) => break,
                }
            }
            client.write_all(answer).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let led = match lead(stream.into(), address, settings).await {
            Ok(mut stream) => {
                let mut heard = Buffer::default();
                while poll_fn(|cx| stream.poll_read(cx, &mut heard)).await.unwrap() > 0 {}
                Ok(String::from_utf8(heard.filled().to_vec()).unwrap())
            }
            Err(error) => Err(error),
        };
        (proxy.await.unwrap(), led)
    })
}

fn to(host: &str) -> TunnelSettings {
    TunnelSettings { post: false, host: host.into(), port: 443 }
}

#[test]
fn what_comes_behind_the_answer_is_the_hosts() {
    let (asked, led) = led(&to("web.example"), b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: a\r\n\r\nhello");
    assert!(asked.starts_with("CONNECT web.example:443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains("\r\nhost: web.example:443\r\n"), "{asked}");
    assert_eq!(led.unwrap(), "hello");
}

#[test]
fn an_address_of_ipv6_is_in_brackets() {
    let (asked, led) = led(&to("2001:db8::1"), b"HTTP/1.1 204 No Content\r\n\r\n");
    assert!(asked.starts_with("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"), "{asked}");
    assert_eq!(led.unwrap(), "");
}

#[test]
fn whatever_else_is_answered_leads_nowhere() {
    for (answer, told, counts) in [
        (&b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"[..], "it answers 403", false),
        (b"HTTP/1.1 407 No\r\n\r\n", "it answers 407", false),
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", "it answers 301", false),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "it answers 502", true),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n",
            "switches to a protocol that was not asked for",
            true,
        ),
        (b"SSH-2.0-proxy\r\n", "the version is malformed", true),
        (b"", "the peer ended the connection", true),
    ] {
        let error = led(&to("web.example"), answer).1.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("web.example:443") && text.contains(told), "{text}");
        assert_eq!(error.outcome().is_some(), counts, "{text}");
    }
}

#[test]
fn framing_of_an_answer_without_a_body_says_nothing() {
    for fields in ["Content-Length: 3", "Transfer-Encoding: chunked"] {
        let answer: &'static str = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nhello").leak();
        assert_eq!(led(&to("web.example"), answer.as_bytes()).1.unwrap(), "hello", "{fields}");
    }
}

/// A gateway whose routes lead to `proxy`, which is asked as `tunnel` says.
async fn edge(proxy: &Played, tunnel: TunnelSettings) -> Edge {
    let leads = Leads::To(proxy.address());
    let edge = Edge::new(ServerProtocol::Tcp, leads, PortSettings::default(), forward()).await;
    let pool = ConnectionPool { connect_timeout: Some(Duration::from_millis(20)), ..ConnectionPool::default() };
    let mut rules = rules("web.ns.svc.cluster.local", pool_of(pool));
    rules.policy.tunnel = Some(tunnel);
    edge.worker.change(rule_change(rules));
    edge
}

#[test]
fn a_proxy_that_is_silent_is_given_up() {
    run(async {
        let proxy = Played::new().await;
        let edge = edge(&proxy, to("web.example")).await;
        let mut client = edge.sent(b"ping").await;
        let (_silent, asked) = proxy.asked().await;
        assert!(asked.starts_with("CONNECT web.example:443 HTTP/1.1\r\n"), "{asked}");
        assert!(matches!(client.read(&mut [0]).await, Err(_) | Ok(0)));
        edge.worker.connections.tells("20ms").await;
    });
}

#[test]
fn for_what_is_not_spoken_nobody_is_connected_to() {
    run(async {
        let proxy = Played::new().await;
        let edge = edge(&proxy, TunnelSettings { post: true, ..to("web.example") }).await;
        let mut client = edge.sent(b"ping").await;
        assert!(matches!(client.read(&mut [0]).await, Err(_) | Ok(0)));
        edge.worker.connections.tells("by CONNECT only").await;
        // The first that comes is the test's own.
        let own = TcpStream::connect(proxy.address()).await.unwrap();
        let first = proxy.accept().await;
        assert_eq!(first.peer_addr().unwrap(), own.local_addr().unwrap());
    });
}
