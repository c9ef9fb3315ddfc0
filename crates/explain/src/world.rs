//! A mesh that is asked.

use std::collections::BTreeMap;

use ripstop_api::{Kind, ObjectId};
use ripstop_compile::Objects;
use ripstop_decide::Program;
use ripstop_model::{RuleId, WorkloadUid};

use crate::answer::Reference;

/// A mesh: its rules ready for evaluation, and the objects they come from.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The mesh.
    pub program: Program,
    /// What it was compiled from, for the places of rules.
    pub objects: Objects,
    /// Whether it runs, so that live traffic meets something today.
    pub live: bool,
    /// Workloads that are captured and whose traffic nobody serves now, with the reason.
    pub unserved: BTreeMap<WorkloadUid, String>,
}

// === impl World ===

impl World {
    /// Where a rule stands.
    pub(crate) fn place(&self, rule: &RuleId) -> Reference {
        let (object, path) = split(rule);
        let position = object.and_then(|id| self.objects.get(&id)).map(|declared| declared.object.source.at(path));
        let position = position.unwrap_or_default();
        Reference { id: rule.to_string(), file: position.file, line: position.line }
    }

    /// The same for what stands at `path` inside of a rule.
    pub(crate) fn place_inside(&self, rule: &RuleId, path: &str) -> Reference {
        self.place(&RuleId(format!("{rule}{}{path}", if rule.0.matches('/').count() < 4 { "/" } else { "." }).into()))
    }
}

/// Object and path of `Kind/[namespace/]name/generation[/path]`.
fn split(rule: &RuleId) -> (Option<ObjectId>, &str) {
    let mut parts = rule.0.splitn(2, '/');
    let Some(kind) = parts.next().and_then(Kind::named) else { return (None, "") };
    let rest = parts.next().unwrap_or_default();
    let fields = if kind.is_namespaced() { 4 } else { 3 };
    let parts: Vec<&str> = rest.splitn(fields, '/').collect();
    let (namespace, name, path) = match (&parts[..], kind.is_namespaced()) {
        ([namespace, name, _, path @ ..], true) => (*namespace, *name, path.first().copied()),
        ([name, _, path @ ..], false) => ("", *name, path.first().copied()),
        _ => return (None, ""),
    };
    let id = ObjectId { kind, namespace: namespace.into(), name: name.into() };
    (Some(id), path.unwrap_or_default())
}
