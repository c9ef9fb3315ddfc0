//! Measures the mesh beside a direct connection and a pair of relays; see the library.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use ripstop_bench::{
    report,
    rounds::{self, Plan},
    stage::Stage,
};

#[derive(Parser)]
#[command(about = "Measures the mesh beside a direct connection and a pair of relays that do nothing")]
struct Cli {
    /// Number of rounds.
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 3)]
    rounds: u32,
    /// Seconds that each piece of work is measured.
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 4.0)]
    seconds: f64,
    /// Where the figures are written as JSON.
    #[arg(long, default_value = "target/bench/latest.json")]
    json: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    ensure!((0.1..=600.0).contains(&cli.seconds), "--seconds: 0.1 to 600 are possible");
    let plan = Plan { rounds: cli.rounds.max(1), measured: Duration::from_secs_f64(cli.seconds) };
    eprintln!("starting two machines with a server, a driver and relays");
    let mut stage = Stage::start()?;
    let results = rounds::run(&mut stage, plan, |what| eprintln!("{what}")).with_context(|| stage.story_so_far())?;
    drop(stage);
    println!("{}", report::table(&results, plan));
    if let Some(directory) = cli.json.parent() {
        fs::create_dir_all(directory)?;
    }
    let text = serde_json::to_string_pretty(&report::json(&results, plan))?;
    fs::write(&cli.json, text + "\n").with_context(|| format!("writing {}", cli.json.display()))?;
    println!("as JSON: {}", cli.json.display());
    if results.failures.is_empty() { Ok(()) } else { bail!("something broke:\n{}", results.failures.join("\n")) }
}
