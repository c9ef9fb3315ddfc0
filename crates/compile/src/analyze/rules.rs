//! Which DestinationRules act for a caller.

use std::collections::BTreeMap;

use ripstop_model::{BackendPolicy, Visibility};

use super::Mesh;

/// Rules by namespace and host.
pub(crate) struct Rules<'a> {
    groups: BTreeMap<(&'a str, &'a str), &'a [BackendPolicy]>,
    /// Namespaces with rules for a host.
    namespaces: BTreeMap<&'a str, Vec<&'a str>>,
    root: &'a str,
}

// === impl Rules ===

impl<'a> Rules<'a> {
    pub(crate) fn new(mesh: &Mesh<'a>) -> Self {
        let mut groups: BTreeMap<(&str, &str), &[BackendPolicy]> = BTreeMap::new();
        let mut namespaces: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for ((namespace, host), policies) in &mesh.output.traffic.backends {
            groups.insert((namespace, host), policies);
            namespaces.entry(host).or_default().push(namespace);
        }
        Self { groups, namespaces, root: &mesh.output.mesh.root_namespace }
    }

    /// Rules of one namespace for that very host or wildcard.
    pub(crate) fn of(&self, namespace: &str, host: &str) -> &'a [BackendPolicy] {
        self.groups.get(&(namespace, host)).copied().unwrap_or_default()
    }

    /// Hosts without wildcard that have rules, each with the namespaces of these.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&'a str, &[&'a str])> {
        self.namespaces.iter().map(|(host, namespaces)| (*host, namespaces.as_slice()))
    }

    /// The rules that act for callers of a namespace: those of the first namespace that has any, of the caller's, the
    /// service's, the root.
    pub(crate) fn acting(&self, caller: &str, host: &str, service: &str) -> Vec<&'a BackendPolicy> {
        let private = |policy: &BackendPolicy| match &policy.visibility {
            Visibility::Namespaces(namespaces) => namespaces.len() == 1 && namespaces.contains(self.root),
            _ => false,
        };
        let exported = |policy: &BackendPolicy| policy.visibility.includes(caller);
        let mut found = self.best(caller, host, &|policy| caller != self.root || private(policy));
        for namespace in [service, self.root] {
            if found.is_empty() {
                found = self.best(namespace, host, &exported);
            }
        }
        found
    }

    /// Whether some of these callers, or those that have a rule of their own if that counts, reach the subset.
    pub(crate) fn defines<'n>(
        &self,
        callers: impl IntoIterator<Item = &'n str>,
        host: &str,
        service: &str,
        subset: &str,
    ) -> bool {
        let defined = |policies: Vec<&BackendPolicy>| {
            policies.iter().any(|policy| policy.subsets.iter().any(|own| *own.name == *subset))
        };
        callers.into_iter().any(|caller| defined(self.acting(caller, host, service)))
    }

    /// Namespaces with rules for the host.
    pub(crate) fn namespaces(&self, host: &str) -> &[&'a str] {
        self.namespaces.get(host).map(Vec::as_slice).unwrap_or_default()
    }

    /// The most specific rules of a namespace.
    fn best(&self, namespace: &str, host: &str, seen: &dyn Fn(&BackendPolicy) -> bool) -> Vec<&'a BackendPolicy> {
        let suffixes = host.match_indices('.').map(|(at, _)| format!("*{}", &host[at..]));
        let candidates = std::iter::once(host.to_owned()).chain(suffixes).chain(["*".to_owned()]);
        for candidate in candidates {
            let found: Vec<_> = self.of(namespace, &candidate).iter().filter(|policy| seen(policy)).collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}
