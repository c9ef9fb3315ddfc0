//! `exportTo`: which namespaces see an object.

use std::collections::HashSet;

use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    names,
};

/// Whether `~`, nobody, may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// Services and `ServiceEntry`s.
    Allowed,
    /// `VirtualService`s and `DestinationRule`s.
    Refused,
}

/// Checks `exportTo` of a `spec`: each is `.`, `*`, `~` if allowed, or a namespace, none is given twice (`.` is the
/// object's own), and `*` and `~` stand alone.
pub(crate) fn check_export_to(decoder: &mut Decoder<'_>, spec: &Field<'_>, hidden: Hidden) {
    let Some(list) = spec.child("exportTo") else { return };
    let own = decoder.object.as_ref().map(|id| id.namespace.clone());
    let items = list.each();
    let mut seen = HashSet::new();
    for item in &items {
        let Some(text) = item.node.text() else { continue };
        match text {
            "." | "*" => {}
            "~" if hidden == Hidden::Allowed => {}
            "~" => {
                let hint = "write `.` for its own namespace only";
                decoder.report(code::BAD_VALUE, item, "`~` hides services, not this kind", hint);
                continue;
            }
            _ => {
                if let Err(why) = names::dns_label(text, names::LABEL) {
                    let message = format!("{} is neither `.`, `*` nor a namespace: {why}", quoted(text));
                    decoder.report(code::BAD_NAME, item, message, "");
                }
            }
        }
        let meant = if text == "." { own.as_deref().unwrap_or(text) } else { text };
        if !seen.insert(meant) {
            let message = format!("{} is given twice", quoted(meant));
            let hint =
                if text == "." { "`.` is the object's own namespace: keep one of them" } else { "keep one of them" };
            decoder.report(code::REPEATED_ITEM, item, message, hint);
        } else if matches!(text, "*" | "~") && items.len() > 1 {
            let message = format!("{} excludes all others", quoted(text));
            decoder.report(code::CONFLICT, item, message, format!("remove it, or keep nothing but {}", quoted(text)));
        }
    }
}
