//! What is answered about calls of workloads' own addresses that go through a waypoint.

use ripstop_explain::{Question, Verdict};

use crate::world::{asked, world};

/// The workload `reviews-v1` by its address.
fn by_address(question: &mut Question) {
    question.to = "reviews-v1:8080".into();
    question.method = "DELETE".into();
}

fn front(scope: &str) -> String {
    format!(
        "---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: front, namespace: shop, labels: {{istio.io/waypoint-for: {scope}}}}}
spec: {{role: waypoint, serviceAccountName: front}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: default, namespace: shop, labels: {{istio.io/use-waypoint: front}}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: keep, namespace: shop}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: front}}]
  action: DENY
  rules: [{{to: [{{operation: {{methods: [DELETE]}}}}]}}]
"
    )
}

#[test]
fn it_is_judged_at_the_waypoint_and_goes_to_the_workload() {
    let explanation = asked(&world(&front("workload")), by_address);
    let waypoint = explanation.waypoint.as_ref().expect("a waypoint");
    assert_eq!((&*waypoint.name, explanation.verdict), ("shop/front-0", Verdict::Denied), "{explanation:?}");
    let allowed = asked(&world(&front("workload")), |question| {
        by_address(question);
        question.method = "GET".into();
    });
    assert_eq!(allowed.verdict, Verdict::Allowed, "{allowed:?}");
    assert!(allowed.endpoints[0].name.contains("reviews-v1"), "{allowed:?}");
    assert!(allowed.endpoints[0].transport.contains("sa/front"), "{allowed:?}");
    // Who calls the service takes no waypoint of its workloads.
    let service = asked(&world(&front("workload")), |question| question.method = "DELETE".into());
    assert!(service.waypoint.is_none() && service.verdict == Verdict::Allowed, "{service:?}");
}

/// Who calls a headless service calls an endpoint's own address.
#[test]
fn an_endpoint_of_a_headless_service_is_called_through_it() {
    let headless = "---
apiVersion: v1
kind: Service
metadata: {name: each, namespace: shop}
spec: {clusterIP: None, selector: {app: reviews}, ports: [{name: http, port: 8080}]}
";
    let explanation = asked(&world(&(front("all") + headless)), |question| question.to = "each.shop:8080".into());
    let endpoint = &explanation.endpoints[0];
    assert_eq!(endpoint.name, "shop/front-0", "{explanation:?}");
    assert!(endpoint.transport.contains("--via waypoint --to reviews-v1-0:8080"), "{endpoint:?}");
}

#[test]
fn it_goes_past_one_that_is_for_services_and_nowhere_if_one_is_missing() {
    let past = asked(&world(&front("service")), by_address);
    assert!(past.waypoint.is_none() && past.verdict == Verdict::Allowed, "{past:?}");
    let missing = front("workload").replace("name: front, namespace", "name: other, namespace");
    let nowhere = asked(&world(&missing), by_address);
    assert_eq!(nowhere.verdict, Verdict::NotRouted, "{nowhere:?}");
    // Whoever has no proxy is led through none.
    let loner = "---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: loner, namespace: wild}
spec: {node: east, command: [loner]}
";
    let direct = asked(&world(&(front("workload") + loner)), |question| {
        by_address(question);
        question.from = "wild/loner".into();
    });
    assert!(direct.waypoint.is_none() && direct.endpoints[0].name.contains("reviews-v1"), "{direct:?}");
}
