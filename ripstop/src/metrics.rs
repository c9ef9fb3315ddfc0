//! `ripstop metrics`: what Prometheus would see.

use anyhow::Result;
use clap::Args;

use crate::{mesh::Mesh, output::print};

/// Whose metrics.
#[derive(Args)]
pub struct Metrics {
    /// `control`, a node proxy by its node's name or as `node-NODE`, or a gateway as `NAMESPACE.INSTANCE`.
    name: String,
}

impl Metrics {
    /// Prints them.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let path = match self.name.as_str() {
            "control" => "/metrics".to_owned(),
            name => format!("/proxies/{}/metrics", name.strip_prefix("node-").unwrap_or(name)),
        };
        print(&mesh.metrics(&path).await?);
        Ok(())
    }
}
