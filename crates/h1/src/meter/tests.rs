use proptest::{collection::vec, prelude::*};

use super::*;

/// A record without its times.
type Row = (String, String, Option<String>, u16, u64, u64);

#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Client(&'a [u8]),
    Server(&'a [u8]),
    End,
}

fn run(limits: Limits, steps: &[Step<'_>]) -> (Vec<Row>, Option<Stopped>) {
    let mut meter = Meter::new(limits, Keep::default());
    let mut rows = Vec::new();
    let now = Instant::now();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut push = |record: Record<'_>| {
        if record.how == Ended::Cut {
            return;
        }
        assert!(record.answered.is_some_and(|answered| record.started <= answered && answered <= record.ended));
        rows.push((
            text(record.method),
            text(record.path),
            record.authority.map(text),
            record.status,
            record.request_bytes,
            record.response_bytes,
        ));
    };
    for step in steps {
        match step {
            Step::Client(bytes) => meter.client(bytes, now),
            Step::Server(bytes) => meter.server(bytes, now, &mut push),
            Step::End => meter.end_of_server(now, &mut push),
        }
    }
    (rows, meter.stopped())
}

fn row(method: &str, path: &str, status: u16, request: u64, response: u64) -> Row {
    (method.into(), path.into(), Some("a".into()), status, request, response)
}

const CLIENT: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\nPOST http://a/c HTTP/1.1\r\nHost: a\r\n\
    Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\nHEAD /d HTTP/1.1\r\nHost: a\r\n\r\n";
const SERVER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 100 \r\n\r\n\
    HTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n\
    HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";

fn expected() -> Vec<Row> {
    vec![row("GET", "/a?b", 200, 0, 2), row("POST", "/c", 201, 5, 3), row("HEAD", "/d", 200, 0, 0)]
}

#[test]
fn exchanges_are_counted() {
    let counted = run(Limits::default(), &[Step::Client(CLIENT), Step::Server(SERVER)]);
    assert_eq!(counted, (expected(), None));
}

#[test]
fn a_body_until_the_end() {
    let request = Step::Client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = Step::Server(b"HTTP/1.1 200 OK\r\n\r\nabcdef");
    let counted = run(Limits::default(), &[request, response, Step::End]);
    assert_eq!(counted, (vec![row("GET", "/", 200, 0, 6)], Some(Stopped::Closed)));
}

#[test]
fn the_last_exchange_of_a_connection() {
    let request = Step::Client(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let response = || Step::Server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let counted = run(Limits::default(), &[request, response(), response()]);
    assert_eq!(counted, (vec![row("GET", "/", 200, 0, 0)], Some(Stopped::Closed)));
}

#[test]
fn it_stops_at_a_switch() {
    let steps = [
        Step::Client(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        Step::Server(b"HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00"),
        Step::Client(CLIENT),
    ];
    assert_eq!(run(Limits::default(), &steps), (vec![row("GET", "/ws", 101, 0, 0)], Some(Stopped::Switched)));
    let steps = [Step::Client(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), Step::Server(b"HTTP/1.1 200 \r\n\r\n")];
    let tunnel = ("CONNECT".into(), String::new(), Some("a:1".into()), 200, 0, 0);
    assert_eq!(run(Limits::default(), &steps), (vec![tunnel], Some(Stopped::Switched)));
    let steps = [
        Step::Client(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        Step::Client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    assert_eq!(run(Limits::default(), &steps), (vec![], Some(Stopped::Early)));
}

#[test]
fn it_gives_up_on_anything_odd() {
    let get = || Step::Client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let odd = |reason, side| Some(Stopped::Odd(Rejected { reason, side, at: 0 }));
    let small = Limits { pipelined: 1, informational: 1, head: 40, ..Limits::default() };
    let tls = run(Limits::default(), &[Step::Client(b"\x16\x03\x01"), get()]);
    assert_eq!(tls, (vec![], odd(Reason::BadMethod, Side::Request)));
    let unasked = run(Limits::default(), &[Step::Server(b"HTTP/1.1 200 ")]);
    assert_eq!(unasked, (vec![], odd(Reason::Unsolicited, Side::Response)));
    assert_eq!(run(small, &[get(), get()]).1, odd(Reason::NoMoreRequests, Side::Request));
    let info = || Step::Server(b"HTTP/1.1 103 \r\n\r\n");
    assert_eq!(run(small, &[get(), info()]).1, None);
    assert_eq!(run(small, &[get(), info(), info()]).1, odd(Reason::TooManyInformational, Side::Response));
    let switch = Step::Server(b"HTTP/1.1 101 \r\n\r\n");
    assert_eq!(run(small, &[get(), switch]).1, odd(Reason::UnexpectedSwitch, Side::Response));
    assert_eq!(run(small, &[get(), Step::End]).1, odd(Reason::Truncated, Side::Response));
    assert_eq!(run(small, &[Step::End]).1, Some(Stopped::Closed));
    let long = [Step::Client(b"GET / HTTP/1.1\r\nHost: a\r\nX"), Step::Client(b"-Long: 0123456789\r\n\r\n")];
    let too_large = Stopped::Odd(Rejected::request(Reason::HeadTooLarge, 40));
    assert_eq!(run(small, &long).1, Some(too_large));
    let early = [
        Step::Client(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"),
        Step::Server(b"HTTP/1.1 413 \r\nContent-Length: 0\r\n\r\n"),
    ];
    let told = run(Limits::default(), &early);
    assert_eq!(told, (vec![row("POST", "/", 413, 0, 0)], odd(Reason::OutOfOrder, Side::Request)));
}

proptest! {
    #[test]
    fn every_split_counts_the_same(
        client in vec(any::<prop::sample::Index>(), 0..9),
        server in vec(any::<prop::sample::Index>(), 0..9),
    ) {
        let pieces = |bytes: &'static [u8], splits: &[prop::sample::Index]| {
            let mut places: Vec<_> = splits.iter().map(|index| index.index(bytes.len() + 1)).collect();
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect::<Vec<_>>()
        };
        let mut steps: Vec<_> = pieces(CLIENT, &client).into_iter().map(Step::Client).collect();
        steps.extend(pieces(SERVER, &server).into_iter().map(Step::Server));
        prop_assert_eq!(run(Limits::default(), &steps), (expected(), None));
    }
}

#[test]
fn heads_and_chosen_fields_are_told() {
    let keep = Keep { request: &["user-agent", "x-request-id", "x-none"], response: &["server"] };
    let mut meter = Meter::new(Limits::default(), keep);
    let now = Instant::now();
    let long = "x".repeat(1025);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 7\r\nUser-Agent: curl\r\nX-None: {long}\r\n\r\n");
    meter.client(request.as_bytes(), now);
    let mut told = 0;
    let response = b"HTTP/1.1 204 \r\nServer: b\r\nServer: c\r\n\r\n";
    meter.server(response, now, |record| {
        told += 1;
        let pairs: Vec<_> = record.request.iter().collect();
        assert_eq!(pairs, [("user-agent", &b"curl"[..]), ("x-request-id", b"7")]);
        assert_eq!(record.response.get("server"), Some(&b"b"[..]));
        assert_eq!(record.request.get("x-none"), None);
        assert_eq!(record.version, Version::Http11);
        let heads = (record.request_head_bytes, record.response_head_bytes);
        assert_eq!(heads, (request.len() as u64, response.len() as u64));
    });
    assert_eq!(told, 1);
}

#[test]
fn what_has_no_complete_response_is_told_at_the_end() {
    let mut meter = Meter::new(Limits::default(), Keep::default());
    let now = Instant::now();
    let never = |record: Record<'_>| panic!("{record:?}");
    meter.client(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc", now);
    meter.server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcd", now, never);
    let mut told = Vec::new();
    meter.end(now, |record| {
        let path = String::from_utf8(record.path.to_vec()).unwrap();
        told.push((path, record.status, record.request_bytes, record.response_bytes, record.how));
    });
    assert_eq!(told, [("/a".into(), 200, 0, 4, Ended::Cut), ("/b".into(), 0, 3, 0, Ended::Cut)]);
    assert_eq!(meter.stopped(), Some(Stopped::Closed));
    meter.end(now, never);

    // The server ends in the middle, or before it began.
    for (answer, status, sent) in [("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcd", 200, 4_u64), ("", 0, 0)] {
        let mut meter = Meter::new(Limits::default(), Keep::default());
        meter.client(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", now);
        meter.server(answer.as_bytes(), now, never);
        let mut told = Vec::new();
        meter.end_of_server(now, |record| told.push((record.status, record.response_bytes, record.how)));
        assert_eq!(told, [(status, sent, Ended::Cut)]);
        assert_eq!(meter.stopped(), Some(Stopped::Odd(Rejected::response(Reason::Truncated, sent))));
    }
}

#[test]
fn it_knows_what_is_under_way() {
    let now = Instant::now();
    for mut meter in [Meter::new(Limits::default(), Keep::default()), Meter::of_boundaries(Limits::default())] {
        let far = |meter: &Meter| (meter.is_idle(), meter.is_received(), meter.begun());
        let mut seen = vec![far(&meter)];
        for (client, bytes) in [
            (true, "P"),
            (true, "OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"),
            (true, "ab"),
            (false, "HTTP/1.1 200"),
            (false, " OK\r\nContent-Length: 1\r\n\r\n"),
            (false, "c"),
            (true, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            (false, "HTTP/1.1 204 \r\n\r\n"),
            (false, "HTTP/1.1 204 \r\n\r\n"),
        ] {
            if client {
                meter.client(bytes.as_bytes(), now);
            } else {
                meter.server(bytes.as_bytes(), now, |_| {});
            }
            seen.push(far(&meter));
        }
        let expected = [
            (true, true, 0),
            (false, false, 1),
            (false, false, 1),
            (false, true, 1),
            (false, true, 1),
            (false, true, 1),
            (true, true, 1),
            (false, true, 3),
            (false, true, 3),
            (true, true, 3),
        ];
        assert_eq!(seen, expected);
    }
}

/// Whoever follows boundaries sees the same ends, of messages that say nothing.
#[test]
fn boundaries_are_those_of_records() {
    let now = Instant::now();
    let mut meter = Meter::of_boundaries(Limits::default());
    meter.client(b"GET /a?b HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\n", now);
    let mut told = Vec::new();
    meter.server(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", now, |record| {
        told.push((
            record.method.len() + record.path.len(),
            record.authority.is_some(),
            record.status,
            record.response_bytes,
        ));
    });
    assert_eq!(told, [(0, false, 200, 3)]);
    assert!(meter.is_idle() && meter.stopped().is_none());
}
