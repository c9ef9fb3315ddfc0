//! What runs in the workloads: `serve`, and `drive`, which takes commands line by line.

use anyhow::Result;
use clap::{Parser, Subcommand};
use ripstop_bench::{driver, server};

#[derive(Parser)]
#[command(about = "Near and far end of the measurements")]
struct Cli {
    #[command(subcommand)]
    end: End,
    /// Told from others by this when processes are looked for.
    #[arg(long, global = true)]
    tag: Option<String>,
}

#[derive(Subcommand)]
enum End {
    /// Answers.
    Serve,
    /// Asks, as standard input commands.
    Drive,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match cli.end {
        End::Serve => runtime.block_on(server::run()),
        End::Drive => runtime.block_on(driver::run()),
    }
}
