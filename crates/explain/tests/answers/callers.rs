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
