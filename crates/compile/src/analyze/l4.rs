//! Policies that mean requests, and connections that carry none.

use std::collections::BTreeMap;

use ripstop_api::{Kind, Object, finding::Code};
use ripstop_model::{
    Action, AppProtocol, Attribute, Authorization, AuthorizerProtocol, Condition, PolicyTarget, Sense,
};

use super::{Mesh, workloads::Workloads};
use crate::{
    declare::id_of,
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
        let carries_http = match &policy.target {
            PolicyTarget::Workloads(selector) => !opaque.hits((!everywhere).then_some(namespace), selector),
            PolicyTarget::Attached(_) => true,
        };
        http_only(&declared.object, policy, if carries_http { Sight::Requests } else { Sight::Connections }, findings);
        by_identity(&declared.object, policy, findings);
    }
}

/// What proxies see where a policy applies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// Requests, as far as anybody declares.
    Requests,
    /// Somewhere, no more than connections.
    Connections,
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
        // Server names and what Envoy's filters say are of connections, but no proxy looks at them.
        let is_unknown = matches!(attribute, Attribute::Sni | Attribute::Metadata(_));
        is_unknown || sight == Sight::Connections && attribute.is_http()
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
