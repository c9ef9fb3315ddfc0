//! `ripstop waypoint`: waypoints, as processes in the files of the mesh.

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    mesh::Mesh,
    metadata, objects,
    output::{BAD, GOOD, Table, WARN, paint, print},
    tables::{finding, text},
};

/// Label that names a waypoint.
const USE: &str = "istio.io/use-waypoint";
/// Label with the namespace of that waypoint.
const USE_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
/// How long `--wait` waits.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// What to do.
#[derive(Args)]
pub struct Waypoint {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Declares a waypoint, if there is none of that name.
    Apply(Apply),
    /// Lists waypoints, and how many services go through each.
    List {
        /// Of this namespace alone.
        #[arg(short, long)]
        namespace: Option<String>,
    },
    /// Tells whether a waypoint is ready, and who goes through it; fails if it is not.
    Status(Named),
    /// Removes a waypoint, and its namespace's label that names it. One that others name is left alone.
    Delete {
        #[command(flatten)]
        named: Named,
        /// Also if others name it: calls of theirs fail from then on.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Args)]
struct Named {
    /// Name of the waypoint.
    #[arg(long, default_value = "waypoint")]
    name: String,
    /// Its namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
}

#[derive(Args)]
struct Apply {
    #[command(flatten)]
    named: Named,
    /// What it is for. Only services go through waypoints yet.
    #[arg(long = "for", value_enum, default_value = "service")]
    scope: Scope,
    /// Label the namespace, so that all of its services go through it.
    #[arg(long)]
    enroll_namespace: bool,
    /// Wait until it is ready.
    #[arg(long)]
    wait: bool,
}

/// What a waypoint is for.
#[derive(Clone, Copy, ValueEnum)]
enum Scope {
    Service,
    Workload,
    All,
    None,
}

/// Instances that are ready, and all.
type Instances = (usize, usize);

// === impl Waypoint ===

impl Waypoint {
    /// Does it.
    pub async fn run(self, mesh: &Mesh) -> Result<ExitCode> {
        match self.action {
            Action::Apply(apply) => apply.run(mesh).await.map(|()| ExitCode::SUCCESS),
            Action::List { namespace } => list(mesh, namespace.as_deref()).await.map(|()| ExitCode::SUCCESS),
            Action::Status(named) => named.status(mesh).await,
            Action::Delete { named, force } => named.delete(mesh, force).await.map(|()| ExitCode::SUCCESS),
        }
    }
}

// === impl Apply ===

impl Apply {
    async fn run(self, mesh: &Mesh) -> Result<()> {
        let Self { named, scope, enroll_namespace, wait } = self;
        let Named { name, namespace } = &named;
        match named.declared(mesh).await? {
            Some(row) if text(&row, "role") == "waypoint" => {
                print(&format!("waypoint {namespace}/{name} is declared in {}\n", text(&row, "file")));
            }
            Some(row) => {
                bail!("Process {namespace}/{name} in {} is no waypoint: choose another --name", text(&row, "file"))
            }
            None => {
                let document = document(&named, scope);
                let files = json!([{ "file": "waypoint", "text": document }]);
                let answer =
                    mesh.post("/v1/apply", &json!({ "files": files, "namespace": null, "dry_run": false })).await?;
                objects::told(&answer, "configured in");
            }
        }
        if enroll_namespace {
            label(mesh, namespace, &json!(name)).await?;
        }
        if wait { named.wait(mesh).await } else { Ok(()) }
    }
}

/// The document of a waypoint.
fn document(Named { name, namespace }: &Named, scope: Scope) -> String {
    let scope = match scope {
        Scope::Service => "service",
        Scope::Workload => "workload",
        Scope::All => "all",
        Scope::None => "none",
    };
    format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  \
         labels:\n    istio.io/waypoint-for: {scope}\nspec:\n  role: waypoint\n  serviceAccountName: {name}\n"
    )
}

/// Names the waypoint of a namespace, or (null) none any more.
async fn label(mesh: &Mesh, namespace: &str, name: &Value) -> Result<()> {
    let labels = json!({ USE: name });
    let asked = json!({ "kind": "Namespace", "namespace": "", "name": namespace, "labels": labels, "annotations": {} });
    let answer = mesh.post("/v1/metadata", &asked).await?;
    print(&metadata::told(&format!("namespace/{namespace}"), metadata::Field::Labels, &labels, &answer));
    answer["findings"].as_array().into_iter().flatten().for_each(|row| eprint!("{}", finding(row)));
    Ok(())
}

// === impl Named ===

impl Named {
    /// The row of its process.
    async fn declared(&self, mesh: &Mesh) -> Result<Option<Value>> {
        let rows = mesh.get("/v1/objects").await?;
        let is_it = |row: &&Value| {
            text(row, "kind") == "Process" && text(row, "namespace") == self.namespace && text(row, "name") == self.name
        };
        Ok(rows.as_array().into_iter().flatten().find(is_it).cloned())
    }

    async fn waypoint(&self, mesh: &Mesh) -> Result<Value> {
        let row = self.declared(mesh).await?.filter(|row| text(row, "role") == "waypoint");
        row.ok_or_else(|| {
            anyhow::anyhow!("there is no waypoint {}/{}: `ripstop waypoint list`", self.namespace, self.name)
        })
    }

    async fn status(&self, mesh: &Mesh) -> Result<ExitCode> {
        self.waypoint(mesh).await?;
        let (ready, all) = instances(&mesh.get("/v1/workloads").await?, &self.namespace, &self.name);
        let state = if ready > 0 { paint(GOOD, "ready") } else { paint(BAD, "not ready") };
        print(&format!("waypoint {}/{}: {state} ({ready} of {all} instances)\n", self.namespace, self.name));
        let services = services(&mesh.get("/v1/services").await?, &self.namespace, &self.name);
        if services.is_empty() {
            print(&format!("  no service goes through it: `ripstop label namespace NAME {USE}={}`\n", self.name));
        }
        for service in &services {
            print(&format!("  service {service}\n"));
        }
        Ok(if ready > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn delete(&self, mesh: &Mesh, force: bool) -> Result<()> {
        self.waypoint(mesh).await?;
        let rows = mesh.get("/v1/objects").await?;
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        let own = |row: &&Value| text(row, "kind") == "Namespace" && text(row, "name") == self.namespace;
        let (own, others): (Vec<&Value>, Vec<&Value>) = rows.iter().filter(|row| self.is_named_by(row)).partition(own);
        if !others.is_empty() && !force {
            let names = others.iter().map(|row| {
                let place = text(row, "namespace");
                let slash = if place.is_empty() { "" } else { "/" };
                format!("{} {place}{slash}{}", text(row, "kind"), text(row, "name"))
            });
            let names: Vec<String> = names.collect();
            bail!(
                "{} still name it by the label {USE}, and calls would fail without it; remove those labels first, or use --force",
                names.join(", ")
            );
        }
        if !own.is_empty() {
            label(mesh, &self.namespace, &Value::Null).await?;
        }
        let objects = json!([{ "kind": "Process", "namespace": self.namespace, "name": self.name }]);
        objects::told(&mesh.post("/v1/delete", &json!({ "objects": objects })).await?, "deleted from");
        Ok(())
    }

    /// Whether the labels of that object name it.
    fn is_named_by(&self, row: &Value) -> bool {
        let label = |key: &str| row["labels"][key].as_str().filter(|value| !value.is_empty());
        let around = match text(row, "kind") {
            "Namespace" => text(row, "name"),
            "Service" | "ServiceEntry" => text(row, "namespace"),
            _ => return false,
        };
        label(USE) == Some(&self.name) && label(USE_NAMESPACE).unwrap_or(around) == self.namespace
    }

    async fn wait(&self, mesh: &Mesh) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let (ready, all) = instances(&mesh.get("/v1/workloads").await?, &self.namespace, &self.name);
            if ready > 0 {
                print(&format!("waypoint {}/{} is {}\n", self.namespace, self.name, paint(GOOD, "ready")));
                return Ok(());
            }
            let seconds = PATIENCE.as_secs();
            ensure!(
                Instant::now() < end,
                "waypoint {}/{} is not ready after {seconds} s ({all} instances): `ripstop logs -n {0} {1}-0`",
                self.namespace,
                self.name
            );
            sleep(LOOK).await;
        }
    }
}

async fn list(mesh: &Mesh, namespace: Option<&str>) -> Result<()> {
    let (rows, workloads) = (mesh.get("/v1/objects").await?, mesh.get("/v1/workloads").await?);
    let all_services = mesh.get("/v1/services").await?;
    let mut table = Table::new(&["NAMESPACE", "NAME", "READY", "SERVICES", "DECLARED IN"]);
    let is_waypoint = |row: &&Value| {
        text(row, "role") == "waypoint" && namespace.is_none_or(|wanted| text(row, "namespace") == wanted)
    };
    for row in rows.as_array().into_iter().flatten().filter(is_waypoint) {
        let (namespace, name) = (text(row, "namespace"), text(row, "name"));
        let (ready, all) = instances(&workloads, namespace, name);
        let shown = format!("{ready}/{all}");
        table.row(vec![
            namespace.into(),
            name.into(),
            if ready > 0 { shown } else { paint(WARN, &shown) },
            services(&all_services, namespace, name).len().to_string(),
            format!("{}:{}", text(row, "file"), row["line"]),
        ]);
    }
    table.print("No waypoint is declared: `ripstop waypoint apply`.");
    Ok(())
}

fn instances(workloads: &Value, namespace: &str, name: &str) -> Instances {
    let of_it = |row: &&Value| text(row, "namespace") == namespace && text(row, "process") == name;
    let all: Vec<&Value> = workloads.as_array().into_iter().flatten().filter(of_it).collect();
    (all.iter().filter(|row| row["ready"] == true && row["running"] == true).count(), all.len())
}

/// Services that go through it, as `namespace/name`.
fn services(all: &Value, namespace: &str, name: &str) -> Vec<String> {
    let through = |row: &&Value| row["waypoint"]["namespace"] == namespace && row["waypoint"]["name"] == name;
    let shown = |row: &Value| format!("{}/{}", text(row, "namespace"), text(row, "name"));
    all.as_array().into_iter().flatten().filter(through).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_waypoint_is_found_by_its_labels() {
        let named = Named { name: "wp".into(), namespace: "shop".into() };
        for (row, expected) in [
            (json!({ "kind": "Namespace", "name": "shop", "labels": { USE: "wp" } }), true),
            (json!({ "kind": "Namespace", "name": "other", "labels": { USE: "wp" } }), false),
            (json!({ "kind": "Namespace", "name": "other", "labels": { USE: "wp", USE_NAMESPACE: "shop" } }), true),
            (json!({ "kind": "Service", "namespace": "shop", "name": "cart", "labels": { USE: "wp" } }), true),
            (json!({ "kind": "Service", "namespace": "shop", "name": "cart", "labels": { USE: "none" } }), false),
            (json!({ "kind": "Process", "namespace": "shop", "name": "cart", "labels": { USE: "wp" } }), false),
        ] {
            assert_eq!(named.is_named_by(&row), expected, "{row}");
        }
    }

    #[test]
    fn what_is_applied_is_a_waypoint() {
        let named = Named { name: "wp".into(), namespace: "shop".into() };
        let parsed = ripstop_api::parse_file("a.yaml", &document(&named, Scope::Service));
        assert_eq!(parsed.findings, []);
        let ripstop_api::Spec::Process(process) = &parsed.objects[0].spec else { panic!("{:?}", parsed.objects) };
        assert_eq!(process.role, ripstop_api::ripstop::ProcessRole::Waypoint);
        assert_eq!(parsed.objects[0].id.to_string(), "Process/shop/wp");
    }

    #[test]
    fn services_are_counted_where_they_go_through() {
        let all = json!([
            { "namespace": "shop", "name": "cart", "waypoint": { "namespace": "shop", "name": "wp" } },
            { "namespace": "shop", "name": "web", "waypoint": null },
        ]);
        assert_eq!(services(&all, "shop", "wp"), ["shop/cart"]);
        assert!(services(&all, "other", "wp").is_empty());
    }
}
