//! Policies that mean requests, and connections that carry none.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_api::{Kind, Object, Spec, finding::Code, ripstop::ProcessRole};
use ripstop_model::{
    Action, AppProtocol, Attribute, Authorization, AuthorizerProtocol, Condition, PolicyTarget, Selector, Sense,
};

use super::{
    Mesh,
    workloads::{Labelled, Workloads},
};
use crate::{
    Declared,
    declare::{id_of, name_of, of_kind},
    finding::{Findings, info, warning},
};

/// Codes of these rules.
pub(crate) const CODES: &[Code] = &[HTTP_ONLY, BY_IDENTITY];

const HTTP_ONLY: Code =
    warning("RS225", "an AuthorizationPolicy looks at requests, which connections without HTTP do not carry");
const BY_IDENTITY: Code =
    info("RS226", "a DENY by identity denies callers in plaintext too, whose identity nobody knows");

/// Policies that act on connections, not on trial.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let opaque = called_without_http(mesh);
    let all = Workloads::new(mesh);
    let (gateways, others): (Vec<&Labelled<'_>>, Vec<&Labelled<'_>>) = all.iter().partition(|one| one.gateway);
    let gateways: Workloads<'_> = gateways.into_iter().cloned().collect();
    let others: Workloads<'_> = others.into_iter().cloned().collect();
    for (name, policy) in &mesh.output.authorizations {
        let Some(declared) = mesh.objects.get(&id_of(Kind::AuthorizationPolicy, name)) else { continue };
        // Only these two can be tried.
        let on_trial = policy.dry_run && matches!(policy.action, Action::Allow | Action::Deny);
        if on_trial || matches!(policy.target, PolicyTarget::Attached(_)) {
            continue;
        }
        unasked(&declared.object, policy, findings);
        let namespace = &*declared.object.id.namespace;
        let everywhere = *namespace == *mesh.output.mesh.root_namespace;
        let PolicyTarget::Workloads(selector) = &policy.target else { continue };
        let within = (!everywhere).then_some(namespace);
        let is_at_gateways = gateways.hits(within, selector) && !others.hits(within, selector);
        let server_names = is_at_gateways || secured(mesh, within, selector);
        let requests = !opaque.hits(within, selector);
        let clients = is_at_gateways && announced(mesh, within, selector);
        http_only(&declared.object, policy, Sight { requests, server_names, clients }, findings);
        by_identity(&declared.object, policy, findings);
    }
}

/// What proxies see where a policy applies.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sight {
    /// Requests, as far as anybody declares; else, somewhere, no more than connections.
    requests: bool,
    /// The server names of TLS, as gateways do, and sidecars where TLS of others ends.
    server_names: bool,
    /// The clients of connections, as gateways do before which proxies stand that say whom they speak for.
    clients: bool,
}

/// Whether all workloads that `selector` hits have a sidecar that ends TLS of others at one of their listeners.
fn secured(mesh: &Mesh<'_>, within: Option<&str>, selector: &Selector) -> bool {
    mesh.output.traffic.scopes.values().any(|scope| {
        let is_hit = |(key, value): (&Arc<str>, &Arc<str>)| selector.0.get(key).is_some_and(|own| own == value);
        within == Some(&*scope.namespace)
            && scope.selector.0.iter().all(is_hit)
            && scope.ingress.iter().any(|listener| listener.tls.is_some())
    })
}

/// Whether all gateways that `selector` hits are told by the PROXY protocol whom connections are for.
fn announced(mesh: &Mesh<'_>, within: Option<&str>, selector: &Selector) -> bool {
    let traffic = &mesh.output.traffic;
    let default = traffic.defaults.topology.proxy_protocol;
    let is_hit = |declared: &&Declared| {
        let Object { id, meta, spec, .. } = &*declared.object;
        let is_gateway = matches!(spec, Spec::Process(process) if process.role == ProcessRole::Gateway);
        let label = |(key, value): (&Arc<str>, &Arc<str>)| meta.labels.get(&**key).is_some_and(|own| **own == **value);
        is_gateway && within.is_none_or(|within| id.namespace == within) && selector.0.iter().all(label)
    };
    let mut declared = of_kind(mesh.objects, Kind::Process).filter(is_hit).peekable();
    // The gateway that nobody declares goes by the mesh's default.
    (default || declared.peek().is_some())
        && declared.all(|declared| {
            let said = traffic.process_proxies.get(&name_of(&declared.object));
            said.map_or(default, |said| said.topology.proxy_protocol)
        })
}

/// Workloads that are called without HTTP, as some Service or ServiceEntry of theirs declares.
fn called_without_http<'a>(mesh: &Mesh<'a>) -> Workloads<'a> {
    let without_http = |protocol| matches!(protocol, AppProtocol::Tcp | AppProtocol::Tls);
    let services = mesh.output.services.values().filter_map(|service| {
        let is_opaque = service.ports.iter().any(|port| without_http(port.protocol));
        Some((&*service.key.namespace, service.selector.as_ref().filter(|_| is_opaque)?))
    });
    let entries = mesh.output.traffic.entries.values().flat_map(|hosts| &**hosts).filter_map(|entry| {
        let is_opaque = entry.ports.iter().any(|port| without_http(port.protocol));
        Some((&*entry.object.0, entry.selector.as_ref().filter(|_| is_opaque)?))
    });
    // Of many that select alike, one is looked up.
    let selecting: BTreeMap<_, _> =
        services.chain(entries).map(|(namespace, selector)| ((namespace, &selector.0), selector)).collect();
    let all = Workloads::new(mesh);
    let selected = selecting.iter().flat_map(|((namespace, _), selector)| all.selected_in(namespace, selector));
    selected.cloned().collect()
}

/// An authorizer that no proxy asks yet.
fn unasked(object: &Object, policy: &Authorization, findings: &mut Findings) {
    let Action::Custom(authorizer) = &policy.action else { return };
    let message = match authorizer.protocol {
        Some(AuthorizerProtocol::Http) => {
            "no authorizer is asked yet: live connections that match are refused until requests are read, unless every \
             service of the port declares TCP or TLS"
        }
        _ => "no authorizer is asked yet: live connections that match are refused until requests are read",
    };
    findings.add(HTTP_ONLY, object, "spec.action", message, "let its rules match only what may be refused");
}

/// Conditions that what is seen cannot meet.
fn http_only(object: &Object, policy: &Authorization, sight: Sight, findings: &mut Findings) {
    let consequence = match &policy.action {
        Action::Allow => "rules that use any match nothing, and what they would allow is denied",
        Action::Deny => "each counts as met, so that more is denied than is written",
        Action::Audit => "each counts as met, so that more is recorded than is written",
        Action::Custom(_) => "each counts as met, so that more is refused than is written",
    };
    let mut first = None;
    let mut names: Vec<String> = Vec::new();
    let is_out_of_sight = |attribute: &Attribute| {
        match attribute {
            Attribute::Sni => !sight.server_names,
            Attribute::RemoteIp => !sight.requests && !sight.clients,
            // What Envoy's filters say: no proxy looks at it.
            Attribute::Metadata(_) => true,
            _ => !sight.requests && attribute.is_http(),
        }
    };
    for (path, name, _) in conditions(policy).filter(|(.., condition)| is_out_of_sight(&condition.attribute)) {
        first.get_or_insert(path);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let Some(path) = first else { return };
    let message = format!("connections without HTTP do not tell {}: {consequence}", names.join(", "));
    let hint = "decide by principals, namespaces, serviceAccounts, ipBlocks and ports";
    findings.add(HTTP_ONLY, object, &path, message, hint);
}

/// Identities that are denied. `not…` denies all others anyway.
fn by_identity(object: &Object, policy: &Authorization, findings: &mut Findings) {
    if policy.action != Action::Deny {
        return;
    }
    let is_identity = |condition: &Condition| {
        use Attribute::{Namespace, Principal, ServiceAccount, TrustDomain};
        condition.sense == Sense::AnyOf
            && matches!(condition.attribute, Principal | Namespace | ServiceAccount | TrustDomain)
    };
    if let Some((path, ..)) = conditions(policy).find(|(.., condition)| is_identity(condition)) {
        let message = "a caller in plaintext has no identity, may be one of these, and is denied too";
        let hint = "enrol the callers that may come in";
        findings.add(BY_IDENTITY, object, &path, message, hint);
    }
}

/// Path, name and content of every condition.
fn conditions(policy: &Authorization) -> impl Iterator<Item = (String, String, &Condition)> {
    policy.rules.iter().enumerate().flat_map(|(index, rule)| {
        let all = rule.from.iter().flatten().chain(rule.to.iter().flatten()).chain(&rule.when);
        all.map(move |condition| {
            let path = format!("spec.rules[{index}].{}", condition.path);
            match (condition.path.starts_with("when["), path.rsplit_once('.')) {
                (false, Some((_, field))) => (path.clone(), field.to_owned(), condition),
                (true, Some((when, _))) => (format!("{when}.key"), condition.attribute.to_string(), condition),
                (_, None) => (path.clone(), condition.attribute.to_string(), condition),
            }
        })
    })
}

#[cfg(test)]
mod tests;
