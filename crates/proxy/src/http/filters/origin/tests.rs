use super::*;
use crate::http::filters::samples::list;

const OUTSIDE: Origin = Origin::Outside { client: None };

fn ends(name: &str) -> [bool; 3] {
    [OUTSIDE, Origin::Caller, Origin::Mesh].map(|origin| origin.ends(name.as_bytes()))
}

#[test]
fn what_ends_where() {
    for name in SHAPING.iter().chain(&TOLD_BY_PROXIES) {
        let name = format!("x-envoy-{}", String::from_utf8_lossy(name));
        assert_eq!(ends(&name), [true; 3], "{name}");
        assert_eq!(ends(&name.to_ascii_uppercase()), [true; 3], "{name}");
    }
    for name in ["x-envoy-original-path", "x-envoy-external-address", "x-envoy-decorator-operation", "x-envoy-new"] {
        assert_eq!(ends(name), [true, false, false], "{name}");
    }
    for name in ["x-envoyfoo", "x-request-id", "x-forwarded-for", "x-envoy", ""] {
        assert_eq!(ends(name), [false; 3], "{name}");
    }
}

#[test]
fn only_a_caller_is_obeyed() {
    let headers = list(&[("x-envoy-max-retries", "5"), ("x-envoy-retry-on", "5xx")]);
    let asked = |origin: Origin| origin.shaping(&headers).number::<u32>("x-envoy-max-retries");
    assert_eq!([OUTSIDE, Origin::Caller, Origin::Mesh].map(asked), [None, Some(5), None]);
    let shaping = Origin::Caller.shaping(&headers);
    assert_eq!(shaping.text("x-envoy-retry-on"), Some("5xx"));
    assert_eq!(shaping.number::<u32>("x-envoy-retry-on"), None);
    assert_eq!(Shaping::NONE.text("x-envoy-retry-on"), None);
}
