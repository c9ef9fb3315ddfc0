//! Bodies on their way.

use ripstop_exchange::Outcome;
use ripstop_tls::Buffer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::bed::{Went, run, stage};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_body_by_length_comes_piece_by_piece() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab").await;
        client.say("cd").await;
        upstream.hear("cd").await;
        client.say("ef").await;
        upstream.hear("ef").await;
        upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n12").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n12").await;
        upstream.say("34").await;
        client.hear("34").await;
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Answered, 6, 4)]);
    });
}

#[test]
fn chunks_and_trailers_are_passed_on_as_they_came() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0002\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n";
        client.say(request).await;
        let mut upstream = server.accept().await;
        upstream.hear(request).await;
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\nX-Sum: 2\r\n\r\n";
        upstream.say(answer).await;
        client.hear(answer).await;
        client.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.hear("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    });
}

#[test]
fn chunks_come_one_by_one() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for part in ["1\r", "\nx", "\r\n", "2\r\nyz\r\n", "0\r\n", "\r\n"] {
            client.say(part).await;
            upstream.hear(part).await;
        }
        upstream.say(OK).await;
        client.hear(OK).await;
    });
}

#[test]
fn nothing_depends_on_how_bytes_arrive() {
    let request = "POST /a?b HTTP/1.1\r\nHost: a\r\nConnection: x-hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n";
    let sent = "POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n";
    let answers = [
        (
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nKeep-Alive: 1\r\nContent-Length: 4\r\n\r\nbody",
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        ),
    ];
    for size in [1, 2, 3, 7, 16, 50] {
        run(async {
            let (_proxy, server, mut client) = stage().await;
            client.0.set_nodelay(true).unwrap();
            let mut kept = None;
            for (answer, heard) in answers {
                for part in request.as_bytes().chunks(size) {
                    client.say(part).await;
                    tokio::task::yield_now().await;
                }
                if kept.is_none() {
                    kept = Some(server.accept().await);
                }
                let upstream = kept.as_mut().unwrap();
                upstream.0.set_nodelay(true).unwrap();
                upstream.hear(sent).await;
                for part in answer.as_bytes().chunks(size) {
                    upstream.say(part).await;
                    tokio::task::yield_now().await;
                }
                client.hear(heard).await;
            }
        });
    }
}

#[test]
fn a_broken_chunk_is_answered_and_nothing_of_it_passed_on() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
        client.say("zz\r\n").await;
        upstream.hear_reset().await;
        client.hear("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        client.hear_end().await;
    });
}

#[test]
fn an_early_answer_is_passed_on_while_the_request_goes_on() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
        upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1").await;
        client.say("cd").await;
        upstream.hear("cd").await;
        upstream.say("2").await;
        client.hear("2").await;
        client.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.hear("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    });
}

#[test]
fn a_request_that_is_answered_before_its_end_is_read_to_it_if_that_is_near() {
    run(async {
        let (proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
        upstream.say("HTTP/1.1 413 Enough\r\nContent-Length: 0\r\n\r\n").await;
        client.hear("HTTP/1.1 413 Enough\r\nContent-Length: 0\r\n\r\n").await;
        upstream.hear_reset().await;
        client.say("cdGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        server.accept().await.hear("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Answered, 2, 0)]);
    });
}

#[test]
fn a_request_that_is_answered_long_before_its_end_ends_the_connection_and_the_answer_arrives() {
    run(async {
        let (_proxy, server, mut client) = stage().await;
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await;
        upstream.say("HTTP/1.1 413 Enough\r\nContent-Length: 0\r\n\r\n").await;
        upstream.hear_reset().await;
        client.say(vec![b'x'; 200_000]).await;
        client.hear("HTTP/1.1 413 Enough\r\nContent-Length: 0\r\n\r\n").await;
        client.hear_end().await;
        // Nobody wants the rest, but nobody refuses it either: that would be a reset.
        client.say(vec![b'x'; 400_000]).await;
        client.say(vec![b'x'; 400_000]).await;
    });
}

#[test]
fn ten_megabytes_both_ways_at_once_hold_no_more_than_a_buffer_each() {
    const SIZE: usize = 10 << 20;
    run(async {
        let (proxy, server, client) = stage().await;
        let (mut from_proxy, mut to_proxy) = client.0.into_split();
        let pattern = |at: usize| u8::try_from(at % 251).unwrap();
        let body: Vec<u8> = (0..SIZE).map(pattern).collect();
        let sent = body.clone();
        let sender = tokio::task::spawn_local(async move {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n");
            to_proxy.write_all(head.as_bytes()).await.unwrap();
            to_proxy.write_all(&sent).await.unwrap();
            to_proxy
        });
        let upstream = tokio::task::spawn_local(async move {
            let (mut from_proxy, mut to_proxy) = server.accept().await.0.into_split();
            to_proxy.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
            // An echo of everything after the head, as chunks of what was read.
            let mut seen = Vec::new();
            let mut space = vec![0; 5000];
            let mut in_head = true;
            let mut echoed = 0;
            while echoed < SIZE {
                let n = from_proxy.read(&mut space).await.unwrap();
                seen.extend_from_slice(&space[..n]);
                if in_head {
                    let Some(end) = seen.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
                    seen.drain(..end + 4);
                    in_head = false;
                }
                if seen.is_empty() {
                    continue;
                }
                to_proxy.write_all(format!("{:x}\r\n", seen.len()).as_bytes()).await.unwrap();
                to_proxy.write_all(&seen).await.unwrap();
                to_proxy.write_all(b"\r\n").await.unwrap();
                echoed += seen.len();
                seen.clear();
                // The client's connection, the server's, and nobody else.
                assert!(Buffer::storages() <= 2, "{} buffers are in use", Buffer::storages());
            }
            to_proxy.write_all(b"0\r\n\r\n").await.unwrap();
            (from_proxy, to_proxy)
        });
        // A slow reader: little at a time.
        let mut got = Vec::with_capacity(SIZE + (1 << 20));
        let mut space = vec![0; 3000];
        while !got.ends_with(b"\r\n0\r\n\r\n") {
            let n = from_proxy.read(&mut space).await.unwrap();
            assert!(n > 0);
            got.extend_from_slice(&space[..n]);
        }
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(&got[..head.len()], head);
        let mut content = Vec::new();
        let mut rest = &got[head.len()..];
        loop {
            let line = rest.windows(2).position(|it| it == b"\r\n").unwrap();
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
            if size == 0 {
                break;
            }
            content.extend_from_slice(&rest[line + 2..line + 2 + size]);
            rest = &rest[line + 2 + size + 2..];
        }
        assert!(content == body, "the content differs");
        let _ends = (sender.await.unwrap(), upstream.await.unwrap());
        assert!(
            matches!(proxy.went(1).await[..], [Went::Well(Outcome::Answered, request, _)] if request == SIZE as u64)
        );
        assert_eq!(Buffer::storages(), 0, "idle connections hold no buffer");
    });
}
