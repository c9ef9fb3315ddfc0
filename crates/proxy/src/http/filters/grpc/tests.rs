use super::*;

#[test]
fn content_types() {
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        assert!(is_grpc(Some(kind.as_bytes())), "{kind}");
    }
    for kind in ["application/grpc-web", "application/grpcx", "application/json", ""] {
        assert!(!is_grpc(Some(kind.as_bytes())), "{kind}");
    }
    assert!(!is_grpc(None));
}

#[test]
fn statuses() {
    let expected = [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14)];
    for (http, grpc) in expected.into_iter().chain([(200, 2), (302, 2), (418, 2), (500, 2), (501, 2), (555, 2)]) {
        assert_eq!(status_of(http), grpc, "{http}");
    }
}

#[test]
fn messages() {
    assert_eq!(message("no healthy upstream"), "no healthy upstream");
    assert_eq!(message("100% ~é\n"), "100%25 ~%C3%A9%0A");
}

#[test]
fn timeouts_are_read() {
    for (text, expected) in [
        ("1S", Some(Duration::from_secs(1))),
        ("2M", Some(Duration::from_secs(120))),
        ("3H", Some(Duration::from_secs(10_800))),
        ("1500u", Some(Duration::from_micros(1500))),
        ("99999999n", Some(Duration::from_nanos(99_999_999))),
        ("007m", Some(Duration::from_millis(7))),
        ("0m", None),
        ("bad", None),
        ("m", None),
        ("", None),
        ("1", None),
        ("+1S", None),
        ("100000000m", None),
        ("1s", None),
    ] {
        assert_eq!(timeout(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn timeouts_are_written() {
    for (milliseconds, expected) in [
        (1, "1m"),
        (3000, "3000m"),
        (99_999_999, "99999999m"),
        (100_000_000, "100000S"),
        (99_999_999_000, "99999999S"),
        (100_000_000_000, "1666666M"),
        (5_999_999_940_000, "99999999M"),
        (6_000_000_000_000, "1666666H"),
        (u64::MAX, "99999999H"),
    ] {
        assert_eq!(timeout_text(milliseconds).as_bytes(), expected.as_bytes(), "{milliseconds}");
    }
}
