//! Which JWTs a workload accepts, by `RequestAuthentication` (istio.md 2.3).

use std::sync::Arc;

use ripstop_model::{JwtRule, PolicyTarget, RequestAuthentication, Workload};

use crate::{Program, layer::in_namespace};

/// Rules for JWTs at a workload: those of all objects of the root namespace and its own that select it,
/// sorted by issuer. Those of one issuer stay in order of object, the root namespace's first.
///
/// What is attached to services or gateways is not for workloads, and not among them.
pub fn request_authentications<'p>(program: &'p Program, workload: &Workload) -> Vec<&'p JwtRule> {
    let objects = &program.traffic().request_authentications;
    let root = &program.mesh().root_namespace;
    let own = Some(&workload.namespace).filter(|own| *own != root);
    let namespaces: [Option<&Arc<str>>; 2] = [Some(root), own];
    let selects = |object: &&RequestAuthentication| match &object.target {
        PolicyTarget::Workloads(selector) => selector.matches(&workload.labels),
        PolicyTarget::Attached(_) => false,
    };
    let objects = namespaces.into_iter().flatten().flat_map(|namespace| in_namespace(objects, namespace));
    let mut rules: Vec<&JwtRule> = objects.filter(selects).flat_map(|object| &object.rules).collect();
    rules.sort_by(|a, b| a.issuer.cmp(&b.issuer));
    rules
}

#[cfg(test)]
mod tests;
