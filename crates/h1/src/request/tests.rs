use proptest::{collection::vec, prelude::*};

use super::*;

const PLAIN: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: shop:80\r\nX-One:  1 \t\r\nx-two:\r\nX-ONE: \xff\r\n\r\nrest";

fn parse(input: &[u8]) -> Result<Option<usize>, Rejected> {
    RequestParser::new(Limits::default()).parse(input)
}

#[test]
fn a_head_is_ranges_of_its_bytes() {
    let mut parser = RequestParser::new(Limits::default());
    assert_eq!(parser.parse(PLAIN), Ok(Some(PLAIN.len() - 4)));
    let head = parser.head(PLAIN);
    assert_eq!(head.as_bytes(), &PLAIN[..PLAIN.len() - 4]);
    assert_eq!((head.method(), head.target(), head.version()), (&b"GET"[..], &b"/a?b"[..], Version::Http11));
    assert_eq!((head.path(), head.query(), head.authority()), (&b"/a"[..], Some(&b"b"[..]), Some(&b"shop:80"[..])));
    assert_eq!((head.body(), head.persistence()), (BodyKind::None, Persistence::KeepAlive));
    let fields = head.fields();
    let all: Vec<_> = fields.iter().map(|field| (field.name, field.value)).collect();
    let expected: [(&[u8], &[u8]); 4] = [(b"Host", b"shop:80"), (b"X-One", b"1"), (b"x-two", b""), (b"X-ONE", b"\xff")];
    assert_eq!(all, expected);
    assert_eq!(fields.all(b"x-one").collect::<Vec<_>>(), [&b"1"[..], b"\xff"]);
    assert_eq!(fields.positions(b"X-TWO").collect::<Vec<_>>(), [2]);
    assert_eq!((fields.get(b"x-three"), fields.len(), fields.is_empty()), (None, 4, false));
    assert_eq!(fields.at(1).map(|field| field.value), Some(&b"1"[..]));
    assert_eq!(fields.at(4), None);
    let start = PLAIN.as_ptr();
    assert_eq!(fields.get(b"host").map(<[u8]>::as_ptr), Some(start.wrapping_add(25)), "copied");
}

#[test]
fn one_empty_line_is_ignored_and_no_part_of_the_head() {
    let input = [b"\r\n", PLAIN].concat();
    let mut parser = RequestParser::new(Limits::default());
    assert_eq!(parser.parse(&input), Ok(Some(input.len() - 4)));
    assert_eq!(parser.head(&input).as_bytes(), &PLAIN[..PLAIN.len() - 4]);
    assert_eq!(parse(b"\r\n\r\n"), Err(Rejected::request(Reason::EmptyLines, 2)));
}

#[test]
fn the_storage_is_used_again() {
    let mut parser = RequestParser::new(Limits::default());
    for input in
        [PLAIN, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", PLAIN, b"GET http://A:1?q HTTP/1.0\r\nHost: a:1\r\n\r\n"]
    {
        assert!(parser.is_idle());
        assert_eq!(parser.parse(&input[..10]), Ok(None));
        assert!(!parser.is_idle());
        parser.parse(input).unwrap().unwrap();
        assert_eq!(parser.head(input).method(), input.split(|byte| *byte == b' ').next().unwrap());
    }
    let last = b"GET http://A:1?q HTTP/1.0\r\nHost: a:1\r\n\r\n";
    let head = parser.head(last);
    assert_eq!((head.target_form(), head.path(), head.query()), (TargetForm::Absolute, &b"/"[..], Some(&b"q"[..])));
    assert_eq!((head.authority(), head.fields().len()), (Some(&b"A:1"[..]), 1));
    assert_eq!((head.version(), head.persistence()), (Version::Http10, Persistence::Close));
}

#[test]
fn a_path_is_never_empty() {
    for (line, path, query, origin) in [
        ("GET /", "/", None, "/"),
        ("GET /a?b?c", "/a", Some("b?c"), "/a?b?c"),
        ("GET /?", "/", Some(""), "/?"),
        ("GET http://a", "/", None, "/"),
        ("GET http://a?admin", "/", Some("admin"), "/?admin"),
        ("GET http://a?b=/c", "/", Some("b=/c"), "/?b=/c"),
        ("GET http://a/", "/", None, "/"),
        ("GET HTTP://a/b?", "/b", Some(""), "/b?"),
        ("OPTIONS http://a", "*", None, "*"),
        ("OPTIONS http://a?b", "/", Some("b"), "/?b"),
        ("OPTIONS http://a/", "/", None, "/"),
        ("OPTIONS *", "*", None, "*"),
        ("CONNECT a:1", "", None, ""),
    ] {
        let input = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut parser = RequestParser::new(Limits::default());
        assert_eq!(parser.parse(input.as_bytes()), Ok(Some(input.len())), "{line}");
        let head = parser.head(input.as_bytes());
        assert_eq!((head.path(), head.query()), (path.as_bytes(), query.map(str::as_bytes)), "{line}");
        let mut out = b"before ".to_vec();
        head.origin_form(&mut out);
        assert_eq!(out, [b"before ", origin.as_bytes()].concat(), "{line}");
    }
}

#[test]
fn a_host_of_connect_may_go_without_the_port() {
    let parsed = |target: &str, host: &str| {
        let input = format!("CONNECT {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut parser = RequestParser::new(Limits::default());
        let parsed = parser.parse(input.as_bytes()).map_err(|rejected| rejected.reason)?;
        assert_eq!(parser.head(input.as_bytes()).authority(), Some(target.as_bytes()));
        Ok(parsed == Some(input.len()))
    };
    for host in ["a", "A", "a:443"] {
        assert_eq!(parsed("a:443", host), Ok(true), "{host}");
    }
    assert_eq!(parsed("[::1]:443", "[::1]"), Ok(true));
    for host in ["b", "a:80", "a:4433"] {
        assert_eq!(parsed("a:443", host), Err(Reason::HostMismatch), "{host}");
    }
}

#[test]
fn no_byte_is_looked_at_twice() {
    let mut input = b"GET / HTTP/1.1\r\nHost: a\r\nX: yyyy\r\n\r\n".to_vec();
    let mut parser = RequestParser::new(Limits::default());
    assert_eq!(parser.parse(&input[..31]), Ok(None));
    // What would be refused, had it not been seen as something else.
    input[28..31].copy_from_slice(b"\0\n\r");
    assert_eq!(parser.parse(&input), Ok(Some(input.len())));
}

#[test]
fn a_second_head_needs_no_memory() {
    let mut parser = RequestParser::new(Limits::default());
    parser.parse(PLAIN).unwrap().unwrap();
    let storage = (parser.index.entries.as_ptr(), parser.index.entries.capacity());
    for _ in 0..3 {
        parser.parse(PLAIN).unwrap().unwrap();
        assert_eq!(parser.head(PLAIN).fields().connection_options().count(), 0);
        assert_eq!((parser.index.entries.as_ptr(), parser.index.entries.capacity()), storage);
    }
}

#[test]
fn a_refusal_stays_until_the_parser_is_reset() {
    let mut parser = RequestParser::new(Limits::default());
    for bad in [&b"GET /#"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let rejected = parser.parse(bad).unwrap_err();
        assert_eq!(parser.parse(bad), Err(rejected));
        assert_eq!(parser.parse(PLAIN), Err(rejected));
        parser.reset();
    }
    assert_eq!(parser.parse(PLAIN), Ok(Some(PLAIN.len() - 4)));
}

#[test]
fn what_belongs_to_the_hop() {
    let input =
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close , ,X-Mine\r\nx-mine: 1\r\nX-Yours: 2\r\nTE: trailers\r\n\
        Upgrade: a/1, b\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nconnection: Keep-Alive\r\n\r\n";
    let mut parser = RequestParser::new(Limits::default());
    parser.parse(input).unwrap().unwrap();
    let head = parser.head(input);
    assert_eq!(head.fields().hop_by_hop().collect::<Vec<_>>(), [1, 2, 4, 5, 6, 7, 8]);
    let options: Vec<_> = head.fields().connection_options().collect();
    assert_eq!(options, [&b"close"[..], b"X-Mine", b"Keep-Alive"]);
    assert!(head.fields().has_connection_option(b"CLOSE"));
    assert_eq!(head.persistence(), Persistence::Close, "close wins");
    assert!(!head.wants_upgrade(), "no option says so");
    assert_eq!(head.upgrade_protocols().count(), 0);
}

#[test]
fn an_offer_to_upgrade() {
    let input = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket, IRC/6.9\r\n\r\n";
    let mut parser = RequestParser::new(Limits::default());
    parser.parse(input).unwrap().unwrap();
    assert!(parser.head(input).wants_upgrade());
    assert_eq!(parser.head(input).upgrade_protocols().collect::<Vec<_>>(), [&b"websocket"[..], b"IRC/6.9"]);
    let old = String::from_utf8_lossy(input).replace("HTTP/1.1", "HTTP/1.0");
    parser.parse(old.as_bytes()).unwrap().unwrap();
    assert!(!parser.head(old.as_bytes()).wants_upgrade(), "HTTP/1.0 has no upgrades");
}

#[test]
fn a_client_that_waits_for_100() {
    for (head, waits) in [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n", true),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", true),
        ("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", false),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", false),
    ] {
        let mut parser = RequestParser::new(Limits::default());
        parser.parse(head.as_bytes()).unwrap().unwrap();
        assert_eq!(parser.head(head.as_bytes()).expects_continue(), waits, "{head}");
    }
}

/// Everything that is said about a head, for comparison.
fn told(parser: &RequestParser, input: &[u8]) -> String {
    let head = parser.head(input);
    format!("{head:?} {:?} {:?} {}", head.persistence(), head.target_form(), head.expects_continue())
}

fn whole_and_split(input: &[u8], splits: &[usize], limits: Limits) -> [Result<(Option<usize>, String), Rejected>; 2] {
    let outcome = |places: &[usize]| {
        let mut parser = RequestParser::new(limits);
        for place in places {
            if let Some(length) = parser.parse(&input[..*place])? {
                return Ok((Some(length), told(&parser, input)));
            }
        }
        Ok((None, String::new()))
    };
    [outcome(&[input.len()]), outcome(splits)]
}

#[test]
fn byte_by_byte_is_the_same_as_whole() {
    for input in
        [PLAIN, b"\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", b"GET / HTTP/1.1\r\nA\x00: b"]
    {
        let splits: Vec<_> = (0..=input.len()).collect();
        let [whole, split] = whole_and_split(input, &splits, Limits::default());
        assert_eq!(whole, split);
    }
}

proptest! {
    #[test]
    fn every_split_is_the_same(
        line in "(\r\n)?[A-Z]{1,5} (/[a-z#\u{7f} ]{0,4}|\\*|http://a/|a:1) HTTP/[12]\\.[019]",
        rest in "(\r\n|\n|\r)((Host|Content-Length|Transfer-Encoding|X|Connection|Expect|)(: ?| :|)(a|1|01|chunked|close|100-continue|[\u{0} \t]{0,2})(\r\n|\n|\r\n )?){0,5}(\r\n\r\n|\n\n)?[a-z]{0,3}",
        splits in vec(any::<prop::sample::Index>(), 0..6),
        limits in (1_u32..120, 1_u32..7, 1_u32..6, 1_u32..4, 1_u32..18, 1_u32..12),
    ) {
        let input = format!("{line}{rest}").into_bytes();
        let (head, method, target, fields, name, value) = limits;
        let small = Limits { head, method, target, fields, name, value, ..Limits::default() };
        let mut places: Vec<_> = splits.iter().map(|index| index.index(input.len() + 1)).collect();
        places.push(input.len());
        places.sort_unstable();
        let bytes: Vec<_> = (0..=input.len()).collect();
        for limits in [Limits::default(), small] {
            for splits in [&places, &bytes] {
                let [whole, split] = whole_and_split(&input, splits, limits);
                prop_assert_eq!(whole, split);
            }
        }
    }

    #[test]
    fn no_bytes_are_too_odd(input in vec(any::<u8>(), 0..200)) {
        let splits: Vec<_> = (0..=input.len()).collect();
        let [whole, split] = whole_and_split(&input, &splits, Limits::default());
        prop_assert_eq!(whole, split);
    }
}
