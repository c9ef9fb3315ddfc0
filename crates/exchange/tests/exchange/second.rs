//! A request that two servers get.

use std::{future::poll_fn, net::SocketAddr, rc::Rc, task::Poll, time::Duration};

use ripstop_exchange::{
    Downstream, HeadChanges, Http1Client, Http1Server, Http2Client, Http2Options, Next, Pump, Replay, Second, Upstream,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::spawn_local,
};

use crate::{
    bed::{Client, Http, Server, run},
    real,
};

/// A proxy that sends a request to a second server as soon as all of it has gone to the first. Who answers first answers.
async fn proxy(first: SocketAddr, other: SocketAddr, back: Http) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        let mut server = Http1Server::new(listener.accept().await.unwrap().0, Rc::default());
        assert!(matches!(server.next().await, Next::Request));
        let mut one = Http1Client::new(TcpStream::connect(first).await.unwrap(), Rc::default());
        let mut http1 = Http1Client::new(TcpStream::connect(other).await.unwrap(), Rc::default());
        let mut call = None;
        if back == Http::Two {
            let stream = TcpStream::connect(other).await.unwrap();
            let (client, driver) = Http2Client::new(stream, Rc::new(Http2Options::default()));
            spawn_local(driver);
            client.settled().await;
            call = Some(client.call());
        }
        let mut spare = Some(match &mut call {
            Some(call) => Upstream::Http2(call),
            None => Upstream::Http1(&mut http1),
        });
        let mut replay = Replay::up_to(Replay::USUAL);
        let client = Downstream::Http1(&mut server);
        let mut pump = Pump::new(client, Upstream::Http1(&mut one), &HeadChanges::NONE, &mut replay).unwrap();
        let mut second: Option<Second<'_>> = None;
        let won = poll_fn(|cx| {
            if let Poll::Ready(answered) = pump.poll_answer(cx) {
                answered.unwrap();
                return Poll::Ready(false);
            }
            if pump.is_repeatable()
                && let Some(spare) = spare.take()
            {
                second = Some(pump.begin_second(spare, &HeadChanges::NONE).unwrap());
            }
            match &mut second {
                Some(second) => pump.poll_second(second, cx).map(|answered| answered.is_ok()),
                None => Poll::Pending,
            }
        })
        .await;
        match second.take().filter(|_| won) {
            Some(second) => pump.instead(second),
            None => assert!(!won),
        }
        pump.pass_on(&HeadChanges::NONE).unwrap();
        pump.through().await.unwrap();
        drop((pump, second, spare));
        poll_fn(|cx| server.poll_finish(cx)).await.unwrap();
        server.close().await;
    });
    Client(TcpStream::connect(address).await.unwrap())
}

const POST: &str = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

#[test]
fn whoever_answers_first_answers_and_the_other_hears_no_more() {
    for is_second in [false, true] {
        run(async move {
            let servers = [Server::new().await, Server::new().await];
            let mut client = proxy(servers[0].address(), servers[1].address(), Http::One).await;
            client.say(POST).await;
            let mut ends = [servers[0].accept().await, servers[1].accept().await];
            for end in &mut ends {
                let head = end.head().await;
                assert!(head.starts_with("POST /a HTTP/1.1\r\n"), "{head}");
                end.hear("hello").await;
            }
            let [one, other] = ends;
            let (mut winner, mut loser) = if is_second { (other, one) } else { (one, other) };
            winner.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").await;
            assert!(client.head().await.starts_with("HTTP/1.1 200 "));
            // Nobody wants what it would say.
            let mut rest = Vec::new();
            let ending = tokio::io::AsyncReadExt::read_to_end(&mut loser.0, &mut rest);
            // In good order or not.
            let _ = tokio::time::timeout(Duration::from_secs(30), ending).await.expect("it ends in time");
            assert!(rest.is_empty());
            winner.say("yes").await;
            client.hear("yes").await;
            client.hear_end().await;
        });
    }
}

/// By another HTTP, with a body whose length nobody knew.
#[test]
fn the_second_server_may_speak_another_http() {
    run(async {
        let slow = Server::new().await;
        let (address, _) = real::server(Http::Two).await;
        let mut client = proxy(slow.address(), address, Http::Two).await;
        client
            .say("POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            .await;
        let mut end = slow.accept().await;
        end.head().await;
        client.say("3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut client.0, &mut rest).await.unwrap();
        assert!(String::from_utf8_lossy(&rest).contains("abcdefg"), "{rest:?}");
    });
}
