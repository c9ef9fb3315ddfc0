//! What an operation of a codec costs: instructions, counted by callgrind, and allocations. Neither depends on how
//! busy the machine is, so unlike timings they can be compared with a baseline and decide a check.
//!
//! A [case](cases) is a name and a closure. It is run N times and 2N times; the difference, divided by N, is what one
//! operation costs, without start, preparation and end.

mod callgrind;
mod cases;
mod figures;
mod measure;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::figures::Figures;

const USAGE: &str = "usage: bench-codecs list
       bench-codecs run CASE TIMES                 executes a case; prints its allocations
       bench-codecs measure [--json]               measures all cases and prints them
       bench-codecs check BASELINE                 measures all cases and compares
       bench-codecs accept BASELINE                measures all cases and makes them the baseline";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench-codecs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["list"] => {
            for case in cases::all() {
                println!("{}", case.name);
            }
        }
        ["run", name, times] => {
            let times = times.parse().context("TIMES is not a number")?;
            let case = cases::all().into_iter().find(|case| case.name == name);
            let case = case.with_context(|| format!("no case {name}; `bench-codecs list` shows all"))?;
            println!("{}", case.run(times));
        }
        ["measure"] => print!("{}", measure::all()?.table(&measure::nanoseconds())),
        ["measure", "--json"] => println!("{:#}", measure::all()?.to_json()),
        ["check", baseline] => return check(Path::new(baseline)),
        ["accept", baseline] => {
            let figures = measure::all()?;
            if !figures.has_instructions() {
                bail!("instructions could not be counted, so this cannot be a baseline");
            }
            std::fs::write(baseline, format!("{:#}\n", figures.to_json())).with_context(|| baseline.to_owned())?;
            println!("{baseline} has the new figures");
        }
        _ => bail!("{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn check(baseline: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(baseline).with_context(|| baseline.display().to_string())?;
    let before = Figures::from_json(&text).with_context(|| baseline.display().to_string())?;
    let now = measure::all()?;
    let comparison = figures::compare(&before, &now);
    print!("{comparison}");
    if comparison.holds() {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "\nThat is not what {} says. If it is how it should be: scripts/bench codecs --accept",
        baseline.file_name().map(PathBuf::from).unwrap_or_default().display()
    );
    Ok(ExitCode::FAILURE)
}
