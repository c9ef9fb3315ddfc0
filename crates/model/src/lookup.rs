//! Workloads by the names that people call them.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::Labels;

/// What a workload is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Called<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its own name: one workload of a namespace has it.
    pub instance: &'a str,
    /// What it is an instance of.
    pub process: &'a str,
    /// The application that it is a version of; may be empty.
    pub app: &'a str,
}

/// Workloads that a name stands for: places in the list that was searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// One workload by its own name.
    Instance(usize),
    /// All instances of a process.
    Process(Vec<usize>),
    /// All instances of an application that is no process by that name.
    App(Vec<usize>),
}

/// Why a name stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotFound {
    /// Nobody has it.
    #[error("{}", meant(near))]
    Unknown {
        /// What was probably meant, at most three.
        near: Vec<String>,
    },
    /// Workloads of several namespaces have it.
    #[error("it is in several namespaces: {}; write NAMESPACE/NAME", namespaces.join(", "))]
    Ambiguous {
        /// The namespaces.
        namespaces: Vec<String>,
    },
}

/// A name that a workload has, and what it stands for then.
type Way = (for<'c> fn(&Called<'c>) -> &'c str, fn(Vec<usize>) -> Found);

/// Most suggestions.
const SUGGESTIONS: usize = 3;

/// Finds whom `text` names: `NAME`, `NAMESPACE/NAME` or `NAME.NAMESPACE`, of a workload, else of a process, else of an
/// application. With `namespace` it is a name there.
pub fn find(all: &[Called<'_>], namespace: Option<&str>, text: &str) -> Result<Found, NotFound> {
    if let Some(namespace) = namespace {
        return named(all, Some(namespace), text);
    }
    if let Some((namespace, name)) = text.split_once('/') {
        return named(all, Some(namespace), name);
    }
    // Names may have dots, namespaces have none.
    match (named(all, None, text), text.rsplit_once('.')) {
        (Err(NotFound::Unknown { near }), Some((name, namespace))) => {
            let found = named(all, Some(namespace), name);
            found.map_err(|error| if near.is_empty() { error } else { NotFound::Unknown { near } })
        }
        (found, _) => found,
    }
}

/// The application that labels say a workload is a version of.
pub fn app(labels: &Labels) -> Option<&str> {
    let keys = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"];
    keys.iter().find_map(|key| labels.get(*key)).map(|value| &**value).filter(|value| !value.is_empty())
}

/// At most three of `known` that were probably meant by `text`, the likeliest first.
pub fn near<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<String> {
    let limit = 1 + text.chars().count() / 4;
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|known| {
            let name = known.rsplit('/').next().unwrap_or(known);
            let part = text.len().min(name.len()) > 2 && (name.contains(text) || text.contains(name));
            let distance = distance(text, name).min(distance(text, known));
            (part || distance <= limit).then_some((if part { distance.min(1) } else { distance }, known))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(SUGGESTIONS).map(|(_, known)| known.to_owned()).collect()
}

fn named(all: &[Called<'_>], namespace: Option<&str>, name: &str) -> Result<Found, NotFound> {
    let takes = |called: &&Called<'_>| namespace.is_none_or(|namespace| called.namespace == namespace);
    let ways: [Way; 3] = [
        (
            |called| called.instance,
            |places| match places[..] {
                [only] => Found::Instance(only),
                _ => Found::Process(places),
            },
        ),
        (|called| called.process, Found::Process),
        (|called| called.app, Found::App),
    ];
    for (of, found) in ways {
        let is = |place: &usize| all.get(*place).filter(takes).is_some_and(|called| of(called) == name);
        let places: Vec<usize> = (0..all.len()).filter(is).filter(|_| !name.is_empty()).collect();
        let namespaces: BTreeSet<&str> = places.iter().map(|place| all[*place].namespace).collect();
        match namespaces.len() {
            0 => {}
            1 => return Ok(found(places)),
            _ => {
                let namespaces = namespaces.into_iter().map(ToOwned::to_owned).collect();
                return Err(NotFound::Ambiguous { namespaces });
            }
        }
    }
    let known: BTreeSet<String> = all.iter().map(|called| format!("{}/{}", called.namespace, called.process)).collect();
    let text = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
    let [by_name, by_both] = [name, &text].map(|text| near(text, known.iter().map(String::as_str)));
    Err(NotFound::Unknown { near: if by_name.is_empty() { by_both } else { by_name } })
}

/// `did you mean A, B or C?`, or nothing.
fn meant(near: &[String]) -> String {
    match near {
        [] => String::new(),
        [one] => format!("did you mean {one}?"),
        [rest @ .., last] => format!("did you mean {} or {last}?", rest.join(", ")),
    }
}

/// Insertions, deletions and replacements from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
