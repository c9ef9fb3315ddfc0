use super::*;
use crate::{Spec, parse_file};

fn served(namespaces: &str) -> ServedNamespaces {
    let text = format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {{name: front, namespace: edge}}\n\
         spec: {{role: waypoint, allowedRoutes: {{namespaces: {namespaces}}}}}\n"
    );
    let parsed = parse_file("a.yaml", &text);
    assert_eq!(parsed.findings, [], "{text}");
    let Spec::Process(process) = &parsed.objects[0].spec else { panic!("{:?}", parsed.objects) };
    process.served.clone()
}

#[test]
fn a_waypoint_serves_its_own_namespace_unless_it_says_more() {
    let labels = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
    let by = |selector: &str| format!("{{from: Selector, selector: {selector}}}");
    for (namespaces, own, other) in [
        ("{}", true, false),
        ("{from: Same}", true, false),
        ("{from: All}", true, true),
        ("{from: None}", false, false),
        (&by("{matchLabels: {team: blue}}"), false, true),
        (&by("{matchLabels: {team: red}}"), false, false),
        (&by("{matchLabels: {kubernetes.io/metadata.name: shop}}"), false, true),
        (&by("{matchLabels: {kubernetes.io/metadata.name: edge}}"), true, false),
        (&by("{matchExpressions: [{key: team, operator: In, values: [blue, red]}]}"), false, true),
        (&by("{matchExpressions: [{key: team, operator: NotIn, values: [blue]}]}"), true, false),
        (&by("{matchExpressions: [{key: team, operator: Exists}]}"), false, true),
        (&by("{matchExpressions: [{key: team, operator: DoesNotExist}]}"), true, false),
        (&by("{matchLabels: {team: blue}, matchExpressions: [{key: tier, operator: Exists}]}"), false, false),
        // As in Kubernetes, an empty selector selects everything.
        (&by("{}"), true, true),
    ] {
        let served = served(namespaces);
        assert_eq!(served.includes("edge", "edge", &BTreeMap::new()), own, "{namespaces}");
        assert_eq!(served.includes("edge", "shop", &labels), other, "{namespaces}");
    }
}

#[test]
fn a_selector_and_what_it_is_for_go_together() {
    let codes = |role: &str, namespaces: &str| -> Vec<(&'static str, String)> {
        let text = format!(
            "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {{name: front, namespace: edge}}\n\
             spec: {{{role}, allowedRoutes: {{namespaces: {namespaces}}}}}\n"
        );
        parse_file("a.yaml", &text).findings.iter().map(|found| (found.code, found.path.clone())).collect()
    };
    let told = |code, path: &str| vec![(code, path.to_owned())];
    let namespaces = "spec.allowedRoutes.namespaces";
    assert_eq!(codes("role: waypoint", "{from: Selector}"), told("RS108", namespaces));
    let selector = told("RS124", "spec.allowedRoutes.namespaces.selector");
    assert_eq!(codes("role: waypoint", "{from: All, selector: {}}"), selector);
    assert_eq!(codes("role: waypoint", "{from: some}"), told("RS110", "spec.allowedRoutes.namespaces.from"));
    assert_eq!(codes("command: [serve]", "{from: All}"), told("RS120", "spec.allowedRoutes"));
    assert_eq!(codes("role: gateway", "{from: All}"), told("RS120", "spec.allowedRoutes"));
}
