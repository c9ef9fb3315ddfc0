//! Values whose shape nobody prescribes.

use serde_json::{Map, Number, Value as Json};

use crate::{
    decode::{Decoder, Field},
    schema::{Decode, Shape},
    tree::{Node, Scalar, Type, Value},
};

/// Anything, as it was written (`google.protobuf.Struct` and the like).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FreeForm(pub Json);

impl Decode for FreeForm {
    const SHAPE: Shape = Shape::Any;

    fn decode(_decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        Some(Self(json(field.node)))
    }
}

fn json(node: &Node) -> Json {
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
