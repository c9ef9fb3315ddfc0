//! Who goes through a waypoint, by what the control plane tells.

use serde_json::Value;

use crate::tables::text;

/// Label of a waypoint: what goes through it.
pub const FOR: &str = "istio.io/waypoint-for";

/// Instances of it that are ready, and all.
pub fn instances(workloads: &Value, namespace: &str, name: &str) -> (usize, usize) {
    let of_it = |row: &&Value| text(row, "namespace") == namespace && text(row, "process") == name;
    let all: Vec<&Value> = workloads.as_array().into_iter().flatten().filter(of_it).collect();
    (all.iter().filter(|row| row["ready"] == true && row["running"] == true).count(), all.len())
}

/// Services, or workloads, that are called through it, as `namespace/name`, with the share of the calls if it is a canary.
pub fn behind(all: &Value, namespace: &str, name: &str) -> Vec<String> {
    let is_it = |waypoint: &Value| waypoint["namespace"] == namespace && waypoint["name"] == name;
    let shown = |row: &Value| {
        let shown = format!("{}/{}", text(row, "namespace"), text(row, "name"));
        let canary = &row["waypoint"]["canary"];
        match (is_it(&row["waypoint"]), is_it(canary)) {
            (true, _) => Some(shown),
            (false, true) => Some(format!("{shown} ({} % of its calls)", canary["percent"])),
            (false, false) => None,
        }
    };
    all.as_array().into_iter().flatten().filter_map(shown).collect()
}

/// What the waypoint of that row is for, as its label says: `service` if that says nothing that is known.
pub fn scope(row: &Value) -> &str {
    match row["labels"][FOR].as_str() {
        Some(scope @ ("workload" | "all" | "none")) => scope,
        _ => "service",
    }
}
