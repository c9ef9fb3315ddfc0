//! Names that stand for one thing only.

use std::collections::HashSet;

use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
};

/// Reports each name that was given before; `what` is what is named, in the plural.
pub(crate) fn check_unique<'t>(decoder: &mut Decoder<'_>, names: impl Iterator<Item = Field<'t>>, what: &str) {
    let mut seen = HashSet::new();
    for name in names {
        if let Some(text) = name.node.text()
            && !seen.insert(text)
        {
            let message = format!("two {what} are named {}", quoted(text));
            decoder.report(code::REPEATED_ITEM, &name, message, "rename one of them");
        }
    }
}
