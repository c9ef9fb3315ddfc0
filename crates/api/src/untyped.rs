//! What is written, without its meaning.

use serde_json::{Map, Number, Value as Json};

use crate::{
    split,
    tree::{Node, Scalar, Type, Value},
    yaml,
};

/// The first document of `text`, YAML or JSON, as JSON; nothing: there is none, or it can't be read.
pub fn to_json(text: &str) -> Option<Json> {
    let mut documents = split::documents(text).into_iter().map(yaml::parse);
    let root = documents.find_map(|document| document.root.filter(|_| document.problem.is_none()))?;
    Some(json(&root))
}

pub(crate) fn json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(scalar) => plain(scalar),
        Value::Sequence(items) => Json::Array(items.iter().map(json).collect()),
        Value::Mapping(mapping) => {
            let mut fields = Map::new();
            for entry in &mapping.entries {
                fields.entry(entry.key.text.clone()).or_insert_with(|| json(&entry.value));
            }
            Json::Object(fields)
        }
    }
}

fn plain(scalar: &Scalar) -> Json {
    let text = || Json::String(scalar.text.clone());
    match scalar.kind() {
        Type::Null => Json::Null,
        Type::Bool(value) => Json::Bool(value),
        Type::Integer(number) => Json::Number(number.into()),
        Type::Number => scalar.text.parse().ok().and_then(Number::from_f64).map_or_else(text, Json::Number),
        Type::Text => text(),
    }
}
