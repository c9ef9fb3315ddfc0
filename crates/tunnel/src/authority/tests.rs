use super::*;

fn parsed(text: &str) -> Option<Authority> {
    text.parse().ok()
}

fn ip(text: &str) -> Authority {
    Authority::Ip(text.parse().unwrap())
}

#[test]
fn addresses() {
    assert_eq!(parsed("10.0.0.1:80"), Some(ip("10.0.0.1:80")));
    assert_eq!(parsed("[fd00::1]:8080"), Some(ip("[fd00::1]:8080")));
    assert_eq!(parsed("[::ffff:10.0.0.1]:80"), Some(ip("10.0.0.1:80")), "a mapped address is the IPv4 address");
}

#[test]
fn hosts() {
    let host = |name: &str, port| Some(Authority::Host(name.into(), port));
    assert_eq!(parsed("reviews.bookinfo.svc.cluster.local:9080"), host("reviews.bookinfo.svc.cluster.local", 9080));
    assert_eq!(parsed("Reviews:1"), host("reviews", 1));
    assert_eq!(parsed("a_b-c.d:65535"), host("a_b-c.d", 65535));
}

#[test]
fn everything_else_is_refused() {
    let long = format!("{}:80", "a".repeat(254));
    for text in [
        "",
        ":",
        ":80",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:-1",
        "host:+80",
        "host:080000",
        "10.0.0.1",
        "10.0.0.256:80",
        "10.0.0:80",
        "fd00::1:80",
        "[fd00::1]",
        "[fd00::1",
        "[10.0.0.1]:80",
        "[fd00::1%eth0]:80",
        "user@host:80",
        "host/path:80",
        "ho st:80",
        "-a:80",
        "a..b:80",
        "a.:80",
        "1:80",
        &long,
    ] {
        assert_eq!(parsed(text), None, "{text:?}");
    }
}

#[test]
fn text_round_trip() {
    for text in ["10.0.0.1:80", "[fd00::1]:8080", "reviews.bookinfo:9080"] {
        assert_eq!(parsed(text).unwrap().to_string(), text);
    }
}
