//! Who is measured when, and what is kept.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{
    command::{Event, Outcome},
    cpus::{Cpus, OnCpus},
    itself::Itself,
    place::{OfOne, Place},
    plan::{Plan, SETTLED},
    process::{self, Process},
    rate::{Rate, Shown, percent_over},
    row::Row,
    stage::{Lane, Stage},
    task::Task,
    way::Way,
};

/// All samples of a row and way: one a round, or a single one.
pub type Samples = BTreeMap<(Row, Way), Vec<f64>>;

/// What came of all rounds.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Everything measured.
    pub samples: Samples,
    /// What the mesh itself has shown.
    pub itself: Itself,
    /// Everything that failed; figures that are beside such a failure mean little.
    pub failures: Vec<String>,
}

/// What a turn showed besides its outcome.
#[derive(Clone, Debug, Default)]
struct Watched {
    /// CPU seconds of each of the pair at begin and end.
    each: [BTreeMap<Place, f64>; 2],
    helpers: [f64; 2],
    memory: Most,
}

/// Most memory seen, in MiB.
#[derive(Clone, Debug, Default)]
struct Most {
    /// Of all of a pair at one time.
    pair: f64,
    each: BTreeMap<Place, f64>,
}

// === impl Results ===

impl Results {
    fn add(&mut self, row: Row, way: Way, value: f64) {
        self.samples.entry((row, way)).or_default().push(value);
    }

    /// What a round has to add to rows over direct. Not the difference of medians: rounds differ more than ways do.
    fn compare_with_direct(&mut self) {
        let last = |row, way| self.samples.get(&(row, way)).and_then(|samples| samples.last().copied());
        let mut over = Vec::new();
        for rate in Rate::ALL {
            let row = |shown| Row::Paced(rate, shown);
            let (p50, p99) = (last(row(Shown::P50), Way::Direct), last(row(Shown::P99), Way::Direct));
            let Some((p50, p99)) = p50.zip(p99) else { continue };
            for way in Way::ALL.into_iter().filter(|way| *way != Way::Direct) {
                if let Some(own) = last(row(Shown::P50), way) {
                    over.push((row(Shown::P50OverDirect), way, Some(own - p50)));
                    over.push((row(Shown::P50Percent), way, percent_over(p50, own)));
                }
                if let Some(own) = last(row(Shown::P99), way) {
                    over.push((row(Shown::P99Percent), way, percent_over(p99, own)));
                }
            }
        }
        for (row, way, more) in over {
            if let Some(more) = more {
                self.add(row, way, more);
            }
        }
    }
}

/// Whoever has started gives back what only that took.
#[expect(clippy::disallowed_methods, reason = "nothing is waited for but time")]
pub(crate) fn settle() {
    std::thread::sleep(SETTLED);
}

/// Takes all rounds. `progress` is told what comes next.
pub fn run(stage: &mut Stage, plan: &Plan, progress: impl Fn(&str)) -> Result<Results> {
    let mut results = Results::default();
    progress("letting all of them come to rest");
    settle();
    for lane in stage.lanes.iter().filter(|lane| !lane.pair.is_empty()) {
        let mut idle = Most::default();
        idle.look(lane)?;
        results.add(Row::MemoryIdle, lane.way, idle.pair);
        for (place, memory) in idle.each {
            results.add(Row::At(place, OfOne::MemoryIdle), lane.way, memory);
        }
    }
    for round in 1..=plan.rounds {
        let mut most: BTreeMap<Way, Most> = BTreeMap::new();
        for task in plan.tasks() {
            if let Task::OnCpus(cpus) = task
                && cpus.first_of(&process::cpus()?).is_none()
            {
                progress(&format!("NOT MEASURED: {}: there are fewer", task.text()));
                continue;
            }
            // Whoever goes first in one round goes last in the next.
            let mut order: Vec<usize> = (0..stage.lanes.len()).collect();
            if round % 2 == 0 {
                order.reverse();
            }
            for index in order {
                let lane = &mut stage.lanes[index];
                if !plan.has(task, lane.way) {
                    continue;
                }
                let what = format!("round {round} of {}: {}, {}", plan.rounds, task.text(), lane.way.name());
                progress(&what);
                let memory = turn(lane, task, plan.measured, &what, &mut results).with_context(|| what.clone())?;
                most.entry(lane.way).or_default().include(&memory);
            }
        }
        results.compare_with_direct();
        for (way, memory) in most.into_iter().filter(|(_, memory)| memory.pair > 0.0) {
            results.add(Row::MemoryLoaded, way, memory.pair);
            for (place, memory) in memory.each {
                results.add(Row::At(place, OfOne::MemoryLoaded), way, memory);
            }
        }
    }
    Ok(results)
}

/// One turn of one way; gives the most memory that its pair had.
fn turn(lane: &mut Lane, task: Task, measured: Duration, what: &str, results: &mut Results) -> Result<Most> {
    let all = process::cpus()?;
    let first = |cpus: Cpus| cpus.first_of(&all).with_context(|| format!("there are no {}: {all}", cpus.text()));
    match task {
        Task::Pinned => keep_on(lane.everyone(), &first(Cpus::One)?)?,
        Task::OnCpus(cpus) => keep_on(lane.pair.values(), &first(cpus)?)?,
        _ => {}
    }
    let mut watched = Watched::default();
    let outcome = lane.drive(task.work(), measured, |lane, event| watched.look(lane, event))?;
    if matches!(task, Task::Pinned | Task::OnCpus(_)) {
        keep_on(lane.everyone(), &all)?;
    }
    if let Some(error) = &outcome.first_error {
        results.failures.push(format!("{what}: {} failed, the first one: {error}", outcome.errors));
    }
    ensure!(outcome.count > 0 || outcome.errors > 0, "nothing was answered in the measured time");
    keep(results, lane, task, &outcome, &watched)?;
    Ok(watched.memory)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn keep(results: &mut Results, lane: &Lane, task: Task, outcome: &Outcome, watched: &Watched) -> Result<()> {
    let way = lane.way;
    let count = outcome.count as f64;
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let cpu: f64 = watched.cpu().map(|(_, seconds)| seconds).sum();
    let has_pair = !lane.pair.is_empty();
    match task {
        Task::Pinned => {
            results.add(Row::PinnedP50, way, micros(outcome.p50_ns));
            results.add(Row::PinnedP99, way, micros(outcome.p99_ns));
        }
        Task::Requests => {
            results.add(Row::Throughput, way, count / outcome.seconds);
            results.add(Row::ThroughputP99, way, micros(outcome.p99_ns));
            if has_pair && outcome.count > 0 {
                ensure!(cpu > 0.0, "{} has passed {count} requests without work of {:?}", way.name(), lane.pair);
                results.add(Row::RequestCpu, way, cpu * 1e6 / count);
                for (place, seconds) in watched.cpu() {
                    results.add(Row::At(place, OfOne::RequestCpu), way, seconds * 1e6 / count);
                }
            }
        }
        Task::OnCpus(cpus) => {
            results.add(Row::OnCpus(cpus, OnCpus::Throughput), way, count / outcome.seconds);
            if outcome.count > 0 {
                results.add(Row::OnCpus(cpus, OnCpus::RequestCpu), way, cpu * 1e6 / count);
            }
        }
        Task::Paced(rate) => {
            let mut add = |shown, value| results.add(Row::Paced(rate, shown), way, value);
            add(Shown::P50, micros(outcome.p50_ns));
            add(Shown::P99, micros(outcome.p99_ns));
            add(Shown::P999, micros(outcome.p999_ns));
            add(Shown::Achieved, count / outcome.seconds);
        }
        Task::Grpc => {
            results.add(Row::Calls, way, count / outcome.seconds);
            results.add(Row::CallsP50, way, micros(outcome.p50_ns));
            results.add(Row::CallsP99, way, micros(outcome.p99_ns));
            if has_pair && outcome.count > 0 {
                results.add(Row::CallCpu, way, cpu * 1e6 / count);
            }
        }
        Task::Connects => {
            results.add(Row::Connects, way, count / outcome.seconds);
            if has_pair && outcome.count > 0 {
                results.add(Row::ConnectCpu, way, cpu * 1e6 / count);
            }
            if !lane.helpers.is_empty() && outcome.count > 0 {
                results.add(Row::HelperCpu, way, (watched.helpers[1] - watched.helpers[0]) * 1e6 / count);
            }
        }
        Task::Bulk => {
            results.add(Row::Bulk, way, count * 8.0 / 1e9 / outcome.seconds);
            if has_pair && outcome.count > 0 {
                results.add(Row::BulkCpu, way, cpu * 1e9 / count);
            }
        }
        Task::ParallelBulk => results.add(Row::ParallelBulk, way, count * 8.0 / 1e9 / outcome.seconds),
    }
    Ok(())
}

// === impl Watched ===

impl Watched {
    fn look(&mut self, lane: &Lane, event: Option<&Event>) -> Result<()> {
        let moment = match event {
            None => None,
            Some(Event::Begin) => Some(0),
            Some(Event::End) => Some(1),
            Some(_) => return Ok(()),
        };
        if let Some(moment) = moment {
            let cpu = lane.pair.iter().map(|(place, process)| Ok((*place, process.cpu()?)));
            self.each[moment] = cpu.collect::<Result<_>>()?;
            self.helpers[moment] = process::cpu(&lane.helpers)?;
        }
        self.memory.look(lane)
    }

    /// CPU seconds that each of the pair had within the measured time.
    fn cpu(&self) -> impl Iterator<Item = (Place, f64)> {
        let [begin, end] = &self.each;
        end.iter().filter_map(|(place, end)| Some((*place, end - begin.get(place)?)))
    }
}

// === impl Most ===

impl Most {
    fn look(&mut self, lane: &Lane) -> Result<()> {
        let each = lane.pair.iter().map(|(place, process)| Ok((*place, process.resident()?)));
        let each: BTreeMap<Place, f64> = each.collect::<Result<_>>()?;
        self.include(&Self { pair: each.values().sum(), each });
        Ok(())
    }

    fn include(&mut self, other: &Self) {
        self.pair = self.pair.max(other.pair);
        for (place, memory) in &other.each {
            let most = self.each.entry(*place).or_default();
            *most = most.max(*memory);
        }
    }
}

fn keep_on<'p>(processes: impl IntoIterator<Item = &'p Process>, cpus: &str) -> Result<()> {
    processes.into_iter().try_for_each(|process| process.keep_on(cpus))
}

#[cfg(test)]
mod tests;
