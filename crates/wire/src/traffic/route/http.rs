//! Rules for HTTP.

use std::sync::Arc;

use ripstop_model::{
    Abort, Cors, Fault, HttpAction, HttpMatch, HttpRule, Mirror, Redirect, RedirectPath, RedirectPort, Rewrite, RuleId,
    StringMatch, UriRewrite,
};

use super::{
    backend_from_wire, backend_to_wire, headers_from_wire, headers_to_wire, port_from_wire, retry_from_wire,
    retry_to_wire, source_from_wire, source_to_wire, weighted_from_wire, weighted_to_wire,
};
use crate::{
    DecodeError,
    field::{shared, texts},
    place::Place,
    ripstop::{self, abort, http_rule, redirect, rewrite, string_match},
    traffic::value::{duration_to_wire, maybe_duration, set_duration, share_from_wire, text_from_wire, text_to_wire},
};

pub(super) fn to_wire(rule: &HttpRule) -> ripstop::HttpRule {
    ripstop::HttpRule {
        id: rule.id.to_string(),
        name: rule.name.to_string(),
        matches: rule.matches.iter().map(match_to_wire).collect(),
        action: Some(action_to_wire(&rule.action)),
        rewrite: rewrite_to_wire(&rule.rewrite),
        timeout: rule.timeout.map(duration_to_wire),
        retries: rule.retries.as_ref().map(retry_to_wire),
        fault: fault_to_wire(&rule.fault),
        mirrors: rule.mirrors.iter().map(mirror_to_wire).collect(),
        cors: rule.cors.as_deref().map(cors_to_wire),
        request_headers: headers_to_wire(&rule.request_headers),
        response_headers: headers_to_wire(&rule.response_headers),
    }
}

pub(super) fn from_wire(place: &Place<'_>, rule: ripstop::HttpRule) -> Result<HttpRule, DecodeError> {
    let retries = |policy| retry_from_wire(&place.field("retries"), policy);
    let cors = |cors| cors_from_wire(&place.field("cors"), cors).map(Arc::new);
    Ok(HttpRule {
        id: RuleId(place.field("id").required(rule.id)?),
        name: rule.name.into(),
        matches: place.field("matches").all(rule.matches, match_from_wire)?,
        action: action_from_wire(&place.field("action"), rule.action)?,
        rewrite: rewrite_from_wire(rule.rewrite),
        timeout: maybe_duration(&place.field("timeout"), rule.timeout)?,
        retries: rule.retries.map(retries).transpose()?,
        fault: fault_from_wire(&place.field("fault"), rule.fault)?,
        mirrors: place.field("mirrors").all(rule.mirrors, mirror_from_wire)?,
        cors: rule.cors.map(cors).transpose()?,
        request_headers: headers_from_wire(rule.request_headers),
        response_headers: headers_from_wire(rule.response_headers),
    })
}

fn match_to_wire(written: &HttpMatch) -> ripstop::HttpMatch {
    let text = |text: &Option<StringMatch>| text.as_ref().map(text_match_to_wire);
    let named = |pairs: &[(Arc<str>, StringMatch)]| -> Vec<ripstop::NamedMatch> {
        let pairs = pairs.iter().map(|(name, value)| (name.to_string(), Some(text_match_to_wire(value))));
        pairs.map(|(name, value)| ripstop::NamedMatch { name, value }).collect()
    };
    let claims = |pairs: &[(Vec<Arc<str>>, StringMatch)]| -> Vec<ripstop::ClaimMatch> {
        let pairs = pairs.iter().map(|(names, value)| (texts(names), Some(text_match_to_wire(value))));
        pairs.map(|(names, value)| ripstop::ClaimMatch { names, value }).collect()
    };
    ripstop::HttpMatch {
        name: written.name.to_string(),
        path: written.path.to_string(),
        uri: text(&written.uri),
        ignore_uri_case: written.ignore_uri_case,
        scheme: text(&written.scheme),
        method: text(&written.method),
        authority: text(&written.authority),
        headers: named(&written.headers),
        without_headers: named(&written.without_headers),
        query: named(&written.query),
        claims: claims(&written.claims),
        without_claims: claims(&written.without_claims),
        port: written.port.map(u32::from),
        source: source_to_wire(&written.source),
    }
}

fn match_from_wire(place: &Place<'_>, written: ripstop::HttpMatch) -> Result<HttpMatch, DecodeError> {
    let text = |field: &str, text: Option<ripstop::StringMatch>| {
        text.map(|text| text_match_from_wire(&place.field(field), Some(text))).transpose()
    };
    let named = |field: &str, pairs: Vec<ripstop::NamedMatch>| {
        place.field(field).all(pairs, |place, ripstop::NamedMatch { name, value }| {
            Ok((name.into(), text_match_from_wire(&place.field("value"), value)?))
        })
    };
    let claims = |field: &str, pairs: Vec<ripstop::ClaimMatch>| {
        place.field(field).all(pairs, |place, ripstop::ClaimMatch { names, value }| {
            Ok((shared(names), text_match_from_wire(&place.field("value"), value)?))
        })
    };
    Ok(HttpMatch {
        name: written.name.into(),
        path: written.path.into(),
        uri: text("uri", written.uri)?,
        ignore_uri_case: written.ignore_uri_case,
        scheme: text("scheme", written.scheme)?,
        method: text("method", written.method)?,
        authority: text("authority", written.authority)?,
        headers: named("headers", written.headers)?,
        without_headers: named("without_headers", written.without_headers)?,
        query: named("query", written.query)?,
        claims: claims("claims", written.claims)?,
        without_claims: claims("without_claims", written.without_claims)?,
        port: port_from_wire(place, written.port)?,
        source: source_from_wire(written.source),
    })
}

fn text_match_to_wire(text: &StringMatch) -> ripstop::StringMatch {
    let kind = match text {
        StringMatch::Present => string_match::Kind::Present(true),
        StringMatch::Exact(text) => string_match::Kind::Exact(text.to_string()),
        StringMatch::Prefix(text) => string_match::Kind::Prefix(text.to_string()),
        StringMatch::Regex(text) => string_match::Kind::Regex(text.to_string()),
    };
    ripstop::StringMatch { kind: Some(kind) }
}

fn text_match_from_wire(place: &Place<'_>, text: Option<ripstop::StringMatch>) -> Result<StringMatch, DecodeError> {
    Ok(match place.set(place.set(text)?.kind)? {
        string_match::Kind::Present(_) => StringMatch::Present,
        string_match::Kind::Exact(text) => StringMatch::Exact(text.into()),
        string_match::Kind::Prefix(text) => StringMatch::Prefix(text.into()),
        string_match::Kind::Regex(text) => StringMatch::Regex(text.into()),
    })
}

fn action_to_wire(action: &HttpAction) -> http_rule::Action {
    match action {
        HttpAction::Forward(backends) => {
            http_rule::Action::Forward(ripstop::Forward { backends: backends.iter().map(weighted_to_wire).collect() })
        }
        HttpAction::Redirect(redirect) => http_rule::Action::Redirect(redirect_to_wire(redirect)),
        HttpAction::Respond { status, body } => http_rule::Action::Respond(ripstop::Respond {
            status: (*status).into(),
            body: bytes::Bytes::copy_from_slice(body),
        }),
    }
}

fn action_from_wire(place: &Place<'_>, action: Option<http_rule::Action>) -> Result<HttpAction, DecodeError> {
    Ok(match place.set(action)? {
        http_rule::Action::Forward(forward) => {
            HttpAction::Forward(place.field("backends").all(forward.backends, weighted_from_wire)?)
        }
        http_rule::Action::Redirect(redirect) => HttpAction::Redirect(Arc::new(redirect_from_wire(place, redirect)?)),
        http_rule::Action::Respond(respond) => HttpAction::Respond {
            status: place.field("status").short(respond.status)?,
            body: Arc::from(&*respond.body),
        },
    })
}

fn redirect_to_wire(redirect: &Redirect) -> ripstop::Redirect {
    ripstop::Redirect {
        status: redirect.status.into(),
        path: match &redirect.path {
            RedirectPath::Kept => None,
            RedirectPath::Full(path) => Some(redirect::Path::Full(path.to_string())),
            RedirectPath::Prefix(prefix) => Some(redirect::Path::Prefix(prefix.to_string())),
        },
        port: match redirect.port {
            RedirectPort::Kept => None,
            RedirectPort::Fixed(port) => Some(redirect::Port::Fixed(port.into())),
            RedirectPort::ByScheme => Some(redirect::Port::ByScheme(true)),
            RedirectPort::OfRequest => Some(redirect::Port::OfRequest(true)),
        },
        authority: text_to_wire(redirect.authority.as_ref()),
        scheme: text_to_wire(redirect.scheme.as_ref()),
    }
}

fn redirect_from_wire(place: &Place<'_>, redirect: ripstop::Redirect) -> Result<Redirect, DecodeError> {
    Ok(Redirect {
        status: place.field("status").short(redirect.status)?,
        path: match redirect.path {
            None => RedirectPath::Kept,
            Some(redirect::Path::Full(path)) => RedirectPath::Full(path.into()),
            Some(redirect::Path::Prefix(prefix)) => RedirectPath::Prefix(prefix.into()),
        },
        port: match redirect.port {
            None => RedirectPort::Kept,
            Some(redirect::Port::Fixed(port)) => RedirectPort::Fixed(place.field("port").short(port)?),
            Some(redirect::Port::ByScheme(_)) => RedirectPort::ByScheme,
            Some(redirect::Port::OfRequest(_)) => RedirectPort::OfRequest,
        },
        authority: text_from_wire(redirect.authority),
        scheme: text_from_wire(redirect.scheme),
    })
}

fn rewrite_to_wire(rewrite: &Rewrite) -> Option<ripstop::Rewrite> {
    let uri = |uri: &UriRewrite| match uri {
        UriRewrite::Matched(text) => rewrite::Uri::Matched(text.to_string()),
        UriRewrite::Regex { pattern, rewrite } => {
            rewrite::Uri::Regex(ripstop::RegexRewrite { pattern: pattern.to_string(), rewrite: rewrite.to_string() })
        }
    };
    (*rewrite != Rewrite::default()).then(|| ripstop::Rewrite {
        uri: rewrite.uri.as_ref().map(uri),
        authority: text_to_wire(rewrite.authority.as_ref()),
    })
}

fn rewrite_from_wire(rewrite: Option<ripstop::Rewrite>) -> Rewrite {
    let uri = |uri| match uri {
        rewrite::Uri::Matched(text) => UriRewrite::Matched(text.into()),
        rewrite::Uri::Regex(regex) => {
            UriRewrite::Regex { pattern: regex.pattern.into(), rewrite: regex.rewrite.into() }
        }
    };
    let rewrite = rewrite.unwrap_or_default();
    Rewrite { uri: rewrite.uri.map(uri), authority: text_from_wire(rewrite.authority) }
}

fn fault_to_wire(fault: &Fault) -> Option<ripstop::Fault> {
    (*fault != Fault::default()).then(|| ripstop::Fault {
        delay: fault.delay.map(|(duration, share)| ripstop::Delay {
            duration: Some(duration_to_wire(duration)),
            share: share.millionths(),
        }),
        abort: fault.abort.as_ref().map(|(abort, share)| ripstop::Abort {
            status: Some(match abort {
                Abort::Http(status) => abort::Status::Http((*status).into()),
                Abort::Grpc(status) => abort::Status::Grpc((*status).into()),
            }),
            share: share.millionths(),
        }),
    })
}

fn fault_from_wire(place: &Place<'_>, fault: Option<ripstop::Fault>) -> Result<Fault, DecodeError> {
    let ripstop::Fault { delay, abort } = fault.unwrap_or_default();
    let delay = delay.map(|delay| {
        let place = place.field("delay");
        let duration = set_duration(&place.field("duration"), delay.duration)?;
        Ok((duration, share_from_wire(&place.field("share"), delay.share)?))
    });
    let abort = abort.map(|abort| {
        let place = place.field("abort");
        let status = place.field("status");
        let kind = match status.set(abort.status)? {
            abort::Status::Http(code) => Abort::Http(status.short(code)?),
            abort::Status::Grpc(code) => Abort::Grpc(status.short(code)?),
        };
        Ok((kind, share_from_wire(&place.field("share"), abort.share)?))
    });
    Ok(Fault { delay: delay.transpose()?, abort: abort.transpose()? })
}

fn mirror_to_wire(mirror: &Mirror) -> ripstop::Mirror {
    ripstop::Mirror {
        backend: Some(backend_to_wire(&mirror.backend)),
        share: mirror.share.millionths(),
        path: mirror.path.to_string(),
    }
}

fn mirror_from_wire(place: &Place<'_>, mirror: ripstop::Mirror) -> Result<Mirror, DecodeError> {
    Ok(Mirror {
        backend: backend_from_wire(&place.field("backend"), mirror.backend)?,
        share: share_from_wire(&place.field("share"), mirror.share)?,
        path: mirror.path.into(),
    })
}

fn cors_to_wire(cors: &Cors) -> ripstop::Cors {
    ripstop::Cors {
        origins: cors.origins.iter().map(text_match_to_wire).collect(),
        methods: texts(&cors.methods),
        headers: texts(&cors.headers),
        expose: texts(&cors.expose),
        max_age: cors.max_age.map(duration_to_wire),
        credentials: cors.credentials,
        forward_unmatched: cors.forward_unmatched,
    }
}

fn cors_from_wire(place: &Place<'_>, cors: ripstop::Cors) -> Result<Cors, DecodeError> {
    let origin = |place: &Place<'_>, origin| text_match_from_wire(place, Some(origin));
    Ok(Cors {
        origins: place.field("origins").all(cors.origins, origin)?,
        methods: shared(cors.methods),
        headers: shared(cors.headers),
        expose: shared(cors.expose),
        max_age: maybe_duration(&place.field("max_age"), cors.max_age)?,
        credentials: cors.credentials,
        forward_unmatched: cors.forward_unmatched,
    })
}
