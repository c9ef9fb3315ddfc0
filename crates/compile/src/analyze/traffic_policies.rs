//! What TrafficPolicies are attached to: that it is there, that requests come there, and that no other says the same.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_api::{Kind, Spec, finding::Code, ripstop};
use ripstop_model::{
    AppProtocol, ObjectName, Resolution, Server, ServerProtocol, ServerTlsMode, TrafficTarget, TrafficTargetKind,
};

use super::{Mesh, sentence::listed};
use crate::{
    Declared,
    declare::{id_of, of_kind},
    finding::{Findings, NOT_FOUND, warning},
    traffic::policy::target,
};

const SHADOWED: Code =
    warning("RS230", "several TrafficPolicies say the same of one thing: what the oldest says acts there");
const NO_REQUESTS: Code =
    warning("RS231", "a TrafficPolicy says of requests what is kept nowhere: the ports are declared as TCP or TLS");
const NO_IDENTITY: Code =
    warning("RS232", "a limit for each identity is at a Gateway, whose clients prove none: all of them count together");

const NO_ENDPOINTS: Code = warning(
    "RS233",
    "a TrafficPolicy says of a Gateway or routes what they do not decide: how endpoints are picked, called or checked, or connections",
);

const NOT_CHECKED: Code = warning(
    "RS246",
    "a TrafficPolicy has endpoints checked that callers choose themselves (`resolution: NONE` or `DYNAMIC_DNS`): none is",
);

const NOT_HEDGED: Code = warning(
    "RS269",
    "a TrafficPolicy hedges requests that its `sessionAffinity` keeps at one endpoint: those of a session are sent once",
);

pub(crate) const CODES: &[Code] = &[SHADOWED, NO_REQUESTS, NO_IDENTITY, NO_ENDPOINTS, NOT_CHECKED, NOT_HEDGED];

/// One of the `targetRefs` of a policy.
#[derive(Clone, Copy)]
struct Attached<'a> {
    declared: &'a Declared,
    written: &'a ripstop::TrafficPolicy,
    index: usize,
}

/// Whether a policy has a field, of which one policy acts at each target.
type Has = fn(&ripstop::TrafficPolicy) -> bool;

/// The fields, by their names.
const FIELDS: [(&str, Has); 9] = [
    (OF_REQUESTS, limits_requests),
    ("rateLimits[].connections", limits_new_connections),
    ("connectionLimits", |policy| !policy.connection_limits.is_empty()),
    ("loadBalancer", |policy| policy.load_balancer.is_some()),
    ("retryBudget", |policy| policy.retry_budget.is_some()),
    ("sessionAffinity", |policy| policy.session_affinity.is_some()),
    ("healthChecks", |policy| policy.health_checks.is_some()),
    ("adaptiveConcurrency", |policy| policy.adaptive_concurrency.is_some()),
    ("hedging", |policy| policy.hedging.is_some()),
];

/// Limits of requests of either kind are one: the proxy's own counts, and those of services.
const OF_REQUESTS: &str = "rateLimits";

/// Those that say how endpoints are called.
const OF_CALLS: [&str; 6] =
    ["loadBalancer", "retryBudget", "sessionAffinity", "healthChecks", "adaptiveConcurrency", "hedging"];

/// Those that say which endpoints are called, and how many requests they get.
const OF_ENDPOINTS: [&str; 5] = ["loadBalancer", "sessionAffinity", "healthChecks", "adaptiveConcurrency", "hedging"];

/// Those that say how many connections there may be.
const OF_CONNECTIONS: [&str; 2] = ["rateLimits[].connections", "connectionLimits"];

fn limits_requests(policy: &ripstop::TrafficPolicy) -> bool {
    policy.rate_limits.iter().any(|limit| limit.requests.is_some()) || !policy.global_rate_limits.is_empty()
}

fn limits_new_connections(policy: &ripstop::TrafficPolicy) -> bool {
    policy.rate_limits.iter().any(|limit| limit.connections.is_some())
}

/// Every policy.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let mut attached: BTreeMap<(&str, TrafficTarget), Vec<Attached<'_>>> = BTreeMap::new();
    for declared in of_kind(mesh.objects, Kind::TrafficPolicy) {
        let Spec::TrafficPolicy(written) = &declared.object.spec else { continue };
        for (index, reference) in written.target_refs.iter().enumerate() {
            let Some(target) = target(reference) else { continue };
            let one = Attached { declared, written, index };
            one.check(mesh, &target, findings);
            attached.entry((declared.object.id.namespace.as_str(), target)).or_default().push(one);
        }
    }
    for ((_, target), mut all) in attached {
        all.sort_by_key(|one| (one.declared.created, &one.declared.object.id.name));
        for (field, has) in FIELDS {
            let mut having = all.iter().filter(|one| has(one.written));
            let Some(first) = having.next() else { continue };
            for other in having {
                let why =
                    if first.declared.created == other.declared.created { "the first by name" } else { "the oldest" };
                let either = |one: &Attached<'_>| !one.written.global_rate_limits.is_empty();
                let field = if field == OF_REQUESTS && (either(first) || either(other)) {
                    "rateLimits` or `globalRateLimits"
                } else {
                    field
                };
                let message = format!(
                    "{} is {why} with `{field}` for {}, and acts alone there",
                    first.declared.object.id, target
                );
                findings.add(SHADOWED, &other.declared.object, &other.path(), message, "merge the two, or remove one");
            }
        }
    }
}

/// What a target has of its sections: each with its name, and whether requests are read there.
type Sections = Vec<(Arc<str>, bool)>;

/// The sections of what a policy is attached to; nothing: it is not there.
fn sections(mesh: &Mesh<'_>, namespace: &str, target: &TrafficTarget) -> Option<Sections> {
    let is_read = |protocol: AppProtocol| !matches!(protocol, AppProtocol::Tcp | AppProtocol::Tls);
    let name = (Arc::from(namespace), target.name.clone());
    match target.kind {
        TrafficTargetKind::Service => {
            let service = mesh.declarations.by_namespace.get(namespace)?.get(&target.name)?;
            Some(service.ports.iter().map(|port| (port.name.clone(), is_read(port.protocol))).collect())
        }
        TrafficTargetKind::Entry => {
            let hosts = mesh.output.traffic.entries.get(&name)?;
            let ports = hosts.first().map(|entry| entry.ports.as_slice()).unwrap_or_default();
            Some(ports.iter().map(|port| (port.name.clone(), is_read(port.protocol))).collect())
        }
        TrafficTargetKind::Gateway => {
            let gateway = mesh.output.traffic.gateways.get(&name)?;
            let reads = |server: &Server| match (server.protocol, server.tls.as_ref().map(|tls| tls.mode)) {
                (ServerProtocol::Http, _) => true,
                (ServerProtocol::Https, Some(mode)) => {
                    matches!(
                        mode,
                        ServerTlsMode::Simple
                            | ServerTlsMode::Mutual
                            | ServerTlsMode::OptionalMutual
                            | ServerTlsMode::Mesh
                    )
                }
                _ => false,
            };
            Some(gateway.servers.iter().map(|server| (server.name.clone(), reads(server))).collect())
        }
        TrafficTargetKind::Routes => {
            let Some(table) = mesh.output.traffic.routes.get(&name) else { return sections_of_delegate(mesh, &name) };
            Some(table.http.iter().map(|rule| (rule.name.clone(), true)).collect())
        }
    }
}

/// The routes of a delegate: by the names with which they act below others, or its own while nobody delegates to it.
fn sections_of_delegate(mesh: &Mesh<'_>, name: &ObjectName) -> Option<Sections> {
    let declared = mesh.objects.get(&id_of(Kind::VirtualService, name))?;
    let Spec::VirtualService(written) = &declared.object.spec else { return None };
    let own = format!("{}/", declared.object.id);
    let rules = mesh.output.traffic.routes.values().flat_map(|table| &table.http);
    let acting: Sections =
        rules.filter(|rule| rule.id.0.starts_with(&own)).map(|rule| (rule.name.clone(), true)).collect();
    if !acting.is_empty() {
        return Some(acting);
    }
    Some(written.http.iter().map(|route| (Arc::from(route.name.as_str()), true)).collect())
}

fn has_endpoints(kind: TrafficTargetKind) -> bool {
    matches!(kind, TrafficTargetKind::Service | TrafficTargetKind::Entry)
}

/// Whether those who call a declared host say themselves which endpoint that is.
fn chosen_by_callers(mesh: &Mesh<'_>, namespace: &str, target: &TrafficTarget) -> bool {
    let name = (Arc::from(namespace), target.name.clone());
    let entries = mesh.output.traffic.entries.get(&name).filter(|_| target.kind == TrafficTargetKind::Entry);
    entries.is_some_and(|entries| {
        entries.iter().all(|entry| matches!(entry.resolution, Resolution::Passthrough | Resolution::DynamicDns))
    })
}

// === impl Attached ===

impl Attached<'_> {
    fn path(&self) -> String {
        format!("spec.targetRefs[{}]", self.index)
    }

    /// Whether clients of the mesh prove who they are at a listener of a Gateway that is meant.
    fn proves(&self, mesh: &Mesh<'_>, target: &TrafficTarget) -> bool {
        let name = (Arc::from(self.declared.object.id.namespace.as_str()), target.name.clone());
        let meant = |server: &&Server| target.section.as_ref().is_none_or(|section| *section == server.name);
        let proves = |server: &Server| server.tls.as_ref().is_some_and(|tls| tls.mode == ServerTlsMode::Mesh);
        mesh.output.traffic.gateways.get(&name).is_some_and(|gateway| gateway.servers.iter().filter(meant).any(proves))
    }

    fn check(&self, mesh: &Mesh<'_>, target: &TrafficTarget, findings: &mut Findings) {
        let object = &self.declared.object;
        let namespace = object.id.namespace.as_str();
        let whole = TrafficTarget { section: None, ..target.clone() };
        let Some(sections) = sections(mesh, namespace, target) else {
            let message = format!("there is no {whole} in namespace {namespace}");
            let path = format!("{}.name", self.path());
            return findings.add(NOT_FOUND, object, &path, message, "is it misspelt, or still to come?");
        };
        let meant = |name: &Arc<str>| target.section.as_ref().is_none_or(|section| section == name);
        if let Some(section) = target.section.as_ref().filter(|_| !sections.iter().any(|(name, _)| meant(name))) {
            let what = match target.kind {
                TrafficTargetKind::Service | TrafficTargetKind::Entry => "port",
                TrafficTargetKind::Gateway => "server",
                TrafficTargetKind::Routes => "route for HTTP",
            };
            let names = sections.iter().map(|(name, _)| name).filter(|name| !name.is_empty());
            let named = listed(names);
            let hint = if named.is_empty() { format!("give the {what} a name") } else { format!("they are: {named}") };
            let path = format!("{}.sectionName", self.path());
            let message = format!("{whole} has no {what} of the name {section}");
            return findings.add(NOT_FOUND, object, &path, message, &hint);
        }
        if target.kind == TrafficTargetKind::Routes {
            let of_endpoints = FIELDS.iter().filter(|(field, has)| OF_ENDPOINTS.contains(field) && has(self.written));
            for (field, _) in of_endpoints {
                let message = format!("endpoints are not picked by {target}: its `{field}` says nothing");
                let hint = "attach it to the Services or ServiceEntries that the routes lead to";
                findings.add(NO_ENDPOINTS, object, &self.path(), message, hint);
            }
        }
        if target.kind == TrafficTargetKind::Routes {
            let of_connections =
                FIELDS.iter().filter(|(field, has)| OF_CONNECTIONS.contains(field) && has(self.written));
            for (field, _) in of_connections {
                let message = format!("connections come before {target} is asked: its `{field}` says nothing");
                let hint = "attach it to the Services or Gateways that are called";
                findings.add(NO_ENDPOINTS, object, &self.path(), message, hint);
            }
        }
        if target.kind == TrafficTargetKind::Gateway {
            let of_calls = FIELDS.iter().filter(|(field, has)| OF_CALLS.contains(field) && has(self.written));
            for (field, _) in of_calls {
                let message = format!("no proxy calls {target}: its `{field}` says nothing");
                let hint = "attach it to the Services that the gateway calls";
                findings.add(NO_ENDPOINTS, object, &self.path(), message, hint);
            }
        }
        if self.written.hedging.is_some() && self.written.session_affinity.is_some() && has_endpoints(target.kind) {
            let message = format!("requests of a session stay at one endpoint of {target}: `hedging` sends them once");
            findings.add(NOT_HEDGED, object, &self.path(), message, "choose one of the two");
        }
        if self.written.health_checks.is_some() && chosen_by_callers(mesh, namespace, target) {
            let message = format!("callers of {whole} choose its endpoints themselves: none is checked");
            let hint = "declare its endpoints, or a `resolution` of STATIC or DNS";
            findings.add(NOT_CHECKED, object, &self.path(), message, hint);
        }
        if !sections.iter().any(|(name, reads)| *reads && meant(name)) {
            let mut unread = |what: &str| {
                let message = format!("nobody reads requests at {target}: {what}");
                let hint = match target.kind {
                    TrafficTargetKind::Routes => "it has routes for connections alone",
                    _ => "name the protocol of the port, by `appProtocol` or the beginning of its name",
                };
                findings.add(NO_REQUESTS, object, &self.path(), message, hint);
            };
            if limits_requests(self.written) {
                unread("its limits hold back nothing");
            }
            if self.written.adaptive_concurrency.is_some() && has_endpoints(target.kind) {
                unread("its `adaptiveConcurrency` holds back nothing");
            }
            if self.written.hedging.is_some() && has_endpoints(target.kind) {
                unread("its `hedging` sends nothing twice");
            }
            if self.written.session_affinity.is_some() && has_endpoints(target.kind) {
                unread("its `sessionAffinity` keeps nobody");
            }
        }
        if target.kind == TrafficTargetKind::Gateway && !self.proves(mesh, target) {
            self.unproven(target, findings);
        }
    }

    /// Limits of each identity, where clients prove none.
    fn unproven(&self, target: &TrafficTarget, findings: &mut Findings) {
        let object = &self.declared.object;
        for (index, limit) in self.written.rate_limits.iter().enumerate() {
            if limit.per.as_ref().is_some_and(|per| per.identity.is_some()) {
                let path = format!("spec.rateLimits[{index}].per.identity");
                let message = format!("clients of {target} prove no identity: all of them count together");
                findings.add(NO_IDENTITY, object, &path, message, "count by `sourceAddress` or a `header`");
            }
        }
        for (index, limit) in self.written.connection_limits.iter().enumerate() {
            if limit.per.as_ref().is_some_and(|per| per.identity.is_some()) {
                let path = format!("spec.connectionLimits[{index}].per.identity");
                let message = format!("clients of {target} prove no identity: all of them count together");
                findings.add(NO_IDENTITY, object, &path, message, "count by `sourceAddress`");
            }
        }
        for (index, limit) in self.written.global_rate_limits.iter().enumerate() {
            for (descriptor, written) in limit.descriptors.iter().enumerate() {
                for (at, entry) in written.entries.iter().enumerate() {
                    if entry.identity.is_none() || entry.default_value.is_some() {
                        continue;
                    }
                    let path =
                        format!("spec.globalRateLimits[{index}].descriptors[{descriptor}].entries[{at}].identity");
                    let message = format!("clients of {target} prove no identity: the descriptor is never sent for it");
                    let hint = "count by `sourceAddress` or a `header`, or write a `default`";
                    findings.add(NO_IDENTITY, object, &path, message, hint);
                }
            }
        }
    }
}
