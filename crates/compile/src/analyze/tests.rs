//! Rules over whole meshes: each table has a mesh as users write it, and the findings of some codes.

mod catch_all;
mod certificates;
mod destinations;
mod entries;
mod gateway_conflicts;
mod gateway_refs;
mod host_index;
mod hosts;
mod large;
mod limits;
pub(super) mod pems;
mod practice;
mod reach;
mod retries;
mod sessions;
mod shadowed;
mod subsets;
mod traffic_policies;

use std::fmt::Write as _;

use crate::tests::{World, now};

/// What a mesh is found to have.
struct Case {
    title: &'static str,
    /// Documents, after those of the table.
    mesh: &'static str,
    findings: &'static [&'static str],
}

/// Compares the findings of these codes, without file.
fn check(codes: &[&str], ground: &str, cases: &[Case]) {
    for Case { title, mesh, findings } in cases {
        let mut world = World::of(&documents(&pems::filled(&format!("{ground}\n{mesh}"))));
        let found = world.compile().findings(now());
        let found: Vec<String> = found
            .iter()
            .filter(|finding| codes.contains(&finding.code))
            .map(|finding| {
                let text = finding.to_string();
                text.split_once(": ").map_or(text.clone(), |(_, rest)| rest.to_owned())
            })
            .collect();
        assert_eq!(found, *findings, "{title}: {found:#?}");
    }
}

/// Documents from lines `Kind namespace/name {spec}`; for a Process its labels follow instead, for a Secret its data.
/// Lines that are indented go on.
fn documents(text: &str) -> String {
    let mut documents = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with(' ') {
            documents += line;
            documents.push('\n');
            continue;
        }
        let mut words = line.splitn(3, ' ');
        let (kind, name, rest) =
            (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let api = match kind {
            "Process" | "Mesh" | "Node" | "TrafficPolicy" => "ripstop.dev/v1alpha1",
            "Service" | "Secret" | "ConfigMap" => "v1",
            "Telemetry" => "telemetry.istio.io/v1",
            _ => "networking.istio.io/v1",
        };
        let (labels, rest) = match kind {
            "Process" => (rest, "spec: {command: [serve]}".to_owned()),
            "Secret" => ("{}", format!("stringData: {rest}")),
            _ => ("{}", format!("spec: {rest}")),
        };
        let namespace = if namespace.is_empty() { String::new() } else { format!("namespace: {namespace}, ") };
        let meta = format!("{{name: {name}, {namespace}labels: {labels}}}");
        let _ = writeln!(documents, "---\napiVersion: {api}\nkind: {kind}\nmetadata: {meta}\n{rest}");
    }
    documents
}
