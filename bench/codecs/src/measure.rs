//! Measuring all cases.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::callgrind;
use crate::cases::{self, Case};
use crate::figures::{Cost, Figures};

/// Operations in the shorter of two runs: a multiple of the messages that take turns in a case.
const TIMES: u32 = 512;

/// What an operation of each case costs. Without valgrind there are no instructions.
pub fn all() -> anyhow::Result<Figures> {
    let valgrind = callgrind::version();
    let queue = Mutex::new(cases::all().into_iter());
    let costs = Mutex::new(BTreeMap::new());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let work = || -> anyhow::Result<()> {
        while let Some(case) = next() {
            let instructions = valgrind.is_some().then(|| instructions(&case)).transpose()?;
            let cost = Cost { instructions, allocations: allocations(&case) };
            if let Ok(mut costs) = costs.lock() {
                costs.insert(case.name.to_owned(), cost);
            }
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let costs = costs.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Figures { arch: std::env::consts::ARCH.to_owned(), tools: tools(valgrind.as_deref()), costs })
}

/// The fastest of some short rounds of each case, in nanoseconds an operation.
pub fn nanoseconds() -> BTreeMap<&'static str, f64> {
    let time = |case: Case| {
        let mut operation = case.warm();
        let mut round = || {
            let start = Instant::now();
            (0..TIMES).for_each(|_| operation());
            start.elapsed()
        };
        let fastest = (0..200).map(|_| round()).min().unwrap_or_default();
        (case.name, Duration::as_secs_f64(&fastest) * 1e9 / f64::from(TIMES))
    };
    cases::all().into_iter().map(time).collect()
}

fn instructions(case: &Case) -> anyhow::Result<u64> {
    let program = std::env::current_exe().context("this program's own path")?;
    let out = out_dir(&program)?;
    let count = |times: u32| {
        let file = out.join(format!("{}.{times}", case.name.replace('/', "-")));
        callgrind::count(&program, &["run", case.name, &times.to_string()], &file)
    };
    let more = count(2 * TIMES)?.saturating_sub(count(TIMES)?);
    Ok((more + u64::from(TIMES) / 2) / u64::from(TIMES))
}

fn allocations(case: &Case) -> f64 {
    f64::from(case.run(2 * TIMES) - case.run(TIMES)) / f64::from(TIMES)
}

/// Where callgrind's files go: beside the program.
fn out_dir(program: &std::path::Path) -> anyhow::Result<PathBuf> {
    let dir = program.with_file_name("callgrind");
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}

/// What the figures were made with.
fn tools(valgrind: Option<&str>) -> String {
    let rustc = std::process::Command::new("rustc").arg("--version").output().ok();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    [rustc.as_deref(), valgrind].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
