//! Whether what the page tells of acts: what proxies and supervisors get of an object is not what they get of the same
//! object without the field. What it does there is shown by the tests that its row names.

use std::{collections::BTreeSet, sync::Arc};

use ripstop_api::{format::fields_of, parse_file};
use ripstop_compile::{Assignments, Declared, Input, Objects, bundle_sources, compile};
use serde_json::{Value, json};

use super::gaps::{TOLD, is_elsewhere, row_of};

/// Objects whose fields all say something else than their defaults, one a line.
const OBJECTS: &str = include_str!("acts/objects.jsonl");

const GROUND: &str = include_str!("acts/ground.yaml");

/// What says what holds anyway where nothing else is said.
const SAID_IN_VAIN: [&str; 4] = [
    "trafficPolicy.loadBalancer.consistentHash.useSourceIp",
    "trafficPolicy.portLevelSettings[].loadBalancer.consistentHash.useSourceIp",
    "subsets[].trafficPolicy.loadBalancer.consistentHash.useSourceIp",
    "subsets[].trafficPolicy.portLevelSettings[].loadBalancer.consistentHash.useSourceIp",
];

/// A field of a kind.
type FieldOf = (&'static str, String);

/// Fields that have a row, and of which no object shows that they act.
pub(super) fn idle() -> Vec<String> {
    let acting = acting();
    let mut idle = Vec::new();
    for (kind, page, below) in TOLD {
        for whole in fields_of(kind) {
            let Some(field) = whole.strip_prefix(below) else { continue };
            let elsewhere = is_elsewhere(page, field);
            let acts = acting.contains(&(name_of(page), whole.clone())) || SAID_IN_VAIN.contains(&field);
            if !elsewhere && !acts && row_of(page, field).is_some_and(|row| !says_nothing(row.does)) {
                idle.push(format!("{page} {field}"));
            }
        }
    }
    idle
}

/// Whether a row says that its fields do nothing to what proxies get.
fn says_nothing(does: &str) -> bool {
    ["nothing", "checked", "always holds"].iter().any(|begin| does.starts_with(begin))
}

/// The kind whose fields a part of the page is about.
fn name_of(page: &'static str) -> &'static str {
    if page == "meshConfig" { "Mesh" } else { page }
}

/// Fields without which something is another.
fn acting() -> BTreeSet<FieldOf> {
    let mut acting = BTreeSet::new();
    for object in objects() {
        let (kind, page, _) = *TOLD.iter().find(|(_, page, _)| object["kind"] == *page).expect("a kind of the page");
        let with = mesh(&object).unwrap_or_else(|| panic!("it is refused: {object}"));
        for field in fields_of(kind) {
            if !acting.contains(&(page, field.clone())) && acts(&object, &with, &field) {
                acting.insert((page, field));
            }
        }
    }
    acting
}

/// Whether an object has the field, and it makes a difference to `with`.
fn acts(object: &Value, with: &str, field: &str) -> bool {
    let changed = |change: fn(&mut Value, &str)| {
        let mut changed = object.clone();
        at(&mut changed["spec"], field, change).then(|| mesh(&changed))
    };
    match changed(remove) {
        None => false,
        Some(Some(without)) => without != with,
        // It can't be left out: another value has to make the difference, if there may be one.
        Some(None) => changed(alter).flatten().is_none_or(|altered| altered != with),
    }
}

/// Does `change` to each object that has the field at the end of `path`, by its name; whether there is any.
fn at(value: &mut Value, path: &str, change: fn(&mut Value, &str)) -> bool {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = first.trim_end_matches("[]");
    if rest.is_empty() {
        let is_there = value.get(name).is_some();
        if is_there {
            change(value, name);
        }
        return is_there;
    }
    let inner: Vec<&mut Value> = match value {
        Value::Object(fields) if name == "{}" => fields.values_mut().collect(),
        Value::Object(fields) => fields.get_mut(name).into_iter().collect(),
        _ => Vec::new(),
    };
    let mut found = false;
    for inner in inner {
        match inner {
            Value::Array(items) => items.iter_mut().for_each(|item| found |= at(item, rest, change)),
            inner => found |= at(inner, rest, change),
        }
    }
    found
}

fn remove(value: &mut Value, name: &str) {
    if let Value::Object(fields) = value {
        fields.remove(name);
    }
}

fn alter(value: &mut Value, name: &str) {
    let field = &mut value[name];
    *field = match &*field {
        Value::Bool(is) => json!(!is),
        Value::Number(number) => json!(number.as_u64().unwrap_or_default() + 1),
        Value::String(text) => json!(format!("{text}b")),
        Value::Array(items) => match items.first() {
            Some(Value::String(text)) => json!([format!("{text}b")]),
            Some(first) => json!([first, first]),
            None => json!([]),
        },
        // Shares: they are dealt out the other way round.
        Value::Object(fields) => {
            fields.keys().cloned().zip(fields.values().rev().cloned()).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Null => Value::Null,
    };
}

/// The objects; of rules for backends also those that say the same of a subset and of a port.
fn objects() -> Vec<Value> {
    let mut objects: Vec<Value> = Vec::new();
    for line in OBJECTS.lines() {
        let object: Value = serde_json::from_str(line).expect("a line is an object");
        let policy = object["spec"]["trafficPolicy"].clone();
        let is_of_port = policy.get("loadBalancer").is_some();
        let rule = |spec: Value| {
            let mut rule = object.clone();
            rule["spec"] = spec;
            rule
        };
        let subset = |policy: &Value| {
            rule(json!({"host": "web", "subsets": [{"name": "v1", "labels": {"a": "b"}, "trafficPolicy": policy}]}))
        };
        if object["kind"] == "DestinationRule" && is_of_port {
            let mut of_port = policy.clone();
            of_port["port"] = json!({"number": 80});
            let ports = json!({"portLevelSettings": [of_port]});
            objects.extend([subset(&policy), subset(&ports), rule(json!({"host": "web", "trafficPolicy": ports}))]);
        }
        objects.push(object);
    }
    objects
}

/// What comes of an object; nothing: it is refused.
fn mesh(object: &Value) -> Option<String> {
    let mut objects = Objects::new();
    let own = object.to_string();
    for (file, text) in [("ground.yaml", GROUND), ("own.json", own.as_str())] {
        let parsed = parse_file(file, text);
        if parsed.unreadable || !parsed.broken.is_empty() {
            return None;
        }
        for object in parsed.objects {
            let created = objects.len() as u64 + 1;
            objects.insert(object.id.clone(), Declared { object: Arc::new(object), created, generation: 1 });
        }
    }
    let (instances, captures) = Default::default();
    let output = compile(&Input {
        objects: &objects,
        instances: &instances,
        captures: &captures,
        assigned: &Assignments::default(),
        previous: None,
    });
    let bundles: Vec<_> = bundle_sources(&objects).into_iter().map(|bundle| (bundle.url, bundle.domains)).collect();
    let parts = (&output.mesh, &output.services, &output.traffic, &output.processes, &output.nodes, bundles);
    Some(format!("{parts:?}"))
}

#[cfg(test)]
mod tests;
