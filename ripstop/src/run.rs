//! `ripstop run`: one more process inside the mesh.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use ripstop_api::{Meta, enrolment, nearest};
use ripstop_supervise::RunRequest;

use crate::{completion, mesh::Mesh};

/// What to run, and as what.
#[derive(Args)]
pub struct Run {
    /// Namespace.
    #[arg(short, long, default_value = "default", add = completion::namespaces())]
    namespace: String,
    /// Service account; `default` if nothing is said.
    #[arg(long)]
    service_account: Option<String>,
    /// `WorkloadGroup` of the namespace whose member it is: labels, identity, ports and probe are the group's.
    #[arg(long)]
    group: Option<String>,
    /// Node; the first if nothing is said.
    #[arg(long, add = completion::nodes())]
    node: Option<String>,
    /// `key=value`; may be repeated.
    #[arg(short, long = "label")]
    labels: Vec<String>,
    /// Command and arguments.
    #[arg(trailing_var_arg = true, required = true)]
    command: Vec<String>,
}

impl Run {
    /// Runs it with this terminal, and ends as it ends.
    pub async fn run(self, mesh: &Mesh) -> Result<ExitCode> {
        let request = RunRequest {
            namespace: self.namespace,
            service_account: self.service_account,
            group: self.group,
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
    let labels = pairs.iter().map(|pair| match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => bail!("{pair:?} is not key=value"),
    });
    let meta = Meta { labels: labels.collect::<Result<_>>()?, ..Meta::default() };
    // As in a file: whether it is in the mesh must not hang on a typing error.
    if let Some((key, value)) = enrolment::unknown(&meta).next() {
        let near = nearest(value, key.values()).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        let known: Vec<_> = key.values().collect();
        bail!("{value:?} is no value of {}: it takes {}{near}", key.name, known.join(", "));
    }
    Ok(meta.labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_and_those_that_enrol_are_checked() {
        let read = |pairs: &[&str]| labels(&pairs.iter().map(ToString::to_string).collect::<Vec<_>>());
        let good = read(&["app=web", "istio.io/dataplane-mode=none"]).unwrap();
        assert_eq!((good["app"].as_str(), good["istio.io/dataplane-mode"].as_str()), ("web", "none"));
        assert_eq!(read(&["=web"]).unwrap_err().to_string(), "\"=web\" is not key=value");
        assert_eq!(
            read(&["istio.io/dataplane-mode=ambiant"]).unwrap_err().to_string(),
            "\"ambiant\" is no value of istio.io/dataplane-mode: it takes ambient, none; did you mean \"ambient\"?"
        );
    }
}
