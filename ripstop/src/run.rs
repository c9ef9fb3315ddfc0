//! `ripstop run`: one more process inside the mesh.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use ripstop_supervise::RunRequest;

use crate::mesh::Mesh;

/// What to run, and as what.
#[derive(Args)]
pub struct Run {
    /// Namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Service account; `default` if nothing is said.
    #[arg(long)]
    service_account: Option<String>,
    /// Node; the first if nothing is said.
    #[arg(long)]
    node: Option<String>,
    /// `key=value`; may be repeated.
    #[arg(short, long = "label")]
    labels: Vec<String>,
    /// Command and arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl Run {
    /// Runs it with this terminal, and ends as it ends.
    pub async fn run(self, mesh: &Mesh) -> Result<ExitCode> {
        let request = RunRequest {
            namespace: self.namespace,
            service_account: self.service_account,
            node: self.node,
            labels: labels(&self.labels)?,
            argv: self.command,
            env: std::env::vars().filter(|(key, _)| passed_on(key)).collect(),
            cwd: std::env::current_dir().context("where are we?")?.to_string_lossy().into_owned(),
            tty: false,
        };
        let exit = ripstop_supervise::client::run(&mesh.handle, request, |_| ()).await?;
        // A read of the terminal may still be waiting.
        std::process::exit(exit.shell_status())
    }
}

/// Variables that belong to this process' place, not to the workload's.
fn passed_on(key: &str) -> bool {
    !key.starts_with("RIPSTOP_") && !["HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_"].contains(&key)
}

fn labels(pairs: &[String]) -> Result<BTreeMap<String, String>> {
    pairs
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => bail!("{pair:?} is not key=value"),
        })
        .collect()
}
