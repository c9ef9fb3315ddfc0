//! Fields of kinds that the page has to tell of, and does not.

use std::collections::BTreeSet;

use ripstop_api::{Kind, format::fields_of};

use super::{KindOf, table::KINDS};

/// Kinds of which every field is told: their names on the page, and where their fields stand below `spec`.
const TOLD: [(Kind, &str, &str); 5] = [
    (Kind::VirtualService, "VirtualService", ""),
    (Kind::DestinationRule, "DestinationRule", ""),
    (Kind::ServiceEntry, "ServiceEntry", ""),
    (Kind::WorkloadEntry, "WorkloadEntry", ""),
    (Kind::WorkloadGroup, "WorkloadGroup", ""),
];

/// What has no row yet, with all below it: RS224 tells of it when it is used. Whoever makes it act takes it off this list.
const OPEN: [(&str, &str); 1] = [("DestinationRule", "http2KeepAlive")];

/// Fields of that kind that no row is about.
pub(super) fn of(kind: Kind, page: &str, below: &str) -> BTreeSet<String> {
    let rows = KINDS.iter().filter(|of| of.kind == page).flat_map(|of: &KindOf| of.fields);
    let told: Vec<String> = rows.flat_map(|row| alternatives(row.path)).collect();
    let fields = fields_of(kind).into_iter().filter_map(|field| Some(field.strip_prefix(below)?.to_owned()));
    fields.filter(|field| !told.iter().any(|told| covers(told, field))).collect()
}

/// Whether a field without a row is known to have none.
fn is_open(page: &str, field: &str) -> bool {
    OPEN.iter().any(|(kind, name)| *kind == page && field.split('.').any(|part| part == *name))
}

/// The paths that a row names: those after a comma may leave out what they share with the first.
fn alternatives(row: &str) -> Vec<String> {
    // What stands behind a colon are values.
    let named = row.split(", ").map(|part| part.split(": ").next().unwrap_or(part));
    let first = row.split([',', ':']).next().unwrap_or(row);
    let parent = first.rfind('.').map_or("", |at| &first[..=at]);
    named.flat_map(|part| [part.to_owned(), format!("{parent}{part}")]).collect()
}

/// Whether a row for `told` is about `field`.
fn covers(told: &str, field: &str) -> bool {
    let told = told.trim_end_matches("[]");
    field.strip_prefix(told).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests;
