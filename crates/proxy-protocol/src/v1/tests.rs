use super::*;

fn whole(line: &str) -> Result<Header, Malformed> {
    match parse(line.as_bytes())? {
        Parsed::Whole { header, length } => {
            assert_eq!(length, line.len());
            Ok(header)
        }
        Parsed::Partial => panic!("{line:?} is whole"),
    }
}

#[test]
fn lines_of_both_families_and_of_none() {
    let of = |source: &str, destination: &str| {
        Ok(Header::Proxied { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
    };
    assert_eq!(whole("PROXY TCP4 192.0.2.1 10.0.0.7 65535 0\r\n"), of("192.0.2.1:65535", "10.0.0.7:0"));
    assert_eq!(whole("PROXY TCP6 2001:db8::1 ::1 1 443\r\n"), of("[2001:db8::1]:1", "[::1]:443"));
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n");
    assert_eq!(line.len(), LONGEST);
    assert_eq!(whole(&line), Ok(Header::Unnamed));
    assert_eq!(whole("PROXY UNKNOWN\r\n"), Ok(Header::Unnamed));
    assert_eq!(whole("PROXY UNKNOWN whatever this  is\r\n"), Ok(Header::Unnamed));
}

#[test]
fn nothing_is_repaired() {
    let refused = [
        ("PROXY TCP4 192.0.2.1 10.0.0.7 1\r\n", Malformed::Parts),
        ("PROXY TCP4 192.0.2.1 10.0.0.7 1 2 3\r\n", Malformed::Parts),
        ("PROXY TCP4 192.0.2.1 10.0.0.7 1 2 \r\n", Malformed::Parts),
        ("PROXY TCP4  192.0.2.1 10.0.0.7 1 2\r\n", Malformed::Parts),
        ("PROXY TCP4\r\n", Malformed::Parts),
        ("PROXY TCP4 \u{e9} 10.0.0.7 1 2\r\n", Malformed::Address),
        ("PROXY TCP4 192.0.2.01 10.0.0.7 1 2\r\n", Malformed::Address),
        ("PROXY TCP4 192.0.2 10.0.0.7 1 2\r\n", Malformed::Address),
        ("PROXY TCP4 ::1 ::2 1 2\r\n", Malformed::Address),
        ("PROXY TCP6 192.0.2.1 10.0.0.7 1 2\r\n", Malformed::Address),
        ("PROXY TCP6 [::1] ::2 1 2\r\n", Malformed::Address),
        ("PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", Malformed::Address),
        ("PROXY TCP4 192.0.2.1 10.0.0.7 01 2\r\n", Malformed::Port),
        ("PROXY TCP4 192.0.2.1 10.0.0.7 +1 2\r\n", Malformed::Port),
        ("PROXY TCP4 192.0.2.1 10.0.0.7 1 65536\r\n", Malformed::Port),
        ("PROXY TCP4 192.0.2.1 10.0.0.7 1 2\n\r\n", Malformed::Port),
        ("PROXY TCP4 192.0.2.1 10.0.0.7  2\r\n", Malformed::Port),
        ("PROXY tcp4 192.0.2.1 10.0.0.7 1 2\r\n", Malformed::Family),
        ("PROXY UDP4 192.0.2.1 10.0.0.7 1 2\r\n", Malformed::Family),
        ("PROXY UNKNOWNS\r\n", Malformed::Family),
        ("PROXY \r\n", Malformed::Family),
    ];
    for (line, why) in refused {
        assert_eq!(whole(line), Err(why), "{line:?}");
    }
    assert_eq!(parse(b"PROXY TCP4 \xff 10.0.0.7 1 2\r\n"), Err(Malformed::Parts));
}

#[test]
fn a_line_has_a_limit() {
    let long = format!("PROXY UNKNOWN {}", "x".repeat(LONGEST));
    assert_eq!(parse(&long.as_bytes()[..LONGEST - 1]), Ok(Parsed::Partial));
    assert_eq!(parse(&long.as_bytes()[..LONGEST]), Err(Malformed::LineTooLong));
    // Its end comes one byte too late.
    let line = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST - 15));
    assert_eq!((line.len(), parse(line.as_bytes())), (LONGEST + 1, Err(Malformed::LineTooLong)));
}
