//! Who calls decides whose proxies are asked.

use crate::world::{asked, notes, world};

const FAULT: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: broken, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - fault: {abort: {httpStatus: 503, percentage: {value: 100}}}
    route: [{destination: {host: reviews}}]
";

#[test]
fn who_has_no_proxy_meets_no_route_but_the_callees_policies() {
    let deny = "
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: shop}
spec: {}
";
    for (from, via, yaml, verdict, bare) in [
        ("shop/web", "", FAULT.to_owned(), "ANSWERED", false),
        ("", "", FAULT.to_owned(), "ALLOWED", true),
        ("10.9.9.9", "sidecar", FAULT.to_owned(), "ALLOWED", true),
        ("", "waypoint", FAULT.to_owned(), "ANSWERED", false),
        ("", "", format!("{FAULT}{deny}"), "DENIED", true),
    ] {
        let explanation = asked(&world(&yaml), |question| {
            (question.from, question.via) = (from.into(), via.into());
            question.method = "GET".into();
        });
        assert_eq!(explanation.verdict.to_string(), verdict, "{from} {via}: {}", explanation.summary);
        assert_eq!(notes(&explanation).contains("the caller has no proxy"), bare, "{from} {via}");
    }
}

/// Whoever may call only what is declared gets to no workload's own address; nobody is kept from its own loopback.
#[test]
fn addresses_that_nobody_declares() {
    let strict = "
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec: {meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}
---
";
    let itself = "it goes there directly, past any service";
    let declared = "only what is declared (REGISTRY_ONLY); call its service reviews:80";
    let inside = "nothing is captured there, and the mesh has no say";
    for (from, to, yaml, verdict, told, is_sent) in [
        ("shop/web", "reviews-v1:8080", "", "ALLOWED", itself, true),
        ("shop/web", "reviews-v1:8080", strict, "NOT ROUTED", declared, false),
        ("shop/reviews-v1", "reviews-v1:8080", strict, "ALLOWED", itself, true),
        ("shop/web", "reviews.shop:80", strict, "ALLOWED", "", true),
        ("shop/web", "127.0.0.1:9998", "", "ALLOWED", inside, false),
        ("shop/web", "127.0.0.1:9998", strict, "ALLOWED", inside, false),
    ] {
        let explanation = asked(&world(yaml), |question| (question.from, question.to) = (from.into(), to.into()));
        assert_eq!(explanation.verdict.to_string(), verdict, "{from} {to}: {}", explanation.summary);
        assert!(explanation.route.outcome.contains(told), "{from} {to}: {}", explanation.route.outcome);
        assert_eq!(explanation.connection.is_some(), is_sent, "{from} {to}: {:?}", explanation.connection);
    }
}
