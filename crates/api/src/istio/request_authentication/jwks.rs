//! Inline keys (RFC 7517). Nothing of them is shown in findings.

use serde_json::{Map, Value};

use crate::{
    decode::{Decoder, Field},
    finding::code,
};

/// Types of keys, with what each needs.
const TYPES: [(&str, &[&str]); 4] =
    [("RSA", &["n", "e"]), ("EC", &["crv", "x", "y"]), ("OKP", &["crv", "x"]), ("oct", &["k"])];

/// Parts of keys that only their owner may know.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A set of keys: JSON with `keys`.
pub(super) fn check(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(text) = field.node.text().filter(|text| !text.is_empty()) else { return };
    let hint = "write a JSON object: `{\"keys\": [...]}`";
    let set: Value = match serde_json::from_str(text) {
        Ok(set) => set,
        Err(error) => {
            let message = format!("`jwks` is not JSON from its line {}, column {} on", error.line(), error.column());
            decoder.report(code::BAD_VALUE, field, message, hint);
            return;
        }
    };
    let Some(keys) = set.get("keys").and_then(Value::as_array) else {
        decoder.report(code::BAD_VALUE, field, "`jwks` has no list `keys`", hint);
        return;
    };
    if keys.is_empty() {
        let message = "`jwks` has no key, so no token of this issuer is valid";
        decoder.report(code::SCHEMA_WARNING, field, message, "put the issuer's keys into `keys`");
    }
    for (index, key) in keys.iter().enumerate() {
        if let Err(why) = key.as_object().ok_or_else(|| "is not an object".to_owned()).and_then(whole) {
            let hint = "copy the key as the issuer publishes it";
            decoder.report(code::BAD_VALUE, field, format!("`keys[{index}]` of `jwks` {why}"), hint);
        }
        if PRIVATE.iter().any(|part| key.get(part).is_some()) {
            let message = format!("`keys[{index}]` of `jwks` is no public key: whoever reads it can make tokens");
            let hint = "replace the key at its issuer, and write its public part only";
            decoder.report(code::KEY_EXPOSED, field, message, hint);
        }
    }
}

/// Whether a key has what its type needs.
fn whole(key: &Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| key.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let names = TYPES.map(|(name, _)| name).join("`, `");
    let kind = text("kty").ok_or_else(|| format!("has no `kty` (`{names}`)"))?;
    let Some((_, parts)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        return Err(format!("has a `kty` that is none of `{names}`"));
    };
    match parts.iter().find(|part| text(part).is_none()) {
        Some(part) => Err(format!("is of type `{kind}` and has no `{part}`")),
        None => Ok(()),
    }
}
