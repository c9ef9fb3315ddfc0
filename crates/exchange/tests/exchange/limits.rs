//! What a connection puts up with.

use std::{rc::Rc, time::Duration};

use ripstop_exchange::{Closed, HalfClose, Http1Server, Next, Refusal, ServerOptions};
use ripstop_tls::Buffer;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use crate::bed::{Client, Plan, Proxy, Server, run};

async fn pair() -> (Http1Server, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    (Http1Server::new(socket, Rc::new(ServerOptions::default())), Client(client))
}

#[test]
fn a_head_that_takes_too_long_is_refused() {
    run(async {
        let (mut server, mut client) = pair().await;
        client.say("GET / HT").await;
        // Once the first bytes are there nothing else happens, and time may jump.
        server_has_read(&mut server).await;
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        let Next::Refused(refusal) = server.next().await else { panic!("it is no request") };
        assert_eq!((refusal, refusal.status()), (Refusal::Slow, 408));
        let passed = begun.elapsed();
        assert!(passed >= Duration::from_secs(15) && passed < Duration::from_secs(16), "{passed:?}");
        server.reply(408, [], b"").unwrap();
        std::future::poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
        client.hear("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    });
}

/// Polls until what the client said is in the server's buffer.
async fn server_has_read(server: &mut Http1Server) {
    while Buffer::storages() == 0 {
        std::future::poll_fn(|cx| {
            assert!(server.poll_next(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_idle_connection_closes_and_holds_no_buffer() {
    run(async {
        let (mut server, mut client) = pair().await;
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        assert!(matches!(server.next().await, Next::Closed(Closed::Idle)));
        let passed = begun.elapsed();
        assert!(passed >= Duration::from_secs(60) && passed < Duration::from_secs(61), "{passed:?}");
        assert_eq!(Buffer::storages(), 0);
        tokio::time::resume();
        let closing = tokio::task::spawn_local(server.close());
        client.hear_end().await;
        drop(client);
        closing.await.unwrap();
    });
}

/// A client that is told so does not send its next request into a connection that ends.
#[test]
fn an_answer_before_a_large_body_says_that_the_connection_ends() {
    run(async {
        for (length, end) in [(64 << 10, ""), ((64 << 10) + 1, "Connection: close\r\n")] {
            let (mut server, mut client) = pair().await;
            client.say(&format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")).await;
            assert!(matches!(server.next().await, Next::Request));
            server.reply(403, [], b"").unwrap();
            std::future::poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
            client.hear(&format!("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n{end}\r\n")).await;
        }
    });
}

#[test]
fn a_connection_that_drains_announces_its_end_with_the_next_answer() {
    run(async {
        let (mut server, mut client) = pair().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(matches!(server.next().await, Next::Request));
        server.drain();
        server.reply(200, [(&b"x-a"[..], &b"b"[..])], b"hi").unwrap();
        let persistence = std::future::poll_fn(|cx| server.poll_finish(cx)).await.unwrap();
        assert_eq!(persistence, ripstop_h1::Persistence::Close);
        let closing = tokio::task::spawn_local(server.close());
        client.hear("HTTP/1.1 200 OK\r\nx-a: b\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").await;
        client.hear_end().await;
        drop(client);
        closing.await.unwrap();

        let (mut server, _client) = pair().await;
        server.drain();
        assert!(matches!(server.next().await, Next::Closed(Closed::Drained)));
    });
}

#[test]
fn a_client_that_only_stops_talking_is_answered_where_that_is_wanted() {
    run(async {
        let server = Server::new().await;
        let options = ServerOptions { half_close: HalfClose::Listens, ..ServerOptions::default() };
        let plan = Plan { options: Rc::new(options), ..Plan::default() };
        let proxy = Proxy::with(vec![server.address()], plan).await;
        let mut client = proxy.connect().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.0.shutdown().await.unwrap();
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
        client.hear_end().await;
    });
}

#[test]
fn requests_sent_ahead_without_end_wait_outside() {
    run(async {
        let server = Server::new().await;
        let proxy = Proxy::to(server.address()).await;
        let mut client = proxy.connect().await;
        client.say("GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
        // More than the kernel's buffers and ours hold.
        let many = "GET /again HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000_000);
        let sent = client.0.try_write(many.as_bytes()).unwrap();
        assert!(sent < many.len());
        upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        upstream.hear("GET /again HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(Buffer::storages() <= 2);
    });
}
