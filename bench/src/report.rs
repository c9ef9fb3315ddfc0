//! Figures for people and for programs.

use std::{collections::BTreeMap, fs};

use serde_json::{Map, Value, json};

use crate::{
    budget::{Beside, Bound},
    plan::Plan,
    rounds::{Results, Samples},
    row::Row,
    task::Piece,
    way::Way,
};

mod chart;
mod each;
mod itself;
mod over_direct;
mod quoted;

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

/// What the report says of others' proxies.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// Version of each that was measured, by its name.
    pub versions: BTreeMap<&'static str, String>,
    /// Ways that could not be measured, and why.
    pub left_out: BTreeMap<Way, String>,
}

/// One row, with all that is told of it.
#[derive(Clone, Debug)]
struct Line {
    row: Row,
    spreads: BTreeMap<Way, Spread>,
}

/// The mesh beside the best of others' pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Match {
    peer: Way,
    figure: f64,
    /// The mesh's figure as a multiple of it; nothing where that says nothing.
    ratio: Option<f64>,
    /// Whether the mesh is better.
    holds: bool,
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
        let spread = |way| Some((way, Spread::of(samples.get(&(row, way))?)?));
        Self { row, spreads: Way::ALL.into_iter().filter_map(spread).collect() }
    }

    fn median(&self, way: Way) -> Option<f64> {
        Some(self.spreads.get(&way)?.median)
    }

    /// The median of `mesh` as a multiple of another's.
    fn ratio(&self, mesh: Way, other: Way) -> Option<f64> {
        self.multiple_of(self.median(mesh)?, self.median(other)?)
    }

    fn multiple_of(&self, one: f64, other: f64) -> Option<f64> {
        if self.row.is_percent() { None } else { ratio(one, other) }
    }

    fn holds(&self, mesh: Way, bound: Bound) -> Option<bool> {
        bound.holds(Beside { relay: self.median(Way::Relay), mesh: self.median(Way::Mesh) }, self.median(mesh)?)
    }

    /// Beside whatever passes bytes on, or, where requests are read, beside whatever reads them; at the edge, beside what
    /// stands there.
    fn against_peers(&self, way: Way) -> Option<Match> {
        let (mesh, better) = (self.median(way)?, self.row.better());
        let alike = |peer: &Way| way.is_edge() == peer.is_edge() && (!way.reads_requests() || peer.reads_requests());
        let peers = self.spreads.iter().filter(|(peer, _)| peer.peer().is_some() && alike(peer));
        let best = peers
            .map(|(way, spread)| (*way, spread.median))
            .reduce(|best, next| if better.is(next.1, best.1) { next } else { best });
        let (peer, figure) = best?;
        Some(Match { peer, figure, ratio: self.multiple_of(mesh, figure), holds: better.is(mesh, figure) })
    }

    /// What each way shows.
    fn figures(&self, ways: &[Way]) -> Vec<String> {
        let spread = |way: &Way| self.spreads.get(way).map_or_else(none, |spread| spread.text());
        [self.row.title()].into_iter().chain(ways.iter().map(spread)).collect()
    }

    /// The figure of `mesh`, and what it is judged by.
    fn judgement(&self, mesh: Way) -> Vec<String> {
        let budget = self.row.budget(mesh);
        let ratio = |ratio: Option<f64>| ratio.map_or_else(none, multiple);
        let bound = |bound: Option<Bound>| {
            bound.map_or_else(none, |bound| match self.holds(mesh, bound) {
                Some(holds) => format!("{} {}", bound.text(), tick(holds)),
                None => bound.text(),
            })
        };
        let against = self.against_peers(mesh);
        let best = against.map_or_else(none, |found| format!("{} {}", found.peer, figure(found.figure)));
        let to_best = against.map_or_else(none, |found| {
            let ratio = found.ratio.map_or_else(none, multiple);
            // Only where something has to be reached.
            budget.must.map_or_else(|| ratio.clone(), |_| format!("{ratio} {}", tick(found.holds)))
        });
        vec![
            self.row.title(),
            self.median(mesh).map_or_else(none, figure),
            ratio(self.ratio(mesh, Way::Direct)),
            ratio(self.ratio(mesh, Way::Relay)),
            bound(budget.must),
            best,
            to_best,
            bound(budget.goal),
        ]
    }

    fn json(&self, samples: &Samples) -> Value {
        let way = |(way, spread): (&Way, &Spread)| {
            let mut value = spread.json();
            value["samples"] = json!(samples.get(&(self.row, *way)));
            if way.is_mesh() {
                value["judged"] = self.judged(*way);
            }
            (way.name().to_owned(), value)
        };
        json!({
            "key": self.row.key(),
            "title": self.row.title(),
            "ways": self.spreads.iter().map(way).collect::<Map<_, _>>(),
        })
    }

    fn judged(&self, mesh: Way) -> Value {
        let bound = |bound: Option<Bound>| bound.map(|b| json!({ "text": b.text(), "holds": self.holds(mesh, b) }));
        let budget = self.row.budget(mesh);
        json!({
            "over_direct": self.ratio(mesh, Way::Direct),
            "over_relay": self.ratio(mesh, Way::Relay),
            "must": bound(budget.must),
            "best_peer": self.against_peers(mesh).map(|found| json!({
                "way": found.peer.name(),
                "median": found.figure,
                "ratio": found.ratio,
                "is_beaten": found.holds,
            })),
            "goal": bound(budget.goal),
        })
    }
}

/// What each way shows; and, where the mesh is one of them, how it stands beside the others and its budget; then the
/// mesh itself, and what is quoted.
pub fn tables(results: &Results, plan: &Plan, others: &Others) -> String {
    let beside = (plan.turns() > 0).then(|| side_by_side(results, plan));
    let published = over_direct::table(&results.samples, &plan.ways);
    let each = each::table(&results.samples, &plan.ways);
    let parts = [beside, each, published, itself::table(&results.itself), Some(quoted::table())];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join("\n");
    text + &footnote(plan, others) + &over_direct::not_kept(&results.samples, &plan.ways)
}

fn side_by_side(results: &Results, plan: &Plan) -> String {
    let names = plan.ways.iter().map(|way| way.title());
    let mut figures = vec![[""].into_iter().chain(names).map(str::to_owned).collect::<Vec<_>>()];
    let together = || lines(results).filter(|line| !line.row.is_of_one());
    let measured = together().filter(|line| !line.spreads.is_empty());
    figures.extend(measured.map(|line| line.figures(&plan.ways)));
    let mut text = aligned(&figures);
    for mesh in Way::MESH.into_iter().filter(|mesh| plan.ways.contains(mesh)) {
        let header = [mesh.title(), "", "to direct", "to relay", "must", "best peer", "to best peer", "goal"];
        let mut judged = vec![header.map(str::to_owned).to_vec()];
        judged.extend(together().filter(|line| line.median(mesh).is_some()).map(|line| line.judgement(mesh)));
        text = text + "\n" + &aligned(&judged);
    }
    text
}

/// The same for programs, with every sample.
pub fn json(results: &Results, plan: &Plan, others: &Others, date: &str) -> Value {
    let rows: Vec<Value> = lines(results).map(|line| line.json(&results.samples)).collect();
    let left_out: Map<_, _> =
        others.left_out.iter().map(|(way, reason)| (way.name().to_owned(), json!(reason))).collect();
    json!({
        "date": date,
        "rounds": plan.rounds,
        "seconds": plan.measured.as_secs_f64(),
        "works": plan.pieces.iter().map(|piece| piece.name()).collect::<Vec<_>>(),
        "profile": profile(),
        "machine": { "cpus": cpus(), "cpu": cpu_model(), "kernel": kernel() },
        "versions": others.versions,
        "left_out": left_out,
        "itself": itself::json(&results.itself),
        "quoted": quoted::json(),
        "failures": results.failures,
        "rows": rows,
    })
}

/// A picture of it for readers, as SVG.
pub fn svg(results: &Results, plan: &Plan, date: &str) -> String {
    chart::svg(&results.samples, &plan.ways, &machine_text(), date)
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

/// Rows of as many cells each; the first column to the left, all others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).min().unwrap_or(0);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let gap = " ".repeat(width - cell.chars().count());
            if column == 0 { format!("{cell}{gap}") } else { format!("{gap}{cell}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn lines(results: &Results) -> impl Iterator<Item = Line> {
    Row::all().map(|row| Line::of(row, &results.samples))
}

fn ratio(one: f64, other: f64) -> Option<f64> {
    (other > 0.0 && one >= 0.0).then(|| one / other)
}

fn multiple(ratio: f64) -> String {
    format!("× {ratio:.2}")
}

fn tick(holds: bool) -> &'static str {
    if holds { "✓" } else { "✗" }
}

fn none() -> String {
    "–".to_owned()
}

fn footnote(plan: &Plan, others: &Others) -> String {
    if plan.turns() == 0 {
        return format!("\n{}.\n", machine_text());
    }
    let mut text = format!(
        "\n{} rounds of {} s each, taking turns; medians, in brackets the least and the greatest. {}.\n\
         Requests are HTTP/1.1, answers have a body of 128 bytes. A new connection finds a warm tunnel in the mesh\n\
         and in envoy-l7; envoy-l4 and haproxy shake hands for each.\n\
         gRPC: unary calls and answers of 128 bytes, 8 streams on each of 8 connections, `ripstop load` to a server of h2.\n\
         At fixed rates a request counts from when it was due, and \"over direct\" is over the direct way of the same round:\n\
         the fewer requests there are, the more of it is waking CPUs, so that it may be below 0.\n\
         Where the pair is kept on 1 or 2 CPUs, driver and server may use all there are, {}.\n\
         \"must\" is judged twice: by a figure, and by the best of the other pairs of this run (✓: the mesh is better).\n\
         Figures of budgets are those of a 2-vCPU x86-64 machine and a release build: elsewhere the ratios count.\n\
         Nothing here passes or fails by time.\n",
        plan.rounds,
        plan.measured.as_secs_f64(),
        machine_text(),
        if cpus() > 2 { "those of the pair, too" } else { "and share them with it: more CPUs would show more" },
    );
    text.extend(roles(plan));
    text.extend(partial(plan));
    text.extend(others.versions.iter().map(|(name, version)| format!("{name} is version {version}.\n")));
    text.extend(others.left_out.iter().map(|(way, reason)| format!("NOT MEASURED: {way}: {reason}\n")));
    text
}

/// What is to be known of ways of roles.
fn roles(plan: &Plan) -> Option<String> {
    let roles: Vec<&str> = plan.ways.iter().filter(|way| way.is_role()).map(|way| way.name()).collect();
    let text = "The gateways' clients are workloads outside of the mesh, in plaintext; a gateway is a workload of its own, and\n\
                that is one routed link more than others have.\n";
    let edge = plan.ways.iter().any(|way| way.is_edge()).then_some(text.to_owned());
    let brief = format!("In a whole run {} do a part of all works; with --ways they do all.\n", roles.join(", "));
    let brief = (plan.roles_are_brief && !roles.is_empty()).then_some(brief);
    let told: String = edge.into_iter().chain(brief).collect();
    (!told.is_empty()).then_some(told)
}

/// What is to be known where not all was measured.
fn partial(plan: &Plan) -> Option<String> {
    let names: Vec<&str> = plan.pieces.iter().map(|piece| piece.name()).collect();
    let text = format!("Measured was no more than {}: \"loaded\" means those.\n", names.join(", "));
    (plan.pieces.len() < Piece::ALL.len()).then_some(text)
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
