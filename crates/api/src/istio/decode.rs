//! Istio's kinds from the tree.

use std::collections::BTreeMap;

use super::{MtlsMode, PeerAuthentication};
use crate::{
    decode::{Decoder, Field, Record, Spelling, last, quoted},
    finding::code,
    names,
    tree::{Scalar, Type},
};

/// `spec` of a `PeerAuthentication`.
pub(crate) fn peer_authentication(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> PeerAuthentication {
    let mut policy = PeerAuthentication::default();
    let Some(mut spec) = root.record_with(decoder, "spec", Spelling::Proto) else { return policy };
    let selector = spec.record(decoder, "selector");
    let has_selector_field = selector.is_some();
    if let Some(selector) = selector {
        policy.selector = match_labels(decoder, selector);
    }
    if let Some(mtls) = spec.record(decoder, "mtls") {
        policy.mode = mode(decoder, mtls);
    }
    if let Some(field) = spec.structure(decoder, "portLevelMtls") {
        if !has_selector_field || policy.selector.is_empty() {
            let message = "`portLevelMtls` needs a `selector` with `matchLabels`";
            let hint = "ports belong to workloads: select them, or remove `portLevelMtls`";
            decoder.report(code::SELECTOR_REQUIRED, &field, message, hint);
        }
        policy.port_level = port_level(decoder, &field);
    }
    spec.finish(decoder);
    policy
}

/// `mtls`, of a policy or of `Mesh`.
pub(crate) fn mode(decoder: &mut Decoder<'_>, mut mtls: Record<'_>) -> MtlsMode {
    let mode = mtls.get(decoder, "mode").and_then(|field| read_mode(decoder, &field));
    mtls.finish(decoder);
    mode.unwrap_or_default()
}

const MODES: [(&str, MtlsMode); 4] = [
    ("UNSET", MtlsMode::Unset),
    ("DISABLE", MtlsMode::Disable),
    ("PERMISSIVE", MtlsMode::Permissive),
    ("STRICT", MtlsMode::Strict),
];

/// By name or, as proto-JSON allows, by number.
fn read_mode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<MtlsMode> {
    let Some(Type::Integer(number)) = field.node.scalar().map(Scalar::kind) else {
        return decoder.one_of(field, &MODES);
    };
    let Some((name, mode)) = usize::try_from(number).ok().and_then(|index| MODES.get(index)) else {
        decoder.bad_enum(field, &number.to_string(), MODES.iter().map(|(name, _)| *name));
        return None;
    };
    let message = format!("the mode is given by its number {number}");
    decoder.report(code::OLD_SPELLING, field, message, format!("write `{name}`"));
    Some(*mode)
}

fn match_labels(decoder: &mut Decoder<'_>, mut selector: Record<'_>) -> BTreeMap<String, String> {
    let labels = selector.structure(decoder, "matchLabels");
    let labels = labels.map(|field| decoder.labels(&field, "a label", names::label_value));
    selector.finish_with_hint(decoder, |name| {
        (name == "matchExpressions").then_some("Istio selects by `matchLabels` only")
    });
    labels.unwrap_or_default()
}

fn port_level(decoder: &mut Decoder<'_>, field: &Field<'_>) -> BTreeMap<u16, MtlsMode> {
    let entries = decoder.entries(field);
    if entries.is_empty() && field.node.mapping().is_some() {
        decoder.report(code::MISSING, field, format!("`{}` is empty", last(&field.path)), "name a port, or remove it");
    }
    let mut modes = BTreeMap::new();
    for (key, value) in entries {
        let port = key.text.parse::<u16>().ok().filter(|port| *port > 0);
        if port.is_none() {
            let message = format!("{} is not a port from 1 to 65535", quoted(&key.text));
            let hint = "keys are the workload's own port numbers, not names and not the Service's ports";
            decoder.report_at(code::OUT_OF_RANGE, &value.path, key.mark, message, hint);
        }
        if value.node.is_null() {
            decoder.report_at(code::MISSING, &value.path, key.mark, "the port has no `mode`", "write `mode:` below it");
            continue;
        }
        let Some(mtls) = decoder.record(&value, Spelling::Proto) else { continue };
        let mode = mode(decoder, mtls);
        if let Some(port) = port {
            modes.insert(port, mode);
        }
    }
    modes
}
