//! What follows from policies, in a sentence.

use std::collections::BTreeSet;

use ripstop_model::{Action, Authorization, Authorizer, Quarantine};

use super::is_attached;
use crate::World;

/// What follows from the policies that act at a workload.
pub(super) fn of(acting: &[&Authorization]) -> String {
    let own: Vec<&Authorization> = acting.iter().copied().filter(|policy| !is_attached(policy)).collect();
    let count = |wanted: &Action| own.iter().filter(|policy| policy.action == *wanted && !policy.dry_run).count();
    let (allow, deny) = (count(&Action::Allow), count(&Action::Deny));
    let then = match (allow, deny) {
        (0, 0) => "everything that mutual TLS lets in is allowed".to_owned(),
        (0, deny) => format!("everything is allowed but what {}", matching(deny, "DENY")),
        (allow, 0) => format!("only what {} is allowed", matching(allow, "ALLOW")),
        (allow, deny) => format!(
            "only what {} is allowed, and of that nothing that {}",
            matching(allow, "ALLOW"),
            matching(deny, "DENY")
        ),
    };
    let mut parts = Vec::new();
    match custom(&own) {
        Some(first) => parts.extend([format!("first, {first}"), format!("then, {then}")]),
        None => parts.push(then),
    }
    // Only ALLOW and DENY can be on trial.
    let trial = own.iter().filter(|policy| policy.dry_run && matches!(policy.action, Action::Allow | Action::Deny));
    parts.extend(match trial.count() {
        0 => None,
        1 => Some("1 policy on trial (dry run) changes nothing".to_owned()),
        several => Some(format!("{several} policies on trial (dry run) change nothing")),
    });
    parts.extend(match own.iter().filter(|policy| policy.action == Action::Audit).count() {
        0 => None,
        1 => Some("1 AUDIT policy only records what it matches".to_owned()),
        several => Some(format!("{several} AUDIT policies only record what they match")),
    });
    parts.extend(match acting.len() - own.len() {
        0 => None,
        1 => Some("1 policy more is for the waypoint of the service that it is attached to (targetRefs)".to_owned()),
        several => Some(format!(
            "{several} policies more are for the waypoints of the services that they are attached to (targetRefs)"
        )),
    });
    parts.join("; ")
}

/// The same of a workload in quarantine.
pub(super) fn cut_off(world: &World, quarantine: &Quarantine, acting: &[&Authorization]) -> String {
    let place = world.place(&quarantine.rule);
    if quarantine.peers.is_empty() {
        return format!("it is in quarantine by {place}: nothing is allowed");
    }
    let peers: Vec<&str> = quarantine.peers.iter().map(ripstop_model::SpiffeId::as_str).collect();
    format!("it is in quarantine by {place}: nobody gets in but {}; of what they ask, {}", peers.join(", "), of(acting))
}

/// Who is asked for what.
fn custom(own: &[&Authorization]) -> Option<String> {
    let asking: Vec<&Authorizer> = own
        .iter()
        .filter_map(|policy| match &policy.action {
            Action::Custom(authorizer) => Some(authorizer),
            Action::Allow | Action::Deny | Action::Audit => None,
        })
        .collect();
    let first = asking.first()?;
    let what = matching(asking.len(), "CUSTOM");
    let names: BTreeSet<&str> = asking.iter().map(|authorizer| &*authorizer.name).collect();
    Some(if names.len() > 1 {
        let names: Vec<&str> = names.into_iter().collect();
        format!("what {what} is denied: they name several authorizers ({}), and a workload has one", names.join(", "))
    } else if first.protocol.is_none() {
        format!("what {what} is denied: the mesh does not declare the authorizer {:?}", first.name)
    } else {
        format!("the external authorizer {:?} is asked for what {what}", first.name)
    })
}

/// `1 DENY policy matches`, `2 DENY policies match`.
fn matching(count: usize, action: &str) -> String {
    if count == 1 { format!("1 {action} policy matches") } else { format!("{count} {action} policies match") }
}
