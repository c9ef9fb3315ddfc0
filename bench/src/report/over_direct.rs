//! What each way adds at fixed rates, in per cent, beside what is published of other meshes.

use super::{Line, aligned, none};
use crate::{
    rate::{Rate, Shown},
    rounds::Samples,
    row::Row,
    way::Way,
};

/// What a mesh adds to the 99th percentile at 3,200 requests/s, as per cent of what there is without it.
struct Published {
    mesh: &'static str,
    percent: f64,
}

const PUBLISHED: [Published; 4] = [
    Published { mesh: "Istio ambient (ztunnel, L4)", percent: 8.0 },
    Published { mesh: "Linkerd", percent: 33.0 },
    Published { mesh: "Cilium (WireGuard/SPIRE)", percent: 99.0 },
    Published { mesh: "Istio sidecar", percent: 166.0 },
];

/// Where they are from, and what they are not.
const SOURCE: &str = "\
Quoted, not measured here: arXiv 2411.02267, November 2024, p99 at 3,200 requests/s between two pods of one
Kubernetes cluster; read second-hand, in two reports of it that agree. Per cent depend on how slow the server is that they
are over: ours does nothing, so that each microsecond weighs most.
";

/// What each way adds at each rate, as per cent of the direct way in the same round, and what is published; nothing
/// where nothing was measured beside the direct way.
pub(super) fn table(samples: &Samples, ways: &[Way]) -> Option<String> {
    let cells = |rate: Rate, shown: Shown| (rate, Line::of(Row::Paced(rate, shown), samples));
    let columns: Vec<(Rate, Line)> = Rate::ALL
        .into_iter()
        .flat_map(|rate| [cells(rate, Shown::P50Percent), cells(rate, Shown::P99Percent)])
        .collect();
    let measured = |way: &Way| columns.iter().any(|(_, line)| line.spreads.contains_key(way));
    let measured: Vec<Way> = ways.iter().copied().filter(measured).collect();
    if measured.is_empty() {
        return None;
    }
    let header = columns.iter().zip(["p50", "p99"].into_iter().cycle());
    let header = header.map(|((rate, _), percentile)| format!("{} {percentile}", rate.text().replace(" requests", "")));
    let mut rows = vec![["over direct, per cent".to_owned()].into_iter().chain(header).collect::<Vec<_>>()];
    for way in measured {
        let cells = columns.iter().map(|(_, line)| line.median(way).map_or_else(none, signed));
        rows.push([way.title().to_owned()].into_iter().chain(cells).collect());
    }
    for Published { mesh, percent } in PUBLISHED {
        let cells = columns.iter().zip(["p50", "p99"].into_iter().cycle()).map(|((rate, _), percentile)| {
            let is_it = *rate == Rate::Published && percentile == "p99";
            if is_it { signed(percent) } else { none() }
        });
        rows.push([format!("quoted: {mesh}")].into_iter().chain(cells).collect());
    }
    Some(aligned(&rows) + SOURCE)
}

/// Ways that did not keep a rate, a line each: their percentiles are those of a queue that grows.
pub(super) fn not_kept(samples: &Samples, ways: &[Way]) -> String {
    let line = |rate: Rate, way: &Way| {
        let achieved = Line::of(Row::Paced(rate, Shown::Achieved), samples).median(*way)?;
        let told = format!(
            "NOT KEPT: {} by {}: {achieved:.0} were answered a second, and its percentiles grow with the time measured.\n",
            rate.text(),
            way.title()
        );
        (!rate.is_kept_by(achieved)).then_some(told)
    };
    Rate::ALL.into_iter().flat_map(|rate| ways.iter().filter_map(move |way| line(rate, way))).collect()
}

fn signed(percent: f64) -> String {
    format!("{percent:+.0} %")
}
