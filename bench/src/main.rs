//! Measures the mesh beside a direct connection, a pair of relays and the proxies of others; see the library.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use ripstop_bench::{
    itself,
    plan::{Plan, ROUNDS, SECONDS},
    report::{self, Others},
    rounds::{self, Results},
    stage::Stage,
    task::Piece,
    way::Way,
};

#[derive(Parser)]
#[command(about = "Measures the mesh beside a direct connection, relays that do nothing, and the proxies of others")]
struct Cli {
    /// Number of rounds.
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = ROUNDS)]
    rounds: u32,
    /// Seconds that each turn is measured.
    #[arg(long, env = "BENCH_SECONDS", default_value_t = SECONDS)]
    seconds: f64,
    /// What is compared: all if nothing is said, of which those of roles do not all works then.
    #[arg(long, value_enum, value_delimiter = ',')]
    ways: Vec<Way>,
    /// What is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Piece::ALL)]
    works: Vec<Piece>,
    /// Where the binaries of others are, `envoy` and `haproxy`.
    #[arg(long, default_value = "target/bench/peers/bin")]
    peers: PathBuf,
    /// Where the figures are written as JSON.
    #[arg(long, default_value = "target/bench/latest.json")]
    json: PathBuf,
    /// Where a chart is written as SVG, if anywhere.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn main() -> Result<()> {
    let mut cli = Cli::parse();
    ensure!((0.1..=600.0).contains(&cli.seconds), "--seconds: 0.1 to 600 are possible");
    let roles_are_brief = cli.ways.is_empty();
    if cli.ways.is_empty() {
        cli.ways = Way::ALL.to_vec();
    }
    let others = cli.others();
    for (way, reason) in &others.left_out {
        eprintln!("NOT MEASURED: {way}: {reason}");
    }
    let asked: BTreeSet<Way> = cli.ways.into_iter().collect();
    let ways: Vec<Way> = asked.into_iter().filter(|way| !others.left_out.contains_key(way)).collect();
    ensure!(!ways.is_empty(), "nothing is left to be measured");
    let pieces = cli.works.into_iter().collect::<BTreeSet<Piece>>().into_iter().collect();
    let measured = Duration::from_secs_f64(cli.seconds);
    let plan = Plan { ways, pieces, rounds: cli.rounds.max(1), measured, roles_are_brief };
    eprintln!("{}", plan.text());
    let progress = |what: &str| eprintln!("{what}");
    let mut results = side_by_side(&plan, &cli.peers, progress)?;
    let (itself, failures) = itself::run(&plan, progress);
    results.itself = itself;
    results.failures.extend(failures);
    println!("{}", report::tables(&results, &plan, &others));
    if let Some(directory) = cli.json.parent() {
        fs::create_dir_all(directory)?;
    }
    let date = time::OffsetDateTime::now_utc().date().to_string();
    let text = serde_json::to_string_pretty(&report::json(&results, &plan, &others, &date))?;
    fs::write(&cli.json, text + "\n").with_context(|| format!("writing {}", cli.json.display()))?;
    println!("as JSON: {}", cli.json.display());
    if let Some(svg) = &cli.svg {
        fs::write(svg, report::svg(&results, &plan, &date)).with_context(|| format!("writing {}", svg.display()))?;
        println!("as a chart: {}", svg.display());
    }
    if results.failures.is_empty() { Ok(()) } else { bail!("something broke:\n{}", results.failures.join("\n")) }
}

/// What ways show beside one another, in a world of their own that ends with it.
fn side_by_side(plan: &Plan, peers: &Path, progress: impl Fn(&str)) -> Result<Results> {
    if plan.tasks().is_empty() {
        return Ok(Results::default());
    }
    progress("starting two machines with servers, drivers and what stands between");
    let mut stage = Stage::start(&plan.ways, peers)?;
    rounds::run(&mut stage, plan, progress).with_context(|| stage.story_so_far())
}

// === impl Cli ===

impl Cli {
    /// Which proxies of others are there for the ways that were asked for.
    fn others(&self) -> Others {
        let mut others = Others::default();
        if self.works.iter().all(|piece| piece.tasks().is_empty()) {
            return others;
        }
        for way in &self.ways {
            let Some(peer) = way.peer() else { continue };
            match peer.version(&self.peers) {
                Ok(version) => {
                    others.versions.insert(peer.binary(), version);
                }
                Err(error) => {
                    others.left_out.insert(*way, format!("{error:#}"));
                }
            }
        }
        others
    }
}
