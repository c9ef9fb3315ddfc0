//! Which policies of authorization act at a workload.

use std::sync::Arc;

use ripstop_decide::peer_authentication;
use ripstop_model::{Labels, PolicyTarget, TunnelProtocol, Workload};
use serde::{Deserialize, Serialize};

use crate::{
    Error, World,
    answer::{ConditionAnswer, PolicyAnswer, Reference, RuleAnswer},
    authorization::action,
    parties::workload,
};

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

/// Which policies act at `name`; where there is no such workload, at one with `labels` in its namespace.
pub fn check(world: &World, name: &str, labels: &Labels) -> Result<CheckAnswer, Error> {
    let program = &world.program;
    let found = if labels.is_empty() { workload(program, name)? } else { hypothetical(name, labels) };
    let root = &*program.mesh().root_namespace;
    let own = Some(&*found.namespace).filter(|own| *own != root);
    let policies =
        program.authorizations_in(root).chain(own.into_iter().flat_map(|own| program.authorizations_in(own)));
    let mut acting: Vec<_> = policies
        .filter(|policy| match &policy.target {
            PolicyTarget::Workloads(selector) => selector.matches(&found.labels),
            PolicyTarget::Attached(_) => false,
        })
        .collect();
    acting.sort_by_key(|policy| (order(&policy.action), policy.created, policy.name.clone()));
    let count = |wanted: &ripstop_model::Action| {
        acting.iter().filter(|policy| policy.action == *wanted && !policy.dry_run).count()
    };
    let (allow, deny) = (count(&ripstop_model::Action::Allow), count(&ripstop_model::Action::Deny));
    let summary = match (allow, deny) {
        (0, 0) => "everything that mutual TLS lets in is allowed".to_owned(),
        (0, deny) => format!("everything is allowed but what {deny} DENY {} match", policies_word(deny)),
        (allow, 0) => format!("only what {allow} ALLOW {} match is allowed", policies_word(allow)),
        (allow, deny) => format!(
            "only what {allow} ALLOW {} match is allowed, and of that nothing that {deny} DENY {} match",
            policies_word(allow),
            policies_word(deny)
        ),
    };
    let mtls = peer_authentication(program, &found, 0);
    Ok(CheckAnswer {
        workload: format!("{}/{}", found.namespace, found.name),
        address: found.addresses.first().map(ToString::to_string),
        labels: found.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        in_mesh: found.tunnel == TunnelProtocol::Hbone,
        mtls: format!("{} ({})", mtls.mode, mtls.trace),
        mtls_policy: mtls.policy.as_ref().map(|policy| world.place(policy)),
        policies: acting.iter().map(|policy| told(world, policy)).collect(),
        summary,
    })
}

fn policies_word(count: usize) -> &'static str {
    if count == 1 { "policy" } else { "policies" }
}

fn order(action: &ripstop_model::Action) -> u8 {
    match action {
        ripstop_model::Action::Custom(_) => 0,
        ripstop_model::Action::Deny => 1,
        ripstop_model::Action::Allow => 2,
        ripstop_model::Action::Audit => 3,
    }
}

fn told(world: &World, policy: &ripstop_model::Authorization) -> PolicyAnswer {
    let rules = policy.rules.iter().enumerate().map(|(index, rule)| {
        let id = ripstop_model::RuleId(format!("{}/spec.rules[{index}]", policy.id).into());
        let conditions = rule.from.iter().flatten().chain(rule.to.iter().flatten()).chain(&rule.when);
        let condition = |condition: &ripstop_model::Condition| {
            let values: Vec<String> = condition.values.iter().map(ToString::to_string).collect();
            let verb = match condition.sense {
                ripstop_model::Sense::AnyOf => "is one of",
                ripstop_model::Sense::NoneOf => "is none of",
            };
            ConditionAnswer {
                path: condition.path.to_string(),
                line: world.place_inside(&id, &condition.path).line,
                wants: format!("{} {verb} {}", condition.attribute, values.join(", ")),
                ..ConditionAnswer::default()
            }
        };
        RuleAnswer { rule: world.place(&id), conditions: conditions.map(condition).collect(), ..RuleAnswer::default() }
    });
    PolicyAnswer {
        policy: world.place(&policy.id),
        action: action(&policy.action),
        dry_run: policy.dry_run,
        rules: rules.collect(),
    }
}

/// A workload that does not run: `namespace/name` or a name in `default`, with those labels.
pub(crate) fn hypothetical(name: &str, labels: &Labels) -> Arc<Workload> {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
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
        enrolment: ripstop_model::Enrolment::default(),
        health: ripstop_model::Health::default(),
        services: Vec::new(),
        cluster: "".into(),
    })
}
