//! What shapes traffic, on its way to proxies.

use std::sync::Arc;

use ripstop_decide::{
    CallFacts, Client as Caller, Outcome, Program, RequestFacts, Role, Token, backend_policy, outcome,
};
use ripstop_model::{ObjectMap, OutboundPolicy, Traffic};
use ripstop_wire::type_url;
use ripstop_xds::Role as Part;

use super::harness::Mesh;

const ROUTES: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec:
  hosts: [cart]
  http:
  - match: [{uri: {prefix: /beta}}]
    route: [{destination: {host: cart, subset: v2}}]
  - route: [{destination: {host: cart, subset: v1}}]
";

const RULES: &str = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec:
  host: cart
  trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 7}}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
";

/// Something of every other kind.
const OTHERS: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  meshConfig:
    outboundTrafficPolicy: {mode: REGISTRY_ONLY}
    connectTimeout: 3s
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example]
    tls: {mode: SIMPLE, credentialName: shop-cert}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: bank, namespace: shop}
spec:
  hosts: [bank.example, '*.bank.example']
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: NONE
  exportTo: ['.']
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: shop}
spec: {address: 192.0.2.7, labels: {app: cart}, ports: {http: 8080}, serviceAccount: cart}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms, namespace: shop}
spec:
  template: {serviceAccount: cart}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec:
  egress: [{hosts: ['./*', '*/bank.example']}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: idp, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  jwtRules: [{issuer: https://idp.example, jwksUri: https://idp.example/keys, audiences: [cart]}]
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs, namespace: shop}
spec:
  accessLogging: [{providers: [{name: envoy}], filter: {expression: response.code >= 500}}]
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: threads, namespace: shop}
spec: {concurrency: 2, environmentVariables: {A: b}}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: cart, namespace: shop}
spec:
  targetRefs: [{kind: Service, name: cart}]
  rateLimits: [{requests: 10, interval: 1s, per: {identity: {}}}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: edge, namespace: shop, annotations: {proxy.istio.io/config: 'gatewayTopology: {numTrustedProxies: 1}'}}
spec: {role: gateway}
";

/// Puts a file into the mesh's directory, all at once.
fn write(mesh: &Mesh, name: &str, text: &str) {
    let aside = mesh.path("aside");
    std::fs::write(&aside, text).unwrap();
    std::fs::rename(aside, mesh.path("dir").join(name)).unwrap();
}

/// The subset of `cart` that a request goes to; nothing: no rule says so.
fn subset(program: &Program, path: &str) -> Option<String> {
    let request = RequestFacts {
        method: "GET",
        scheme: "http",
        authority: "cart",
        path,
        query: "",
        headers: &[],
        token: Token::Absent,
    };
    let facts = CallFacts {
        role: Role::Node,
        source: None,
        host: Some("cart.shop.svc.cluster.local"),
        address: None,
        port: 80,
        sni: None,
        request: Some(&request),
    };
    let Outcome::Forward { rule: Some(_), backends } = outcome(program, &facts) else { return None };
    assert_eq!(backends.len(), 1);
    assert_eq!(backends[0].missing, None, "it has a rule and a subset");
    backends[0].backend.subset.as_deref().map(str::to_owned)
}

fn leads(program: &Program, path: &str, to: Option<&str>) -> Option<()> {
    (subset(program, path).as_deref() == to).then_some(())
}

/// What a proxy has of it.
fn at_proxies(traffic: &Traffic) -> Traffic {
    Traffic { groups: ObjectMap::new(), ..traffic.clone() }
}

#[tokio::test]
async fn an_edited_route_acts_at_the_proxy_with_the_next_commit() {
    let mesh = Mesh::start().await;
    let mut node = mesh.join(Part::Node, "n1").await;
    let mut agent = mesh.join(Part::Agent, "n1").await;
    write(&mesh, "rules.yaml", RULES);
    node.until(|program| (!program.traffic().backends.is_empty()).then_some(())).await;
    assert_eq!(node.types, [type_url::BACKENDS]);
    assert_eq!(subset(&node.program, "/beta/1"), None, "no route says so");
    let caller = Caller { namespace: "shop", labels: None };
    let host = "cart.shop.svc.cluster.local";
    let policy = backend_policy(&node.program, caller, host, "shop").expect("a rule for the host");
    assert_eq!(policy.policy.general.pool.as_ref().unwrap().max_pending_requests, Some(7));

    write(&mesh, "routes.yaml", ROUTES);
    node.until(|program| leads(program, "/beta/1", Some("v2"))).await;
    assert_eq!(node.types, [type_url::ROUTE_TABLE]);
    assert_eq!(subset(&node.program, "/other").as_deref(), Some("v1"));
    assert_eq!(node.program.version(), mesh.published().version());
    let before = node.program.clone();

    write(&mesh, "routes.yaml", &ROUTES.replace("/beta", "/gamma"));
    node.until(|program| leads(program, "/beta/1", Some("v1"))).await;
    assert_eq!(node.types, [type_url::ROUTE_TABLE], "one object changed, and one travels");
    assert_eq!(subset(&node.program, "/gamma").as_deref(), Some("v2"));
    assert_eq!(node.program.version(), before.version() + 1);
    assert_eq!(subset(&before, "/beta/1").as_deref(), Some("v2"), "a program does not change under a request");
    for (name, policies) in &before.traffic().backends {
        assert!(Arc::ptr_eq(policies, &node.program.traffic().backends[name]), "the rest is the same");
    }

    std::fs::remove_file(mesh.path("dir/routes.yaml")).unwrap();
    node.until(|program| leads(program, "/gamma", None)).await;
    assert_eq!(node.types, [type_url::ROUTE_TABLE]);
    assert!(node.program.traffic().routes.is_empty());
    std::fs::remove_file(mesh.path("dir/rules.yaml")).unwrap();
    node.until(|program| program.traffic().backends.is_empty().then_some(())).await;
    assert!(backend_policy(&node.program, caller, host, "shop").is_none());

    // An agent decides about connections alone: it follows the commits, and is sent nothing of this.
    let version = node.program.version();
    agent.until(|program| (program.version() == version).then_some(())).await;
    assert_eq!(agent.program.traffic(), &Traffic::default());
}

#[tokio::test]
async fn every_kind_reaches_the_proxy_and_its_disk() {
    let mut mesh = Mesh::start().await;
    let mut node = mesh.join(Part::Node, "n1").await;
    write(&mesh, "all.yaml", &[ROUTES, RULES, OTHERS].join("---\n"));
    node.until(|program| (!program.traffic().process_proxies.is_empty()).then_some(())).await;
    let published = mesh.published();
    let expected = at_proxies(published.traffic());
    {
        let Traffic {
            defaults,
            routes,
            backends,
            gateways,
            entries,
            endpoints,
            groups,
            scopes,
            request_authentications,
            telemetries,
            proxy_settings,
            policies,
            process_proxies,
        } = published.traffic();
        assert_eq!(defaults.outbound, OutboundPolicy::RegistryOnly);
        let counts = [
            routes.len(),
            backends.len(),
            gateways.len(),
            entries.len(),
            endpoints.len(),
            groups.len(),
            scopes.len(),
            request_authentications.len(),
            telemetries.len(),
            proxy_settings.len(),
            policies.len(),
            process_proxies.len(),
        ];
        assert_eq!(counts, [1; 12]);
    }
    assert_eq!(node.program.traffic(), &expected);
    // Entries are found by the selector of the service, and seen by whom their object says.
    let cart = node.program.services_named("cart.shop.svc.cluster.local").next().unwrap();
    let found: Vec<_> = ripstop_decide::service_entries(&node.program, cart).map(|entry| entry.weight).collect();
    assert_eq!(found, [1]);

    // Both gone, and the proxy alone back: all of it is on its disk.
    let version = node.program.version();
    mesh.stop().await;
    drop(node);
    let mut node = mesh.restart(Part::Node, "n1").await;
    node.until(|program| (program.version() > 0).then_some(())).await;
    assert_eq!(node.program.version(), version);
    assert_eq!(node.program.traffic(), &expected);
    assert_eq!(subset(&node.program, "/beta").as_deref(), Some("v2"));

    // And nothing of it is sent again when the control plane is back.
    mesh.resume().await;
    node.until(|program| (program.version() > version).then_some(())).await;
    assert!(node.types.is_empty(), "{:?}", node.types);
    assert_eq!(node.program.traffic(), &expected);
}
