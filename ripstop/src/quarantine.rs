//! `ripstop quarantine`: cuts a workload off from the mesh, and lets it back.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use clap::Args;
use ripstop_compile::{QUARANTINE, QUARANTINE_ALLOW, QUARANTINE_REASON};
use serde_json::{Value, json};

use crate::{
    completion,
    mesh::Mesh,
    output::{WARN, paint, print, tell},
    tables::{finding, text},
};

/// What to cut off.
#[derive(Args)]
pub struct Quarantine {
    /// The Process, all its instances: `NAME`, `NAMESPACE/NAME`, or `NAME` with `-n`.
    #[arg(add = completion::processes())]
    name: String,
    /// Its namespace.
    #[arg(short, long, add = completion::namespaces())]
    namespace: Option<String>,
    /// Who may speak with it all the same, in both directions: NAMESPACE/SERVICEACCOUNT, or a principal. May be given
    /// several times.
    #[arg(long, value_name = "PRINCIPAL|NS/SA", conflicts_with = "release")]
    allow: Vec<String>,
    /// Why, for those who come after.
    #[arg(long, value_name = "TEXT", conflicts_with = "release")]
    reason: Option<String>,
    /// Lets it back into the mesh.
    #[arg(long)]
    release: bool,
}

impl Quarantine {
    /// Asks the control plane to change the file, and tells what acts.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let (namespace, name) = match (self.name.split_once('/'), self.namespace.as_deref()) {
            (None, namespace) => (namespace.unwrap_or("default"), self.name.as_str()),
            (Some((namespace, name)), None) => (namespace, name),
            (Some((namespace, name)), Some(given)) if namespace == given => (namespace, name),
            (Some(_), Some(given)) => bail!("{:?} is not in the namespace {given:?}", self.name),
        };
        let (namespace, name) = self.process(mesh, namespace, name).await?;
        let allowed = Some(self.allow.join(",")).filter(|allowed| !allowed.is_empty());
        let label = if self.release { Value::Null } else { json!("true") };
        let body = json!({
            "kind": "Process", "namespace": namespace, "name": name,
            "labels": { QUARANTINE: label },
            "annotations": { QUARANTINE_ALLOW: allowed, QUARANTINE_REASON: self.reason },
        });
        let answer = mesh.post("/v1/metadata", &body).await?;
        let whose = format!("{namespace}/{name}");
        let is_new = !answer["unchanged"].as_array().into_iter().flatten().any(|key| key == QUARANTINE);
        let file = answer["file"].as_str().map_or_else(String::new, |file| format!(" ({file})"));
        print(&match (self.release, is_new) {
            (true, true) => format!("{whose} is back in the mesh{file}\n"),
            (true, false) => format!("{whose} was not in quarantine\n"),
            (false, true) => format!("{whose} is in quarantine{file}\n"),
            (false, false) => format!("{whose} is in quarantine, as it was before{file}\n"),
        });
        if !self.release {
            let rows = mesh.get("/v1/workloads").await?;
            let is_of_it = |row: &&Value| text(row, "namespace") == namespace && text(row, "process") == name;
            let rows: Vec<&Value> = rows.as_array().into_iter().flatten().filter(is_of_it).collect();
            print(&told(&rows));
            print(&left_alone(&answer));
        }
        match answer["findings"].as_array() {
            Some(findings) => findings.iter().for_each(|row| tell(&finding(row))),
            None => tell(&format!("{} it takes longer than usual to act: `ripstop status`\n", paint(WARN, "note:"))),
        }
        Ok(())
    }

    /// Namespace and name of the Process of that name, or of the instance of that name.
    async fn process(&self, mesh: &Mesh, namespace: &str, name: &str) -> Result<(String, String)> {
        let rows = mesh.get("/v1/workloads").await?;
        let rows: Vec<&Value> =
            rows.as_array().into_iter().flatten().filter(|row| text(row, "namespace") == namespace).collect();
        let instance = rows.iter().find(|row| text(row, "name") == name && text(row, "process") != name);
        let is_process = rows.iter().any(|row| text(row, "process") == name);
        let process = instance.filter(|_| !is_process).map_or(name, |row| text(row, "process"));
        if process != name && !process.is_empty() {
            let note = format!("{namespace}/{name} is an instance of {process}, of which all are meant");
            tell(&format!("{} {note}\n", paint(WARN, "note:")));
        }
        Ok((namespace.to_owned(), process.to_owned()))
    }
}

/// Which ports of services, and which subsets, nobody serves any more.
fn left_alone(answer: &Value) -> String {
    let names = answer["emptied"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let line = |name: &str| {
        let name = name.replace(".svc.cluster.local", "");
        format!("  {}\n", paint(WARN, &format!("{name} has no endpoint left")))
    };
    names.map(line).collect()
}

/// What it means for each instance.
fn told(rows: &[&Value]) -> String {
    let mut out = String::new();
    for row in rows.iter().filter(|row| row["running"] == true) {
        let whose = format!("{}/{}", text(row, "namespace"), text(row, "name"));
        let kept = ["CAPTURED", "DRAINING", "GATEWAY"].contains(&text(&row["mesh"], "state"));
        let peers: Vec<&str> =
            row["quarantine"]["peers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let what = match (kept, &peers[..]) {
            (false, _) => {
                "is no endpoint any more; it is not in the mesh, and nobody keeps it from speaking".to_owned()
            }
            (true, []) => "is no endpoint any more, and speaks with nobody".to_owned(),
            (true, peers) => format!("is no endpoint any more, and speaks with {} alone", peers.join(", ")),
        };
        let _ = writeln!(out, "  {whose} {what}");
    }
    if out.is_empty() { "  nothing runs of it now; what starts is cut off from its beginning\n".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_means_is_told_of_each_instance() {
        let row = |state: &str, running: bool, peers: &[&str]| {
            json!({
                "namespace": "shop", "name": "web-0", "process": "web", "running": running,
                "mesh": { "state": state }, "quarantine": { "peers": peers },
            })
        };
        let say = |row: Value| told(&[&row]);
        let debug = "spiffe://cluster.local/ns/ops/sa/debug";
        assert_eq!(say(row("CAPTURED", true, &[])), "  shop/web-0 is no endpoint any more, and speaks with nobody\n");
        assert_eq!(
            say(row("CAPTURED", true, &[debug])),
            format!("  shop/web-0 is no endpoint any more, and speaks with {debug} alone\n")
        );
        assert!(say(row("NONE", true, &[])).contains("not in the mesh"));
        assert!(say(row("NONE", false, &[])).contains("nothing runs of it"));
    }

    #[test]
    fn who_has_no_endpoint_left_is_told() {
        let answer = json!({ "emptied": ["reviews.bookinfo.svc.cluster.local:9080/v1"] });
        assert_eq!(left_alone(&answer), "  reviews.bookinfo:9080/v1 has no endpoint left\n");
        assert_eq!(left_alone(&json!({ "emptied": null })), "");
    }
}
