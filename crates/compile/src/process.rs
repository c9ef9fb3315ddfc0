//! What is to run.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use imbl::OrdMap;
use ripstop_api::{
    Kind, Object, Spec,
    kubernetes::{IntOrName, Transport},
    ripstop as written,
};
use ripstop_model::{
    ContainerPort, NodeSpec, Probe, ProbeAction, ProbeScheme, ProcessKind, ProcessSpec, ResourceLimits, RestartPolicy,
};

use crate::{
    Objects,
    declare::{labels, name_of, of_kind},
    finding::{Findings, UNDECLARED_ACCOUNT, UNKNOWN_NODE, UNKNOWN_PROBE_PORT},
    gateway, waypoint,
};

/// One process; nothing: it cannot run. One that names a node that there is not stays at `place`.
pub(crate) fn one(
    object: &Object,
    process: &written::Process,
    nodes: &OrdMap<Arc<str>, Arc<NodeSpec>>,
    place: Option<&String>,
    findings: &mut Findings,
) -> Option<ProcessSpec> {
    let node = match &process.node {
        None => nodes.keys().next(),
        Some(wanted) => {
            let known = |name: &str| nodes.get_key_value(name).map(|(name, _)| name);
            known(wanted).or_else(|| {
                let stays = place.and_then(|place| known(place));
                let consequence =
                    stays.map_or_else(|| "it does not run".to_owned(), |node| format!("it stays on node {node:?}"));
                let message = format!("there is no node {wanted:?}; {consequence}");
                let names: Vec<_> = nodes.keys().map(|name| &**name).collect();
                let hint = format!("nodes: {}; declare a Node or name one of them", names.join(", "));
                findings.add(UNKNOWN_NODE, object, "spec.node", message, &hint);
                stays
            })
        }
    };
    let kind = match process.role {
        written::ProcessRole::Command => ProcessKind::Command,
        written::ProcessRole::Gateway => ProcessKind::Gateway,
        written::ProcessRole::Waypoint => ProcessKind::Waypoint,
    };
    let readiness = match &process.readiness {
        _ if kind != ProcessKind::Command => Some(gateway::readiness()),
        None => None,
        Some(written) => match probe(written, &process.ports) {
            Ok(probe) => Some(probe),
            Err((path, name)) => {
                let path = format!("spec.readinessProbe.{path}");
                let message = format!("there is no port named {name:?}");
                findings.add(UNKNOWN_PROBE_PORT, object, &path, message, "name one of spec.ports, or give a number");
                return None;
            }
        },
    };
    let texts = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
    let directory = Path::new(&object.source.position.file).parent().and_then(Path::to_str).unwrap_or_default();
    let (namespace, name) = name_of(object);
    Some(ProcessSpec {
        namespace,
        name: name.clone(),
        labels: match kind {
            ProcessKind::Waypoint => waypoint::labelled(labels(&object.meta.labels), &name),
            _ => labels(&object.meta.labels),
        },
        kind,
        node: node?.clone(),
        replicas: process.replicas,
        service_account: process.service_account.as_str().into(),
        command: texts(&process.command),
        args: texts(&process.args),
        env: process.env.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
        ports: match kind {
            ProcessKind::Command => process.ports.iter().map(port).collect(),
            // They follow from `Gateway` objects.
            ProcessKind::Gateway => Vec::new(),
            ProcessKind::Waypoint => waypoint::ports(),
        },
        readiness,
        restart: match process.restart {
            written::RestartPolicy::Always => RestartPolicy::Always,
            written::RestartPolicy::OnFailure => RestartPolicy::OnFailure,
            written::RestartPolicy::Never => RestartPolicy::Never,
        },
        limits: ResourceLimits { memory_bytes: process.limits.memory_bytes, cpu_millis: process.limits.cpu_millis },
        run_as_user: process.run_as_user,
        directory: directory.into(),
        // Its namespace has a say in it.
        has_sidecar: false,
    })
}

fn port(written: &written::ContainerPort) -> ContainerPort {
    ContainerPort { name: written.name.as_str().into(), port: written.port, udp: written.protocol == Transport::Udp }
}

/// The probe; or path and name of a port that there is not.
fn probe(written: &written::Probe, ports: &[written::ContainerPort]) -> Result<Probe, (&'static str, String)> {
    let number = |path, port: &IntOrName| match port {
        IntOrName::Int(number) => Ok(*number),
        IntOrName::Name(name) => {
            let named = ports.iter().find(|port| port.name == *name && port.protocol == Transport::Tcp);
            named.map(|port| port.port).ok_or_else(|| (path, name.clone()))
        }
    };
    let action = match &written.action {
        written::ProbeAction::HttpGet { path, port, host } => ProbeAction::HttpGet {
            path: path.as_str().into(),
            port: number("httpGet.port", port)?,
            host: *host,
            scheme: ProbeScheme::Http,
            headers: Vec::new(),
        },
        written::ProbeAction::TcpSocket { port } => {
            ProbeAction::TcpSocket { port: number("tcpSocket.port", port)?, host: None }
        }
        written::ProbeAction::Exec { command } => {
            ProbeAction::Exec { command: command.iter().map(|word| word.as_str().into()).collect() }
        }
    };
    Ok(Probe {
        action,
        initial_delay: written.initial_delay,
        period: written.period,
        timeout: written.timeout,
        success_threshold: written.success_threshold,
        failure_threshold: written.failure_threshold,
    })
}

/// Service accounts need not be declared; but where some of a namespace are, one that is not may be
/// misspelt.
pub(crate) fn accounts(objects: &Objects, findings: &mut Findings) {
    let mut accounts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for declared in of_kind(objects, Kind::ServiceAccount) {
        let id = &declared.object.id;
        accounts.entry(&id.namespace).or_default().insert(&id.name);
    }
    for declared in of_kind(objects, Kind::Process) {
        let Spec::Process(process) = &declared.object.spec else { continue };
        let account = process.service_account.as_str();
        let Some(known) = accounts.get(declared.object.id.namespace.as_str()) else { continue };
        // That of a gateway is often the mesh's own idea.
        let own = process.role != written::ProcessRole::Command;
        if account != "default" && !own && !known.contains(account) {
            let message = format!("service account {account:?} is not declared, though others of its namespace are");
            let names: Vec<_> = known.iter().copied().collect();
            let hint = format!("declared: {}", names.join(", "));
            findings.add(UNDECLARED_ACCOUNT, &declared.object, "spec.serviceAccountName", message, &hint);
        }
    }
}
