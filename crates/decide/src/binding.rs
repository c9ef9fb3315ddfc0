//! Which policies apply, and by what.

use std::sync::Arc;

use ripstop_model::{Authorization, PolicyTarget, TargetKind, TargetRef};

use crate::{
    InboundFacts,
    program::{Policy, Program},
};

/// How policies come to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// They select the workload by its labels.
    Selected,
    /// They are attached to what a waypoint stands in front of, or to the waypoint.
    Attached,
}

/// Policies of the root namespace, of that of the workload, and of that of what a waypoint stands in front of, which apply.
pub(crate) fn applicable<'p>(
    program: &'p Program,
    facts: &'p InboundFacts<'_>,
    binding: Binding,
) -> impl Iterator<Item = &'p Policy> {
    let (root, own) = (&*program.mesh().root_namespace, &*facts.destination.namespace);
    let served = facts.service.map(|service| &*service.namespace).filter(|_| binding == Binding::Attached);
    let served =
        served.filter(|served| ![root, own].contains(served)).map_or(&[][..], |served| program.policies(served));
    let own = if own == root { &[] } else { program.policies(own) };
    let applies = move |policy: &&Arc<Policy>| match (&policy.source.target, binding) {
        (PolicyTarget::Workloads(selector), Binding::Selected) => selector.matches(&facts.destination.labels),
        (PolicyTarget::Attached(references), Binding::Attached) => {
            references.iter().any(|reference| is_attached(program, facts, &policy.source, reference))
        }
        _ => false,
    };
    program.policies(root).iter().chain(own).chain(served).filter(applies).map(AsRef::as_ref)
}

/// Whether what a policy is attached to is what was called at a waypoint, the waypoint, or the class of waypoints.
fn is_attached(program: &Program, facts: &InboundFacts<'_>, policy: &Authorization, reference: &TargetRef) -> bool {
    let namespace = &*policy.namespace;
    match reference.kind {
        TargetKind::Service => facts.service.is_some_and(|service| {
            let rest = service.hostname.strip_prefix(&*reference.name).and_then(|rest| rest.strip_prefix('.'));
            let rest = rest.and_then(|rest| rest.strip_prefix(namespace)).and_then(|rest| rest.strip_prefix('.'));
            *service.namespace == *namespace && rest == Some(&*program.mesh().service_domain)
        }),
        TargetKind::Entry => facts.service.is_some_and(|service| {
            // Others may declare the same host; what was called is of one namespace.
            *service.namespace == *namespace && {
                let hosts = program.traffic().entries.get(&(policy.namespace.clone(), reference.name.clone()));
                hosts.is_some_and(|hosts| hosts.iter().any(|entry| entry.host.contains(&service.hostname)))
            }
        }),
        TargetKind::Gateway => {
            let name = facts.destination.labels.get(GATEWAY_NAME);
            *facts.destination.namespace == *namespace && name.is_some_and(|name| *name == reference.name)
        }
        TargetKind::GatewayClass => *namespace == *program.mesh().root_namespace && *reference.name == *WAYPOINT_CLASS,
    }
}

/// Label with the name of the gateway or waypoint that a workload is an instance of.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// The class of waypoints.
const WAYPOINT_CLASS: &str = "istio-waypoint";
