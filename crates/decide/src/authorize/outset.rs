//! What is said of a connection before any of its requests is there.

use ripstop_model::{Action, Authorization, MeshConfig};

use super::{DenyReason, Silent, Verdict, all, any, foreign};
use crate::{
    InboundFacts,
    binding::{Binding, applicable},
    program::{Policy, Program, Rule},
    quarantine,
};

/// Why a caller is turned away by a waypoint or a gateway whatever it asks for: it is of another trust domain, or the proxy
/// is cut off from it. Nothing: there is no objection.
pub fn turned_away(program: &Program, facts: &InboundFacts<'_>) -> Option<Verdict> {
    foreign(program, facts).or_else(|| quarantine::arrival(program, facts))
}

/// What can't be changed by any request of a connection to a waypoint: the mesh's settings forbid it, a rule of action DENY
/// matches whatever it asks for, or no rule of action ALLOW can match. Nothing: it hangs on the requests.
pub fn refused_at_waypoint(program: &Program, facts: &InboundFacts<'_>) -> Option<Verdict> {
    let refused = turned_away(program, facts);
    if refused.is_some() {
        return refused;
    }
    let (mut allows, mut possible) = (0, false);
    let mut oldest: Option<&Authorization> = None;
    for policy in applicable(program, facts, Binding::Attached) {
        let source = &policy.source;
        match (&source.action, source.dry_run) {
            (Action::Deny, false) => {
                let sure = |rule: &&Rule| matches(program.mesh(), rule, facts, Unknown::Fails);
                if let Some(rule) = policy.rules.iter().find(sure) {
                    return Some(Verdict::Deny { reason: DenyReason::Rule, policy: Some(rule.id.clone()) });
                }
            }
            (Action::Allow, false) => {
                allows += 1;
                if oldest.is_none_or(|oldest| source.created < oldest.created) {
                    oldest = Some(source);
                }
                possible = possible || may_match(program.mesh(), policy, facts);
            }
            _ => {}
        }
    }
    let oldest = oldest.filter(|_| !possible)?;
    Some(Verdict::Deny { reason: DenyReason::NotAllowed { policy: oldest.id.clone(), count: allows }, policy: None })
}

/// What a condition comes to on what is not known yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// It may hold yet.
    Holds,
    /// It need not.
    Fails,
}

fn may_match(mesh: &MeshConfig, policy: &Policy, facts: &InboundFacts<'_>) -> bool {
    policy.rules.iter().any(|rule| matches(mesh, rule, facts, Unknown::Holds))
}

fn matches(mesh: &MeshConfig, rule: &Rule, facts: &InboundFacts<'_>, unknown: Unknown) -> bool {
    let widens = unknown == Unknown::Holds;
    [&rule.from, &rule.to].into_iter().all(|alternatives| any(mesh, alternatives, facts, widens, &mut Silent))
        && all(mesh, &rule.when, facts, widens, &mut Silent)
}
