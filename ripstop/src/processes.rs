//! `ripstop start`, `stop` and `restart`.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::{completion, mesh::Mesh, output::print, tables::text};

/// A role (`control`, `agent-NODE`, `node-NODE`), a workload, or a process.
#[derive(Args)]
pub struct Name {
    /// Role, or a workload or process (all its instances): `NAME`, `NAMESPACE/NAME`, or `NAME` with `-n`.
    #[arg(add = completion::whoever_runs())]
    name: String,
    /// Namespace of the workload.
    #[arg(short, long, add = completion::namespaces())]
    namespace: Option<String>,
}

impl Name {
    /// Asks the supervisor.
    pub async fn run(self, mesh: &Mesh, what: &str) -> Result<()> {
        let body = match self.namespace {
            Some(namespace) => json!({"namespace": namespace, "name": self.name}),
            None => json!({"name": self.name}),
        };
        let answer = mesh.post(&format!("/v1/processes/{what}"), &body).await?;
        let done = match what {
            "start" => "started",
            "stop" => "stopped",
            _ => "restarted",
        };
        for process in answer["processes"].as_array().into_iter().flatten() {
            let pid = process["pid"].as_u64().filter(|pid| *pid > 0);
            let pid = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
            print(&format!("{} {done}{pid}\n", shown(process)));
        }
        Ok(())
    }
}

/// A role by its name, a workload with its namespace.
fn shown(process: &Value) -> String {
    match (text(process, "namespace"), text(process, "name")) {
        ("", name) => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}
