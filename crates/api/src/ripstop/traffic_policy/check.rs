//! What cannot be meant in a `TrafficPolicy`.

use std::time::Duration;

use super::{
    AdaptiveConcurrency, ConnectionKey, ConnectionLimit, GlobalRateLimit, HealthChecks, LimitKey, PeakEwma, RateLimit,
    RequestMatch, RetryBudget, SessionCookie, TextMatch, TrafficHedging, TrafficLoadBalancer, TrafficPolicy,
    TrafficSessionAffinity, TrafficTargetRef,
};
use crate::{
    decode::{Decoder, Field, last, quoted},
    finding::code,
    istio::values,
};

/// Kinds that a policy can be attached to, with their groups.
const TARGETS: [(&str, &str); 4] = [
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("networking.istio.io", "Gateway"),
    ("networking.istio.io", "VirtualService"),
];
/// Targets of one policy.
const MOST_TARGETS: usize = 16;
/// Limits of one policy: each request is counted by all of them.
const MOST_LIMITS: usize = 32;
/// Limits that services count: each is a call before the request goes on.
const MOST_GLOBAL_LIMITS: usize = 4;
/// Requests in a second that a limit can count.
const FASTEST: u64 = 1_000_000;
/// Shortest interval.
const LEAST: Duration = Duration::from_millis(1);
/// Longest interval: a proxy that starts anew has forgotten what it counted.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Latencies are kept to a millisecond of their age.
const FASTEST_DECAY: Duration = Duration::from_millis(100);
/// Whatever takes longer is not waited for.
const LONGEST_LATENCY: Duration = Duration::from_secs(3600);

/// How long browsers keep a cookie at most (RFC 6265bis, 5.5): 400 days.
const LONGEST_COOKIE: Duration = Duration::from_secs(400 * 24 * 3600);

pub(super) fn policy(policy: &TrafficPolicy, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if policy.target_refs.is_empty() && field.child("targetRefs").is_some() {
        decoder.report(code::MISSING, &field.at("targetRefs"), "`targetRefs` is empty", "name what it is for");
    }
    let says = !policy.rate_limits.is_empty()
        || !policy.global_rate_limits.is_empty()
        || !policy.connection_limits.is_empty()
        || policy.load_balancer.is_some()
        || policy.retry_budget.is_some()
        || policy.session_affinity.is_some()
        || policy.health_checks.is_some()
        || policy.adaptive_concurrency.is_some()
        || policy.hedging.is_some();
    let unreadable = field.unreadable::<Vec<RateLimit>>("rateLimits")
        || field.unreadable::<Vec<GlobalRateLimit>>("globalRateLimits")
        || field.unreadable::<Vec<ConnectionLimit>>("connectionLimits")
        || field.unreadable::<TrafficLoadBalancer>("loadBalancer")
        || field.unreadable::<RetryBudget>("retryBudget")
        || field.unreadable::<TrafficSessionAffinity>("sessionAffinity")
        || field.unreadable::<HealthChecks>("healthChecks")
        || field.unreadable::<AdaptiveConcurrency>("adaptiveConcurrency")
        || field.unreadable::<TrafficHedging>("hedging");
    if !says && !unreadable {
        let hint = "write `rateLimits`, `globalRateLimits`, `connectionLimits`, `loadBalancer`, `retryBudget`, `sessionAffinity`, `healthChecks`, `adaptiveConcurrency` or `hedging`";
        decoder.report(code::MISSING, &field.at("rateLimits"), "the policy says nothing", hint);
    }
    for (name, count, most) in [
        ("targetRefs", policy.target_refs.len(), MOST_TARGETS),
        ("rateLimits", policy.rate_limits.len(), MOST_LIMITS),
        ("connectionLimits", policy.connection_limits.len(), MOST_LIMITS),
        ("globalRateLimits", policy.global_rate_limits.len(), MOST_GLOBAL_LIMITS),
    ] {
        if count > most {
            let message = format!("`{name}` has {count} items, at most {most} are allowed");
            decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "");
        }
    }
    repeated(decoder, &field.items("targetRefs"), &policy.target_refs);
    repeated(decoder, &field.items("rateLimits"), &policy.rate_limits);
    repeated(decoder, &field.items("globalRateLimits"), &policy.global_rate_limits);
    // Of those that count the same, the smallest number alone would say anything.
    let keys: Vec<_> = policy.connection_limits.iter().map(|limit| &limit.per).collect();
    repeated(decoder, &field.items("connectionLimits"), &keys);
}

/// Reports items that are there a second time.
fn repeated<T: PartialEq>(decoder: &mut Decoder<'_>, fields: &[Field<'_>], items: &[T]) {
    // Of items that cannot be read, something is reported already.
    if fields.len() != items.len() {
        return;
    }
    for (index, item) in items.iter().enumerate() {
        if items[..index].contains(item) {
            let message = "it is there a second time";
            decoder.report(code::REPEATED_ITEM, &fields[index], message, "remove one of them");
        }
    }
}

pub(super) fn target(target: &TrafficTargetRef, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    values::check_filled(decoder, field, &["kind", "name", "sectionName"]);
    let group = if target.group == "core" { "" } else { target.group.as_str() };
    if !target.kind.is_empty() && !TARGETS.contains(&(group, target.kind.as_str())) {
        let message =
            format!("a TrafficPolicy cannot be attached to {} of {}", quoted(&target.kind), quoted(&target.group));
        let hint = "attach it to a Service, or to a ServiceEntry, Gateway or VirtualService (networking.istio.io)";
        decoder.report(code::BAD_ENUM, &field.at("kind"), message, hint);
    }
    let own = decoder.object.as_ref().map(|id| id.namespace.clone()).unwrap_or_default();
    if !target.namespace.is_empty() && target.namespace != own {
        let message =
            format!("a policy is attached within its own namespace, not to one of {}", quoted(&target.namespace));
        let hint = "move the policy there, and remove `namespace`";
        decoder.report(code::CONFLICT, &field.at("namespace"), message, hint);
    }
}

pub(super) fn limit(limit: &RateLimit, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let given = decoder.at_most_one(field, &["requests", "connections"]);
    if given.is_empty() {
        decoder.report(
            code::MISSING,
            &field.at("requests"),
            "`requests` is missing",
            "write `requests` or `connections`",
        );
    }
    for (name, number) in [("requests", limit.requests), ("connections", limit.connections), ("burst", limit.burst)] {
        if number == Some(0) {
            let message = format!("`{name}` is 0, which lets nothing pass");
            let hint = "an AuthorizationPolicy refuses everything";
            decoder.report(code::OUT_OF_RANGE, &field.at(name), message, hint);
        }
    }
    let at = field.at("interval");
    decoder.at_least(&at, limit.interval, LEAST);
    let interval = limit.interval.unwrap_or(Duration::from_secs(1));
    if interval > LONGEST {
        decoder.report(code::OUT_OF_RANGE, &at, "`interval` is too long, at most 24h are allowed", "");
    }
    let most = u128::from(FASTEST) * interval.as_millis() / 1000;
    for (name, number) in [("requests", limit.requests), ("connections", limit.connections)] {
        if let Some(number) = number.filter(|number| interval >= LEAST && u128::from(*number) > most) {
            let message = format!("{number} {name} in {interval:?} are too many to be counted");
            let hint = format!("at most {FASTEST} a second are allowed");
            decoder.report(code::OUT_OF_RANGE, &field.at(name), message, hint);
        }
    }
    if limit.connections.is_some() {
        let of_requests = ["match", "status", "headers"].into_iter().filter_map(|name| field.child(name));
        let keys = field.child("per").into_iter().flat_map(|per| [per.child("header"), per.child("path")]).flatten();
        for found in of_requests.chain(keys) {
            let message = format!("connections have no `{}`", last(&found.path));
            decoder.report(code::CONFLICT, &found, message, "limit `requests`, or remove it");
        }
    }
    if limit.status.is_some_and(|status| !(400..600).contains(&status)) {
        let message = format!("{} is no status of an error", limit.status.unwrap_or(0));
        decoder.report(code::OUT_OF_RANGE, &field.at("status"), message, "write a number from 400 to 599");
    }
}

pub(super) fn connections(limit: &ConnectionLimit, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if limit.connections == Some(0) {
        let hint = "an AuthorizationPolicy refuses everything";
        decoder.report(
            code::OUT_OF_RANGE,
            &field.at("connections"),
            "`connections` is 0, which lets nothing pass",
            hint,
        );
    }
}

pub(super) fn connection_key(_: &ConnectionKey, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if decoder.at_most_one(field, &["identity", "sourceAddress"]).is_empty() {
        let hint = "write `identity: {}` or `sourceAddress: {}`, or remove `per`";
        decoder.report(code::MISSING, field, "`per` names nothing", hint);
    }
}

pub(super) fn peak_ewma(written: &PeakEwma, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_least(&field.at("decay"), written.decay, FASTEST_DECAY);
    let durations = [("decay", written.decay), ("defaultRtt", written.default_rtt), ("penalty", written.penalty)];
    for (name, duration) in durations {
        if duration.is_some_and(|duration| duration > LONGEST_LATENCY) {
            let message = format!("`{name}` is too long, at most 1h are allowed");
            decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "");
        }
    }
}

pub(super) fn budget(budget: &RetryBudget, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(percent) = budget.percent.filter(|percent| !(0.0..=100.0).contains(percent)) {
        let message = format!("{percent} is out of range, 0 to 100 is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at("percent"), message, "it is a share in per cent");
    }
    if budget.min_retries_per_second.is_some_and(|retries| u64::from(retries) > FASTEST) {
        let message = format!("at most {FASTEST} retries a second can be counted");
        decoder.report(code::OUT_OF_RANGE, &field.at("minRetriesPerSecond"), message, "");
    }
    decoder.at_most_one(field, &["minConcurrency", "minRetriesPerSecond"]);
}

pub(super) fn session_cookie(cookie: &SessionCookie, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(name) = field.child("name") {
        // Both are tokens (RFC 6265, 4.1.1).
        decoder.name(&name, "a cookie", values::header_name);
    }
    if let Some(path) = &cookie.path {
        let is_value = path.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';');
        if !path.starts_with('/') || !is_value {
            let message = format!("{} is no path of a cookie", quoted(path));
            let hint = "it begins with `/`, and has neither `;` nor anything but ASCII in it";
            decoder.report(code::BAD_NAME, &field.at("path"), message, hint);
        }
    }
    if cookie.ttl.is_some_and(|ttl| ttl > LONGEST_COOKIE) {
        let hint = "browsers keep none for longer";
        decoder.report(code::OUT_OF_RANGE, &field.at("ttl"), "`ttl` is too long, at most 9600h are allowed", hint);
    } else if cookie.ttl.is_some_and(|ttl| ttl.subsec_nanos() > 0) {
        decoder.report(
            code::BAD_VALUE,
            &field.at("ttl"),
            "`ttl` is no number of whole seconds",
            "cookies know no parts",
        );
    }
}

pub(super) fn key(_: &LimitKey, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let given = decoder.at_most_one(field, &["identity", "header", "path", "sourceAddress"]);
    if given.is_empty() {
        let hint = "write `identity: {}`, `header: NAME`, `path: {}` or `sourceAddress: {}`, or remove `per`";
        decoder.report(code::MISSING, field, "`per` names nothing", hint);
    }
    if let Some(header) = field.child("header") {
        decoder.name(&header, "a header", values::header_name);
    }
}

pub(super) fn requests(requests: &RequestMatch, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if *requests == RequestMatch::default() {
        let hint = "write `path`, `methods` or `headers`, or remove `match`";
        decoder.report(code::MISSING, field, format!("`{}` names nothing", last(&field.path)), hint);
    }
    if let Some(path) = field.child("path")
        && path.child("exact").is_none()
        && path.child("prefix").is_none()
    {
        decoder.report(code::MISSING, &path, "`path` names nothing", "write `exact` or `prefix`");
    }
    for (text, wanted) in requests.path.iter().flat_map(|path| [("exact", &path.exact), ("prefix", &path.prefix)]) {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| !wanted.starts_with('/')) {
            let message = format!("{} is no beginning of a path", quoted(wanted));
            decoder.report(code::BAD_NAME, &field.at("path").at(text), message, "paths begin with `/`");
        }
    }
    for method in field.items("methods") {
        if let Some(text) = method.node.text()
            && let Err(why) = values::header_name(text)
        {
            decoder.report(code::BAD_NAME, &method, format!("{} is not a method: {why}", quoted(text)), "");
        }
    }
    let headers = field.child("headers");
    for (key, _) in headers.iter().flat_map(Field::pairs) {
        if let Err(why) = values::header_name(&key.text) {
            let message = format!("{} is not a header: {why}", quoted(&key.text));
            let path = headers.as_ref().map(|headers| headers.path.clone()).unwrap_or_default();
            decoder.report_at(code::BAD_NAME, &path, key.mark, message, "");
        }
    }
}

pub(super) fn text(_: &TextMatch, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_most_one(field, &["exact", "prefix"]);
    if let Some(prefix) = field.child("prefix")
        && prefix.node.text() == Some("")
    {
        decoder.report(code::MISSING, &prefix, "`prefix` is empty", "write `{}` for any value that is there");
    }
}

/// Reports a duration that is too short or too long.
pub(super) fn within(
    decoder: &mut Decoder<'_>,
    field: &Field<'_>,
    name: &str,
    duration: Option<Duration>,
    least: Duration,
    most: Duration,
) {
    let at = field.at(name);
    decoder.at_least(&at, duration, least);
    if duration.is_some_and(|duration| duration > most) {
        let message = format!("`{name}` is too long, at most {most:?} are allowed");
        decoder.report(code::OUT_OF_RANGE, &at, message, "");
    }
}
