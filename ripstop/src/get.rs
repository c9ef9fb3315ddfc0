//! `ripstop get`: what there is.

use anyhow::{Result, bail, ensure};
use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use ripstop_api::{Kind, ObjectId, nearest};

use crate::{
    kinds,
    labels::Labels,
    mesh::{Mesh, Scope},
    objects,
    tables::{findings, gateways, processes, services, text, workloads},
};

/// What to show.
#[derive(Args)]
pub struct Get {
    /// What: workloads, services, processes, gateways, findings: what there is of them now. Objects, or those of one kind
    /// (virtualservices, vs, …): what is declared.
    #[arg(value_parser = PossibleValuesParser::new(Shown::possible()).map(|word| Shown::named(&word)), hide_possible_values = true, ignore_case = true)]
    kind: Shown,
    /// Only this one.
    name: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// Only what has these labels: `key`, `!key`, `key=value`, `key!=value`, several with commas. Of workloads and
    /// objects.
    #[arg(short = 'l', long)]
    selector: Option<Labels>,
    /// `wide`, `json`, `yaml` (objects as they are in their files) or nothing.
    #[arg(short, long, value_enum)]
    output: Option<Shape>,
    /// Show what Secrets hold (`-o yaml`, `-o json`). It is written into the audit log.
    #[arg(long)]
    show_secrets: bool,
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
}

/// What is shown.
#[derive(Clone, Copy)]
enum Shown {
    /// What there is now.
    Now(What),
    /// What is declared, of one kind or of all.
    Objects(Option<Kind>),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Everything that runs, and whether it is in the mesh.
    #[value(alias = "workload", alias = "wl")]
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

impl Get {
    /// Prints it.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let Shown::Now(kind) = self.kind else { return self.objects(mesh).await };
        // A Gateway with a name is the object; without, all that listens.
        if self.output == Some(Shape::Yaml) || (kind == What::Gateways && self.name.is_some()) {
            return self.objects(mesh).await;
        }
        if self.selector.is_some() && kind != What::Workloads {
            bail!("-l selects workloads and objects; these have no labels");
        }
        let path = match kind {
            What::Workloads => "/v1/workloads",
            What::Services => "/v1/services",
            What::Processes => "/v1/processes",
            What::Gateways => "/v1/ingress",
            What::Findings => "/v1/findings",
        };
        let all = mesh.get(path).await?;
        let mut rows = all.as_array().cloned().unwrap_or_default();
        rows.retain(|row| match kind {
            // A gateway is named with its namespace in front.
            What::Gateways => self.scope.takes(text(row, "gateway").split('/').next().unwrap_or_default()),
            _ => self.scope.takes(text(row, "namespace")),
        });
        if matches!(kind, What::Workloads | What::Services) {
            rows.sort_by_key(|row| (text(row, "namespace").to_owned(), text(row, "name").to_owned()));
        }
        if let Some(selector) = &self.selector {
            rows.retain(|row| selector.select(&row["labels"]));
        }
        if let Some(name) = &self.name {
            if kind == What::Findings {
                bail!("findings have no names: leave {name:?} out");
            }
            let near = nearest(name, rows.iter().map(|row| text(row, "name")));
            let near = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            rows.retain(|row| text(row, "name") == name);
            ensure!(!rows.is_empty(), "there is no {} {name:?}{near}", kind.one());
        }
        if self.output == Some(Shape::Json) {
            crate::output::print(&format!("{}\n", serde_json::to_string_pretty(&rows)?));
            return Ok(());
        }
        let wide = self.output == Some(Shape::Wide);
        match kind {
            What::Workloads => workloads(&rows, wide),
            What::Services => services(&rows),
            What::Processes => processes(&rows, wide),
            What::Gateways => gateways(&rows),
            What::Findings => findings(&rows),
        }
        Ok(())
    }
}

impl Get {
    /// What is declared.
    async fn objects(self, mesh: &Mesh) -> Result<()> {
        let kind = match self.kind {
            Shown::Objects(kind) => kind,
            Shown::Now(What::Workloads | What::Processes) => Some(Kind::Process),
            Shown::Now(What::Services) => Some(Kind::Service),
            Shown::Now(What::Gateways) => Some(Kind::Gateway),
            Shown::Now(What::Findings) => bail!("findings are no objects: -o json shows all of them"),
        };
        let all = mesh.get("/v1/objects").await?;
        let mut rows = all.as_array().cloned().unwrap_or_default();
        let known = rows.clone();
        rows.retain(|row| {
            kind.is_none_or(|kind| text(row, "kind") == kind.to_string())
                && match text(row, "namespace") {
                    "" => kind.is_some() || self.scope.only().is_none(),
                    namespace => self.scope.takes(namespace),
                }
                && self.name.as_deref().is_none_or(|name| text(row, "name") == name)
                && self.selector.as_ref().is_none_or(|selector| selector.select(&row["labels"]))
        });
        if let (Some(kind), Some(name), []) = (kind, &self.name, &rows[..]) {
            let namespace = self.scope.only().unwrap_or_default().to_owned();
            return Err(objects::missing(&ObjectId { kind, namespace, name: name.clone() }, &known));
        }
        match self.output {
            Some(Shape::Yaml) => {
                crate::output::print(&objects::documents_of(mesh, &rows, self.show_secrets).await?);
            }
            Some(Shape::Json) => {
                objects::with_contents(mesh, &mut rows, self.show_secrets).await?;
                crate::output::print(&format!("{}\n", serde_json::to_string_pretty(&rows)?));
            }
            shape => objects::list(&rows, kind, shape == Some(Shape::Wide)),
        }
        Ok(())
    }
}

// === impl What ===

impl What {
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

    fn named(word: &str) -> Self {
        match What::from_str(word, true) {
            Ok(what) => Self::Now(what),
            Err(_) => Self::Objects(kinds::named(word)),
        }
    }
}
