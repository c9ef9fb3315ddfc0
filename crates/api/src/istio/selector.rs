//! What a policy applies to.

use std::collections::BTreeMap;

use super::values;
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    names,
    schema::{Decode, Shape, message},
};

message! {
    /// `selector` of a policy: workloads by their labels.
    WorkloadSelector {
        /// All of them must be there with that value.
        match_labels: Labels = "matchLabels";
    }
}

message! {
    /// `workloadSelector` of a `Sidecar` or `ServiceEntry`.
    LabelSelector {
        /// All of them must be there with that value.
        labels: Labels = "labels";
    }
}

/// Label pairs, checked as labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(pub BTreeMap<String, String>);

message! {
    /// One of `targetRefs`: what a policy is attached to.
    TargetRef {
        /// API group; empty or `core` is the core group.
        group: String = "group";
        /// `Gateway`, `GatewayClass`, `Service` or `ServiceEntry`.
        kind: String = "kind" => required();
        /// Name.
        name: String = "name" => required();
        /// Must be the policy's own namespace, and need not be given.
        namespace: String = "namespace";
    }
    check check_target
}

// === impl Labels ===

impl Decode for Labels {
    const SHAPE: Shape = Shape::Map(&Shape::Scalar);

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        let labels = decoder.labels(field, "a label", selector_value);
        Some(Self(labels))
    }
}

/// Value of a label that is selected by.
fn selector_value(text: &str) -> Result<(), String> {
    if text.contains('*') {
        Err("selectors compare whole values, without wildcards".into())
    } else {
        names::label_value(text)
    }
}

/// Kinds that a policy can be attached to, with their groups.
const TARGETS: [(&str, &str); 4] = [
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
];

fn check_target(target: &TargetRef, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    values::check_filled(decoder, field, &["kind", "name"]);
    let group = if target.group == "core" { "" } else { target.group.as_str() };
    if !target.kind.is_empty() && !TARGETS.contains(&(group, target.kind.as_str())) {
        let message = format!("a policy cannot be attached to {} of {}", quoted(&target.kind), quoted(group));
        let hint = "attach it to a Gateway or GatewayClass (gateway.networking.k8s.io), a Service, or a ServiceEntry (networking.istio.io)";
        decoder.report(code::BAD_ENUM, &field.at("kind"), message, hint);
    }
    let own = decoder.object.as_ref().map(|id| id.namespace.clone()).unwrap_or_default();
    if !target.namespace.is_empty() && target.namespace != own {
        let message =
            format!("a policy is attached within its own namespace, not to one of {}", quoted(&target.namespace));
        decoder.report(
            code::CONFLICT,
            &field.at("namespace"),
            message,
            "move the policy there, and remove `namespace`",
        );
    }
}

/// At most one of `selector`, `targetRef` and `targetRefs`; at most 16 references.
pub(crate) fn check_attachment(decoder: &mut Decoder<'_>, spec: &Field<'_>, references: usize) {
    decoder.at_most_one(spec, &["selector", "targetRef", "targetRefs"]);
    if references > 16 {
        let message = format!("`targetRefs` has {references} items, at most 16 are allowed");
        decoder.report(code::OUT_OF_RANGE, &spec.at("targetRefs"), message, "");
    }
}
