//! `data` of Secrets and ConfigMaps: keys, base64, sizes.

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    decode::{Decoder, Field, last, quoted},
    finding::code,
    tree::{Scalar, Type, Value},
};

/// Most bytes of an object's data, as in Kubernetes.
const LARGEST: usize = 1 << 20;

/// Longest key.
const LONGEST_KEY: usize = 253;

/// Standard base64 as Go reads it: padding is needed, spare bits do not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Keys with their values' places and texts. What is wrong is reported without showing a value.
pub(super) fn texts<'t>(decoder: &mut Decoder<'_>, field: &Field<'t>) -> Vec<(&'t str, Field<'t>, &'t str)> {
    if field.node.mapping().is_none() {
        let message = format!("a mapping is expected, {} was found", kind(field));
        decoder.report(code::WRONG_TYPE, field, message, "write `key: value`, one below the other and indented");
        return Vec::new();
    }
    let mut texts = Vec::new();
    for (key, value) in decoder.entries(field) {
        if let Err(why) = check_key(&key.text) {
            let message = format!("{} is not a key: {why}", quoted(&key.text));
            decoder.report_at(code::BAD_NAME, &value.path, key.mark, message, "");
        }
        if let Some(text) = value.node.text() {
            texts.push((key.text.as_str(), value, text));
        } else {
            let message = format!("text is expected, {} was found", kind(&value));
            let hint = match value.node.scalar().map(Scalar::kind) {
                Some(Type::Null) => "write \"\" if it is meant to be empty",
                Some(_) => "write it in quotes",
                None => "write it as a text, for example with `|`",
            };
            decoder.report(code::WRONG_TYPE, &value, message, hint);
        }
    }
    texts
}

/// Bytes from base64.
pub(super) fn base64(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let bytes = BASE64.decode(text).ok();
    if bytes.is_none() {
        let message = format!("the value of {} is not base64", quoted(last_key(&field.path)));
        let hint = if field.path.starts_with("data.") {
            "encode it, or write it below `stringData` as it is"
        } else {
            "encode it, or write it below `data` as it is"
        };
        decoder.report(code::BAD_VALUE, field, message, hint);
    }
    bytes
}

/// Reports more than a MiB.
pub(super) fn check_size(decoder: &mut Decoder<'_>, field: &Field<'_>, bytes: usize) {
    if bytes > LARGEST {
        let message = format!("the data has {bytes} bytes, at most {LARGEST} are allowed");
        decoder.report(code::OUT_OF_RANGE, field, message, "");
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match key.chars().count() {
        0 => return Err("it is empty".into()),
        n if n > LONGEST_KEY => return Err(format!("it has {n} characters, at most {LONGEST_KEY} are allowed")),
        _ => {}
    }
    if let Some(c) = key.chars().find(|c| !allowed(*c)) {
        return Err(format!("`{}` is not allowed, only letters, digits, `-`, `_` and `.`", c.escape_debug()));
    }
    if key == "." || key.starts_with("..") { Err("it may not be `.` or begin with `..`".into()) } else { Ok(()) }
}

/// The key of a path `data.<key>`; a key may have dots.
fn last_key(path: &str) -> &str {
    path.split_once('.').map_or_else(|| last(path), |(_, key)| key)
}

/// What was found, without showing it.
fn kind(field: &Field<'_>) -> &'static str {
    let scalar = match &field.node.value {
        Value::Sequence(_) => return "a list",
        Value::Mapping(_) => return "a mapping",
        Value::Scalar(scalar) => scalar,
    };
    match scalar.kind() {
        Type::Null => "nothing",
        Type::Bool(_) => "a boolean",
        Type::Integer(_) | Type::Number => "a number",
        Type::Text => "a text",
    }
}
