use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: (u16, BodyKind, Persistence) = (200, BodyKind::Length(0), Persistence::KeepAlive);

fn connection() -> ServerConnection {
    ServerConnection::new(Limits::default())
}

fn answer(server: &mut ServerConnection, (status, body, persistence): (u16, BodyKind, Persistence)) -> Answer {
    server.respond(status, body, persistence).unwrap()
}

/// A connection that has received exactly this request.
fn asked(input: &str) -> ServerConnection {
    let mut server = connection();
    assert_eq!(server.receive(input.as_bytes()), Ok(Received::Head(input.len())), "{input}");
    server
}

#[test]
fn requests_one_after_the_other() {
    let mut server = connection();
    assert!(server.is_idle());
    for _ in 0..3 {
        assert_eq!(server.receive(&GET[..9]), Ok(Received::More));
        assert!(!server.is_idle());
        assert_eq!(server.receive(GET), Ok(Received::Head(GET.len())));
        assert_eq!(server.head(GET).method(), b"GET");
        assert_eq!(server.unanswered(), 1);
        let expected =
            Answer { kind: AnswerKind::Final, body: BodyKind::Length(0), connection: ConnectionOption::None };
        assert_eq!(answer(&mut server, OK), expected);
        assert_eq!(server.finish_response(), Ok(Persistence::KeepAlive));
        assert!(server.is_idle());
    }
    assert_eq!(server.end_of_input(), Ok(()));
    assert_eq!(server.receive(b""), Ok(Received::Closed));
}

#[test]
fn when_the_connection_ends() {
    use ConnectionOption::{Close, KeepAlive, None};
    for (head, (status, body, persistence), connection) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", OK, None),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", OK, Close),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, CLOSE\r\n\r\n", OK, Close),
        ("GET / HTTP/1.0\r\n\r\n", OK, Close),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", OK, KeepAlive),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", (200, BodyKind::Chunked, Persistence::KeepAlive), None),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", (200, BodyKind::UntilClose, Persistence::KeepAlive), Close),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", (200, BodyKind::Length(0), Persistence::Close), Close),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", (200, BodyKind::Chunked, Persistence::KeepAlive), Close),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", (200, BodyKind::UntilClose, Persistence::KeepAlive), None),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", (304, BodyKind::None, Persistence::KeepAlive), None),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", (403, BodyKind::Length(0), Persistence::KeepAlive), Close),
    ] {
        let mut server = asked(head);
        let answer = answer(&mut server, (status, body, persistence));
        assert_eq!(answer.connection, connection, "{head}");
        let ends = server.finish_response().unwrap() == Persistence::Close;
        assert_eq!(ends, connection == Close, "{head}");
        let next = if ends { Received::Closed } else { Received::Head(GET.len()) };
        assert_eq!(server.receive(GET), Ok(next), "{head}");
    }
}

#[test]
fn nothing_is_read_after_a_last_request() {
    let mut server = asked("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(server.receive(GET), Ok(Received::Closed));
    let mut server = asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    answer(&mut server, (200, BodyKind::UntilClose, Persistence::KeepAlive));
    assert_eq!(server.receive(GET), Ok(Received::Closed), "the response will end the connection");
}

#[test]
fn how_bodies_are_sent() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    let old = "GET / HTTP/1.0\r\n\r\n";
    for (request, status, body, expected) in [
        (get, 200, BodyKind::Length(3), Ok(BodyKind::Length(3))),
        (get, 200, BodyKind::Chunked, Ok(BodyKind::Chunked)),
        (get, 200, BodyKind::None, Err(Reason::Framing)),
        (get, 204, BodyKind::None, Ok(BodyKind::None)),
        (get, 204, BodyKind::Length(0), Ok(BodyKind::None)),
        (get, 204, BodyKind::Length(1), Err(Reason::BodyForbidden)),
        (get, 204, BodyKind::Chunked, Err(Reason::BodyForbidden)),
        (get, 304, BodyKind::Length(3), Ok(BodyKind::None)),
        (get, 600, BodyKind::Length(0), Err(Reason::BadStatus)),
        (get, 99, BodyKind::None, Err(Reason::BadStatus)),
        (head, 200, BodyKind::Length(3), Ok(BodyKind::None)),
        (head, 200, BodyKind::Chunked, Ok(BodyKind::None)),
        (head, 404, BodyKind::UntilClose, Ok(BodyKind::None)),
        (old, 200, BodyKind::Chunked, Ok(BodyKind::UntilClose)),
        (get, 100, BodyKind::Length(0), Ok(BodyKind::None)),
        (get, 100, BodyKind::Length(1), Err(Reason::BodyForbidden)),
        (get, 101, BodyKind::None, Err(Reason::UnexpectedSwitch)),
    ] {
        let answer = asked(request).respond(status, body, Persistence::KeepAlive);
        assert_eq!(
            answer.map(|answer| answer.body).map_err(|rejected| rejected.reason),
            expected,
            "{request} {status}"
        );
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let input = [&b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"[..], GET].concat();
    let mut server = connection();
    assert_eq!(server.receive(&input), Ok(Received::Head(28)));
    assert_eq!(server.receive(&input[28..]), Ok(Received::Head(GET.len())));
    assert_eq!(server.unanswered(), 2);
    assert_eq!(answer(&mut server, (200, BodyKind::Length(9), Persistence::KeepAlive)).body, BodyKind::None);
    assert!(server.respond(200, BodyKind::Length(0), Persistence::KeepAlive).is_err(), "the first is not finished");
    server.finish_response().unwrap();
    assert_eq!(answer(&mut server, (200, BodyKind::Length(9), Persistence::KeepAlive)).body, BodyKind::Length(9));
    server.finish_response().unwrap();
    assert_eq!(server.finish_response(), Err(Reason::OutOfOrder));
    assert!(server.respond(200, BodyKind::Length(0), Persistence::KeepAlive).is_err(), "nothing is asked");
}

#[test]
fn pipelining_is_bounded() {
    let mut server = ServerConnection::new(Limits { pipelined: 2, ..Limits::default() });
    for _ in 0..2 {
        assert_eq!(server.receive(GET), Ok(Received::Head(GET.len())));
    }
    assert_eq!(server.receive(GET), Ok(Received::Full));
    answer(&mut server, OK);
    assert_eq!(server.receive(GET), Ok(Received::Full));
    server.finish_response().unwrap();
    assert_eq!(server.receive(GET), Ok(Received::Head(GET.len())));
}

#[test]
fn a_refused_request_is_answered_in_its_turn() {
    let mut server = asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let rejected = Rejected::request(Reason::BadMethod, 0);
    assert_eq!(server.receive(b"\0"), Err(rejected));
    assert_eq!(server.receive(GET), Err(rejected));
    assert_eq!(server.unanswered(), 2);
    assert_eq!(answer(&mut server, OK).connection, ConnectionOption::None);
    assert_eq!(server.finish_response(), Ok(Persistence::KeepAlive));
    assert_eq!(answer(&mut server, OK).connection, ConnectionOption::Close);
    assert_eq!(server.finish_response(), Ok(Persistence::Close));
    assert_eq!(server.unanswered(), 0);
    assert_eq!(server.receive(GET), Err(rejected));
}

#[test]
fn a_broken_body_ends_the_connection() {
    let mut server = asked("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(server.receive(b"x"), Err(Rejected::request(Reason::BadChunkSize, 0)));
    assert_eq!(server.unanswered(), 1);
    assert_eq!(
        answer(&mut server, (400, BodyKind::Length(0), Persistence::KeepAlive)).connection,
        ConnectionOption::Close
    );
}

#[test]
fn the_last_response_of_a_dead_connection_ends_it() {
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut server = asked(chunked);
    answer(&mut server, (200, BodyKind::Chunked, Persistence::KeepAlive));
    assert_eq!(server.receive(b"x"), Err(Rejected::request(Reason::BadChunkSize, 0)));
    assert_eq!(server.finish_response(), Ok(Persistence::Close));
    assert_eq!(server.unanswered(), 0);

    let mut server = asked(chunked);
    answer(&mut server, OK);
    assert_eq!(server.end_of_input(), Err(Rejected::request(Reason::Truncated, 0)));
    assert_eq!(server.finish_response(), Ok(Persistence::Close));

    let mut server = asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(server.receive(GET), Ok(Received::Head(GET.len())));
    answer(&mut server, OK);
    assert_eq!(server.end_of_input(), Ok(()));
    assert_eq!(server.finish_response(), Ok(Persistence::KeepAlive), "one is still to come");
    assert_eq!(answer(&mut server, OK).connection, ConnectionOption::Close);
    assert_eq!(server.finish_response(), Ok(Persistence::Close));
    assert_eq!(server.receive(GET), Ok(Received::Closed));
}

#[test]
fn a_length_of_0_where_no_body_is() {
    let zero = |status| (status, BodyKind::Length(0), Persistence::KeepAlive);
    let mut server = asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let hint = Answer { kind: AnswerKind::Informational, body: BodyKind::None, connection: ConnectionOption::None };
    assert_eq!(answer(&mut server, zero(103)), hint);
    let none = Answer { kind: AnswerKind::Final, ..hint };
    assert_eq!(answer(&mut server, zero(204)), none);
    let mut server = asked(UPGRADE);
    assert_eq!(answer(&mut server, zero(101)).kind, AnswerKind::Switch);
    for status in [103, 204] {
        let mut server = asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        for body in [BodyKind::Length(1), BodyKind::Chunked] {
            let refused = server.respond(status, body, Persistence::KeepAlive);
            assert_eq!(refused, Err(Rejected::response(Reason::BodyForbidden, 0)), "{status} {body:?}");
        }
    }
}

#[test]
fn an_early_response_lets_the_body_pass() {
    let mut server = asked("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    answer(&mut server, OK);
    assert_eq!(server.finish_response(), Ok(Persistence::KeepAlive));
    assert_eq!(server.unanswered(), 0);
    let Ok(Received::Body(piece)) = server.receive(b"abcGET") else { panic!("no body") };
    assert_eq!((piece.data, piece.done), (0..3, true));
    assert!(server.is_idle());
    assert_eq!(server.receive(GET), Ok(Received::Head(GET.len())));
}

#[test]
fn expectations() {
    let waiting = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let mut server = asked(waiting);
    assert!(server.wants_continue());
    let go_on = answer(&mut server, (100, BodyKind::None, Persistence::KeepAlive));
    assert_eq!(go_on.kind, AnswerKind::Informational);
    assert!(!server.wants_continue());
    assert!(matches!(server.receive(b"abc"), Ok(Received::Body(_))));
    assert_eq!(answer(&mut server, OK).connection, ConnectionOption::None);

    let mut server = asked(waiting);
    answer(&mut server, (103, BodyKind::None, Persistence::KeepAlive));
    assert!(server.wants_continue(), "a hint is no leave");

    let mut server = asked(waiting);
    answer(&mut server, (100, BodyKind::None, Persistence::KeepAlive));
    let early = answer(&mut server, (413, BodyKind::Length(0), Persistence::KeepAlive));
    assert_eq!(early.connection, ConnectionOption::None, "the body is on its way");

    let mut server = asked(waiting);
    let refused = answer(&mut server, (417, BodyKind::Length(0), Persistence::KeepAlive));
    assert_eq!(refused.connection, ConnectionOption::Close, "nobody knows whether the body will come");

    let mut server = asked(waiting);
    assert!(matches!(server.receive(b"a"), Ok(Received::Body(_))));
    assert!(!server.wants_continue(), "the client did not wait");
    assert_eq!(answer(&mut server, OK).connection, ConnectionOption::None);
}

#[test]
fn informational_responses_are_bounded_and_not_for_old_clients() {
    let mut server = ServerConnection::new(Limits { informational: 2, ..Limits::default() });
    server.receive(GET).unwrap();
    for _ in 0..2 {
        assert_eq!(answer(&mut server, (103, BodyKind::None, Persistence::KeepAlive)).kind, AnswerKind::Informational);
    }
    let third = server.respond(103, BodyKind::None, Persistence::KeepAlive);
    assert_eq!(third, Err(Rejected::response(Reason::TooManyInformational, 0)));
    let mut server = asked("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(answer(&mut server, (103, BodyKind::None, Persistence::KeepAlive)).kind, AnswerKind::Suppressed);
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const CONNECT: &str = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";

#[test]
fn early_bytes_are_held_for_the_switch() {
    for (head, status) in [(UPGRADE, 101), (CONNECT, 200), (CONNECT, 204)] {
        let mut server = asked(head);
        assert_eq!(server.receive(GET), Ok(Received::Held));
        let switch = answer(&mut server, (status, BodyKind::None, Persistence::KeepAlive));
        assert_eq!(switch.kind, AnswerKind::Switch, "{head}");
        assert_eq!(server.receive(GET), Ok(Received::Switched));
        assert_eq!(server.unanswered(), 0);
    }
}

#[test]
fn early_bytes_never_become_a_request() {
    for head in [UPGRADE, CONNECT] {
        for early in [true, false] {
            let mut server = asked(head);
            if early {
                assert_eq!(server.receive(GET), Ok(Received::Held));
            }
            let refused = answer(&mut server, (403, BodyKind::Length(0), Persistence::KeepAlive));
            assert_eq!((refused.kind, refused.connection), (AnswerKind::Final, ConnectionOption::Close));
            assert_eq!(server.receive(GET), Ok(Received::Closed));
            assert_eq!(server.finish_response(), Ok(Persistence::Close));
            assert_eq!(server.receive(GET), Ok(Received::Closed));
        }
    }
}

#[test]
fn an_upgrade_with_a_body_reads_it_as_such() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 3\r\n\r\n";
    let mut server = asked(head);
    let early = server.respond(101, BodyKind::None, Persistence::KeepAlive);
    assert_eq!(early, Err(Rejected::response(Reason::UnexpectedSwitch, 0)), "the request is not complete");
    let Ok(Received::Body(piece)) = server.receive(b"abcGET / HTTP/1.1\r\n") else { panic!("no body") };
    assert_eq!((piece.data, piece.done), (0..3, true));
    assert_eq!(server.receive(GET), Ok(Received::Held));
    assert_eq!(answer(&mut server, (101, BodyKind::None, Persistence::KeepAlive)).kind, AnswerKind::Switch);
}

#[test]
fn a_declined_upgrade_is_a_request_like_others() {
    let mut server = asked(UPGRADE);
    server.decline_upgrade().unwrap();
    assert_eq!(server.decline_upgrade(), Err(Reason::OutOfOrder));
    assert_eq!(server.receive(GET), Ok(Received::Head(GET.len())));
    assert_eq!(answer(&mut server, OK).connection, ConnectionOption::None);
    assert_eq!(asked(CONNECT).decline_upgrade(), Err(Reason::OutOfOrder));
    let mut last = asked(&UPGRADE.replace("upgrade\r\n", "upgrade, close\r\n"));
    last.decline_upgrade().unwrap();
    assert_eq!(last.receive(GET), Ok(Received::Closed));
}

#[test]
fn the_end_of_input() {
    let mut server = connection();
    server.receive(&GET[..5]).unwrap();
    assert_eq!(server.end_of_input(), Err(Rejected::request(Reason::Truncated, 0)));
    assert_eq!(server.unanswered(), 1);
    let mut server = asked("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    server.receive(b"ab").unwrap();
    assert_eq!(server.end_of_input(), Err(Rejected::request(Reason::Truncated, 2)));
    let mut server = asked(CONNECT);
    assert_eq!(server.end_of_input(), Ok(()));
    assert_eq!(answer(&mut server, (200, BodyKind::None, Persistence::KeepAlive)).kind, AnswerKind::Switch);
}
