use super::*;

#[test]
fn what_names_a_waypoint_is_found_by_its_labels() {
    let named = Named { name: "wp".into(), namespace: "shop".into() };
    for (row, expected) in [
        (json!({ "kind": "Namespace", "name": "shop", "labels": { USE: "wp" } }), true),
        (json!({ "kind": "Namespace", "name": "other", "labels": { USE: "wp" } }), false),
        (json!({ "kind": "Namespace", "name": "other", "labels": { USE: "wp", USE_NAMESPACE: "shop" } }), true),
        (json!({ "kind": "Service", "namespace": "shop", "name": "cart", "labels": { USE: "wp" } }), true),
        (json!({ "kind": "Service", "namespace": "shop", "name": "cart", "labels": { USE: "none" } }), false),
        (json!({ "kind": "ServiceAccount", "namespace": "shop", "name": "cart", "labels": { USE: "wp" } }), true),
        (json!({ "kind": "Process", "namespace": "shop", "name": "cart", "labels": { USE: "wp" } }), true),
        (
            json!({ "kind": "Process", "namespace": "shop", "name": "gw", "role": "gateway", "labels": { USE: "wp" } }),
            false,
        ),
        (json!({ "kind": "Service", "namespace": "shop", "name": "cart", "labels": { USE: "a", CANARY: "wp" } }), true),
        (json!({ "kind": "Sidecar", "namespace": "shop", "name": "cart", "labels": { USE: "wp" } }), false),
    ] {
        assert_eq!(named.is_named_by(&row), expected, "{row}");
    }
}

#[test]
fn what_is_applied_is_a_waypoint() {
    let named = Named { name: "wp".into(), namespace: "shop".into() };
    for (scope, label) in [
        (Scope::Service, "service"),
        (Scope::Workload, "workload"),
        (Scope::ServiceAccount, "workload"),
        (Scope::All, "all"),
        (Scope::None, "none"),
    ] {
        let parsed = ripstop_api::parse_file("a.yaml", &document(&named, scope));
        assert_eq!(parsed.findings, []);
        let object = &parsed.objects[0];
        let ripstop_api::Spec::Process(process) = &object.spec else { panic!("{:?}", parsed.objects) };
        assert_eq!(process.role, ripstop_api::ripstop::ProcessRole::Waypoint);
        assert_eq!((object.id.to_string().as_str(), &*object.meta.labels[FOR]), ("Process/shop/wp", label));
    }
}

#[test]
fn accounts_are_those_of_workloads() {
    let apply = |scope: Option<Scope>, accounts: &[&str], enroll_namespace: bool| {
        let named = Named { name: "wp".into(), namespace: "shop".into() };
        let accounts = accounts.iter().map(ToString::to_string).collect();
        Apply { named, scope, accounts, enroll_namespace, wait: false }.scope().map_err(|error| error.to_string())
    };
    assert_eq!(apply(None, &[], true), Ok(None));
    assert_eq!(apply(None, &["web"], false), Ok(None));
    assert_eq!(apply(Some(Scope::All), &["web"], true), Ok(Some(Scope::All)));
    assert!(apply(Some(Scope::Service), &["web"], false).is_err());
    assert!(apply(Some(Scope::ServiceAccount), &[], true).is_err());
    assert!(Scope::ServiceAccount.is_within("all") && !Scope::Workload.is_within("all"));
}

#[test]
fn services_are_counted_where_they_go_through() {
    let all = json!([
        { "namespace": "shop", "name": "cart", "waypoint": { "namespace": "shop", "name": "wp" } },
        { "namespace": "shop", "name": "web", "waypoint": null },
    ]);
    assert_eq!(behind(&all, "shop", "wp"), ["shop/cart"]);
    assert!(behind(&all, "other", "wp").is_empty());
    let canary = json!({ "namespace": "shop", "name": "next", "percent": 10 });
    let waypoint = json!({ "namespace": "shop", "name": "wp", "canary": canary });
    let all = json!([{ "namespace": "shop", "name": "cart", "waypoint": waypoint }]);
    assert_eq!(behind(&all, "shop", "wp"), ["shop/cart"]);
    assert_eq!(behind(&all, "shop", "next"), ["shop/cart (10 % of its calls)"]);
}
