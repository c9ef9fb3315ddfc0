//! What Istio's kinds cannot say, named `<namespace>/<name>`.

mod adaptive_concurrency;
mod connections;
mod global;
mod health_check;
mod hedging;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ripstop_model::{
    Allowance, Balancing, LimitKey, RateLimit, RequestMatch, RuleId, SessionAffinity, TextMatch, TrafficPolicy,
    TrafficTarget, TrafficTargetKind,
};

use super::{
    backend::{budget_from_wire, budget_to_wire, peak_ewma_from_wire, peak_ewma_to_wire},
    slashed,
    value::{duration_to_wire, maybe_duration, set_duration, text_from_wire, text_to_wire},
};
use crate::{
    DecodeError, Encoded,
    field::{Context, shared, texts},
    place::Place,
    ripstop::{self, rate_limit::Key, text_match, traffic_target::Kind},
    type_url,
};

pub(super) fn encode(policy: &TrafficPolicy) -> Encoded {
    let message = ripstop::TrafficPolicy {
        id: policy.id.to_string(),
        namespace: policy.namespace.to_string(),
        name: policy.name.to_string(),
        targets: policy.targets.iter().map(target_to_wire).collect(),
        rate_limits: policy.rate_limits.iter().map(|limit| limit_to_wire(limit)).collect(),
        global_rate_limits: policy.global_rate_limits.iter().map(|limit| global::to_wire(limit)).collect(),
        created: policy.created,
        health_checks: policy.health_checks.as_deref().map(health_check::to_wire),
        adaptive_concurrency: policy.adaptive_concurrency.as_deref().map(adaptive_concurrency::to_wire),
        hedging: policy.hedging.as_deref().map(hedging::to_wire),
        balancing: policy.balancing.as_ref().map(balancing_to_wire),
        retry_budget: policy.retry_budget.map(budget_to_wire),
        session_affinity: policy.session_affinity.as_deref().map(session_to_wire),
        connection_rates: policy.connection_rates.iter().map(|limit| connections::to_wire(limit)).collect(),
        connection_limits: policy.connection_limits.iter().map(|limit| connections::to_wire(limit)).collect(),
    };
    Encoded::new(type_url::TRAFFIC_POLICY, slashed(&policy.namespace, &policy.name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<TrafficPolicy, DecodeError> {
    let context = Context::new(type_url::TRAFFIC_POLICY, name);
    let message: ripstop::TrafficPolicy = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    let place = Place::new(context);
    Ok(TrafficPolicy {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        targets: place.field("targets").all(message.targets, target_from_wire)?,
        rate_limits: place
            .field("rate_limits")
            .all(message.rate_limits, |place, limit| limit_from_wire(place, limit).map(Arc::new))?,
        global_rate_limits: place
            .field("global_rate_limits")
            .all(message.global_rate_limits, |place, limit| global::from_wire(place, limit).map(Arc::new))?,
        balancing: message
            .balancing
            .map(|balancing| balancing_from_wire(&place.field("balancing"), balancing))
            .transpose()?,
        retry_budget: message
            .retry_budget
            .map(|budget| budget_from_wire(&place.field("retry_budget"), budget))
            .transpose()?,
        session_affinity: message
            .session_affinity
            .map(|session| session_from_wire(&place.field("session_affinity"), session).map(Arc::new))
            .transpose()?,
        connection_rates: place
            .field("connection_rates")
            .all(message.connection_rates, |place, limit| connections::rate_from_wire(place, limit).map(Arc::new))?,
        connection_limits: place
            .field("connection_limits")
            .all(message.connection_limits, |place, limit| connections::open_from_wire(place, limit).map(Arc::new))?,
        created: message.created,
        health_checks: message
            .health_checks
            .map(|checks| health_check::from_wire(&place.field("health_checks"), checks).map(Arc::new))
            .transpose()?,
        adaptive_concurrency: message
            .adaptive_concurrency
            .map(|own| adaptive_concurrency::from_wire(&place.field("adaptive_concurrency"), own).map(Arc::new))
            .transpose()?,
        hedging: message
            .hedging
            .map(|own| hedging::from_wire(&place.field("hedging"), own).map(Arc::new))
            .transpose()?,
    })
}

fn balancing_to_wire(balancing: &Balancing) -> ripstop::Balancing {
    let Balancing { id, peak_ewma } = balancing;
    ripstop::Balancing { id: id.to_string(), peak_ewma: Some(peak_ewma_to_wire(peak_ewma)) }
}

fn balancing_from_wire(place: &Place<'_>, balancing: ripstop::Balancing) -> Result<Balancing, DecodeError> {
    let peak_ewma = place.field("peak_ewma");
    Ok(Balancing {
        id: RuleId(place.field("id").required(balancing.id)?),
        peak_ewma: peak_ewma_from_wire(&peak_ewma, peak_ewma.set(balancing.peak_ewma)?)?,
    })
}

fn session_to_wire(session: &SessionAffinity) -> ripstop::SessionAffinity {
    let SessionAffinity { id, cookie, path, ttl } = session;
    ripstop::SessionAffinity {
        id: id.to_string(),
        cookie: cookie.to_string(),
        path: path.to_string(),
        ttl: ttl.map(duration_to_wire),
    }
}

fn session_from_wire(place: &Place<'_>, session: ripstop::SessionAffinity) -> Result<SessionAffinity, DecodeError> {
    Ok(SessionAffinity {
        id: RuleId(place.field("id").required(session.id)?),
        cookie: place.field("cookie").required(session.cookie)?,
        path: place.field("path").required(session.path)?,
        ttl: maybe_duration(&place.field("ttl"), session.ttl)?,
    })
}

fn target_to_wire(target: &TrafficTarget) -> ripstop::TrafficTarget {
    let kind = match target.kind {
        TrafficTargetKind::Service => Kind::Service,
        TrafficTargetKind::Entry => Kind::Entry,
        TrafficTargetKind::Gateway => Kind::Gateway,
        TrafficTargetKind::Routes => Kind::Routes,
    };
    ripstop::TrafficTarget {
        kind: kind.into(),
        name: target.name.to_string(),
        section: text_to_wire(target.section.as_ref()),
    }
}

fn target_from_wire(place: &Place<'_>, target: ripstop::TrafficTarget) -> Result<TrafficTarget, DecodeError> {
    let kind = match place.enumerated(target.kind)? {
        Kind::NoKind => return Err(place.error("its kind is missing")),
        Kind::Service => TrafficTargetKind::Service,
        Kind::Entry => TrafficTargetKind::Entry,
        Kind::Gateway => TrafficTargetKind::Gateway,
        Kind::Routes => TrafficTargetKind::Routes,
    };
    Ok(TrafficTarget {
        kind,
        name: place.field("name").required(target.name)?,
        section: text_from_wire(target.section),
    })
}

fn limit_to_wire(limit: &RateLimit) -> ripstop::RateLimit {
    let Allowance { requests, key, count, interval, burst } = &limit.allowance;
    let key = match key {
        LimitKey::All => Key::All(true),
        LimitKey::Identity => Key::Identity(true),
        LimitKey::Header(name) => Key::Header(name.to_string()),
        LimitKey::Path => Key::Path(true),
        LimitKey::SourceAddress => Key::SourceAddress(true),
    };
    ripstop::RateLimit {
        id: limit.id.to_string(),
        matches: (*requests != RequestMatch::default()).then(|| match_to_wire(requests)),
        key: Some(key),
        count: *count,
        interval: Some(duration_to_wire(*interval)),
        burst: *burst,
        status: limit.status.into(),
        tells: limit.tells,
        dry_run: limit.dry_run,
    }
}

fn limit_from_wire(place: &Place<'_>, limit: ripstop::RateLimit) -> Result<RateLimit, DecodeError> {
    let at_least_one = |field: &str, number: u32| match number {
        0 => Err(place.field(field).error("0 lets nothing pass")),
        number => Ok(number),
    };
    let key = match place.field("key").set(limit.key)? {
        Key::All(_) => LimitKey::All,
        Key::Identity(_) => LimitKey::Identity,
        Key::Header(name) => LimitKey::Header(place.field("header").required(name)?),
        Key::Path(_) => LimitKey::Path,
        Key::SourceAddress(_) => LimitKey::SourceAddress,
    };
    let interval = set_duration(&place.field("interval"), limit.interval)?;
    if interval < Duration::from_millis(1) {
        return Err(place.field("interval").error("it is shorter than a millisecond"));
    }
    let matches = limit.matches.map(|matches| match_from_wire(&place.field("matches"), matches)).transpose()?;
    Ok(RateLimit {
        id: RuleId(place.field("id").required(limit.id)?),
        allowance: Allowance {
            requests: matches.unwrap_or_default(),
            key,
            count: at_least_one("count", limit.count)?,
            interval,
            burst: at_least_one("burst", limit.burst)?,
        },
        status: match place.field("status").short(limit.status)? {
            status @ 400..600 => status,
            status => return Err(place.field("status").error(format!("{status} is no status of an error"))),
        },
        tells: limit.tells,
        dry_run: limit.dry_run,
    })
}

fn match_to_wire(requests: &RequestMatch) -> ripstop::RequestMatch {
    let named = |(name, value): &(Arc<str>, TextMatch)| ripstop::NamedText {
        name: name.to_string(),
        value: Some(text_match_to_wire(value)),
    };
    ripstop::RequestMatch {
        path: requests.path.as_ref().map(text_match_to_wire),
        methods: texts(&requests.methods),
        headers: requests.headers.iter().map(named).collect(),
    }
}

fn match_from_wire(place: &Place<'_>, requests: ripstop::RequestMatch) -> Result<RequestMatch, DecodeError> {
    let path = requests.path.map(|path| text_match_from_wire(&place.field("path"), Some(path))).transpose()?;
    let headers = place.field("headers").all(requests.headers, |place, ripstop::NamedText { name, value }| {
        Ok((place.field("name").required(name)?, text_match_from_wire(&place.field("value"), value)?))
    })?;
    Ok(RequestMatch { path, methods: shared(requests.methods), headers })
}

fn text_match_to_wire(text: &TextMatch) -> ripstop::TextMatch {
    let kind = match text {
        TextMatch::Present => text_match::Kind::Present(true),
        TextMatch::Exact(text) => text_match::Kind::Exact(text.to_string()),
        TextMatch::Prefix(text) => text_match::Kind::Prefix(text.to_string()),
    };
    ripstop::TextMatch { kind: Some(kind) }
}

fn text_match_from_wire(place: &Place<'_>, text: Option<ripstop::TextMatch>) -> Result<TextMatch, DecodeError> {
    Ok(match place.set(place.set(text)?.kind)? {
        text_match::Kind::Present(_) => TextMatch::Present,
        text_match::Kind::Exact(text) => TextMatch::Exact(text.into()),
        text_match::Kind::Prefix(text) => TextMatch::Prefix(text.into()),
    })
}

#[cfg(test)]
pub(super) mod tests;
