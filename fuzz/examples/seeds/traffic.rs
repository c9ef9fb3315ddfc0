//! A push with something of every kind that shapes traffic.

use ripstop_compile::{Declared, Objects};
use ripstop_explain::offline;
use ripstop_model::Traffic;
use ripstop_store::read_texts;
use ripstop_wire::{
    discovery::{Any, Resource},
    encode_traffic,
};

const OBJECTS: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec: {meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, connectTimeout: 3s, defaultConfig: {gatewayTopology: {forwardClientCertDetails: APPEND_FORWARD}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec:
  hosts: [cart]
  http:
  - match: [{uri: {prefix: /beta}, headers: {x-user: {regex: a.*}}, port: 80}]
    rewrite: {uri: /}
    route: [{destination: {host: cart, subset: v2}, weight: 9, headers: {request: {set: {a: b}}}}]
    timeout: 2s
    retries: {attempts: 2, perTryTimeout: 500ms}
    fault: {delay: {fixedDelay: 1s, percentage: {value: 0.5}}}
    mirror: {host: cart, subset: v1}
    corsPolicy: {allowOrigins: [{exact: https://a.example}], maxAge: 1h}
  - match: [{uri: {exact: /old}}]
    redirect: {uri: /new, redirectCode: 308}
  - directResponse: {status: 404, body: {string: nobody}}
  tcp:
  - match: [{destinationSubnets: [10.0.0.0/8]}]
    route: [{destination: {host: cart}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec:
  host: cart
  trafficPolicy:
    connectionPool: {http: {http1MaxPendingRequests: 7}, tcp: {maxConnections: 9, tcpKeepalive: {probes: 3}}}
    outlierDetection: {consecutive5xxErrors: 3}
    loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: 1s}}}
    tls: {mode: SIMPLE, sni: cart.example}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop/shop.example]
    tls: {mode: SIMPLE, credentialName: shop-cert}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: bank, namespace: shop}
spec:
  hosts: [bank.example, '*.bank.example']
  addresses: [192.0.2.0/24]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: STATIC
  endpoints: [{address: 192.0.2.1, ports: {tls: 8443}, locality: a/b/c}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: shop}
spec: {address: 192.0.2.7, labels: {app: cart}, serviceAccount: cart}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec:
  egress: [{hosts: ['./*', '*/bank.example']}]
  outboundTrafficPolicy: {mode: ALLOW_ANY}
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
metadata: {name: all, namespace: shop}
spec:
  tracing: [{randomSamplingPercentage: 5, customTags: {t: {literal: {value: v}}}}]
  metrics: [{overrides: [{match: {metric: REQUEST_COUNT}, tagOverrides: {t: {value: request.host}}}]}]
  accessLogging: [{filter: {expression: response.code >= 500}}]
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
  targetRefs: [{kind: Service, name: cart, sectionName: http}]
  rateLimits:
  - {requests: 10, interval: 1s, burst: 20, per: {identity: {}}, match: {path: {prefix: /api}, methods: [GET]}}
  - {requests: 5, interval: 1m, per: {header: x-user}, match: {headers: {x-user: {}}}, status: 503, dryRun: true}
  globalRateLimits:
  - service: {host: ratelimit.limits.svc.cluster.local, port: 8081}
    domain: shop
    descriptors:
    - entries: [{identity: {}}, {header: x-user, key: user, default: nobody}]
    - entries: [{constant: all, key: generic_key}, {path: {}}, {method: {}}, {host: {}}, {sourceAddress: {}}, {destinationWorkload: {}}, {destinationService: {}}]
    match: {path: {prefix: /api}}
    hitsAddend: 2
    timeout: 50ms
    failureMode: Deny
    status: 503
    headers: false
    dryRun: true
  loadBalancer: {peakEwma: {decay: 5s, defaultRtt: 10ms, penalty: 2s}}
  healthChecks: {http: {path: /healthz, expectedStatuses: [200, 204]}, interval: 5s, jitter: 1s}
  adaptiveConcurrency: {percentile: 90, minRtt: {interval: 30s}}
  hedging: {percentile: 95, methods: [GET]}
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: edge
  namespace: shop
  annotations: {proxy.istio.io/config: 'gatewayTopology: {numTrustedProxies: 2, proxyProtocol: {}}'}
spec: {role: gateway}
";

/// One resource of each object above.
pub(crate) fn resources() -> Vec<Resource> {
    let read = read_texts(vec![("all.yaml".to_owned(), OBJECTS.to_owned())]);
    let declared = read.objects.iter().map(|(id, stored)| {
        let object = stored.object.clone();
        (id.clone(), Declared { object, created: 1, generation: 1 })
    });
    let objects: Objects = declared.collect();
    let (world, _) = offline::world(&objects);
    let changes = Traffic::default().changes_to(world.program.traffic());
    let resources: Vec<Resource> = changes
        .iter()
        .filter_map(encode_traffic)
        .map(|resource| Resource {
            version: resource.version.to_string(),
            name: resource.name.to_string(),
            resource: resource.body.map(|value| Any { type_url: resource.type_url.to_owned(), value }),
            aliases: Vec::new(),
        })
        .collect();
    assert_eq!(resources.len(), 12, "one of each kind: {:?}", resources.iter().map(|one| &one.name));
    resources
}
