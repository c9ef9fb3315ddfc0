use super::*;

#[test]
fn the_table_is_in_order_and_fits() {
    assert!(FORBIDDEN.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(FORBIDDEN.iter().map(|name| name.len()).max(), Some(FORBIDDEN_LENGTH));
    for name in FORBIDDEN {
        assert!(may_not_trail(name.to_uppercase().as_bytes()), "{name}");
    }
    for name in ["grpc-status", "etag", "x", "", "content-lengt", "content-length-x", "a-name-longer-than-all-of-those"]
    {
        assert!(!may_not_trail(name.as_bytes()), "{name}");
    }
}

#[test]
fn a_section_must_be_whole_and_nothing_more() {
    let mut trailers = Trailers::default();
    let limits = Limits::default();
    let mut reason =
        |section: &[u8]| trailers.parse(section, Side::Response, &limits).map(|_| ()).map_err(|r| (r.reason, r.at));
    assert_eq!(reason(b"\r\n"), Ok(()));
    assert_eq!(reason(b""), Err((Reason::Truncated, 0)));
    assert_eq!(reason(b"A: b\r\n"), Err((Reason::Truncated, 6)));
    assert_eq!(reason(b"A: b\r\n\r\nx"), Err((Reason::Truncated, 8)));
    assert_eq!(reason(b"A: b\r\nTE: x\r\n\r\n"), Err((Reason::ForbiddenTrailer, 8)));
}
