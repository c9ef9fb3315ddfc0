//! Reads protobuf without the generated code, for tests of golden bytes; and makes values of the model.

mod sample;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
pub(crate) use sample::Sample;

/// All fields in order: number, and content (of numbers their varint's bytes).
fn fields(mut message: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message).unwrap();
        let before = message;
        if wire_type == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut message).unwrap()).unwrap();
            found.push((number, message[..length].to_vec()));
            message = &message[length..];
        } else {
            skip_field(wire_type, number, &mut message, DecodeContext::default()).unwrap();
            found.push((number, before[..before.len() - message.len()].to_vec()));
        }
    }
    found
}

/// The content of the only field, which must have that number.
pub(crate) fn only_field(message: &[u8], number: u32) -> Vec<u8> {
    let mut fields = fields(message);
    assert_eq!(fields.len(), 1);
    assert_eq!(fields[0].0, number);
    fields.remove(0).1
}

/// The content of the field with that number, of which there must be one.
pub(crate) fn field_of(message: &[u8], number: u32) -> Vec<u8> {
    let mut found: Vec<_> = fields(message).into_iter().filter(|(field, _)| *field == number).collect();
    assert_eq!(found.len(), 1);
    found.remove(0).1
}

/// The fields of a message must be exactly those.
#[track_caller]
pub(crate) fn assert_fields(message: &[u8], expected: &[(u32, &[u8])]) {
    let show = |fields: Vec<(u32, Vec<u8>)>| {
        fields.into_iter().map(|(n, b)| format!("{n}: {}", b.escape_ascii())).collect::<Vec<_>>()
    };
    let expected = expected.iter().map(|(number, content)| (*number, content.to_vec())).collect();
    assert_eq!(show(fields(message)), show(expected));
}
