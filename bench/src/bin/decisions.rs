//! What compiling and deciding cost, without any traffic: a mesh from scratch and one change of it, for
//! meshes of two sizes side by side; a decision of authorization by number of policies; a route by number
//! of rules. Beside decisions stand naive evaluators that look at everything, the same that the tests
//! compare with.
//!
//! Nothing here judges: ratios count, absolute figures are those of the machine.

use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

#[path = "decisions/compiling.rs"]
mod compiling;
#[path = "decisions/deciding.rs"]
mod deciding;
#[path = "decisions/mesh.rs"]
mod mesh;

#[derive(Parser)]
#[command(about = "Measures what compiling a mesh and deciding by it cost")]
struct Cli {
    /// Services of each mesh.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
    services: Vec<usize>,
    /// Prints figures as JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// A table: what is measured, and a figure for each column.
struct Table {
    title: &'static str,
    columns: Vec<String>,
    rows: Vec<(String, Vec<f64>)>,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    Microseconds,
    Nanoseconds,
}

fn main() {
    let cli = Cli::parse();
    let tables = [compiling::measure(&cli.services), deciding::authorization(), deciding::routes()];
    if cli.json {
        let all: serde_json::Map<String, Value> =
            tables.iter().map(|table| (table.title.to_owned(), table.json())).collect();
        println!("{:#}", Value::Object(all));
    } else {
        for table in &tables {
            println!("{}", table.text());
        }
    }
}

/// The median of how long `work` takes, `times` times.
fn median(times: usize, mut work: impl FnMut() -> Duration) -> Duration {
    let mut taken: Vec<Duration> = (0..times).map(|_| work()).collect();
    taken.sort_unstable();
    taken[times / 2]
}

/// How long one call of `work` takes, in nanoseconds: in the fastest of some short rounds, since whatever
/// else the machine does only ever makes one slower.
fn nanoseconds(mut work: impl FnMut()) -> f64 {
    let mut calls = 1_u32;
    loop {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        if start.elapsed() >= Duration::from_millis(1) || calls >= 1 << 24 {
            break;
        }
        calls *= 2;
    }
    let round = || {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        start.elapsed()
    };
    let fastest = std::iter::repeat_with(round).take(100).min().unwrap_or_default();
    fastest.as_secs_f64() * 1e9 / f64::from(calls)
}

// === impl Table ===

impl Table {
    fn text(&self) -> String {
        let unit = match self.unit {
            Unit::Microseconds => "µs",
            Unit::Nanoseconds => "ns",
        };
        let mut lines = vec![[format!("{} ({unit})", self.title)].into_iter().chain(self.columns.clone()).collect()];
        lines.extend(self.rows.iter().map(|(title, figures)| {
            let figures = figures.iter().map(|figure| ripstop_bench::report::figure(*figure));
            [title.clone()].into_iter().chain(figures).collect::<Vec<_>>()
        }));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let gap = " ".repeat(width - cell.chars().count());
                let parts = if column == 0 { ["", cell, &gap] } else { ["  ", &gap, cell] };
                text.extend(parts);
            }
            text += "\n";
        }
        text
    }

    fn json(&self) -> Value {
        let unit = match self.unit {
            Unit::Microseconds => "us",
            Unit::Nanoseconds => "ns",
        };
        let row = |(title, figures): &(String, Vec<f64>)| {
            let figures = self.columns.iter().cloned().zip(figures.iter().map(|figure| json!(figure)));
            (title.clone(), Value::Object(figures.collect()))
        };
        json!({ "unit": unit, "rows": Value::Object(self.rows.iter().map(row).collect()) })
    }
}
