//! Figures, and their comparison with others.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context;
use serde_json::{Value, json};

#[cfg(test)]
mod tests;

/// What more than this many instructions in a hundred is too much.
const TOLERANCE: u64 = 5;

/// What all cases cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The architecture; instructions of others cannot be compared.
    pub arch: String,
    /// Compiler and valgrind.
    pub tools: String,
    /// By the name of the case.
    pub costs: BTreeMap<String, Cost>,
}

/// What one operation costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Absent if they could not be counted.
    pub instructions: Option<u64>,
    /// An average: a table may grow now and then.
    pub allocations: f64,
}

/// A baseline and what is now, case by case.
pub struct Comparison {
    lines: Vec<Line>,
    notes: Vec<String>,
}

struct Line {
    case: String,
    before: Option<Cost>,
    now: Option<Cost>,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Holds,
    Better,
    MoreInstructions,
    MoreAllocations,
    NotInBaseline,
    Gone,
}

/// Compares with a baseline.
pub fn compare(before: &Figures, now: &Figures) -> Comparison {
    let counts = before.arch == now.arch && now.has_instructions();
    let mut notes = Vec::new();
    if !now.has_instructions() {
        notes.push(
            "SKIPPED: instructions are NOT checked, since valgrind is missing; only allocations are. \
             Run this once:\n  sudo apt-get install -y --no-install-recommends valgrind"
                .to_owned(),
        );
    } else if !counts {
        notes.push(format!(
            "SKIPPED: instructions are NOT checked, since the baseline is of {}, not of {}; only allocations are.",
            before.arch, now.arch
        ));
    }
    if counts && before.tools != now.tools {
        notes.push(format!("The baseline was made with {}; this is {}.", before.tools, now.tools));
    }
    let names: std::collections::BTreeSet<&String> = before.costs.keys().chain(now.costs.keys()).collect();
    let line = |case: &String| {
        let (before, now) = (before.costs.get(case).copied(), now.costs.get(case).copied());
        let verdict = match (before, now) {
            (Some(before), Some(now)) => judge(before, now, counts),
            (None, _) => Verdict::NotInBaseline,
            (_, None) => Verdict::Gone,
        };
        Line { case: case.clone(), before, now, verdict }
    };
    let lines: Vec<Line> = names.into_iter().map(line).collect();
    if lines.iter().any(|line| line.verdict == Verdict::Better) {
        notes.push("What is better now may become worse again unseen, until: scripts/bench codecs --accept".to_owned());
    }
    Comparison { lines, notes }
}

fn judge(before: Cost, now: Cost, counts: bool) -> Verdict {
    if now.allocations > before.allocations {
        return Verdict::MoreAllocations;
    }
    let instructions = before.instructions.zip(now.instructions);
    match instructions.filter(|_| counts) {
        Some((before, now)) if now * 100 > before * (100 + TOLERANCE) => Verdict::MoreInstructions,
        Some((before, now)) if now * 100 < before * (100 - TOLERANCE) => Verdict::Better,
        _ if now.allocations < before.allocations => Verdict::Better,
        _ => Verdict::Holds,
    }
}

// === impl Figures ===

impl Figures {
    /// Whether instructions were counted.
    pub fn has_instructions(&self) -> bool {
        self.costs.values().all(|cost| cost.instructions.is_some())
    }

    /// As a table, beside times of this machine.
    pub fn table(&self, nanoseconds: &BTreeMap<&'static str, f64>) -> String {
        let head = format!("{:30}{:>14}{:>13}{:>12}\n", "an operation", "instructions", "allocations", "ns here");
        let line = |(case, cost): (&String, &Cost)| {
            let time = nanoseconds.get(case.as_str()).map_or_else(|| "-".to_owned(), |time| format!("{time:.1}"));
            let instructions = count(cost.instructions);
            format!("{case:30}{instructions:>14}{:>13}{time:>12}\n", cost.allocations)
        };
        let skipped = if self.has_instructions() { "" } else { "SKIPPED: instructions, since valgrind is missing\n" };
        [head].into_iter().chain(self.costs.iter().map(line)).chain([skipped.to_owned()]).collect()
    }

    /// As it is in the baseline.
    pub fn to_json(&self) -> Value {
        let cost = |cost: &Cost| json!({ "instructions": cost.instructions, "allocations": cost.allocations });
        let cases: serde_json::Map<String, Value> =
            self.costs.iter().map(|(case, of)| (case.clone(), cost(of))).collect();
        json!({ "arch": self.arch, "tools": self.tools, "cases": cases })
    }

    /// From a baseline.
    pub fn from_json(text: &str) -> anyhow::Result<Self> {
        let all: Value = serde_json::from_str(text)?;
        let text = |key: &str| all[key].as_str().map(str::to_owned).with_context(|| format!("{key} is missing"));
        let cases = all["cases"].as_object().context("cases are missing")?;
        let cost = |(case, of): (&String, &Value)| {
            let allocations = of["allocations"].as_f64();
            let allocations = allocations.with_context(|| format!("{case}: allocations are missing"))?;
            Ok((case.clone(), Cost { instructions: of["instructions"].as_u64(), allocations }))
        };
        let costs = cases.iter().map(cost).collect::<anyhow::Result<_>>()?;
        Ok(Self { arch: text("arch")?, tools: text("tools")?, costs })
    }
}

// === impl Comparison ===

impl Comparison {
    /// Whether nothing is worse.
    pub fn holds(&self) -> bool {
        self.lines.iter().all(|line| matches!(line.verdict, Verdict::Holds | Verdict::Better))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:30}{:>14}{:>10}{:>13}{:>10}",
            "an operation", "instructions", "before", "allocations", "before"
        )?;
        for line in &self.lines {
            let instructions = |cost: Option<Cost>| count(cost.and_then(|cost| cost.instructions));
            let allocations =
                |cost: Option<Cost>| cost.map_or_else(|| "-".to_owned(), |cost| cost.allocations.to_string());
            writeln!(
                f,
                "{:30}{:>14}{:>10}{:>13}{:>10}  {}",
                line.case,
                instructions(line.now),
                instructions(line.before),
                allocations(line.now),
                allocations(line.before),
                line.verdict
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "",
            Self::Better => "better",
            Self::MoreInstructions => "FAILED: more than 5 % more instructions",
            Self::MoreAllocations => "FAILED: more allocations",
            Self::NotInBaseline => "FAILED: not in the baseline",
            Self::Gone => "FAILED: in the baseline, but no case any more",
        })
    }
}

fn count(instructions: Option<u64>) -> String {
    instructions.map_or_else(|| "-".to_owned(), |count| count.to_string())
}
