//! Objects of one kind of which only the oldest acts, where several claim the same.

use std::collections::{BTreeMap, HashMap};

use ripstop_api::finding::Code;

use super::{SEVERAL_SIDECARS, Selecting};
use crate::{
    Declared,
    analyze::members::{Members, Wanted},
    finding::{Findings, SEVERAL_POLICIES},
};

/// Objects that select a workload that another one selects, too.
pub(super) fn overlaps(all: &[Selecting<'_>], members: &Members<'_>, code: Code, findings: &mut Findings) {
    // Those of the same selector claim the same: one look-up for all of them.
    let mut groups: BTreeMap<(&str, &Wanted), Vec<&Declared>> = BTreeMap::new();
    for selecting in all.iter().filter(|selecting| !selecting.wanted.is_empty()) {
        let namespace = selecting.declared.object.id.namespace.as_str();
        groups.entry((namespace, selecting.wanted)).or_default().push(selecting.declared);
    }
    let groups: Vec<_> = groups.into_iter().collect();
    let mut claims: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, ((namespace, wanted), _)) in groups.iter().enumerate() {
        for member in members.selected(Some(namespace), wanted) {
            claims.entry(member).or_default().push(index);
        }
    }
    for ((namespace, wanted), group) in &groups {
        let mut selected = members.selected(Some(namespace), wanted);
        let shared = selected.find(|member| group.len() > 1 || claims.get(member).is_some_and(|all| all.len() > 1));
        let Some(member) = shared else { continue };
        let rivals = claims.get(&member).into_iter().flatten().flat_map(|index| &groups[*index].1);
        let Some(acting) = rivals.min_by_key(|declared| age(declared)) else { continue };
        for declared in group {
            let member = members.get(member);
            let message = if declared.object.id == acting.object.id {
                format!("{member} is selected by others, too, which do not act there")
            } else {
                let why = if acting.created == declared.created { "is the first by name" } else { "is older" };
                format!("{member} is selected by {}, too, which {why} and acts alone there", acting.object.id)
            };
            let path = all[0].path;
            findings.add(code, &declared.object, path, message, "let each workload be selected by one");
        }
    }
}

/// Sidecars without selector beside others of their namespace.
pub(super) fn sidecars_of_namespaces(all: &[Selecting<'_>], findings: &mut Findings) {
    for group in unselective(all).into_values().filter(|group| group.len() > 1) {
        let Some(acting) = group.iter().min_by_key(|declared| age(declared)) else { continue };
        for declared in &group {
            let message = if declared.object.id == acting.object.id {
                "others without selector in its namespace do not act".to_owned()
            } else {
                no_effect(acting, declared)
            };
            findings.add(SEVERAL_SIDECARS, &declared.object, "", message, "merge them, or remove all but one");
        }
    }
}

/// Telemetries without selector that are not the oldest of their namespace.
pub(super) fn telemetries_of_namespaces(all: &[Selecting<'_>], findings: &mut Findings) {
    for group in unselective(all).into_values() {
        let Some(acting) = group.iter().min_by_key(|declared| age(declared)) else { continue };
        for declared in group.iter().filter(|declared| declared.object.id != acting.object.id) {
            let message = no_effect(acting, declared);
            findings.add(SEVERAL_POLICIES, &declared.object, "", message, "merge the two, or remove one");
        }
    }
}

/// Objects that were first seen together, as those of a directory when it is first read, have no age to tell.
fn no_effect(acting: &Declared, declared: &Declared) -> String {
    let why = if acting.created == declared.created { "the first by name" } else { "the oldest" };
    format!("{} is {why} without selector in its namespace; this one has no effect", acting.object.id)
}

fn unselective<'a>(all: &[Selecting<'a>]) -> BTreeMap<&'a str, Vec<&'a Declared>> {
    let mut groups: BTreeMap<&str, Vec<&Declared>> = BTreeMap::new();
    for selecting in all.iter().filter(|selecting| selecting.wanted.is_empty()) {
        groups.entry(&selecting.declared.object.id.namespace).or_default().push(selecting.declared);
    }
    groups
}

fn age(declared: &Declared) -> (u64, &str) {
    (declared.created, &declared.object.id.name)
}
