use ripstop_model::Share;

use super::*;
use crate::http::filters::samples::backend;

fn mirror(host: &str, percent: f64) -> Mirror {
    Mirror { backend: backend(host, 0).backend, share: Share::from_percent(percent), path: "".into() }
}

#[test]
fn each_is_drawn_for_itself() {
    let mirrors = [mirror("never", 0.0), mirror("half", 50.0), mirror("half-too", 50.0), mirror("always", 100.0)];
    let mut numbers = [0, u32::MAX, 0, u32::MAX].into_iter();
    let drawn: Vec<_> =
        drawn(&mirrors, || numbers.next().unwrap()).map(|mirror| mirror.backend.host.to_string()).collect();
    assert_eq!(drawn, ["half-too", "always"]);
    assert_eq!(numbers.next(), None);
}

#[test]
fn hosts() {
    for (of, expected) in [
        ("foo.com", "foo.com-shadow"),
        ("foo.com:8080", "foo.com-shadow:8080"),
        ("10.0.0.1:80", "10.0.0.1-shadow:80"),
        ("[::1]:80", "[::1]-shadow:80"),
        ("[::1]", "[::1]-shadow"),
        ("fd00::1", "fd00::1-shadow"),
        ("", ""),
    ] {
        assert_eq!(authority(of, ShadowHost::default()), expected, "{of}");
        assert_eq!(authority(of, ShadowHost::Kept), of);
    }
}
