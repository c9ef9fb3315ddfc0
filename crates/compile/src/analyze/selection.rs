//! Selectors that hit nobody, and objects that claim the same workloads.

mod claims;

use std::collections::{HashMap, HashSet};

use ripstop_api::{Kind, Object, Spec, finding::Code, istio::AuthorizationPolicy, nearest};
use ripstop_model::DataplaneMode;

use super::{
    Mesh,
    members::{Member, Members, Wanted},
};
use crate::{
    Declared,
    declare::of_kind,
    finding::{Findings, NOT_FOUND, error, warning},
};

/// Codes of these rules.
pub(crate) const CODES: &[Code] =
    &[SIDECARS_OVERLAP, SEVERAL_SIDECARS, NO_WORKLOAD, NO_PEER, TELEMETRIES_OVERLAP, SIDECAR_ON_AMBIENT];

const NO_WORKLOAD: Code = warning("IST0127", "an AuthorizationPolicy applies to no workload of the mesh");
const NO_PEER: Code = warning("RS239", "a PeerAuthentication applies to no workload of the mesh");
const SIDECARS_OVERLAP: Code = error("IST0110", "several Sidecars select the same workload: only the oldest acts");
const SEVERAL_SIDECARS: Code =
    error("IST0111", "several Sidecars without selector in one namespace: only the oldest acts");
const TELEMETRIES_OVERLAP: Code =
    error("IST0159", "several Telemetries select the same workload: only the oldest acts");
const SIDECAR_ON_AMBIENT: Code = warning("IST0167", "a Sidecar is for ambient workloads, where Istio ignores it");

/// An object that selects workloads of its namespace; without labels it takes all of them.
struct Selecting<'a> {
    declared: &'a Declared,
    wanted: &'a Wanted,
    /// Path of the selector.
    path: &'static str,
}

/// Policies, Sidecars, Telemetries.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let members = Members::of(mesh);
    policies(mesh, &members, findings);
    let none = Wanted::new();
    let sidecars: Vec<_> = of_kind(mesh.objects, Kind::Sidecar)
        .filter_map(|declared| {
            let Spec::Sidecar(written) = &declared.object.spec else { return None };
            let wanted = written.workload_selector.as_ref().map_or(&none, |selector| &selector.labels.0);
            Some(Selecting { declared, wanted, path: "spec.workloadSelector" })
        })
        .collect();
    let telemetries: Vec<_> = of_kind(mesh.objects, Kind::Telemetry)
        .filter_map(|declared| {
            let Spec::Telemetry(written) = &declared.object.spec else { return None };
            let attached = written.target_ref.is_some() || !written.target_refs.is_empty();
            let wanted = written.selector.as_ref().map_or(&none, |selector| &selector.match_labels.0);
            (!attached).then_some(Selecting { declared, wanted, path: "spec.selector" })
        })
        .collect();
    for selecting in sidecars.iter().chain(&telemetries) {
        selects_nobody(selecting, &members, findings);
    }
    for sidecar in &sidecars {
        ambient(mesh, sidecar, &members, findings);
    }
    claims::overlaps(&sidecars, &members, SIDECARS_OVERLAP, findings);
    claims::overlaps(&telemetries, &members, TELEMETRIES_OVERLAP, findings);
    claims::sidecars_of_namespaces(&sidecars, findings);
    claims::telemetries_of_namespaces(&telemetries, findings);
}

fn policies(mesh: &Mesh<'_>, members: &Members<'_>, findings: &mut Findings) {
    let none = Wanted::new();
    let mut known: HashMap<(bool, Option<&str>, &Wanted), bool> = HashMap::new();
    let mut namespaces = Namespaces::of(mesh, members);
    let kinds = [Kind::AuthorizationPolicy, Kind::PeerAuthentication];
    for declared in kinds.into_iter().flat_map(|kind| of_kind(mesh.objects, kind)) {
        let object = &*declared.object;
        let (wanted, attached, code) = match &object.spec {
            Spec::AuthorizationPolicy(written) => {
                namespaces.check(object, written, findings);
                let wanted = written.selector.as_ref().map_or(&none, |selector| &selector.match_labels.0);
                (wanted, written.target_ref.is_some() || !written.target_refs.is_empty(), NO_WORKLOAD)
            }
            Spec::PeerAuthentication(written) => (&written.selector, false, NO_PEER),
            _ => continue,
        };
        let root = *object.id.namespace == *mesh.output.mesh.root_namespace;
        // Of a PeerAuthentication that selects in the root namespace another rule tells.
        if attached || root && (wanted.is_empty() || object.id.kind == Kind::PeerAuthentication) {
            continue;
        }
        let namespace = (!root).then_some(object.id.namespace.as_str());
        let selected = || members.selected(namespace, wanted).map(|index| members.get(index));
        // A gateway is judged by its policies, and how it is called is not for PeerAuthentications to say.
        let judges = object.id.kind == Kind::AuthorizationPolicy;
        let acts = |member: &Member<'_>| member.is_enrolled() || judges && member.is_gateway();
        if *known.entry((judges, namespace, wanted)).or_insert_with(|| selected().any(acts)) {
            continue;
        }
        let (path, hint) = if wanted.is_empty() {
            ("", "enrol the namespace, or remove the policy")
        } else {
            ("spec.selector", "compare it with the workloads' labels")
        };
        let (message, hint) = match selected().next() {
            Some(outside) => {
                let message = format!("it applies to no workload of the mesh: {outside} and its like are not enrolled");
                (message, "enrol them, or their namespace")
            }
            None if wanted.is_empty() => ("there is no workload in its namespace".to_owned(), hint),
            None => ("its selector matches no workload".to_owned(), hint),
        };
        findings.add(code, object, path, message, hint);
    }
}

/// Namespaces that exist.
struct Namespaces<'a> {
    names: HashSet<&'a str>,
    patterns: HashMap<String, bool>,
}

// === impl Namespaces ===

impl<'a> Namespaces<'a> {
    /// Declared ones, and those of objects and workloads.
    fn of(mesh: &Mesh<'a>, members: &Members<'a>) -> Self {
        let mut names: HashSet<&str> = members.namespaces().collect();
        for id in mesh.objects.keys() {
            names.insert(if id.kind == Kind::Namespace { &id.name } else { &id.namespace });
        }
        Self { names, patterns: HashMap::new() }
    }

    /// Namespaces that a policy names and that there are not.
    fn check(&mut self, object: &Object, written: &AuthorizationPolicy, findings: &mut Findings) {
        for (rule, from) in
            written.rules.iter().enumerate().flat_map(|(index, rule)| {
                rule.from.iter().enumerate().map(move |(from, source)| ((index, from), source))
            })
        {
            let Some(source) = &from.source else { continue };
            let lists = [("namespaces", &source.namespaces), ("notNamespaces", &source.not_namespaces)];
            for (field, names) in lists {
                for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
                    if !self.has(name) {
                        let path = format!("spec.rules[{}].from[{}].source.{field}[{index}]", rule.0, rule.1);
                        let message = format!("there is no namespace {name:?}");
                        let near =
                            nearest(name, self.names.iter().copied()).map(|near| format!("did you mean {near:?}?"));
                        let hint = near.as_deref().unwrap_or("is it misspelt, or still to come?");
                        findings.add(NOT_FOUND, object, &path, message, hint);
                    }
                }
            }
        }
    }

    fn has(&mut self, name: &str) -> bool {
        if !name.contains('*') {
            return self.names.contains(name);
        }
        if let Some(known) = self.patterns.get(name) {
            return *known;
        }
        let known = self.names.iter().any(|namespace| !namespace.is_empty() && matches(name, namespace));
        self.patterns.insert(name.to_owned(), known);
        known
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let Some((middle, end)) = rest.rsplit_once('*') else { return text.ends_with(rest) };
    for part in middle.split('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(end)
}

fn selects_nobody(selecting: &Selecting<'_>, members: &Members<'_>, findings: &mut Findings) {
    let Selecting { declared: Declared { object, .. }, wanted, path } = selecting;
    if !wanted.is_empty() && members.selected(Some(&object.id.namespace), wanted).next().is_none() {
        let message = format!("no workload of namespace {} has these labels", object.id.namespace);
        findings.add(NOT_FOUND, object, path, message, "compare them with the workloads' labels");
    }
}

fn ambient(mesh: &Mesh<'_>, sidecar: &Selecting<'_>, members: &Members<'_>, findings: &mut Findings) {
    let Selecting { declared: Declared { object, .. }, wanted, path } = sidecar;
    let namespace = object.id.namespace.as_str();
    let hint = "callers in Istio's ambient mode know everything that is exported to them";
    if wanted.is_empty() {
        let labels = mesh.declarations.namespace(namespace).map(|meta| &meta.labels);
        if labels.and_then(|labels| labels.get("istio.io/dataplane-mode")).is_some_and(|mode| mode == "ambient") {
            let message = format!("namespace {namespace} is ambient, and Istio ignores Sidecars there");
            findings.add(SIDECAR_ON_AMBIENT, object, "", message, hint);
        }
        return;
    }
    let mut selected = members.selected(Some(namespace), wanted).map(|index| members.get(index));
    if let Some(member) = selected.find(|member| member.mode == DataplaneMode::Node) {
        let message = format!("{member} is ambient, and Istio ignores Sidecars there");
        findings.add(SIDECAR_ON_AMBIENT, object, path, message, hint);
    }
}

#[cfg(test)]
mod tests;
