//! What is declared about calling a service.

use ripstop_api::Kind;
use ripstop_explain::{ActsAnswer, reach, service};

use crate::world::world;

const DECLARED: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wide, namespace: shop}
spec: {hosts: ['*.shop.svc.cluster.local'], http: [{route: [{destination: {host: db}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: exact, namespace: shop}
spec: {hosts: [reviews], exportTo: ['.'], http: [{route: [{destination: {host: reviews}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: page, namespace: shop}
spec:
  hosts: [shop.example]
  gateways: [edge]
  http: [{route: [{destination: {host: db}}], mirror: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: elsewhere, namespace: shop}
spec: {hosts: ['*'], gateways: [edge], http: [{route: [{destination: {host: db}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: theirs, namespace: bank}
spec: {host: reviews.shop.svc.cluster.local, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: for-v1, namespace: shop}
spec: {selector: {matchLabels: {version: v1}}, action: DENY, rules: [{}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: for-db, namespace: shop}
spec: {targetRefs: [{kind: Service, group: '', name: db}], action: DENY, rules: [{}]}
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: reviews-v2, namespace: shop, labels: {app: reviews, version: v2}}
spec: {command: [x], ports: [{name: http, containerPort: 8080}]}
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: reviews-plain
  namespace: shop
  labels: {app: reviews, version: v1, istio.io/dataplane-mode: none}
spec: {command: [x], ports: [{name: http, containerPort: 8080}]}
";

fn told(all: &[ActsAnswer]) -> Vec<(&str, &str)> {
    all.iter().map(|acting| (acting.what.id.split('/').nth(2).unwrap_or_default(), acting.note.as_str())).collect()
}

#[test]
fn what_acts_at_a_service_is_told_with_where_and_for_whom() {
    let answer = service(&world(DECLARED), "shop", "reviews").expect("a service");
    assert_eq!(answer.host, "reviews.shop.svc.cluster.local");
    assert_eq!(answer.ports, ["http 80 to 8080 (http)", "tcp 9000 to 9000 (tcp)"]);
    let meshed: Vec<_> = answer.endpoints.iter().map(|own| (own.name.as_str(), own.in_mesh)).collect();
    assert_eq!(meshed, [("shop/reviews-plain-0", false), ("shop/reviews-v1-0", true), ("shop/reviews-v2-0", true)]);
    assert_eq!(
        told(&answer.routes),
        [
            ("exact", "for callers in the mesh, of shop only"),
            ("wide", "for callers in the mesh"),
            ("page", "shop.example leads here, for the gateway shop/edge"),
        ]
    );
    assert_eq!(told(&answer.backends), [("theirs", "subsets v1; for callers in bank")]);
    assert_eq!(answer.mtls, ["STRICT"]);
    // One that looks at calls of `db` alone, and one that nobody enforces at an endpoint outside of the mesh.
    assert_eq!(told(&answer.policies), [("for-v1", "DENY at 1 of 2 endpoints")]);
    assert_eq!(service(&world(""), "shop", "rewiews"), None);
}

#[test]
fn where_an_object_acts_is_told_and_where_it_is_void() {
    let world = world(DECLARED);
    let told = |kind, namespace: &str, name: &str| {
        let places = reach(&world, kind, namespace, name)?;
        Some(
            places
                .into_iter()
                .map(|own| format!("{}: {}{}", own.place, own.note, if own.void { " (void)" } else { "" }))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        told(Kind::AuthorizationPolicy, "shop", "for-v1").unwrap(),
        ["shop/reviews-plain-0: not in the mesh: nobody enforces it there (void)", "shop/reviews-v1-0: "]
    );
    let strict = told(Kind::PeerAuthentication, "shop", "default").unwrap();
    assert!(strict.contains(&"shop/reviews-v2-0: there it is STRICT".to_owned()), "{strict:?}");
    assert_eq!(
        told(Kind::VirtualService, "shop", "page").unwrap(),
        [
            "shop.example: as called by the gateway shop/edge",
            "→ db.shop.svc.cluster.local: 1 of 1 endpoints ready",
            "→ reviews.shop.svc.cluster.local: 3 of 3 endpoints ready",
        ]
    );
    assert_eq!(
        told(Kind::DestinationRule, "bank", "theirs").unwrap(),
        ["reviews.shop.svc.cluster.local: 3 of 3 endpoints ready", "  subset v1: 2 of 2 endpoints ready",]
    );
    assert_eq!(told(Kind::VirtualService, "shop", "none").unwrap(), [""; 0]);
    assert_eq!(told(Kind::Service, "shop", "reviews"), None);
}
