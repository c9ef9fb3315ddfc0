//! Who gets a call, and how.

use ripstop_explain::{Explanation, World};

use crate::world::{asked, notes, world};

/// `name address` of all endpoints, those that are alike without address.
fn endpoints(explanation: &Explanation) -> Vec<String> {
    let one = |endpoint: &ripstop_explain::EndpointAnswer| {
        let own = format!("{} {}", endpoint.name, endpoint.address);
        std::iter::once(own).chain(endpoint.alike.clone()).collect::<Vec<_>>()
    };
    explanation.endpoints.iter().flat_map(one).collect()
}

fn entry(spec: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: out, namespace: shop}}
spec:
  hosts: [out.example]
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]
{spec}
---
"
    )
}

const TWO: &str = "  resolution: STATIC
  endpoints:
  - {address: 192.0.2.1, labels: {version: v1}}
  - {address: 192.0.2.2, labels: {version: v2}, ports: {http: 9090}}";

const SUBSET: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: out, namespace: shop}
spec:
  host: out.example
  subsets: [{name: v2, labels: {version: v2}}, {name: v3, labels: {version: v3}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: out, namespace: shop}
spec:
  hosts: [out.example]
  http: [{route: [{destination: {host: out.example, subset: SUBSET}}]}]
---
";

const MACHINES: &str = "
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: shop}
spec: {address: 192.0.2.7, labels: {app: reviews}, ports: {http: 7070}}
---
";

#[test]
fn declared_hosts_have_the_endpoints_that_they_say() {
    let subset = |name: &str| SUBSET.replace("SUBSET", name);
    let socket = "  resolution: STATIC\n  endpoints: [{address: 'unix:///run/out'}]";
    let selecting = "  location: MESH_INTERNAL\n  resolution: STATIC\n  workloadSelector: {labels: {app: reviews}}";
    let nobody = "  location: MESH_INTERNAL\n  resolution: STATIC\n  workloadSelector: {labels: {app: nobody}}";
    for (title, yaml, to, expected, note) in [
        ("all", entry(TWO), "out.example:80", vec!["192.0.2.1 192.0.2.1:8080", "192.0.2.2"], ""),
        ("a subset", entry(TWO) + &subset("v2"), "out.example:80", vec!["192.0.2.2 192.0.2.2:9090"], ""),
        ("nobody of the subset", entry(TWO) + &subset("v3"), "out.example:80", vec![], "2 outside of the subset"),
        ("a socket", entry(socket), "out.example:80", vec!["unix:///run/out a socket"], ""),
        ("by DNS", entry("  resolution: DNS"), "out.example:80", vec!["out.example port 8080"], ""),
        (
            "as it is called",
            entry("  resolution: NONE").replace(", targetPort: 8080", ""),
            "out.example:80",
            vec!["out.example port 80"],
            "",
        ),
        (
            "what it selects",
            entry(selecting) + MACHINES,
            "out.example:80",
            vec!["192.0.2.7 192.0.2.7:7070", "shop/reviews-v1-0 REVIEWS:8080"],
            "",
        ),
        ("what it does not select", entry(nobody), "out.example:80", vec![], "no ready endpoint"),
        (
            "what a service selects",
            MACHINES.into(),
            "reviews.shop:80",
            vec!["shop/reviews-v1-0 REVIEWS:8080", "192.0.2.7 192.0.2.7:7070"],
            "",
        ),
    ] {
        let world = World { live: true, ..world(&yaml) };
        let reviews = world.program.workloads().find(|workload| &*workload.workload_name == "reviews-v1").unwrap();
        let address = reviews.addresses[0].to_string();
        let explanation = asked(&world, |question| {
            (question.to, question.method) = (to.into(), "GET".into());
        });
        let expected: Vec<String> = expected.iter().map(|text| text.replace("REVIEWS", &address)).collect();
        assert_eq!(endpoints(&explanation), expected, "{title}: {:?}", explanation.notes);
        assert!(notes(&explanation).contains(note), "{title}: {:?}", explanation.notes);
    }
}

#[test]
fn a_backend_whose_workloads_are_in_quarantine_says_so() {
    let cut_off = "
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: reviews-v1, namespace: shop, labels: {app: reviews, version: v1, ripstop.dev/quarantine: \"true\"}}
spec: {node: east, command: [reviews], ports: [{name: http, containerPort: 8080}]}
";
    let explanation = asked(&world(cut_off), |question| question.method = "GET".into());
    let told = notes(&explanation);
    assert!(told.contains("has no ready endpoint (1 in quarantine, 0 not ready, "), "{told}");
    assert!(told.ends_with("`ripstop quarantine NAME --release` ends a quarantine"), "{told}");
}

#[test]
fn files_tell_no_addresses_that_nobody_has_given() {
    let looks = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: block, namespace: shop}\n\
                 spec: {rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}\n";
    let examples = "which addresses workloads get";
    for (policy, noted) in [("", false), (looks, true)] {
        let world = world(policy);
        let explanation = asked(&world, |question| question.method = "GET".into());
        assert_eq!(explanation.endpoints[0].address, "port 8080");
        assert_eq!(notes(&explanation).contains(examples), noted, "{:?}", explanation.notes);
        let reviews = world.program.workloads().find(|workload| &*workload.workload_name == "reviews-v1").unwrap();
        let to = format!("{}:8080", reviews.addresses[0]);
        let direct = asked(&world, |question| question.to.clone_from(&to));
        assert!(direct.question.ends_with(" to shop/reviews-v1-0:8080"), "{}", direct.question);
        let live = World { live: true, ..world };
        let told = asked(&live, |question| question.to.clone_from(&to));
        assert!(told.question.ends_with(&format!(" to {to}")), "{}", told.question);
        assert!(!notes(&told).contains(examples), "{:?}", told.notes);
    }
}

#[test]
fn nothing_passes_where_no_proxy_serves_what_is_captured() {
    let files = world("");
    let uid = |owner: &str| {
        let found = files.program.workloads().find(|workload| &*workload.workload_name == owner);
        found.unwrap_or_else(|| panic!("{owner}")).uid.clone()
    };
    for (unserved, whose) in [("web", "shop/web-0"), ("reviews-v1", "shop/reviews-v1-0")] {
        let unserved = [(uid(unserved), "its proxy is gone".to_owned())].into();
        let world = World { live: true, unserved, ..files.clone() };
        let told = asked(&world, |question| question.method = "GET".into());
        let connection = told.connection.as_ref().expect("a connection");
        assert_eq!(connection.verdict, "none");
        assert_eq!(connection.reason, format!("of {whose} nothing passes: its proxy is gone"));
        assert_eq!(told.exit_status(), 4);
    }
}

const STRICT: &str = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
";

/// Whoever proves to be `web`.
const WEB: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec:
  rules:
  - from: [{source: {principals: ['cluster.local/ns/shop/sa/web']}}]
---
";

/// Requests alone.
const GET: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: get, namespace: shop}
spec:
  rules:
  - to: [{operation: {methods: [GET]}}]
---
";

#[test]
fn tls_of_a_destination_rule_proves_no_identity_and_goes_inside_of_our_own_tunnels() {
    let rule = |mode: &str| {
        let certificate = if mode == "MUTUAL" { ", clientCertificate: /c.pem, privateKey: /k.pem" } else { "" };
        format!(
            "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: reviews, namespace: shop}}
spec:
  host: reviews.shop.svc.cluster.local
  trafficPolicy: {{tls: {{mode: {mode}{certificate}}}}}
---
"
        )
    };
    for (mode, via, policies, verdict, told) in [
        ("ISTIO_MUTUAL", "sidecar", vec![STRICT, WEB, GET], "ALLOWED", "mutual TLS as"),
        ("SIMPLE", "sidecar", vec![STRICT], "DENIED", "TLS (SIMPLE) by a DestinationRule"),
        ("SIMPLE", "sidecar", vec![], "ALLOWED", "proves no identity"),
        ("SIMPLE", "sidecar", vec![WEB], "DENIED", "proves no identity"),
        ("MUTUAL", "sidecar", vec![STRICT], "DENIED", "certificate of its own (MUTUAL)"),
        ("MUTUAL", "gateway", vec![STRICT], "ALLOWED", "and inside of it TLS with a certificate of its own (MUTUAL)"),
        ("DISABLE", "sidecar", vec![STRICT], "DENIED", "tls.mode DISABLE"),
        // There is a tunnel all the same.
        ("DISABLE", "node", vec![STRICT, WEB, GET], "ALLOWED", "mutual TLS as"),
        ("DISABLE", "gateway", vec![STRICT], "ALLOWED", "mutual TLS as"),
        ("SIMPLE", "node", vec![STRICT, WEB], "ALLOWED", "and inside of it TLS (SIMPLE) by a DestinationRule"),
        // The callee's proxy sees no request in it.
        ("SIMPLE", "node", vec![GET], "DENIED", "and inside of it TLS (SIMPLE)"),
        ("SIMPLE, credentialName: out", "node", vec![], "NOT ROUTED", "names a Secret for it (out)"),
        ("SIMPLE, credentialName: out", "sidecar", vec![], "NOT ROUTED", "only gateways get those"),
        (
            "SIMPLE, credentialName: out",
            "gateway",
            vec![],
            "ALLOWED",
            "and inside of it TLS (SIMPLE) by a DestinationRule",
        ),
        ("SIMPLE", "waypoint", vec![STRICT], "ALLOWED", "and inside of it TLS (SIMPLE) by a DestinationRule"),
    ] {
        let routes = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: shop}
spec:
  hosts: ['*']
  gateways: [edge]
  http: [{route: [{destination: {host: reviews.shop.svc.cluster.local, port: {number: 80}}}]}]
---
";
        let world = world(&format!("{}{}{routes}", rule(mode), policies.concat()));
        let explanation = asked(&world, |question| {
            (question.via, question.method) = (via.into(), "GET".into());
        });
        assert_eq!(explanation.verdict.to_string(), verdict, "{mode} {via}: {explanation:#?}");
        assert!(explanation.endpoints[0].transport.contains(told), "{mode} {via}: {:?}", explanation.endpoints[0]);
    }
}

#[test]
fn a_note_tells_which_endpoints_are_near() {
    let rule = |settings: &str| {
        format!(
            "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: out, namespace: shop}}
spec:
  host: out.example
  trafficPolicy:
    loadBalancer: {{localityLbSetting: {{{settings}}}}}
    outlierDetection: {{consecutive5xxErrors: 5}}
---
"
        )
    };
    let zones = "  resolution: STATIC
  endpoints:
  - {address: 192.0.2.1, labels: {app: db, version: v1}}
  - {address: 192.0.2.2, labels: {app: web, version: v2}}";
    for (settings, note) in [
        ("enabled: true, failoverPriority: [app]", "out.example:80 by locality: 192.0.2.2; if those fail 192.0.2.1"),
        ("enabled: false", ""),
    ] {
        let explanation = asked(&world(&(entry(zones) + &rule(settings))), |question| {
            (question.to, question.method) = ("out.example:80".into(), "GET".into());
        });
        assert_eq!(notes(&explanation), note, "{settings}");
    }
}

#[test]
fn a_note_tells_what_telemetry_records() {
    let telemetry = |spec: &str| {
        format!(
            "
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {{name: t, namespace: shop}}
spec: {{{spec}}}
"
        )
    };
    for (yaml, note) in [
        (String::new(), ""),
        (
            telemetry("accessLogging: [{providers: [{name: envoy}]}]"),
            "at shop/reviews-v1: access log to envoy (Telemetry/shop/t/1/spec.accessLogging[0] (group.yaml:5))",
        ),
        (
            telemetry("tracing: [{disableSpanReporting: true}]"),
            "at shop/reviews-v1: no traces (Telemetry/shop/t/1/spec.tracing[0] (group.yaml:5))",
        ),
    ] {
        let explanation = asked(&world(&yaml), |question| question.method = "GET".into());
        assert_eq!(notes(&explanation), note, "{yaml}");
    }
}

#[test]
fn what_a_connection_begins_with_hides_its_requests_from_whoever_authorizes() {
    let rule = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews.shop.svc.cluster.local
  trafficPolicy: {proxyProtocol: {version: V2}}
---
";
    for (via, policies, verdict) in [("node", vec![STRICT, WEB], "ALLOWED"), ("node", vec![GET], "DENIED")] {
        let world = world(&format!("{rule}{}", policies.concat()));
        let explanation = asked(&world, |question| {
            (question.via, question.method) = (via.into(), "GET".into());
        });
        assert_eq!(explanation.verdict.to_string(), verdict, "{policies:?}: {explanation:#?}");
        let endpoint = &explanation.endpoints[0];
        assert!(endpoint.transport.contains("begun by the PROXY protocol (V2)"), "{endpoint:?}");
        let settings = &explanation.route.backends[0].settings;
        assert!(format!("{settings:?}").contains("connections begin with the PROXY protocol (V2)"), "{settings:?}");
    }
}
