//! Numbers, texts and booleans.

use std::net::IpAddr;

use super::{Decode, Shape};
use crate::{
    decode::{Decoder, Field},
    tree::{Scalar, Type},
};

impl Decode for String {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        decoder.text(field).map(str::to_owned)
    }
}

impl Decode for bool {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        decoder.boolean(field)
    }
}

impl Decode for u16 {
    const SHAPE: Shape = Shape::Scalar;

    /// A port: 1 to 65535.
    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        decoder.port(field)
    }
}

impl Decode for u32 {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        decoder.integer(field, 0..=i64::from(u32::MAX)).and_then(|number| number.try_into().ok())
    }
}

impl Decode for u64 {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        decoder.integer(field, 0..=i64::MAX).and_then(|number| number.try_into().ok())
    }
}

impl Decode for i32 {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        decoder.integer(field, i64::from(i32::MIN)..=i64::from(i32::MAX)).and_then(|number| number.try_into().ok())
    }
}

impl Decode for f64 {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        let scalar = field.node.scalar();
        let number = match scalar.map(Scalar::kind) {
            Some(Type::Integer(_) | Type::Number) => scalar.and_then(|scalar| scalar.text.parse::<f64>().ok()),
            _ => None,
        };
        let number = number.filter(|number| number.is_finite());
        if number.is_none() {
            let quoted = field.node.text().is_some_and(|text| text.parse::<f64>().is_ok());
            decoder.wrong_type(field, "a number", if quoted { "remove the quotes" } else { "" });
        }
        number
    }
}

impl Decode for IpAddr {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        decoder.address(field)
    }
}
