//! `ripstop apply` and `delete`: objects, in the files of the mesh.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use ripstop_api::{
    Kind, ObjectId,
    edit::{self, in_namespace},
    nearest, to_json,
};
use serde_json::{Value, json};

use crate::{
    analyze::Least,
    completion,
    kinds::{self, Asked, AskedParser},
    mesh::Mesh,
    output::{Table, WARN, Wide, paint, print, tell},
    tables::{finding, text},
};

/// Bytes of all files of one request at most; the control plane takes 1 MiB, of JSON.
const MOST: usize = 900_000;
/// Documents that are asked for in one request.
const AT_ONCE: usize = 1_000;

/// What to write.
#[derive(Args)]
pub struct Apply {
    /// Files with the objects, directories of them, or `-` for standard input.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Namespace of objects that name none. One that names another is refused.
    #[arg(short, long, add = completion::namespaces())]
    namespace: Option<String>,
    /// Tell what would become of it, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// The least level of a finding that makes the command fail: with status 3 for errors, 4 for warnings, 5 for infos.
    /// What is applied stays applied. Without it, errors do.
    #[arg(long, value_enum, value_name = "LEVEL")]
    fail_on: Option<Least>,
}

/// What to remove.
#[derive(Args)]
pub struct Delete {
    /// Kind, e.g. virtualservice or vs, or KIND/NAME.
    #[arg(required_unless_present = "files", value_parser = AskedParser(kinds::parser()), hide_possible_values = true, ignore_case = true, add = completion::kinds())]
    kind: Option<Asked<Kind>>,
    /// Names; behind KIND/NAME, more of them.
    #[arg(value_name = "NAME", add = completion::names())]
    names: Vec<String>,
    /// Their namespace, `default` if nothing else is said; in files of those that name none.
    #[arg(short, long, add = completion::namespaces())]
    namespace: Option<String>,
    /// The objects that are in these files or directories; `-` for standard input.
    #[arg(short, long = "filename", value_name = "FILE", conflicts_with_all = ["kind", "names"])]
    files: Vec<PathBuf>,
    /// Objects that are declared nowhere are no error.
    #[arg(long)]
    ignore_not_found: bool,
    /// Tell what would become of it, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

// === impl Apply ===

impl Apply {
    /// Has the control plane write the files: all objects, or none.
    pub async fn run(self, mesh: &Mesh) -> Result<ExitCode> {
        let files: Vec<Value> =
            read(&self.files)?.into_iter().map(|(file, text)| json!({ "file": file, "text": text })).collect();
        let asked = json!({ "files": files, "namespace": self.namespace, "dry_run": self.dry_run });
        let answer = mesh.post("/v1/apply", &asked).await?;
        told(&answer, "configured in");
        if answer["findings"].is_null() && self.fail_on.is_some_and(|least| least != Least::Never) {
            bail!("what is wrong with it is not known yet, so --fail-on can't say: `ripstop analyze`");
        }
        let findings = ["passedOver", "findings"].map(|key| answer[key].as_array().cloned().unwrap_or_default());
        Ok(self.fail_on.unwrap_or(Least::Error).status(&findings.concat()))
    }
}

// === impl Delete ===

impl Delete {
    /// Has the control plane edit the files: all objects go, or none.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let mut ids = Vec::new();
        let namespace = self.namespace.as_deref();
        if let Some(kind) = &self.kind {
            let named = kind.with(&self.names, kinds::named)?;
            ensure!(!named.is_empty(), "which? Give names, or -f FILE");
            ids.extend(named.iter().map(|(kind, name)| id(*kind, namespace.unwrap_or("default"), name)));
        }
        for (file, text) in read(&self.files)? {
            for written in edit::documents(&text).with_context(|| file.clone())? {
                let text = namespace.map(|namespace| in_namespace(&written.text, namespace));
                let text = text.transpose().with_context(|| file.clone())?.unwrap_or(written.text);
                ids.extend(edit::documents(&text).with_context(|| file.clone())?.into_iter().map(|it| it.id));
            }
        }
        let objects: Vec<Value> = ids.iter().map(named).collect();
        let asked = json!({ "objects": objects, "ignore_missing": self.ignore_not_found, "dry_run": self.dry_run });
        told(&mesh.post("/v1/delete", &asked).await?, "deleted from");
        Ok(())
    }
}

/// Objects of a kind, or all, as rows of a table.
pub fn list(rows: &[Value], kind: Option<Kind>, wide: bool) {
    let mut header = vec!["KIND", "NAMESPACE", "NAME", "DECLARED IN", "GENERATION", "AGE"];
    if wide {
        header.push("LABELS");
    }
    let mut table = Table::new(&header).with(Wide::of(wide)).sparing(&["GENERATION"]);
    for row in rows {
        let mut name = text(row, "name").to_owned();
        if !row["lastGoodFromMs"].is_null() {
            name = paint(WARN, &format!("{name} (its file is broken)"));
        }
        let mut cells = vec![
            text(row, "kind").to_owned(),
            text(row, "namespace").to_owned(),
            name,
            format!("{}:{}", text(row, "file"), row["line"]),
            row["generation"].to_string(),
            age(&row["createdMs"]),
        ];
        if wide {
            let labels = row["labels"].as_object().into_iter().flatten();
            let labels: Vec<String> =
                labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
            cells.push(labels.join(","));
        }
        table.row(cells);
    }
    let what = kind.map_or_else(|| "object".to_owned(), |kind| kind.to_string());
    table.print(&format!("No {what} here."));
}

/// The documents of `rows`, as they are in their files.
pub async fn documents_of(mesh: &Mesh, rows: &[Value], show_secrets: bool) -> Result<String> {
    let mut all = String::new();
    for (row, document) in rows.iter().zip(contents(mesh, rows, show_secrets).await?) {
        if !all.is_empty() {
            all.push_str("---\n");
        }
        let note = of_broken(row);
        all.push_str(&note);
        match document {
            Some(Ok(document)) => all.push_str(&document),
            Some(Err(error)) if note.is_empty() => return Err(error),
            Some(Err(error)) => {
                let _ = writeln!(all, "# {}", error.to_string().replace('\n', " "));
            }
            None => {
                let _ = writeln!(all, "# {} is not shown; --show-secrets does.", id_of(row));
            }
        }
    }
    Ok(all)
}

/// A comment about an object whose file is broken: what acts is older than what stands there.
fn of_broken(row: &Value) -> String {
    if row["lastGoodFromMs"].is_null() {
        return String::new();
    }
    let (id, file, since) = (id_of(row), text(row, "file"), age(&row["lastGoodFromMs"]));
    format!("# {id}: its file {file} is broken. What it said {since} ago acts, not what stands here.\n")
}

/// Gives each of `rows` what its document holds, as `object`; where that can't be had, why, as `objectError`.
pub async fn with_contents(mesh: &Mesh, rows: &mut [Value], show_secrets: bool) -> Result<()> {
    let contents = contents(mesh, rows, show_secrets).await?;
    for (row, document) in rows.iter_mut().zip(contents) {
        match document {
            Some(Ok(document)) => row["object"] = to_json(&document).unwrap_or_default(),
            // Its file is broken, or has a list, or it has just gone.
            Some(Err(error)) => {
                row["object"] = Value::Null;
                row["objectError"] = json!(error.to_string());
            }
            None => {}
        }
    }
    Ok(())
}

/// The document of each of `rows`, or why there is none; of a Secret only if it is to be shown.
async fn contents(mesh: &Mesh, rows: &[Value], show_secrets: bool) -> Result<Vec<Option<Result<String>>>> {
    let ids: Vec<Option<ObjectId>> = rows
        .iter()
        .map(|row| Some(id(Kind::named(text(row, "kind"))?, text(row, "namespace"), text(row, "name"))))
        .map(|id| id.filter(|id| id.kind != Kind::Secret || show_secrets))
        .collect();
    let asked: Vec<ObjectId> = ids.iter().flatten().cloned().collect();
    let mut found = documents(mesh, &asked, show_secrets).await?.into_iter();
    Ok(ids.into_iter().map(|id| id.and_then(|_| found.next())).collect())
}

/// There is no such object; what may have been meant.
pub fn missing(id: &ObjectId, rows: &[Value]) -> anyhow::Error {
    let alike = rows.iter().filter(|row| text(row, "kind") == id.kind.to_string());
    if let Some(elsewhere) = alike.clone().find(|row| text(row, "name") == id.name) {
        let namespace = text(elsewhere, "namespace");
        return anyhow!("there is no {id}, but one in namespace {namespace}: -n {namespace}");
    }
    let near = alike.filter(|row| id.namespace.is_empty() || text(row, "namespace") == id.namespace);
    let near = near.map(|row| text(row, "name"));
    let near = nearest(&id.name, near).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    anyhow!("there is no {id}{near}")
}

/// The id of an object of a kind that has namespaces, or has none.
pub fn id(kind: Kind, namespace: &str, name: &str) -> ObjectId {
    ObjectId {
        kind,
        namespace: if kind.is_namespaced() { namespace.to_owned() } else { String::new() },
        name: name.to_owned(),
    }
}

/// The id of an object as a row has it, as text.
pub fn id_of(row: &Value) -> String {
    let parts = ["kind", "namespace", "name"].map(|part| text(row, part));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

fn named(id: &ObjectId) -> Value {
    let namespace = id.kind.is_namespaced().then_some(&id.namespace);
    json!({ "kind": id.kind.to_string(), "namespace": namespace, "name": id.name })
}

/// The document that declares an object, as it is in its file.
pub async fn document(mesh: &Mesh, id: ObjectId, secrets: bool) -> Result<String> {
    documents(mesh, &[id], secrets).await?.pop().context("the control plane answered nothing")?
}

/// The documents of `ids`, or why there is none.
async fn documents(mesh: &Mesh, ids: &[ObjectId], secrets: bool) -> Result<Vec<Result<String>>> {
    let mut all = Vec::with_capacity(ids.len());
    for some in ids.chunks(AT_ONCE) {
        let objects: Vec<Value> = some.iter().map(named).collect();
        let answer = mesh.post("/v1/documents", &json!({ "objects": objects, "secrets": secrets })).await?;
        let told = answer.as_array().filter(|told| told.len() == some.len());
        for row in told.context("the control plane answered something else")? {
            all.push(row["text"].as_str().map(ToOwned::to_owned).ok_or_else(|| anyhow!("{}", text(row, "error"))));
        }
    }
    Ok(all)
}

/// Names and texts of files and of those in directories, in order.
fn read(paths: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
            texts.push(("standard input".to_owned(), text));
            continue;
        }
        let mut files = vec![path.clone()];
        if path.is_dir() {
            let entries = fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?;
            files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?;
            let is_one = |file: &PathBuf| {
                file.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
            };
            files.retain(|file| file.is_file() && is_one(file));
            files.sort();
            ensure!(!files.is_empty(), "there is no *.yaml, *.yml or *.json in {}", path.display());
        }
        for file in files {
            let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            texts.push((file.display().to_string(), text));
        }
    }
    let size: usize = texts.iter().map(|(_, text)| text.len()).sum();
    if size > MOST {
        bail!("{size} bytes at once are too many; up to {MOST} may be: apply it in parts");
    }
    Ok(texts)
}

/// Tells what became of each object, or would, and what is wrong since.
pub fn told(answer: &Value, changed: &str) {
    let is_trial = answer["dryRun"] == true;
    let trial = if is_trial { " (dry run)" } else { "" };
    let all = |key: &str| answer[key].as_array().into_iter().flatten();
    for row in all("objects") {
        let files: Vec<&str> = row["files"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let files = files.join(" and ");
        let done = match text(row, "done") {
            "made" => format!("created in {files}"),
            "changed" => format!("{changed} {files}"),
            "removed" => format!("deleted with {files}"),
            _ => format!("unchanged in {files}"),
        };
        print(&format!("{} {done}{trial}\n", id_of(row)));
    }
    print(&moves(answer, trial));
    for row in all("passedOver").chain(all("findings")) {
        tell(&finding(row));
    }
    if answer["findings"].is_null() {
        tell(&format!("{} it takes longer than usual to act: `ripstop status`\n", paint(WARN, "note:")));
    }
}

/// Who joins and leaves the mesh, and quarantine.
fn moves(answer: &Value, trial: &str) -> String {
    let does = [
        ("joins", "joins the mesh"),
        ("leaves", "leaves the mesh"),
        ("cutOff", "goes into quarantine"),
        ("letBack", "leaves quarantine"),
    ];
    let names = |key: &str| answer[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut out = String::new();
    for (key, does) in does {
        for name in names(key) {
            let _ = writeln!(out, "{}{trial}", paint(WARN, &format!("{name} {does}")));
        }
    }
    out
}

/// How long ago that was.
pub fn age(millis: &Value) -> String {
    let then = UNIX_EPOCH + Duration::from_millis(millis.as_u64().unwrap_or_default());
    let seconds = SystemTime::now().duration_since(then).unwrap_or_default().as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_moves_is_told_and_a_broken_file_too() {
        let answer = json!({ "leaves": ["shop/a"], "letBack": ["shop/web-v1"], "cutOff": ["shop/b"] });
        let expected = "shop/a leaves the mesh (dry run)\nshop/b goes into quarantine (dry run)\nshop/web-v1 leaves \
                        quarantine (dry run)\n";
        assert_eq!(moves(&answer, " (dry run)"), expected);
        let row = |since: Value| json!({"kind": "Gateway", "namespace": "a", "name": "b", "file": "c.yaml", "lastGoodFromMs": since});
        assert_eq!(of_broken(&row(Value::Null)), "");
        let told = of_broken(&row(json!(1)));
        assert!(
            told.starts_with("# Gateway/a/b: its file c.yaml is broken. What it said ") && told.ends_with(".\n"),
            "{told}"
        );
    }
}
