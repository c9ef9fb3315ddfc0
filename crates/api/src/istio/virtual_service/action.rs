//! What rules do beside routing: redirects, answers, rewrites, retries, faults and CORS.

use std::time::Duration;

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    CorsPolicy, FaultAbort, FaultDelay, HttpBody, HttpDirectResponse, HttpFault, HttpRedirect, HttpRetry, HttpRewrite,
    Percent, RegexRewrite, check::children,
};
use crate::{
    decode::{Decoder, Field, join, last, quoted},
    finding::code,
    istio::{
        header,
        string_match::{check_regex, refuse_presence},
    },
};

/// Bytes of a body that are refused.
const LONGEST_BODY: usize = 1 << 20;

/// Bytes of a body that are too many for what everybody must keep.
const LONG_BODY: usize = 100 << 10;

/// Conditions of `retryOn`.
const RETRY_ON: [&str; 16] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// Names of gRPC statuses, by number.
const GRPC_STATUS: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Methods that CORS may allow.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];

/// At least a millisecond, and no fraction of one.
pub(super) fn check_milliseconds(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, duration: Option<Duration>) {
    const LEAST: Duration = Duration::from_millis(1);
    let place = field.at(name);
    decoder.at_least(&place, duration, LEAST);
    if duration.is_some_and(|duration| duration > LEAST && duration.subsec_nanos() % 1_000_000 != 0) {
        let message = format!("`{name}` has a fraction of a millisecond");
        decoder.report(code::BAD_VALUE, &place, message, "round it to whole milliseconds");
    }
}

pub(super) fn check_redirect(redirect: &HttpRedirect, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let target = [&redirect.uri, &redirect.prefix_rewrite, &redirect.authority, &redirect.scheme];
    let ports = ["port", "derivePort"];
    if !target.into_iter().any(set) && !ports.iter().any(|name| field.child(name).is_some()) {
        let message = "the redirect leads nowhere else";
        decoder.report(code::MISSING, field, message, "set at least one of `uri`, `authority`, `scheme` and `port`");
    }
    decoder.at_most_one(field, &ports);
    decoder.at_most_one(field, &["uri", "prefixRewrite"]);
    if let Some(status) = redirect.redirect_code.filter(|status| *status != 0) {
        let place = field.at("redirectCode");
        if !(300..=399).contains(&status) {
            let message = format!("{status} is out of range, 300 to 399 is allowed");
            decoder.report(code::OUT_OF_RANGE, &place, message, "write 301, 302, 303, 307 or 308");
        } else if ![301, 302, 303, 307, 308].contains(&status) {
            let message = format!("{status} redirects nobody, the rule is dropped");
            decoder.report(code::SCHEMA_WARNING, &place, message, "write 301, 302, 303, 307 or 308");
        }
    }
    if let Some(scheme) = redirect.scheme.as_deref().filter(|scheme| !["", "http", "https"].contains(scheme)) {
        decoder.bad_enum(&field.at("scheme"), scheme, ["http", "https"].into_iter());
    }
}

pub(super) fn check_direct_response(response: &HttpDirectResponse, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_status(decoder, &field.at("status"), response.status);
}

pub(super) fn check_body(body: &HttpBody, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_most_one(field, &["string", "bytes"]);
    if let Some(text) = &body.string {
        check_size(decoder, &field.at("string"), text.len());
    }
    if let Some(text) = &body.bytes {
        let place = field.at("bytes");
        match from_base64(text) {
            Some(bytes) => check_size(decoder, &place, bytes.len()),
            None => decoder.report(code::BAD_VALUE, &place, "`bytes` is not base64", "write text as `string`"),
        }
    }
}

pub(super) fn check_rewrite(rewrite: &HttpRewrite, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let regex = field.child("uriRegexRewrite").is_some();
    if !set(&rewrite.uri) && !regex && !set(&rewrite.authority) {
        let hint = "set `uri`, `uriRegexRewrite` or `authority`";
        decoder.report(code::MISSING, field, "the rewrite changes nothing", hint);
    }
    if set(&rewrite.uri) {
        decoder.at_most_one(field, &["uri", "uriRegexRewrite"]);
    }
}

pub(super) fn check_regex_rewrite(rewrite: &RegexRewrite, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(regex) = field.child("match")
        && let Some(text) = regex.node.text()
    {
        match text {
            "" => decoder.report(code::MISSING, &regex, "`match` is empty", "write the regex of what is replaced"),
            "*" => decoder.report(code::BAD_REGEX, &regex, "`*` is not a regex", "write `.*` for any text"),
            _ => check_regex(decoder, &regex, text),
        }
    }
    let place = field.at("rewrite");
    if rewrite.rewrite.is_empty() && place.node.text().is_none_or(str::is_empty) {
        let hint = "write what takes the place of the match";
        let path = join(&field.path, "rewrite");
        decoder.report_at(code::MISSING, &path, place.node.mark, "`rewrite` is missing or empty", hint);
    }
    check_substitution(rewrite, decoder, &place);
}

pub(super) fn check_retry(retry: &HttpRetry, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if retry.attempts < 0 {
        let message = format!("{} is out of range, it must be at least 0", retry.attempts);
        decoder.report(code::OUT_OF_RANGE, &field.at("attempts"), message, "write 0 for no retries");
    }
    let disabled = field
        .child("attempts")
        .is_none_or(|attempts| attempts.node.scalar().is_some_and(|attempts| attempts.text.parse::<i64>() == Ok(0)));
    if disabled {
        for name in ["perTryTimeout", "retryOn", "retryRemoteLocalities"] {
            let Some(child) = field.child(name).filter(|child| child.node.text() != Some("")) else { continue };
            let message = format!("`{name}` is given, but `attempts` is 0: nothing is retried");
            decoder.report(code::CONFLICT, &child, message, "set `attempts` to 1 or more");
        }
    }
    check_milliseconds(decoder, field, "perTryTimeout", retry.per_try_timeout);
    check_milliseconds(decoder, field, "backoff", retry.backoff);
    if !retry.retry_on.is_empty() {
        let place = field.at("retryOn");
        for condition in retry.retry_on.split(',') {
            check_retry_on(decoder, &place, condition);
        }
    }
}

pub(super) fn check_fault(_: &HttpFault, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let (delay, abort) = (field.child("delay"), field.child("abort"));
    if delay.is_none() && abort.is_none() {
        decoder.report(code::MISSING, field, "the fault has neither `delay` nor `abort`", "add one of them");
    }
    for fault in [delay, abort].iter().flatten() {
        if fault.child("percentage").is_none() && fault.child("percent").is_none() {
            decoder.not_acted_on(fault, "add `percentage`: without it, it happens to no request");
        }
        let share = fault.child("percentage").and_then(|percentage| percentage.child("value"));
        let least = 0.0001;
        if let Some(share) = share
            && let Some(value) = share.node.scalar().and_then(|value| value.text.parse::<f64>().ok())
            && value > 0.0
            && value < least
        {
            let message = format!("{value} is too small a share, {least} is the least");
            decoder.report(code::OUT_OF_RANGE, &share, message, "write 0 for none");
        }
    }
}

pub(super) fn check_delay(delay: &FaultDelay, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_milliseconds(decoder, field, "fixedDelay", delay.fixed_delay);
    if let Some(place) = field.child("exponentialDelay") {
        let message = "`exponentialDelay` is not supported";
        decoder.report(code::UNSUPPORTED_VALUE, &place, message, "write `fixedDelay`");
    } else if field.child("fixedDelay").is_none() {
        decoder.not_acted_on(field, "add `fixedDelay`");
    }
    if let Some(percent) = delay.percent.filter(|percent| *percent > 100) {
        let message = format!("{percent} is out of range, 0 to 100 is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at("percent"), message, "");
    }
}

pub(super) fn check_abort(abort: &FaultAbort, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let kinds = ["httpStatus", "grpcStatus", "http2Error"];
    if decoder.at_most_one(field, &kinds).is_empty() {
        let message = "the abort says no status, it does not act";
        decoder.report(code::SCHEMA_WARNING, field, message, "add `httpStatus` or `grpcStatus`");
    }
    check_status(decoder, &field.at("httpStatus"), abort.http_status);
    if let Some(place) = field.child("http2Error") {
        let message = "`http2Error` is not supported";
        decoder.report(code::UNSUPPORTED_VALUE, &place, message, "write `httpStatus` or `grpcStatus`");
    }
    if let Some(status) = &abort.grpc_status {
        let numbered = status.parse::<usize>().is_ok_and(|number| number < GRPC_STATUS.len());
        if !numbered && !GRPC_STATUS.contains(&status.as_str()) {
            decoder.bad_enum(&field.at("grpcStatus"), status, GRPC_STATUS.into_iter());
        }
    }
}

pub(super) fn check_percent(percent: &Percent, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if !(0.0..=100.0).contains(&percent.value) {
        let message = format!("{} is out of range, 0 to 100 is allowed", percent.value);
        decoder.report(code::OUT_OF_RANGE, &field.at("value"), message, "");
    }
}

pub(super) fn check_cors(cors: &CorsPolicy, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for origin in children(field, "allowOrigins") {
        let given: Vec<_> = ["exact", "prefix", "regex"].iter().filter_map(|name| origin.child(name)).collect();
        match given.first() {
            // An empty regex is reported where it is read.
            Some(text) if text.node.text() == Some("") && last(&text.path) != "regex" => {
                let message = format!("`{}` is empty", last(&text.path));
                decoder.report(code::MISSING, text, message, "name an origin: `https://example.com`");
            }
            None if origin.node.mapping().is_some() => {
                let hint = "add `exact`, `prefix` or `regex`";
                decoder.report(code::MISSING, &origin, "the origin is empty", hint);
            }
            _ => {}
        }
        refuse_presence(decoder, &origin);
    }
    for method in children(field, "allowMethods") {
        if let Some(text) = method.node.text().filter(|text| !METHODS.contains(text)) {
            decoder.bad_enum(&method, text, METHODS.into_iter());
        }
    }
    for name in ["allowHeaders", "exposeHeaders"].iter().flat_map(|list| children(field, list)) {
        if let Some(text) = name.node.text()
            && let Err(why) = header::check_name(text)
        {
            let message = format!("{} is not the name of a header: {why}", quoted(text));
            decoder.report(code::BAD_NAME, &name, message, "");
        }
    }
    decoder.at_least(&field.at("maxAge"), cors.max_age, Duration::from_millis(1));
    if cors.max_age.is_some_and(|age| age >= Duration::from_millis(1) && age.subsec_nanos() > 0) {
        let message = "`maxAge` has a fraction of a second";
        decoder.report(code::BAD_VALUE, &field.at("maxAge"), message, "round it to whole seconds");
    }
}

fn check_status(decoder: &mut Decoder<'_>, place: &Field<'_>, status: Option<u32>) {
    if let Some(status) = status.filter(|status| !(200..=599).contains(status)) {
        let message = format!("{status} is out of range, 200 to 599 is allowed");
        decoder.report(code::OUT_OF_RANGE, place, message, "");
    }
}

fn check_size(decoder: &mut Decoder<'_>, place: &Field<'_>, bytes: usize) {
    if bytes > LONGEST_BODY {
        let message = format!("the body has {bytes} bytes, at most {LONGEST_BODY} are allowed");
        decoder.report(code::OUT_OF_RANGE, place, message, "serve it from a workload");
    } else if bytes > LONG_BODY {
        let message = format!("the body has {bytes} bytes, every proxy must keep them");
        decoder.report(code::SCHEMA_WARNING, place, message, "serve it from a workload");
    }
}

/// As proto-JSON reads it: either alphabet, with or without padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { base64::alphabet::URL_SAFE } else { base64::alphabet::STANDARD };
    GeneralPurpose::new(&alphabet, LENIENT).decode(text).ok()
}

/// A `\N` in the replacement needs a group of that number.
fn check_substitution(rewrite: &RegexRewrite, decoder: &mut Decoder<'_>, place: &Field<'_>) {
    let Ok(regex) = regex::Regex::new(&rewrite.pattern) else { return };
    let groups = regex.captures_len() - 1;
    let mut chars = rewrite.rewrite.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { continue };
        let message = match escaped.map(|c| (c, c.to_digit(10))) {
            Some((_, Some(number))) if number as usize > groups => {
                format!("`\\{number}` names a group, `match` has {groups}")
            }
            Some((_, Some(_)) | ('\\', _)) => continue,
            _ => "a `\\` stands before neither a digit nor `\\`".to_owned(),
        };
        decoder.report(code::SCHEMA_WARNING, place, message, "write `\\1` for the first group, `\\\\` for a `\\`");
    }
}

fn check_retry_on(decoder: &mut Decoder<'_>, place: &Field<'_>, condition: &str) {
    let number = condition.parse::<u16>().ok();
    if RETRY_ON.contains(&condition) || number.is_some_and(is_status) {
        return;
    }
    if let Some(number) = number {
        decoder.report(code::BAD_ENUM, place, format!("{number} is not a status of HTTP"), "");
    } else if condition.is_empty() || condition.trim() != condition {
        let message = format!("{} is not a condition", quoted(condition));
        decoder.report(code::BAD_ENUM, place, message, "join conditions by `,` without blanks: `5xx,reset`");
    } else {
        decoder.bad_enum(place, condition, RETRY_ON.into_iter());
    }
}

/// Whether a status has a name in the registry of HTTP.
fn is_status(number: u16) -> bool {
    matches!(number,
        100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308
        | 400..=418 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511)
}
