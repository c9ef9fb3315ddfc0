//! Heads that were found, requests that were refused, and lists that are too large for the peer.

use super::*;
use crate::{ResponseHead, SendError, hpack::PreEncoded};
use wire::{END_HEADERS, END_STREAM, data, frame, get, headers, post, rst};

const LARGE: usize = super::super::LARGE;

fn answering() -> Bench {
    Bench::new(Role::Server, Config { refusals: Refusals::Answer, max_header_list: 8_000, ..Config::default() })
}

#[test]
fn the_head_of_a_request_is_known_until_the_next_event() {
    let mut bench = Bench::server();
    assert_eq!(bench.connection.request_head(), None);
    let fields = [("cookie", "a"), ("content-length", "3"), ("host", "a")];
    bench.feed(&headers(1, 0, &[&wire::POST[..], &fields].concat()));
    let head = bench.connection.request_head().unwrap();
    assert_eq!(Ok(head), RequestHead::of(bench.connection.fields(), Extended::Off));
    assert_eq!((head.method, head.scheme, head.authority), (&b"POST"[..], Some(&b"http"[..]), &b"a"[..]));
    assert_eq!((head.path, head.protocol, head.content_length), (Some(&b"/"[..]), None, Some(3)));
    assert_eq!(bench.connection.response_head(), None);
    // Trailers have none.
    bench.feed(&[data(1, 0, b"abc"), headers(1, END_STREAM, &[("x", "y")])].concat());
    assert_eq!(bench.connection.request_head(), None);
    // The host alone, in another order.
    let fields = [(":path", "/x"), (":method", "GET"), (":scheme", "https"), ("x", "y"), ("host", "b:80")];
    bench.feed(&headers(3, END_STREAM, &fields));
    let head = bench.connection.request_head().unwrap();
    assert_eq!((head.method, head.path, head.authority), (&b"GET"[..], Some(&b"/x"[..]), &b"b:80"[..]));
    // A request that is none has none.
    bench.feed(&headers(5, END_STREAM, &fields[1..]));
    assert_eq!(bench.connection.request_head(), None);
}

#[test]
fn the_head_of_a_response_is_known_until_the_next_event() {
    let mut bench = Bench::client();
    bench.open(Request::Ordinary, End::Stream);
    bench.frames();
    assert_eq!(bench.connection.response_head(), None);
    let zero = ("content-length", "0");
    bench.feed(&headers(1, 0, &[(":status", "103"), zero]));
    // A length that says nothing is not passed on.
    assert_eq!(bench.connection.response_head(), Some(ResponseHead { status: 103, content_length: None }));
    bench.feed(&headers(1, 0, &[(":status", "200"), ("content-length", "3")]));
    assert_eq!(bench.connection.response_head(), Some(ResponseHead { status: 200, content_length: Some(3) }));
    assert_eq!(bench.connection.request_head(), None);
    bench.feed(&[data(1, 0, b"abc"), headers(1, END_STREAM, &[("x", "y")])].concat());
    assert_eq!(bench.connection.response_head(), None);
    bench.open(Request::Ordinary, End::Stream);
    bench.frames();
    bench.feed(&headers(3, END_STREAM, &[(":status", "204"), zero]));
    assert_eq!(bench.connection.response_head(), Some(ResponseHead { status: 204, content_length: None }));
}

#[test]
fn refused_requests_can_be_answered() {
    let large = "x".repeat(8_000);
    let too_large = |id, flags| headers(id, flags, &[&wire::GET[..], &[("large", &*large)]].concat());
    let mut bench = answering();
    assert_eq!(bench.feed(&too_large(1, END_STREAM)), "refused 1 ENHANCE_YOUR_CALM 431 | HEADERS 1 end");
    assert_eq!(bench.connection.fields().get(b":path"), Some(&b"/"[..]), "for the log");
    // What is still to come is told not to.
    assert_eq!(bench.feed(&too_large(3, 0)), "refused 3 ENHANCE_YOUR_CALM 431 | HEADERS 3 end, RST_STREAM 3 NO_ERROR");
    assert_eq!(feed_late(&mut bench, 3), "|");
    let malformed = |id, flags| headers(id, flags, &wire::GET[..3]);
    assert_eq!(bench.feed(&malformed(5, END_STREAM)), "refused 5 PROTOCOL_ERROR 400 | HEADERS 5 end");
    assert_eq!(bench.feed(&malformed(7, 0)), "refused 7 PROTOCOL_ERROR 400 | HEADERS 7 end, RST_STREAM 7 NO_ERROR");
    let promised = [&wire::POST[..], &[("content-length", "3")]].concat();
    assert_eq!(bench.feed(&headers(9, END_STREAM, &promised)), "refused 9 PROTOCOL_ERROR 400 | HEADERS 9 end");
    assert_eq!((bench.connection.active(), bench.feed(&get(11))), (0, "headers 11 end |".to_owned()));
    // The answers are what they should be.
    for (bytes, status) in [(too_large(13, END_STREAM), "431"), (malformed(15, END_STREAM), "400")] {
        let mut bench = answering();
        bench.events(&bytes, true);
        let frames = bench.frames();
        assert_eq!((frames.len(), frames[0].flags), (1, END_STREAM | END_HEADERS));
        let mut fields = Fields::new();
        Decoder::new(DEFAULT_TABLE).decode(&frames[0].payload, &mut fields, 1_000, 1_000).unwrap();
        assert_eq!(fields.iter().collect::<Vec<_>>(), [Field::new(b":status", status.as_bytes())]);
    }
    // What may be tried elsewhere is never answered.
    let mut bench =
        Bench::new(Role::Server, Config { max_streams: 1, refusals: Refusals::Answer, ..Config::default() });
    assert_eq!(
        bench.feed(&[post(1), get(3)].concat()),
        "headers 1, refused 3 REFUSED_STREAM | RST_STREAM 3 REFUSED_STREAM"
    );
}

/// What may still come for a stream that was answered before its end.
fn feed_late(bench: &mut Bench, id: u32) -> String {
    bench.feed(&[headers(id, END_STREAM, &[("x", "y")]), rst(id, 8)].concat())
}

#[test]
fn answers_to_refused_requests_have_the_limits_of_resets() {
    let burst = Limits::default().provoked_resets.burst;
    let mut bench = answering();
    for n in 0..burst {
        let id = 2 * n + 1;
        assert_eq!(
            bench.feed(&headers(id, END_STREAM, &[("a", "b")])),
            format!("refused {id} PROTOCOL_ERROR 400 | HEADERS {id} end")
        );
    }
    let last = bench.feed(&headers(2 * burst + 1, END_STREAM, &[("a", "b")]));
    assert_eq!(last, format!("error ENHANCE_YOUR_CALM | GOAWAY {} ENHANCE_YOUR_CALM", 2 * burst + 1));
    // So have those that are not read.
    let limits = Limits { provoked_resets: Rate::new(u32::MAX, 1), unread_output: 2_000, ..Limits::default() };
    let mut bench = Bench::new(Role::Server, Config { limits, refusals: Refusals::Answer, ..Config::default() });
    let count = (0..1_000).take_while(|n| {
        bench.events(&headers(2 * n + 1, END_STREAM, &[("a", "b")]), true) != ["error ENHANCE_YOUR_CALM"]
    });
    let count = count.count();
    assert_eq!(count, 200, "of 10 bytes each");
}

#[test]
fn lists_that_are_too_large_for_the_peer_are_not_sent() {
    let size = |fields: &[Field<'_>]| crate::fields::list_size(fields.iter().copied());
    let request = request_fields(Request::Ordinary);
    let most = u32::try_from(size(&request)).unwrap();
    let mut bench = Bench::client();
    assert_eq!(bench.connection.peer_max_header_list(), None);
    bench.feed(&wire::settings(&[(wire::MAX_HEADER_LIST_SIZE, most)]));
    assert_eq!(bench.connection.peer_max_header_list(), Some(most));
    let open = |bench: &mut Bench, first: Option<&PreEncoded>, fields: &[Field<'static>]| {
        let opened = bench.connection.open(Request::Ordinary, first, fields.iter().copied(), End::Open, bench.now);
        opened.map(StreamRef::id)
    };
    let one_more = [&request[..], &[Field::new(b"x", b"y")]].concat();
    assert_eq!(open(&mut bench, None, &one_more), Err(crate::OpenError::TooLarge));
    let first = PreEncoded::new(request[..1].iter().copied());
    assert_eq!(open(&mut bench, Some(&first), &one_more[1..]), Err(crate::OpenError::TooLarge));
    assert_eq!((bench.said(), bench.connection.active()), (vec![], 0));
    assert_eq!(open(&mut bench, None, &request), Ok(1));
    assert_eq!(open(&mut bench, Some(&first), &request[1..]), Ok(3));
    assert_eq!(bench.said(), ["HEADERS 1", "HEADERS 3"]);
    let stream = bench.stream(1);
    let trailers = vec![Field::new(b"x", &ZEROS[..most as usize - 32]); 1];
    assert_eq!(bench.connection.send_trailers(stream, trailers), Err(SendError::TooLarge));
    assert_eq!(bench.connection.send_trailers(stream, [Field::new(b"x", b"y")]), Ok(()));
    assert_eq!(bench.said(), ["HEADERS 1 end"]);

    let mut bench = Bench::server();
    bench.feed(&[wire::settings(&[(wire::MAX_HEADER_LIST_SIZE, 42)]), get(1)].concat());
    let stream = bench.stream(1);
    let large = [Field::new(b":status", b"200"), Field::new(b"x", b"y")];
    assert_eq!(bench.connection.inform(stream, large), Err(SendError::TooLarge));
    assert_eq!(bench.connection.respond(stream, large, End::Stream), Err(SendError::TooLarge));
    assert_eq!(bench.said(), [""; 0]);
    // Another answer can be given instead.
    assert_eq!(bench.connection.respond(stream, large[..1].iter().copied(), End::Stream), Ok(()));
    assert_eq!(bench.said(), ["HEADERS 1 end"]);
}

#[test]
fn whoever_is_late_is_told_so() {
    let mut bench = Bench::server();
    bench.feed(&[post(1), get(3)].concat());
    let ok = [Field::new(b":status", b"200")];
    let [one, three] = [1, 3].map(|id| bench.stream(id));
    assert_eq!(bench.connection.inform(one, ok), Ok(()));
    assert_eq!(bench.connection.respond(one, ok, End::Open), Ok(()));
    assert_eq!(bench.connection.respond(one, ok, End::Open), Err(SendError::Closed), "one final response");
    assert_eq!(bench.connection.inform(one, ok), Err(SendError::Closed), "nothing before it after it");
    assert_eq!(bench.connection.finish(one), Ok(()));
    assert_eq!(bench.connection.finish(one), Err(SendError::Closed));
    assert_eq!(bench.connection.send_trailers(one, ok), Err(SendError::Closed));
    assert_eq!(bench.said(), ["HEADERS 1", "HEADERS 1", "DATA 1 0 end"]);
    assert_eq!(bench.feed(&rst(3, 8)), "reset 3 CANCEL |");
    assert_eq!(bench.connection.respond(three, ok, End::Open), Err(SendError::Closed));
    assert_eq!(bench.connection.finish(three), Err(SendError::Closed));
    assert_eq!(bench.connection.send_data(three, b"x", End::Stream), 0);
    assert_eq!(bench.said(), [""; 0]);
}

#[test]
fn storage_of_large_lists_is_not_kept() {
    let mut bench = Bench::server();
    let value = "y".repeat(40_000);
    let block = wire::block(wire::GET.iter().copied().chain([("x", &*value)]));
    let pieces: Vec<_> = block.chunks(10_000).collect();
    let mut bytes = frame(wire::HEADERS, END_STREAM, 1, pieces[0]);
    for piece in &pieces[1..pieces.len() - 1] {
        bytes.extend(frame(wire::CONTINUATION, 0, 1, piece));
    }
    bytes.extend(frame(wire::CONTINUATION, END_HEADERS, 1, pieces[pieces.len() - 1]));
    assert_eq!(bench.feed(&bytes), "headers 1 end |");
    assert!(bench.connection.fields.storage() > 40_000);
    assert_eq!(bench.feed(&get(3)), "headers 3 end |");
    let kept = bench.connection.fields.storage();
    assert!((1..=LARGE).contains(&kept), "{kept}");
    // Nor is that of a large answer.
    let stream = bench.stream(3);
    let fields = [Field::new(b":status", b"200"), Field::sensitive(b"x", value.as_bytes())];
    bench.connection.respond(stream, fields, End::Stream).unwrap();
    assert_eq!(bench.connection.block_out.capacity(), 0);
    bench.answer(1, End::Stream);
    assert!((1..=LARGE).contains(&bench.connection.block_out.capacity()));
}
