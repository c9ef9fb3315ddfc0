//! `TrafficPolicy`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ripstop_api::ripstop;
use ripstop_model::{
    Allowance, Balancing, ConnectionKey, ConnectionLimit, LimitKey, MostConnections, PeakEwma, RateLimit, RequestMatch,
    RetryBudget, SessionAffinity, Share, TextMatch, TrafficPolicy, TrafficTarget, TrafficTargetKind,
};

use super::{
    Naming, adaptive_concurrency, global_rate_limit, health_check, hedging, named, nonempty, object_id, rule_id, texts,
};
use crate::Declared;

/// Status of what is refused, where none is given.
pub(super) const TOO_MANY: u16 = 429;

/// What holds for requests.
pub(crate) fn compile(declared: &Declared, written: &ripstop::TrafficPolicy, naming: &Naming) -> TrafficPolicy {
    let (namespace, name) = named(&declared.object);
    let limits = written.rate_limits.iter().enumerate();
    let open = written.connection_limits.iter().enumerate();
    TrafficPolicy {
        id: object_id(declared),
        targets: written.target_refs.iter().filter_map(target).collect(),
        rate_limits: limits
            .clone()
            .filter_map(|(index, written)| limit(declared, written, index))
            .map(Arc::new)
            .collect(),
        global_rate_limits: written
            .global_rate_limits
            .iter()
            .enumerate()
            .filter_map(|(index, written)| global_rate_limit::compile(declared, written, index, naming))
            .map(Arc::new)
            .collect(),
        connection_rates: limits.filter_map(|(index, written)| connection_rate(declared, written, index)).collect(),
        connection_limits: open.filter_map(|(index, written)| connection_limit(declared, written, index)).collect(),
        balancing: written.load_balancer.as_ref().and_then(|written| balancing(declared, written)),
        retry_budget: written.retry_budget.as_ref().map(budget),
        session_affinity: written.session_affinity.as_ref().and_then(|written| session(declared, written)),
        created: declared.created,
        health_checks: written
            .health_checks
            .as_ref()
            .and_then(|written| health_check::compile(declared, written))
            .map(Arc::new),
        adaptive_concurrency: written
            .adaptive_concurrency
            .as_ref()
            .map(|written| Arc::new(adaptive_concurrency::compile(declared, written))),
        hedging: written.hedging.as_ref().and_then(|written| hedging::compile(declared, written)).map(Arc::new),
        namespace,
        name,
    }
}

/// What one of `targetRefs` names.
pub(crate) fn target(written: &ripstop::TrafficTargetRef) -> Option<TrafficTarget> {
    let kind = match written.kind.as_str() {
        "Service" => TrafficTargetKind::Service,
        "ServiceEntry" => TrafficTargetKind::Entry,
        "Gateway" => TrafficTargetKind::Gateway,
        "VirtualService" => TrafficTargetKind::Routes,
        _ => return None,
    };
    Some(TrafficTarget { kind, name: written.name.as_str().into(), section: nonempty(&written.section_name) })
}

fn balancing(declared: &Declared, written: &ripstop::TrafficLoadBalancer) -> Option<Balancing> {
    let written = written.peak_ewma.as_ref()?;
    let defaults = PeakEwma::default();
    let peak_ewma = PeakEwma {
        decay: written.decay.filter(|decay| !decay.is_zero()).unwrap_or(defaults.decay),
        default_rtt: written.default_rtt.unwrap_or(defaults.default_rtt),
        penalty: written.penalty.unwrap_or(defaults.penalty),
    };
    Some(Balancing { id: rule_id(declared, "spec.loadBalancer"), peak_ewma })
}

fn limit(declared: &Declared, written: &ripstop::RateLimit, index: usize) -> Option<RateLimit> {
    let count = written.requests.filter(|count| *count > 0)?;
    Some(RateLimit {
        id: rule_id(declared, &format!("spec.rateLimits[{index}]")),
        allowance: Allowance {
            requests: written.requests_meant.as_ref().map(requests).unwrap_or_default(),
            key: written.per.as_ref().map(key).unwrap_or_default(),
            count,
            interval: written.interval.unwrap_or(Duration::from_secs(1)),
            burst: written.burst.filter(|burst| *burst > 0).unwrap_or(count),
        },
        status: written.status.and_then(|status| status.try_into().ok()).unwrap_or(TOO_MANY),
        tells: written.headers.unwrap_or(true),
        dry_run: written.dry_run,
    })
}

fn connection_rate(declared: &Declared, written: &ripstop::RateLimit, index: usize) -> Option<Arc<ConnectionLimit>> {
    let count = written.connections.filter(|count| *count > 0)?;
    let per = written.per.as_ref();
    Some(Arc::new(ConnectionLimit {
        id: rule_id(declared, &format!("spec.rateLimits[{index}]")),
        key: match per {
            Some(per) if per.identity.is_some() => ConnectionKey::Identity,
            Some(per) if per.source_address.is_some() => ConnectionKey::SourceAddress,
            _ => ConnectionKey::All,
        },
        most: MostConnections::New {
            count,
            interval: written.interval.unwrap_or(Duration::from_secs(1)),
            burst: written.burst.filter(|burst| *burst > 0).unwrap_or(count),
        },
        dry_run: written.dry_run,
    }))
}

fn connection_limit(
    declared: &Declared,
    written: &ripstop::ConnectionLimit,
    index: usize,
) -> Option<Arc<ConnectionLimit>> {
    let count = written.connections.filter(|count| *count > 0)?;
    Some(Arc::new(ConnectionLimit {
        id: rule_id(declared, &format!("spec.connectionLimits[{index}]")),
        key: match &written.per {
            Some(per) if per.identity.is_some() => ConnectionKey::Identity,
            Some(per) if per.source_address.is_some() => ConnectionKey::SourceAddress,
            _ => ConnectionKey::All,
        },
        most: MostConnections::Open(count),
        dry_run: written.dry_run,
    }))
}

/// A budget that names no minimum has Istio's, three at once.
fn budget(written: &ripstop::RetryBudget) -> RetryBudget {
    let per_second = written.min_retries_per_second;
    RetryBudget {
        share: Share::from_percent(written.percent.unwrap_or(20.0)),
        min_concurrency: written.min_concurrency.unwrap_or(if per_second.is_some() { 0 } else { 3 }),
        min_per_second: per_second.unwrap_or(0),
        interval: Duration::ZERO,
    }
}

fn session(declared: &Declared, written: &ripstop::TrafficSessionAffinity) -> Option<Arc<SessionAffinity>> {
    let cookie = written.cookie.as_ref()?;
    Some(Arc::new(SessionAffinity {
        id: rule_id(declared, "spec.sessionAffinity"),
        cookie: cookie.name.as_str().into(),
        path: cookie.path.as_deref().unwrap_or("/").into(),
        ttl: cookie.ttl.filter(|ttl| !ttl.is_zero()),
    }))
}

fn key(written: &ripstop::LimitKey) -> LimitKey {
    if written.identity.is_some() {
        LimitKey::Identity
    } else if let Some(name) = &written.header {
        LimitKey::Header(name.to_ascii_lowercase().into())
    } else if written.path.is_some() {
        LimitKey::Path
    } else if written.source_address.is_some() {
        LimitKey::SourceAddress
    } else {
        LimitKey::All
    }
}

pub(super) fn requests(written: &ripstop::RequestMatch) -> RequestMatch {
    // Names that differ in case are one.
    let headers: BTreeMap<String, TextMatch> =
        written.headers.iter().map(|(name, wanted)| (name.to_ascii_lowercase(), text(wanted))).collect();
    RequestMatch {
        path: written.path.as_ref().map(text),
        methods: texts(&written.methods),
        headers: headers.into_iter().map(|(name, wanted)| (name.into(), wanted)).collect(),
    }
}

fn text(written: &ripstop::TextMatch) -> TextMatch {
    match (&written.exact, &written.prefix) {
        (Some(text), _) => TextMatch::Exact(text.as_str().into()),
        (None, Some(text)) => TextMatch::Prefix(text.as_str().into()),
        (None, None) => TextMatch::Present,
    }
}
