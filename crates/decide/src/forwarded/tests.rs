use super::*;

#[test]
fn each_trusted_proxy_is_one_address_from_the_end() {
    let told = |values: &[&str], proxies| {
        let values: Vec<_> = values.iter().map(|value| value.as_bytes()).collect();
        forwarded_client(&values, proxies).map(|ip| ip.to_string()).unwrap_or_default()
    };
    let three: &[&str] = &["192.0.2.1, 198.51.100.1 ,203.0.113.1"];
    assert_eq!(
        [0, 1, 2, 3, 4, u32::MAX].map(|proxies| told(three, proxies)),
        ["", "203.0.113.1", "198.51.100.1", "192.0.2.1", "", ""]
    );
    let lines: &[&str] = &["192.0.2.1,2001:db8::1", "::ffff:203.0.113.1"];
    assert_eq!([1, 2, 3].map(|proxies| told(lines, proxies)), ["203.0.113.1", "2001:db8::1", "192.0.2.1"]);
    // What is none is nobody, and nobody else is taken for it.
    for broken in [&["unknown"][..], &["192.0.2.1,"], &["192.0.2.1", ""], &["192.0.2.1:80"], &["[::1]"], &[""], &[]] {
        assert_eq!(told(broken, 1), "", "{broken:?}");
    }
}

#[test]
fn schemes_are_those_of_http_as_they_are_written() {
    assert_eq!((forwarded_scheme(b"http"), forwarded_scheme(b"https")), (Some("http"), Some("https")));
    for other in [&b""[..], b"HTTPS", b"https, http", b" https", b"wss"] {
        assert_eq!(forwarded_scheme(other), None, "{other:?}");
    }
}
