//! Authorization at one workload, told.

use ripstop_decide::{ConditionTrace, Decision, DenyReason, PolicyTrace, Truth, Verdict, peer_authentication};
use ripstop_model::{Action, Attribute, PolicyTarget, RuleId, Sense, TargetKind, Value};

use crate::{
    World,
    answer::{Answer, AuthorizationAnswer, ConditionAnswer, PolicyAnswer, RuleAnswer},
    attempt::{Attempt, Gate},
};

/// The verdict about an attempt, with every rule that was looked at.
pub(crate) fn told(world: &World, attempt: &Attempt) -> AuthorizationAnswer {
    let mtls = peer_authentication(&world.program, &attempt.destination, attempt.port);
    let (decision, policies) = attempt.examine(&world.program);
    answer(world, attempt, &decision, &policies, format!("{} ({})", mtls.mode, mtls.trace))
}

/// The same at a gateway or waypoint.
pub(crate) fn told_at_gateway(world: &World, attempt: &Attempt) -> AuthorizationAnswer {
    let (decision, policies) = attempt.examine_at_gateway(&world.program);
    let mtls = match attempt.gate {
        Gate::Waypoint => "mutual TLS always: nothing else comes to a waypoint",
        Gate::Callee | Gate::Gateway => "as the listener of the gateway says",
    };
    answer(world, attempt, &decision, &policies, mtls.into())
}

/// What is said where it is sent, before it gets anywhere.
pub(crate) fn told_of(world: &World, verdict: Verdict) -> AuthorizationAnswer {
    let decision = Decision { verdict, ask: None, audit: Vec::new(), dry_run: None };
    let (word, rule) = self::verdict(&decision);
    AuthorizationAnswer {
        verdict: word.into(),
        reason: reason(world, &decision),
        rule: rule.map(|rule| world.place(rule)),
        ..AuthorizationAnswer::default()
    }
}

fn answer(
    world: &World,
    attempt: &Attempt,
    decision: &Decision,
    policies: &[PolicyTrace],
    mtls: String,
) -> AuthorizationAnswer {
    let refusal = attempt.token(&world.program).and_then(|token| token.refusal(world));
    // A connection that may not come in brings no token.
    if let Some(refusal) = refusal.filter(|_| !is_by_connection(decision)) {
        return AuthorizationAnswer { mtls, ..refusal };
    }
    let (verdict, rule) = verdict(decision);
    AuthorizationAnswer {
        verdict: verdict.into(),
        reason: reason(world, decision),
        rule: rule.map(|rule| world.place(rule)),
        authorizer: decision.ask.as_ref().map(|ask| ask.provider.to_string()),
        audit: decision.audit.iter().map(|rule| world.place(rule)).collect(),
        dry_run: decision.dry_run.as_ref().map(|trial| Answer {
            verdict: if trial.allowed { "allow" } else { "deny" }.into(),
            rule: trial.rule.as_ref().map(|rule| world.place(rule)),
        }),
        mtls,
        policies: policies.iter().map(|policy| traced(world, policy)).collect(),
    }
}

/// Whether it is refused before anything that it carries is looked at.
fn is_by_connection(decision: &Decision) -> bool {
    let Verdict::Deny { reason, .. } = &decision.verdict else { return false };
    match reason {
        DenyReason::Plaintext { .. }
        | DenyReason::Quarantine { .. }
        | DenyReason::Tunnel { .. }
        | DenyReason::TrustDomain { .. }
        | DenyReason::ProxyPort { .. } => true,
        DenyReason::Rule | DenyReason::Authorizer { .. } | DenyReason::NotAllowed { .. } => false,
    }
}

/// `allow`, `deny` or `ask`, and the rule it rests on.
pub(crate) fn verdict(decision: &Decision) -> (&'static str, Option<&RuleId>) {
    match (&decision.verdict, &decision.ask) {
        (Verdict::Deny { policy, .. }, _) => ("deny", policy.as_ref()),
        (Verdict::Allow { .. }, Some(ask)) => ("ask", Some(&ask.rule)),
        (Verdict::Allow { rule }, None) => ("allow", rule.as_ref()),
    }
}

/// The verdict in a sentence, with the place of its rule.
pub(crate) fn reason(world: &World, decision: &Decision) -> String {
    match (&decision.verdict, &decision.ask) {
        (Verdict::Allow { .. }, Some(ask)) => {
            format!("{} asks the external authorizer {:?}", world.place(&ask.rule), ask.provider)
        }
        (Verdict::Allow { rule: Some(rule) }, None) => format!("allowed by {}", world.place(rule)),
        (Verdict::Allow { rule: None }, None) => "allowed: no policy of action ALLOW applies, and none denies".into(),
        (Verdict::Deny { reason: DenyReason::Rule, policy: Some(policy) }, _) => {
            format!("denied by {}, of action DENY", world.place(policy))
        }
        (Verdict::Deny { reason: DenyReason::NotAllowed { policy, count }, .. }, _) => {
            let policy = world.place(policy);
            if *count == 1 {
                format!("denied: {policy} allows what its rules list only, and none of them matches")
            } else {
                format!("denied: no rule of {count} policies of action ALLOW matches; the oldest is {policy}")
            }
        }
        (Verdict::Deny { reason, policy: Some(policy) }, _) => format!("denied by {}: {reason}", world.place(policy)),
        (Verdict::Deny { reason, policy: None }, _) => format!("denied: {reason}"),
    }
}

/// An action as it is written.
pub(crate) fn action(action: &Action) -> String {
    match action {
        Action::Allow => "ALLOW".into(),
        Action::Deny => "DENY".into(),
        Action::Audit => "AUDIT".into(),
        Action::Custom(authorizer) if authorizer.protocol.is_none() => {
            format!("CUSTOM {} (not declared: denies)", authorizer.name)
        }
        Action::Custom(authorizer) => format!("CUSTOM {}", authorizer.name),
    }
}

/// A policy with its rules.
pub(crate) fn policy(
    world: &World,
    id: &RuleId,
    action: &Action,
    dry_run: bool,
    target: &PolicyTarget,
    rules: impl Iterator<Item = RuleAnswer>,
) -> PolicyAnswer {
    PolicyAnswer {
        policy: world.place(id),
        action: self::action(action),
        dry_run,
        attached: attached(target),
        rules: rules.collect(),
    }
}

/// A condition as it is written, of a rule; whether it holds is not said.
pub(crate) fn condition(
    world: &World,
    rule: &RuleId,
    path: &str,
    attribute: &Attribute,
    sense: Sense,
    values: &[Value],
) -> ConditionAnswer {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    let (one, several) = match sense {
        Sense::AnyOf => ("is", "is one of"),
        Sense::NoneOf => ("is not", "is none of"),
    };
    let wants = match &values[..] {
        [value] => format!("{attribute} {one} {value}"),
        values => format!("{attribute} {several} {}", values.join(", ")),
    };
    let line = world.place_inside(rule, path).line;
    ConditionAnswer { path: path.into(), line, wants, ..ConditionAnswer::default() }
}

/// Id of a rule of a policy.
pub(crate) fn rule_id(policy: &RuleId, index: usize) -> RuleId {
    RuleId(format!("{policy}/spec.rules[{index}]").into())
}

/// What a policy is attached to, if it is not for workloads.
fn attached(target: &PolicyTarget) -> Option<String> {
    let PolicyTarget::Attached(references) = target else { return None };
    let kind = |kind| match kind {
        TargetKind::Service => "Service",
        TargetKind::Entry => "ServiceEntry",
        TargetKind::Gateway => "Gateway",
        TargetKind::GatewayClass => "GatewayClass",
    };
    let names: Vec<String> =
        references.iter().map(|reference| format!("{} {}", kind(reference.kind), reference.name)).collect();
    Some(names.join(", "))
}

fn traced(world: &World, policy: &PolicyTrace) -> PolicyAnswer {
    let rules = policy.rules.iter().map(|rule| {
        let id = rule_id(&policy.id, rule.index);
        let told = |trace: &ConditionTrace| ConditionAnswer {
            truth: truth(trace.truth, &policy.action).into(),
            found: trace.found.clone(),
            ..condition(world, &id, &trace.path, &trace.attribute, trace.sense, &trace.values)
        };
        RuleAnswer {
            rule: world.place(&id),
            matches: rule.matches,
            out: rule.out.then(|| {
                "it looks at requests, and an opaque connection has none: an ALLOW like this never matches one".into()
            }),
            conditions: rule.conditions.iter().map(told).collect(),
        }
    });
    self::policy(world, &policy.id, &policy.action, policy.dry_run, &policy.target, rules)
}

fn truth(truth: Truth, action: &Action) -> &'static str {
    match (truth, action) {
        (Truth::Holds, _) => "holds",
        (Truth::Fails, _) => "fails",
        (Truth::Missing, Action::Allow) => "unknown: does not count for an ALLOW",
        (Truth::Missing, _) => "unknown: counts as matching",
    }
}
