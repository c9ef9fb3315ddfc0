//! Labels that name waypoints, and the waypoints that they name.

use std::collections::BTreeSet;

use ripstop_api::{Kind, Object, Spec, finding::Code, istio::TargetRef, ripstop::ProcessRole};
use ripstop_model::{Admission, Health, ProcessKind, ServiceKey, Waypoint};

use super::Mesh;
use crate::{
    declare::{name_of, of_kind},
    finding::{Findings, error, warning},
    service,
    waypoint::{self, CANARY, CANARY_WEIGHT, FOR, Idle, Named, Scope, Traffic, USE, USE_NAMESPACE},
};

/// Codes of these rules.
pub(crate) const CODES: &[Code] =
    &[NO_WAYPOINT, NOT_READY, NO_ADDRESS, UNKNOWN_SCOPE, NOT_ADMITTED, SHARED_ACCOUNT, OTHER_TRAFFIC, IDLE];

const NO_WAYPOINT: Code =
    error("RS240", "a label names a waypoint that there is not: calls that would go through it fail");
const NOT_READY: Code = warning("RS241", "a waypoint has no ready instance: calls that would go through it fail");
const NO_ADDRESS: Code = warning(
    "RS242",
    "a label names a waypoint for what callers reach by no address of its own: nobody goes through it",
);
const UNKNOWN_SCOPE: Code = warning("RS243", "what a waypoint is for is not known and does not count");
const NOT_ADMITTED: Code =
    error("RS244", "a label names a waypoint that does not serve its namespace: calls that would go through it fail");
const SHARED_ACCOUNT: Code =
    warning("RS245", "a waypoint has the service account of workloads that are no waypoint: they may pass for it");
const OTHER_TRAFFIC: Code =
    warning("RS247", "a label names a waypoint that is not for what has the label: its callers go past the waypoint");

/// What a waypoint may be for.
const SCOPES: [&str; 4] = ["service", "workload", "all", waypoint::NOBODY];

const IDLE: Code = warning("RS248", "the canary of a waypoint takes no calls: all of them go through the waypoint");

/// What may name a waypoint.
const NAMING: [Kind; 5] = [Kind::Namespace, Kind::Service, Kind::ServiceEntry, Kind::Process, Kind::ServiceAccount];

/// Labels of namespaces, services, declared hosts, workloads and their accounts, and the waypoints themselves.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let mut used = BTreeSet::new();
    for declared in NAMING.into_iter().flat_map(|kind| of_kind(mesh.objects, kind)) {
        let object = &*declared.object;
        // A proxy of the mesh goes through none.
        if matches!(&object.spec, Spec::Process(process) if process.role != ProcessRole::Command) {
            continue;
        }
        let is_namespace = object.id.kind == Kind::Namespace;
        let namespace = if is_namespace { &object.id.name } else { &object.id.namespace };
        canary(mesh, object, namespace, findings);
        let Some(named) = waypoint::named(&object.meta, namespace) else { continue };
        used.insert((named.namespace.to_owned(), named.name.to_owned()));
        if exists(mesh, object, named, findings) && is_for(mesh, object, named, findings) {
            admitted(mesh, object, namespace, named, findings);
        }
        addressed(mesh, object, findings);
    }
    for declared in of_kind(mesh.objects, Kind::Process) {
        let object = &*declared.object;
        if !matches!(&object.spec, Spec::Process(process) if process.role == ProcessRole::Waypoint) {
            continue;
        }
        if used.contains(&(object.id.namespace.clone(), object.id.name.clone())) {
            is_ready(mesh, object, findings);
        }
        alone(mesh, object, findings);
        if let Some(scope) = object.meta.labels.get(FOR).filter(|scope| !SCOPES.contains(&scope.as_str())) {
            let message = format!("{FOR}={scope} is not known: it is a waypoint for services");
            let hint = format!("known values: {}", SCOPES.join(", "));
            findings.add(UNKNOWN_SCOPE, object, &format!("metadata.labels.{FOR}"), message, &hint);
        }
    }
}

fn exists(mesh: &Mesh<'_>, object: &Object, named: Named<'_>, findings: &mut Findings) -> bool {
    let Named { namespace, name } = named;
    let is_waypoint =
        |(_, process): &(&(_, _), &std::sync::Arc<ripstop_model::ProcessSpec>)| process.kind == ProcessKind::Waypoint;
    let processes = &mesh.output.processes;
    let found = processes.get_key_value(&(namespace.into(), name.into()));
    if found.as_ref().is_some_and(is_waypoint) {
        return true;
    }
    let key = if object.meta.labels.contains_key(USE_NAMESPACE) { USE_NAMESPACE } else { USE };
    let message = match found {
        Some(_) => format!("Process {namespace}/{name} is no waypoint: calls fail"),
        None => format!("there is no waypoint {namespace}/{name}: calls fail"),
    };
    let elsewhere = processes.iter().filter(is_waypoint).find(|((_, other), _)| **other == *name);
    let own = namespace;
    let hint = match elsewhere {
        Some(((namespace, _), _)) => {
            format!(
                "if that of namespace {namespace} is meant, set {USE_NAMESPACE}={namespace}; else make it: ripstop waypoint \
                 apply --name {name} -n {own}"
            )
        }
        None => format!("make it: ripstop waypoint apply --name {name} -n {namespace}; or remove the label"),
    };
    findings.add(NO_WAYPOINT, object, &format!("metadata.labels.{key}"), message, &hint);
    false
}

/// A waypoint says itself what goes through it. What a namespace has of the other kind goes past it, as in Istio.
fn is_for(mesh: &Mesh<'_>, object: &Object, named: Named<'_>, findings: &mut Findings) -> bool {
    let scope = mesh.declarations.scope(named).unwrap_or_default();
    let (takes, what) = match object.id.kind {
        Kind::Namespace => (scope != Scope::Nobody, "a namespace"),
        Kind::Process => (scope.takes(Traffic::Workloads), "a workload"),
        Kind::ServiceAccount => (scope.takes(Traffic::Workloads), "an account of workloads"),
        _ => (scope.takes(Traffic::Services), "a service"),
    };
    if takes {
        return true;
    }
    let Named { namespace, name } = named;
    let whom = match scope {
        Scope::Workloads => "workloads",
        Scope::Nobody => "nobody",
        Scope::Services | Scope::All => "services",
    };
    let message = format!("the waypoint {namespace}/{name} is for {whom}, and this is {what}: its callers go past it");
    let hint = format!("set {FOR}=all on Process {namespace}/{name}, or remove the label");
    findings.add(OTHER_TRAFFIC, object, &format!("metadata.labels.{USE}"), message, &hint);
    false
}

/// A share of the calls is for another waypoint.
fn canary(mesh: &Mesh<'_>, object: &Object, own: &str, findings: &mut Findings) {
    let is_counted = matches!(object.id.kind, Kind::Namespace | Kind::Service | Kind::ServiceEntry);
    let (Some(named), true) = (waypoint::named_canary(&object.meta, own), is_counted) else { return };
    let Some(Err(idle)) = mesh.declarations.canary(&object.meta, own) else { return };
    let Named { namespace, name } = named;
    let (path, message, hint) = match idle {
        Idle::Alone => {
            (CANARY, "no waypoint is named that it could take calls from".to_owned(), format!("set {USE}, too"))
        }
        Idle::Same => {
            (CANARY, "it is the waypoint itself".to_owned(), "name another one, or remove the label".to_owned())
        }
        Idle::Share => (
            CANARY_WEIGHT,
            "its share is no whole number from 0 to 100".to_owned(),
            format!("{CANARY_WEIGHT}=10 gives it a tenth"),
        ),
        Idle::Missing => (
            CANARY,
            format!("there is no waypoint {namespace}/{name}"),
            format!("make it: ripstop waypoint apply --name {name} -n {namespace}; or remove the label"),
        ),
        Idle::OtherTraffic => (
            CANARY,
            format!("the waypoint {namespace}/{name} is not for services"),
            format!("set {FOR}=all on Process {namespace}/{name}"),
        ),
        Idle::Refuses => (
            CANARY,
            format!("the waypoint {namespace}/{name} does not serve namespace {own}"),
            format!("Process {namespace}/{name} says whom it serves: spec.allowedRoutes.namespaces"),
        ),
    };
    let part = if path == CANARY_WEIGHT { "annotations" } else { "labels" };
    findings.add(IDLE, object, &format!("metadata.{part}.{path}"), message, &hint);
}

/// A waypoint says itself whom it serves.
fn admitted(mesh: &Mesh<'_>, object: &Object, own: &str, named: Named<'_>, findings: &mut Findings) {
    if mesh.declarations.admission(named, own) == Admission::Admitted {
        return;
    }
    let Named { namespace, name } = named;
    let message = format!("the waypoint {namespace}/{name} does not serve namespace {own}: calls fail");
    let hint = format!(
        "Process {namespace}/{name} says whom it serves: spec.allowedRoutes.namespaces ({{from: All}}, or {{from: \
         Selector, selector: …}}); or remove the label"
    );
    findings.add(NOT_ADMITTED, object, &format!("metadata.labels.{USE}"), message, &hint);
}

/// Whoever has a waypoint's identity may do what only waypoints are let do.
fn alone(mesh: &Mesh<'_>, object: &Object, findings: &mut Findings) {
    let processes = &mesh.output.processes;
    let Some(own) = processes.get(&name_of(object)) else { return };
    let shares = |process: &&std::sync::Arc<ripstop_model::ProcessSpec>| {
        process.name != own.name
            && (&process.namespace, &process.service_account) == (&own.namespace, &own.service_account)
    };
    let others: Vec<String> = processes.values().filter(shares).map(|other| other.name.to_string()).collect();
    if others.is_empty() {
        return;
    }
    let message = format!("Process {} has its service account {}, too", others.join(", "), own.service_account);
    let hint = format!("give it one of its own: serviceAccountName: {}", own.name);
    findings.add(SHARED_ACCOUNT, object, "spec.serviceAccountName", message, &hint);
}

/// What callers reach by the addresses of its endpoints, or by any, is never called through a waypoint.
fn addressed(mesh: &Mesh<'_>, object: &Object, findings: &mut Findings) {
    let why = match &object.spec {
        Spec::Service(written) if written.headless => "it is headless: callers go to its endpoints",
        Spec::ServiceEntry(_) => {
            let hosts = mesh.output.traffic.entries.get(&name_of(object));
            if hosts.is_none_or(|hosts| hosts.iter().all(|host| host.address().is_some())) {
                return;
            }
            "a host of it has no address, and none of its own"
        }
        _ => return,
    };
    let hint = "policies that are attached to it act nowhere; remove the label, or give it an address";
    findings.add(NO_ADDRESS, object, &format!("metadata.labels.{USE}"), why, hint);
}

fn is_ready(mesh: &Mesh<'_>, object: &Object, findings: &mut Findings) {
    let key = service::key(object, &mesh.output.mesh);
    let of_process = |namespace: &str, process: &str| {
        (namespace, process) == (object.id.namespace.as_str(), object.id.name.as_str())
    };
    let mut instances =
        mesh.output.instances.values().filter(|one| of_process(&one.namespace, &one.process)).peekable();
    let none = mesh.output.processes.get(&name_of(object)).is_some_and(|process| process.replicas == 0);
    // One that is about to be started is no news.
    if !none && instances.peek().is_none() {
        return;
    }
    if !instances.any(|one| serves(mesh, &key, &one.uid)) {
        let message = "no instance of it is ready: calls that would go through it fail";
        findings.add(NOT_READY, object, "", message, "see `ripstop get workloads` and `ripstop logs`");
    }
}

/// Whether that instance is behind the waypoint's service, and takes tunnels.
fn serves(mesh: &Mesh<'_>, service: &ServiceKey, uid: &ripstop_model::WorkloadUid) -> bool {
    mesh.output.workloads.get(uid).is_some_and(|workload| {
        workload.health == Health::Healthy && workload.services.iter().any(|(key, _)| key == service)
    })
}

/// Why a policy of `object` that is attached to `reference` is not enforced; nothing: its waypoint does that.
pub(crate) fn unattached(mesh: &Mesh<'_>, object: &Object, reference: &TargetRef) -> Option<String> {
    let (namespace, name) = (object.id.namespace.as_str(), reference.name.as_str());
    let is_waypoint = |namespace: &str, name: &str| {
        let process = mesh.output.processes.get(&(namespace.into(), name.into()));
        process.is_some_and(|process| process.kind == ProcessKind::Waypoint)
    };
    // One that does not admit it gets no calls that it could refuse: they fail before.
    let is_admitted = |waypoint: &Waypoint| waypoint.admission == Admission::Admitted;
    match reference.kind.as_str() {
        "Service" => {
            let service = mesh.declarations.by_namespace.get(namespace).and_then(|services| services.get(name));
            let bound = service.is_some_and(|service| service.waypoint.as_ref().is_some_and(is_admitted));
            (!bound).then(|| format!("Service {name} has no waypoint (label {USE}), and nobody else enforces it"))
        }
        "ServiceEntry" => {
            let hosts = mesh.output.traffic.entries.get(&(namespace.into(), name.into()));
            let bound =
                hosts.is_some_and(|hosts| hosts.iter().all(|host| host.waypoint.as_ref().is_some_and(is_admitted)));
            (!bound).then(|| format!("ServiceEntry {name} has no waypoint (label {USE}), and nobody else enforces it"))
        }
        "Gateway" => (!is_waypoint(namespace, name))
            .then(|| format!("there is no waypoint {namespace}/{name}, and nobody else enforces it")),
        "GatewayClass" => {
            let everywhere = *namespace == *mesh.output.mesh.root_namespace && name == waypoint::CLASS;
            (!everywhere).then(|| {
                format!(
                    "only policies of namespace {} are attached to a class, and only to {}",
                    mesh.output.mesh.root_namespace,
                    waypoint::CLASS
                )
            })
        }
        // Whoever reads it tells of that.
        _ => None,
    }
}

#[cfg(test)]
mod tests;
