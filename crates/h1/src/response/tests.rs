use proptest::{collection::vec, prelude::*};

use super::*;

fn parse(input: &[u8]) -> Result<Option<usize>, (Reason, u64)> {
    ResponseParser::new(Limits::default()).parse(input).map_err(|rejected| {
        assert_eq!(rejected.status(), 502);
        (rejected.reason, rejected.at)
    })
}

fn body(input: &[u8], method: MethodKind) -> Result<BodyKind, Reason> {
    let mut parser = ResponseParser::new(Limits::default());
    parser.parse(input).unwrap().unwrap();
    parser.head(input).body(method).map_err(|rejected| rejected.reason)
}

#[test]
fn a_head_is_ranges_of_its_bytes() {
    let input = b"HTTP/1.1 404 Not \xffFound\r\nServer: a\r\n\r\nrest";
    let mut parser = ResponseParser::new(Limits::default());
    assert_eq!(parser.parse(input), Ok(Some(input.len() - 4)));
    let head = parser.head(input);
    assert_eq!((head.version(), head.status(), head.reason()), (Version::Http11, 404, &b"Not \xffFound"[..]));
    assert_eq!(head.fields().get(b"server"), Some(&b"a"[..]));
    assert_eq!(head.as_bytes(), &input[..input.len() - 4]);
    assert_eq!((head.declared_body(), head.is_informational()), (None, false));
}

#[test]
fn status_lines() {
    for (line, expected) in [
        (&b"HTTP/1.1 200 \r\n\r\n"[..], Ok(Some(17))),
        (b"HTTP/1.0 200 OK\r\n\r\n", Ok(Some(19))),
        (b"HTTP/1.1 200\r\n\r\n", Ok(Some(16))),
        (b"HTTP/1.1 099\r\n\r\n", Err((Reason::BadStatus, 12))),
        (b"HTTP/1.1 20\r\n\r\n", Err((Reason::BadStatus, 11))),
        (b"HTTP/1.1 200\n", Err((Reason::BadStatus, 12))),
        (b"HTTP/1.1 200\rX", Err((Reason::BareCarriageReturn, 12))),
        (b"HTTP/1.1 20 \r\n", Err((Reason::BadStatus, 11))),
        (b"HTTP/1.1 2000 \r\n", Err((Reason::BadStatus, 12))),
        (b"HTTP/1.1 099 \r\n", Err((Reason::BadStatus, 12))),
        (b"HTTP/1.1 600 \r\n", Err((Reason::BadStatus, 12))),
        (b"HTTP/1.1 +20 \r\n", Err((Reason::BadStatus, 9))),
        (b"HTTP/1.1  200 \r\n", Err((Reason::BadStatus, 9))),
        (b"HTTP/2.0 200 OK\r\n", Err((Reason::UnsupportedVersion, 8))),
        (b"HTTP/1.12 200 OK\r\n", Err((Reason::BadVersion, 8))),
        (b"http/1.1 200 OK\r\n", Err((Reason::BadVersion, 0))),
        (b"ICY 200 OK\r\n", Err((Reason::BadVersion, 0))),
        (b" HTTP/1.1 200 OK\r\n", Err((Reason::MissingVersion, 0))),
        (b"\r\nHTTP/1.1 200 OK\r\n", Err((Reason::EmptyLines, 0))),
        (b"HTTP/1.1 200 O\x00K\r\n", Err((Reason::BadReasonPhrase, 14))),
        (b"HTTP/1.1 200 OK\n", Err((Reason::BareLineFeed, 15))),
        (b"HTTP/1.1 200 OK\rX", Err((Reason::BareCarriageReturn, 15))),
        (b"HTTP/1.1 200 O", Ok(None)),
        (b"", Ok(None)),
    ] {
        assert_eq!(parse(line), expected, "{}", line.escape_ascii());
    }
}

#[test]
fn bodies_follow_from_method_status_and_fields() {
    use MethodKind::{Connect, Head, Other};
    let plain = b"HTTP/1.1 200 OK\r\n\r\n";
    let length = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n";
    for (input, method, expected) in [
        (&plain[..], Other, Ok(BodyKind::UntilClose)),
        (plain, Head, Ok(BodyKind::None)),
        (plain, Connect, Ok(BodyKind::None)),
        (length, Other, Ok(BodyKind::Length(3))),
        (length, Head, Ok(BodyKind::None)),
        (length, Connect, Err(Reason::BodyForbidden)),
        (chunked, Other, Ok(BodyKind::Chunked)),
        (chunked, Head, Ok(BodyKind::None)),
        (chunked, Connect, Err(Reason::BodyForbidden)),
        (b"HTTP/1.1 204 \r\n\r\n", Other, Ok(BodyKind::None)),
        (b"HTTP/1.1 304 \r\nContent-Length: 3\r\n\r\n", Other, Ok(BodyKind::None)),
        (b"HTTP/1.1 304 \r\nTransfer-Encoding: chunked\r\n\r\n", Other, Ok(BodyKind::None)),
        (b"HTTP/1.1 403 \r\nContent-Length: 3\r\n\r\n", Connect, Ok(BodyKind::Length(3))),
        (b"HTTP/1.1 403 \r\n\r\n", Connect, Ok(BodyKind::UntilClose)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", Other, Ok(BodyKind::Length(3))),
        (b"HTTP/1.1 100 \r\n\r\n", Other, Ok(BodyKind::None)),
        (b"HTTP/1.1 205 \r\nContent-Length: 0\r\n\r\n", Other, Ok(BodyKind::Length(0))),
    ] {
        assert_eq!(body(input, method), expected, "{} {method:?}", input.escape_ascii());
    }
}

#[test]
fn no_framing_where_no_body_is() {
    for status in ["100", "101", "103", "199", "204"] {
        for field in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
            let input = format!("HTTP/1.1 {status} \r\n{field}\r\n\r\n");
            assert_eq!(parse(input.as_bytes()), Err((Reason::BodyForbidden, 9)), "{input}");
        }
        // What servers in use send.
        let input = format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n\r\n");
        let mut parser = ResponseParser::new(Limits::default());
        assert_eq!(parser.parse(input.as_bytes()), Ok(Some(input.len())));
        let head = parser.head(input.as_bytes());
        assert_eq!((head.declared_body(), head.body(MethodKind::Other)), (None, Ok(BodyKind::None)));
    }
}

#[test]
fn a_status_line_without_its_second_space() {
    let mut parser = ResponseParser::new(Limits::default());
    let input = b"HTTP/1.1 503\r\nServer: a\r\n\r\n";
    assert_eq!(parser.parse(input), Ok(Some(input.len())));
    let head = parser.head(input);
    assert_eq!((head.status(), head.reason(), head.fields().get(b"server")), (503, &b""[..], Some(&b"a"[..])));
}

proptest! {
    #[test]
    fn every_split_is_the_same(
        line in "HTTP/1\\.[019] [1-6][0-9]{1,2}( [A-Z]{0,4}| \u{0}|)",
        rest in "(\r\n|\n|\r)((Content-Length|Transfer-Encoding|X|)(: ?| :|)(a|1|chunked|[\u{0} \t]{0,2})(\r\n|\n|\r\n )?){0,4}(\r\n\r\n)?",
        splits in vec(any::<prop::sample::Index>(), 0..6),
        limits in (1_u32..80, 0_u32..4, 1_u32..4, 1_u32..18, 1_u32..8),
    ) {
        let input = format!("{line}{rest}").into_bytes();
        let mut places: Vec<_> = splits.iter().map(|index| index.index(input.len() + 1)).collect();
        places.push(input.len());
        places.sort_unstable();
        let (head, reason, fields, name, value) = limits;
        for limits in [Limits::default(), Limits { head, reason, fields, name, value, ..Limits::default() }] {
            let outcome = |places: &[usize]| {
                let mut parser = ResponseParser::new(limits);
                for place in places {
                    if let Some(length) = parser.parse(&input[..*place])? {
                        return Ok((length, format!("{:?}", parser.head(&input))));
                    }
                }
                Ok((0, String::new()))
            };
            let whole: Result<_, Rejected> = outcome(&[input.len()]);
            prop_assert_eq!(&whole, &outcome(&places));
            prop_assert_eq!(&whole, &outcome(&(0..=input.len()).collect::<Vec<_>>()));
        }
    }
}
