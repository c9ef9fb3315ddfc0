//! The rows are those of the same tests for HTTP/1.1.

use super::*;

#[test]
fn hosts_with_and_without_ports() {
    for good in ["a", "A.b-c_d~1", "a:1", "a:65535", "a:080", "10.0.0.1:80", "[::1]", "[fe80::1]:8080", "reviews.shop."]
    {
        assert!(is_authority(good.as_bytes(), Port::Optional), "{good}");
        let has_port = good.rsplit(']').next().unwrap().contains(':');
        assert_eq!(is_authority(good.as_bytes(), Port::Required), has_port, "{good}");
    }
}

#[test]
fn what_is_no_host() {
    for bad in [
        "",
        ":80",
        "a:",
        "a:0",
        "a:00000",
        "a:65536",
        "a:123456",
        "a:8x",
        "a:-1",
        "a:+1",
        "a:80:80",
        "a b",
        "a,b",
        "u@a",
        "a%41",
        "a/b",
        "a?b",
        "a\\b",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[::1%25eth0]",
        "[::1%eth0]",
        "[v1.a]",
        "[]",
        "[1.2.3.4]",
        "::1",
        "a\u{e9}",
        "a\0",
        "a;b",
        "(a)",
        "a!",
        "[:::]",
    ] {
        assert!(!is_authority(bad.as_bytes(), Port::Optional), "{bad:?}");
        assert!(!is_authority(bad.as_bytes(), Port::Required), "{bad:?}");
    }
}
