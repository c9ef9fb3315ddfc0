//! Fields of kinds that the page has to tell of, and does not.

use std::collections::BTreeSet;

use ripstop_api::{Kind, format::fields_of};

use super::{Field, KindOf, table::KINDS};

/// Kinds of which every field is told: their names on the page, and where their fields stand below `spec`.
pub(super) const TOLD: [(Kind, &str, &str); 13] = [
    (Kind::VirtualService, "VirtualService", ""),
    (Kind::DestinationRule, "DestinationRule", ""),
    (Kind::ServiceEntry, "ServiceEntry", ""),
    (Kind::WorkloadEntry, "WorkloadEntry", ""),
    (Kind::WorkloadGroup, "WorkloadGroup", ""),
    (Kind::Sidecar, "Sidecar", ""),
    (Kind::Gateway, "Gateway", ""),
    (Kind::ProxyConfig, "ProxyConfig", ""),
    (Kind::TrafficPolicy, "TrafficPolicy", ""),
    (Kind::Process, "Process", ""),
    (Kind::Node, "Node", ""),
    (Kind::Mesh, "Mesh", ""),
    (Kind::Mesh, "meshConfig", "meshConfig."),
];

/// What shapes no traffic, with all below it, and why.
const ELSEWHERE: [(&str, Why, &[&str]); 5] = [
    (
        "Process",
        Why::Running,
        &[
            "activeDeadlineSeconds",
            "affinity",
            "args",
            "automountServiceAccountToken",
            "command",
            "dnsConfig",
            "dnsPolicy",
            "enableServiceLinks",
            "env",
            "envFrom",
            "hostAliases",
            "hostNetwork",
            "hostname",
            "image",
            "imagePullPolicy",
            "imagePullSecrets",
            "lifecycle",
            "livenessProbe",
            "nodeSelector",
            "priorityClassName",
            "resources",
            "restartPolicy",
            "runAsUser",
            "schedulerName",
            "startupProbe",
            "stdin",
            "subdomain",
            "terminationGracePeriodSeconds",
            "terminationMessagePath",
            "terminationMessagePolicy",
            "tolerations",
            "topologySpreadConstraints",
            "tty",
            "volumeMounts",
            "volumes",
            "workingDir",
        ],
    ),
    ("Node", Why::Running, &["providerID", "taints", "unschedulable"]),
    (
        "Mesh",
        Why::Mesh,
        &["clusterId", "logLevel", "meshConfig", "metricsPort", "rootNamespace", "serviceDomain", "trustDomain"],
    ),
    (
        "meshConfig",
        Why::Telling,
        &[
            "accessLogEncoding",
            "accessLogFile",
            "accessLogFormat",
            "defaultConfig.fileFlushInterval",
            "defaultConfig.fileFlushMinSizeKb",
            "defaultConfig.tracing",
            "defaultConfig.tracingServiceName",
            "enableTracing",
            "extensionProviders",
        ],
    ),
    ("meshConfig", Why::Trust, &["defaultConfig.caCertificatesPem", "meshMTLS.ecdhCurves"]),
];

/// What a field is about, if not about traffic.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// How processes run, and where.
    Running,
    /// What the mesh is called, and where it is scraped. What of that stands in `meshConfig`, too, is told there.
    Mesh,
    /// Who is told of traffic, and how.
    Telling,
    /// Who is believed, and by which TLS.
    Trust,
}

/// Fields of that kind that no row is about.
pub(super) fn of(kind: Kind, page: &str, below: &str) -> BTreeSet<String> {
    let fields = fields_of(kind).into_iter().filter_map(|field| Some(field.strip_prefix(below)?.to_owned()));
    fields.filter(|field| row_of(page, field).is_none()).collect()
}

/// The row of that part of the page that tells of a field: of several the one that names most of its path.
pub(super) fn row_of(page: &str, field: &str) -> Option<&'static Field> {
    let rows = KINDS.iter().filter(|of| of.kind == page).flat_map(|of: &KindOf| of.fields);
    let named = rows.filter_map(|row| {
        let told = alternatives(row.path).into_iter().filter(|told| covers(told, field));
        Some((told.map(|told| told.len()).max()?, row))
    });
    named.max_by_key(|(length, _)| *length).map(|(_, row)| row)
}

/// Whether a field is about something else than traffic.
pub(super) fn is_elsewhere(page: &str, field: &str) -> bool {
    ELSEWHERE.iter().any(|(kind, _, names)| *kind == page && names.iter().any(|name| covers(name, field)))
}

/// The paths that a row names: those after a comma may leave out what they share with the first.
fn alternatives(row: &str) -> Vec<String> {
    // What stands behind a colon are values.
    let named = row.split(", ").map(|part| part.split(": ").next().unwrap_or(part));
    let first = row.split([',', ':']).next().unwrap_or(row);
    let parent = first.rfind('.').map_or("", |at| &first[..=at]);
    named.flat_map(|part| [part.to_owned(), format!("{parent}{part}")]).collect()
}

/// Whether a row for `told` is about `field`.
fn covers(told: &str, field: &str) -> bool {
    let told = told.trim_end_matches("[]");
    field.strip_prefix(told).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests;
