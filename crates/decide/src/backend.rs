//! How a backend's endpoints are called.

use std::{sync::Arc, time::Duration};

use ripstop_model::{
    Algorithm, BackendPolicy, BackendRef, BackendSettings, Balancing, ClientTls, ConnectionPool, HealthChecks, Hedging,
    HostPattern, Labels, LoadBalancer, OutlierDetection, PortSettings, ProxyProtocolVersion, Resolution, RetryBudget,
    RuleId, SessionAffinity, Share, Subset, TunnelSettings, Visibility,
};

use crate::{
    attached,
    call::{Callee, is_undeclared},
    locality::Failures,
    program::Program,
};

/// What there may be of second attempts where nobody says: what a `retryBudget` is by default.
const USUAL_BUDGET: RetryBudget =
    RetryBudget { share: Share::FIFTH, min_concurrency: 3, min_per_second: 0, interval: Duration::ZERO };

/// Whoever calls.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Labels, as far as known.
    pub labels: Option<&'a Labels>,
}

/// Everything that holds for calls to a backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EffectiveBackend {
    /// Objects that say so; empty: none does.
    pub ids: Vec<RuleId>,
    /// The subset that is called; nothing: none is, or it is not defined.
    pub subset: Option<Arc<Subset>>,
    /// Whether the objects are for certain callers alone (`workloadSelector`).
    pub is_chosen: bool,
    /// Balancing; nothing: the default.
    pub balancer: Option<Arc<LoadBalancer>>,
    /// Limits; nothing: none.
    pub pool: Option<Arc<ConnectionPool>>,
    /// Ejection; nothing: none.
    pub outlier: Option<Arc<OutlierDetection>>,
    /// TLS; nothing: mutual TLS where the endpoint speaks it.
    pub tls: Option<Arc<ClientTls>>,
    /// Through a CONNECT or POST proxy.
    pub tunnel: Option<TunnelSettings>,
    /// PROXY protocol towards the endpoints.
    pub proxy_protocol: Option<ProxyProtocolVersion>,
    /// Limit of retries by share, beside that of `pool`.
    pub retry_budget: Option<RetryBudget>,
    /// What keeps a client's requests at one endpoint.
    pub session: Option<Arc<SessionAffinity>>,
    /// How endpoints are asked whether they are well; nothing: they are not.
    pub health_checks: Option<Arc<HealthChecks>>,
    /// When a request is sent to one more endpoint; nothing: never.
    pub hedging: Option<Arc<Hedging>>,
}

// === impl EffectiveBackend ===

impl EffectiveBackend {
    /// Whether anybody notices that endpoints fail.
    pub fn failures(&self) -> Failures {
        if self.outlier.is_some() || self.health_checks.is_some() { Failures::Noticed } else { Failures::Unnoticed }
    }
}

/// Everything that holds for calls of `client` to `backend`, whose port is known. What a `TrafficPolicy` says of the
/// callee comes before what rules say, but for limits, all of which hold.
pub fn settings(program: &Program, client: Client<'_>, callee: &Callee, backend: &BackendRef) -> EffectiveBackend {
    let defaults = &program.traffic().defaults;
    let mut effective = match policy(program, client, &backend.host, callee.namespace()) {
        None => EffectiveBackend::default(),
        Some(policy) => {
            let subset =
                backend.subset.as_ref().and_then(|name| policy.subsets.iter().find(|subset| subset.name == *name));
            let port = backend.port.unwrap_or_default();
            let general = of_port(&policy.policy, port);
            let own = subset.map_or_else(|| general.clone(), |subset| inherited(general, &subset.policy, port));
            let special = subset.map(|subset| &subset.policy);
            EffectiveBackend {
                ids: policy.ids.clone(),
                subset: subset.map(|subset| Arc::new(subset.clone())),
                is_chosen: policy.client.is_some(),
                balancer: own.balancer,
                pool: own.pool,
                outlier: own.outlier,
                tls: own.tls,
                tunnel: special.and_then(|own| own.tunnel.clone()).or_else(|| policy.policy.tunnel.clone()),
                proxy_protocol: special.and_then(|own| own.proxy_protocol).or(policy.policy.proxy_protocol),
                retry_budget: special.and_then(|own| own.retry_budget).or(policy.policy.retry_budget),
                session: None,
                health_checks: None,
                hedging: None,
            }
        }
    };
    if matches!(callee, Callee::Entry(entry) if is_undeclared(entry)) {
        effective.tls = effective.tls.or_else(|| defaults.outbound_tls.clone());
    }
    effective.pool = effective.pool.or_else(|| defaults.pool.clone());
    effective.outlier = effective.outlier.or_else(|| defaults.outlier.clone());
    let port = backend.port.unwrap_or_default();
    if let Some((id, budget)) = retry_budget(program, callee, port) {
        effective.retry_budget = Some(budget);
        effective.ids.push(id);
    } else if effective.retry_budget.is_some()
        && let Some(pool) = effective.pool.as_ref().filter(|pool| pool.max_retries.is_some())
    {
        // Of one and the same rules, as Envoy has it. What the callee's own namespace allows is a limit beside theirs.
        effective.pool = Some(Arc::new(ConnectionPool { max_retries: None, ..(**pool).clone() }));
    }
    if let Some(hedging) = hedging(program, callee, port) {
        effective.hedging = Some(hedging.clone());
        effective.ids.push(hedging.id.clone());
        // What is sent twice has a bound, whether anybody has thought of one or not.
        let is_bounded =
            effective.retry_budget.is_some() || effective.pool.as_ref().is_some_and(|pool| pool.max_retries.is_some());
        if !is_bounded {
            effective.retry_budget = Some(USUAL_BUDGET);
        }
    }
    if let Some(session) = session(program, callee, port) {
        effective.session = Some(session.clone());
        effective.ids.push(session.id.clone());
    }
    if let Some(balancing) = balancing(program, callee, port) {
        let algorithm = Algorithm::PeakEwma(balancing.peak_ewma);
        let written = effective.balancer.as_deref().cloned().unwrap_or_default();
        effective.balancer = Some(Arc::new(LoadBalancer { algorithm, ..written }));
        effective.ids.push(balancing.id.clone());
    }
    if let Some(checks) = health_checks(program, callee, backend.port.unwrap_or_default()) {
        effective.health_checks = Some(checks.clone());
        effective.ids.push(checks.id.clone());
    }
    effective
}

/// How the service's or the declared host's own namespace has endpoints of a port picked, whatever its callers say.
pub(crate) fn balancing<'p>(program: &'p Program, callee: &Callee, port: u16) -> Option<&'p Balancing> {
    attached::acting_for(program, callee, port, |policy| policy.balancing.is_some())?.balancing.as_ref()
}

/// When a request is sent to one more endpoint of the service or the declared host.
pub(crate) fn hedging<'p>(program: &'p Program, callee: &Callee, port: u16) -> Option<&'p Arc<Hedging>> {
    attached::acting_for(program, callee, port, |policy| policy.hedging.is_some())?.hedging.as_ref()
}

/// What keeps a client's requests at one endpoint of the service or the declared host.
pub fn session<'p>(program: &'p Program, callee: &Callee, port: u16) -> Option<&'p Arc<SessionAffinity>> {
    attached::acting_for(program, callee, port, |policy| policy.session_affinity.is_some())?.session_affinity.as_ref()
}

/// The share of retries that the service's or the declared host's own namespace allows its callers.
fn retry_budget(program: &Program, callee: &Callee, port: u16) -> Option<(RuleId, RetryBudget)> {
    let policy = attached::acting_for(program, callee, port, |policy| policy.retry_budget.is_some())?;
    Some((policy.id.clone(), policy.retry_budget?))
}

/// How the service's or the declared host's own namespace has endpoints of a port checked.
///
/// Where callers choose the endpoints themselves, by an address or by a name that stands for nothing declared, there are
/// none to be checked: nobody makes a proxy knock at whatever it likes.
pub fn health_checks<'p>(program: &'p Program, callee: &Callee, port: u16) -> Option<&'p Arc<HealthChecks>> {
    if let Callee::Entry(entry) = callee
        && matches!(entry.resolution, Resolution::Passthrough | Resolution::DynamicDns)
    {
        return None;
    }
    attached::acting_for(program, callee, port, |policy| policy.health_checks.is_some())?.health_checks.as_ref()
}

/// The blocks of a port: its own ones replace the general ones as a whole.
fn of_port(settings: &BackendSettings, port: u16) -> &PortSettings {
    settings.ports.get(&port).unwrap_or(&settings.general)
}

/// A subset's blocks over those of the host; its blocks for a port replace them all.
fn inherited(general: &PortSettings, subset: &BackendSettings, port: u16) -> PortSettings {
    if let Some(own) = subset.ports.get(&port) {
        return own.clone();
    }
    let own = &subset.general;
    PortSettings {
        balancer: own.balancer.clone().or_else(|| general.balancer.clone()),
        pool: own.pool.clone().or_else(|| general.pool.clone()),
        outlier: own.outlier.clone().or_else(|| general.outlier.clone()),
        tls: own.tls.clone().or_else(|| general.tls.clone()),
    }
}

/// The rules for calling `host`: the first namespace that has any wins as a whole: the client's, the
/// service's, the root.
pub fn policy<'p>(program: &'p Program, client: Client<'_>, host: &str, service: &str) -> Option<&'p BackendPolicy> {
    let root = &*program.mesh().root_namespace;
    let exported = |policy: &BackendPolicy| policy.visibility.includes(client.namespace);
    let private = |policy: &BackendPolicy| match &policy.visibility {
        Visibility::Namespaces(namespaces) => namespaces.len() == 1 && namespaces.contains(root),
        _ => false,
    };
    let own = if client.namespace == root {
        best(program, client, client.namespace, host, &private)
    } else {
        best(program, client, client.namespace, host, &|_| true)
    };
    own.or_else(|| best(program, client, service, host, &exported))
        .or_else(|| best(program, client, root, host, &exported))
}

/// The most specific rules of a namespace; rules for certain callers beat those for all, at home.
fn best<'p>(
    program: &'p Program,
    client: Client<'_>,
    namespace: &str,
    host: &str,
    seen: &dyn Fn(&BackendPolicy) -> bool,
) -> Option<&'p BackendPolicy> {
    let acts = |policy: &&BackendPolicy| {
        let chosen = match &policy.client {
            None => true,
            Some(selector) => {
                *policy.namespace == *client.namespace && client.labels.is_some_and(|labels| selector.matches(labels))
            }
        };
        chosen && seen(policy)
    };
    crate::call::patterns(host).find_map(|pattern| {
        let policies = program.traffic().backends.get(&(namespace.into(), text(&pattern)))?;
        policies.iter().filter(acts).min_by_key(|policy| (policy.client.is_none(), policy.created))
    })
}

fn text(pattern: &HostPattern) -> Arc<str> {
    pattern.to_string().into()
}

#[cfg(test)]
mod tests;
