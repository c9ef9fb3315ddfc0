//! Values whose shape nobody prescribes.

use serde_json::Value as Json;

use crate::{
    decode::{Decoder, Field},
    schema::{Decode, Shape},
    untyped::json,
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
