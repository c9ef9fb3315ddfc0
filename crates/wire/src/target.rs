//! What policies apply to: three fields that several resources have.

use std::collections::BTreeMap;

use ripstop_model::{PolicyTarget, Selector, TargetKind, TargetRef};

use crate::{
    DecodeError, field,
    place::Place,
    ripstop::{self, policy_target},
};

/// The fields `selector`, `attached` and `targets` of a message.
pub(crate) struct Target {
    pub(crate) selector: BTreeMap<String, String>,
    pub(crate) attached: bool,
    pub(crate) targets: Vec<ripstop::PolicyTarget>,
}

impl Target {
    pub(crate) fn of(target: &PolicyTarget) -> Self {
        match target {
            PolicyTarget::Workloads(selector) => {
                Self { selector: field::labels_to_wire(&selector.0), attached: false, targets: Vec::new() }
            }
            PolicyTarget::Attached(targets) => Self {
                selector: BTreeMap::new(),
                attached: true,
                targets: targets.iter().map(reference_to_wire).collect(),
            },
        }
    }

    /// `message` is where the fields are.
    pub(crate) fn into_model(self, message: &Place<'_>) -> Result<PolicyTarget, DecodeError> {
        let targets = message.field("targets").all(self.targets, reference_from_wire)?;
        Ok(if self.attached {
            PolicyTarget::Attached(targets)
        } else {
            PolicyTarget::Workloads(Selector(field::labels_from_wire(self.selector)))
        })
    }
}

fn reference_to_wire(target: &TargetRef) -> ripstop::PolicyTarget {
    let kind = match target.kind {
        TargetKind::Service => policy_target::Kind::Service,
        TargetKind::Entry => policy_target::Kind::Entry,
        TargetKind::Gateway => policy_target::Kind::Gateway,
        TargetKind::GatewayClass => policy_target::Kind::GatewayClass,
    };
    ripstop::PolicyTarget { kind: kind.into(), name: target.name.to_string() }
}

fn reference_from_wire(place: &Place<'_>, target: ripstop::PolicyTarget) -> Result<TargetRef, DecodeError> {
    let kind = match place.enumerated(target.kind)? {
        policy_target::Kind::NoKind => return Err(place.error("its kind is missing")),
        policy_target::Kind::Service => TargetKind::Service,
        policy_target::Kind::Entry => TargetKind::Entry,
        policy_target::Kind::Gateway => TargetKind::Gateway,
        policy_target::Kind::GatewayClass => TargetKind::GatewayClass,
    };
    Ok(TargetRef { kind, name: place.required(target.name)? })
}
