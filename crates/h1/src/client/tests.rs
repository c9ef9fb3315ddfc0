use super::*;
use crate::RequestParser;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";

fn asked(request: &str) -> Asked {
    let mut parser = RequestParser::new(Limits::default());
    parser.parse(request.as_bytes()).unwrap().unwrap();
    Asked::of(&parser.head(request.as_bytes()))
}

fn get() -> Asked {
    asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn upgrade() -> Asked {
    asked("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket, tcp\r\n\r\n")
}

fn connect() -> Asked {
    asked("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
}

fn sent(asked: Asked) -> ClientConnection {
    let mut client = ClientConnection::new(Limits::default());
    client.send(asked).unwrap();
    client
}

fn refused(client: &mut ClientConnection, input: &[u8]) -> Reason {
    let rejected = client.receive(input).unwrap_err();
    assert_eq!(rejected.status(), 502);
    assert_eq!(client.receive(input), Err(rejected), "it is final");
    assert_eq!(client.send(get()), Err(Reason::NoMoreRequests));
    assert!(!client.is_idle());
    rejected.reason
}

#[test]
fn responses_one_after_the_other() {
    let mut client = ClientConnection::new(Limits::default());
    for _ in 0..3 {
        assert!(client.is_idle());
        client.send(get()).unwrap();
        assert_eq!((client.outstanding(), client.is_idle()), (1, false));
        assert_eq!(client.receive(&OK[..7]), Ok(Reply::More));
        assert_eq!(client.receive(OK), Ok(Reply::Head(OK.len(), BodyKind::Length(3))));
        assert_eq!(client.head(OK).status(), 200);
        assert_eq!(client.receive(b""), Ok(Reply::More));
        let Ok(Reply::Body(piece)) = client.receive(b"abcHTTP") else { panic!("no body") };
        assert_eq!((piece.data, piece.done), (0..3, true));
    }
    assert_eq!(client.end_of_input(), Ok(()));
    assert_eq!(client.send(get()), Err(Reason::NoMoreRequests));
}

#[test]
fn pipelined_responses_frame_by_their_requests() {
    let mut client = ClientConnection::new(Limits { pipelined: 2, ..Limits::default() });
    client.send(asked("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    client.send(get()).unwrap();
    assert_eq!(client.send(get()), Err(Reason::NoMoreRequests), "at the bound");
    assert_eq!(client.receive(OK), Ok(Reply::Head(OK.len(), BodyKind::None)));
    assert_eq!(client.receive(OK), Ok(Reply::Head(OK.len(), BodyKind::Length(3))));
    client.send(get()).unwrap();
}

#[test]
fn one_request_at_a_time_is_sent() {
    let mut client = sent(asked("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"));
    assert_eq!(client.send(get()), Err(Reason::NoMoreRequests));
    client.finish_request();
    client.send(get()).unwrap();
    for last in [connect(), upgrade(), asked("GET / HTTP/1.0\r\n\r\n")] {
        assert_eq!(sent(last).send(get()), Err(Reason::NoMoreRequests));
    }
}

#[test]
fn an_early_response_leaves_the_connection_busy() {
    let mut client = sent(asked("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"));
    let input = b"HTTP/1.1 413 \r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.receive(input), Ok(Reply::Head(input.len(), BodyKind::Length(0))));
    assert!(!client.is_idle());
    client.finish_request();
    assert!(client.is_idle());
}

#[test]
fn nobody_asked() {
    let mut client = ClientConnection::new(Limits::default());
    assert_eq!(client.receive(b""), Ok(Reply::More));
    assert_eq!(refused(&mut client, b"H"), Reason::Unsolicited);
    let mut client = sent(asked("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"));
    client.receive(OK).unwrap();
    assert_eq!(refused(&mut client, b"abc"), Reason::Unsolicited, "the body of a response to HEAD");
}

#[test]
fn informational_responses_are_bounded() {
    let mut client = ClientConnection::new(Limits { informational: 2, ..Limits::default() });
    let early = b"HTTP/1.1 103 \r\nLink: a\r\n\r\n";
    for _ in 0..2 {
        client.send(get()).unwrap();
        for _ in 0..2 {
            assert_eq!(client.receive(early), Ok(Reply::Informational(early.len())));
        }
        assert_eq!(client.receive(OK), Ok(Reply::Head(OK.len(), BodyKind::Length(3))));
        client.receive(b"abc").unwrap();
    }
    client.send(get()).unwrap();
    for _ in 0..2 {
        client.receive(early).unwrap();
    }
    assert_eq!(refused(&mut client, early), Reason::TooManyInformational);
}

#[test]
fn switches() {
    let switch = b"HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
    let mut client = sent(upgrade());
    assert_eq!(client.receive(switch), Ok(Reply::Switch(switch.len())));
    assert_eq!(client.receive(b"\x81\x00"), Ok(Reply::Switched));
    assert_eq!(client.send(get()), Err(Reason::NoMoreRequests));
    let mut client = sent(connect());
    assert_eq!(client.receive(b"HTTP/1.1 200 OK\r\n\r\n"), Ok(Reply::Switch(19)));
    assert_eq!(client.receive(b"\x16\x03"), Ok(Reply::Switched));

    assert_eq!(refused(&mut sent(get()), switch), Reason::UnexpectedSwitch);
    assert_eq!(refused(&mut sent(connect()), switch), Reason::UnexpectedSwitch);
    for other in [
        "HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
        "HTTP/1.1 101 \r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 \r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 \r\n\r\n",
    ] {
        assert_eq!(refused(&mut sent(upgrade()), other.as_bytes()), Reason::UnexpectedSwitch, "{other}");
    }
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(refused(&mut sent(connect()), long), Reason::BodyForbidden);
}

#[test]
fn a_tunnel_has_no_framing_for_whoever_uses_it_itself() {
    let own = |request| {
        let mut client = ClientConnection::new(Limits::default()).with_tunnels(TunnelFraming::Ignored);
        client.send(request).unwrap();
        client
    };
    for fields in [
        "200 OK\r\nContent-Length: 5",
        "200 OK\r\nTransfer-Encoding: chunked",
        "200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        "204 No\r\nContent-Length: 5",
    ] {
        let head = format!("HTTP/1.1 {fields}\r\n\r\n");
        let mut client = own(connect());
        assert_eq!(client.receive(head.as_bytes()), Ok(Reply::Switch(head.len())), "{fields}");
        assert_eq!(client.receive(b"\x16\x03"), Ok(Reply::Switched));
        // It opens one for nobody else.
        let mut client = own(get());
        assert_ne!(client.receive(head.as_bytes()), Ok(Reply::Switch(head.len())), "{fields}");
    }
    let no = b"HTTP/1.1 403 No\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(own(connect()).receive(no).is_err());
    let no = b"HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(own(connect()).receive(no), Ok(Reply::Head(no.len(), BodyKind::Length(5))));
}

#[test]
fn no_switch_before_the_request_is_complete() {
    let switch = b"HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(refused(&mut sent(asked(request)), switch), Reason::UnexpectedSwitch);
    let mut client = sent(asked(request));
    client.finish_request();
    assert_eq!(client.receive(switch), Ok(Reply::Switch(switch.len())));
}

#[test]
fn a_refused_upgrade_is_a_response_like_others() {
    for request in [upgrade(), connect()] {
        let mut client = sent(request);
        let no = b"HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n";
        assert_eq!(client.receive(no), Ok(Reply::Head(no.len(), BodyKind::Length(0))));
        assert!(client.is_idle());
    }
}

#[test]
fn when_the_connection_ends() {
    for (request, response) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let mut client = sent(asked(request));
        assert_eq!(client.receive(response.as_bytes()), Ok(Reply::Head(response.len(), BodyKind::Length(0))));
        assert_eq!(client.receive(b"HTTP"), Ok(Reply::Closed), "{response}");
        assert_eq!(client.send(get()), Err(Reason::NoMoreRequests));
        assert_eq!(client.end_of_input(), Ok(()));
    }
    let mut client = sent(get());
    let kept = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    client.receive(kept).unwrap();
    assert!(client.is_idle());
}

#[test]
fn a_body_until_the_end() {
    let mut client = sent(get());
    client.send(get()).unwrap();
    assert_eq!(client.receive(b"HTTP/1.1 200 OK\r\n\r\n"), Ok(Reply::Head(19, BodyKind::UntilClose)));
    assert_eq!(client.send(get()), Err(Reason::NoMoreRequests));
    let Ok(Reply::Body(piece)) = client.receive(OK) else { panic!("no body") };
    assert_eq!((piece.data, piece.done), (0..OK.len(), false));
    assert_eq!(client.end_of_input(), Ok(()));
    assert_eq!(client.receive(b""), Ok(Reply::Closed));
}

#[test]
fn the_first_byte_of_a_response() {
    let mut client = ClientConnection::new(Limits::default());
    assert!(!client.awaits_first_byte(), "nothing is asked");
    for _ in 0..2 {
        client.send(get()).unwrap();
        assert!(client.awaits_first_byte());
        client.receive(&OK[..1]).unwrap();
        assert!(!client.awaits_first_byte());
        client.receive(OK).unwrap();
        assert!(!client.awaits_first_byte());
        client.receive(b"abc").unwrap();
    }
    client.send(get()).unwrap();
    client.receive(b"HTTP/1.1 103 \r\n\r\n").unwrap();
    assert!(!client.awaits_first_byte());
}

#[test]
fn a_connection_that_was_dead_before_the_request() {
    // As it happens: the request goes out, the next read gives the end.
    let mut client = sent(get());
    client.receive(OK).unwrap();
    client.receive(b"abc").unwrap();
    client.send(get()).unwrap();
    let cut = Err(Rejected::response(Reason::Truncated, 0));
    assert_eq!(client.end_of_input(), cut);
    assert!(client.awaits_first_byte(), "it may be tried again");
    assert_eq!(client.end_of_input(), cut);
    assert!(client.awaits_first_byte());

    for part in [&b"H"[..], b"HTTP/1.1 103 \r\n\r\n", OK] {
        let mut client = sent(get());
        client.receive(part).unwrap();
        assert_eq!(client.end_of_input(), cut, "{}", part.escape_ascii());
        assert!(!client.awaits_first_byte(), "{}", part.escape_ascii());
    }
    let mut idle = ClientConnection::new(Limits::default());
    assert_eq!(idle.end_of_input(), Ok(()));
    assert!(!idle.awaits_first_byte());
}

#[test]
fn responses_that_are_cut() {
    for (part, at) in [(&OK[..5], 0), (OK, 0), (b"", 0)] {
        let mut client = sent(get());
        client.receive(part).unwrap();
        assert_eq!(client.end_of_input(), Err(Rejected::response(Reason::Truncated, at)));
    }
}
