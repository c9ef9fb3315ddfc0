//! Texts that policies compare with: none may be empty, and a wildcard has its places.

use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
};

/// Reports texts that are empty: the fields `names` below `field`, and items of those that are lists.
pub(crate) fn check_filled(decoder: &mut Decoder<'_>, field: &Field<'_>, names: &[&str]) {
    for given in names.iter().filter_map(|name| field.child(name)) {
        check_text(decoder, &given);
        for item in given.each() {
            check_text(decoder, &item);
        }
    }
}

/// Reports an empty text. Whether it is one.
pub(super) fn check_text(decoder: &mut Decoder<'_>, field: &Field<'_>) -> bool {
    let empty = field.node.text() == Some("");
    if empty {
        decoder.nonempty(field);
    }
    empty
}

/// Reports a `*` that is compared as it stands: it is a wildcard alone, first or last, and once.
pub(super) fn check_wildcard(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    let rest = text.strip_prefix('*').or_else(|| text.strip_suffix('*')).unwrap_or(text);
    if rest.contains('*') {
        let message = format!("{} has a `*` that stands for itself and for nothing else", quoted(text));
        decoder.report(code::SCHEMA_WARNING, field, message, "a wildcard is a single `*`: alone, first or last");
    }
}

/// Name of a header (RFC 9110, a token).
pub(crate) fn header_name(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    characters(text, allowed, "letters, digits and some signs such as `-` and `_`")
}

/// Name of a header that is written (Istio allows fewer signs there).
pub(super) fn written_header_name(text: &str) -> Result<(), String> {
    characters(text, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_', "letters, digits, `-` and `_`")
}

fn characters(text: &str, allowed: impl Fn(char) -> bool, what: &str) -> Result<(), String> {
    match text.chars().find(|c| !allowed(*c)) {
        _ if text.is_empty() => Err("it is empty".into()),
        Some(c) => Err(format!("`{}` is not allowed, only {what}", c.escape_debug())),
        None => Ok(()),
    }
}
