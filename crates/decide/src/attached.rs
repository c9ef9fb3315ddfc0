//! Which `TrafficPolicy` acts for what it is attached to.

use std::sync::Arc;

use imbl::{HashMap, ordmap::DiffItem};
use ripstop_model::{HttpRule, ObjectMap, ObjectName, TrafficPolicy, TrafficTarget, TrafficTargetKind};

use crate::{call::Callee, program::Program};

/// Policies by what they are attached to, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ByTarget {
    policies: HashMap<(TrafficTargetKind, ObjectName), Arc<[Arc<TrafficPolicy>]>>,
    /// How many things of them have routes; mostly none.
    routes: usize,
}

/// The policy that acts at a section of a thing with what it `has`, and by which of its targets: one for that section
/// comes before one for all of them, and of several the oldest acts.
pub(crate) fn acting<'p>(
    program: &'p Program,
    kind: TrafficTargetKind,
    name: &ObjectName,
    section: &str,
    has: impl Fn(&TrafficPolicy) -> bool,
) -> Option<(&'p Arc<TrafficPolicy>, &'p TrafficTarget)> {
    let policies = program.policies_of(kind, name)?;
    let with = |wanted: Option<&str>| {
        policies.iter().filter(|policy| has(policy)).find_map(|policy| {
            let is_meant = |target: &&TrafficTarget| {
                target.kind == kind && target.name == name.1 && target.section.as_deref() == wanted
            };
            Some((policy, policy.targets.iter().find(is_meant)?))
        })
    };
    with(Some(section)).or_else(|| with(None))
}

/// As [`acting`], for calls of a service or declared host by that port of it.
pub(crate) fn acting_for<'p>(
    program: &'p Program,
    callee: &Callee,
    port: u16,
    has: impl Fn(&TrafficPolicy) -> bool,
) -> Option<&'p Arc<TrafficPolicy>> {
    if program.traffic().policies.is_empty() {
        return None;
    }
    let (kind, name, section) = match callee {
        Callee::Service(service) => {
            let declared = service.ports.iter().find(|declared| declared.port == port);
            let name = (service.key.namespace.clone(), service.name.clone());
            (TrafficTargetKind::Service, name, declared.map_or("", |port| &*port.name))
        }
        Callee::Entry(entry) => {
            let declared = entry.ports.iter().find(|declared| declared.port == port);
            (TrafficTargetKind::Entry, entry.object.clone(), declared.map_or("", |port| &*port.name))
        }
        Callee::Workload(_) => return None,
    };
    acting(program, kind, &name, section, has).map(|(policy, _)| policy)
}

/// As [`acting`], for requests that take a route. Of a delegate's routes, what is attached to the delegate counts.
pub(crate) fn acting_for_route<'p>(
    program: &'p Program,
    rule: &HttpRule,
    has: impl Fn(&TrafficPolicy) -> bool,
) -> Option<(&'p Arc<TrafficPolicy>, &'p TrafficTarget)> {
    if !program.has_policies_of_routes() {
        return None;
    }
    // kind/namespace/name/generation/path
    let mut parts = rule.id.0.split('/').skip(1);
    let name = (parts.next()?.into(), parts.next()?.into());
    acting(program, TrafficTargetKind::Routes, &name, &rule.name, has)
}

// === impl ByTarget ===

impl ByTarget {
    /// Those of one thing.
    pub(crate) fn of(&self, kind: TrafficTargetKind, name: &ObjectName) -> Option<&[Arc<TrafficPolicy>]> {
        self.policies.get(&(kind, name.clone())).map(|policies| &**policies)
    }

    /// Whether any are of routes.
    pub(crate) fn has_routes(&self) -> bool {
        self.routes > 0
    }

    /// Takes over what changed from `old` to `new`.
    pub(crate) fn follow(&mut self, old: &ObjectMap<TrafficPolicy>, new: &ObjectMap<TrafficPolicy>) {
        for item in old.diff(new) {
            let (gone, come) = match item {
                DiffItem::Add(_, policy) => (None, Some(policy)),
                DiffItem::Update { old: (_, before), new: (_, policy) } => (Some(before), Some(policy)),
                DiffItem::Remove(_, policy) => (Some(policy), None),
            };
            if let Some(gone) = gone {
                self.change(gone, |policies| policies.retain(|other| other.name != gone.name));
            }
            if let Some(come) = come {
                self.change(come, |policies| {
                    if !policies.iter().any(|other| Arc::ptr_eq(other, come)) {
                        policies.push(come.clone());
                        policies.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
                    }
                });
            }
        }
    }

    /// Changes the policies of each thing that `policy` is attached to.
    fn change(&mut self, policy: &TrafficPolicy, change: impl Fn(&mut Vec<Arc<TrafficPolicy>>)) {
        for target in &policy.targets {
            let key = (target.kind, (policy.namespace.clone(), target.name.clone()));
            let mut policies = self.policies.get(&key).map(|policies| policies.to_vec()).unwrap_or_default();
            let was_there = !policies.is_empty();
            change(&mut policies);
            if target.kind == TrafficTargetKind::Routes {
                self.routes = self.routes + usize::from(!policies.is_empty()) - usize::from(was_there);
            }
            if policies.is_empty() {
                self.policies.remove(&key);
            } else {
                self.policies.insert(key, policies.into());
            }
        }
    }
}

#[cfg(test)]
mod tests;
