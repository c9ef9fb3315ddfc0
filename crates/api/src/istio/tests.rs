//! The good files of the integration tests have every field of the tables.

use std::collections::{BTreeMap, BTreeSet};

use super::{IstioOperator, ProxyConfig, Telemetry};
use crate::{
    schema::{Decode, Shape},
    split,
    tree::{Node, Value},
    yaml,
};

/// Fields whose tables belong to other kinds.
const FOREIGN: [&str; 13] = [
    "connectionPool",
    "defaultHttpRetryPolicy",
    "defaultInboundHttpRetryPolicy",
    "localityLbSetting",
    "outlierDetection",
    "selector",
    "targetRef",
    "targetRefs",
    "tcpKeepalive",
    "tls",
    "tlsSettings",
    "workloadSelector",
    "zoneAwareLbSetting",
];

fn documents(text: &str) -> Vec<Node> {
    split::documents(text).into_iter().filter_map(|chunk| yaml::parse(chunk).root).collect()
}

/// Fields of each message, by the names of all its fields, that some document has.
type Seen = BTreeMap<Vec<&'static str>, BTreeSet<&'static str>>;

fn collect(shape: &Shape, node: &Node, seen: &mut Seen) {
    match (shape, &node.value) {
        (Shape::List(item), Value::Sequence(items)) => items.iter().for_each(|node| collect(item, node, seen)),
        (Shape::Map(value), Value::Mapping(mapping)) => {
            mapping.entries.iter().for_each(|entry| collect(value, &entry.value, seen));
        }
        (Shape::Message(message), Value::Mapping(_)) => {
            let names: Vec<_> = message.fields.iter().map(|(name, _)| *name).collect();
            seen.entry(names.clone()).or_default();
            for (name, shape) in message.fields {
                let Some(value) = node.get(name) else { continue };
                seen.entry(names.clone()).or_default().insert(name);
                if !FOREIGN.contains(name) {
                    collect(shape, value, seen);
                }
            }
        }
        _ => {}
    }
}

/// Fields that no document has, each with those of its message that some document has.
fn missing(seen: &Seen) -> Vec<String> {
    let fields = seen.iter().flat_map(|(names, seen)| names.iter().map(move |name| (name, seen)));
    fields.filter(|(name, seen)| !seen.contains(*name)).map(|(name, seen)| format!("{name} beside {seen:?}")).collect()
}

fn specs<'n>(documents: &'n [Node], kinds: &[&str]) -> Vec<&'n Node> {
    let wanted = |node: &&Node| node.get("kind").and_then(Node::text).is_some_and(|kind| kinds.contains(&kind));
    documents.iter().filter(wanted).filter_map(|node| node.get("spec")).collect()
}

#[test]
fn every_field_of_the_mesh_is_read_somewhere() {
    let texts = [
        include_str!("../../tests/data/config/mesh.yaml"),
        include_str!("../../tests/data/config/providers.yaml"),
        include_str!("../../tests/data/config/proxies.yaml"),
    ];
    let documents: Vec<_> = texts.into_iter().flat_map(documents).collect();
    let mut seen = Seen::new();
    for spec in specs(&documents, &["IstioOperator", "Mesh"]) {
        collect(&IstioOperator::SHAPE, spec, &mut seen);
    }
    assert!(seen.len() > 60, "{}", seen.len());
    assert_eq!(missing(&seen), [""; 0]);
}

#[test]
fn every_field_of_telemetry_and_proxies_is_read_somewhere() {
    let documents = documents(include_str!("../../tests/data/config/telemetry.yaml"));
    let mut seen = Seen::new();
    for spec in specs(&documents, &["Telemetry"]) {
        collect(&Telemetry::SHAPE, spec, &mut seen);
    }
    for spec in specs(&documents, &["ProxyConfig"]) {
        collect(&ProxyConfig::SHAPE, spec, &mut seen);
    }
    assert!(seen.len() > 12, "{}", seen.len());
    assert_eq!(missing(&seen), [""; 0]);
}
