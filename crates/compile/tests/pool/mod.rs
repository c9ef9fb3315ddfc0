//! Objects of every kind, each in several versions, that hang on one another.

use std::sync::{Arc, OnceLock};

use ripstop_api::{Object, parse_file};

/// One object in all of its versions.
pub struct Slot {
    pub versions: Vec<Arc<Object>>,
}

/// Everything that a mesh of these tests may hold. Settings are valid in every version: of an invalid one
/// the former stays, so that there history decides on purpose.
pub fn slots() -> &'static [Slot] {
    static READ: OnceLock<Vec<Slot>> = OnceLock::new();
    READ.get_or_init(read)
}

fn read() -> Vec<Slot> {
    SLOTS
        .iter()
        .map(|(head, versions)| {
            let text =
                |rest: &str| head.lines().chain(rest.lines()).fold(String::new(), |text, line| text + line + "\n");
            let read = |(at, rest): (usize, &&str)| {
                let parsed = parse_file(
                    &format!("{}-{at}.yaml", head.replace(|c: char| !c.is_alphanumeric(), "-")),
                    &text(rest),
                );
                assert!(parsed.broken.is_empty() && !parsed.unreadable, "{head}\n{rest}\n{:#?}", parsed.findings);
                let [object] = <[Object; 1]>::try_from(parsed.objects).expect("one object");
                Arc::new(object)
            };
            Slot { versions: versions.iter().enumerate().map(read).collect() }
        })
        .collect()
}

const SLOTS: &[(&str, &[&str])] = &[
    // Settings, nodes.
    (
        "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}",
        &[
            "spec: {}",
            "spec: {serviceDomain: svc.example, metricsPort: 9999}",
            "spec: {trustDomain: example.org, mtls: {mode: STRICT}}",
            "spec: {rootNamespace: bank, clusterId: c1}",
            "spec: {meshConfig: {defaultVirtualServiceExportTo: [.], trustDomainAliases: [old.example]}}",
        ],
    ),
    (
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {name: mesh, namespace: istio-system}",
        &[
            "spec: {meshConfig: {defaultHttpRetryPolicy: {attempts: 5}}}",
            "spec: {meshConfig: {extensionProviders: [{name: gate, envoyExtAuthzHttp: {service: gate.shop, port: 80}}]}}",
            "spec: {meshConfig: {defaultServiceExportTo: [.], defaultDestinationRuleExportTo: [.], connectTimeout: 3s}}",
        ],
    ),
    (
        "apiVersion: ripstop.dev/v1alpha1\nkind: Node\nmetadata: {name: a}",
        &["spec: {}", "spec: {podCIDR: 10.1.0.0/24}"],
    ),
    (
        "apiVersion: ripstop.dev/v1alpha1\nkind: Node\nmetadata: {name: b, labels: {zone: b}}",
        &["spec: {}", "spec: {podCIDR: 10.1.0.0/16}"],
    ),
    // Namespaces, accounts, what runs.
    (
        "apiVersion: v1\nkind: Namespace",
        &[
            "metadata: {name: shop}",
            "metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}",
            "metadata: {name: shop, labels: {istio-injection: enabled}}",
            "metadata: {name: shop, labels: {istio.io/dataplane-mode: none}}",
        ],
    ),
    (
        "apiVersion: v1\nkind: Namespace",
        &["metadata: {name: bank}", "metadata: {name: bank, labels: {istio.io/dataplane-mode: ambient}}"],
    ),
    ("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: cart, namespace: shop}", &[""]),
    ("apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: shop}", &["data: {a: YQ==}", "data: {a: Yg==}"]),
    (
        "apiVersion: ripstop.dev/v1alpha1\nkind: Process",
        &[
            "metadata: {name: web, namespace: shop, labels: {app: web, version: v1}}\nspec: {command: [serve], ports: [{name: web, containerPort: 8080}]}",
            "metadata: {name: web, namespace: shop, labels: {app: cart}}\nspec: {command: [serve], serviceAccountName: crat, node: b}",
            "metadata: {name: web, namespace: shop, labels: {app: web, istio.io/dataplane-mode: none}}\nspec: {command: [serve], node: nowhere}",
            "metadata: {name: web, namespace: shop, labels: {app: web, networking.istio.io/tunnel: http}}\nspec: {command: [serve], readinessProbe: {httpGet: {port: 8080}}}",
        ],
    ),
    (
        "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {name: cart, namespace: bank, labels: {app: cart}}",
        &["spec: {command: [serve], node: a}", "spec: {command: [serve], node: b, replicas: 2}"],
    ),
    // Services.
    (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}",
        &[
            "spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: web}]}",
            "spec: {selector: {app: web}, ports: [{name: http, port: 8080, targetPort: 8080}, {name: tcp, port: 9000}]}",
            "spec: {selector: {app: web}, clusterIP: 240.240.0.10, ports: [{port: 80}]}",
            "spec: {selector: {app: web}, clusterIP: 10.96.0.1, ports: [{name: a, port: 80}, {name: b, port: 53, protocol: UDP}]}",
            "spec: {selector: {app: web}, clusterIP: None, ports: [{port: 80}]}",
        ],
    ),
    (
        "apiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}",
        &[
            "spec: {selector: {app: cart}, ports: [{name: grpc, port: 80, targetPort: 8080}]}",
            "spec: {selector: {app: cart}, clusterIP: 240.240.0.10, ports: [{port: 80}]}",
            "spec: {selector: {app: cart}, clusterIP: 240.240.0.11, ports: [{port: 53, protocol: UDP}]}",
        ],
    ),
    (
        "apiVersion: v1\nkind: Service",
        &[
            "metadata: {name: cart, namespace: bank}\nspec: {selector: {app: cart}, ports: [{name: http, port: 80}]}",
            "metadata: {name: cart, namespace: bank}\nspec: {selector: {app: cart}, clusterIP: 240.240.0.10, ports: [{name: http, port: 80}]}",
            "metadata: {name: cart, namespace: bank, annotations: {networking.istio.io/exportTo: .}}\nspec: {ports: [{name: http, port: 80}]}",
        ],
    ),
    // Routes, one below another.
    (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}",
        &[
            "spec: {hosts: [web], http: [{match: [{uri: {prefix: /money}}], delegate: {name: money, namespace: bank}}, {route: [{destination: {host: web}}]}]}",
            "spec: {hosts: [web], http: [{delegate: {name: parts}}]}",
            "spec: {hosts: [web, cart], exportTo: [.], http: [{route: [{destination: {host: web, subset: v1}}]}]}",
        ],
    ),
    (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: cart, namespace: shop}",
        &[
            "spec: {hosts: [cart], http: [{match: [{uri: {prefix: /money}}], delegate: {name: money, namespace: bank}}]}",
            "spec: {hosts: [cart], tcp: [{route: [{destination: {host: cart}}]}]}",
        ],
    ),
    (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: money, namespace: bank}",
        &[
            "spec: {http: [{match: [{uri: {prefix: /money/in}}], route: [{destination: {host: cart}}]}]}",
            "spec: {exportTo: [.], http: [{route: [{destination: {host: cart}}]}]}",
            "spec: {hosts: [cart], http: [{route: [{destination: {host: cart}}]}]}",
        ],
    ),
    (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: parts, namespace: shop}",
        &["spec: {http: [{route: [{destination: {host: cart}}]}]}", "spec: {http: [{redirect: {uri: /there}}]}"],
    ),
    // Rules for one host, which become one.
    (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web-a, namespace: shop}",
        &[
            "spec: {host: web, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}, subsets: [{name: v1, labels: {version: v1}}]}",
            "spec: {host: web.shop.svc.cluster.local, subsets: [{name: v2, labels: {version: v2}}]}",
            "spec: {host: cart, workloadSelector: {matchLabels: {app: web}}, subsets: [{name: v1, labels: {version: v1}}]}",
        ],
    ),
    (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web-b, namespace: shop}",
        &[
            "spec: {host: web, subsets: [{name: v1, labels: {version: other}}, {name: v3, labels: {version: v3}}]}",
            "spec: {host: web, exportTo: [.], trafficPolicy: {loadBalancer: {simple: RANDOM}}}",
        ],
    ),
    (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web-c, namespace: shop}",
        &["spec: {host: '*.shop.svc.cluster.local'}", "spec: {host: web, trafficPolicy: {tls: {mode: DISABLE}}}"],
    ),
    // Everything else that shapes traffic.
    (
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: edge, namespace: shop}",
        &[
            "spec: {selector: {app: edge}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}",
            "spec: {selector: {app: edge}, servers: [{port: {number: 81, name: tcp, protocol: TCP}, hosts: [./a.example]}]}",
        ],
    ),
    (
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: out, namespace: shop}",
        &[
            "spec: {hosts: [a.example], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}",
            "spec: {hosts: [a.example, b.example], exportTo: [.], addresses: [192.0.2.0/24], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 192.0.2.9}]}",
        ],
    ),
    (
        "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm, namespace: shop}",
        &["spec: {address: 192.0.2.7, labels: {app: vm}}", "spec: {address: 192.0.2.8, weight: 3}"],
    ),
    (
        "apiVersion: networking.istio.io/v1\nkind: WorkloadGroup\nmetadata: {name: vms, namespace: shop}",
        &[
            "spec: {template: {serviceAccount: vm}}",
            "spec: {metadata: {labels: {app: vm}}, template: {ports: {http: 80}}}",
        ],
    ),
    (
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default, namespace: shop}",
        &[
            "spec: {egress: [{hosts: ['./*', 'istio-system/*']}]}",
            "spec: {workloadSelector: {labels: {app: web}}, outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ['bank/*']}]}",
        ],
    ),
    // Policies.
    (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ask, namespace: shop}",
        &[
            "spec: {action: CUSTOM, provider: {name: gate}, rules: [{to: [{operation: {paths: [/a*]}}]}]}",
            "spec: {rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}",
            "spec: {selector: {matchLabels: {app: web}}, action: DENY, rules: [{from: [{source: {serviceAccounts: [cart]}}]}]}",
        ],
    ),
    (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy",
        &[
            "metadata: {name: none, namespace: istio-system}\nspec: {}",
            "metadata: {name: none, namespace: istio-system, annotations: {istio.io/dry-run: 'true'}}\nspec: {rules: [{}]}",
        ],
    ),
    (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: one, namespace: shop}",
        &["spec: {mtls: {mode: STRICT}}", "spec: {selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}"],
    ),
    (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: two, namespace: shop}",
        &["spec: {mtls: {mode: PERMISSIVE}}", "spec: {selector: {matchLabels: {app: web}}}"],
    ),
    (
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: shop}",
        &[
            "spec: {jwtRules: [{issuer: 'https://idp', jwksUri: 'https://idp/keys'}]}",
            "spec: {selector: {matchLabels: {app: web}}, jwtRules: [{issuer: 'https://other', jwksUri: 'https://other/keys'}]}",
        ],
    ),
    (
        "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: log, namespace: shop}",
        &["spec: {accessLogging: [{disabled: true}]}", "spec: {tracing: [{randomSamplingPercentage: 10}]}"],
    ),
    (
        "apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: {name: all, namespace: shop}",
        &["spec: {concurrency: 1}", "spec: {concurrency: 2, environmentVariables: {A: b}}"],
    ),
    (
        "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: limits, namespace: shop}",
        &[
            "spec: {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 1}]}",
            "spec: {targetRefs: [{kind: Service, name: db, sectionName: http}], rateLimits: [{requests: 2, dryRun: true}]}",
            "spec: {targetRefs: [{kind: Service, name: web}], loadBalancer: {peakEwma: {decay: 5s}}}",
            "spec: {targetRefs: [{kind: Service, name: web}], healthChecks: {http: {path: /healthz}, interval: 5s}}",
            "spec: {targetRefs: [{kind: Service, name: web}], adaptiveConcurrency: {maxConcurrency: 50}}",
            "spec: {targetRefs: [{kind: Service, name: web}], hedging: {delay: 50ms}}",
        ],
    ),
];
