//! Where an object acts: at which workloads, and what it leads to.

use std::sync::Arc;

use ripstop_api::Kind;
use ripstop_decide::peer_authentication;
use ripstop_model::{
    BackendRef, GatewayName, Health, HttpAction, Labels, RouteTable, Selector, ServiceKey, TunnelProtocol, Workload,
};
use serde::{Deserialize, Serialize};

use crate::{World, check};

/// A place where an object acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachAnswer {
    /// `namespace/name` of a workload, a host, a subset.
    pub place: String,
    /// What is to be said of it; empty: nothing.
    pub note: String,
    /// Whether it has no effect there.
    pub void: bool,
}

/// Where the object acts; nothing: it is none, or of a kind that is not told of.
pub fn reach(world: &World, kind: Kind, namespace: &str, name: &str) -> Option<Vec<ReachAnswer>> {
    match kind {
        Kind::AuthorizationPolicy => {
            let is_it =
                |policy: &&ripstop_model::Authorization| *policy.namespace == *namespace && *policy.name == *name;
            let acts = |own: &Workload| check::acting(&world.program, own).iter().any(is_it);
            Some(at_workloads(world, |own| acts(own).then(String::new)))
        }
        Kind::PeerAuthentication => Some(at_workloads(world, |own| {
            let policies = world.program.peer_authentications_in(namespace);
            let policy = policies.into_iter().find(|policy| *policy.name == *name)?;
            let is_root = *namespace == *world.program.mesh().root_namespace;
            let within = *own.namespace == *namespace || is_root && policy.selector.is_empty();
            let selected = within && policy.selector.matches(&own.labels);
            let mode = peer_authentication(&world.program, own, 0).mode;
            selected.then(|| format!("there it is {mode}"))
        })),
        Kind::VirtualService => {
            let tables = world.program.traffic().routes.values();
            let mut tables = tables.filter(|table| *table.namespace == *namespace && *table.name == *name);
            Some(tables.next().map(|table| led_to(world, table)).unwrap_or_default())
        }
        Kind::DestinationRule => Some(subsets(world, namespace, name)),
        _ => None,
    }
}

/// Workloads, with what `told` says of those where it acts.
fn at_workloads(world: &World, told: impl Fn(&Workload) -> Option<String>) -> Vec<ReachAnswer> {
    let mut places: Vec<ReachAnswer> = world
        .program
        .workloads()
        .filter_map(|own| {
            let note = told(own)?;
            let place = format!("{}/{}", own.namespace, own.name);
            let void = own.tunnel != TunnelProtocol::Hbone;
            let note = if void { "not in the mesh: nobody enforces it there".to_owned() } else { note };
            Some(ReachAnswer { place, note, void })
        })
        .collect();
    places.sort_by(|a, b| a.place.cmp(&b.place));
    places
}

/// Where its rules act, in words.
pub(crate) fn places(table: &RouteTable) -> String {
    let places = table.gateways.iter().map(|gateway| match gateway {
        GatewayName::Mesh => "callers in the mesh".to_owned(),
        GatewayName::Named((namespace, name)) => format!("the gateway {namespace}/{name}"),
    });
    places.collect::<Vec<_>>().join(" and ")
}

/// Whatever its rules send anything to, copies too.
pub(crate) fn backends(table: &RouteTable) -> impl Iterator<Item = &BackendRef> {
    let forwards = table.http.iter().filter_map(|rule| match &rule.action {
        HttpAction::Forward(backends) => Some(backends),
        HttpAction::Redirect(_) | HttpAction::Respond { .. } => None,
    });
    let connections = table.tls.iter().chain(&table.tcp).map(|rule| &rule.backends);
    let weighted = forwards.chain(connections).flatten().map(|weighted| &weighted.backend);
    let copies = table.http.iter().flat_map(|rule| &rule.mirrors).map(|mirror| &mirror.backend);
    weighted.chain(copies)
}

/// What its rules lead to.
fn led_to(world: &World, table: &RouteTable) -> Vec<ReachAnswer> {
    let places = places(table);
    let hosts = table.hosts.iter().map(|host| ReachAnswer {
        place: host.to_string(),
        note: format!("as called by {places}"),
        void: false,
    });
    let mut led: Vec<ReachAnswer> = Vec::new();
    for backend in backends(table) {
        let answer = toward(world, backend);
        if !led.contains(&answer) {
            led.push(answer);
        }
    }
    hosts.chain(led).collect()
}

fn toward(world: &World, backend: &BackendRef) -> ReachAnswer {
    let port = backend.port.map_or_else(String::new, |port| format!(":{port}"));
    let subset = backend.subset.as_ref().map_or_else(String::new, |subset| format!(" subset {subset}"));
    let place = format!("→ {}{port}{subset}", backend.host);
    let selector = backend.subset.as_ref().and_then(|subset| {
        let all = world.program.traffic().backends.values().flat_map(|several| several.iter());
        let mut defined = all.filter(|own| own.host.contains(&backend.host)).flat_map(|own| &own.subsets);
        defined.find(|own| own.name == *subset).map(|own| own.labels.clone())
    });
    let program = &world.program;
    let is_known =
        program.services_named(&backend.host).next().is_some() || program.entries_of(&backend.host).next().is_some();
    if is_known && backend.subset.is_some() && selector.is_none() {
        return ReachAnswer { place, note: "no DestinationRule defines it".into(), void: true };
    }
    told(world, place, &backend.host, &selector.unwrap_or_default())
}

/// Its subsets, and who is in each.
fn subsets(world: &World, namespace: &str, name: &str) -> Vec<ReachAnswer> {
    let all = world.program.traffic().backends.values().flat_map(|several| several.iter());
    let id = format!("DestinationRule/{namespace}/{name}/");
    let own =
        all.filter(|backend| *backend.namespace == *namespace && backend.ids.iter().any(|own| own.0.starts_with(&id)));
    own.flat_map(|backend| {
        let Some(host) = backend.host.exact() else {
            return vec![ReachAnswer { place: backend.host.to_string(), ..ReachAnswer::default() }];
        };
        let whole = told(world, host.to_string(), host, &Selector::default());
        let subsets =
            backend.subsets.iter().map(|subset| told(world, format!("  subset {}", subset.name), host, &subset.labels));
        std::iter::once(whole).chain(subsets).collect()
    })
    .collect()
}

/// How many endpoints of `host` with these labels are ready.
fn told(world: &World, place: String, host: &str, selector: &Selector) -> ReachAnswer {
    let program = &world.program;
    let entries: Vec<_> = program.entries_of(host).collect();
    let mut labels: Vec<(bool, Labels)> = Vec::new();
    let services = program.services_named(host);
    let known: Vec<ServiceKey> = services.map(|service| service.key.clone()).collect();
    for key in &known {
        let behind: Vec<&Arc<Workload>> = program.endpoints(key).collect();
        labels.extend(behind.iter().map(|own| (own.health == Health::Healthy, own.labels.clone())));
    }
    labels.extend(entries.iter().flat_map(|entry| &entry.endpoints).map(|endpoint| (true, endpoint.labels.clone())));
    labels.retain(|(_, labels)| selector.matches(labels));
    let ready = labels.iter().filter(|(ready, _)| *ready).count();
    if known.is_empty() && entries.is_empty() {
        return ReachAnswer { place, note: "no Service and no ServiceEntry has this host".into(), void: true };
    }
    if !entries.is_empty() && labels.is_empty() && known.is_empty() {
        // By its name.
        return ReachAnswer { place, note: "outside of the mesh".into(), void: false };
    }
    ReachAnswer { place, note: format!("{ready} of {} endpoints ready", labels.len()), void: ready == 0 }
}
