//! Identities that policies name, and that nobody has.

use std::collections::{BTreeMap, BTreeSet};

use ripstop_api::{
    Kind, Object, Spec,
    finding::Code,
    istio::{AuthorizationPolicy, AuthorizationSource},
    nearest,
};
use ripstop_model::TrustDomain;

use super::Mesh;
use crate::{
    declare::of_kind,
    finding::{Findings, warning},
};

/// Codes of this rule.
pub(crate) const CODES: &[Code] = &[NOBODY];

const NOBODY: Code = warning("RS256", "an AuthorizationPolicy names an identity that nobody has");

/// Domain that means the mesh's own, whatever its name is.
const LOCAL: &str = "cluster.local";

/// Identities that policies name exactly.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let mut accounts: Option<Accounts<'_>> = None;
    for declared in of_kind(mesh.objects, Kind::AuthorizationPolicy) {
        let object = &*declared.object;
        let Spec::AuthorizationPolicy(written) = &object.spec else { continue };
        for Named { path, text, field } in named(written) {
            let Some(wanted) = account(mesh, object, text, field) else { continue };
            let accounts = accounts.get_or_insert_with(|| Accounts::of(mesh));
            if accounts.has(wanted) {
                continue;
            }
            let (namespace, name) = wanted;
            let message = format!("nobody has the service account {name:?} of namespace {namespace:?}");
            let near = accounts.nearest(wanted).map(|(namespace, name)| {
                // As it is written here.
                let near = match (field, text.split_once('/')) {
                    (Field::Principal, Some((domain, _))) => format!("{domain}/ns/{namespace}/sa/{name}"),
                    (Field::Account, None) if namespace == object.id.namespace => name.to_owned(),
                    _ => format!("{namespace}/{name}"),
                };
                format!("did you mean {near:?}?")
            });
            let hint = near.as_deref().unwrap_or("is it misspelt, or still to come? A ServiceAccount declares it");
            findings.add(NOBODY, object, &path, message, hint);
        }
    }
}

/// What is written of an identity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    /// `DOMAIN/ns/NAMESPACE/sa/NAME`.
    Principal,
    /// `[NAMESPACE/]NAME`.
    Account,
}

/// An identity as it stands in a policy.
struct Named<'a> {
    path: String,
    text: &'a str,
    field: Field,
}

fn named(written: &AuthorizationPolicy) -> Vec<Named<'_>> {
    let mut named = Vec::new();
    for (index, rule) in written.rules.iter().enumerate() {
        for (place, from) in rule.from.iter().enumerate() {
            if let Some(source) = &from.source {
                of_source(source, &format!("spec.rules[{index}].from[{place}].source"), &mut named);
            }
        }
        for (place, when) in rule.when.iter().enumerate() {
            let field = match when.key.as_str() {
                "source.principal" => Field::Principal,
                "source.serviceAccount" => Field::Account,
                _ => continue,
            };
            let base = format!("spec.rules[{index}].when[{place}]");
            add(&format!("{base}.values"), &when.values, field, &mut named);
            add(&format!("{base}.notValues"), &when.not_values, field, &mut named);
        }
    }
    named
}

fn of_source<'a>(source: &'a AuthorizationSource, base: &str, named: &mut Vec<Named<'a>>) {
    add(&format!("{base}.principals"), &source.principals, Field::Principal, named);
    add(&format!("{base}.notPrincipals"), &source.not_principals, Field::Principal, named);
    add(&format!("{base}.serviceAccounts"), &source.service_accounts, Field::Account, named);
    add(&format!("{base}.notServiceAccounts"), &source.not_service_accounts, Field::Account, named);
}

fn add<'a>(base: &str, values: &'a [String], field: Field, named: &mut Vec<Named<'a>>) {
    let values = values.iter().enumerate();
    named.extend(values.map(|(index, text)| Named { path: format!("{base}[{index}]"), text, field }));
}

/// Namespace and name of an identity of the mesh that is named exactly.
fn account<'a>(mesh: &Mesh<'_>, object: &'a Object, text: &'a str, field: Field) -> Option<(&'a str, &'a str)> {
    if text.contains('*') || text.is_empty() {
        return None;
    }
    match field {
        Field::Principal => {
            let parts: Vec<&str> = text.split('/').collect();
            let [domain, "ns", namespace, "sa", name] = parts[..] else { return None };
            let config = &mesh.output.mesh;
            let mut own = std::iter::once(&config.trust_domain).chain(&config.trust_domain_aliases);
            let is_own = domain == LOCAL || own.any(|own| TrustDomain::as_str(own) == domain);
            is_own.then_some((namespace, name))
        }
        Field::Account => Some(text.split_once('/').unwrap_or((&object.id.namespace, text))),
    }
}

/// Service accounts that are declared, or that somebody has.
struct Accounts<'a> {
    by_namespace: BTreeMap<&'a str, BTreeSet<&'a str>>,
    by_name: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

// === impl Accounts ===

impl<'a> Accounts<'a> {
    fn of(mesh: &Mesh<'a>) -> Self {
        let mut all = Self { by_namespace: BTreeMap::new(), by_name: BTreeMap::new() };
        let (namespace, name) = crate::gateway::DEFAULT_ACCOUNT;
        all.add(namespace, name);
        for (id, declared) in mesh.objects {
            let namespace = id.namespace.as_str();
            match &declared.object.spec {
                Spec::ServiceAccount => all.add(namespace, &id.name),
                Spec::Process(process) => all.add(namespace, &process.service_account),
                Spec::WorkloadEntry(entry) => all.add(namespace, &entry.service_account),
                Spec::WorkloadGroup(group) => all.add(namespace, &group.template.service_account),
                Spec::ServiceEntry(entry) => {
                    entry.endpoints.iter().for_each(|endpoint| all.add(namespace, &endpoint.service_account));
                }
                _ => {}
            }
        }
        for workload in mesh.output.workloads.values() {
            all.add(&workload.namespace, &workload.service_account);
        }
        all
    }

    fn add(&mut self, namespace: &'a str, name: &'a str) {
        if !name.is_empty() {
            self.by_namespace.entry(namespace).or_default().insert(name);
            self.by_name.entry(name).or_default().insert(namespace);
        }
    }

    fn has(&self, (namespace, name): (&str, &str)) -> bool {
        self.by_namespace.get(namespace).is_some_and(|names| names.contains(name))
    }

    /// One of the same namespace with nearly that name, else one of that name in another namespace.
    fn nearest<'s>(&'s self, (namespace, name): (&'s str, &'s str)) -> Option<(&'s str, &'s str)> {
        let beside = self.by_namespace.get(namespace).and_then(|names| nearest(name, names.iter().copied()));
        if let Some(near) = beside {
            return Some((namespace, near));
        }
        let elsewhere = self.by_name.get(name)?;
        let near = nearest(namespace, elsewhere.iter().copied());
        // Of one that is there alone, nothing else can be meant.
        let only = || elsewhere.first().copied().filter(|_| elsewhere.len() == 1 && name != "default");
        Some((near.or_else(only)?, name))
    }
}

#[cfg(test)]
mod tests;
