//! Figures for people and for programs.

use std::fs;

use serde_json::{Value, json};

use crate::{
    budget::Bound,
    rounds::{Plan, Results, Samples},
    row::Row,
    stage::Way,
};

/// Median and ends of some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

/// One row, with all that is told of it.
#[derive(Clone, Copy, Debug)]
struct Line {
    row: Row,
    direct: Option<Spread>,
    relay: Option<Spread>,
    mesh: Option<Spread>,
}

// === impl Spread ===

impl Spread {
    /// Nothing where there are no samples.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median, least, most })
    }

    fn text(self) -> String {
        let (least, most) = (figure(self.least), figure(self.most));
        if least == most { figure(self.median) } else { format!("{} ({least}–{most})", figure(self.median)) }
    }

    fn json(self) -> Value {
        json!({ "median": self.median, "min": self.least, "max": self.most })
    }
}

// === impl Line ===

impl Line {
    fn of(row: Row, samples: &Samples) -> Self {
        let spread = |way| Spread::of(samples.get(&(row, way))?);
        Self { row, direct: spread(Way::Direct), relay: spread(Way::Relay), mesh: spread(Way::Mesh) }
    }

    /// The mesh's median as a multiple of another's.
    fn ratio(self, other: Option<Spread>) -> Option<f64> {
        let other = other.filter(|other| other.median > 0.0)?;
        Some(self.mesh?.median / other.median)
    }

    fn holds(self, bound: Bound) -> Option<bool> {
        bound.holds(self.direct.map(|s| s.median), self.relay.map(|s| s.median), self.mesh?.median)
    }

    fn cells(self) -> Vec<String> {
        let spread = |spread: Option<Spread>| spread.map_or_else(none, Spread::text);
        let ratio = |ratio: Option<f64>| ratio.map_or_else(none, |ratio| format!("× {ratio:.2}"));
        let bound = |bound: Option<Bound>| {
            bound.map_or_else(none, |bound| match self.holds(bound) {
                Some(true) => format!("{} ✓", bound.text()),
                Some(false) => format!("{} ✗", bound.text()),
                None => bound.text(),
            })
        };
        vec![
            self.row.title().to_owned(),
            spread(self.direct),
            spread(self.relay),
            spread(self.mesh),
            ratio(self.ratio(self.direct)),
            ratio(self.ratio(self.relay)),
            bound(self.row.budget().must),
            bound(self.row.budget().goal),
        ]
    }

    fn json(self) -> Value {
        let bound = |bound: Option<Bound>| bound.map(|b| json!({ "text": b.text(), "holds": self.holds(b) }));
        json!({
            "key": self.row.key(),
            "title": self.row.title(),
            "direct": self.direct.map(Spread::json),
            "relay": self.relay.map(Spread::json),
            "mesh": self.mesh.map(Spread::json),
            "over_direct": self.ratio(self.direct),
            "over_relay": self.ratio(self.relay),
            "must": bound(self.row.budget().must),
            "goal": bound(self.row.budget().goal),
        })
    }
}

/// The table.
pub fn table(results: &Results, plan: Plan) -> String {
    let header = ["", "direct", "relay pair", "mesh (L4)", "to direct", "to relay", "must", "goal"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(lines(results).map(Line::cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let gap = " ".repeat(width - cell.chars().count());
            if column == 0 { format!("{cell}{gap}") } else { format!("{gap}{cell}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text + &footnote(plan)
}

/// The same for programs, with every sample.
pub fn json(results: &Results, plan: Plan) -> Value {
    let samples = |row: Row| {
        let of = |way: Way| (way.name().to_owned(), json!(results.samples.get(&(row, way))));
        Way::ALL.map(of).into_iter().collect::<serde_json::Map<_, _>>()
    };
    let rows: Vec<Value> = lines(results)
        .map(|line| {
            let mut value = line.json();
            value["samples"] = samples(line.row).into();
            value
        })
        .collect();
    json!({
        "rounds": plan.rounds,
        "seconds": plan.measured.as_secs_f64(),
        "profile": profile(),
        "machine": { "cpus": cpus(), "cpu": cpu_model(), "kernel": kernel() },
        "failures": results.failures,
        "rows": rows,
    })
}

fn lines(results: &Results) -> impl Iterator<Item = Line> {
    Row::ALL.into_iter().map(|row| Line::of(row, &results.samples))
}

/// A figure with three digits or so.
pub fn figure(value: f64) -> String {
    match value.abs() {
        10_000.0.. => format!("{:.1}k", value / 1000.0),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn footnote(plan: Plan) -> String {
    format!(
        "\n{} rounds of {} s each, taking turns; medians, in brackets the least and the greatest. {}.\n\
         Budgets are those of a 2-vCPU x86-64 machine and a release build: elsewhere the ratios count. \
         Nothing here passes or fails by time.\n",
        plan.rounds,
        plan.measured.as_secs_f64(),
        machine_text(),
    )
}

fn none() -> String {
    "–".to_owned()
}

fn machine_text() -> String {
    format!("{} CPUs ({}), Linux {}, {} build", cpus(), cpu_model(), kernel(), profile())
}

fn profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": ")).map_or_else(|| "?".to_owned(), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests;
