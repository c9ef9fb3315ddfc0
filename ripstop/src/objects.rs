//! `ripstop apply`, `delete` and `describe`: objects, in the files of the mesh.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use ripstop_api::{Kind, edit::documents};
use serde_json::{Value, json};

use crate::{
    get::{finding, text},
    kinds,
    mesh::Mesh,
    output::{BAD, BOLD, DIM, Table, WARN, paint, print},
};

/// What to write.
#[derive(Args)]
pub struct Apply {
    /// Files with the objects, `-` for standard input. Several are applied one after the other.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// What to remove.
#[derive(Args)]
pub struct Delete {
    /// Kind, e.g. virtualservice or vs.
    #[arg(required_unless_present = "files")]
    kind: Option<String>,
    /// Names.
    #[arg(requires = "kind", required_unless_present = "files")]
    names: Vec<String>,
    /// Their namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// The objects that are in these files, `-` for standard input.
    #[arg(short, long = "filename", value_name = "FILE", conflicts_with = "kind")]
    files: Vec<PathBuf>,
}

/// What to tell of.
#[derive(Args)]
pub struct Describe {
    /// Kind, e.g. virtualservice or vs.
    kind: String,
    /// Name.
    name: String,
    /// Its namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
}

// === impl Apply ===

impl Apply {
    /// Has the control plane write the files.
    pub async fn run(self, mesh: &Mesh) -> Result<ExitCode> {
        let mut failed = false;
        for file in &self.files {
            let (name, text) = read(file)?;
            let answer = mesh.post("/v1/apply", &json!({ "file": name, "text": text })).await?;
            failed |= told(&answer, "applied");
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

// === impl Delete ===

impl Delete {
    /// Has the control plane edit the files.
    pub async fn run(self, mesh: &Mesh) -> Result<ExitCode> {
        let mut objects = Vec::new();
        if let Some(word) = &self.kind {
            let kind = known(word)?;
            objects.extend(self.names.iter().map(|name| named(kind, &self.namespace, name)));
        }
        for file in &self.files {
            let (name, text) = read(file)?;
            let found = documents(&text).with_context(|| name.clone())?;
            objects.extend(found.iter().map(|it| named(it.id.kind, &it.id.namespace, &it.id.name)));
        }
        let answer = mesh.post("/v1/delete", &json!({ "objects": objects })).await?;
        Ok(if told(&answer, "deleted") { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

// === impl Describe ===

impl Describe {
    /// Tells all that is known of it.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let kind = known(&self.kind)?;
        let namespace = if kind.is_namespaced() { self.namespace.as_str() } else { "" };
        let rows = mesh.get("/v1/objects").await?;
        let is_it = |row: &&Value| {
            text(row, "kind") == kind.to_string()
                && text(row, "namespace") == namespace
                && text(row, "name") == self.name
        };
        let Some(row) = rows.as_array().into_iter().flatten().find(is_it) else {
            bail!("there is no {kind} {:?}{}", self.name, place_of(kind, namespace));
        };
        let document = mesh.post("/v1/document", &named(kind, namespace, &self.name)).await?;
        let mut out = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(out, "{}  {value}", paint(BOLD, &format!("{name:<11}")));
        };
        line("Name", self.name.clone());
        if kind.is_namespaced() {
            line("Namespace", namespace.to_owned());
        }
        line("Kind", kind.to_string());
        line("Declared", format!("{}:{}", text(row, "file"), row["line"]));
        line("Age", age(&row["createdMs"]));
        line("Generation", row["generation"].to_string());
        if !row["lastGoodFromMs"].is_null() {
            let since = age(&row["lastGoodFromMs"]);
            line("State", paint(WARN, &format!("its file is broken; what it was {since} ago acts")));
        }
        let findings = mesh.get("/v1/findings").await?;
        let findings: Vec<&Value> = findings.as_array().into_iter().flatten().filter(is_it).collect();
        line("Findings", if findings.is_empty() { "none".to_owned() } else { findings.len().to_string() });
        for row in findings {
            out.push_str(&finding(row));
        }
        let _ = write!(out, "\n{}", text(&document, "text"));
        print(&out);
        Ok(())
    }
}

/// Objects of a kind, or all, as rows of a table.
pub fn list(rows: &[Value], kind: Option<Kind>) {
    let mut table = Table::new(&["KIND", "NAMESPACE", "NAME", "DECLARED IN", "GENERATION", "AGE"]);
    for row in rows {
        let mut name = text(row, "name").to_owned();
        if !row["lastGoodFromMs"].is_null() {
            name = paint(WARN, &format!("{name} (its file is broken)"));
        }
        table.row(vec![
            text(row, "kind").to_owned(),
            text(row, "namespace").to_owned(),
            name,
            format!("{}:{}", text(row, "file"), row["line"]),
            row["generation"].to_string(),
            age(&row["createdMs"]),
        ]);
    }
    let what = kind.map_or_else(|| "object".to_owned(), |kind| kind.to_string());
    table.print(&format!("No {what} here. (-A shows all namespaces.)"));
}

/// The documents of `rows`, as they are in their files.
pub async fn documents_of(mesh: &Mesh, rows: &[Value]) -> Result<String> {
    let mut all = String::new();
    for row in rows {
        let asked = json!({ "kind": row["kind"], "namespace": row["namespace"], "name": row["name"] });
        let answer = mesh.post("/v1/document", &asked).await?;
        if !all.is_empty() {
            all.push_str("---\n");
        }
        all.push_str(text(&answer, "text"));
    }
    Ok(all)
}

/// The kind that a word means.
pub fn known(word: &str) -> Result<Kind> {
    let Some(kind) = kinds::named(word) else {
        let all: Vec<String> = Kind::all().map(|kind| kind.to_string()).collect();
        bail!("{word:?} is no kind of object; there are {}", all.join(", "));
    };
    Ok(kind)
}

fn named(kind: Kind, namespace: &str, name: &str) -> Value {
    let namespace = kind.is_namespaced().then_some(namespace);
    json!({ "kind": kind.to_string(), "namespace": namespace, "name": name })
}

fn place_of(kind: Kind, namespace: &str) -> String {
    if kind.is_namespaced() { format!(" in namespace {namespace}") } else { String::new() }
}

/// A file's name and text.
fn read(file: &Path) -> Result<(String, String)> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
        return Ok(("standard input".to_owned(), text));
    }
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    Ok((file.display().to_string(), text))
}

/// Tells what became of each object, and what is wrong since; whether any failed.
fn told(answer: &Value, what: &str) -> bool {
    let mut failed = false;
    for row in answer["objects"].as_array().into_iter().flatten() {
        let object = match text(row, "namespace") {
            "" => format!("{}/{}", text(row, "kind").to_lowercase(), text(row, "name")),
            namespace => format!("{}/{namespace}/{}", text(row, "kind").to_lowercase(), text(row, "name")),
        };
        if let Some(error) = row["error"].as_str() {
            failed = true;
            eprintln!("{} {object}: {error}", paint(BAD, "error:"));
            continue;
        }
        let file = text(row, "file");
        let done = match (text(row, "done"), what) {
            ("made", _) => format!("created in {file}, which is new"),
            ("changed", "deleted") => format!("deleted from {file}"),
            ("changed", _) => format!("configured in {file}"),
            ("removed", _) => format!("deleted; {file} is removed with it"),
            _ => format!("unchanged in {file}"),
        };
        print(&format!("{object} {done}\n"));
    }
    match answer["findings"].as_array() {
        Some(findings) => findings.iter().for_each(|row| eprint!("{}", finding(row))),
        None => eprintln!("{} it takes longer than usual to act: `ripstop status`", paint(WARN, "note:")),
    }
    failed
}

/// How long ago that was.
fn age(millis: &Value) -> String {
    let then = UNIX_EPOCH + Duration::from_millis(millis.as_u64().unwrap_or_default());
    let passed = SystemTime::now().duration_since(then).unwrap_or_default();
    let seconds = passed.as_secs();
    let text = match seconds {
        ..120 => format!("{seconds}s"),
        ..7_200 => format!("{}m", seconds / 60),
        ..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    };
    paint(DIM, &text)
}
