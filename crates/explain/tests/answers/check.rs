//! Which policies act at a workload.

use ripstop_explain::check;
use ripstop_model::Labels;

use crate::world::{asked, world};

fn policy(name: &str, head: &str, rules: &str) -> String {
    let (annotations, head) = match head.strip_prefix("DRY ") {
        Some(head) => (", annotations: {istio.io/dry-run: 'true'}", head),
        None => ("", head),
    };
    format!(
        "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: shop{annotations}}}
spec: {{{head}, rules: [{rules}]}}
---
"
    )
}

const GATE: &str = "
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  meshConfig:
    extensionProviders:
    - {name: gate, envoyExtAuthzHttp: {service: db.shop.svc.cluster.local, port: 3306}}
    - {name: door, envoyExtAuthzHttp: {service: db.shop.svc.cluster.local, port: 3306}}
---
";

#[test]
fn the_summary_tells_every_action() {
    let custom =
        |name: &str, provider: &str| policy(name, &format!("action: CUSTOM, provider: {{name: {provider}}}"), "{}");
    let (allow, deny, audit) =
        (policy("a", "action: ALLOW", "{}"), policy("d", "action: DENY", "{}"), policy("u", "action: AUDIT", "{}"));
    let of_service = policy("s", "action: ALLOW, targetRefs: [{kind: Service, group: '', name: reviews}]", "{}");
    let of_other = policy("o", "action: ALLOW, targetRefs: [{kind: Service, group: '', name: db}]", "{}");
    for (yaml, expected) in [
        (String::new(), "everything that mutual TLS lets in is allowed"),
        (deny.clone(), "everything is allowed but what 1 DENY policy matches"),
        (deny.clone() + &policy("e", "action: DENY", "{}"), "everything is allowed but what 2 DENY policies match"),
        (
            allow.clone() + &deny,
            "only what 1 ALLOW policy matches is allowed, and of that nothing that 1 DENY policy matches",
        ),
        (
            GATE.to_owned() + &custom("c", "gate") + &allow,
            "first, the external authorizer \"gate\" is asked for what 1 CUSTOM policy matches; then, only what 1 ALLOW policy matches is allowed",
        ),
        (
            custom("c", "nobody"),
            "first, what 1 CUSTOM policy matches is denied: the mesh does not declare the authorizer \"nobody\"; then, everything that mutual TLS lets in is allowed",
        ),
        (
            GATE.to_owned() + &custom("c", "gate") + &custom("d", "door"),
            "first, what 2 CUSTOM policies match is denied: they name several authorizers (door, gate), and a workload has one; then, everything that mutual TLS lets in is allowed",
        ),
        (
            policy("t", "DRY action: DENY", "{}") + &audit,
            "everything that mutual TLS lets in is allowed; 1 policy on trial (dry run) changes nothing; 1 AUDIT policy only records what it matches",
        ),
        (
            of_service.clone() + &of_other,
            "everything that mutual TLS lets in is allowed; 1 policy more is for the waypoint of the service that it is attached to (targetRefs)",
        ),
    ] {
        let answer = check(&world(&yaml), "reviews-v1", &Labels::new()).unwrap();
        assert_eq!(answer.summary, expected, "{yaml}");
    }
    let answer = check(&world(&of_service), "reviews-v1", &Labels::new()).unwrap();
    assert_eq!(answer.policies[0].attached.as_deref(), Some("Service reviews"));
    let answer = check(&world(&of_service), "shop/new", &[("app".into(), "reviews".into())].into()).unwrap();
    assert_eq!(answer.policies.len(), 1, "a service would select it");
}

#[test]
fn rules_are_told_as_in_an_answer() {
    let rules = "{from: [{source: {namespaces: [shop]}}], to: [{operation: {ports: ['80', '8080']}}]}";
    let world = world(&policy("a", "action: ALLOW", rules));
    let answer = check(&world, "reviews-v1", &Labels::new()).unwrap();
    let explained = asked(&world, |question| question.method = "GET".into());
    let explained = &explained.endpoints[0].authorization.as_ref().unwrap().policies[0];
    let wants = |policy: &ripstop_explain::PolicyAnswer| -> Vec<(String, u32)> {
        let conditions = policy.rules.iter().flat_map(|rule| &rule.conditions);
        conditions.map(|condition| (condition.wants.clone(), condition.line)).collect()
    };
    assert_eq!(wants(&answer.policies[0]), wants(explained));
    assert_eq!(wants(&answer.policies[0])[0].0, "source.namespace is shop");
}

#[test]
fn the_port_that_is_called_is_one_of_the_workload() {
    let world = world("");
    for (name, asked, expected) in [
        ("reviews-v1", None, (8080, "http")),
        ("reviews-v1", Some(9000), (9000, "tcp")),
        ("reviews-v1", Some(1), (1, "")),
        ("db", None, (3306, "tcp")),
        ("web", None, (80, "")),
    ] {
        assert_eq!(check(&world, name, &Labels::new()).unwrap().called(asked), expected, "{name} {asked:?}");
    }
}

#[test]
fn workloads_have_names_with_their_namespace() {
    let world = world("");
    let app: Labels = [("app".into(), "x".into())].into();
    for (name, labels, expected) in [
        ("reviews-v1", Labels::new(), Some("shop/reviews-v1-0")),
        ("shop/reviews-v1", Labels::new(), Some("shop/reviews-v1-0")),
        ("reviews-v1.shop", Labels::new(), Some("shop/reviews-v1-0")),
        ("reviews-v1.bank", Labels::new(), None),
        ("bank/reviews-v1", Labels::new(), None),
        ("new", app.clone(), Some("default/new")),
        ("new.shop", app.clone(), Some("shop/new")),
        ("shop/new", app, Some("shop/new")),
    ] {
        let found = check(&world, name, &labels).ok().map(|answer| answer.workload);
        assert_eq!(found.as_deref(), expected, "{name}");
    }
}
