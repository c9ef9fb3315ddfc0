//! `ripstop label` and `ripstop annotate`: edits in the mesh's files, comments kept.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{mesh::Mesh, output::print};

/// What to change.
#[derive(Args)]
pub struct Metadata {
    /// Kind: namespace, process, service, serviceaccount, peerauthentication, node or mesh.
    kind: String,
    /// Name of the object.
    name: String,
    /// `key=value` sets, `key-` removes.
    #[arg(required = true)]
    changes: Vec<String>,
    /// Namespace of the object.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Accepted for those who type it; a value is always replaced.
    #[arg(long, hide = true)]
    overwrite: bool,
}

/// Which map is changed.
#[derive(Clone, Copy)]
pub enum Field {
    /// `metadata.labels`
    Labels,
    /// `metadata.annotations`
    Annotations,
}

impl Metadata {
    /// Asks the control plane to change the file.
    pub async fn run(self, mesh: &Mesh, field: Field) -> Result<()> {
        let kind = kind(&self.kind)?;
        let cluster_scoped = matches!(kind, "Namespace" | "Node" | "Mesh");
        let changes = parse(&self.changes)?;
        let namespace = if cluster_scoped { "" } else { self.namespace.as_str() };
        let (labels, annotations) = match field {
            Field::Labels => (changes, Map::new()),
            Field::Annotations => (Map::new(), changes),
        };
        let body = json!({
            "kind": kind, "namespace": namespace, "name": self.name, "labels": labels, "annotations": annotations,
        });
        let answer = mesh.post("/v1/metadata", &body).await?;
        let done = match field {
            Field::Labels => "labeled",
            Field::Annotations => "annotated",
        };
        let file = answer["file"].as_str().map_or_else(String::new, |file| format!(" in {file}"));
        print(&format!("{}/{} {done}{file}\n", kind.to_lowercase(), self.name));
        Ok(())
    }
}

fn kind(word: &str) -> Result<&'static str> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "namespace" | "namespaces" | "ns" => "Namespace",
        "process" | "processes" | "workload" | "pod" => "Process",
        "service" | "services" | "svc" => "Service",
        "serviceaccount" | "serviceaccounts" | "sa" => "ServiceAccount",
        "peerauthentication" | "peerauthentications" | "pa" => "PeerAuthentication",
        "node" | "nodes" => "Node",
        "mesh" => "Mesh",
        _ => bail!("{word:?} is no kind with labels: use namespace, process, service, serviceaccount, node or mesh"),
    })
}

fn parse(changes: &[String]) -> Result<Map<String, Value>> {
    changes
        .iter()
        .map(|change| match change.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), Value::String(value.to_owned()))),
            None => match change.strip_suffix('-') {
                Some(key) if !key.is_empty() => Ok((key.to_owned(), Value::Null)),
                _ => bail!("{change:?} is neither key=value nor key- (which removes it)"),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_parsed() {
        let parsed = parse(&["a=b=c".into(), "istio.io/dataplane-mode-".into(), "e=".into()]).unwrap();
        assert_eq!(parsed["a"], "b=c");
        assert_eq!(parsed["istio.io/dataplane-mode"], Value::Null);
        assert_eq!(parsed["e"], "");
        assert!(parse(&["x".into()]).is_err());
        assert!(parse(&["-".into()]).is_err());
    }
}
