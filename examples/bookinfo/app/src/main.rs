//! The sample application: the services of bookinfo and a TCP echo as subcommands of one
//! small binary, and the load that the demo puts on them.
//!
//! Nothing here knows of a mesh: services call one another by name over plain HTTP/1.1.

mod client;
mod echo;
mod http;
mod load;
mod reflect;
mod services;

use std::net::SocketAddr;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(about = "The services of the bookinfo sample", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The page (HTML at /, JSON at /api/v1/products/0).
    Productpage {
        #[command(flatten)]
        server: Server,
        /// Where details are.
        #[arg(long, default_value = "http://details.bookinfo.svc.cluster.local:9080")]
        details: String,
        /// Where reviews are.
        #[arg(long, default_value = "http://reviews.bookinfo.svc.cluster.local:9080")]
        reviews: String,
    },
    /// Facts about the book.
    Details {
        #[command(flatten)]
        server: Server,
    },
    /// What readers think; v2 and v3 ask for ratings.
    Reviews {
        #[command(flatten)]
        server: Server,
        /// v1 (no stars), v2 (black stars) or v3 (red stars).
        #[arg(long, default_value = "v1")]
        version: String,
        /// Where ratings are.
        #[arg(long, default_value = "http://ratings.backend.svc.cluster.local:9080")]
        ratings: String,
    },
    /// Stars.
    Ratings {
        #[command(flatten)]
        server: Server,
    },
    /// Sends back what it gets; each direction is closed on its own.
    Echo {
        /// Address to listen on.
        #[arg(long, default_value = "[::]:9000")]
        listen: SocketAddr,
        /// Sends the address of the caller first, as one line.
        #[arg(long)]
        greet: bool,
    },
    /// Tells each caller what it asked, by HTTP/1.1 and HTTP/2.
    Reflect {
        /// Address to listen on.
        #[arg(long, default_value = "[::]:8080")]
        listen: SocketAddr,
        /// What it calls itself.
        #[arg(long, env = "POD_NAME", default_value = "reflect")]
        name: String,
    },
    /// Asks a URL again and again and counts every failure; never retries.
    Load(load::Options),
}

/// What every HTTP service takes.
#[derive(clap::Args, Clone)]
struct Server {
    /// Address to listen on.
    #[arg(long, default_value = "[::]:9080")]
    listen: SocketAddr,
    /// Milliseconds added to every answer.
    #[arg(long, env = "BOOKINFO_DELAY_MS", default_value_t = 0)]
    delay_ms: u64,
    /// Share of requests answered with 503, in per cent.
    #[arg(long, env = "BOOKINFO_FAIL_PERCENT", default_value_t = 0)]
    fail_percent: u8,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Productpage { server, details, reviews } => services::productpage(server, details, reviews).await,
        Command::Details { server } => services::details(server).await,
        Command::Reviews { server, version, ratings } => services::reviews(server, version, ratings).await,
        Command::Ratings { server } => services::ratings(server).await,
        Command::Echo { listen, greet } => {
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                result = echo::run(listen, greet) => result,
                _ = terminate.recv() => Ok(()),
            }
        }
        Command::Reflect { listen, name } => reflect::run(listen, name).await,
        Command::Load(options) => load::run(options).await,
    }
}
