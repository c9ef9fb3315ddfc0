//! A service, who is behind it, and what is declared about calling it.

use std::{collections::BTreeSet, sync::Arc};

use ripstop_decide::{peer_authentication, service_entries};
use ripstop_model::{
    Admission, Authorization, EndpointAddress, GatewayName, Health, HostPattern, Labels, PolicyTarget, ProcessKind,
    RouteTable, Selector, Service, ServiceKey, TargetKind, TargetPort, TargetRef, TunnelProtocol, Visibility, Waypoint,
    Workload,
};
use serde::{Deserialize, Serialize};

use crate::{World, answer::Reference, authorization, check, reach};

/// A service as its callers meet it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAnswer {
    /// Full host name.
    pub host: String,
    /// Virtual addresses; none: it is headless.
    pub addresses: Vec<String>,
    /// Its ports, e.g. `http 9080 to 9080`.
    pub ports: Vec<String>,
    /// The waypoint that its callers go through, and how many of its instances are ready; empty: they go to none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub waypoint: String,
    /// Who is behind it.
    pub endpoints: Vec<BehindAnswer>,
    /// Routes for its host, by where they act.
    pub routes: Vec<ActsAnswer>,
    /// Rules for calling its endpoints.
    pub backends: Vec<ActsAnswer>,
    /// Modes of mutual TLS of its endpoints in the mesh.
    pub mtls: Vec<String>,
    /// Policies of authorization that act on calls of it, at its endpoints in the mesh.
    pub policies: Vec<ActsAnswer>,
}

/// An endpoint of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BehindAnswer {
    /// `namespace/name` of a workload, or the name of a declared endpoint.
    pub name: String,
    /// Machine; empty: not known.
    pub node: String,
    /// Address; empty: it has none yet.
    pub address: String,
    /// Whether it takes new connections.
    pub ready: bool,
    /// Whether it is in the mesh.
    pub in_mesh: bool,
    /// Its labels, `key=value`.
    pub labels: Vec<String>,
}

/// Something that acts, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActsAnswer {
    /// What.
    pub what: Reference,
    /// Where, or how, in a few words; may be empty.
    pub note: String,
}

/// The service `namespace/name`; nothing: the mesh serves none.
pub fn service(world: &World, namespace: &str, name: &str) -> Option<ServiceAnswer> {
    let program = &world.program;
    let host = format!("{name}.{namespace}.{}", program.mesh().service_domain);
    let service = program.service(&ServiceKey::new(namespace, &host))?;
    let behind: Vec<&Arc<Workload>> = program.endpoints(&service.key).collect();
    let meshed: Vec<&Arc<Workload>> =
        behind.iter().copied().filter(|own| own.tunnel == TunnelProtocol::Hbone).collect();
    let modes = meshed.iter().map(|own| peer_authentication(program, own, 0).mode.to_string());
    let declared = service_entries(program, service).map(|endpoint| BehindAnswer {
        name: world.place(&endpoint.id).to_string(),
        address: match &endpoint.address {
            EndpointAddress::Ip(address) => address.to_string(),
            _ => format!("the gateway of network {}", endpoint.network),
        },
        ready: true,
        labels: pairs(&endpoint.labels),
        ..BehindAnswer::default()
    });
    Some(ServiceAnswer {
        addresses: service.addresses.iter().map(ToString::to_string).collect(),
        ports: ports(service),
        waypoint: service.waypoint.as_ref().map(|waypoint| stands(world, waypoint)).unwrap_or_default(),
        endpoints: behind.iter().map(|workload| told(service, workload)).chain(declared).collect(),
        routes: routes(world, &host),
        backends: backends(world, service, &host),
        mtls: modes.collect::<BTreeSet<_>>().into_iter().collect(),
        policies: policies(world, service, &meshed),
        host,
    })
}

/// A waypoint, and who goes through it.
fn stands(world: &World, waypoint: &Waypoint) -> String {
    let ServiceKey { namespace, hostname } = &waypoint.service;
    let name = hostname.split('.').next().unwrap_or_default();
    let instances = world.program.endpoints(&waypoint.service).filter(|own| own.kind == ProcessKind::Waypoint);
    let ready = instances.filter(|own| own.health == Health::Healthy).count();
    let state = match ready {
        _ if waypoint.admission == Admission::Refused => "it does not serve this namespace: calls fail".to_owned(),
        0 => "none of its instances is ready: calls fail".to_owned(),
        ready => format!("{ready} ready"),
    };
    let canary = waypoint.canary.as_ref().map(|canary| {
        let ServiceKey { namespace, hostname } = &canary.service;
        let name = hostname.split('.').next().unwrap_or_default();
        format!(", {} % of calls through {namespace}/{name}", canary.percent)
    });
    let canary = canary.unwrap_or_default();
    let gateways = if waypoint.takes(ProcessKind::Gateway) { ", also for gateways" } else { "" };
    format!("{namespace}/{name} ({state}{canary}{gateways})")
}

fn ports(service: &Service) -> Vec<String> {
    let ports = service.ports.iter().map(|port| {
        let target = match &port.target {
            TargetPort::Number(number) => number.to_string(),
            TargetPort::Name(name) => name.to_string(),
        };
        let protocol = check::protocol(port.protocol);
        let protocol = if protocol.is_empty() { "protocol not declared" } else { protocol };
        format!("{} {} to {target} ({protocol})", port.name, port.port).trim_start().to_owned()
    });
    ports.collect()
}

fn told(service: &Service, workload: &Workload) -> BehindAnswer {
    BehindAnswer {
        name: format!("{}/{}", workload.namespace, workload.name),
        node: workload.node.to_string(),
        address: workload.addresses.first().map(ToString::to_string).unwrap_or_default(),
        ready: workload.health == Health::Healthy || service.publish_not_ready,
        in_mesh: workload.tunnel == TunnelProtocol::Hbone,
        labels: pairs(&workload.labels),
    }
}

fn pairs(labels: &Labels) -> Vec<String> {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

fn routes(world: &World, host: &str) -> Vec<ActsAnswer> {
    let tables = world.program.traffic().routes.values();
    let mut tables: Vec<_> = tables.filter(|table| concerns(table, host)).collect();
    // Those of its own host come first, the most specific ones in front.
    let nearest = |table: &RouteTable| {
        let own = table.hosts.iter().filter(|own| own.contains(host));
        own.min_by(|a, b| a.by_specificity(b)).cloned()
    };
    tables.sort_by(|a, b| {
        let by_host = match (nearest(a), nearest(b)) {
            (Some(a), Some(b)) => a.by_specificity(&b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        };
        by_host.then_with(|| (a.created, &a.name, &a.namespace).cmp(&(b.created, &b.name, &b.namespace)))
    });
    let told = tables.into_iter().map(|table| {
        let hosts: Vec<String> = table.hosts.iter().map(ToString::to_string).collect();
        let leads = if is_for(table, host) { String::new() } else { format!("{} leads here, ", hosts.join(", ")) };
        let seen = seen(&table.visibility);
        ActsAnswer { what: world.place(&table.id), note: format!("{leads}for {}{seen}", reach::places(table)) }
    });
    told.collect()
}

/// Who sees something, if not everybody does.
fn seen(visibility: &Visibility) -> String {
    match visibility {
        Visibility::Everybody => String::new(),
        Visibility::Namespaces(namespaces) => {
            let namespaces: Vec<&str> = namespaces.iter().map(|own| &**own).collect();
            format!(", of {} only", namespaces.join(", "))
        }
        Visibility::Nobody => ", and nobody sees it".into(),
    }
}

/// Whether its rules say anything about calls of that host. Those of gateways alone for hosts of all kinds do if they lead
/// to it.
fn concerns(table: &RouteTable, host: &str) -> bool {
    let in_mesh = table.gateways.contains(&GatewayName::Mesh);
    let meant = |own: &HostPattern| own.contains(host) && (in_mesh || matches!(own, HostPattern::Exact(_)));
    table.hosts.iter().any(meant) || leads_to(table, host)
}

fn is_for(table: &RouteTable, host: &str) -> bool {
    table.hosts.iter().any(|own| own.contains(host))
}

/// Whether a rule sends anything to it, copies too.
fn leads_to(table: &RouteTable, host: &str) -> bool {
    reach::backends(table).any(|backend| *backend.host == *host)
}

fn backends(world: &World, service: &Service, host: &str) -> Vec<ActsAnswer> {
    let all = world.program.traffic().backends.values().flat_map(|several| several.iter());
    let mut found: Vec<_> = all.filter(|backend| backend.host.contains(host)).collect();
    found.sort_by(|a, b| a.host.by_specificity(&b.host).then(a.created.cmp(&b.created)));
    let told = found.into_iter().flat_map(|backend| {
        let subsets: Vec<&str> = backend.subsets.iter().map(|subset| &*subset.name).collect();
        let mut notes = Vec::new();
        if !subsets.is_empty() {
            notes.push(format!("subsets {}", subsets.join(", ")));
        }
        if !matches!(backend.host, HostPattern::Exact(_)) {
            notes.push(format!("for {}", backend.host));
        }
        if backend.namespace != service.key.namespace {
            notes.push(if *backend.namespace == *world.program.mesh().root_namespace {
                "where neither the caller's namespace nor this one has one".to_owned()
            } else {
                format!("for callers in {}", backend.namespace)
            });
        }
        if let Some(Selector(labels)) = &backend.client {
            notes.push(format!("for callers with {}", pairs(labels).join(", ")));
        }
        let note = notes.join("; ") + &seen(&backend.visibility);
        backend.ids.iter().map(move |id| ActsAnswer { what: world.place(id), note: note.clone() })
    });
    told.collect()
}

/// Whether it looks at calls of the service.
fn is_about(policy: &Authorization, service: &Service) -> bool {
    let PolicyTarget::Attached(references) = &policy.target else { return true };
    let names_it = |own: &TargetRef| own.kind == TargetKind::Service && own.name == service.name;
    policy.namespace == service.key.namespace && references.iter().any(names_it)
}

/// Each policy once, with the share of endpoints that it acts at.
fn policies(world: &World, service: &Service, behind: &[&Arc<Workload>]) -> Vec<ActsAnswer> {
    let mut found: Vec<(&Authorization, usize)> = Vec::new();
    for workload in behind {
        for policy in check::acting(&world.program, workload) {
            if !is_about(policy, service) {
                continue;
            }
            match found.iter_mut().find(|(known, _)| known.id == policy.id) {
                Some((_, count)) => *count += 1,
                None => found.push((policy, 1)),
            }
        }
    }
    let told = found.into_iter().map(|(policy, count)| {
        let trial = if policy.dry_run { " (dry run)" } else { "" };
        let share =
            if count < behind.len() { format!(" at {count} of {} endpoints", behind.len()) } else { String::new() };
        let note = format!("{}{trial}{share}", authorization::action(&policy.action));
        ActsAnswer { what: world.place(&policy.id), note }
    });
    told.collect()
}
