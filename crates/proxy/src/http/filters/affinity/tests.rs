use std::time::Duration;

use ripstop_model::HashTable;

use super::*;
use crate::http::filters::samples::{list, request};

fn by(key: HashKey) -> Algorithm {
    Algorithm::Hash { key, table: HashTable::Ring(1024) }
}

fn ends() -> Ends {
    Ends { peer: "[::ffff:10.0.0.1]:4000".parse().unwrap(), destination: "240.240.0.1:80".parse().unwrap() }
}

fn placed(key: HashKey, fields: &[(&'static str, &'static str)]) -> Affinity {
    let headers = list(fields);
    Affinity::of(&by(key), &request(&headers), &headers, ends())
}

fn hashed(value: &str) -> Affinity {
    Affinity { hash: Some(hash_of(value.as_bytes())), cookie: None }
}

fn cookie_key(ttl: Option<u64>, path: &str, attributes: &[(&str, &str)]) -> HashKey {
    let attributes = attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    HashKey::Cookie { name: "user".into(), path: path.into(), ttl: ttl.map(Duration::from_secs), attributes }
}

#[test]
fn by_a_header() {
    let key = || HashKey::Header("x-user".into());
    assert_eq!(placed(key(), &[("x-user", "ann")]), hashed("ann"));
    assert_eq!(placed(key(), &[]), Affinity::default());
    // In whichever order they come.
    assert_eq!(placed(key(), &[("x-user", "b"), ("x-user", "a")]), hashed("ab"));
}

#[test]
fn by_the_callers_address() {
    assert_eq!(placed(HashKey::SourceIp, &[]), hashed("10.0.0.1"));
    assert_eq!(of_connection(&by(HashKey::SourceIp), ends().peer), hashed("10.0.0.1").hash);
    assert_eq!(of_connection(&by(HashKey::Header("x-user".into())), ends().peer), None);
    assert_eq!(of_connection(&Algorithm::Random, ends().peer), None);
}

#[test]
fn by_a_parameter() {
    // The request's query is `page=2`.
    assert_eq!(placed(HashKey::Query("page".into()), &[]), hashed("2"));
    assert_eq!(placed(HashKey::Query("pages".into()), &[]), Affinity::default());
    assert_eq!(parameter("a&b=&b=1", "a"), Some(""));
    assert_eq!(parameter("a&b=&b=1", "b"), Some(""));
}

#[test]
fn by_a_cookie() {
    for (value, expected) in [
        ("user=ann", Some("ann")),
        ("other=1; user=\"ann\"", Some("ann")),
        ("user=ann;user=bob", Some("ann")),
        ("user=a=b", Some("a=b")),
        ("users=ann", None),
        ("user=", None),
        ("user", None),
    ] {
        let placed = placed(cookie_key(None, "", &[]), &[("cookie", value)]);
        assert_eq!(placed, expected.map_or(Affinity::default(), hashed), "{value}");
    }
}

#[test]
fn a_cookie_is_made_if_there_is_none() {
    let value = format!("{:016x}", hash_of(b"10.0.0.1:4000240.240.0.1:80"));
    for (key, expected) in [
        (cookie_key(Some(60), "/shop", &[]), format!("user=\"{value}\"; Max-Age=60; Path=/shop; HttpOnly")),
        (cookie_key(Some(0), "", &[]), format!("user=\"{value}\"; HttpOnly")),
        (
            cookie_key(Some(0), "", &[("SameSite", "Strict"), ("Secure", "")]),
            format!("user=\"{value}\"; SameSite=Strict; Secure; HttpOnly"),
        ),
    ] {
        let placed = placed(key.clone(), &[]);
        // With it, the next request has the same hash.
        assert_eq!((placed.hash, placed.cookie.as_deref()), (hashed(&value).hash, Some(&*expected)));
        let next = self::placed(key, &[("cookie", "user=ann")]);
        assert_eq!(next, hashed("ann"));
    }
}

#[test]
fn the_cookie_of_a_session() {
    let session = |path: &str, ttl: Option<u64>| SessionAffinity {
        id: ripstop_model::RuleId("TrafficPolicy/shop/web/1/spec.sessionAffinity".into()),
        cookie: "seat".into(),
        path: path.into(),
        ttl: ttl.map(Duration::from_secs),
    };
    for (session, transport, expected) in [
        (session("/", None), Transport::Plain, "seat=\"abc\"; Path=/; HttpOnly"),
        (session("/shop", Some(60)), Transport::Plain, "seat=\"abc\"; Max-Age=60; Path=/shop; HttpOnly"),
        (session("/", None), Transport::Tls, "seat=\"abc\"; Path=/; Secure; HttpOnly"),
    ] {
        assert_eq!(session_cookie(&session, "abc", transport), expected);
    }
}

#[test]
fn other_algorithms_take_no_hash() {
    let headers = list(&[("x-user", "ann")]);
    assert_eq!(Affinity::of(&Algorithm::RoundRobin, &request(&headers), &headers, ends()), Affinity::default());
}
