//! `ripstop get`: what there is.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use ripstop_api::{Kind, ObjectId, nearest};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    analyze::Least,
    completion,
    kinds::{self, Asked, AskedParser},
    labels::Labels,
    mesh::{Mesh, Scope},
    nobody, objects,
    output::{Wide, print},
    tables::{findings, gateways, processes, services, text, with_states, workloads},
};

/// What to show.
#[derive(Args)]
pub struct Get {
    /// What: workloads, services, processes, gateways, findings: what there is of them now. Objects, or those of one kind
    /// (virtualservices, vs, …): what is declared. Several with commas, or KIND/NAME.
    #[arg(value_parser = AskedParser(PossibleValuesParser::new(Shown::possible()).map(|word| Shown::named(&word))), hide_possible_values = true, ignore_case = true, add = completion::kinds())]
    kind: Asked<Shown>,
    /// Only these.
    #[arg(value_name = "NAME", add = completion::names())]
    names: Vec<String>,
    #[command(flatten)]
    scope: Scope,
    /// Only what has these labels: `key`, `!key`, `key=value`, `key!=value`, several with commas. Of workloads and
    /// objects.
    #[arg(short = 'l', long)]
    selector: Option<Labels>,
    /// `wide`, `json`, `yaml` (objects as they are in their files), `name` or nothing.
    #[arg(short, long, value_enum)]
    output: Option<Shape>,
    /// Of findings: only those of this level, and worse ones.
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Option<Level>,
    /// Show what Secrets hold (`-o yaml`, `-o json`). It is written into the audit log.
    #[arg(long)]
    show_secrets: bool,
    /// Go on, and show what changes.
    #[arg(short, long)]
    watch: bool,
}

/// How to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// More columns.
    Wide,
    /// JSON.
    Json,
    /// Objects as they are in their files, comments included.
    Yaml,
    /// KIND/NAME alone, one a line.
    Name,
}

/// The least level of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Refused, or never does what it says.
    Error,
    /// Probably not what was meant.
    Warning,
    /// Worth knowing.
    Info,
}

/// Some of what is shown: those of these names; without any, all.
struct Section {
    shown: Shown,
    names: Vec<String>,
}

/// Where rows come from.
#[derive(Clone, Copy)]
enum Source {
    /// What there is now.
    Now(What),
    /// What is declared, of one kind or of all.
    Declared(Option<Kind>),
}

/// The state of a process that is declared, and of which nothing runs.
const NO_INSTANCE: &str = "no instance";
/// How often a watch looks.
const LOOK: Duration = Duration::from_millis(500);

/// What is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// What there is now.
    Now(What),
    /// What is declared, of one kind or of all.
    Objects(Option<Kind>),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Everything that runs, and whether it is in the mesh.
    #[value(alias = "workload", alias = "wl", alias = "pods", alias = "pod", alias = "po")]
    Workloads,
    /// Services, their addresses and endpoints.
    #[value(alias = "service", alias = "svc")]
    Services,
    /// The mesh's own processes and the workloads, as the supervisor sees them.
    #[value(alias = "process")]
    Processes,
    /// What gateways listen on, and where that is on this machine.
    #[value(alias = "gateway", alias = "gw")]
    Gateways,
    /// What is wrong with the configuration.
    #[value(alias = "finding")]
    Findings,
}

/// What there is now, by the words for it.
pub fn words() -> impl Iterator<Item = String> {
    let now = What::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    now.map(|value| value.get_name().to_owned()).chain(["objects".to_owned()])
}

/// Where what there is now, and has names, is asked for, if `word` is one for it.
pub fn path_of(word: &str) -> Option<&'static str> {
    let what = What::from_str(word, true).ok()?;
    matches!(what, What::Workloads | What::Services | What::Processes).then(|| what.path())
}

impl Get {
    /// Prints it.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let sections = self.sections()?;
        if self.level.is_some() && !sections.iter().all(|section| section.shown == Shown::Now(What::Findings)) {
            bail!("--level is for findings");
        }
        nobody::namespace(mesh, self.scope.only()).await;
        if self.watch {
            return self.follow(mesh, &sections).await;
        }
        let is_alone = sections.len() == 1;
        let mut all = Vec::new();
        for (index, section) in sections.iter().enumerate() {
            let source = self.source(section)?;
            let mut rows = self.rows(mesh, source, &section.names).await?;
            if self.is_table() {
                if index > 0 {
                    print("\n");
                }
                self.show(source, &rows);
                continue;
            }
            match (source, self.output) {
                (Source::Declared(_), Some(Shape::Json)) => {
                    objects::with_contents(mesh, &mut rows, self.show_secrets).await?;
                }
                // Which they are, beside others.
                (Source::Now(kind), _) if !is_alone || self.output == Some(Shape::Name) => {
                    for row in &mut rows {
                        row["kind"] = Value::from(kind.one());
                    }
                }
                _ => {}
            }
            // What two kinds have in common is told once.
            all.extend(rows.into_iter().filter(|row| is_alone || !all.contains(row)).collect::<Vec<_>>());
        }
        match self.output {
            None | Some(Shape::Wide) => {}
            Some(Shape::Yaml) => print(&objects::documents_of(mesh, &all, self.show_secrets).await?),
            Some(Shape::Json) => print(&format!("{}\n", serde_json::to_string_pretty(&all)?)),
            Some(Shape::Name) => {
                for row in all {
                    print(&format!("{}/{}\n", text(&row, "kind").to_lowercase(), text(&row, "name")));
                }
            }
        }
        Ok(())
    }

    /// Prints what there is, and then what changes, until somebody ends it.
    async fn follow(&self, mesh: &Mesh, sections: &[Section]) -> Result<()> {
        ensure!(self.is_table(), "-w shows tables: leave -o out, or say -o wide");
        let mut known: Vec<Option<Vec<Value>>> = vec![None; sections.len()];
        loop {
            for (section, known) in sections.iter().zip(&mut known) {
                let source = self.source(section)?;
                // What was there at first may go.
                let names: &[String] = if known.is_none() { &section.names } else { &[] };
                let mut rows = self.rows(mesh, source, names).await?;
                let is_meant = |row: &Value| section.names.iter().any(|name| is_called(row, name));
                rows.retain(|row| section.names.is_empty() || is_meant(row) && text(row, "state") != NO_INSTANCE);
                let before = known.take();
                let is_new = |row: &&Value| before.as_ref().is_none_or(|before| !before.contains(row));
                let changed: Vec<Value> = rows.iter().filter(is_new).cloned().collect();
                if before.is_none() || !changed.is_empty() {
                    self.show(source, &changed);
                }
                let is_gone = |row: &&Value| !rows.iter().any(|other| identity(other) == identity(row));
                for row in before.iter().flatten().filter(is_gone) {
                    match text(row, "code") {
                        "" => print(&format!("{} is gone\n", identity(row))),
                        code => print(&format!("mended: {code} {}\n", identity(row))),
                    }
                }
                *known = Some(rows);
            }
            sleep(LOOK).await;
        }
    }

    fn is_table(&self) -> bool {
        matches!(self.output, None | Some(Shape::Wide))
    }

    fn sections(&self) -> Result<Vec<Section>> {
        if self.names.is_empty() && self.kind.name.is_none() {
            let mut sections: Vec<Section> = Vec::new();
            for shown in &self.kind.kinds {
                if !sections.iter().any(|section| section.shown == *shown) {
                    sections.push(Section { shown: *shown, names: Vec::new() });
                }
            }
            return Ok(sections);
        }
        let read =
            |word: &str| Shown::possible().iter().any(|value| value.matches(word, true)).then(|| Shown::named(word));
        let mut sections: Vec<Section> = Vec::new();
        for (shown, name) in self.kind.with(&self.names, read)? {
            match sections.iter_mut().find(|section| section.shown == shown) {
                Some(section) => section.names.push(name),
                None => sections.push(Section { shown, names: vec![name] }),
            }
        }
        Ok(sections)
    }

    /// Where the rows of a section come from.
    fn source(&self, section: &Section) -> Result<Source> {
        let Shown::Now(kind) = section.shown else { return Ok(Source::Declared(section.shown.declared()?)) };
        let is_declared = match self.output {
            Some(Shape::Yaml) => true,
            Some(Shape::Name) => matches!(kind, What::Services | What::Gateways),
            // A Gateway with a name is the object; without, all that listens.
            _ => kind == What::Gateways && !section.names.is_empty(),
        };
        if kind == What::Findings && (self.output == Some(Shape::Name) || !section.names.is_empty()) {
            bail!("findings have no names");
        }
        Ok(if is_declared { Source::Declared(section.shown.declared()?) } else { Source::Now(kind) })
    }

    async fn rows(&self, mesh: &Mesh, source: Source, names: &[String]) -> Result<Vec<Value>> {
        match source {
            Source::Now(kind) => self.now(mesh, kind, names).await,
            Source::Declared(kind) => {
                let names = self.declared_names(mesh, kind, names).await?;
                self.objects(mesh, kind, &names).await
            }
        }
    }

    fn show(&self, source: Source, rows: &[Value]) {
        let wide = self.output == Some(Shape::Wide);
        match source {
            Source::Declared(kind) => objects::list(rows, kind, wide),
            Source::Now(What::Workloads) => workloads(rows, wide),
            Source::Now(What::Services) => services(rows, wide),
            Source::Now(What::Processes) => processes(rows, wide),
            Source::Now(What::Gateways) => gateways(rows, Wide::of(wide)),
            Source::Now(What::Findings) => findings(rows),
        }
    }

    /// What there is now.
    async fn now(&self, mesh: &Mesh, kind: What, names: &[String]) -> Result<Vec<Value>> {
        if self.selector.is_some() && kind != What::Workloads {
            bail!("-l selects workloads and objects; {} have no labels", kind.many());
        }
        let path = kind.path();
        let all = mesh.get(path).await?;
        let mut rows = all.as_array().cloned().unwrap_or_default();
        match kind {
            What::Workloads => with_states(&mut rows, &mesh.get("/v1/processes").await?),
            // Those two are told of without a control plane, too.
            What::Processes if names.iter().any(|name| !rows.iter().any(|row| is_called(row, name))) => {
                add_declared(&mut rows, &mesh.get("/v1/objects").await.unwrap_or_default(), names);
            }
            What::Gateways => with_objects(&mut rows, &mesh.get("/v1/gateways").await.unwrap_or_default()),
            _ => {}
        }
        rows.retain(|row| match kind {
            What::Gateways => is_of_gateway(row, |namespace| self.scope.takes(namespace)),
            What::Findings if self.level.is_some_and(|level| !level.least().takes(row)) => false,
            _ => self.scope.takes(text(row, "namespace")),
        });
        if matches!(kind, What::Workloads | What::Services) {
            rows.sort_by_key(|row| (text(row, "namespace").to_owned(), text(row, "name").to_owned()));
        }
        if let Some(selector) = &self.selector {
            rows.retain(|row| selector.select(&row["labels"]));
        }
        for name in names {
            let all = rows.iter().flat_map(|row| [text(row, "name"), text(row, "process")]);
            let near = nearest(name, all.filter(|name| !name.is_empty()));
            let near = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            ensure!(rows.iter().any(|row| is_called(row, name)), "there is no {} {name:?}{near}", kind.one());
        }
        rows.retain(|row| names.is_empty() || names.iter().any(|name| is_called(row, name)));
        Ok(rows)
    }

    /// The names of objects of `kind` that `names` mean: an instance means the process that declares it.
    async fn declared_names(&self, mesh: &Mesh, kind: Option<Kind>, names: &[String]) -> Result<Vec<String>> {
        if kind != Some(Kind::Process) || names.is_empty() {
            return Ok(names.to_vec());
        }
        let all = mesh.get("/v1/processes").await?;
        let rows: Vec<&Value> = all.as_array().into_iter().flatten().collect();
        let here: Vec<&Value> = rows.into_iter().filter(|row| self.scope.takes(text(row, "namespace"))).collect();
        names.iter().map(|name| declared_name(&here, name)).collect()
    }

    /// What is declared, of one kind or of all.
    async fn objects(&self, mesh: &Mesh, kind: Option<Kind>, names: &[String]) -> Result<Vec<Value>> {
        let all = mesh.get("/v1/objects").await?;
        let mut rows = all.as_array().cloned().unwrap_or_default();
        let known = rows.clone();
        rows.retain(|row| {
            kind.is_none_or(|kind| text(row, "kind") == kind.to_string())
                && match text(row, "namespace") {
                    "" => kind.is_some() || self.scope.only().is_none(),
                    namespace => self.scope.takes(namespace),
                }
                && self.selector.as_ref().is_none_or(|selector| selector.select(&row["labels"]))
        });
        if let (Some(kind), Some(name)) =
            (kind, names.iter().find(|name| !rows.iter().any(|row| text(row, "name") == **name)))
        {
            let namespace = self.scope.only().unwrap_or_default().to_owned();
            return Err(objects::missing(&ObjectId { kind, namespace, name: name.clone() }, &known));
        }
        rows.retain(|row| names.is_empty() || names.iter().any(|name| text(row, "name") == name));
        Ok(rows)
    }
}

/// Whether a row is that of `name`: an instance, or one of that process.
fn is_called(row: &Value, name: &str) -> bool {
    text(row, "name") == name || text(row, "process") == name
}

/// The Process that `name` means, which may be an instance of `rows`.
fn declared_name(rows: &[&Value], name: &str) -> Result<String> {
    let own = rows.iter().find(|row| text(row, "name") == name);
    let is_process = rows.iter().any(|row| text(row, "process") == name);
    match own.map(|row| text(row, "process")) {
        Some("") if !is_process => {
            bail!("{name} is a part of the mesh itself, and in no file: -o json shows all that is known of it")
        }
        Some(process) if !is_process => Ok(process.to_owned()),
        _ => Ok(name.to_owned()),
    }
}

/// Adds what is declared by one of `names` and has no instance.
fn add_declared(rows: &mut Vec<Value>, objects: &Value, names: &[String]) {
    let declared = objects.as_array().into_iter().flatten().filter(|row| text(row, "kind") == "Process");
    for object in declared.filter(|row| names.iter().any(|name| text(row, "name") == name)) {
        let (namespace, name) = (text(object, "namespace"), text(object, "name"));
        if !rows.iter().any(|row| text(row, "namespace") == namespace && is_called(row, name)) {
            rows.push(json!({
                "name": name, "namespace": namespace, "process": name, "kind": "workload", "state": NO_INSTANCE,
                "restarts": 0,
            }));
        }
    }
}

/// Gives ports of gateways the `Gateway` objects that open them.
fn with_objects(rows: &mut [Value], objects: &Value) {
    for row in rows {
        let is_it = |other: &&Value| ["gateway", "port"].iter().all(|key| other[*key] == row[*key]);
        let opened = objects.as_array().into_iter().flatten().find(is_it);
        row["gateways"] = opened.map_or_else(|| json!([]), |opened| opened["gateways"].clone());
    }
}

/// Whether a port of a gateway is of a namespace that is taken: the gateway's own, or that of an object that opens it.
fn is_of_gateway(row: &Value, takes: impl Fn(&str) -> bool) -> bool {
    let objects = row["gateways"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // Both are named with their namespace in front.
    objects.chain([text(row, "gateway")]).any(|name| takes(name.split('/').next().unwrap_or_default()))
}

/// What a row is about.
fn identity(row: &Value) -> String {
    let parts = ["kind", "namespace", "gateway", "name"].map(|key| text(row, key));
    let whole = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    // Of what is wrong with it there may be more.
    match text(row, "code") {
        "" => whole,
        _ => format!("{whole} {} {}:{}", text(row, "path"), text(row, "file"), row["line"]),
    }
}

// === impl Level ===

impl Level {
    fn least(self) -> Least {
        match self {
            Self::Error => Least::Error,
            Self::Warning => Least::Warning,
            Self::Info => Least::Info,
        }
    }
}

// === impl What ===

impl What {
    /// Where it is asked for.
    fn path(self) -> &'static str {
        match self {
            Self::Workloads => "/v1/workloads",
            Self::Services => "/v1/services",
            Self::Processes => "/v1/processes",
            Self::Gateways => "/v1/ingress",
            Self::Findings => "/v1/findings",
        }
    }

    /// What one of it is called.
    fn one(self) -> &'static str {
        match self {
            Self::Workloads => "workload",
            Self::Services => "service",
            Self::Processes => "process",
            Self::Gateways => "gateway",
            Self::Findings => "finding",
        }
    }

    fn many(self) -> &'static str {
        match self {
            Self::Workloads => "workloads",
            Self::Services => "services",
            Self::Processes => "processes",
            Self::Gateways => "gateways",
            Self::Findings => "findings",
        }
    }
}

// === impl Shown ===

impl Shown {
    /// Words for a command line. What there is now comes first.
    fn possible() -> Vec<clap::builder::PossibleValue> {
        let now: Vec<_> = What::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        let taken = |word: &str| now.iter().any(|value| value.matches(word, true));
        let declared = kinds::possible().filter(|value| !value.get_name_and_aliases().any(taken));
        let objects = clap::builder::PossibleValue::new("objects").alias("all");
        now.iter().cloned().chain([objects]).chain(declared).collect()
    }

    /// The kind of objects that declare it; none: all.
    fn declared(self) -> Result<Option<Kind>> {
        Ok(match self {
            Self::Objects(kind) => kind,
            Self::Now(What::Workloads | What::Processes) => Some(Kind::Process),
            Self::Now(What::Services) => Some(Kind::Service),
            Self::Now(What::Gateways) => Some(Kind::Gateway),
            Self::Now(What::Findings) => bail!("findings are in no file: -o json shows all that is known of them"),
        })
    }

    fn named(word: &str) -> Self {
        match What::from_str(word, true) {
            Ok(what) => Self::Now(what),
            Err(_) => Self::Objects(kinds::named(word)),
        }
    }
}

#[cfg(test)]
mod tests;
