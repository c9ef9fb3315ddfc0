//! Other protocols, and tunnels.

use ripstop_exchange::Outcome;
use tokio::io::AsyncWriteExt as _;

use crate::bed::{Went, run, stage};

#[test]
fn a_websocket_is_passed_through_once_both_agree() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        client
            .say(format!(
                "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n{key}\r\n"
            ))
            .await;
        let mut upstream = server.accept().await;
        upstream
            .hear(format!("GET /chat HTTP/1.1\r\nHost: a\r\n{key}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"))
            .await;
        // The first frame comes right behind the head.
        upstream
            .say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-A: b\r\n\r\n\x01first")
            .await;
        client
            .hear("HTTP/1.1 101 Switching Protocols\r\nX-A: b\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x01first")
            .await;
        for frame in ["\x02hello", "GET / HTTP/1.1\r\n\r\n"] {
            client.say(frame).await;
            upstream.hear(frame).await;
            upstream.say(frame).await;
            client.hear(frame).await;
        }
        // Each side ends by itself.
        client.0.shutdown().await.unwrap();
        upstream.hear_end().await;
        upstream.say("last").await;
        client.hear("last").await;
        drop(upstream);
        client.hear_end().await;
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Tunnelled, 24, 34)]);
    });
}

#[test]
fn a_switch_that_is_not_taken_up_ends_the_connection() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await;
        upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
        client.hear_end().await;
    });
}

#[test]
fn nobody_speaks_another_http_behind_our_back() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        let offer = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n";
        client.say(format!("GET /1 HTTP/1.1\r\nHost: a\r\n{offer}\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let mut upstream = server.accept().await;
        for n in 1..=2 {
            upstream.hear(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
}

#[test]
fn connect_makes_a_tunnel() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n").await;
        upstream.say("HTTP/1.1 200 OK\r\n\r\nhello").await;
        client.hear("HTTP/1.1 200 OK\r\n\r\nhello").await;
        client.say("bytes").await;
        upstream.hear("bytes").await;
        drop(upstream);
        client.hear_end().await;
        drop(client);
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Tunnelled, 5, 5)]);
    });
}

#[test]
fn a_tunnel_whose_client_dies_is_reset() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n").await;
        upstream.say("HTTP/1.1 200 OK\r\n\r\n").await;
        client.hear("HTTP/1.1 200 OK\r\n\r\n").await;
        client.0.set_zero_linger().unwrap();
        drop(client);
        upstream.hear_reset().await;
    });
}
