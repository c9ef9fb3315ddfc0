use super::*;

#[test]
fn urls_are_read() {
    for (text, secure, host, port, authority, path) in [
        ("http://web", false, "web", 80, "web", "/"),
        ("web.shop:8080/a?b=c", false, "web.shop", 8080, "web.shop:8080", "/a?b=c"),
        ("web:/a?u=http://b/", false, "web", 80, "web", "/a?u=http://b/"),
        ("https://web?x", true, "web", 443, "web", "/?x"),
        ("http://[fd00::1]:81/a", false, "fd00::1", 81, "[fd00::1]:81", "/a"),
    ] {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.origin, Origin { secure, host: host.into(), port }, "{text}");
        assert_eq!((target.authority.as_str(), target.path.as_str()), (authority, path), "{text}");
    }
}

#[test]
fn what_is_no_url_is_told() {
    for (text, said) in [
        ("ftp://web/", "ftp:// can't be sent to"),
        ("http://user:word@web/", "it has a user"),
        ("http://", "it is no URL"),
        ("http://web:99999/", "\"99999\" is no port"),
    ] {
        let told = text.parse::<Target>().unwrap_err().to_string();
        assert!(told.starts_with(said), "{text}: {told}");
    }
}

#[test]
fn a_url_is_told_as_it_is_asked_for() {
    let target: Target = "https://10.0.0.1:8443/a".parse().unwrap();
    assert_eq!(target.url(), "https://10.0.0.1:8443/a");
    assert_eq!(target.called("web.example").url(), "https://10.0.0.1:8443/a (host web.example)");
    assert_eq!("[::1]:80/".parse::<Target>().unwrap().called("[::1]").url(), "http://[::1]/");
}
