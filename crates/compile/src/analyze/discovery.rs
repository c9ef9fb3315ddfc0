//! What the mesh does not look at, or hides.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ripstop_api::{Kind, Object, Spec, finding::Code};
use ripstop_model::Visibility;

use super::{Mesh, listed};
use crate::{
    declare::{id_of, name_of},
    finding::{Findings, info},
};

/// Codes of this rule.
pub(crate) const CODES: &[Code] = &[UNSEEN, HIDDEN];

const UNSEEN: Code =
    info("RS260", "no selector of discoverySelectors selects a namespace: what it declares does nothing");
const HIDDEN: Code = info("RS261", "serviceEntryVisibility hides a ServiceEntry");

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    unseen(mesh, findings);
    hidden(mesh, findings);
}

/// Each such namespace once: at its own object, else at the first of those that it declares.
fn unseen(mesh: &Mesh<'_>, findings: &mut Findings) {
    if mesh.declarations.settings.discovery.selectors.is_empty() {
        return;
    }
    let mut namespaces: BTreeMap<&str, (&Arc<Object>, BTreeSet<Kind>)> = BTreeMap::new();
    for (id, declared) in &mesh.output.all {
        let is_unseen = !id.namespace.is_empty() && !mesh.declarations.sees(&id.namespace);
        let protects = matches!(
            declared.object.id.kind,
            Kind::PeerAuthentication | Kind::AuthorizationPolicy | Kind::RequestAuthentication
        );
        let is_process = declared.object.id.kind == Kind::Process;
        if is_unseen && (is_process || protects || !mesh.objects.contains_key(id)) {
            let (_, kinds) = namespaces.entry(&id.namespace).or_insert_with(|| (&declared.object, BTreeSet::new()));
            kinds.insert(id.kind);
        }
    }
    for (namespace, (first, kinds)) in namespaces {
        let own = mesh.declarations.namespaces.get(namespace);
        let message = format!(
            "discoverySelectors do not select the namespace {namespace}: its workloads run outside of the mesh, and what it \
             declares does nothing for them ({})",
            listed(kinds)
        );
        let hint = "give the namespace labels that one of the selectors selects";
        findings.add(UNSEEN, own.unwrap_or(first), "", message, hint);
    }
}

/// Entries of which fewer know than they say themselves.
fn hidden(mesh: &Mesh<'_>, findings: &mut Findings) {
    let settings = &mesh.declarations.settings;
    if settings.entry_visibility.is_none() {
        return;
    }
    for (name, hosts) in &mesh.output.traffic.entries {
        let Some(declared) = mesh.objects.get(&id_of(Kind::ServiceEntry, name)) else { continue };
        let Spec::ServiceEntry(written) = &declared.object.spec else { continue };
        let (namespace, _) = name_of(&declared.object);
        let own = settings.naming.visibility(&written.export_to, &namespace, crate::traffic::Exported::Services);
        let Some(granted) = hosts.first().map(|entry| &entry.visibility).filter(|granted| **granted != own) else {
            continue;
        };
        let whom = if *granted == Visibility::Nobody { "nobody" } else { "its own namespace alone" };
        let message = format!("serviceEntryVisibility of the mesh shows it to {whom}, whatever its exportTo says");
        findings.add(HIDDEN, &declared.object, "", message, "");
    }
}

#[cfg(test)]
mod tests;
