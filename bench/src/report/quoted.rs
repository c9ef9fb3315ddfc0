//! Pairs of proxies that are in no registry, so that no run can measure them: figures of another day, on a machine
//! of the same kind, with what was measured beside them.

use serde_json::{Map, Value, json};

use super::aligned;
use crate::{
    rate::{Rate, Shown},
    row::Row,
};

/// When all of them were measured.
const DATE: &str = "2026-11-20";
/// Whose columns follow.
const NAMES: [&str; 4] = ["direct", "envoy-l7 1.40", "linkerd2-proxy (L7)", "ztunnel (L4)"];

/// What they showed, in the units of the row; empty where nothing was measured.
const FIGURES: [(Row, [&str; 4]); 8] = [
    (Row::PinnedP50, ["17", "160", "145", "65"]),
    (Row::RequestCpu, ["", "67", "58", "36–42"]),
    (Row::Throughput, ["150k", "22k", "22k", "28–33k"]),
    (Row::Paced(Rate::Thousand, Shown::P50OverDirect), ["", "920", "920", "420–690"]),
    (Row::Connects, ["20.8k", "7.4k", "7.8k", "5.2k"]),
    (Row::Bulk, ["22", "10.6", "3.8", "7.2"]),
    // In MB, as they were told.
    (Row::MemoryIdle, ["", "135 MB", "50 MB", "37 MB"]),
    (Row::MemoryLoaded, ["", "147 MB", "54 MB", "57 MB"]),
];

/// What stands below the figures of this run.
pub(super) fn table() -> String {
    let cell = |figure: &str| if figure.is_empty() { super::none() } else { figure.to_owned() };
    let header = ["QUOTED"].into_iter().chain(NAMES).map(str::to_owned).collect();
    let rows = FIGURES.iter().map(|(row, figures)| [row.title()].into_iter().chain(figures.map(cell)).collect());
    let rows: Vec<Vec<String>> = [header].into_iter().chain(rows).collect();
    format!(
        "{}Quoted of {DATE}, not measured in this run: Linkerd's and Istio's proxies are in no registry. Pairs between two \
         namespaces of\na machine with 2 x86-64 CPUs; the day's direct way and Envoy tell how fast it was. Compare ratios, \
         not figures.\n",
        aligned(&rows)
    )
}

/// The same for programs.
pub(super) fn json() -> Value {
    let rows = FIGURES.iter().map(|(row, figures)| {
        let told = NAMES.into_iter().zip(figures).filter(|(_, figure)| !figure.is_empty());
        json!({ "key": row.key(), "figures": told.map(|(name, figure)| (name.to_owned(), json!(figure))).collect::<Map<_, _>>() })
    });
    json!({ "date": DATE, "is_measured": false, "rows": rows.collect::<Vec<_>>() })
}
