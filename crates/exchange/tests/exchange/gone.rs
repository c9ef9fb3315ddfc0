//! A client that leaves while something else than an upstream is waited for.

use std::{future::poll_fn, io::IoSlice, pin::pin, rc::Rc};

use ripstop_exchange::{Downstream, Fault, HalfClose, Http1Server, Http2Server, Io, Next, ServerOptions};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, select, task::yield_now};

use crate::{
    bed::{Client, Server, run},
    secure,
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A client, and the server's end of its connection once that has its request.
async fn asked(half_close: HalfClose, request: &str) -> (Client, Http1Server) {
    let listener = Server::new().await;
    let mut client = Client(TcpStream::connect(listener.address()).await.unwrap());
    let options = ServerOptions { half_close, ..ServerOptions::default() };
    let mut server = Http1Server::new(listener.accept().await.0, Rc::new(options));
    client.say(request).await;
    assert!(matches!(server.next().await, Next::Request));
    (client, server)
}

/// Whether the client is taken for gone although it is not, as far as others' turns tell.
async fn is_missed(server: &mut Http1Server) -> bool {
    let mut downstream = Downstream::Http1(server);
    let mut gone = pin!(downstream.gone());
    for _ in 0..100 {
        select! {
            biased;
            _ = &mut gone => return true,
            () = yield_now() => {}
        }
    }
    false
}

#[expect(clippy::needless_pass_by_value, reason = "dropping it is what resets it")]
fn reset(client: Client) {
    client.0.set_zero_linger().unwrap();
}

#[test]
fn a_reset_is_seen() {
    run(async {
        for half_close in [HalfClose::Leaves, HalfClose::Listens] {
            let (client, mut server) = asked(half_close, REQUEST).await;
            assert!(!is_missed(&mut server).await);
            reset(client);
            let fault = Downstream::Http1(&mut server).gone().await;
            assert!(matches!(fault, Fault::Io(_)), "{fault}");
        }
    });
}

#[test]
fn an_end_in_good_order_is_one_of_who_leaves() {
    run(async {
        let (client, mut server) = asked(HalfClose::Leaves, REQUEST).await;
        drop(client);
        assert!(matches!(Downstream::Http1(&mut server).gone().await, Fault::Gone));
    });
}

#[test]
fn who_listens_still_is_gone_with_a_reset() {
    run(async {
        let (mut client, mut server) = asked(HalfClose::Listens, REQUEST).await;
        client.0.shutdown().await.unwrap();
        assert!(!is_missed(&mut server).await);
        reset(client);
        assert!(matches!(Downstream::Http1(&mut server).gone().await, Fault::Io(_)));
    });
}

#[test]
fn who_has_sent_more_than_is_read_ahead_is_gone_with_a_reset() {
    run(async {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{}", "x".repeat(60000));
        let (client, mut server) = asked(HalfClose::Leaves, &request).await;
        assert!(!is_missed(&mut server).await);
        reset(client);
        assert!(matches!(Downstream::Http1(&mut server).gone().await, Fault::Io(_)));
    });
}

#[test]
fn what_was_read_ahead_is_not_lost() {
    run(async {
        let (mut client, mut server) = asked(HalfClose::Leaves, REQUEST).await;
        client.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(!is_missed(&mut server).await);
        let mut downstream = Downstream::Http1(&mut server);
        downstream.reply(204, [], b"").unwrap();
        downstream.finish().await.unwrap();
        assert!(matches!(server.next().await, Next::Request));
        assert_eq!(server.head().path(), b"/next");
    });
}

#[test]
fn a_stream_that_is_reset_is_gone_and_its_connection_is_not() {
    run(async {
        let listener = Server::new().await;
        let socket = TcpStream::connect(listener.address()).await.unwrap();
        let (mut server, driver) = Http2Server::new(listener.accept().await.0, Rc::default());
        tokio::task::spawn_local(driver);
        let (client, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::task::spawn_local(connection);
        let mut client = client.ready().await.unwrap();
        let ask = |client: &mut h2::client::SendRequest<bytes::Bytes>| {
            client.send_request(http::Request::get("http://a/").body(()).unwrap(), true).unwrap().1
        };
        let mut stream = ask(&mut client);
        let mut request = server.next().await.unwrap();
        stream.send_reset(h2::Reason::CANCEL);
        assert!(matches!(Downstream::Http2(&mut request).gone().await, Fault::Reset(_)));
        drop(request);
        let _second = ask(&mut client);
        assert!(server.next().await.is_some());
    });
}

#[test]
fn what_is_around_the_socket_hides_no_reset() {
    run(async {
        let (server, client) = secure::pair().await;
        let options = ServerOptions { half_close: HalfClose::Listens, ..ServerOptions::default() };
        let mut server = Http1Server::new(server, Rc::new(options));
        let mut client = Io::from(client);
        let sent = poll_fn(|cx| client.poll_write_vectored(cx, &[IoSlice::new(REQUEST.as_bytes())])).await;
        assert_eq!(sent.unwrap(), REQUEST.len());
        poll_fn(|cx| client.poll_shutdown(cx)).await.unwrap();
        assert!(matches!(server.next().await, Next::Request));
        assert!(!is_missed(&mut server).await);
        client.reset_on_drop();
        drop(client);
        assert!(matches!(Downstream::Http1(&mut server).gone().await, Fault::Io(_)));
    });
}
