//! Istio's annotations: known or not, at their place, of a legal value.

mod known;
mod value;

use ripstop_api::{Kind, Object, finding::Code};

use self::known::Annotation;
use super::Mesh;
use crate::{
    declare::of_kind,
    finding::{Findings, info, warning},
    traffic::{authorization::DRY_RUN, process_proxy},
};

/// Codes of these rules.
pub(crate) const CODES: &[Code] = &[MISPLACED, UNKNOWN, SEVERAL_LABELS, INVALID, DEPRECATED];

const MISPLACED: Code = warning("IST0107", "an annotation belongs to objects of another kind");
const UNKNOWN: Code = warning("IST0108", "Istio knows no such annotation");
const SEVERAL_LABELS: Code = warning("IST0123", "a Namespace has several labels that enrol");
const INVALID: Code = warning("IST0125", "the value of an annotation is not valid");
const DEPRECATED: Code = info("IST0135", "an annotation is deprecated");

/// Labels that enrol a namespace.
const ENROLLING: [&str; 3] = ["istio-injection", "istio.io/rev", "istio.io/dataplane-mode"];

/// Kinds with annotations of Istio's; a Process has those of a Pod.
const KINDS: [(Kind, &str); 6] = [
    (Kind::Namespace, "Namespace"),
    (Kind::Service, "Service"),
    (Kind::Process, "Process"),
    (Kind::AuthorizationPolicy, "AuthorizationPolicy"),
    (Kind::PeerAuthentication, "PeerAuthentication"),
    (Kind::RequestAuthentication, "RequestAuthentication"),
];

/// Annotations of namespaces, services and processes, policies on trial, labels of namespaces.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    for (kind, name) in KINDS {
        for declared in of_kind(mesh.objects, kind) {
            annotations(&declared.object, name, findings);
        }
    }
    for declared in of_kind(mesh.objects, Kind::Namespace) {
        labels(&declared.object, findings);
    }
}

fn annotations(object: &Object, kind: &str, findings: &mut Findings) {
    let policy =
        matches!(object.id.kind, Kind::AuthorizationPolicy | Kind::PeerAuthentication | Kind::RequestAuthentication);
    for (key, value) in &object.meta.annotations {
        if !is_istio(key) || policy && key != DRY_RUN {
            continue;
        }
        let path = format!("metadata.annotations.{key}");
        let Some(known) = known::annotation(key) else {
            let hint = if known::is_label(key) { "it is a label" } else { "is it misspelt?" };
            findings.add(UNKNOWN, object, &path, format!("there is no annotation {key}"), hint);
            continue;
        };
        one(object, kind, known, (&path, value), findings);
    }
}

/// One annotation that is known, at `path`.
fn one(object: &Object, kind: &str, known: &Annotation, (path, value): (&str, &str), findings: &mut Findings) {
    let Annotation { name, on, deprecated, check } = known;
    let label = *name == known::INJECT && object.meta.labels.contains_key(*name);
    if let (Some(instead), false) = (deprecated, label) {
        findings.add(DEPRECATED, object, path, format!("annotation {name} is deprecated"), instead);
    }
    if !on.contains(&known::ANY) && !on.contains(&kind) {
        let message = format!("annotation {name} belongs to {}, not to {kind}", on.join(" or "));
        findings.add(MISPLACED, object, path, message, "move it there, or remove it");
        return;
    }
    if *name == process_proxy::ANNOTATION {
        return settings(object, path, value, findings);
    }
    if let Some(Err(why)) = check.map(|check| check(value)) {
        findings.add(INVALID, object, path, format!("annotation {name}={value} is not valid: {why}"), "");
    }
}

/// What is wrong with settings of a proxy, each by itself.
fn settings(object: &Object, path: &str, text: &str, findings: &mut Findings) {
    for wrong in process_proxy::wrong(text) {
        let line = if text.lines().count() > 1 { format!("line {} of it: ", wrong.line) } else { String::new() };
        let field = if wrong.field.is_empty() { String::new() } else { format!("{}: ", wrong.field) };
        let message = format!("annotation {} is not valid: {line}{field}{}", process_proxy::ANNOTATION, wrong.message);
        findings.add(INVALID, object, path, message, &wrong.hint);
    }
}

/// Whether a key is in a domain of Istio's.
fn is_istio(key: &str) -> bool {
    let domain = key.split_once('/').map(|(domain, _)| domain);
    domain.and_then(|domain| domain.strip_suffix("istio.io")).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Several labels that enrol; `istio-injection` with another value than `enabled` settles it.
fn labels(object: &Object, findings: &mut Findings) {
    let labels = &object.meta.labels;
    let has: Vec<_> = ENROLLING.into_iter().filter(|label| labels.contains_key(*label)).collect();
    let settled = labels.get(ENROLLING[0]).is_some_and(|value| value != "enabled");
    if let ([_, .., last], false) = (&has[..], settled) {
        let path = format!("metadata.labels.{last}");
        let message = format!("the namespace is enrolled in several ways: {}", has.join(", "));
        findings.add(SEVERAL_LABELS, object, &path, message, "keep one of these labels");
    }
}

#[cfg(test)]
mod tests;
