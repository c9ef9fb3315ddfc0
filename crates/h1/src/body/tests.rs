use proptest::{collection::vec, prelude::*};

use super::*;
use crate::Trailers;

/// What a decoder made of an input that came in pieces.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    data: Vec<u8>,
    trailers: Vec<u8>,
    consumed: usize,
    end: Option<Result<(), Rejected>>,
}

fn run(kind: BodyKind, limits: &Limits, pieces: &[&[u8]]) -> Outcome {
    let mut decoder = BodyDecoder::new(kind, Side::Request, limits);
    let mut outcome = Outcome::default();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            match decoder.decode(rest) {
                Ok(decoded) => {
                    assert!(decoded.consumed > 0 || decoded.done, "no progress");
                    outcome.data.extend_from_slice(&rest[decoded.data]);
                    outcome.trailers.extend_from_slice(&rest[decoded.trailers]);
                    outcome.consumed += decoded.consumed;
                    rest = &rest[decoded.consumed..];
                    assert_eq!(decoder.is_done(), decoded.done);
                    if decoded.done {
                        outcome.end = Some(Ok(()));
                        return outcome;
                    }
                }
                Err(rejected) => {
                    outcome.end = Some(Err(rejected));
                    return outcome;
                }
            }
        }
    }
    outcome
}

fn chunked(input: &[u8]) -> Outcome {
    run(BodyKind::Chunked, &Limits::default(), &[input])
}

fn refused(input: &[u8]) -> (Reason, u64) {
    let rejected = chunked(input).end.expect("an end").expect_err("a refusal");
    assert_eq!(rejected.side, Side::Request);
    (rejected.reason, rejected.at)
}

#[test]
fn lengths_end_where_they_say() {
    let outcome = run(BodyKind::Length(5), &Limits::default(), &[b"he", b"llo wor", b"ld"]);
    assert_eq!((outcome.data.as_slice(), outcome.consumed, outcome.end), (&b"hello"[..], 5, Some(Ok(()))));
    assert_eq!(run(BodyKind::Length(6), &Limits::default(), &[b"hello"]).end, None);
    let mut cut = BodyDecoder::new(BodyKind::Length(6), Side::Request, &Limits::default());
    cut.decode(b"hello").unwrap();
    assert_eq!(cut.end_of_input(), Err(Rejected::request(Reason::Truncated, 5)));
    for kind in [BodyKind::None, BodyKind::Length(0)] {
        let mut empty = BodyDecoder::new(kind, Side::Request, &Limits::default());
        assert!(empty.is_done());
        assert_eq!(empty.decode(b"x").unwrap(), Decoded { done: true, ..Decoded::default() });
        assert_eq!(empty.end_of_input(), Ok(()));
    }
}

#[test]
fn a_body_until_the_end() {
    let mut decoder = BodyDecoder::new(BodyKind::UntilClose, Side::Response, &Limits::default());
    assert_eq!(decoder.decode(b"abc").unwrap().data, 0..3);
    assert!(!decoder.is_done());
    assert_eq!(decoder.end_of_input(), Ok(()));
    assert!(decoder.is_done());
    assert_eq!(decoder.data_bytes(), 3);
}

#[test]
fn chunks_extensions_and_trailers() {
    let input = b"5;a;b=c;d=\"x;\\\"\\y\tz\"\r\nhello\r\nA\r\n, world!!!\r\n000\r\nX-Sum: 1 \r\nY:\r\n\r\nGET";
    let outcome = chunked(input);
    assert_eq!(outcome.data, b"hello, world!!!");
    assert_eq!(outcome.trailers, b"X-Sum: 1 \r\nY:\r\n\r\n");
    assert_eq!((outcome.consumed, outcome.end), (input.len() - 3, Some(Ok(()))));
    let mut trailers = Trailers::default();
    let fields = trailers.parse(&outcome.trailers, Side::Request, &Limits::default()).unwrap();
    assert_eq!(fields.get(b"x-sum"), Some(&b"1"[..]));
    assert_eq!(fields.get(b"y"), Some(&b""[..]));
    assert_eq!(fields.len(), 2);
}

#[test]
fn broken_chunks() {
    for (input, reason, at) in [
        (&b"\r\n"[..], Reason::BadChunkSize, 0),
        (b" 5\r\n", Reason::BadChunkSize, 0),
        (b"+5\r\n", Reason::BadChunkSize, 0),
        (b"-5\r\n", Reason::BadChunkSize, 0),
        (b"0x5\r\n", Reason::BadChunkSize, 1),
        (b"0_5\r\n", Reason::BadChunkSize, 1),
        (b"5 \r\n", Reason::BadChunkSize, 1),
        (b"5 ;a\r\n", Reason::BadChunkSize, 1),
        (b"5\t\r\n", Reason::BadChunkSize, 1),
        (b"g\r\n", Reason::BadChunkSize, 0),
        (b";a\r\n", Reason::BadChunkSize, 0),
        (b"00000000000000005\r\n", Reason::BadChunkSize, 16),
        (b"5\n", Reason::BareLineFeed, 1),
        (b"5\r\rX", Reason::BareCarriageReturn, 2),
        (b"5\rX", Reason::BareCarriageReturn, 2),
        (b"5;\r\n", Reason::BadChunkExtension, 2),
        (b"5;a\n", Reason::BareLineFeed, 3),
        (b"5;a=\r\n", Reason::BadChunkExtension, 4),
        (b"5; a\r\n", Reason::BadChunkExtension, 2),
        (b"5;a =b\r\n", Reason::BadChunkExtension, 3),
        (b"5;a=\"b\r\n", Reason::BadChunkExtension, 6),
        (b"5;a=\"b\n", Reason::BadChunkExtension, 6),
        (b"5;a=\"b\"c\r\n", Reason::BadChunkExtension, 7),
        (b"5;a=b\0\r\n", Reason::BadChunkExtension, 5),
        (b"1\r\nab\r\n", Reason::BadChunkEnd, 4),
        (b"1\r\na\n", Reason::BadChunkEnd, 4),
        (b"1\r\na\r\r", Reason::BadChunkEnd, 5),
        (b"0\r\n\n", Reason::BareLineFeed, 3),
        (b"0\r\n\rX", Reason::BareCarriageReturn, 4),
        (b"0\r\nXY\r\n", Reason::MissingColon, 5),
        (b"0\r\nA: b\n", Reason::BareLineFeed, 7),
        (b"0\r\nA: b\rc", Reason::BareCarriageReturn, 8),
        (b"0\r\nA: \0\r\n", Reason::BadValue, 6),
        (b"0\r\n A: b\r\n", Reason::LeadingWhitespace, 3),
        (b"0\r\nA: b\r\n c", Reason::ObsoleteFold, 9),
        (b"0\r\nA : b\r\n", Reason::WhitespaceBeforeColon, 4),
        (b"0\r\n: b\r\n", Reason::EmptyName, 3),
        (b"0\r\nA\xff: b\r\n", Reason::BadName, 4),
        (b"0\r\nContent-Length: 1\r\n", Reason::ForbiddenTrailer, 17),
        (b"0\r\ntransfer-ENCODING: chunked\r\n", Reason::ForbiddenTrailer, 20),
        (b"0\r\nHost: b\r\n", Reason::ForbiddenTrailer, 7),
    ] {
        assert_eq!(refused(input), (reason, at), "{}", input.escape_ascii());
    }
}

#[test]
fn the_whole_of_64_bits_is_a_size() {
    assert_eq!(chunked(b"ffffffffffffffff\r\nab").data, b"ab");
    let twice = run(BodyKind::Chunked, &Limits { body: u64::MAX - 1, ..Limits::default() }, &[b"ffffffffffffffff\r\n"]);
    assert_eq!(twice.end, Some(Err(Rejected::request(Reason::BodyTooLarge, 17))));
}

proptest! {
    /// How the bytes arrive makes no difference.
    #[test]
    fn every_split_is_the_same(
        input in "([0-9a-f]{1,2}|0|[0-9]{1,2};[ab]=\"?[cd]\"?)(\r\n|\n|\r)[a-c]{0,12}(\r\n)(0\r\n|3\r\nabc\r\n0\r\n)([A-Z]: ?[a-z\t]{0,3}\r\n){0,3}(\r\n)?[a-z]{0,3}",
        splits in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let input = input.as_bytes();
        let mut places: Vec<_> = splits.iter().map(|index| index.index(input.len() + 1)).collect();
        places.extend([0, input.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        let whole = chunked(input);
        let mut split = run(BodyKind::Chunked, &Limits::default(), &pieces);
        let mut single = run(BodyKind::Chunked, &Limits::default(), &bytes);
        // A refused call consumes nothing, so only what came before differs.
        for outcome in [&mut split, &mut single] {
            if matches!(outcome.end, Some(Err(_))) {
                outcome.consumed = whole.consumed;
                outcome.trailers.truncate(whole.trailers.len());
                outcome.data.truncate(whole.data.len());
            }
        }
        prop_assert_eq!(&split, &whole);
        prop_assert_eq!(&single, &whole);
    }

    /// The streaming reader of trailers and the one that makes fields agree.
    #[test]
    fn two_readers_of_trailers_agree(section in "([A-C]{0,2}[: ]? ?[a-z\t\r\n\u{0}]{0,4}(\r\n)?){0,4}(\r\n)?") {
        let streamed = chunked(format!("0\r\n{section}").as_bytes());
        let mut trailers = Trailers::default();
        let limits = Limits::default();
        match streamed.end {
            Some(Ok(())) => {
                let length = streamed.consumed - 3;
                prop_assert_eq!(&streamed.trailers[..], &section.as_bytes()[..length]);
                prop_assert!(trailers.parse(&streamed.trailers, Side::Request, &limits).is_ok());
            }
            Some(Err(rejected)) => {
                let parsed = trailers.parse(section.as_bytes(), Side::Request, &limits).map(|_| ()).unwrap_err();
                prop_assert_eq!(parsed.reason, rejected.reason);
            }
            None => {
                let parsed = trailers.parse(section.as_bytes(), Side::Request, &limits).map(|_| ()).unwrap_err();
                prop_assert_eq!(parsed.reason, Reason::Truncated);
            }
        }
    }
}
