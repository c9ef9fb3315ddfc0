//! `ripstop authz`: who may do what.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use ripstop_explain::{CheckAnswer, Explanation};
use serde_json::json;

use crate::{
    completion,
    explain::{Asking, authorization, line, once, policy_rules, turned},
    mesh::Mesh,
    output::{BOLD, DIM, WARN, paint, print, print_prose},
};

/// Authorization.
#[derive(Args)]
pub struct Authz {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows which policies act at a workload; with --from, whether that caller may come in, rule by rule.
    Check(Check),
}

#[derive(Args)]
struct Check {
    /// A workload or process: NAME, NAMESPACE/NAME or NAME.NAMESPACE.
    #[arg(add = completion::processes())]
    workload: String,
    /// Namespace of the workload.
    #[arg(short, long, add = completion::namespaces())]
    namespace: Option<String>,
    /// Labels (key=value,...) of a workload that does not run, instead. Nobody can call that: --from, --port and
    /// the flags of a request are refused.
    #[arg(long, value_delimiter = ',', value_name = "LABELS")]
    labels: Vec<String>,
    /// Who calls: a workload or process, an identity (spiffe://...), an IP address.
    #[arg(long, default_value = "", value_name = "WHO", add = completion::processes())]
    from: String,
    /// Port of the workload that is called; without it the first one of HTTP that a service leads to, else the
    /// first one, else 80.
    #[arg(long)]
    port: Option<u16>,
    #[command(flatten)]
    asking: Asking,
}

impl Authz {
    /// Whether it is files that are asked.
    pub fn is_offline(&self) -> bool {
        let Command::Check(check) = &self.command;
        check.asking.is_offline()
    }

    /// Answers by files.
    pub fn offline(self) -> Result<ExitCode> {
        let Command::Check(check) = self.command;
        let labels = check.labels()?;
        let world = check.asking.world()?;
        let model = labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
        let answer = ripstop_explain::check(&world, &check.name()?, &model)?;
        let explanation =
            if check.asks() { Some(ripstop_explain::explain(&world, &check.question(&answer)?)?) } else { None };
        check.tell(&answer, explanation.as_ref())
    }

    /// Answers by the running mesh.
    pub async fn live(self, mesh: &Mesh) -> Result<ExitCode> {
        let Command::Check(check) = self.command;
        let asked = json!({ "workload": check.name()?, "labels": check.labels()? });
        let answer = mesh.post("/v1/authz", &asked).await?;
        let answer: CheckAnswer =
            serde_json::from_value(answer).context("the control plane answered something else")?;
        let explanation =
            if check.asks() { Some(check.asking.ask(mesh, &check.question(&answer)?).await?) } else { None };
        check.tell(&answer, explanation.as_ref())
    }
}

// === impl Check ===

impl Check {
    /// The workload's name, with its namespace if that is given.
    fn name(&self) -> Result<String> {
        match (&self.namespace, self.workload.split_once('/')) {
            (None, _) => Ok(self.workload.clone()),
            (Some(namespace), None) => Ok(format!("{namespace}/{}", self.workload)),
            (Some(namespace), Some((other, _))) if namespace == other => Ok(self.workload.clone()),
            (Some(namespace), Some(_)) => bail!("{:?} is not of the namespace {namespace:?}", self.workload),
        }
    }

    fn labels(&self) -> Result<BTreeMap<String, String>> {
        if !self.labels.is_empty() && (self.port.is_some() || !self.from.is_empty() || self.asking.is_given()) {
            bail!(
                "--labels asks about a workload that does not run, and nobody can call that; leave out --from, \
                 --port and the flags of a request, or name a workload that runs"
            );
        }
        let pair = |text: &String| {
            let (key, value) = text.split_once('=').with_context(|| format!("{text:?} is not key=value"))?;
            Ok((key.to_owned(), value.to_owned()))
        };
        self.labels.iter().map(pair).collect()
    }

    fn asks(&self) -> bool {
        !self.from.is_empty() || self.port.is_some() || self.asking.is_given()
    }

    fn question(&self, answer: &CheckAnswer) -> Result<ripstop_explain::Question> {
        let address = answer.address.as_deref().context("the workload has no address yet")?;
        let (port, protocol) = answer.called(self.port);
        let to = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
        let mut question = self.asking.question(&self.from, &to)?;
        // An address is nobody's declared port: what services declare of it is said here.
        if question.protocol.is_empty() && question.sni.is_empty() && protocol == "http" {
            question.protocol = protocol.into();
        }
        Ok(question)
    }

    fn tell(&self, answer: &CheckAnswer, explanation: Option<&Explanation>) -> Result<ExitCode> {
        let status = explanation.map_or(0, Explanation::exit_status);
        if self.asking.is_json() {
            let both = json!({ "workload": answer, "request": explanation });
            print(&format!("{}\n", serde_json::to_string_pretty(&both)?));
            return Ok(ExitCode::from(status));
        }
        let mut out = format!("{}  {}\n", paint(BOLD, &answer.workload), paint(DIM, &answer.labels.join(" ")));
        if !answer.in_mesh {
            line(&mut out, 2, &paint(WARN, "not in the mesh: nobody enforces this here"));
        }
        line(&mut out, 2, &format!("mutual TLS: {}", answer.mtls));
        line(&mut out, 2, &answer.summary);
        match explanation {
            None => {
                for policy in &answer.policies {
                    out += "\n";
                    out += &policy_rules(policy);
                }
            }
            Some(explanation) => {
                let verdict = paint(BOLD, &explanation.verdict.to_string());
                out.push('\n');
                line(&mut out, 0, &format!("{verdict}  {}", explanation.question));
                for note in once(&explanation.notes, "") {
                    line(&mut out, 2, &paint(DIM, &format!("note: {note}")));
                }
                for endpoint in &explanation.endpoints {
                    line(&mut out, 2, &endpoint.transport);
                    out += &endpoint.authorization.as_ref().map(|said| authorization(said, "")).unwrap_or_default();
                }
                if let Some(turned) = turned(explanation) {
                    out.push('\n');
                    line(&mut out, 0, &format!("Turned by: {turned}"));
                }
            }
        }
        print_prose(&out);
        Ok(ExitCode::from(status))
    }
}

#[cfg(test)]
mod tests;
