//! Decisions of authorization against a naive evaluator, and what must hold of any of them.

use proptest::{prelude::*, sample::Index};
use ripstop_decide::{Decision, DenyReason, Program, Verdict, authorize, examine};
use ripstop_model::{Action, Authorization, MeshConfig, PolicyTarget, SpiffeId};

#[path = "generated/policies.rs"]
mod generated;
#[path = "reference/authorization.rs"]
mod reference;

use generated::{Asked, AskedToken, asked, policies, policy, rename, rule, snapshot};

/// A decision in the words of the reference.
fn told(decision: &Decision) -> reference::Outcome {
    let verdict = match &decision.verdict {
        Verdict::Allow { rule } => reference::Verdict::Allowed(rule.as_ref().map(ToString::to_string)),
        Verdict::Deny { reason: DenyReason::Rule, policy: Some(rule) } => reference::Verdict::Denied(rule.to_string()),
        Verdict::Deny { reason: DenyReason::Authorizer { .. }, policy: Some(rule) } => {
            reference::Verdict::Authorizer(rule.to_string())
        }
        Verdict::Deny { reason: DenyReason::NotAllowed { policy, count }, policy: None } => {
            reference::Verdict::Unlisted(policy.to_string(), *count)
        }
        other @ Verdict::Deny { .. } => panic!("no policy of authorization says {other:?}"),
    };
    reference::Outcome {
        verdict,
        ask: decision.ask.as_ref().map(|ask| (ask.provider.to_string(), ask.rule.to_string())),
        audit: decision.audit.iter().map(ToString::to_string).collect(),
        trial: decision.dry_run.as_ref().map(|trial| (trial.allowed, trial.rule.as_ref().map(ToString::to_string))),
    }
}

fn decided(policies: &[Authorization], asked: &Asked) -> Decision {
    let program = Program::new(snapshot(policies));
    asked.with(|facts| authorize(&program, facts))
}

fn is_allowed(policies: &[Authorization], asked: &Asked) -> bool {
    decided(policies, asked).verdict.is_allow()
}

/// Whether it is an ALLOW with effect for what is asked: alone, it would decide.
fn is_acting_allow(policy: &Authorization, asked: &Asked) -> bool {
    let alone = Authorization { rules: Vec::new(), ..policy.clone() };
    policy.action == Action::Allow && !is_allowed(&[alone], asked)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn decisions_are_those_of_the_reference(policies in policies(6), asked in asked()) {
        let snapshot = snapshot(&policies);
        let expected = asked.with(|facts| reference::authorize(&snapshot, facts));
        let program = Program::new(snapshot);
        let (decision, (examined, _)) = asked.with(|facts| (authorize(&program, facts), examine(&program, facts)));
        prop_assert_eq!(told(&decision), expected);
        prop_assert_eq!(decision, examined);
    }

    /// What an examination says of each rule goes with the decision.
    #[test]
    fn an_examination_tells_the_rule_that_decides(policies in policies(4), asked in asked()) {
        let program = Program::new(snapshot(&policies));
        let (decision, traces) = asked.with(|facts| examine(&program, facts));
        let rules = traces.iter().flat_map(|trace| trace.rules.iter().map(move |rule| (trace, rule)));
        let matching: Vec<String> = rules
            .filter(|(_, rule)| rule.matches)
            .map(|(trace, rule)| format!("{}/spec.rules[{}]", trace.id, rule.index))
            .collect();
        let deciding = match &decision.verdict {
            Verdict::Allow { rule } => rule.clone(),
            Verdict::Deny { policy, .. } => policy.clone(),
        };
        for rule in deciding.iter().chain(&decision.audit).chain(decision.ask.as_ref().map(|ask| &ask.rule)) {
            prop_assert!(matching.contains(&rule.to_string()), "{rule} decides and does not match");
        }
    }

    /// An ALLOW that loses a rule allows less. It need not be the last of its rules that stays: a policy
    /// without rules still applies, and allows nothing.
    #[test]
    fn fewer_rules_that_allow_never_widen(policies in policies(5), asked in asked(), which: Index, other: Index) {
        let with_rules: Vec<usize> = (0..policies.len())
            .filter(|at| policies[*at].action == Action::Allow && !policies[*at].rules.is_empty())
            .collect();
        prop_assume!(!with_rules.is_empty());
        let mut fewer = policies.clone();
        let rules = &mut fewer[*which.get(&with_rules)].rules;
        rules.remove(other.index(rules.len()));
        prop_assert!(is_allowed(&policies, &asked) || !is_allowed(&fewer, &asked));
    }

    /// A whole ALLOW that goes allows less as long as another one acts on the same workload. The last one
    /// that goes *does* widen, as Istio has it: where no ALLOW applies everything is allowed that nothing
    /// denies; see `the_last_allow_that_goes_widens`.
    #[test]
    fn fewer_policies_that_allow_never_widen_while_one_stays(policies in policies(6), asked in asked(), which: Index) {
        let acting: Vec<usize> = (0..policies.len()).filter(|at| is_acting_allow(&policies[*at], &asked)).collect();
        prop_assume!(acting.len() >= 2);
        let mut fewer = policies.clone();
        fewer.remove(*which.get(&acting));
        prop_assert!(is_allowed(&policies, &asked) || !is_allowed(&fewer, &asked));
    }

    /// Whatever a DENY says, at whatever place, it opens nothing; nor does another rule in one that is there.
    #[test]
    fn more_that_denies_never_widens(
        policies in policies(5), asked in asked(), deny in policy(), rule in rule(), which: Index,
    ) {
        let before = is_allowed(&policies, &asked);
        let mut more = policies.clone();
        let mut deny = Authorization { action: Action::Deny, ..deny };
        rename(&mut deny, "deny");
        more.push(deny);
        prop_assert!(before || !is_allowed(&more, &asked));
        let denies: Vec<usize> = (0..policies.len()).filter(|at| policies[*at].action == Action::Deny).collect();
        if !denies.is_empty() {
            let mut more = policies.clone();
            more[*which.get(&denies)].rules.push(rule);
            prop_assert!(before || !is_allowed(&more, &asked));
        }
    }

    /// Policies on trial and AUDIT change nothing.
    #[test]
    fn what_is_without_effect_has_none(policies in policies(6), asked in asked()) {
        let acting: Vec<Authorization> = policies
            .iter()
            .filter(|policy| policy.action != Action::Audit)
            .filter(|policy| !policy.dry_run || matches!(policy.action, Action::Custom(_)))
            .cloned()
            .collect();
        let (all, some) = (decided(&policies, &asked), decided(&acting, &asked));
        prop_assert_eq!((all.verdict, all.ask), (some.verdict, some.ask));
    }

    /// Plaintext instead of an identity, an unchecked token instead of any, an opaque connection instead of
    /// a request: none of them opens what was closed.
    ///
    /// Two things are left out, since there Istio's rules do let more in. An identity of a foreign trust domain
    /// is refused before any policy is asked, while plaintext is not; see
    /// `plaintext_comes_in_where_a_foreign_identity_does_not`. And a policy that is attached to a service
    /// applies to requests for it alone; see `an_attached_deny_says_nothing_of_opaque_connections`.
    #[test]
    fn less_that_is_known_never_widens(policies in policies(6), asked in asked()) {
        let before = is_allowed(&policies, &asked);
        let plaintext = Asked { peer: None, ..asked.clone() };
        prop_assert!(before || !is_allowed(&policies, &plaintext), "plaintext");
        let mut unchecked = asked.clone();
        if let Some(request) = &mut unchecked.request {
            request.token = AskedToken::Unchecked;
        }
        prop_assert!(before || !is_allowed(&policies, &unchecked), "an unchecked token");
        for (what, less) in [
            ("no source", Asked { source: None, ..asked.clone() }),
            ("no address", Asked { address: None, ..asked.clone() }),
        ] {
            prop_assert!(before || !is_allowed(&policies, &less), "{what}");
        }
        let of_workloads: Vec<Authorization> =
            policies.iter().filter(|policy| matches!(policy.target, PolicyTarget::Workloads(_))).cloned().collect();
        let opaque = Asked { request: None, ..asked.clone() };
        prop_assert!(is_allowed(&of_workloads, &asked) || !is_allowed(&of_workloads, &opaque), "an opaque connection");
    }

    /// Neither age nor name nor the order of arrival decides whether something comes in; they only decide
    /// which rule is named.
    #[test]
    fn order_never_matters(
        policies in policies(6), asked in asked(), keys in prop::collection::vec(any::<(u8, u8)>(), 6),
    ) {
        let mut shuffled = policies.clone();
        for (at, (policy, (created, name))) in shuffled.iter_mut().zip(&keys).enumerate() {
            policy.created = u64::from(*created);
            rename(policy, &format!("p{name}-{at}"));
        }
        shuffled.reverse();
        let (one, two) = (decided(&policies, &asked), decided(&shuffled, &asked));
        prop_assert_eq!(one.verdict.is_allow(), two.verdict.is_allow());
        prop_assert_eq!(one.ask.map(|ask| ask.provider), two.ask.map(|ask| ask.provider));
        prop_assert_eq!(one.dry_run.map(|trial| trial.allowed), two.dry_run.map(|trial| trial.allowed));
    }

    /// A program that changes is the program of what it changed to.
    #[test]
    fn changes_lead_where_a_new_start_does(
        steps in prop::collection::vec(prop::collection::vec((policy(), 0..4_u8, any::<bool>()), 1..4), 1..6),
        asked in prop::collection::vec(asked(), 4),
    ) {
        let mut program = Program::new(snapshot(&[]));
        for (version, step) in (2..).zip(steps) {
            let changes = step.into_iter().map(|(mut policy, name, gone)| {
                rename(&mut policy, &format!("p{name}"));
                if gone {
                    ripstop_model::Change::AuthorizationGone((policy.namespace, policy.name))
                } else {
                    ripstop_model::Change::Authorization(policy.into())
                }
            });
            program = program.with(version, changes);
            let anew = Program::new(program.snapshot().clone());
            for asked in &asked {
                asked.with(|facts| {
                    let (one, two) = (examine(&program, facts), examine(&anew, facts));
                    prop_assert_eq!(one.0, two.0);
                    prop_assert_eq!(format!("{:?}", one.1), format!("{:?}", two.1));
                    Ok(())
                })?;
            }
        }
    }
}

/// Anything plain at all.
fn plain_asked() -> Asked {
    Asked {
        destination: generated::workload("shop", "reviews", "v1"),
        address: None,
        port: 8080,
        peer: None,
        source: None,
        remote: None,
        sni: None,
        service: None,
        request: None,
        unread: false,
    }
}

fn plain_policy(action: Action, target: PolicyTarget) -> Authorization {
    let mut policy = Authorization {
        id: ripstop_model::RuleId("".into()),
        namespace: "shop".into(),
        name: "".into(),
        target,
        action,
        dry_run: false,
        rules: Vec::new(),
        created: 1,
    };
    rename(&mut policy, "policy");
    policy
}

#[test]
fn the_last_allow_that_goes_widens() {
    let nothing = plain_policy(Action::Allow, PolicyTarget::Workloads(ripstop_model::Selector::default()));
    assert!(!is_allowed(&[nothing], &plain_asked()));
    assert!(is_allowed(&[], &plain_asked()));
}

#[test]
fn plaintext_comes_in_where_a_foreign_identity_does_not() {
    let foreign: SpiffeId = "spiffe://elsewhere.example/ns/a/sa/b".parse().expect("an id");
    assert!(!MeshConfig::default().trusts(foreign.domain()));
    assert!(!is_allowed(&[], &Asked { peer: Some(foreign), ..plain_asked() }));
    assert!(is_allowed(&[], &plain_asked()), "PERMISSIVE takes plaintext of anybody; STRICT is what closes it");
}

#[test]
fn what_is_attached_is_none_of_the_callees_business() {
    let reference = ripstop_model::TargetRef { kind: ripstop_model::TargetKind::Service, name: "reviews".into() };
    let mut deny = plain_policy(Action::Deny, PolicyTarget::Attached(vec![reference]));
    deny.rules.push(ripstop_model::Rule::default());
    let service = Some(ripstop_model::ServiceKey::new("shop", "reviews.shop.svc.cluster.local"));
    let opaque = Asked { service, ..plain_asked() };
    let request = generated::AskedRequest {
        method: "GET",
        authority: "reviews.shop",
        path: "/",
        headers: Vec::new(),
        token: AskedToken::Absent,
    };
    assert!(is_allowed(std::slice::from_ref(&deny), &Asked { request: Some(request), ..opaque.clone() }));
    assert!(is_allowed(&[deny], &opaque));
}
