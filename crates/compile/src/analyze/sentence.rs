//! Lists inside of sentences.

use std::fmt::Display;

/// Most items that are named.
const NAMED: usize = 3;

/// `a, b, c and 4 more`.
pub(crate) fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.len().saturating_sub(NAMED) {
        0 => items.join(", "),
        more => format!("{} and {more} more", items[..NAMED].join(", ")),
    }
}
