//! Authorization at one workload, told.

use ripstop_decide::{ConditionTrace, Decision, PolicyTrace, Truth, Verdict, peer_authentication};
use ripstop_model::{Action, RuleId, Sense};

use crate::{
    World,
    answer::{Answer, AuthorizationAnswer, ConditionAnswer, PolicyAnswer, RuleAnswer},
    attempt::Attempt,
};

/// The verdict about an attempt, with every rule that was looked at.
pub(crate) fn told(world: &World, attempt: &Attempt) -> AuthorizationAnswer {
    let mtls = peer_authentication(&world.program, &attempt.destination, attempt.port);
    let (decision, policies) = attempt.examine(&world.program);
    answer(world, &decision, &policies, format!("{} ({})", mtls.mode, mtls.trace))
}

/// The same at a gateway.
pub(crate) fn told_at_gateway(world: &World, attempt: &Attempt) -> AuthorizationAnswer {
    let (decision, policies) = attempt.examine_at_gateway(&world.program);
    answer(world, &decision, &policies, "as the listener of the gateway says".into())
}

fn answer(world: &World, decision: &Decision, policies: &[PolicyTrace], mtls: String) -> AuthorizationAnswer {
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
        policies: policies.iter().map(|policy| self::policy(world, policy)).collect(),
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
        (Verdict::Deny { reason: ripstop_decide::DenyReason::Rule, policy: Some(policy) }, _) => {
            format!("denied by {}, of action DENY", world.place(policy))
        }
        (Verdict::Deny { reason: ripstop_decide::DenyReason::NotAllowed { policy, count }, .. }, _) => {
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

fn policy(world: &World, policy: &PolicyTrace) -> PolicyAnswer {
    let rules = policy.rules.iter().map(|rule| {
        let id = RuleId(format!("{}/spec.rules[{}]", policy.id, rule.index).into());
        let told = |condition: &ConditionTrace| {
            let line = world.place_inside(&id, &condition.path).line;
            self::condition(condition, line, &policy.action)
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
    PolicyAnswer {
        policy: world.place(&policy.id),
        action: action(&policy.action),
        dry_run: policy.dry_run,
        rules: rules.collect(),
    }
}

fn condition(condition: &ConditionTrace, line: u32, action: &Action) -> ConditionAnswer {
    let values: Vec<String> = condition.values.iter().map(ToString::to_string).collect();
    let (one, several) = match condition.sense {
        Sense::AnyOf => ("is", "is one of"),
        Sense::NoneOf => ("is not", "is none of"),
    };
    let wants = match &values[..] {
        [value] => format!("{} {one} {value}", condition.attribute),
        values => format!("{} {several} {}", condition.attribute, values.join(", ")),
    };
    let truth = match (condition.truth, action) {
        (Truth::Holds, _) => "holds",
        (Truth::Fails, _) => "fails",
        (Truth::Missing, Action::Allow) => "unknown: does not count for an ALLOW",
        (Truth::Missing, _) => "unknown: counts as matching",
    };
    ConditionAnswer {
        path: condition.path.to_string(),
        line,
        truth: truth.into(),
        wants,
        found: condition.found.clone(),
    }
}
