//! Objects that shape traffic, from their dialect to the model.

mod adaptive_concurrency;
pub(crate) mod authorization;
pub(crate) mod backend;
pub(crate) mod connection;
pub(crate) mod delegate;
pub(crate) mod edge;
mod global_rate_limit;
mod health_check;
mod hedging;
pub(crate) mod http;
pub(crate) mod jwt;
pub(crate) mod observe;
pub(crate) mod policy;
pub(crate) mod process_proxy;
pub(crate) mod route;
pub(crate) mod scope;
pub(crate) mod visibility;

use std::{collections::BTreeSet, sync::Arc};

use ripstop_api::{Object, istio};
use ripstop_model::{HostPattern, PolicyTarget, RuleId, Selector, TargetKind, TargetRef, Visibility};

use crate::{Declared, declare::labels};

/// What names mean for objects of one mesh.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Naming {
    /// `svc.cluster.local`.
    pub(crate) service_domain: Arc<str>,
    /// What is meant where `exportTo` is empty, for services, routes and backends.
    pub(crate) exports: [Vec<String>; 3],
}

/// Kinds with an `exportTo` of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Exported {
    Services,
    Routes,
    Backends,
}

// === impl Naming ===

impl Naming {
    /// A host as an object of `namespace` means it: a name without dot is a service of that namespace.
    pub(crate) fn host(&self, host: &str, namespace: &str) -> HostPattern {
        HostPattern::new(&self.name(host, namespace))
    }

    /// The same for a host that is no wildcard.
    pub(crate) fn name(&self, host: &str, namespace: &str) -> String {
        let short = !host.contains(['.', '*', ':']);
        let name = if short { format!("{host}.{namespace}.{}", self.service_domain) } else { host.to_owned() };
        name.trim_end_matches('.').to_ascii_lowercase()
    }

    /// Who sees an object.
    pub(crate) fn visibility(&self, written: &[String], namespace: &str, kind: Exported) -> Visibility {
        let default = &self.exports[kind as usize];
        let written = if written.is_empty() { default } else { written };
        if written.is_empty() || written.iter().any(|export| export == "*") {
            return Visibility::Everybody;
        }
        if written.iter().any(|export| export == "~") {
            return Visibility::Nobody;
        }
        let own = |export: &String| if export == "." { namespace.into() } else { export.as_str().into() };
        Visibility::Namespaces(written.iter().map(own).collect::<BTreeSet<Arc<str>>>())
    }
}

impl Default for Naming {
    fn default() -> Self {
        Self { service_domain: "svc.cluster.local".into(), exports: Default::default() }
    }
}

/// The id of an object.
pub(crate) fn object_id(declared: &Declared) -> RuleId {
    RuleId(format!("{}/{}", declared.object.id, declared.generation).into())
}

/// The id of what stands at `path` inside an object.
pub(crate) fn rule_id(declared: &Declared, path: &str) -> RuleId {
    RuleId(format!("{}/{}/{path}", declared.object.id, declared.generation).into())
}

/// What a policy applies to.
pub(crate) fn target(
    selector: Option<&istio::WorkloadSelector>,
    reference: Option<&istio::TargetRef>,
    references: &[istio::TargetRef],
) -> PolicyTarget {
    let attached: Vec<TargetRef> = reference.into_iter().chain(references).filter_map(target_ref).collect();
    if attached.is_empty() && reference.is_none() && references.is_empty() {
        PolicyTarget::Workloads(selector.map(workloads).unwrap_or_default())
    } else {
        PolicyTarget::Attached(attached)
    }
}

fn target_ref(written: &istio::TargetRef) -> Option<TargetRef> {
    let kind = match written.kind.as_str() {
        "Service" => TargetKind::Service,
        "ServiceEntry" => TargetKind::Entry,
        "Gateway" => TargetKind::Gateway,
        "GatewayClass" => TargetKind::GatewayClass,
        _ => return None,
    };
    Some(TargetRef { kind, name: written.name.as_str().into() })
}

pub(crate) fn workloads(written: &istio::WorkloadSelector) -> Selector {
    Selector(labels(&written.match_labels.0))
}

/// Namespace and name of an object.
pub(crate) fn named(object: &Object) -> (Arc<str>, Arc<str>) {
    crate::declare::name_of(object)
}

/// Texts as the model has them.
pub(crate) fn texts(written: &[String]) -> Vec<Arc<str>> {
    written.iter().map(|text| text.as_str().into()).collect()
}

/// A text; nothing if it is empty.
pub(crate) fn nonempty(written: &str) -> Option<Arc<str>> {
    (!written.is_empty()).then(|| written.into())
}
