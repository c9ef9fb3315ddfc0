//! Rules for HTTP.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ripstop_api::istio::{self, DerivePort, Percent};
use ripstop_model::{
    Abort, Cors, DEFAULT_RETRY_ON, Fault, HeaderOperations, HttpAction, HttpMatch, HttpRule, Mirror, Redirect,
    RedirectPath, RedirectPort, RetryPolicy, Rewrite, Share, StringMatch, UriRewrite, WeightedBackend,
};

use super::{nonempty, route::Context, rule_id, texts};

/// One of `http`, at `index` of its object.
pub(crate) fn rule(context: &Context<'_>, written: &istio::HttpRoute, index: usize) -> HttpRule {
    let path = format!("spec.http[{index}]");
    let single = written.route.len() == 1;
    // Host among the headers to set is the authority: on top, or at the only destination.
    let above = authority(&written.headers.request);
    let below = written.route.first().filter(|_| single).and_then(|route| authority(&route.headers.request));
    let explicit = written.rewrite.as_ref().and_then(|rewrite| rewrite.authority.as_deref()).map(Arc::from);
    HttpRule {
        id: rule_id(context.declared, &path),
        name: written.name.as_str().into(),
        matches: written
            .matches
            .iter()
            .enumerate()
            .map(|(at, wanted)| matching(context, wanted, format!("{path}.match[{at}]")))
            .collect(),
        action: action(context, written, &path, single),
        rewrite: Rewrite {
            uri: written.rewrite.as_ref().and_then(uri_rewrite),
            authority: explicit.or(above).or(below),
        },
        timeout: written.timeout.filter(|timeout| !timeout.is_zero()),
        retries: written.retries.as_ref().map(retries),
        fault: written.fault.as_ref().map(fault).unwrap_or_default(),
        mirrors: mirrors(context, written, &path),
        cors: written.cors_policy.as_ref().map(|cors| Arc::new(self::cors(cors))),
        request_headers: operations(&written.headers.request),
        response_headers: operations(&written.headers.response),
    }
}

const CLAIMS: &str = "@request.auth.claims";

fn matching(context: &Context<'_>, written: &istio::HttpMatch, path: String) -> HttpMatch {
    let (claims, headers): (Vec<_>, Vec<_>) = written.headers.iter().partition(|(name, _)| name.starts_with(CLAIMS));
    let (without_claims, without_headers): (Vec<_>, Vec<_>) =
        written.without_headers.iter().partition(|(name, _)| name.starts_with(CLAIMS));
    // Documented as ignored: they have fields of their own.
    let counts = |name: &str| !matches!(name, "uri" | "scheme" | "method" | "authority");
    let pairs = |pairs: Vec<(&String, &istio::StringMatch)>| {
        let pairs = pairs.into_iter().filter(|(name, _)| counts(name));
        pairs.map(|(name, wanted)| (name.to_ascii_lowercase().into(), presence(wanted))).collect()
    };
    let named = |claims: Vec<(&String, &istio::StringMatch)>| {
        claims.into_iter().map(|(name, wanted)| (claim(name), presence(wanted))).collect()
    };
    let text = |wanted: &Option<istio::StringMatch>| wanted.as_ref().map(string_match);
    HttpMatch {
        name: written.name.as_str().into(),
        path: path.into(),
        uri: text(&written.uri),
        ignore_uri_case: written.ignore_uri_case,
        scheme: text(&written.scheme),
        method: text(&written.method),
        authority: text(&written.authority),
        headers: pairs(headers),
        without_headers: pairs(without_headers),
        query: written.query_params.iter().map(|(name, wanted)| (name.as_str().into(), presence(wanted))).collect(),
        claims: named(claims),
        without_claims: named(without_claims),
        port: written.port,
        source: context.source(&written.source_labels, &written.source_namespace, &written.gateways),
    }
}

/// `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`.
fn claim(key: &str) -> Vec<Arc<str>> {
    let rest = key.strip_prefix(CLAIMS).unwrap_or(key);
    match rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.split("][").map(Arc::from).collect(),
        None => rest.trim_start_matches('.').split('.').map(Arc::from).collect(),
    }
}

fn string_match(written: &istio::StringMatch) -> StringMatch {
    match written {
        istio::StringMatch::Present => StringMatch::Present,
        istio::StringMatch::Exact(text) => StringMatch::Exact(text.as_str().into()),
        istio::StringMatch::Prefix(text) => StringMatch::Prefix(text.as_str().into()),
        istio::StringMatch::Regex(text) => StringMatch::Regex(text.as_str().into()),
    }
}

/// The regex `*` asks for presence.
fn presence(written: &istio::StringMatch) -> StringMatch {
    match written {
        istio::StringMatch::Regex(text) if text == "*" => StringMatch::Present,
        other => string_match(other),
    }
}

fn action(context: &Context<'_>, written: &istio::HttpRoute, path: &str, single: bool) -> HttpAction {
    if let Some(redirect) = written.redirect.as_ref().and_then(self::redirect) {
        return HttpAction::Redirect(Arc::new(redirect));
    }
    if let Some(direct) = &written.direct_response {
        let body = direct.body.as_ref().map(|body| match (&body.string, &body.bytes) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(bytes)) => STANDARD.decode(bytes).unwrap_or_default(),
            (None, None) => Vec::new(),
        });
        let status = direct.status.and_then(|status| status.try_into().ok()).unwrap_or(500);
        return HttpAction::Respond { status, body: body.unwrap_or_default().into() };
    }
    let backend = |(at, written): (usize, &istio::HttpRouteDestination)| WeightedBackend {
        backend: context.backend(&written.destination),
        weight: written.weight.unwrap_or(0),
        request_headers: operations(&written.headers.request),
        response_headers: operations(&written.headers.response),
        authority: authority(&written.headers.request).filter(|_| !single),
        path: format!("{path}.route[{at}]").into(),
    };
    HttpAction::Forward(written.route.iter().enumerate().map(backend).collect())
}

/// Nothing for a status that is no redirect: the action is dropped.
fn redirect(written: &istio::HttpRedirect) -> Option<Redirect> {
    let status = match written.redirect_code {
        None | Some(0) => 301,
        Some(code @ (301 | 302 | 303 | 307 | 308)) => u16::try_from(code).ok()?,
        Some(_) => return None,
    };
    Some(Redirect {
        status,
        path: match (&written.uri, &written.prefix_rewrite) {
            (Some(uri), _) => RedirectPath::Full(uri.as_str().into()),
            (None, Some(prefix)) => RedirectPath::Prefix(prefix.as_str().into()),
            (None, None) => RedirectPath::Kept,
        },
        authority: written.authority.as_deref().map(Arc::from),
        scheme: written.scheme.as_deref().map(Arc::from),
        port: match (written.port, written.derive_port) {
            (Some(port), _) => RedirectPort::Fixed(port),
            (None, Some(DerivePort::FromProtocolDefault)) => RedirectPort::ByScheme,
            (None, Some(DerivePort::FromRequestPort)) => RedirectPort::OfRequest,
            (None, None) => RedirectPort::Kept,
        },
    })
}

fn uri_rewrite(written: &istio::HttpRewrite) -> Option<UriRewrite> {
    if let Some(regex) = &written.uri_regex_rewrite {
        return Some(UriRewrite::Regex {
            pattern: regex.pattern.as_str().into(),
            rewrite: regex.rewrite.as_str().into(),
        });
    }
    written.uri.as_deref().map(|uri| UriRewrite::Matched(uri.into()))
}

/// `retries` as written, or as the mesh's default.
pub(crate) fn retries(written: &istio::HttpRetry) -> RetryPolicy {
    let words: Vec<&str> = written.retry_on.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let status_codes: Vec<u16> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let mut on: Vec<Arc<str>> =
        words.iter().filter(|word| word.parse::<u16>().is_err()).map(|word| Arc::from(*word)).collect();
    if words.is_empty() {
        on = DEFAULT_RETRY_ON.iter().map(|word| Arc::from(*word)).collect();
    } else if !status_codes.is_empty() && !on.iter().any(|word| &**word == "retriable-status-codes") {
        on.push("retriable-status-codes".into());
    }
    RetryPolicy {
        attempts: written.attempts.try_into().unwrap_or(0),
        per_try_timeout: written.per_try_timeout.filter(|timeout| !timeout.is_zero()),
        on,
        status_codes,
        backoff: written.backoff.unwrap_or(Duration::from_millis(25)),
        remote_localities: written.retry_remote_localities.unwrap_or(false),
        ignore_previous_hosts: written.retry_ignore_previous_hosts,
    }
}

fn fault(written: &istio::HttpFault) -> Fault {
    let share = |percentage: Option<&Percent>, percent: Option<u32>| match (percentage, percent) {
        (Some(percentage), _) => Share::from_percent(percentage.value),
        (None, Some(percent)) => Share::from_percent(f64::from(percent)),
        (None, None) => Share::NONE,
    };
    let delay = written
        .delay
        .as_ref()
        .and_then(|delay| Some((delay.fixed_delay?, share(delay.percentage.as_ref(), delay.percent))));
    let abort = written.abort.as_ref().and_then(|abort| {
        let how = match (abort.http_status, abort.grpc_status.as_deref()) {
            (Some(status), _) => Abort::Http(status.try_into().ok()?),
            (None, Some(status)) => Abort::Grpc(grpc_status(status)?),
            (None, None) => return None,
        };
        Some((how, share(abort.percentage.as_ref(), None)))
    });
    Fault { delay, abort }
}

/// Names of gRPC's status codes, by number.
pub(crate) const GRPC_STATUS: [&str; 17] = [
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

fn grpc_status(text: &str) -> Option<u16> {
    let named = GRPC_STATUS.iter().position(|name| *name == text).and_then(|number| number.try_into().ok());
    named.or_else(|| text.parse().ok())
}

fn mirrors(context: &Context<'_>, written: &istio::HttpRoute, path: &str) -> Vec<Mirror> {
    if let Some(mirror) = &written.mirror {
        let share = match (&written.mirror_percentage, written.mirror_percent) {
            (Some(percentage), _) => Share::from_percent(percentage.value),
            (None, Some(percent)) => Share::from_percent(f64::from(percent)),
            (None, None) => Share::ALL,
        };
        let path = format!("{path}.mirror").into();
        return vec![Mirror { backend: context.backend(mirror), share, path }];
    }
    let one = |(at, mirror): (usize, &istio::HttpMirror)| Mirror {
        backend: context.backend(&mirror.destination),
        share: mirror.percentage.as_ref().map_or(Share::ALL, |percentage| Share::from_percent(percentage.value)),
        path: format!("{path}.mirrors[{at}].destination").into(),
    };
    written.mirrors.iter().enumerate().map(one).collect()
}

fn cors(written: &istio::CorsPolicy) -> Cors {
    let older = written.allow_origin.iter().map(|origin| match origin.as_str() {
        "*" => StringMatch::Present,
        origin => StringMatch::Exact(origin.into()),
    });
    Cors {
        origins: written.allow_origins.iter().map(string_match).chain(older).collect(),
        methods: texts(&written.allow_methods),
        headers: texts(&written.allow_headers),
        expose: texts(&written.expose_headers),
        max_age: written.max_age,
        credentials: written.allow_credentials,
        forward_unmatched: written.unmatched_preflights != istio::UnmatchedPreflights::Ignore,
    }
}

/// The authority among headers to set or add.
fn authority(written: &istio::HeaderOperations) -> Option<Arc<str>> {
    let of = |pairs: &BTreeMap<String, String>| {
        pairs.iter().find(|(name, _)| is_authority(name)).and_then(|(_, value)| nonempty(value))
    };
    of(&written.set).or_else(|| of(&written.add))
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name == ":authority"
}

fn operations(written: &istio::HeaderOperations) -> HeaderOperations {
    let pairs = |pairs: &BTreeMap<String, String>| {
        let pairs = pairs.iter().filter(|(name, _)| !is_authority(name));
        pairs.map(|(name, value)| (name.to_ascii_lowercase().into(), value.as_str().into())).collect()
    };
    HeaderOperations {
        set: pairs(&written.set),
        add: pairs(&written.add),
        remove: written.remove.iter().map(|name| name.to_ascii_lowercase().into()).collect(),
    }
}
