use std::time::Duration;

use super::*;
use crate::http::filters::samples::{lines, list};

fn policy(origins: &[StringMatch]) -> Cors {
    Cors {
        origins: origins.to_vec(),
        methods: vec!["GET".into(), "POST".into()],
        headers: vec!["x-a".into(), "x-b".into()],
        expose: vec!["x-e".into()],
        max_age: Some(Duration::from_millis(86_400_900)),
        credentials: Some(true),
        forward_unmatched: false,
    }
}

fn exact(origin: &str) -> StringMatch {
    StringMatch::Exact(origin.into())
}

const PREFLIGHT: [(&str, &str); 2] =
    [("access-control-request-method", "PUT"), ("access-control-request-headers", "x-q,x-r")];

/// What a request gets: lines of the answer to a preflight, behind `preflight`, or of what its answer gets.
fn asked(written: &Cors, method: &str, origin: &'static str, further: &[(&'static str, &'static str)]) -> Vec<String> {
    let mut fields = vec![("origin", origin)];
    fields.extend(further);
    let headers = list(&fields);
    match CorsPolicy::new(written).ask(method, &headers) {
        Asked::Plain => vec!["plain".into()],
        Asked::Granted(grant) => {
            let mut edits = Edits::new();
            grant.give(&mut edits);
            lines(&edits.list())
        }
        Asked::Preflight(local) => {
            assert_eq!((local.status, local.body.as_slice(), local.details), (200, &b""[..], "cors_response"));
            let fields = local
                .fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
            ["preflight".to_owned()].into_iter().chain(fields).collect()
        }
    }
}

#[test]
fn preflights() {
    let written = policy(&[exact("http://a.com")]);
    assert_eq!(
        asked(&written, "OPTIONS", "http://a.com", &PREFLIGHT),
        [
            "preflight",
            "access-control-allow-origin: http://a.com",
            "access-control-allow-credentials: true",
            "access-control-allow-methods: GET,POST",
            "access-control-allow-headers: x-a,x-b",
            "access-control-max-age: 86400",
            "access-control-expose-headers: x-e",
        ]
    );
    // An origin that is not allowed is not named, which is what browsers go by.
    assert_eq!(
        asked(&written, "OPTIONS", "http://b.com", &PREFLIGHT),
        [
            "preflight",
            "access-control-allow-credentials: true",
            "access-control-allow-methods: GET,POST",
            "access-control-allow-headers: x-a,x-b",
            "access-control-max-age: 86400",
        ]
    );
    let forwarding = Cors { forward_unmatched: true, ..written };
    assert_eq!(asked(&forwarding, "OPTIONS", "http://b.com", &PREFLIGHT), ["plain"]);
    assert_eq!(asked(&forwarding, "OPTIONS", "http://a.com", &PREFLIGHT)[0], "preflight");
}

#[test]
fn all_methods_and_headers_are_those_that_were_asked_for() {
    let written = Cors {
        methods: vec!["*".into()],
        headers: vec!["*".into()],
        expose: Vec::new(),
        max_age: None,
        credentials: None,
        ..policy(&[exact("*")])
    };
    assert_eq!(
        asked(&written, "OPTIONS", "http://any.com", &PREFLIGHT),
        [
            "preflight",
            "access-control-allow-origin: http://any.com",
            "access-control-allow-methods: PUT",
            "access-control-allow-headers: x-q,x-r",
        ]
    );
    assert_eq!(asked(&written, "GET", "http://any.com", &[]), ["=access-control-allow-origin: http://any.com"]);
}

#[test]
fn actual_requests() {
    let written = policy(&[exact("http://a.com")]);
    let granted = [
        "=access-control-allow-origin: http://a.com",
        "=access-control-allow-credentials: true",
        "=access-control-expose-headers: x-e",
    ];
    assert_eq!(asked(&written, "GET", "http://a.com", &[]), granted);
    // OPTIONS without what makes it a preflight, and what would, in another method.
    assert_eq!(asked(&written, "OPTIONS", "http://a.com", &[]), granted);
    assert_eq!(asked(&written, "POST", "http://a.com", &PREFLIGHT), granted);
    assert_eq!(asked(&written, "GET", "http://b.com", &[]), ["plain"]);
    assert_eq!(asked(&written, "OPTIONS", "", &PREFLIGHT), ["plain"]);
    assert_eq!(CorsPolicy::new(&written).ask("GET", &list(&[])), Asked::Plain);
}

#[test]
fn origins() {
    let allowed = |wanted: StringMatch, origin| asked(&policy(&[wanted]), "GET", origin, &[]) != ["plain"];
    assert!(allowed(StringMatch::Present, "http://a.com"));
    assert!(allowed(exact("*"), "http://a.com"));
    assert!(!allowed(exact("http://a.com"), "http://A.com"));
    assert!(allowed(StringMatch::Prefix("http://a.".into()), "http://a.org"));
    assert!(!allowed(StringMatch::Prefix("http://a.".into()), "https://a.org"));
    let regex = || StringMatch::Regex(r"https://[a-z]+\.a\.com|null".into());
    assert!(allowed(regex(), "https://shop.a.com"));
    assert!(allowed(regex(), "null"));
    assert!(!allowed(regex(), "https://shop.a.com.evil.org"));
    assert!(!allowed(regex(), "xnull"));
    assert!(!allowed(StringMatch::Regex("(".into()), "("));
    assert_eq!(asked(&policy(&[]), "GET", "http://a.com", &[]), ["plain"]);
}

#[test]
fn policies_are_made_ready_once() {
    let mut policies = CorsPolicies::default();
    let kept = Arc::new(policy(&[exact("*")]));
    let first = policies.get(&kept);
    assert!(Rc::ptr_eq(&first, &policies.get(&kept)));
    assert!(!Rc::ptr_eq(&first, &policies.get(&Arc::new(policy(&[])))));
    for _ in 0..1000 {
        policies.get(&Arc::new(policy(&[])));
    }
    assert!(policies.0.len() <= 2 * CorsPolicies::FEW, "{}", policies.0.len());
    assert!(Rc::ptr_eq(&first, &policies.get(&kept)));
}
