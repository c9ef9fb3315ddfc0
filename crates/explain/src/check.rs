//! Which policies of authorization act at a workload.

use std::sync::Arc;

use ripstop_decide::{Program, peer_authentication};
use ripstop_model::{
    Action, AppProtocol, Authorization, Condition, Labels, PolicyTarget, Selector, TargetKind, TargetRef,
    TunnelProtocol, Workload,
};
use serde::{Deserialize, Serialize};

use crate::{
    Error, World,
    answer::{PolicyAnswer, Reference, RuleAnswer},
    authorization,
    parties::workload,
};

mod summary;

/// Policies that act at a workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckAnswer {
    /// `namespace/name`.
    pub workload: String,
    /// Its address, if it has one.
    pub address: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// Its ports that services lead to.
    #[serde(default)]
    pub ports: Vec<PortAnswer>,
    /// Full names of services that it is behind.
    #[serde(default)]
    pub services: Vec<String>,
    /// Whether anybody enforces them there.
    pub in_mesh: bool,
    /// Mode of mutual TLS of ports that no policy names.
    pub mtls: String,
    /// The policy that sets it.
    pub mtls_policy: Option<Reference>,
    /// Policies, with their rules.
    pub policies: Vec<PolicyAnswer>,
    /// What follows from them, in a sentence.
    pub summary: String,
}

/// A port of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortAnswer {
    /// Number.
    pub port: u16,
    /// `http`, `tcp` or `tls`, as a service declares it; empty: none does.
    pub protocol: String,
}

/// Which policies act at `name`; if labels are given, at a workload with those, running or not.
pub fn check(world: &World, name: &str, labels: &Labels) -> Result<CheckAnswer, Error> {
    let program = &world.program;
    let found = if labels.is_empty() { workload(program, name)? } else { hypothetical(name, labels) };
    let acting = acting(program, &found);
    let mtls = peer_authentication(program, &found, 0);
    Ok(CheckAnswer {
        workload: format!("{}/{}", found.namespace, found.name),
        address: found.addresses.first().map(ToString::to_string),
        labels: found.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        ports: ports(program, &found),
        services: found.services.iter().map(|(key, _)| key.hostname.to_string()).collect(),
        in_mesh: found.tunnel == TunnelProtocol::Hbone,
        mtls: format!("{} ({})", mtls.mode, mtls.trace),
        mtls_policy: mtls.policy.as_ref().map(|policy| world.place(policy)),
        policies: acting.iter().map(|policy| told(world, policy)).collect(),
        summary: match &found.quarantine {
            Some(quarantine) => summary::cut_off(world, quarantine, &acting),
            None => summary::of(&acting),
        },
    })
}

/// Policies of authorization that act at a workload, in the order in which they are asked.
pub(crate) fn acting<'p>(program: &'p Program, workload: &Workload) -> Vec<&'p Authorization> {
    let root = &*program.mesh().root_namespace;
    let own = Some(&*workload.namespace).filter(|own| *own != root);
    let policies =
        program.authorizations_in(root).chain(own.into_iter().flat_map(|own| program.authorizations_in(own)));
    let mut acting: Vec<&Authorization> = policies
        .map(AsRef::as_ref)
        .filter(|policy| match &policy.target {
            PolicyTarget::Workloads(selector) => selector.matches(&workload.labels),
            PolicyTarget::Attached(references) => {
                references.iter().any(|reference| leads_to(program, policy, reference, workload))
            }
        })
        .collect();
    acting.sort_by_key(|policy| (is_attached(policy), order(&policy.action), policy.created, policy.name.clone()));
    acting
}

// === impl CheckAnswer ===

impl CheckAnswer {
    /// The port that is called and its protocol: `asked`, else the first one of HTTP, else the first one,
    /// else 80.
    pub fn called(&self, asked: Option<u16>) -> (u16, &str) {
        let declared = match asked {
            Some(port) => self.ports.iter().find(|declared| declared.port == port),
            None => self.ports.iter().find(|declared| declared.protocol == "http").or(self.ports.first()),
        };
        match declared {
            Some(declared) => (declared.port, &declared.protocol),
            None => (asked.unwrap_or(80), ""),
        }
    }
}

/// Whether calls of what a policy is attached to get to the workload.
fn leads_to(program: &Program, policy: &Authorization, reference: &TargetRef, workload: &Workload) -> bool {
    let selects = |selector: &Option<Selector>| {
        let selector = selector.as_ref().filter(|selector| !selector.is_empty());
        policy.namespace == workload.namespace && selector.is_some_and(|own| own.matches(&workload.labels))
    };
    match reference.kind {
        TargetKind::Service => {
            let host = format!("{}.{}.{}", reference.name, policy.namespace, program.mesh().service_domain);
            let mut services = program.services_named(&host).filter(|own| own.key.namespace == policy.namespace);
            services.any(|service| {
                selects(&service.selector) || workload.services.iter().any(|(key, _)| *key == service.key)
            })
        }
        TargetKind::Entry => {
            let entries = program.traffic().entries.get(&(policy.namespace.clone(), reference.name.clone()));
            entries.is_some_and(|hosts| hosts.iter().any(|entry| selects(&entry.selector)))
        }
        TargetKind::Gateway | TargetKind::GatewayClass => false,
    }
}

fn ports(program: &Program, workload: &Workload) -> Vec<PortAnswer> {
    let mut ports: Vec<PortAnswer> = Vec::new();
    for (key, mappings) in &workload.services {
        for mapping in mappings {
            let service = program.service(key);
            let declared = service.and_then(|own| own.ports.iter().find(|port| port.port == mapping.service_port));
            let protocol = declared.map_or("", |declared| protocol(declared.protocol));
            if !ports.iter().any(|known| known.port == mapping.target_port) {
                ports.push(PortAnswer { port: mapping.target_port, protocol: protocol.into() });
            }
        }
    }
    ports
}

pub(crate) fn protocol(declared: AppProtocol) -> &'static str {
    match declared {
        AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc => "http",
        AppProtocol::Tcp => "tcp",
        AppProtocol::Tls => "tls",
        AppProtocol::Unknown => "",
    }
}

fn is_attached(policy: &Authorization) -> bool {
    matches!(policy.target, PolicyTarget::Attached(_))
}

fn order(action: &Action) -> u8 {
    match action {
        Action::Custom(_) => 0,
        Action::Deny => 1,
        Action::Allow => 2,
        Action::Audit => 3,
    }
}

fn told(world: &World, policy: &Authorization) -> PolicyAnswer {
    let rules = policy.rules.iter().enumerate().map(|(index, rule)| {
        let id = authorization::rule_id(&policy.id, index);
        let conditions = rule.from.iter().flatten().chain(rule.to.iter().flatten()).chain(&rule.when);
        let told =
            |own: &Condition| authorization::condition(world, &id, &own.path, &own.attribute, own.sense, &own.values);
        RuleAnswer { rule: world.place(&id), conditions: conditions.map(told).collect(), ..RuleAnswer::default() }
    });
    authorization::policy(world, &policy.id, &policy.action, policy.dry_run, &policy.target, rules)
}

/// A workload that does not run: `namespace/name`, `name.namespace` or a name in `default`, with those labels.
pub(crate) fn hypothetical(name: &str, labels: &Labels) -> Arc<Workload> {
    let dotted = || name.rsplit_once('.').map(|(name, namespace)| (namespace, name));
    let (namespace, name) = name.split_once('/').or_else(dotted).unwrap_or(("default", name));
    Arc::new(Workload {
        uid: ripstop_model::WorkloadUid::process("", namespace, name),
        name: name.into(),
        namespace: namespace.into(),
        addresses: Vec::new(),
        node: "".into(),
        service_account: "default".into(),
        trust_domain: ripstop_model::TrustDomain::default(),
        labels: labels.clone(),
        workload_name: name.into(),
        canonical_name: name.into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: ripstop_model::Enrolment::default(),
        health: ripstop_model::Health::default(),
        services: Vec::new(),
        cluster: "".into(),
    })
}
