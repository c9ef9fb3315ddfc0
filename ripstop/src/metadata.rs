//! `ripstop label` and `ripstop annotate`: edits in the mesh's files, comments kept.

use std::fmt::Write as _;

use anyhow::{Result, bail, ensure};
use clap::Args;
use ripstop_api::Kind;
use serde_json::{Map, Value, json};

use crate::{
    completion,
    kinds::{self, Asked, AskedParser},
    mesh::Mesh,
    output::{WARN, paint, print, tell},
    tables::finding,
};

/// What to change.
#[derive(Args)]
pub struct Metadata {
    /// Kind: namespace, process or node (of others only some annotations act), or KIND/NAME.
    #[arg(value_parser = AskedParser(kinds::parser_of_labelled()), hide_possible_values = true, ignore_case = true, add = completion::kinds())]
    kind: Asked<Kind>,
    /// Name of the object, and what to change: `key=value` sets, `key-` removes.
    #[arg(value_names = ["NAME", "KEY=VALUE|KEY-"], num_args = 1.., add = completion::names())]
    words: Vec<String>,
    /// Namespace of the object.
    #[arg(short, long, default_value = "default", add = completion::namespaces())]
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
        let Asked { kinds, name } = &self.kind;
        let [kind] = kinds[..] else { bail!("of one kind at a time") };
        let (name, changes) = match (name, self.words.split_first()) {
            (Some(name), _) => (name, &self.words[..]),
            (None, Some((name, changes))) if !name.contains('=') && !name.ends_with('-') => (name, changes),
            (None, Some((word, _))) => bail!("whose? {word:?} stands where the name should: KIND NAME {word}"),
            (None, None) => bail!("which? Give its name"),
        };
        ensure!(!changes.is_empty(), "what to change? Give key=value, or key- to remove it");
        let changes = parse(changes)?;
        let namespace = if kind.is_namespaced() { self.namespace.as_str() } else { "" };
        let (labels, annotations) = match field {
            Field::Labels => (changes, Map::new()),
            Field::Annotations => (Map::new(), changes),
        };
        let body = json!({
            "kind": kind.to_string(), "namespace": namespace, "name": name, "labels": labels, "annotations": annotations,
        });
        let answer = mesh.post("/v1/metadata", &body).await?;
        let whose = format!("{}/{name}", kind.to_string().to_lowercase());
        print(&told(&whose, field, &body[field.name()], &answer));
        if let Some(note) = answer["note"].as_str() {
            tell(&format!("{} {note}\n", paint(WARN, "note:")));
        }
        match answer["findings"].as_array() {
            Some(findings) => findings.iter().for_each(|row| tell(&finding(row))),
            None => tell(&format!("{} it takes longer than usual to act: `ripstop status`\n", paint(WARN, "note:"))),
        }
        Ok(())
    }
}

// === impl Field ===

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Annotations => "annotations",
        }
    }

    fn one(self) -> &'static str {
        match self {
            Self::Labels => "label",
            Self::Annotations => "annotation",
        }
    }

    /// What was done, in kubectl's words.
    fn done(self, what: What) -> &'static str {
        match (self, what) {
            (Self::Labels, What::Set) => "labeled",
            (Self::Labels, What::Removed) => "unlabeled",
            (Self::Labels, What::Nothing) => "not labeled",
            (Self::Annotations, What::Set) => "annotated",
            (Self::Annotations, What::Removed) => "unannotated",
            (Self::Annotations, What::Nothing) => "not annotated",
        }
    }
}

/// What became of an object.
#[derive(Clone, Copy)]
enum What {
    Set,
    Removed,
    Nothing,
}

/// The control plane's `answer` to `changes` of the object `whose`, for people.
pub fn told(whose: &str, field: Field, changes: &Value, answer: &Value) -> String {
    let unchanged = answer["unchanged"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_unchanged = |key: &str| unchanged.iter().any(|other| other == key);
    let changes: Vec<_> = changes.as_object().into_iter().flatten().collect();
    let mut lines = String::new();
    for (key, _) in changes.iter().filter(|(key, value)| value.is_null() && is_unchanged(key)) {
        let _ = writeln!(lines, "{} {key:?} not found.", field.one());
    }
    let mut done = changes.iter().filter(|(key, _)| !is_unchanged(key));
    let what = match (done.clone().next(), done.any(|(_, value)| !value.is_null())) {
        (None, _) => What::Nothing,
        (Some(_), true) => What::Set,
        (Some(_), false) => What::Removed,
    };
    let file = match (answer["file"].as_str(), answer["done"].as_str()) {
        (Some(file), Some("made")) => format!(" in {file}, which is new"),
        (Some(file), Some("removed")) => format!("; {file}, which was made for labels alone, is removed"),
        (Some(file), Some("changed")) => format!(" in {file}"),
        _ => String::new(),
    };
    let _ = writeln!(lines, "{whose} {}{file}", field.done(what));
    lines
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

    #[test]
    fn what_was_done_is_told_in_kubectls_words() {
        let say = |field, changes: &[&str], done: &str, unchanged: &[&str]| {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            let changes = Value::Object(parse(&changes).unwrap());
            told("namespace/shop", field, &changes, &json!({"file": "a.yaml", "done": done, "unchanged": unchanged}))
        };
        let labels = Field::Labels;
        assert_eq!(say(labels, &["a=1"], "changed", &[]), "namespace/shop labeled in a.yaml\n");
        assert_eq!(say(labels, &["a=1"], "made", &[]), "namespace/shop labeled in a.yaml, which is new\n");
        assert_eq!(say(labels, &["a=1", "b-"], "changed", &[]), "namespace/shop labeled in a.yaml\n");
        assert_eq!(say(labels, &["a-"], "changed", &[]), "namespace/shop unlabeled in a.yaml\n");
        assert_eq!(
            say(labels, &["a-"], "removed", &[]),
            "namespace/shop unlabeled; a.yaml, which was made for labels alone, is removed\n"
        );
        let nothing = "label \"a\" not found.\nnamespace/shop not labeled\n";
        assert_eq!(say(labels, &["a-"], "nothing", &["a"]), nothing);
        assert_eq!(say(labels, &["a=1"], "nothing", &["a"]), "namespace/shop not labeled\n");
        let both = say(Field::Annotations, &["a-", "b-"], "changed", &["a"]);
        assert_eq!(both, "annotation \"a\" not found.\nnamespace/shop unannotated in a.yaml\n");
    }
}
