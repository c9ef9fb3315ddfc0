//! An evaluation with everything that was looked at.

use std::sync::Arc;

use ripstop_model::{Action, Attribute, MeshConfig, PolicyTarget, RuleId, Sense, Value};

use crate::{
    Decision, InboundFacts, Known, Truth,
    authorize::{Observer, observed, observed_at_gateway, observed_at_waypoint},
    matcher::Matcher,
    program::{Policy, Program},
};

/// A policy that applies, and what each of its rules says.
#[derive(Clone, Debug)]
pub struct PolicyTrace {
    /// The policy.
    pub id: RuleId,
    /// Its action.
    pub action: Action,
    /// Whether it is on trial.
    pub dry_run: bool,
    /// What it applies to.
    pub target: PolicyTarget,
    /// Its rules.
    pub rules: Vec<RuleTrace>,
}

/// What one rule says.
#[derive(Clone, Debug, Default)]
pub struct RuleTrace {
    /// Its place in the policy.
    pub index: usize,
    /// Whether it matches.
    pub matches: bool,
    /// Whether it looks at requests, of which an opaque connection has none: such an ALLOW is out.
    pub out: bool,
    /// Its conditions, in order.
    pub conditions: Vec<ConditionTrace>,
}

/// What one condition says.
#[derive(Clone, Debug)]
pub struct ConditionTrace {
    /// Where it stands inside its rule.
    pub path: Arc<str>,
    /// What it looks at.
    pub attribute: Attribute,
    /// Whether one of the values must match, or none may.
    pub sense: Sense,
    /// The values, as written.
    pub values: Vec<Value>,
    /// Whether it holds.
    pub truth: Truth,
    /// What was found, for people; nothing: it cannot be known, or there is none.
    pub found: Option<String>,
}

/// As [`crate::authorize`], with everything that every policy looks at, also what no longer matters.
pub fn examine(program: &Program, facts: &InboundFacts<'_>) -> (Decision, Vec<PolicyTrace>) {
    let mut recorder = Recorder { mesh: program.mesh(), facts, policies: Vec::new(), current: None };
    let decision = observed(program, facts, &mut recorder);
    (decision, recorder.policies)
}

/// The same at a gateway, which terminates TLS as its listeners say: `PeerAuthentication` has no say there.
pub fn examine_at_gateway(program: &Program, facts: &InboundFacts<'_>) -> (Decision, Vec<PolicyTrace>) {
    let mut recorder = Recorder { mesh: program.mesh(), facts, policies: Vec::new(), current: None };
    let decision = observed_at_gateway(program, facts, &mut recorder);
    (decision, recorder.policies)
}

/// The same at a waypoint.
pub fn examine_at_waypoint(program: &Program, facts: &InboundFacts<'_>) -> (Decision, Vec<PolicyTrace>) {
    let mut recorder = Recorder { mesh: program.mesh(), facts, policies: Vec::new(), current: None };
    let decision = observed_at_waypoint(program, facts, &mut recorder);
    (decision, recorder.policies)
}

struct Recorder<'f> {
    mesh: &'f MeshConfig,
    facts: &'f InboundFacts<'f>,
    policies: Vec<PolicyTrace>,
    current: Option<Arc<ripstop_model::Authorization>>,
}

impl Observer for Recorder<'_> {
    const EVERYTHING: bool = true;

    fn policy(&mut self, policy: &Policy) {
        let source = &policy.source;
        self.current = Some(source.clone());
        self.policies.push(PolicyTrace {
            id: source.id.clone(),
            action: source.action.clone(),
            dry_run: source.dry_run,
            target: source.target.clone(),
            rules: Vec::new(),
        });
    }

    fn rule(&mut self, index: usize) {
        if let Some(policy) = self.policies.last_mut() {
            policy.rules.push(RuleTrace { index, ..RuleTrace::default() });
        }
    }

    fn condition(&mut self, matcher: &Matcher, truth: Truth) {
        let found = told(&self.facts.value(&matcher.attribute, self.mesh));
        let Some(rule) = self.policies.last_mut().and_then(|policy| policy.rules.last_mut()) else { return };
        let written = self.current.as_ref().and_then(|policy| policy.rules.get(rule.index)).and_then(|rule| {
            let mut all = rule.from.iter().flatten().chain(rule.to.iter().flatten()).chain(&rule.when);
            all.find(|condition| condition.path == matcher.path)
        });
        rule.conditions.push(ConditionTrace {
            path: matcher.path.clone(),
            attribute: matcher.attribute.clone(),
            sense: matcher.sense,
            values: written.map(|condition| condition.values.clone()).unwrap_or_default(),
            truth,
            found,
        });
    }

    fn rule_done(&mut self, matches: bool) {
        let Some(policy) = self.policies.last_mut() else { return };
        let allow = policy.action == Action::Allow;
        if let Some(rule) = policy.rules.last_mut() {
            rule.out = allow && rule.conditions.iter().any(|condition| self.facts.lacks(&condition.attribute));
            rule.matches = matches;
        }
    }
}

fn told(known: &Known<'_>) -> Option<String> {
    match known {
        Known::Missing | Known::Absent => None,
        Known::Text(text) => Some(text.to_string()),
        Known::Texts(texts) => Some(texts.join(", ")),
        Known::Principal(issuer, subject) => Some(format!("{issuer}/{subject}")),
        Known::Ip(address) => Some(address.to_string()),
        Known::Port(port) => Some(port.to_string()),
        Known::Account(namespace, name) => Some(format!("{namespace}/{name}")),
    }
}
