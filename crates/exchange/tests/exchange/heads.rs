//! Heads on their way.

use ripstop_exchange::Outcome;

use crate::bed::{Went, run, stage};

#[test]
fn a_request_and_its_answer_are_the_same_bytes_on_the_other_side() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("GET /a?b HTTP/1.1\r\nHost: shop\r\nx-ODD:  case \r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET /a?b HTTP/1.1\r\nHost: shop\r\nx-ODD:  case \r\n\r\n").await;
        upstream.say("HTTP/1.1 200 Fine\r\ncontent-length: 2\r\nServer: x\r\n\r\nhi").await;
        client.hear("HTTP/1.1 200 Fine\r\ncontent-length: 2\r\nServer: x\r\n\r\nhi").await;
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Answered, 0, 2)]);
    });
}

#[test]
fn both_connections_are_used_again_and_requests_sent_ahead_wait_their_turn() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        for n in 1..=3 {
            upstream.hear(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            upstream.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}")).await;
            client.hear(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}")).await;
        }
        assert_eq!(proxy.went(3).await.len(), 3);
    });
}

#[test]
fn what_belongs_to_a_connection_stays_behind() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client
            .say("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\nX-Theirs: 2\r\nHTTP2-Settings: AAA\r\n\r\n")
            .await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\nX-Theirs: 2\r\n\r\n").await;
        upstream
            .say("HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n")
            .await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    });
}

#[test]
fn trailers_that_a_client_asks_for_are_asked_for() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: deflate, trailers\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\nTE: trailers\r\n\r\n").await;
    });
}

#[test]
fn an_absolute_target_becomes_a_path() {
    for (sent, path) in [("http://b:80", "/"), ("http://b:80?admin", "/?admin"), ("http://b:80/x?y", "/x?y")] {
        run(async {
            let (_proxy, server, mut client) = stage().await;
            client.say(format!("GET {sent} HTTP/1.1\r\nHost: b:80\r\n\r\n")).await;
            let mut upstream = server.accept().await;
            upstream.hear(format!("GET {path} HTTP/1.1\r\nHost: b:80\r\n\r\n")).await;
        });
    }
}

#[test]
fn an_old_client_speaks_http_1_1_upstream_and_is_told_of_the_end() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
        client.hear("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde").await;
        client.hear_end().await;
    });
}

#[test]
fn an_old_client_that_keeps_its_connection_is_told_so() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        let mut upstream = None;
        for _ in 0..2 {
            client.say("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").await;
            if upstream.is_none() {
                upstream = Some(server.accept().await);
            }
            let upstream = upstream.as_mut().unwrap();
            upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").await;
            client.hear("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx").await;
        }
    });
}

#[test]
fn an_old_server_is_answered_for_in_our_version() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.say("HTTP/1.0 200 OK\r\n\r\nall of it").await;
        drop(upstream);
        client.hear("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n").await;
        // The client's connection goes on.
        client.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        server.accept().await.hear("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    });
}

#[test]
fn answers_without_a_body_have_none_whatever_they_say() {
    let rows = [
        ("HEAD", "200 OK\r\nContent-Length: 5\r\n\r\n", "200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 OK\r\n\r\n"),
        ("HEAD", "200 OK\r\n\r\n", "200 OK\r\n\r\n"),
        ("GET", "204 No Content\r\n\r\n", "204 No Content\r\n\r\n"),
        ("GET", "204 No Content\r\nContent-Length: 0\r\n\r\n", "204 No Content\r\n\r\n"),
        ("GET", "304 Not Modified\r\nContent-Length: 9\r\n\r\n", "304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        ("GET", "304 Not Modified\r\nETag: \"x\"\r\n\r\n", "304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
    ];
    for (method, said, heard) in rows {
        run(async {
            let (_proxy, server, mut client) = stage().await;
            client.say(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            let mut upstream = server.accept().await;
            upstream.hear(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            upstream.say(format!("HTTP/1.1 {said}")).await;
            client.hear(format!("HTTP/1.1 {heard}")).await;
            // Both connections are where they should be.
            client.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
            upstream.hear("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
            upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        });
    }
}

#[test]
fn early_hints_and_leave_to_continue_are_passed_on_but_not_to_old_clients() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
        upstream.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await;
        client.hear("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await;
        client.say("abc").await;
        upstream.hear("abc").await;
        upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;

        let (_proxy, server, mut client) = stage().await;
        client.say("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.say("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        client.hear_end().await;
    });
}

#[test]
fn an_expectation_that_is_answered_finally_ends_the_connection() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
        upstream.say("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n").await;
        client.hear("HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        client.hear_end().await;
    });
}

#[test]
fn what_is_no_request_is_answered_and_goes_nowhere() {
    let rows = [
        ("GET / HTTP/1.1\r\n\r\n", 400, "Bad Request"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP Version Not Supported"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "Bad Request"),
    ];
    for (said, status, reason) in rows {
        run(async {
            let (_proxy, _server, mut client) = stage().await;
            client.say(said).await;
            let answer = format!("HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            client.hear(answer).await;
            client.hear_end().await;
        });
    }
}
