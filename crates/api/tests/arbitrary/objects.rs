//! Objects of every kind with something wrong anywhere, and trees of the fields of all kinds.

use std::{collections::BTreeSet, fmt::Write, sync::LazyLock};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// One object a kind, in full.
static WHOLE: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let lines = include_str!("objects.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a whole object is JSON")).collect()
});

/// The names of all their fields.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut names = BTreeSet::new();
    WHOLE.iter().for_each(|object| collect(object, &mut names));
    names.into_iter().collect()
});

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            names.insert(name.clone());
            collect(field, names);
        }),
        _ => {}
    }
}

/// What is done to one value of an object.
#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    Remove,
    Rename(String),
    SnakeCase,
    Insert(String, Value),
    InList,
    Twice,
    /// Another value of the same object takes its place.
    Copy(usize),
}

/// A whole object with some changes.
pub fn changed() -> impl Strategy<Value = Value> {
    let changes = prop::collection::vec((any::<usize>(), change()), 0..6);
    (0..WHOLE.len(), changes).prop_map(|(kind, changes)| {
        let mut object = WHOLE[kind].clone();
        for (place, change) in changes {
            let copied = if let Change::Copy(from) = change { at(&mut object, from).cloned() } else { None };
            apply(&mut object, place, &change, copied);
        }
        object
    })
}

/// `apiVersion`, `kind` and name of some kind above a tree of any fields.
pub fn tree() -> impl Strategy<Value = Value> {
    let tree = leaf().prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            2 => prop::collection::vec((name(), inner.clone()), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::Array),
        ]
    });
    (0..WHOLE.len(), tree).prop_map(|(kind, tree)| {
        let mut object = WHOLE[kind].clone();
        object["spec"] = tree;
        object
    })
}

/// One line of JSON, which is YAML too.
pub fn flow(value: &Value) -> String {
    value.to_string() + "\n"
}

/// YAML in block style; keys and texts are in quotes.
pub fn block(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => write_block(&mut text, value, 0),
        value => text = flow(value),
    }
    text
}

fn write_block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                let _ = write!(text, "{:indent$}{}:", "", Value::from(name.as_str()));
                write_below(text, field, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(text, "{:indent$}-", "");
                write_below(text, item, indent);
            }
        }
        _ => {}
    }
}

fn write_below(text: &mut String, value: &Value, indent: usize) {
    let nested = value.as_object().is_some_and(|fields| !fields.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty());
    if nested {
        text.push('\n');
        write_block(text, value, indent + 2);
    } else {
        let _ = writeln!(text, " {value}");
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => leaf().prop_map(Change::Replace),
        2 => Just(Change::Remove),
        2 => name().prop_map(Change::Rename),
        1 => Just(Change::SnakeCase),
        2 => (name(), leaf()).prop_map(|(name, value)| Change::Insert(name, value)),
        1 => Just(Change::InList),
        1 => Just(Change::Twice),
        2 => any::<usize>().prop_map(Change::Copy),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => prop::sample::select(NAMES.clone()), 1 => "[a-zA-Z_./\\[\\]*]{0,8}", 1 => "\\PC{0,3}"]
}

/// Texts that mean something somewhere, or almost.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "*",
    "*.a",
    "a*",
    "*a*",
    "~",
    ".",
    "..",
    "/",
    "//",
    "a/b",
    "a/b/c",
    "/{*}",
    "/{**}/{*}",
    "{",
    "80",
    "0",
    "-1",
    "65536",
    "1s",
    "0s",
    "-1s",
    "1.5",
    "99999999999999999999",
    "10.0.0.0/8",
    "10.0.0.0/99",
    "::1",
    "[::1]:80",
    "localhost",
    "a.b.c",
    "http://a",
    "https://",
    "https://[",
    "https://a:b@c:d/%",
    "GET",
    "true",
    "null",
    "[a",
    "a]",
    "a[b]",
    "request.headers[",
    "request.headers[a]",
    "destination.labels[a]",
    "{\"keys\":[{}]}",
    "{\"keys\":",
    "(",
    "(?=a)",
    "[a-z]+",
    "%REQ(",
    "\u{0}",
    "\u{feff}",
    "é",
    "\u{1F600}",
    "a\nb",
    "---",
    "\t",
];

/// Values of every type; few fit where they come to stand.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => prop::sample::select(TEXTS).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => prop_oneof![any::<i64>(), -2..70_000i64].prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => prop::sample::select(vec![json!([]), json!({}), json!([null]), json!([[]]), json!({"": null}), json!([{}])]),
        1 => "\\PC{0,12}".prop_map(Value::from),
        1 => (1..400usize).prop_map(|length| Value::from("x".repeat(length))),
    ]
}

/// Changes the value number `place`.
fn apply(object: &mut Value, place: usize, change: &Change, copied: Option<Value>) {
    let Some(value) = at(object, place) else { return };
    match change {
        Change::Replace(other) => *value = other.clone(),
        Change::Copy(_) => *value = copied.unwrap_or_default(),
        Change::InList => *value = Value::Array(vec![value.take()]),
        Change::Twice => match value {
            Value::Array(items) => items.extend(items.clone()),
            value => *value = json!([value.clone(), value.clone()]),
        },
        Change::Insert(name, other) => match value {
            Value::Object(fields) => drop(fields.insert(name.clone(), other.clone())),
            Value::Array(items) => items.push(other.clone()),
            value => *value = json!({ name: value.clone() }),
        },
        Change::Remove | Change::Rename(_) | Change::SnakeCase => {
            let Value::Object(fields) = value else { return };
            let Some(name) = fields.keys().nth(place % fields.len().max(1)).cloned() else { return };
            rename(fields, &name, change);
        }
    }
}

fn rename(fields: &mut Map<String, Value>, name: &str, change: &Change) {
    let Some(field) = fields.remove(name) else { return };
    match change {
        Change::Rename(other) => drop(fields.insert(other.clone(), field)),
        Change::SnakeCase => {
            let mut snake = String::new();
            for c in name.chars() {
                if c.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            fields.insert(snake, field);
        }
        _ => {}
    }
}

/// The value number `place`, counted around.
fn at(object: &mut Value, place: usize) -> Option<&mut Value> {
    let mut left = place % count(object);
    find(object, &mut left)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn find<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| find(item, left)),
        Value::Object(fields) => fields.values_mut().find_map(|field| find(field, left)),
        _ => None,
    }
}
