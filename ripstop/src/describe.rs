//! `ripstop describe`: all that is known of one object.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use clap::Args;
use ripstop_api::Kind;
use ripstop_explain::{ActsAnswer, CheckAnswer, ReachAnswer, ServiceAnswer};
use serde_json::{Value, json};

use crate::{
    completion,
    kinds::{self, Asked, AskedParser},
    mesh::Mesh,
    objects::{age, document, id, id_of, missing},
    output::{BOLD, DIM, GOOD, Table, WARN, Wide, paint, print, terminal_width, wrapped},
    tables::{finding, instances, text, with_states},
};

/// What to tell of.
#[derive(Args)]
pub struct Describe {
    /// Kind, e.g. virtualservice or vs, or KIND/NAME.
    #[arg(value_parser = AskedParser(kinds::parser()), hide_possible_values = true, ignore_case = true, add = completion::kinds())]
    kind: Asked<Kind>,
    /// Name.
    #[arg(add = completion::names())]
    name: Option<String>,
    /// Its namespace.
    #[arg(short, long, default_value = "default", add = completion::namespaces())]
    namespace: String,
    /// Show what a Secret holds. It is written into the audit log.
    #[arg(long)]
    show_secrets: bool,
}

impl Describe {
    /// Tells all that is known of it.
    pub async fn run(self, mesh: &Mesh) -> Result<()> {
        let Self { kind, name, namespace, show_secrets } = self;
        let [(kind, name)] = &kind.with(name.as_slice(), kinds::named)?[..] else {
            bail!("which? One name: ripstop describe KIND NAME");
        };
        let (kind, name) = (*kind, name.clone());
        let id = id(kind, &namespace, &name);
        let rows = mesh.get("/v1/objects").await?;
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(row) = rows.iter().find(|row| id_of(row) == id.to_string()) else { return Err(missing(&id, rows)) };
        let is_broken = !row["lastGoodFromMs"].is_null();
        let mut out = String::new();
        line(&mut out, "Name", &name);
        if kind.is_namespaced() {
            line(&mut out, "Namespace", &namespace);
        }
        line(&mut out, "Kind", &kind.to_string());
        line(&mut out, "Declared", &format!("{}:{}", text(row, "file"), row["line"]));
        line(&mut out, "Age", &age(&row["createdMs"]));
        line(&mut out, "Generation", &row["generation"].to_string());
        if is_broken {
            let since = age(&row["lastGoodFromMs"]);
            line(&mut out, "State", &paint(WARN, &format!("its file is broken; what it was {since} ago acts")));
        }
        let findings = mesh.get("/v1/findings").await?;
        // Of a file that can't be read it is not known whose a finding is.
        let is_of_its_file =
            |other: &Value| is_broken && text(other, "object").is_empty() && other["file"] == row["file"];
        let is_of_it = |other: &&Value| text(other, "object") == id.to_string() || is_of_its_file(other);
        let findings: Vec<&Value> = findings.as_array().into_iter().flatten().filter(is_of_it).collect();
        line(&mut out, "Findings", &if findings.is_empty() { "none".to_owned() } else { findings.len().to_string() });
        for row in findings {
            out.push_str(&finding(row));
        }
        match kind {
            Kind::Service => service(mesh, &namespace, &name, &mut out).await?,
            Kind::Process => process(mesh, &namespace, &name, &mut out).await?,
            Kind::WorkloadGroup => members(mesh, &namespace, &name, &mut out).await?,
            _ => reach(mesh, kind, &namespace, &name, &mut out).await?,
        }
        let mut out = wrapped(&out);
        heading(&mut out, if is_broken { "What is in its file now, and does not act" } else { "As it is in its file" });
        if kind == Kind::Secret && !show_secrets {
            out.push_str(&paint(DIM, "What it holds is not shown; --show-secrets does.\n"));
        } else {
            match document(mesh, id, show_secrets).await {
                Ok(document) => out.push_str(&document),
                Err(error) if is_broken => out.push_str(&wrapped(&format!("  {error}\n"))),
                Err(error) => return Err(error),
            }
        }
        print(&out);
        Ok(())
    }
}

/// Who is behind a service, and what is declared about calling it.
async fn service(mesh: &Mesh, namespace: &str, name: &str, out: &mut String) -> Result<()> {
    let answer = mesh.post("/v1/service", &json!({ "namespace": namespace, "name": name })).await?;
    let answer: Option<ServiceAnswer> =
        serde_json::from_value(answer).context("the control plane answered something else")?;
    let Some(service) = answer else { return Ok(()) };
    line(out, "Host", &service.host);
    let addresses =
        if service.addresses.is_empty() { "none: headless".to_owned() } else { service.addresses.join(", ") };
    line(out, "Addresses", &addresses);
    line(out, "Ports", &service.ports.join(", "));
    if !service.waypoint.is_empty() {
        line(out, "Waypoint", &service.waypoint);
    }
    heading(out, "Endpoints");
    let mut table = Table::new(&["NAME", "NODE", "ADDRESS", "READY", "MESHED", "LABELS"]);
    for endpoint in &service.endpoints {
        table.row(vec![
            endpoint.name.clone(),
            endpoint.node.clone(),
            endpoint.address.clone(),
            yes(endpoint.ready),
            yes(endpoint.in_mesh),
            endpoint.labels.join(","),
        ]);
    }
    let none = "  none\n";
    out.push_str(&indented(&table, service.endpoints.is_empty(), none));
    heading(out, "How it is called");
    let calling: Vec<&ActsAnswer> = service.routes.iter().chain(&service.backends).collect();
    acts(out, &calling, "nothing is declared about it: the mesh's defaults");
    heading(out, "Who may call it");
    if service.mtls.is_empty() {
        let _ =
            writeln!(out, "  {}", paint(WARN, "none of its endpoints is in the mesh: nobody enforces anything there"));
        return Ok(());
    }
    let _ = writeln!(out, "  mutual TLS: {}", service.mtls.join(", "));
    let policies: Vec<&ActsAnswer> = service.policies.iter().collect();
    acts(out, &policies, "no policy acts on calls of it: everything that mutual TLS lets in");
    Ok(())
}

/// Where an object acts.
async fn reach(mesh: &Mesh, kind: Kind, namespace: &str, name: &str, out: &mut String) -> Result<()> {
    let asked = json!({ "kind": kind.to_string(), "namespace": namespace, "name": name });
    let answer = mesh.post("/v1/reach", &asked).await?;
    let answer: Option<Vec<ReachAnswer>> =
        serde_json::from_value(answer).context("the control plane answered something else")?;
    let Some(places) = answer else { return Ok(()) };
    heading(out, "Where it acts");
    if places.is_empty() {
        let _ = writeln!(out, "  {}", paint(WARN, "nowhere"));
    }
    for ReachAnswer { place, note, void } in &places {
        let note = paint(if *void { WARN } else { DIM }, note);
        let _ = writeln!(out, "  {}", format!("{place}  {note}").trim_end());
    }
    Ok(())
}

/// How a process that is down, or was started again, ended.
fn ended(row: &Value) -> Option<String> {
    let status = row["exit"].as_i64()?;
    let signal = if status > 128 { format!(", by signal {}", status - 128) } else { String::new() };
    let now = match text(row, "state") {
        "running" => "; it was started again",
        "backoff" => "; it is about to be started again",
        _ => "",
    };
    Some(format!("{}/{} ended last with status {status}{signal}{now}", text(row, "namespace"), text(row, "name")))
}

/// What runs of a process, in front of it, and who may call it.
async fn process(mesh: &Mesh, namespace: &str, name: &str, out: &mut String) -> Result<()> {
    let all = mesh.get("/v1/workloads").await?;
    let is_of_it = |row: &&Value| text(row, "namespace") == namespace && text(row, "process") == name;
    let mut own: Vec<Value> = all.as_array().into_iter().flatten().filter(is_of_it).cloned().collect();
    let processes = mesh.get("/v1/processes").await?;
    with_states(&mut own, &processes);
    heading(out, "What runs of it");
    let mut table = instances(&own, Wide::None);
    table.drop_if_all("NAMESPACE", namespace);
    out.push_str(&indented(&table, own.is_empty(), "  nothing\n"));
    for ended in processes.as_array().into_iter().flatten().filter(is_of_it).filter_map(ended) {
        let _ = writeln!(out, "  {ended}");
    }
    if !own.iter().any(|row| row["running"] == true) {
        return Ok(());
    }
    let asked = json!({ "workload": format!("{namespace}/{name}"), "labels": {} });
    let answer = match mesh.post("/v1/authz", &asked).await {
        Ok(answer) => answer,
        Err(error) => {
            let _ = writeln!(out, "  {}", paint(DIM, &format!("who may call it is not known: {error}")));
            return Ok(());
        }
    };
    let check: CheckAnswer = serde_json::from_value(answer).context("the control plane answered something else")?;
    heading(out, "Who may call it");
    let services = if check.services.is_empty() { "none".to_owned() } else { check.services.join(", ") };
    let _ = writeln!(out, "  behind the services: {services}");
    if own.iter().any(|row| row["mesh"]["state"] == "GATEWAY") {
        let _ = writeln!(out, "  a gateway: it judges requests itself, by these and its routes");
    } else if own.iter().any(|row| row["mesh"]["state"] == "WAYPOINT") {
        let _ =
            writeln!(out, "  a waypoint: it judges calls of what it stands in front of, by policies that are attached");
    } else if check.in_mesh {
        let _ = writeln!(out, "  mutual TLS: {}", check.mtls);
    } else {
        let _ = writeln!(out, "  {}", paint(WARN, "not in the mesh: nobody enforces anything here"));
    }
    let _ = writeln!(out, "  {}", check.summary);
    for policy in &check.policies {
        let trial = if policy.dry_run { " (dry run)" } else { "" };
        let _ = writeln!(out, "  {}  {}{trial}", policy.policy, policy.action);
    }
    let _ = writeln!(out, "  {}", paint(DIM, &format!("rule by rule: ripstop authz check {namespace}/{name}")));
    Ok(())
}

/// The members of a group.
async fn members(mesh: &Mesh, namespace: &str, name: &str, out: &mut String) -> Result<()> {
    let all = mesh.get("/v1/workloads").await?;
    let is_member = |row: &&Value| text(row, "namespace") == namespace && text(row, "group") == name;
    let mut own: Vec<Value> = all.as_array().into_iter().flatten().filter(is_member).cloned().collect();
    with_states(&mut own, &mesh.get("/v1/processes").await?);
    heading(out, "Members");
    let mut table = instances(&own, Wide::None);
    table.drop_if_all("NAMESPACE", namespace);
    let none = format!("  none: ripstop run -n {namespace} --group {name} -- COMMAND\n");
    out.push_str(&indented(&table, own.is_empty(), &none));
    Ok(())
}

fn line(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "{}  {value}", paint(BOLD, &format!("{name:<11}")));
}

fn heading(out: &mut String, text: &str) {
    let _ = writeln!(out, "\n{}", paint(BOLD, text));
}

fn yes(is: bool) -> String {
    if is { paint(GOOD, "yes") } else { paint(WARN, "no") }
}

fn acts(out: &mut String, all: &[&ActsAnswer], none: &str) {
    if all.is_empty() {
        let _ = writeln!(out, "  {none}");
    }
    for acting in all {
        let _ = writeln!(out, "  {}  {}", acting.what, paint(DIM, &acting.note));
    }
}

/// A table below a heading, or `none`.
fn indented(table: &Table, is_empty: bool, none: &str) -> String {
    if is_empty {
        return none.to_owned();
    }
    let width = terminal_width().map(|width| width.saturating_sub(2));
    let indent = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") };
    table.render(width).lines().map(indent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_end_of_a_process_is_told() {
        let told = |state: &str, exit: Value| {
            ended(&json!({"namespace": "shop", "name": "web-0", "state": state, "exit": exit}))
        };
        assert_eq!(told("running", Value::Null), None);
        assert_eq!(told("exited(1)", json!(1)).unwrap(), "shop/web-0 ended last with status 1");
        assert_eq!(
            told("backoff", json!(137)).unwrap(),
            "shop/web-0 ended last with status 137, by signal 9; it is about to be started again"
        );
    }
}
