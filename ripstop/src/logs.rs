//! `ripstop logs`: what a role or workload has written.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use ripstop_supervise::client::query_escape;

use crate::{completion, mesh::Mesh, output::print};

/// Whose logs.
#[derive(Args)]
pub struct Logs {
    /// Role (`control`, `agent-NODE`, `node-NODE`, `broker`, `supervise`), or a workload or process:
    /// `NAME`, `NAMESPACE/NAME`, or `NAME` with `-n`.
    #[arg(add = completion::whoever_runs())]
    name: String,
    /// Namespace of the workload.
    #[arg(short, long, add = completion::namespaces())]
    namespace: Option<String>,
    /// Goes on with what comes.
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines.
    #[arg(long)]
    tail: Option<usize>,
    /// Of a node proxy: only lines of its access log; `--tail` counts these.
    #[arg(long)]
    access: bool,
}

impl Logs {
    /// Prints them.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let mut path = format!("/v1/logs?name={}", query_escape(&self.name));
        if let Some(namespace) = self.namespace {
            let _ = write!(path, "&namespace={}", query_escape(&namespace));
        }
        if self.follow {
            path.push_str("&follow=true");
        }
        if self.access {
            path.push_str("&access=true");
        }
        if let Some(tail) = self.tail {
            let _ = write!(path, "&tail={tail}");
        }
        mesh.stream(&path, print).await
    }
}
