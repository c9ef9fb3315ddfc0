//! `WorkloadGroup` (`networking.istio.io` v1, v1beta1, v1alpha3).

mod probe;

use std::collections::BTreeMap;

pub use probe::*;

use super::{
    Labels,
    workload_entry::{LABELS, check_common, check_count},
};
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    names,
    schema::message,
};

message! {
    /// Workloads outside of Kubernetes that are alike; each registers itself as a `WorkloadEntry`.
    WorkloadGroup {
        /// Metadata of each entry.
        metadata: WorkloadMetadata = "metadata";
        /// What the entries have in common.
        template: WorkloadTemplate = "template" => required();
        /// Whether a workload is ready; nothing: it always is.
        probe: Option<ReadinessProbe> = "probe";
    }
}

message! {
    /// `metadata` of a `WorkloadGroup`.
    WorkloadMetadata {
        /// Labels.
        labels: Labels = "labels";
        /// Annotations.
        annotations: BTreeMap<String, String> = "annotations";
    }
    check check_metadata
}

message! {
    /// `template` of a `WorkloadGroup`: a `WorkloadEntry` without its address.
    WorkloadTemplate {
        /// Each workload says its own.
        address: String = "address" => without_effect("each workload registers its own address");
        /// Port name → number.
        ports: BTreeMap<String, u16> = "ports";
        /// Labels, beside those of `metadata`, which win.
        labels: Labels = "labels";
        /// Network.
        network: String = "network";
        /// `region/zone/subzone`.
        locality: String = "locality";
        /// Share; 0 or nothing: 1.
        weight: Option<u32> = "weight";
        /// Service account: their identity; empty: `default`.
        service_account: String = "serviceAccount";
    }
    check check_template
}

fn check_metadata(_: &WorkloadMetadata, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for name in ["labels", "annotations"] {
        if let Some(map) = field.child(name) {
            check_count(decoder, &map, name, LABELS);
        }
    }
    let annotations = field.child("annotations").filter(|map| map.node.mapping().is_some());
    for (key, value) in annotations.map(|map| decoder.entries(&map)).unwrap_or_default() {
        if let Err(why) = names::qualified_name(&key.text) {
            let message = format!("{} is not the key of an annotation: {why}", quoted(&key.text));
            decoder.report_at(code::BAD_LABEL, &value.path, key.mark, message, "");
        }
    }
}

fn check_template(_: &WorkloadTemplate, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_common(decoder, field);
}
