//! One side goes away, at each stage.

use ripstop_exchange::{Answered, Party, Retry, Sent};

use tokio::net::TcpStream;

use crate::{
    bed::{Client, Plan, Proxy, Server, Went, run, stage},
    streams::{accept, hear, hear_end},
};

const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
const UNAVAILABLE_AND_CLOSE: &str =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[test]
fn an_upstream_that_ends_without_a_byte_may_have_processed_it() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        drop(upstream);
        let how = Went::Badly(Party::Upstream, Sent::All, Answered::Nothing, Retry::IfIdempotent);
        assert_eq!(proxy.went(1).await, [how]);
        client.hear(UNAVAILABLE).await;
    });
}

#[test]
fn an_upstream_that_ends_within_the_request_is_not_given_the_rest() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").await;
        drop(upstream);
        let how = Went::Badly(Party::Upstream, Sent::PartOfBody, Answered::Nothing, Retry::IfIdempotent);
        assert_eq!(proxy.went(1).await, [how]);
        client.hear(UNAVAILABLE).await;
    });
}

#[test]
fn an_upstream_that_ends_before_the_body_has_only_the_head() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").await;
        drop(upstream);
        let how = Went::Badly(Party::Upstream, Sent::Head, Answered::Nothing, Retry::IfIdempotent);
        assert_eq!(proxy.went(1).await, [how]);
        client.hear(UNAVAILABLE).await;
    });
}

#[test]
fn an_upstream_that_ends_within_its_head_has_answered_something() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.say("HTTP/1.1 200").await;
        drop(upstream);
        let how = Went::Badly(Party::Upstream, Sent::All, Answered::Begun, Retry::Never);
        assert_eq!(proxy.went(1).await, [how]);
        client.hear(UNAVAILABLE).await;
    });
}

#[test]
fn an_upstream_that_ends_within_its_body_leaves_an_answer_that_nobody_takes_for_whole() {
    for (framing, body) in [("Content-Length: 5", "ab"), ("Transfer-Encoding: chunked", "5\r\nab")] {
        run(async {
            let (proxy, server, mut client) = stage().await;
            client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let mut upstream = server.accept().await;
            upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            upstream.say(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}")).await;
            client.hear(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}")).await;
            drop(upstream);
            let how = Went::Badly(Party::Upstream, Sent::All, Answered::Head, Retry::Never);
            assert_eq!(proxy.went(1).await, [how]);
            client.hear_reset().await;
        });
    }
}

#[test]
fn an_upstream_that_speaks_no_http_is_not_passed_on() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.say("SSH-2.0-x\r\n").await;
        let how = Went::Badly(Party::Upstream, Sent::All, Answered::Begun, Retry::Never);
        assert_eq!(proxy.went(1).await, [how]);
        upstream.hear_reset().await;
        client.hear(UNAVAILABLE).await;
    });
}

#[test]
fn a_client_that_goes_while_it_waits_has_its_request_reset() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        drop(client);
        let how = Went::Badly(Party::Downstream, Sent::All, Answered::Nothing, Retry::Never);
        assert_eq!(proxy.went(1).await, [how]);
        upstream.hear_reset().await;
    });
}

#[test]
fn a_client_that_goes_within_its_request_has_it_reset() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").await;
        drop(client);
        let how = Went::Badly(Party::Downstream, Sent::PartOfBody, Answered::Nothing, Retry::Never);
        assert_eq!(proxy.went(1).await, [how]);
        upstream.hear_reset().await;
    });
}

#[test]
fn a_client_that_goes_within_the_answer_ends_it_upstream() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").await;
        drop(client);
        let how = Went::Badly(Party::Downstream, Sent::All, Answered::Head, Retry::Never);
        assert_eq!(proxy.went(1).await, [how]);
        upstream.hear_reset().await;
    });
}

#[test]
fn a_kept_connection_that_the_server_has_closed_is_not_used_again() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        for _ in 0..3 {
            client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").await;
            let mut upstream = server.accept().await;
            upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").await;
            upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
        assert_eq!(proxy.went(3).await.len(), 3);
    });
}

#[test]
fn a_kept_connection_on_which_something_unasked_came_is_not_used_again() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream
            .say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            .await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        client.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut other = server.accept().await;
        other.hear("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        other.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await;
    });
}

#[test]
fn what_was_read_of_a_request_is_sent_to_the_next_server_from_its_start() {
    for (framing, first, rest, whole) in [
        ("Content-Length: 6", "abc", "def", "abcdef"),
        (
            "Transfer-Encoding: chunked",
            "3\r\nabc\r\n",
            "3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n",
            "3\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n",
        ),
    ] {
        run(async {
            let (one, two) = (Server::new().await, Server::new().await);
            let plan = Plan { replay: 64 * 1024, ..Plan::default() };
            let proxy = Proxy::with(vec![one.address(), two.address()], plan).await;
            let mut client = proxy.connect().await;
            client.say(format!("PUT / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{first}")).await;
            let mut upstream = one.accept().await;
            upstream.hear(format!("PUT / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{first}")).await;
            drop(upstream);
            let mut upstream = two.accept().await;
            upstream.hear(format!("PUT / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{first}")).await;
            client.say(rest).await;
            upstream.hear(&whole[first.len()..]).await;
            upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            assert_eq!(proxy.went(2).await.len(), 2);
        });
    }
}

#[test]
fn a_request_of_whose_body_nothing_was_seen_goes_to_a_server_of_another_http() {
    use std::rc::Rc;

    use ripstop_exchange::{
        Downstream, HeadChanges, Http1Client, Http1Server, Http2Client, Next, Pump, Replay, Upstream,
    };

    run(async {
        let (one, two, listener) = (Server::new().await, Server::new().await, Server::new().await);
        let mut client = Client(TcpStream::connect(listener.address()).await.unwrap());
        let mut server = Http1Server::new(listener.accept().await.0, Rc::default());
        client.say("POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        assert!(matches!(server.next().await, Next::Request));
        let mut replay = Replay::none();
        // One that closes, and would have got the chunks as they come.
        let mut upstream = Http1Client::new(TcpStream::connect(one.address()).await.unwrap(), Rc::default());
        drop(one.accept().await);
        let (left, right) = (Downstream::Http1(&mut server), Upstream::Http1(&mut upstream));
        let mut pump = Pump::new(left, right, &HeadChanges::NONE, &mut replay).unwrap();
        let failure = pump.answer().await.unwrap_err();
        drop(pump);
        assert_ne!(failure.retry(), Retry::Never);
        assert!(replay.is_possible());
        // One that gets what they say.
        let (http2, driver) = Http2Client::new(TcpStream::connect(two.address()).await.unwrap(), Rc::default());
        tokio::task::spawn_local(driver);
        let mut call = http2.call();
        let (left, right) = (Downstream::Http1(&mut server), Upstream::Http2(&mut call));
        let mut pump = Pump::new(left, right, &HeadChanges::NONE, &mut replay).unwrap();
        let story = async {
            let (mut request, mut respond) = accept(&two, false).await;
            client.say("3\r\nabc\r\n0\r\n\r\n").await;
            hear(request.body_mut(), "abc").await;
            hear_end(request.body_mut()).await;
            respond.send_response(http::Response::builder().status(204).body(()).unwrap(), true).unwrap();
        };
        let (answered, ()) = tokio::join!(pump.answer(), story);
        answered.unwrap();
        pump.pass_on(&HeadChanges::NONE).unwrap();
        pump.through().await.unwrap();
        drop(pump);
        assert!(!replay.is_possible());
        client.hear("HTTP/1.1 204 No Content\r\n\r\n").await;
    });
}

#[test]
fn chunks_that_were_on_their_way_as_they_came_are_lost_with_their_server() {
    use std::rc::Rc;

    use ripstop_exchange::{Downstream, HeadChanges, Http1Client, Http1Server, Next, Pump, Replay, Upstream};

    run(async {
        let (one, listener) = (Server::new().await, Server::new().await);
        let mut client = Client(TcpStream::connect(listener.address()).await.unwrap());
        let mut server = Http1Server::new(listener.accept().await.0, Rc::default());
        client.say("POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
        assert!(matches!(server.next().await, Next::Request));
        let socket = TcpStream::connect(one.address()).await.unwrap();
        let upstream = one.accept().await.0;
        upstream.set_zero_linger().unwrap();
        drop(upstream);
        // It is known to be gone before anything is written.
        let mut upstream = Http1Client::new(socket, Rc::default());
        while upstream.is_reusable() {
            tokio::task::yield_now().await;
        }
        let mut replay = Replay::none();
        let (left, right) = (Downstream::Http1(&mut server), Upstream::Http1(&mut upstream));
        let mut pump = Pump::new(left, right, &HeadChanges::NONE, &mut replay).unwrap();
        let failure = pump.answer().await.unwrap_err();
        drop(pump);
        assert_eq!((failure.party, failure.sent, failure.retry()), (Party::Upstream, Sent::Nothing, Retry::Safe));
        assert!(!replay.is_possible());
    });
}

#[test]
fn a_connection_that_was_reset_is_not_closed_in_good_order() {
    use std::rc::Rc;

    use ripstop_exchange::{Http1Server, Next};

    run(async {
        let listener = Server::new().await;
        let mut client = Client(TcpStream::connect(listener.address()).await.unwrap());
        let mut server = Http1Server::new(listener.accept().await.0, Rc::default());
        client.say("GET / HTTP/1.0\r\n\r\n").await;
        assert!(matches!(server.next().await, Next::Request));
        server.answer(200, [], ripstop_h1::BodyKind::UntilClose).unwrap();
        std::future::poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
        server.reset();
        client.hear("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
        server.close().await;
        client.hear_reset().await;
    });
}

#[test]
fn a_request_beyond_what_is_kept_goes_to_no_other_server() {
    run(async {
        let (one, two) = (Server::new().await, Server::new().await);
        let plan = Plan { replay: 4, ..Plan::default() };
        let proxy = Proxy::with(vec![one.address(), two.address()], plan).await;
        let mut client = proxy.connect().await;
        client.say("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcde").await;
        let mut upstream = one.accept().await;
        upstream.hear("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcde").await;
        drop(upstream);
        client.hear(UNAVAILABLE).await;
        assert_eq!(proxy.went(1).await.len(), 1);
        client.say("f").await;
        drop(client);
    });
}

#[test]
fn a_request_that_was_refused_within_its_body_says_that_the_connection_ends() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz").await;
        let mut upstream = server.accept().await;
        upstream.hear_reset().await;
        client.hear(UNAVAILABLE_AND_CLOSE).await;
        client.hear_end().await;
    });
}
