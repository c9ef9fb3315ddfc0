//! What is answered about limits of requests.

use crate::world::{asked, notes, world};

const LIMITS: &str = "
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: reviews, namespace: shop}
spec:
  targetRefs: [{kind: Service, name: reviews}]
  rateLimits:
  - requests: 10
    burst: 20
    per: {header: x-user}
    match: {path: {prefix: /api}, methods: [GET]}
  - requests: 5
    interval: 1m
    dryRun: true
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out, namespace: shop}
spec: {hosts: [out.example], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: out, namespace: shop}
spec:
  targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: out}]
  rateLimits: [{requests: 7, interval: 10s, status: 503, per: {identity: {}}}]
";

#[test]
fn limits_that_a_request_meets_are_told_with_their_place() {
    let world = world(LIMITS);
    let told = notes(&asked(&world, |question| question.path = "/api/x".into()));
    for part in [
        "a limit refuses with 429 what is more than 10 requests GET /api* of each value of x-user in 1s, 20 at once (TrafficPolicy/shop/reviews/1/spec.rateLimits[0] (group.yaml:8))",
        "a limit on trial would refuse with 429 what is more than 5 requests in 60s, 5 at once (TrafficPolicy/shop/reviews/1/spec.rateLimits[1] (group.yaml:12))",
    ] {
        assert_eq!(told.matches(part).count(), 1, "{part} is not once in {told}");
    }
    let told = notes(&asked(&world, |question| question.path = "/other".into()));
    assert!(!told.contains("x-user") && told.contains("on trial"), "{told}");
    let told = notes(&asked(&world, |question| question.protocol = "tcp".into()));
    assert!(!told.contains("a limit"), "what is no request is not counted: {told}");
}

/// `reviews` behind a waypoint, whoever calls it with an identity.
const WAYPOINT: &str = "---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: front, namespace: shop}
spec: {role: waypoint, serviceAccountName: front}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient, istio.io/use-waypoint: front}}
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: loner, namespace: wild}
spec: {node: east, command: [loner]}
";

#[test]
fn limits_are_those_of_the_waypoint_and_told_once() {
    let world = world(&format!("{LIMITS}{WAYPOINT}"));
    let explanation = asked(&world, |question| question.path = "/api/x".into());
    let told = notes(&explanation);
    assert!(explanation.waypoint.is_some(), "{explanation:?}");
    assert_eq!(told.matches("a limit refuses with 429").count(), 1, "{told}");
    assert!(told.contains("at shop/front"), "{told}");
    // Whoever has no proxy goes past it, and is counted by the callee.
    let explanation = asked(&world, |question| {
        question.from = "wild/loner".into();
        question.path = "/api/x".into();
    });
    let told = notes(&explanation);
    assert!(explanation.waypoint.is_none() && explanation.endpoints[0].name.contains("reviews-v1"), "{explanation:?}");
    assert!(told.contains("at shop/reviews-v1 a limit refuses with 429"), "{told}");
}

#[test]
fn limits_of_hosts_outside_are_those_of_the_caller() {
    let world = world(LIMITS);
    let told = notes(&asked(&world, |question| {
        question.to = "out.example:80".into();
        question.path = "/".into();
    }));
    let part = "at the proxy that calls out.example a limit refuses with 503 what is more than 7 requests of each identity in 10s";
    assert!(told.contains(part), "{told}");
}

/// Another service of the same workloads has the limits of the first at the waypoint that stands in front of both.
#[test]
fn limits_of_a_sibling_are_told_at_the_waypoint() {
    let sibling = "---
apiVersion: v1
kind: Service
metadata: {name: opinions, namespace: shop}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 8080}]}
";
    let world = world(&format!("{LIMITS}{WAYPOINT}{sibling}"));
    let told = notes(&asked(&world, |question| {
        question.to = "opinions.shop:80".into();
        question.path = "/api/x".into();
    }));
    assert_eq!(told.matches("a limit refuses with 429").count(), 1, "{told}");
    assert!(told.contains("at shop/front"), "{told}");
}

/// Whatever a route leads to behind the same waypoint is counted there, and what is behind none at its endpoints.
#[test]
fn what_a_route_leads_to_is_counted_once() {
    let ratings = |labels: &str| {
        format!(
            "---
apiVersion: v1
kind: Service
metadata: {{name: ratings, namespace: shop, labels: {{{labels}}}}}
spec: {{selector: {{app: ratings}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: ratings, namespace: shop, labels: {{app: ratings}}}}
spec: {{node: east, command: [ratings], ports: [{{name: http, containerPort: 8080}}]}}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: ratings, namespace: shop}}
spec: {{targetRefs: [{{kind: Service, name: ratings}}], rateLimits: [{{requests: 9}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews, namespace: shop}}
spec: {{hosts: [reviews], http: [{{route: [{{destination: {{host: ratings}}}}]}}]}}
"
        )
    };
    for (labels, place) in [
        ("", "at the proxy that calls ratings.shop.svc.cluster.local"),
        ("istio.io/use-waypoint: none", "at shop/ratings"),
    ] {
        let world = world(&format!("{LIMITS}{WAYPOINT}{}", ratings(labels)));
        let told = notes(&asked(&world, |question| question.path = "/other".into()));
        assert_eq!(told.matches("more than 9 requests").count(), 1, "{labels}: {told}");
        assert!(told.contains(&format!("{place} a limit refuses with 429 what is more than 9 requests")), "{told}");
    }
}
