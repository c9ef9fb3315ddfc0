//! Text that no message and no debug output shows.

use std::fmt;

use crate::{
    decode::{Decoder, Field},
    finding::code,
    schema::{Decode, Shape},
};

/// A token or another text that may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(pub String);

impl Decode for Hidden {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        let text = field.node.text();
        if text.is_none() {
            let message = "text is expected, something else was found";
            decoder.report(code::WRONG_TYPE, field, message, "write it in quotes");
        }
        text.map(|text| Self(text.to_owned()))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}
