//! Each limit, at its value and one beyond.

use ripstop_h1::{
    BodyDecoder, BodyKind, ClientConnection, Limits, Reason, Rejected, Reply, RequestParser, ResponseParser, Side,
    Trailers,
};

mod rows;

fn request(limits: Limits, input: &str) -> Result<bool, (Reason, u16)> {
    let parsed = RequestParser::new(limits).parse(input.as_bytes());
    parsed.map(|length| length.is_some()).map_err(|rejected| (rejected.reason, rejected.status()))
}

fn response(limits: Limits, input: &str) -> Result<bool, (Reason, u16)> {
    let parsed = ResponseParser::new(limits).parse(input.as_bytes());
    parsed.map(|length| length.is_some()).map_err(|rejected| (rejected.reason, rejected.status()))
}

fn body(kind: BodyKind, limits: Limits, input: &[u8]) -> Result<bool, (Reason, u16)> {
    let mut decoder = BodyDecoder::new(kind, Side::Request, &limits);
    let mut rest = input;
    while !rest.is_empty() && !decoder.is_done() {
        let decoded = decoder.decode(rest).map_err(|rejected| (rejected.reason, rejected.status()))?;
        rest = &rest[decoded.consumed..];
    }
    Ok(decoder.is_done())
}

fn with(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn head() {
    let limits = with(|limits| limits.head = 40);
    let exact = "GET / HTTP/1.1\r\nHost: a\r\nX-Pad: 1234\r\n\r\n";
    assert_eq!(exact.len(), 40);
    assert_eq!(request(limits, exact), Ok(true));
    assert_eq!(request(limits, &exact[..39]), Ok(false));
    let longer = exact.replace("1234", "12345");
    assert_eq!(request(limits, &longer), Err((Reason::HeadTooLarge, 431)));
    assert_eq!(request(limits, &longer[..40]), Err((Reason::HeadTooLarge, 431)), "it can't become whole any more");
    assert_eq!(request(limits, &format!("\r\n{exact}")), Err((Reason::HeadTooLarge, 431)));
    assert_eq!(request(limits, &format!("GET /{}", "a".repeat(35))), Err((Reason::TargetTooLong, 414)));
    let reply = "HTTP/1.1 200 OK\r\nX-Padding: 1234567\r\n\r\n";
    assert_eq!(response(with(|limits| limits.head = 39), reply), Ok(true));
    assert_eq!(response(with(|limits| limits.head = 38), reply), Err((Reason::HeadTooLarge, 502)));
}

#[test]
fn method() {
    let limits = with(|limits| limits.method = 4);
    assert_eq!(request(limits, "POST / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(true));
    assert_eq!(request(limits, "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n"), Err((Reason::MethodTooLong, 501)));
}

#[test]
fn target() {
    let limits = with(|limits| limits.target = 4);
    assert_eq!(request(limits, "GET /123 HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(true));
    assert_eq!(request(limits, "GET /1234 HTTP/1.1\r\nHost: a\r\n\r\n"), Err((Reason::TargetTooLong, 414)));
}

#[test]
fn reason() {
    let limits = with(|limits| limits.reason = 2);
    assert_eq!(response(limits, "HTTP/1.1 200 OK\r\n\r\n"), Ok(true));
    assert_eq!(response(limits, "HTTP/1.1 200 OK!\r\n\r\n"), Err((Reason::ReasonPhraseTooLong, 502)));
}

#[test]
fn fields() {
    let limits = with(|limits| limits.fields = 2);
    assert_eq!(request(limits, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"), Ok(true));
    assert_eq!(request(limits, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nX: z\r\n\r\n"), Err((Reason::TooManyFields, 431)));
    // Those that would be refused count too.
    assert_eq!(
        request(limits, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\nHost: a\r\n\r\n"),
        Err((Reason::TooManyFields, 431))
    );
    assert_eq!(response(limits, "HTTP/1.1 200 OK\r\nA: a\r\nB: b\r\nC: c\r\n\r\n"), Err((Reason::TooManyFields, 502)));
}

#[test]
fn name() {
    let limits = with(|limits| limits.name = 4);
    assert_eq!(request(limits, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(true));
    assert_eq!(request(limits, "GET / HTTP/1.1\r\nHosts: a\r\n\r\n"), Err((Reason::NameTooLong, 431)));
    assert_eq!(body(BodyKind::Chunked, limits, b"0\r\nABCD: e\r\n\r\n"), Ok(true));
    assert_eq!(body(BodyKind::Chunked, limits, b"0\r\nABCDE: f\r\n\r\n"), Err((Reason::NameTooLong, 431)));
}

#[test]
fn value() {
    let limits = with(|limits| limits.value = 3);
    assert_eq!(request(limits, "GET / HTTP/1.1\r\nHost:   abc\r\n\r\n"), Ok(true));
    assert_eq!(request(limits, "GET / HTTP/1.1\r\nHost: abcd\r\n\r\n"), Err((Reason::ValueTooLong, 431)));
    assert_eq!(body(BodyKind::Chunked, limits, b"0\r\nA:  bcd\r\n\r\n"), Ok(true));
    assert_eq!(body(BodyKind::Chunked, limits, b"0\r\nA: bcde\r\n\r\n"), Err((Reason::ValueTooLong, 431)));
}

#[test]
fn connection_options() {
    let limits = with(|limits| limits.connection_options = 3);
    let with_options = |options: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{options}\r\n\r\n");
    assert_eq!(request(limits, &with_options("Connection: a, b\r\nConnection: ,,,c,,")), Ok(true));
    let more = with_options("Connection: a, b\r\nConnection: c, d");
    assert_eq!(request(limits, &more), Err((Reason::TooManyConnectionOptions, 431)));
    let reply = "HTTP/1.1 200 OK\r\nConnection: a,a,a,a\r\n\r\n";
    assert_eq!(response(limits, reply), Err((Reason::TooManyConnectionOptions, 502)));
    let many = |count| with_options(&format!("Connection: {}", vec!["a"; count].join(",")));
    assert_eq!(request(Limits::default(), &many(32)), Ok(true));
    assert_eq!(request(Limits::default(), &many(33)), Err((Reason::TooManyConnectionOptions, 431)));
}

#[test]
fn upgrade_protocols() {
    let limits = with(|limits| limits.upgrade_protocols = 3);
    let offer = |protocols: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n{protocols}\r\n\r\n");
    assert_eq!(request(limits, &offer("Upgrade: a, b/1\r\nUpgrade: ,c")), Ok(true));
    assert_eq!(request(limits, &offer("Upgrade: a, b/1\r\nUpgrade: c, d")), Err((Reason::TooManyProtocols, 431)));
    let reply = "HTTP/1.1 200 OK\r\nUpgrade: a,b,c,d\r\n\r\n";
    assert_eq!(response(limits, reply), Err((Reason::TooManyProtocols, 502)));
    let many = |count| offer(&format!("Upgrade: {}", vec!["a"; count].join(",")));
    assert_eq!(request(Limits::default(), &many(8)), Ok(true));
    assert_eq!(request(Limits::default(), &many(9)), Err((Reason::TooManyProtocols, 431)));
}

#[test]
fn trailers() {
    let limits = with(|limits| limits.trailers = 8);
    assert_eq!(body(BodyKind::Chunked, limits, b"0\r\nA: b\r\n\r\n"), Ok(true));
    assert_eq!(body(BodyKind::Chunked, limits, b"0\r\nA: bc\r\n\r\n"), Err((Reason::TrailersTooLarge, 431)));
    let mut read = Trailers::default();
    assert!(read.parse(b"A: b\r\n\r\n", Side::Request, &limits).is_ok());
    let rejected = read.parse(b"A: bc\r\n\r\n", Side::Request, &limits).map(|fields| fields.len());
    assert_eq!(rejected, Err(Rejected { reason: Reason::TrailersTooLarge, side: Side::Request, at: 8 }));
}

#[test]
fn trailer_fields() {
    let limits = with(|limits| limits.trailer_fields = 1);
    assert_eq!(body(BodyKind::Chunked, limits, b"0\r\nA: b\r\n\r\n"), Ok(true));
    assert_eq!(body(BodyKind::Chunked, limits, b"0\r\nA: b\r\nC: d\r\n\r\n"), Err((Reason::TooManyTrailers, 431)));
}

#[test]
fn chunk_line() {
    let limits = with(|limits| limits.chunk_line = 5);
    assert_eq!(body(BodyKind::Chunked, limits, b"1;a=b\r\nx\r\n0;a=b\r\n\r\n"), Ok(true));
    assert_eq!(body(BodyKind::Chunked, limits, b"1;a=bc\r\nx\r\n0\r\n\r\n"), Err((Reason::ChunkLineTooLong, 400)));
}

#[test]
fn chunk_extensions() {
    let limits = with(|limits| limits.chunk_extensions = 8);
    assert_eq!(body(BodyKind::Chunked, limits, b"1;a=b\r\nx\r\n1;a=b\r\nx\r\n0\r\n\r\n"), Ok(true));
    let more = body(BodyKind::Chunked, limits, b"1;a=b\r\nx\r\n1;a=b\r\nx\r\n0;c\r\n\r\n");
    assert_eq!(more, Err((Reason::ChunkExtensionsTooLarge, 400)));
}

#[test]
fn body_bytes() {
    let limits = with(|limits| limits.body = 5);
    assert_eq!(body(BodyKind::Chunked, limits, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), Ok(true));
    assert_eq!(body(BodyKind::Chunked, limits, b"3\r\nabc\r\n3\r\n"), Err((Reason::BodyTooLarge, 413)));
    assert_eq!(body(BodyKind::UntilClose, limits, b"12345"), Ok(false));
    assert_eq!(body(BodyKind::UntilClose, limits, b"123456"), Err((Reason::BodyTooLarge, 413)));
    assert_eq!(request(limits, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), Ok(true));
    let longer = request(limits, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n");
    assert_eq!(longer, Err((Reason::BodyTooLarge, 413)));
    // The length that a response to HEAD speaks of is limited too: nobody could ever send it to us.
    assert_eq!(response(limits, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"), Err((Reason::BodyTooLarge, 502)));
}

#[test]
fn informational() {
    let mut client = ClientConnection::new(with(|limits| limits.informational = 1));
    client.send(rows::asking("GET")).unwrap();
    let input = b"HTTP/1.1 102 \r\n\r\n";
    assert_eq!(client.receive(input), Ok(Reply::Informational(input.len())));
    assert_eq!(client.receive(input).map_err(|rejected| rejected.reason), Err(Reason::TooManyInformational));
}

#[test]
fn pipelined() {
    let mut client = ClientConnection::new(with(|limits| limits.pipelined = 2));
    client.send(rows::asking("GET")).unwrap();
    client.send(rows::asking("GET")).unwrap();
    assert_eq!(client.send(rows::asking("GET")), Err(Reason::NoMoreRequests));
    // The server's side of it: `server::tests::pipelining_is_bounded`.
    let mut server = ripstop_h1::ServerConnection::new(with(|limits| limits.pipelined = 1));
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(server.receive(get), Ok(ripstop_h1::Received::Head(get.len())));
    assert_eq!(server.receive(get), Ok(ripstop_h1::Received::Full));
}
