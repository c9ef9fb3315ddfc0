//! Who is meant by a name: the same for orders and logs.

use http::StatusCode;
use ripstop_model::lookup::{self, Called, Found, NotFound, near};

use super::Failure;
use crate::board::{Entry, Key};

/// The parts that are not on the board: they are there for as long as the mesh is.
pub(super) const PARTS: [&str; 2] = ["broker", SUPERVISE];
/// This process.
pub(super) const SUPERVISE: &str = "supervise";

/// Who is meant.
#[derive(Debug)]
pub(super) enum Meant {
    /// A role, a workload, or all instances of a process; at least one.
    Entries(Vec<(Key, Entry)>),
    /// One of [`PARTS`].
    Part(&'static str),
}

/// Whom `name` means: a role, `[NAMESPACE/]NAME` or `NAME.NAMESPACE` of a workload, a process, or an application of
/// one process.
pub(super) fn find(all: &[(Key, Entry)], namespace: Option<&str>, name: &str) -> Result<Meant, Failure> {
    if namespace.is_none() {
        if let Some(part) = PARTS.into_iter().find(|part| *part == name) {
            return Ok(Meant::Part(part));
        }
        if let Some(role) = all.iter().find(|(key, _)| *key == Key::role(name)) {
            return Ok(Meant::Entries(vec![role.clone()]));
        }
    }
    let workloads: Vec<&(Key, Entry)> = all.iter().filter(|(key, _)| matches!(key, Key::Workload(..))).collect();
    let called: Vec<Called<'_>> = workloads.iter().filter_map(|(key, entry)| called(key, entry)).collect();
    let text = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
    let places = match lookup::find(&called, namespace, name) {
        Ok(Found::Instance(place)) => vec![place],
        Ok(Found::Process(places)) => places,
        Ok(Found::App(places)) => {
            let of =
                |place: &usize| called.get(*place).map(|called| format!("{}/{}", called.namespace, called.process));
            let mut processes: Vec<String> = places.iter().filter_map(of).collect();
            processes.dedup();
            if processes.len() > 1 {
                let message =
                    format!("{text} is an application of several processes: {}; name one", processes.join(", "));
                return Err(Failure(StatusCode::NOT_FOUND, message));
            }
            places
        }
        Err(error @ NotFound::Ambiguous { .. }) => {
            return Err(Failure(StatusCode::NOT_FOUND, format!("{text} is not clear: {error}")));
        }
        Err(NotFound::Unknown { near: workloads }) => {
            let roles = all.iter().filter_map(|(key, _)| match key {
                Key::Role(name) => Some(&**name),
                Key::Workload(..) => None,
            });
            let roles = if namespace.is_none() { near(name, roles.chain(PARTS)) } else { Vec::new() };
            return Err(Failure::not_found(&text, &[roles, workloads].concat()));
        }
    };
    let entries = places.iter().filter_map(|place| workloads.get(*place)).map(|entry| (*entry).clone());
    Ok(Meant::Entries(entries.collect()))
}

fn called<'a>(key: &'a Key, entry: &'a Entry) -> Option<Called<'a>> {
    let Key::Workload(namespace, instance) = key else { return None };
    let workload = entry.workload.as_ref();
    Some(Called {
        namespace,
        instance,
        process: workload.map_or(instance, |workload| &workload.process),
        app: workload.and_then(|workload| lookup::app(&workload.labels)).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
