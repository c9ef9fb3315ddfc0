use super::*;
use crate::{
    analyze::table::{check, ground, object, told},
    tests::World,
};

fn mesh(source: &str, more: &str) -> String {
    let front = "{command: [serve], serviceAccountName: front}";
    let spec = format!("{{rules: [{{from: [{{source: {{{source}}}}}]{more}}}]}}");
    ground("shop", &["cart"])
        + &object("Process", "shop", "front", front)
        + "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: teller, namespace: bank}\n\n"
        + &object("Mesh", "", "default", "{trustDomain: example.org}")
        + &object("AuthorizationPolicy", "shop", "a", &spec)
}

#[test]
fn identities_that_nobody_has() {
    let own = "principals: [example.org/ns/shop/sa/front, cluster.local/ns/shop/sa/default, \
               cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account]";
    let patterns = "principals: ['*', '*/sa/none', 'cluster.local/ns/none/*', other.org/ns/none/sa/none, none]";
    let at = |column: u8, field: &str, text: &str| {
        format!(
            "30:{column}: warning RS256 AuthorizationPolicy/shop/a spec.rules[0].{field}: nobody has the service account {text}"
        )
    };
    let rows: Vec<(&str, String, Vec<String>)> = vec![
        ("of those who run, and of the gateway that is always there", mesh(own, ""), vec![]),
        ("declared", mesh("serviceAccounts: [bank/teller, front]", ""), vec![]),
        ("patterns, and other domains", mesh(patterns, ""), vec![]),
        (
            "misspelt",
            mesh("principals: [cluster.local/ns/shop/sa/frotn]", ""),
            vec![at(
                47,
                "from[0].source.principals[0]",
                r#""frotn" of namespace "shop" (did you mean "cluster.local/ns/shop/sa/front"?)"#,
            )],
        ),
        (
            "in another namespace",
            mesh("notServiceAccounts: [teller]", ""),
            vec![at(
                55,
                "from[0].source.notServiceAccounts[0]",
                r#""teller" of namespace "shop" (did you mean "bank/teller"?)"#,
            )],
        ),
        (
            "beside",
            mesh("serviceAccounts: [fron]", ""),
            vec![at(52, "from[0].source.serviceAccounts[0]", r#""fron" of namespace "shop" (did you mean "front"?)"#)],
        ),
        (
            "in a condition",
            mesh(
                "namespaces: [shop]",
                ", when: [{key: source.principal, notValues: [example.org/ns/none/sa/default]}]",
            ),
            vec![at(
                100,
                "when[0].notValues[0]",
                r#""default" of namespace "none" (is it misspelt, or still to come? A ServiceAccount declares it)"#,
            )],
        ),
    ];
    for (title, text, expected) in &rows {
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(CODES, &[(title, text.clone(), &expected)]);
    }
}

#[test]
fn what_runs_has_its_identity() {
    let mut world = World::of(&mesh("serviceAccounts: [once]", ""));
    assert_eq!(told(&mut world, CODES).len(), 1);
    world.run("shop", "once", 0).service_account = "once".into();
    assert!(told(&mut world, CODES).is_empty());
}
