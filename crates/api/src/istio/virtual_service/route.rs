//! Rules: what excludes what, and where traffic goes.

use std::time::Duration;

use super::{
    Destination, Headers, HttpRoute, HttpRouteDestination, RouteDestination, TcpRoute, TlsRoute,
    action::check_milliseconds,
    check::{children, given},
};
use crate::{
    decode::{Decoder, Field, join, quoted},
    finding::code,
    istio::{
        StringMatch, header,
        host::{Wildcard, check_host, check_label, is_address},
    },
    tree::Mark,
};

pub(super) fn check_route(route: &HttpRoute, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_actions(decoder, field);
    if given(field, "mirrors") {
        exclude(decoder, field, "mirrors", &["mirror"]);
    }
    if let Some(percent) = route.mirror_percent.filter(|percent| *percent > 100) {
        let message = format!("{percent} is out of range, 0 to 100 is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at("mirrorPercent"), message, "");
    }
    for share in ["mirrorPercent", "mirrorPercentage"].iter().filter_map(|name| field.child(name)) {
        if field.child("mirror").is_none() {
            decoder.not_acted_on(&share, "it belongs to `mirror`; `mirrors` have a `percentage` each");
        }
    }
    // 0 disables it.
    if route.timeout != Some(Duration::ZERO) {
        check_milliseconds(decoder, field, "timeout", route.timeout);
    }
    check_prefix_rewrite(route, decoder, field);
    check_authority(decoder, field);
    check_weights(decoder, field);
}

pub(super) fn check_tls(_: &TlsRoute, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(list) = field.child("match").filter(Field::is_empty_list) {
        decoder.report(code::MISSING, &list, "`match` is empty", "match at least one server name by `sniHosts`");
    }
    check_connection_route(decoder, field);
}

pub(super) fn check_tcp(_: &TcpRoute, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_connection_route(decoder, field);
}

pub(super) fn check_destination(_: &Destination, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(host) = field.child("host")
        && let Some(text) = host.node.text()
    {
        if is_address(text) {
            let message = format!("{} is an address, not the name of a service", quoted(text));
            let hint = "name a service; a `ServiceEntry` gives an address a name";
            decoder.report(code::BAD_HOST, &host, message, hint);
        } else {
            check_host(decoder, &host, text, Wildcard::Prefix);
        }
    }
    if let Some(subset) = field.child("subset")
        && let Some(text) = subset.node.text().filter(|text| !text.is_empty())
        && let Err(why) = check_label(text)
    {
        decoder.report(code::BAD_NAME, &subset, format!("{} is not the name of a subset: {why}", quoted(text)), "");
    }
}

pub(super) fn check_http_share(share: &HttpRouteDestination, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_weight(decoder, field, share.weight);
}

pub(super) fn check_share(share: &RouteDestination, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_weight(decoder, field, share.weight);
}

/// Names and values; the host may be changed on requests only.
pub(super) fn check_headers(_: &Headers, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for side in ["request", "response"] {
        let Some(operations) = field.child(side) else { continue };
        for list in ["set", "add"].iter().filter_map(|name| operations.child(name)) {
            for (key, value) in list.pairs() {
                if side == "response" || !header::is_authority(&key.text) {
                    check_header_name(decoder, &value.path, key.mark, &key.text);
                }
                if let Some(text) = value.node.text()
                    && let Err((why, hint)) = header::check_value(text)
                {
                    let message = format!("the value of header {} is malformed: {why}", quoted(&key.text));
                    decoder.report(code::BAD_VALUE, &value, message, hint);
                }
            }
        }
        for item in children(&operations, "remove") {
            if let Some(text) = item.node.text() {
                check_header_name(decoder, &item.path, item.node.mark, text);
            }
        }
    }
}

fn check_header_name(decoder: &mut Decoder<'_>, path: &str, mark: Mark, name: &str) {
    if name.starts_with(':') || header::is_authority(name) {
        let message = format!("{} cannot be changed here", quoted(name));
        let hint = if header::is_authority(name) {
            "the host of a request is changed by `rewrite.authority`"
        } else {
            "pseudo-headers follow from path, method and scheme: write a `rewrite`"
        };
        decoder.report_at(code::BAD_VALUE, path, mark, message, hint);
    } else if let Err(why) = header::check_name(name) {
        let message = format!("{} is not the name of a header: {why}", quoted(name));
        decoder.report_at(code::BAD_NAME, path, mark, message, "");
    }
}

/// One of `route`, `redirect`, `directResponse` and `delegate`, and nothing that its choice excludes.
fn check_actions(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if given(field, "delegate") {
        exclude(decoder, field, "delegate", &["route", "redirect"]);
    } else if given(field, "redirect") {
        exclude(decoder, field, "redirect", &["route", "directResponse", "fault", "rewrite"]);
    } else if given(field, "directResponse") {
        exclude(decoder, field, "directResponse", &["route", "fault", "rewrite"]);
    } else if !given(field, "route") {
        let message = "there is neither `route`, `redirect`, `directResponse` nor `delegate`";
        decoder.report(code::MISSING, field, message, "say where the requests go, for example by `route`");
    }
}

/// Reports those of `others` that are given beside `name`.
fn exclude(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, others: &[&str]) {
    for other in others.iter().filter(|other| given(field, other)) {
        let message = format!("`{name}` excludes `{other}`");
        decoder.report(code::CONFLICT, &field.at(other), message, "keep one of them");
    }
}

/// A prefix can be replaced only where one matched.
fn check_prefix_rewrite(route: &HttpRoute, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let whole = |uri: &StringMatch| matches!(uri, StringMatch::Exact(_) | StringMatch::Regex(_));
    if let Some(prefix) = field.child("redirect").and_then(|redirect| redirect.child("prefixRewrite"))
        && route.matches.iter().filter_map(|condition| condition.uri.as_ref()).any(whole)
    {
        let message = "`prefixRewrite` needs a `match` by `uri.prefix`";
        decoder.report(
            code::CONFLICT,
            &prefix,
            message,
            "match by prefix, or write `uri`, which replaces the whole path",
        );
    }
}

/// The authority is set in one place.
fn check_authority(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let rewrite = field.child("rewrite").and_then(|rewrite| rewrite.child("authority"));
    let rewrite = rewrite.filter(|authority| authority.node.text() != Some(""));
    let request = field.child("headers").and_then(|headers| headers.child("request"));
    let lists = request.iter().flat_map(|request| ["set", "add"].map(|name| request.child(name))).flatten();
    let headers = lists.flat_map(|list| list.pairs()).filter(|(key, _)| header::is_authority(&key.text));
    let places: Vec<_> = rewrite.into_iter().chain(headers.map(|(_, value)| value)).collect();
    for place in places.iter().skip(1) {
        let hint = "keep one of `rewrite.authority` and the header in `headers.request`";
        decoder.report(code::CONFLICT, place, "the authority is set twice", hint);
    }
}

fn check_connection_route(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if !given(field, "route") {
        let mark = field.at("route").node.mark;
        let path = join(&field.path, "route");
        decoder.report_at(code::MISSING, &path, mark, "`route` is missing or empty", "say where connections go");
    }
    check_weights(decoder, field);
}

/// Several destinations need a weight above 0 among them; one needs none.
fn check_weights(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let shares = children(field, "route");
    let zero = |weight: Field<'_>| weight.node.scalar().is_some_and(|weight| weight.text.parse() == Ok(0));
    if shares.len() > 1 && shares.iter().all(|share| share.child("weight").is_none_or(zero)) {
        let message = format!("none of {} destinations has a `weight`", shares.len());
        decoder.report(code::BAD_VALUE, &field.at("route"), message, "give each its share, for example 90 and 10");
    }
}

fn check_weight(decoder: &mut Decoder<'_>, field: &Field<'_>, weight: Option<u32>) {
    const MOST: u32 = i32::MAX.unsigned_abs();
    if let Some(weight) = weight.filter(|weight| *weight > MOST) {
        let message = format!("{weight} is out of range, 0 to {MOST} is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at("weight"), message, "");
    }
}
