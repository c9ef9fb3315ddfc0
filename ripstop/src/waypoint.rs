//! `ripstop waypoint`: waypoints, as processes in the files of the mesh.

mod passing;

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::passing::{FOR, behind, instances, scope};
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
/// Label that names a canary of a waypoint.
const CANARY: &str = "istio.io/use-waypoint-canary";
/// Label with the namespace of that.
const CANARY_NAMESPACE: &str = "istio.io/use-waypoint-canary-namespace";
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
    /// Lists waypoints, what they are for, and how many services and workloads are called through each.
    List {
        /// Of this namespace alone.
        #[arg(short, long)]
        namespace: Option<String>,
    },
    /// Tells whether a waypoint is ready, and who goes through it; fails if it is not.
    Status(Meant),
    /// Removes a waypoint, and its namespace's label that names it. One that others name is left alone.
    Delete {
        #[command(flatten)]
        meant: Meant,
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

/// One that there is.
#[derive(Args)]
struct Meant {
    /// Name of the waypoint; `waypoint` if nothing is said.
    #[arg(value_name = "NAME")]
    called: Option<String>,
    /// The same.
    #[arg(long, conflicts_with = "called")]
    name: Option<String>,
    /// Its namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
}

impl From<Meant> for Named {
    fn from(Meant { called, name, namespace }: Meant) -> Self {
        Self { name: called.or(name).unwrap_or_else(|| "waypoint".into()), namespace }
    }
}

#[derive(Args)]
struct Apply {
    #[command(flatten)]
    named: Named,
    /// What goes through it: calls of services, calls of workloads' own addresses, both, or nothing. `service-account`: calls
    /// of workloads whose service account names it. A new one is for services; one that is there stays as it is.
    #[arg(long = "for", value_enum)]
    scope: Option<Scope>,
    /// Service account of its namespace whose workloads are called through it; may be given several times.
    #[arg(long = "service-account", value_name = "NAME")]
    accounts: Vec<String>,
    /// Label the namespace, so that all that it has goes through it.
    #[arg(long)]
    enroll_namespace: bool,
    /// Wait until it is ready.
    #[arg(long)]
    wait: bool,
}

/// What a waypoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    Service,
    Workload,
    All,
    None,
    ServiceAccount,
}

// === impl Waypoint ===

impl Waypoint {
    /// Does it.
    pub async fn run(self, mesh: &Mesh) -> Result<ExitCode> {
        match self.action {
            Action::Apply(apply) => apply.run(mesh).await.map(|()| ExitCode::SUCCESS),
            Action::List { namespace } => list(mesh, namespace.as_deref()).await.map(|()| ExitCode::SUCCESS),
            Action::Status(meant) => Named::from(meant).status(mesh).await,
            Action::Delete { meant, force } => Named::from(meant).delete(mesh, force).await.map(|()| ExitCode::SUCCESS),
        }
    }
}

// === impl Apply ===

impl Apply {
    async fn run(self, mesh: &Mesh) -> Result<()> {
        let scope = self.scope()?;
        let Self { named, accounts, enroll_namespace, wait, .. } = self;
        let Named { name, namespace } = &named;
        match named.declared(mesh).await? {
            Some(row) if text(&row, "role") == "waypoint" => {
                print(&format!("waypoint {namespace}/{name} is declared in {}\n", text(&row, "file")));
                let own = passing::scope(&row);
                if let Some(wanted) = scope.filter(|scope| !scope.is_within(own)) {
                    label(mesh, "Process", namespace, name, &json!({ FOR: wanted.label() })).await?;
                } else {
                    let takes = ["workload", "all"].contains(&own);
                    ensure!(
                        takes || accounts.is_empty(),
                        "it is for {own}: with --for workload or --for all, workloads go through it"
                    );
                }
            }
            Some(row) => {
                bail!("Process {namespace}/{name} in {} is no waypoint: choose another --name", text(&row, "file"))
            }
            None => {
                let usual = if accounts.is_empty() { Scope::Service } else { Scope::ServiceAccount };
                let document = document(&named, scope.unwrap_or(usual));
                let files = json!([{ "file": "waypoint", "text": document }]);
                let answer =
                    mesh.post("/v1/apply", &json!({ "files": files, "namespace": null, "dry_run": false })).await?;
                objects::told(&answer, "configured in");
            }
        }
        for account in &accounts {
            enroll_account(mesh, &named, account).await?;
        }
        if scope == Some(Scope::ServiceAccount) && accounts.is_empty() {
            print(&format!(
                "  workloads go through it whose service account names it: `ripstop label serviceaccount ACCOUNT -n {namespace} \
                 {USE}={name}`\n"
            ));
        }
        if enroll_namespace {
            label(mesh, "Namespace", "", namespace, &json!({ USE: name })).await?;
        }
        if wait { named.wait(mesh).await } else { Ok(()) }
    }

    /// What it is to be for, if that is said.
    fn scope(&self) -> Result<Option<Scope>> {
        match self.scope {
            Some(scope @ (Scope::Service | Scope::None)) if !self.accounts.is_empty() => {
                bail!("--service-account is for workloads, and --for {} for none of them", scope.label())
            }
            Some(Scope::ServiceAccount) if self.enroll_namespace => bail!(
                "--enroll-namespace leads all of a namespace through it, --for service-account what certain accounts have: \
                 name those by --service-account, or say --for workload"
            ),
            scope => Ok(scope),
        }
    }
}

// === impl Scope ===

impl Scope {
    /// As the label of a waypoint has it. Accounts are those of workloads.
    fn label(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Workload | Self::ServiceAccount => "workload",
            Self::All => "all",
            Self::None => "none",
        }
    }

    /// Whether a waypoint with that label is for it. Where accounts decide, one for more will do.
    fn is_within(self, own: &str) -> bool {
        self.label() == own || self == Self::ServiceAccount && own == Self::All.label()
    }
}

/// Leads callers of workloads that have that account through the waypoint; declares the account if it is not.
async fn enroll_account(mesh: &Mesh, Named { name, namespace }: &Named, account: &str) -> Result<()> {
    let rows = mesh.get("/v1/objects").await?;
    let is_it = |row: &Value| {
        text(row, "kind") == "ServiceAccount" && text(row, "namespace") == namespace && text(row, "name") == account
    };
    if rows.as_array().into_iter().flatten().any(is_it) {
        return label(mesh, "ServiceAccount", namespace, account, &json!({ USE: name })).await;
    }
    let document = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {account}\n  namespace: {namespace}\n  labels:\n    \
         {USE}: {name}\n"
    );
    let files = json!([{ "file": "waypoint", "text": document }]);
    let answer = mesh.post("/v1/apply", &json!({ "files": files, "namespace": null, "dry_run": false })).await?;
    objects::told(&answer, "configured in");
    Ok(())
}

/// The document of a waypoint.
fn document(Named { name, namespace }: &Named, scope: Scope) -> String {
    let scope = scope.label();
    format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  \
         labels:\n    {FOR}: {scope}\nspec:\n  role: waypoint\n  serviceAccountName: {name}\n"
    )
}

/// Sets or (null) removes labels of an object.
async fn label(mesh: &Mesh, kind: &str, namespace: &str, name: &str, labels: &Value) -> Result<()> {
    let asked = json!({ "kind": kind, "namespace": namespace, "name": name, "labels": labels, "annotations": {} });
    let answer = mesh.post("/v1/metadata", &asked).await?;
    let whose = format!("{}/{name}", kind.to_lowercase());
    print(&metadata::told(&whose, metadata::Field::Labels, labels, &answer));
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
        let row = self.waypoint(mesh).await?;
        let all_workloads = mesh.get("/v1/workloads").await?;
        let (ready, all) = instances(&all_workloads, &self.namespace, &self.name);
        let state = if ready > 0 { paint(GOOD, "ready") } else { paint(BAD, "not ready") };
        print(&format!("waypoint {}/{}: {state} ({ready} of {all} instances)\n", self.namespace, self.name));
        print(&format!("  for: {}\n", whom(scope(&row))));
        let services = behind(&mesh.get("/v1/services").await?, &self.namespace, &self.name);
        let workloads = behind(&all_workloads, &self.namespace, &self.name);
        if services.is_empty() && workloads.is_empty() {
            print(&match scope(&row) {
                "none" => {
                    format!("  nobody is called through it: `ripstop waypoint apply --name {} --for all`\n", self.name)
                }
                _ => format!("  nobody is called through it: `ripstop label namespace NAME {USE}={}`\n", self.name),
            });
        }
        for service in &services {
            print(&format!("  service {service}\n"));
        }
        for workload in &workloads {
            print(&format!("  workload {workload}\n"));
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
            label(mesh, "Namespace", "", &self.namespace, &json!({ USE: null })).await?;
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
            "Service" | "ServiceEntry" | "ServiceAccount" => text(row, "namespace"),
            // A proxy of the mesh is called through none.
            "Process" if text(row, "role").is_empty() => text(row, "namespace"),
            _ => return false,
        };
        let names = |key, home| label(key) == Some(&self.name) && label(home).unwrap_or(around) == self.namespace;
        names(USE, USE_NAMESPACE) || names(CANARY, CANARY_NAMESPACE)
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
    let mut table = Table::new(&["NAMESPACE", "NAME", "FOR", "READY", "SERVICES", "WORKLOADS", "DECLARED IN"]);
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
            scope(row).into(),
            if ready > 0 { shown } else { paint(WARN, &shown) },
            behind(&all_services, namespace, name).len().to_string(),
            behind(&workloads, namespace, name).len().to_string(),
            format!("{}:{}", text(row, "file"), row["line"]),
        ]);
    }
    table.print("No waypoint is declared: `ripstop waypoint apply`.");
    Ok(())
}

/// What a waypoint is for, for people.
fn whom(scope: &str) -> &'static str {
    match scope {
        "workload" => "calls of workloads' own addresses",
        "all" => "calls of services, and of workloads' own addresses",
        "none" => "nothing",
        _ => "calls of services",
    }
}

#[cfg(test)]
mod tests;
