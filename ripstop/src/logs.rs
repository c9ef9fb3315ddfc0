//! `ripstop logs`: what a role or workload has written.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;

use crate::{mesh::Mesh, output::print};

/// Whose logs.
#[derive(Args)]
pub struct Logs {
    /// Role (`control`, `agent-NODE`, `node-NODE`, `broker`, `supervise`), `namespace/workload`, or a
    /// workload with `-n`.
    name: String,
    /// Namespace of the workload.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Goes on with what comes.
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines.
    #[arg(long)]
    tail: Option<usize>,
}

impl Logs {
    /// Prints them.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let (namespace, name) = match (&self.namespace, self.name.split_once('/')) {
            (Some(namespace), _) => (Some(namespace.as_str()), self.name.as_str()),
            (None, Some((namespace, name))) => (Some(namespace), name),
            (None, None) => (None, self.name.as_str()),
        };
        let mut path = format!("/v1/logs?name={name}");
        if let Some(namespace) = namespace {
            let _ = write!(path, "&namespace={namespace}");
        }
        if self.follow {
            path.push_str("&follow=true");
        }
        if let Some(tail) = self.tail {
            let _ = write!(path, "&tail={tail}");
        }
        mesh.stream(&path, print).await
    }
}
