//! What runs in the workloads: `serve`, and `drive`, which takes commands line by line.

use std::net::SocketAddr;

use anyhow::Result;
use clap::{Parser, Subcommand};
use ripstop_bench::{driver, server, witness};

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
    /// Asks until the first byte of an answer has come, and tells how many tries it took.
    Ask {
        /// Where the server listens.
        #[arg(long)]
        target: SocketAddr,
    },
    /// Asks once a millisecond, and tells when the status changes.
    Watch {
        /// Where the server listens.
        #[arg(long)]
        target: SocketAddr,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match cli.end {
        End::Serve => runtime.block_on(server::run()),
        End::Drive => runtime.block_on(driver::run()),
        End::Ask { target } => runtime.block_on(witness::ask(target)),
        End::Watch { target } => runtime.block_on(witness::watch(target)),
    }
}
