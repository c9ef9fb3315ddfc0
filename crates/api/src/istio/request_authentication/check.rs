//! What Istio asks of JWT rules beyond the types of their fields.

use std::{collections::BTreeSet, net::Ipv6Addr, time::Duration};

use super::{
    super::{check_attachment, values},
    ClaimToHeader, JwtHeader, JwtRule, RequestAuthentication, jwks,
};
use crate::{
    decode::{Decoder, Field, join, quoted},
    finding::code,
};

/// Most rules of a policy.
const RULES: usize = 4096;
/// Most characters of `jwksUri`.
const URI: usize = 2048;
/// Most `spaceDelimitedClaims`.
const CLAIMS: usize = 64;
/// Shortest `timeout`.
const TIMEOUT: Duration = Duration::from_millis(1);

/// A whole policy.
pub(super) fn policy(policy: &RequestAuthentication, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_attachment(decoder, field, policy.target_refs.len());
    at_most(decoder, field, "jwtRules", RULES);
}

/// One of `jwtRules`.
pub(super) fn rule(rule: &JwtRule, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let texts = ["issuer", "audiences", "jwksUri", "fromParams", "fromCookies", "spaceDelimitedClaims"];
    values::check_filled(decoder, field, &texts);
    if field.child("issuer").is_none() && field.child("jwksUri").is_none() {
        let hint = "name the issuer; it may be left out only beside `jwksUri`, and is not looked at then";
        decoder.report_at(code::MISSING, &join(&field.path, "issuer"), field.node.mark, "`issuer` is missing", hint);
    }
    decoder.at_most_one(field, &["jwks", "jwksUri"]);
    if let Some(uri) = field.child("jwksUri") {
        jwks_uri(decoder, &uri);
    }
    if let Some(keys) = field.child("jwks") {
        jwks::check(decoder, &keys);
    }
    if let Some(header) = field.child("outputPayloadToHeader")
        && header.node.text() != Some("")
    {
        header_name(decoder, &header, values::header_name);
    }
    decoder.at_least(&field.at("timeout"), rule.timeout, TIMEOUT);
    at_most(decoder, field, "spaceDelimitedClaims", CLAIMS);
    written_once(decoder, field);
}

/// One of `fromHeaders`.
pub(super) fn from_header(_: &JwtHeader, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(name) = field.child("name") {
        header_name(decoder, &name, values::header_name);
    }
}

/// One of `outputClaimToHeaders`.
pub(super) fn to_header(_: &ClaimToHeader, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    values::check_filled(decoder, field, &["claim"]);
    if let Some(header) = field.child("header") {
        header_name(decoder, &header, values::written_header_name);
    }
}

fn at_most(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, most: usize) {
    let count = field.child(name).map_or(0, |list| list.each().len());
    if count > most {
        let message = format!("`{name}` has {count} items, at most {most} are allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "");
    }
}

fn header_name(decoder: &mut Decoder<'_>, field: &Field<'_>, check: fn(&str) -> Result<(), String>) {
    if !values::check_text(decoder, field) && field.node.text().is_some() {
        decoder.name(field, "the name of a header", check);
    }
}

/// Warns of headers that are written twice.
fn written_once(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let claims = field.child("outputClaimToHeaders").map(|list| list.each()).unwrap_or_default();
    let headers = field.child("outputPayloadToHeader").into_iter();
    let mut seen = BTreeSet::new();
    for header in headers.chain(claims.iter().filter_map(|claim| claim.child("header"))) {
        let Some(name) = header.node.text().filter(|name| !name.is_empty()) else { continue };
        if !seen.insert(name.to_ascii_lowercase()) {
            let message = format!("the header {} is written twice", quoted(name));
            decoder.report(code::SCHEMA_WARNING, &header, message, "give each value a header of its own");
        }
    }
}

/// Where keys are fetched. What is wrong is said without showing it: it may hold a password.
fn jwks_uri(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(text) = field.node.text().filter(|text| !text.is_empty()) else { return };
    let length = text.chars().count();
    if length > URI {
        let message = format!("`jwksUri` has {length} characters, at most {URI} are allowed");
        decoder.report(code::OUT_OF_RANGE, field, message, "");
    }
    if let Err(why) = url(text) {
        let hint = "write it like `https://issuer.example/.well-known/jwks.json`";
        decoder.report(code::BAD_VALUE, field, format!("`jwksUri` is no URL to fetch keys from: {why}"), hint);
    }
}

/// An absolute `http` or `https` URL with a host.
fn url(text: &str) -> Result<(), &'static str> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it has blanks or control characters");
    }
    let (scheme, rest) = text.split_once("://").ok_or("it does not begin with `http://` or `https://`")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err("it does not begin with `http://` or `https://`");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("its IPv6 address has no `]`")?;
            host.parse::<Ipv6Addr>().map_err(|_| "what stands in `[]` is no IPv6 address")?;
            (host, port.strip_prefix(':').or((port.is_empty()).then_some("")).ok_or("its host is not readable")?)
        }
        None => place.split_once(':').unwrap_or((place, "")),
    };
    if host.is_empty() {
        return Err("it has no host");
    }
    if host.contains(['<', '>', '"', '\\', '^', '`', '{', '|', '}']) {
        return Err("its host has characters that hosts do not have");
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err("its port is not a number from 1 to 65535");
    }
    let encoded = |part: &str| part.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if path.split('%').skip(1).any(|part| !encoded(part)) {
        return Err("a `%` is not followed by two hexadecimal digits");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn urls() {
        let good = [
            "https://issuer.example",
            "HTTP://issuer.example:8080/keys?a=b%20c#d",
            "http://keys.default.svc.cluster.local./jwks",
            "https://user:word@issuer.example/",
            "https://[2001:db8::1]:443/jwks",
            "http://192.0.2.1?x",
            "https://issuer.example:/x",
        ];
        for text in good {
            assert_eq!(url(text), Ok(()), "{text}");
        }
        let bad = [
            "issuer.example/jwks",
            "hTPp\\\\\\blah",
            "ftp://issuer.example",
            "https:///jwks",
            "https://:443/",
            "https://issuer.example:port/",
            "https://issuer.example:0/",
            "https://issuer.example:65536/",
            "https://issuer.example/a b",
            "https://issuer.example/%zz",
            "https://issuer.example/%e",
            "https://[2001:db8::1/",
            "https://[::1]x/",
            "https://[host]/",
            "https://{host}/",
        ];
        for text in bad {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
