//! What only HTTP/2 has: streams that go both ways, resets with codes, GOAWAY.

use bytes::Bytes;
use h2::{Reason, RecvStream, client, server};
use http::{HeaderMap, Request, Response, StatusCode};
use ripstop_exchange::{Answered, Http2Options, Outcome, Party, Retry, Sent};
use ripstop_tls::Buffer;
use std::rc::Rc;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::bed::{Http, Plan, Proxy, Server, Went, run};

/// Between two connections of HTTP/2.
fn both() -> Plan {
    Plan { front: Http::Two, back: Http::Two, ..Plan::default() }
}

pub async fn connect(proxy: &Proxy) -> client::SendRequest<Bytes> {
    // Room for streams that are not read beside one that is.
    let mut builder = client::Builder::new();
    builder.initial_connection_window_size(1 << 20);
    let socket = TcpStream::connect(proxy.address).await.unwrap();
    let (client, connection) = builder.handshake(socket).await.unwrap();
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    client.ready().await.unwrap()
}

/// The first request of the next connection; the connection goes on by itself.
pub async fn accept(server: &Server, extended: bool) -> (Request<RecvStream>, server::SendResponse<Bytes>) {
    let mut builder = server::Builder::new();
    if extended {
        builder.enable_connect_protocol();
    }
    let mut connection = builder.handshake::<_, Bytes>(server.accept().await.0).await.unwrap();
    let first = connection.accept().await.unwrap().unwrap();
    tokio::task::spawn_local(async move { while connection.accept().await.is_some() {} });
    first
}

async fn stage(plan: Plan) -> (Proxy, Server, client::SendRequest<Bytes>) {
    let server = Server::new().await;
    let proxy = Proxy::with(vec![server.address()], plan).await;
    let client = connect(&proxy).await;
    (proxy, server, client)
}

pub async fn hear(stream: &mut RecvStream, expected: &str) {
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        let bytes = stream.data().await.unwrap().unwrap();
        stream.flow_control().release_capacity(bytes.len()).unwrap();
        heard.extend_from_slice(&bytes);
    }
    assert_eq!(String::from_utf8(heard).unwrap(), expected);
}

/// Nothing more comes, and that is in order.
pub async fn hear_end(stream: &mut RecvStream) {
    while let Some(bytes) = stream.data().await {
        assert_eq!(bytes.unwrap(), "");
    }
}

fn post() -> Request<()> {
    Request::post("http://shop/svc").header("te", "trailers").body(()).unwrap()
}

fn reason(error: &h2::Error) -> (Option<Reason>, bool) {
    (error.reason(), error.is_remote())
}

#[test]
fn a_call_goes_both_ways_at_the_same_time_and_ends_with_trailers() {
    run(async {
        let (proxy, server, mut client) = stage(both()).await;
        let (answer, mut sending) = client.send_request(post(), false).unwrap();
        sending.send_data("one".into(), false).unwrap();
        let (mut request, mut respond) = accept(&server, false).await;
        assert_eq!(request.headers()["te"], "trailers");
        hear(request.body_mut(), "one").await;
        let mut answering = respond.send_response(Response::new(()), false).unwrap();
        answering.send_data("1".into(), false).unwrap();
        let mut answer = answer.await.unwrap();
        hear(answer.body_mut(), "1").await;
        for (said, back) in [("two", "2"), ("three", "3")] {
            sending.send_data(said.into(), false).unwrap();
            hear(request.body_mut(), said).await;
            answering.send_data(back.into(), false).unwrap();
            hear(answer.body_mut(), back).await;
        }
        let mut sum = HeaderMap::new();
        sum.insert("x-sum", "11".parse().unwrap());
        sending.send_trailers(sum.clone()).unwrap();
        hear_end(request.body_mut()).await;
        assert_eq!(request.body_mut().trailers().await.unwrap(), Some(sum));
        let mut status = HeaderMap::new();
        status.insert("grpc-status", "0".parse().unwrap());
        answering.send_trailers(status.clone()).unwrap();
        hear_end(answer.body_mut()).await;
        assert_eq!(answer.body_mut().trailers().await.unwrap(), Some(status));
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Answered, 11, 3)]);
    });
}

#[test]
fn an_answer_of_trailers_alone_passes() {
    run(async {
        let (_proxy, server, mut client) = stage(both()).await;
        let (answer, _) = client.send_request(post(), true).unwrap();
        let (_, mut respond) = accept(&server, false).await;
        let head = Response::builder().header("grpc-status", "5").header("content-type", "application/grpc");
        respond.send_response(head.body(()).unwrap(), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "5");
        assert!(answer.body().is_end_stream());
    });
}

#[test]
fn hints_before_the_answer_pass() {
    run(async {
        for back in [Http::One, Http::Two] {
            let (_proxy, server, mut client) = stage(Plan { back, ..both() }).await;
            let (mut answer, _) = client.send_request(post(), true).unwrap();
            let answering = tokio::task::spawn_local(async move {
                if back == Http::One {
                    let mut upstream = server.accept().await;
                    upstream.hear("POST /svc HTTP/1.1\r\nHost: shop\r\n\r\n").await;
                    upstream.say("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").await;
                } else {
                    let (_, mut respond) = accept(&server, false).await;
                    let hints = Response::builder().status(103).header("link", "</a>").body(()).unwrap();
                    respond.send_informational(hints).unwrap();
                    respond.send_response(Response::builder().status(204).body(()).unwrap(), true).unwrap();
                }
                server
            });
            let hints = std::future::poll_fn(|cx| answer.poll_informational(cx)).await.unwrap().unwrap();
            assert_eq!((hints.status(), &hints.headers()["link"]), (StatusCode::EARLY_HINTS, &"</a>".parse().unwrap()));
            assert_eq!(answer.await.unwrap().status(), 204);
            answering.await.unwrap();
        }
    });
}

#[test]
fn a_client_that_resets_its_stream_has_it_reset_upstream() {
    run(async {
        let (proxy, server, mut client) = stage(both()).await;
        let (answer, mut sending) = client.send_request(post(), false).unwrap();
        sending.send_data("one".into(), false).unwrap();
        let (mut request, _respond) = accept(&server, false).await;
        hear(request.body_mut(), "one").await;
        sending.send_reset(Reason::CANCEL);
        let error = request.body_mut().data().await.unwrap().unwrap_err();
        assert_eq!(reason(&error), (Some(Reason::CANCEL), true));
        let how = Went::Badly(Party::Downstream, Sent::PartOfBody, Answered::Nothing, Retry::Never);
        assert_eq!(proxy.went(1).await, [how]);
        drop(answer);
    });
}

#[test]
fn a_client_that_resets_its_stream_ends_the_connection_of_http_1_1() {
    run(async {
        let (_proxy, server, mut client) = stage(Plan { back: Http::One, ..both() }).await;
        let (answer, mut sending) = client.send_request(post(), true).unwrap();
        let mut upstream = server.accept().await;
        upstream.hear("POST /svc HTTP/1.1\r\nHost: shop\r\n\r\n").await;
        sending.send_reset(Reason::CANCEL);
        upstream.hear_reset().await;
        drop(answer);
    });
}

#[test]
fn a_server_that_refuses_a_stream_has_not_processed_it() {
    run(async {
        let (proxy, server, mut client) = stage(both()).await;
        let (answer, _) = client.send_request(post(), true).unwrap();
        let (_request, mut respond) = accept(&server, false).await;
        respond.send_reset(Reason::REFUSED_STREAM);
        assert_eq!(answer.await.unwrap().status(), 503);
        let how = Went::Badly(Party::Upstream, Sent::All, Answered::Nothing, Retry::Safe);
        assert_eq!(proxy.went(1).await, [how]);
    });
}

#[test]
fn a_server_that_resets_a_stream_may_have_processed_it() {
    run(async {
        let (proxy, server, mut client) = stage(both()).await;
        let (answer, _) = client.send_request(post(), true).unwrap();
        let (_request, mut respond) = accept(&server, false).await;
        respond.send_reset(Reason::INTERNAL_ERROR);
        assert_eq!(answer.await.unwrap().status(), 503);
        let how = Went::Badly(Party::Upstream, Sent::All, Answered::Nothing, Retry::IfIdempotent);
        assert_eq!(proxy.went(1).await, [how]);
    });
}

#[test]
fn an_answer_that_breaks_off_is_reset() {
    run(async {
        for back in [Http::One, Http::Two] {
            let (proxy, server, mut client) = stage(Plan { back, ..both() }).await;
            let (answer, _) = client.send_request(post(), true).unwrap();
            let (come, has_come) = tokio::sync::oneshot::channel();
            let answering = tokio::task::spawn_local(async move {
                if back == Http::One {
                    let mut upstream = server.accept().await;
                    upstream.hear("POST /svc HTTP/1.1\r\nHost: shop\r\n\r\n").await;
                    upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await;
                    has_come.await.unwrap();
                } else {
                    let (_request, mut respond) = accept(&server, false).await;
                    let mut answering = respond.send_response(Response::new(()), false).unwrap();
                    answering.send_data("abc".into(), false).unwrap();
                    // It would take back what has not left.
                    has_come.await.unwrap();
                    answering.send_reset(Reason::INTERNAL_ERROR);
                }
                server
            });
            let mut answer = answer.await.unwrap();
            hear(answer.body_mut(), "abc").await;
            come.send(()).unwrap();
            let error = answer.body_mut().data().await.unwrap().unwrap_err();
            assert_eq!(reason(&error), (Some(Reason::INTERNAL_ERROR), true));
            let how = Went::Badly(Party::Upstream, Sent::All, Answered::Head, Retry::Never);
            assert_eq!(proxy.went(1).await, [how]);
            answering.await.unwrap();
        }
    });
}

#[test]
fn a_client_of_http_1_1_that_waits_for_leave_gets_it_from_us() {
    run(async {
        let server = Server::new().await;
        let proxy = Proxy::with(vec![server.address()], Plan { front: Http::One, ..both() }).await;
        let mut client = proxy.connect().await;
        client.say("POST /svc HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
        let (mut request, mut respond) = accept(&server, false).await;
        assert!(!request.headers().contains_key("expect"));
        client.hear("HTTP/1.1 100 Continue\r\n\r\n").await;
        client.say("abc").await;
        hear(request.body_mut(), "abc").await;
        respond.send_response(Response::builder().status(204).body(()).unwrap(), true).unwrap();
        client.hear("HTTP/1.1 204 No Content\r\n\r\n").await;
    });
}

#[test]
fn a_client_of_http_1_1_that_goes_has_its_stream_cancelled() {
    run(async {
        let server = Server::new().await;
        let proxy = Proxy::with(vec![server.address()], Plan { front: Http::One, ..both() }).await;
        let mut client = proxy.connect().await;
        client.say("POST /svc HTTP/1.1\r\nHost: shop\r\nContent-Length: 6\r\n\r\nabc").await;
        let (mut request, _respond) = accept(&server, false).await;
        hear(request.body_mut(), "abc").await;
        drop(client);
        let error = request.body_mut().data().await.unwrap().unwrap_err();
        assert_eq!(reason(&error), (Some(Reason::CANCEL), true));
        let how = Went::Badly(Party::Downstream, Sent::PartOfBody, Answered::Nothing, Retry::Never);
        assert_eq!(proxy.went(1).await, [how]);
    });
}

#[test]
fn a_stream_that_breaks_off_resets_the_connection_of_http_1_1() {
    run(async {
        let server = Server::new().await;
        let proxy = Proxy::with(vec![server.address()], Plan { front: Http::One, ..both() }).await;
        let mut client = proxy.connect().await;
        client.say("GET /svc HTTP/1.1\r\nHost: shop\r\n\r\n").await;
        let (_request, mut respond) = accept(&server, false).await;
        let mut answering = respond.send_response(Response::new(()), false).unwrap();
        answering.send_data("abc".into(), false).unwrap();
        client.hear("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
        answering.send_reset(Reason::INTERNAL_ERROR);
        client.hear_reset().await;
        let how = Went::Badly(Party::Upstream, Sent::All, Answered::Head, Retry::Never);
        assert_eq!(proxy.went(1).await, [how]);
    });
}

#[test]
fn what_was_sent_to_one_server_is_sent_to_the_next_from_its_start() {
    run(async {
        for front in [Http::One, Http::Two] {
            let (one, two) = (Server::new().await, Server::new().await);
            // The next server is another connection of the same version.
            let plan = Plan { front, replay: 64 * 1024, ..both() };
            let proxy = Proxy::with(vec![one.address(), two.address()], plan).await;
            let (mut raw, mut sending, mut answer) = (None, None, None);
            if front == Http::One {
                let mut client = proxy.connect().await;
                client.say("POST /svc HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
                raw = Some(client);
            } else {
                let mut client = connect(&proxy).await;
                let (response, mut stream) = client.send_request(post(), false).unwrap();
                stream.send_data("abc".into(), false).unwrap();
                (sending, answer) = (Some((stream, client)), Some(response));
            }
            let (mut request, mut respond) = accept(&one, false).await;
            hear(request.body_mut(), "abc").await;
            respond.send_reset(Reason::REFUSED_STREAM);
            let (mut request, mut respond) = accept(&two, false).await;
            hear(request.body_mut(), "abc").await;
            if let Some(client) = &mut raw {
                client.say("3\r\ndef\r\n0\r\n\r\n").await;
            }
            if let Some((stream, _)) = &mut sending {
                stream.send_data("def".into(), true).unwrap();
            }
            hear(request.body_mut(), "def").await;
            hear_end(request.body_mut()).await;
            respond.send_response(Response::builder().status(204).body(()).unwrap(), true).unwrap();
            if let Some(client) = &mut raw {
                client.hear("HTTP/1.1 204 No Content\r\n\r\n").await;
            }
            if let Some(answer) = answer {
                assert_eq!(answer.await.unwrap().status(), 204);
            }
            let how = Went::Badly(Party::Upstream, Sent::PartOfBody, Answered::Nothing, Retry::Safe);
            assert_eq!(proxy.went(2).await, [how, Went::Well(Outcome::Answered, 6, 0)]);
        }
    });
}

#[test]
fn a_request_above_the_last_stream_of_goaway_was_not_processed() {
    run(async {
        let (proxy, server, mut client) = stage(both()).await;
        let (answer, _) = client.send_request(post(), true).unwrap();
        let mut upstream = server.accept().await.0;
        // SETTINGS first: then the request comes.
        upstream.write_all(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
        let mut heard = Vec::new();
        // HEADERS with END_STREAM and END_HEADERS of stream 1.
        while !heard.windows(6).any(|it| it == [1, 5, 0, 0, 0, 1]) {
            upstream.read_buf(&mut heard).await.unwrap();
        }
        upstream.write_all(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00").await.unwrap();
        assert_eq!(answer.await.unwrap().status(), 503);
        let how = Went::Badly(Party::Upstream, Sent::All, Answered::Nothing, Retry::Safe);
        assert_eq!(proxy.went(1).await, [how]);
    });
}

#[test]
fn a_connection_that_dies_takes_its_streams_along() {
    run(async {
        let (proxy, server, mut client) = stage(both()).await;
        let (answer, _) = client.send_request(post(), true).unwrap();
        let mut connection = server::handshake(server.accept().await.0).await.unwrap();
        let first: (Request<RecvStream>, server::SendResponse<Bytes>) = connection.accept().await.unwrap().unwrap();
        drop((first, connection));
        assert_eq!(answer.await.unwrap().status(), 503);
        let went = proxy.went(1).await;
        assert!(matches!(went[..], [Went::Badly(Party::Upstream, Sent::All, Answered::Nothing, _)]), "{went:?}");
    });
}

#[test]
fn a_request_whose_head_never_left_was_not_sent() {
    run(async {
        let (_peer, socket) = socket_pair().await;
        let (client, driver) = ripstop_exchange::Http2Client::new(socket, Rc::default());
        let mut call = client.call();
        let mut upstream = ripstop_exchange::Upstream::Http2(&mut call);
        upstream.send(b"GET", b"/", b"shop", [], ripstop_h1::BodyKind::None).unwrap();
        assert_eq!(upstream.sent(), Sent::Nothing);
        // It had no time to write anything.
        drop(driver);
        let fault = std::future::poll_fn(|cx| upstream.poll_head(cx)).await.unwrap_err();
        assert!(matches!(fault, ripstop_exchange::Fault::Gone), "{fault}");
        assert_eq!(upstream.sent(), Sent::Nothing);
        assert!(client.may_open().is_err());
    });
}

#[test]
fn a_request_that_may_be_tried_elsewhere_does_not_leave_any_more() {
    run(async {
        let (mut peer, socket) = socket_pair().await;
        peer.write_all(b"HTTP/1.0 400 No\r\n\r\n").await.unwrap();
        socket.readable().await.unwrap();
        let (client, driver) = ripstop_exchange::Http2Client::new(socket, Rc::default());
        let mut call = client.call();
        let mut upstream = ripstop_exchange::Upstream::Http2(&mut call);
        upstream.send(b"GET", b"/", b"shop", [], ripstop_h1::BodyKind::None).unwrap();
        let driving = tokio::task::spawn_local(driver);
        std::future::poll_fn(|cx| upstream.poll_head(cx)).await.unwrap_err();
        assert_eq!(upstream.sent(), Sent::Nothing);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard.escape_ascii().to_string(), "");
        drop(peer);
        driving.await.unwrap().unwrap_err();
    });
}

#[test]
fn an_answer_before_the_end_of_the_request_ends_it_without_an_error() {
    run(async {
        let (proxy, server, mut client) = stage(both()).await;
        let (answer, mut sending) = client.send_request(post(), false).unwrap();
        sending.send_data("one".into(), false).unwrap();
        let (mut request, mut respond) = accept(&server, false).await;
        hear(request.body_mut(), "one").await;
        let head = Response::builder().status(413).body(()).unwrap();
        respond.send_response(head, false).unwrap().send_data("enough".into(), true).unwrap();
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.status(), 413);
        hear(answer.body_mut(), "enough").await;
        let told = std::future::poll_fn(|cx| sending.poll_reset(cx)).await.unwrap();
        assert_eq!(told, Reason::NO_ERROR);
        assert_eq!(proxy.went(1).await, [Went::Well(Outcome::Answered, 3, 6)]);
    });
}

#[test]
fn a_reader_that_does_not_read_holds_a_window_and_delays_nobody() {
    run(async {
        let options = Http2Options::default();
        let config = ripstop_h2::Config { max_window: 256 * 1024, ..options.config.clone() };
        let plan = Plan { http2: Rc::new(Http2Options { config, ..options }), ..both() };
        let (address, _) = crate::real::server(Http::Two).await;
        let proxy = Proxy::with(vec![address], plan).await;
        let mut client = connect(&proxy).await;
        let request = || Request::post("http://shop/echo").body(()).unwrap();
        // Everything comes back, and nobody reads it.
        let (_answer, mut stalled) = client.send_request(request(), false).unwrap();
        stalled.send_data(vec![b'x'; 5 << 20].into(), true).unwrap();
        for _ in 0..20 {
            let (answer, mut sending) = client.send_request(request(), false).unwrap();
            sending.send_data("hello".into(), true).unwrap();
            hear(answer.await.unwrap().body_mut(), "hello").await;
            client = client.ready().await.unwrap();
        }
        // Two streams of it with 256 KiB each, and what is being read.
        assert!(Buffer::storages() <= 2 * 4 + 4, "{} buffers are in use", Buffer::storages());
    });
}

#[test]
fn little_that_waits_keeps_no_buffer_busy() {
    const STREAMS: usize = 30;
    run(async {
        let (_proxy, server, client) = stage(both()).await;
        let mut client = Some(client);
        let (accepted, mut next) = tokio::sync::mpsc::channel(STREAMS);
        tokio::task::spawn_local(async move {
            // It takes nothing.
            let mut builder = server::Builder::new();
            builder.initial_window_size(0);
            loop {
                let mut connection = builder.handshake::<_, Bytes>(server.accept().await.0).await.unwrap();
                let accepted = accepted.clone();
                tokio::task::spawn_local(async move {
                    while let Some(Ok(request)) = connection.accept().await {
                        accepted.send(request).await.unwrap();
                    }
                });
            }
        });
        let mut open = Vec::new();
        for _ in 0..STREAMS {
            let mut sender = client.take().unwrap().ready().await.unwrap();
            let (answer, mut sending) = sender.send_request(post(), false).unwrap();
            sending.send_data("little".into(), false).unwrap();
            open.push((answer, sending, next.recv().await.unwrap()));
            client = Some(sender);
        }
        // Once each has had its turn.
        for _ in 0..10_000 {
            if Buffer::storages() == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{} buffers are in use", Buffer::storages());
    });
}

#[test]
fn a_server_that_drains_serves_what_is_under_way() {
    run(async {
        let (left, right) = socket_pair().await;
        let (mut ours, driver) = ripstop_exchange::Http2Server::new(left, Rc::default());
        let driving = tokio::task::spawn_local(driver);
        let (client, connection) = client::handshake(right).await.unwrap();
        let connection = tokio::task::spawn_local(connection);
        let mut client = client.ready().await.unwrap();
        let (answer, _) = client.send_request(post(), true).unwrap();
        let mut request = ours.next().await.unwrap();
        ours.drain();
        assert!(ours.next().await.is_none());
        let mut downstream = ripstop_exchange::Downstream::Http2(&mut request);
        downstream.reply(200, [(&b"x-a"[..], &b"b"[..])], b"last").unwrap();
        downstream.finish().await.unwrap();
        drop(request);
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.headers()["x-a"], "b");
        hear(answer.body_mut(), "last").await;
        assert!(client.ready().await.is_err());
        connection.await.unwrap().unwrap();
        driving.await.unwrap().unwrap();
    });
}

async fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, client)
}

#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    run(async {
        let (left, mut right) = socket_pair().await;
        let (_server, driver) = ripstop_exchange::Http2Server::new(left, Rc::default());
        let driving = tokio::task::spawn_local(driver);
        // Preface and SETTINGS, and nothing more ever.
        right.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
        let mut heard = Vec::new();
        // Until our SETTINGS are acknowledged.
        while !heard.windows(9).any(|it| it == [0, 0, 0, 4, 1, 0, 0, 0, 0]) {
            right.read_buf(&mut heard).await.unwrap();
        }
        heard.clear();
        tokio::time::pause();
        let result = driving.await.unwrap();
        assert_eq!(result.unwrap_err().to_string(), "the connection failed: the peer does not answer PING");
        tokio::time::resume();
        let _ = right.read_to_end(&mut heard).await;
        assert_eq!(&heard[..17], b"\x00\x00\x08\x06\x00\x00\x00\x00\x00ripstop?");
    });
}
