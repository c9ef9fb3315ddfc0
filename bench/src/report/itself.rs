//! The mesh itself, for people and for programs.

use serde_json::{Value, json};

use super::{Spread, aligned};
use crate::itself::Itself;

/// A row: its name for programs, its title, its samples.
struct Told {
    key: String,
    title: String,
    samples: Vec<f64>,
}

/// A table; nothing where nothing was measured.
pub(super) fn table(itself: &Itself) -> Option<String> {
    let rows: Vec<Vec<String>> =
        told(itself).into_iter().filter_map(|told| Some(vec![told.title, Spread::of(&told.samples)?.text()])).collect();
    if rows.is_empty() {
        return None;
    }
    let header = vec!["the mesh itself".to_owned(), String::new()];
    let rows: Vec<Vec<String>> = [header].into_iter().chain(rows).collect();
    Some(aligned(&rows) + &notes(itself))
}

fn notes(itself: &Itself) -> String {
    let samples = itself.starts.len().max(itself.routes.len());
    let medians = format!(
        "Medians of {samples}, in brackets the least and the greatest. Added is told by pairs, one started after the other.\n"
    );
    let retried = itself.starts.iter().filter(|start| start.tries > 1).count();
    let tries = format!(
        "In {retried} of these starts in the mesh the first connection was not answered, and another was made.\n"
    );
    [(samples > 0).then_some(medians), (retried > 0).then_some(tries)].into_iter().flatten().collect()
}

/// The same for programs.
pub(super) fn json(itself: &Itself) -> Value {
    let row = |told: Told| {
        let mut value = Spread::of(&told.samples)?.json();
        value["key"] = told.key.into();
        value["title"] = told.title.into();
        value["samples"] = json!(told.samples);
        Some(value)
    };
    told(itself).into_iter().filter_map(row).collect()
}

fn told(itself: &Itself) -> Vec<Told> {
    let memory = itself.memory.iter().map(|(workloads, mebibytes)| {
        let plural = if *workloads == 1 { "" } else { "s" };
        Told {
            key: format!("proxy_memory_{workloads}_workloads_mib"),
            title: format!("one node proxy with {workloads} workload{plural}, idle, MiB"),
            samples: vec![*mebibytes],
        }
    });
    let starts = |of: fn(&crate::itself::Start) -> f64| itself.starts.iter().map(of).collect::<Vec<f64>>();
    let others = [
        (
            "start_outside_ms",
            "from `ripstop run` to the first answer outside the mesh, ms",
            starts(|start| start.outside),
        ),
        ("start_inside_ms", "the same in the mesh, ms", starts(|start| start.inside)),
        ("start_added_ms", "added by the mesh, ms", starts(|start| start.added())),
        (
            "route_followed_ms",
            "from writing a VirtualService to the first request that follows it, ms",
            itself.routes.clone(),
        ),
    ];
    let others = others.map(|(key, title, samples)| Told { key: key.to_owned(), title: title.to_owned(), samples });
    memory.chain(others).collect()
}

#[cfg(test)]
mod tests;
