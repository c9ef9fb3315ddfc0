//! Other protocols and tunnels, where at least one side is HTTP/2.

use bytes::Bytes;
use h2::{RecvStream, SendStream, client, ext::Protocol};
use http::{Method, Request, Response};
use ripstop_exchange::{Outcome, Party, Retry};
use tokio::io::AsyncWriteExt as _;

use crate::{
    bed::{Client, Http, Plan, Proxy, Server, Went, run},
    streams::{accept, connect, hear, hear_end},
};

async fn stage(front: Http, back: Http) -> (Proxy, Server) {
    let server = Server::new().await;
    let proxy = Proxy::with(vec![server.address()], Plan { front, back, ..Plan::default() }).await;
    (proxy, server)
}

fn websocket() -> Request<()> {
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://shop/chat")
        .extension(Protocol::from_static("websocket"));
    request.header("sec-websocket-version", "13").body(()).unwrap()
}

/// Once the server's settings are there.
async fn extended(client: &mut client::SendRequest<Bytes>) {
    while !client.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
}

async fn echo(front: (&mut SendStream<Bytes>, &mut RecvStream), back: (&mut SendStream<Bytes>, &mut RecvStream)) {
    for frame in ["\x02hello", "GET / HTTP/1.1\r\n\r\n"] {
        front.0.send_data(frame.into(), false).unwrap();
        hear(back.1, frame).await;
        back.0.send_data(frame.into(), false).unwrap();
        hear(front.1, frame).await;
    }
}

#[test]
fn a_websocket_of_http_2_becomes_an_upgrade() {
    run(async {
        let (proxy, server) = stage(Http::Two, Http::One).await;
        let mut client = connect(&proxy).await;
        extended(&mut client).await;
        let (answer, mut sending) = client.send_request(websocket(), false).unwrap();
        // It need not wait for the answer; what it says has to.
        sending.send_data("early".into(), false).unwrap();
        let mut upstream = server.accept().await;
        let head = upstream.head().await;
        let (before, rest) = head.split_once("sec-websocket-key: ").unwrap();
        assert_eq!(before, "GET /chat HTTP/1.1\r\nHost: shop\r\nsec-websocket-version: 13\r\n");
        let (key, rest) = rest.split_at(24);
        assert!(key.ends_with("=="), "{key}");
        assert_eq!(rest, "\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
        upstream
            .say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\nX-A: b\r\n\r\n\x01hi")
            .await;
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        let names: Vec<_> = answer.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["x-a"]);
        hear(answer.body_mut(), "\x01hi").await;
        upstream.hear("early").await;
        upstream.say("back").await;
        hear(answer.body_mut(), "back").await;
        sending.send_data("".into(), true).unwrap();
        upstream.hear_end().await;
        drop(upstream);
        hear_end(answer.body_mut()).await;
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Tunnelled, 5, 7)]);
    });
}

#[test]
fn an_upgrade_to_websocket_becomes_a_stream_of_http_2() {
    run(async {
        let (proxy, server) = stage(Http::One, Http::Two).await;
        let mut client = proxy.connect().await;
        client
            .say("GET /chat?x HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            .await;
        let (mut request, mut respond) = accept(&server, true).await;
        assert_eq!(request.method(), Method::CONNECT);
        assert_eq!(request.extensions().get::<Protocol>().unwrap().as_str(), "websocket");
        assert_eq!(request.uri(), "http://shop/chat?x");
        let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["sec-websocket-version"]);
        let mut answering = respond.send_response(Response::new(()), false).unwrap();
        client
            .hear("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        client.say("hello").await;
        hear(request.body_mut(), "hello").await;
        answering.send_data("back".into(), true).unwrap();
        client.hear("back").await;
        client.hear_end().await;
        client.0.shutdown().await.unwrap();
        hear_end(request.body_mut()).await;
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Tunnelled, 5, 4)]);
    });
}

#[test]
fn a_websocket_passes_between_two_of_http_2() {
    run(async {
        let (proxy, server) = stage(Http::Two, Http::Two).await;
        let mut client = connect(&proxy).await;
        extended(&mut client).await;
        let (answer, mut sending) = client.send_request(websocket(), false).unwrap();
        let (mut request, mut respond) = accept(&server, true).await;
        assert_eq!(request.extensions().get::<Protocol>().unwrap().as_str(), "websocket");
        let mut answering = respond.send_response(Response::new(()), false).unwrap();
        let mut answer = answer.await.unwrap();
        echo((&mut sending, answer.body_mut()), (&mut answering, request.body_mut())).await;
        sending.send_data("".into(), true).unwrap();
        hear_end(request.body_mut()).await;
        answering.send_data("last".into(), true).unwrap();
        hear(answer.body_mut(), "last").await;
        hear_end(answer.body_mut()).await;
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Tunnelled, 24, 28)]);
    });
}

#[test]
fn connect_makes_a_tunnel_whatever_the_http() {
    run(async {
        // From HTTP/2 to HTTP/1.1.
        let (proxy, server) = stage(Http::Two, Http::One).await;
        let mut client = connect(&proxy).await;
        let request = || Request::builder().method(Method::CONNECT).uri("far:443").body(()).unwrap();
        let (answer, mut sending) = client.send_request(request(), false).unwrap();
        let mut upstream = server.accept().await;
        upstream.hear("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n").await;
        upstream.say("HTTP/1.1 200 OK\r\n\r\nhello").await;
        let mut answer = answer.await.unwrap();
        hear(answer.body_mut(), "hello").await;
        sending.send_data("bytes".into(), true).unwrap();
        upstream.hear("bytes").await;
        upstream.hear_end().await;
        drop(upstream);
        hear_end(answer.body_mut()).await;
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Tunnelled, 5, 5)]);

        // And back.
        let (proxy, server) = stage(Http::One, Http::Two).await;
        let mut client: Client = proxy.connect().await;
        client.say("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n").await;
        let (mut request, mut respond) = accept(&server, false).await;
        assert_eq!((request.method(), request.uri().to_string()), (&Method::CONNECT, "far:443".to_owned()));
        let mut answering = respond.send_response(Response::new(()), false).unwrap();
        client.hear("HTTP/1.1 200 OK\r\n\r\n").await;
        client.say("bytes").await;
        hear(request.body_mut(), "bytes").await;
        answering.send_data("hello".into(), true).unwrap();
        client.hear("hello").await;
        client.hear_end().await;
        drop(client);
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Tunnelled, 5, 5)]);
    });
}

#[test]
fn a_tunnel_that_is_refused_is_an_answer() {
    run(async {
        let (proxy, server) = stage(Http::Two, Http::One).await;
        let mut client = connect(&proxy).await;
        let request = Request::builder().method(Method::CONNECT).uri("far:443").body(()).unwrap();
        let (answer, _sending) = client.send_request(request, false).unwrap();
        let mut upstream = server.accept().await;
        upstream.hear("CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n").await;
        upstream.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.status(), 403);
        hear(answer.body_mut(), "no").await;
    });
}

/// What follows it would be taken for frames.
#[test]
fn a_page_instead_of_a_switch_is_no_websocket() {
    run(async {
        let (proxy, server) = stage(Http::Two, Http::One).await;
        let mut client = connect(&proxy).await;
        extended(&mut client).await;
        let (answer, _sending) = client.send_request(websocket(), false).unwrap();
        let mut upstream = server.accept().await;
        upstream.head().await;
        upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>").await;
        assert_eq!(answer.await.unwrap().status(), 503, "what the bed says of each failure");
        assert!(matches!(proxy.went(1).await[..], [Went::Badly(Party::Upstream, .., Retry::Never)]));
    });
}

#[test]
fn a_server_without_the_extension_gets_no_websocket() {
    run(async {
        let (proxy, server) = stage(Http::Two, Http::Two).await;
        let mut client = connect(&proxy).await;
        extended(&mut client).await;
        let (answer, _sending) = client.send_request(websocket(), false).unwrap();
        let socket = server.accept().await;
        let mut upstream = h2::server::handshake(socket.0).await.unwrap();
        let serving = tokio::task::spawn_local(async move { upstream.accept().await.is_none() });
        assert_eq!(answer.await.unwrap().status(), 503);
        drop((client, proxy));
        drop(serving);
    });
}
