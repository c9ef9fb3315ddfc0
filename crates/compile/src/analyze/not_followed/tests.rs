use super::*;
use crate::{
    analyze::{
        table::{check, ground, object, process, told},
        tests::pems::filled,
    },
    tests::{World, now},
};

#[test]
fn objects() {
    let spec = |kind: &str| match kind {
        "VirtualService" => "{hosts: [cart], http: [{route: [{destination: {host: cart}}]}]}",
        "DestinationRule" => "{host: cart}",
        "Gateway" => "{servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}",
        "ServiceEntry" => "{hosts: [a.example], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}",
        "WorkloadEntry" => "{address: 10.0.0.1}",
        "WorkloadGroup" => "{template: {serviceAccount: cart}}",
        "Sidecar" => "{egress: [{hosts: ['./*']}]}",
        "RequestAuthentication" => "{jwtRules: [{issuer: a.example}]}",
        "Telemetry" => "{tracing: [{randomSamplingPercentage: 1}]}",
        _ => "{concurrency: 1}",
    };
    for kind in
        ["VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "WorkloadEntry", "WorkloadGroup", "Sidecar"]
    {
        check(CODES, &[(kind, object(kind, "shop", "cart", spec(kind)), &[])]);
    }
    let mirror = "{hosts: [cart], gateways: [mesh, outer], http: [{route: [{destination: {host: cart}}], mirror: {host: shadow}}]}";
    let proxied = "{host: cart, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}, proxyProtocol: {version: V1}}}";
    check(
        CODES,
        &[
            ("routes at gateways", object("VirtualService", "shop", "cart", mirror), &[]),
            ("parts of rules for backends", object("DestinationRule", "shop", "cart", proxied), &[]),
        ],
    );
    let tunnel = |protocol: &str| {
        let tunnel = format!("tunnel: {{targetHost: a.example, targetPort: 443{protocol}}}");
        let subset = format!("subsets: [{{name: v1, trafficPolicy: {{{tunnel}}}}}]");
        object("DestinationRule", "shop", "cart", &format!("{{host: cart, trafficPolicy: {{{tunnel}}}, {subset}}}"))
    };
    let post = |column: u32, path: &str| {
        format!(
            "5:{column}: warning RS227 DestinationRule/shop/cart spec.{path}.tunnel.protocol: connections to it fail: \
             forward proxies are asked by CONNECT only, as hardly any but Envoy passes on the bodies of a request and of \
             its answer at the same time (write CONNECT)"
        )
    };
    let (one, other) = (post(95, "trafficPolicy"), post(199, "subsets[0].trafficPolicy"));
    check(
        CODES,
        &[
            ("forward proxies", tunnel(", protocol: CONNECT"), &[]),
            ("as if nothing were said", tunnel(""), &[]),
            ("asked otherwise", tunnel(", protocol: POST"), &[&one, &other]),
        ],
    );
    let kind = "RequestAuthentication";
    let expected = "5:7: info RS224 RequestAuthentication/shop/cart spec: it is read, checked and explained, traffic does \
                    not follow it yet";
    check(CODES, &[(kind, object(kind, "shop", "cart", spec(kind)), &[expected])]);
    let listening = "{ingress: [{port: {number: 80, protocol: HTTP, name: http}, defaultEndpoint: '127.0.0.1:8080'}], egress: [{captureMode: NONE, hosts: ['./*']}], inboundConnectionPool: {tcp: {maxConnections: 1}, http: {http2MaxRequests: 1, h2UpgradePolicy: UPGRADE}}}";
    let socket = "{egress: [{bind: 'unix:///run/a', port: {protocol: HTTP, name: http}, hosts: ['./*']}]}";
    check(
        CODES,
        &[
            (
                "what a sidecar has nothing to do with",
                object("Sidecar", "shop", "cart", listening),
                &[
                    "5:127: info RS274 Sidecar/shop/cart spec.egress[0].captureMode: a listener without port has no \
                     address of its own to be reached by: its hosts are those of calls that are captured (give it a `port`)",
                    "5:246: info RS274 Sidecar/shop/cart spec.inboundConnectionPool.http.h2UpgradePolicy: as in \
                     Istio, nothing is upgraded on its way in: the application is asked by the version of HTTP that its caller \
                     speaks",
                ],
            ),
            (
                "a socket for its calls",
                object("Sidecar", "shop", "cart", socket),
                &["5:24: warning RS262 Sidecar/shop/cart spec.egress[0].bind: nobody listens there, and its \
                     hosts are not known by it: sockets of the file system are not supported, because proxies live outside of the \
                     file systems of workloads, where a path would lead elsewhere (write an IP address and a port: `bind: \
                     127.0.0.1`)"],
            ),
        ],
    );
    check(CODES, &[("ProxyConfig", object("ProxyConfig", "shop", "cart", spec("ProxyConfig")), &[])]);
    let telemetry = |spec| object("Telemetry", "shop", "cart", spec);
    check(
        CODES,
        &[
            (
                "tracing",
                telemetry(spec("Telemetry")),
                &["5:17: info RS224 Telemetry/shop/cart spec.tracing: requests that are routed get the headers of a \
                trace, but no spans are reported yet"],
            ),
            (
                "a filter",
                telemetry("{accessLogging: [{}, {filter: {expression: 'true'}}]}"),
                &["5:37: info RS224 Telemetry/shop/cart spec.accessLogging[1].filter: filters are not evaluated \
                yet: every request is logged"],
            ),
            ("metrics and logs", telemetry("{metrics: [{}], accessLogging: [{}]}"), &[]),
        ],
    );
    check(
        CODES,
        &[("what is followed", ground("shop", &["cart"]) + &object("PeerAuthentication", "shop", "p", "{}"), &[])],
    );
}

#[test]
fn policies() {
    let policy = |name: &str, spec: &str| object("AuthorizationPolicy", "shop", name, spec);
    let provider = object(
        "Mesh",
        "",
        "default",
        "{meshConfig: {extensionProviders: [{name: by-http, envoyExtAuthzHttp: {service: a.shop, port: 80}}]}}",
    );
    let custom = |name: &str| {
        provider.clone() + &policy("ask", &format!("{{action: CUSTOM, provider: {{name: {name}}}, rules: [{{}}]}}"))
    };
    check(
        CODES,
        &[
            ("allow and deny", policy("a", "{}") + &policy("b", "{action: DENY, rules: [{}]}"), &[]),
            (
                "audit",
                policy("a", "{action: AUDIT, rules: [{}]}"),
                &["5:16: info RS224 AuthorizationPolicy/shop/a spec.action: what matches is counted \
                (ripstop config policies), and not written to a log yet"],
            ),
            ("an authorizer, of which another rule tells", custom("by-http"), &[]),
            ("on trial", policy("a annotations: {istio.io/dry-run: 'true'}", "{}"), &[]),
            ("no trial", policy("a annotations: {istio.io/dry-run: 'false'}", "{}"), &[]),
            (
                "of tokens",
                policy("a", "{action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}"),
                &["5:70: warning RS227 AuthorizationPolicy/shop/a spec.rules[0].from[0].source.notRequestPrincipals: \
                notRequestPrincipals is judged as if no request had a token: none is read yet. A DENY for those without \
                one refuses everybody, an ALLOW for those with one lets nobody in"],
            ),
            (
                "attached",
                policy("a", "{targetRefs: [{kind: Service, name: cart}]}"),
                &["5:21: warning RS254 AuthorizationPolicy/shop/a spec.targetRefs[0]: it is not enforced: \
                 Service cart has no waypoint (label istio.io/use-waypoint), and nobody else enforces it \
                 (give it a waypoint, or select workloads by spec.selector)"],
            ),
            (
                "attached to one",
                policy("a", "{targetRef: {kind: Service, name: cart}}"),
                &["5:19: warning RS254 AuthorizationPolicy/shop/a spec.targetRef: it is not enforced: \
                 Service cart has no waypoint (label istio.io/use-waypoint), and nobody else enforces it \
                 (give it a waypoint, or select workloads by spec.selector)"],
            ),
            (
                "several parts",
                policy(
                    "a annotations: {istio.io/dry-run: 'true'}",
                    "{action: AUDIT, rules: [{}], targetRefs: [{kind: Service, name: cart}]}",
                ),
                &[
                    "5:16: info RS224 AuthorizationPolicy/shop/a spec.action: what matches is counted \
                (ripstop config policies), and not written to a log yet",
                    "5:49: warning RS254 AuthorizationPolicy/shop/a spec.targetRefs[0]: it is not enforced: \
                 Service cart has no waypoint (label istio.io/use-waypoint), and nobody else enforces it \
                 (give it a waypoint, or select workloads by spec.selector)",
                ],
            ),
        ],
    );
}

#[test]
fn policies_for_waypoints() {
    let service = |labels: &str| {
        let spec = "{selector: {app: cart}, ports: [{name: http, port: 80}]}";
        object("Service", "shop", &format!("cart labels: {{{labels}}}"), spec)
    };
    let front = object("Process", "shop", "front", "{role: waypoint}");
    let attached = |namespace: &str, kind: &str, name: &str| {
        let group = if kind.starts_with("Gateway") { "group: gateway.networking.k8s.io, " } else { "" };
        let spec = format!("{{targetRefs: [{{{group}kind: {kind}, name: {name}}}]}}");
        object("AuthorizationPolicy", namespace, "a", &spec)
    };
    let named = "istio.io/use-waypoint: front";
    check(
        CODES,
        &[
            ("a service", attached("shop", "Service", "cart") + &front + &service(named), &[]),
            ("a waypoint", attached("shop", "Gateway", "front") + &front, &[]),
            ("all waypoints", attached("istio-system", "GatewayClass", "istio-waypoint"), &[]),
            (
                "no waypoint",
                attached("shop", "Gateway", "edge") + &front,
                &["5:21: warning RS254 AuthorizationPolicy/shop/a spec.targetRefs[0]: it is not enforced: \
                 there is no waypoint shop/edge, and nobody else enforces it \
                 (give it a waypoint, or select workloads by spec.selector)"],
            ),
            (
                "another class",
                attached("istio-system", "GatewayClass", "istio"),
                &["5:21: warning RS254 AuthorizationPolicy/istio-system/a spec.targetRefs[0]: it is not enforced: \
                 only policies of namespace istio-system are attached to a class, and only to istio-waypoint \
                 (give it a waypoint, or select workloads by spec.selector)"],
            ),
            (
                "a gateway's waypoint, and a canary",
                object("Process", "shop", &format!("cart labels: {{{named}}}"), "{role: gateway}")
                    + &service("istio.io/use-waypoint-canary: next"),
                &[
                    "4:73: info RS274 Process/shop/cart metadata.labels.istio.io/use-waypoint: a proxy of the mesh is called \
                through no waypoint: its callers are led on by itself (remove it)",
                ],
            ),
            (
                "for workloads",
                object("Process", "shop", "front labels: {istio.io/waypoint-for: all}", "{role: waypoint}")
                    + &object("Process", "shop", &format!("cart labels: {{{named}}}"), "{command: [serve]}"),
                &[],
            ),
        ],
    );
}

#[test]
fn settings_of_the_mesh() {
    let config = "{trustDomain: a.example, rootNamespace: root, connectTimeout: 1s, pathNormalization: {normalization: NONE}, \
                  outboundTrafficPolicy: {mode: REGISTRY_ONLY}, enableTracing: false}";
    let operator = object("IstioOperator", "", "z", &format!("{{meshConfig: {config}}}"));
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    rootNamespace: root\n    enableAutoMtls: false\n";
    check(
        CODES,
        &[
            (
                "operator",
                operator.clone(),
                &["5:189: info RS224 IstioOperator/default/z spec.meshConfig.enableTracing: it is read, and \
                nothing follows it yet"],
            ),
            (
                "mesh",
                object("Mesh", "", "default", &format!("{{meshConfig: {config}}}")),
                &["5:189: info RS224 Mesh/default spec.meshConfig.enableTracing: it is read, and nothing \
                follows it yet"],
            ),
            (
                "only the one that acts",
                map.to_owned() + &operator,
                &["8:21: info RS274 ConfigMap/istio-system/istio data.mesh.enableAutoMtls: calls between enrolled \
                workloads are encrypted all the same, as in Istio's ambient mode; PeerAuthentication has ports called in \
                plaintext by mode DISABLE"],
            ),
            (
                "none",
                object("Mesh", "", "default", "{meshConfig: {trustDomain: a.example, accessLogFile: /dev/stdout}}"),
                &[],
            ),
            (
                "what is followed",
                object(
                    "Mesh",
                    "",
                    "default",
                    "{meshConfig: {defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 9}}}, \
                     defaultProviders: {metrics: [prometheus]}, zoneAwareLbSetting: {enabled: true}}}",
                ),
                &[],
            ),
            (
                "in part",
                object(
                    "Mesh",
                    "",
                    "default",
                    "{meshConfig: {zoneAwareLbSetting: {minClusterSize: 3}, outboundTrafficPolicy: {mode: \
                     ALLOW_ANY_DYNAMIC_DNS, tls: {mode: SIMPLE}}}}",
                ),
                &[],
            ),
            ("no alias", object("Mesh", "", "default", "{meshConfig: {trustDomainAliases: []}}"), &[]),
            (
                "other trust domains",
                object(
                    "Mesh",
                    "",
                    "default",
                    "{meshConfig: {trustDomainAliases: [old.example], caCertificates: [{pem: a, certSigners: [b]}, {spiffeBundleUrl: 'https://b.example', trustDomains: [b.example]}]}}",
                ),
                &[
                    "5:95: info RS274 Mesh/default spec.meshConfig.caCertificates[0].certSigners: it vouches for nobody: the \
                     mesh has its own authority, which asks no signers for certificates",
                ],
            ),
        ],
    );
}

#[test]
fn parts_of_gateways() {
    let told = |code: Code, server: &str| {
        let text = object("Gateway", "shop", "web", &format!("{{servers: [{server}]}}"));
        let mut world = crate::tests::World::of(&text);
        let findings = world.compile().findings(now());
        let ours = findings.iter().filter(|finding| finding.code == code.code);
        ours.map(|finding| finding.path.trim_start_matches("spec.servers[0].").to_owned()).collect::<Vec<_>>()
    };
    let found = |server: &str| told(IDLE, server);
    let https =
        |tls: &str| format!("{{port: {{number: 443, name: a, protocol: HTTPS}}, hosts: ['*'], tls: {{{tls}}}}}");
    assert!(
        found("{port: {number: 80, name: a, protocol: HTTP}, hosts: ['*'], tls: {httpsRedirect: true}}").is_empty()
    );
    assert!(found(&https("mode: MUTUAL, credentialName: a, minProtocolVersion: TLSV1_2")).is_empty());
    assert!(found("{port: {number: 443, name: a, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}").is_empty());
    assert!(told(REFUSED, &https("mode: AUTO_PASSTHROUGH")).is_empty());
    let mesh = |more: &str| https(&format!("mode: ISTIO_MUTUAL{more}"));
    assert!(found(&mesh("")).is_empty() && told(REFUSED, &mesh("")).is_empty());
    assert_eq!(found(&mesh(", cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256]")), ["tls.cipherSuites"]);
    assert_eq!(told(REFUSED, &mesh(", maxProtocolVersion: TLSV1_2")), ["tls.maxProtocolVersion"]);
    let bound = "{port: {number: 80, name: a, protocol: HTTP}, hosts: ['*'], bind: 10.0.0.1}";
    assert!(found(bound).is_empty());
    let pair = "serverCertificate: /a, privateKey: /b, caCertificates: /c";
    assert!(found(&https(&format!("mode: MUTUAL, {pair}, caCrl: /d"))).is_empty());
    assert_eq!(
        found(&https(&format!("mode: MUTUAL, {pair}, caCrl: /d, caCertCredentialName: a"))),
        ["tls.caCertificates", "tls.caCrl"]
    );
    assert_eq!(found(&https("mode: MUTUAL, credentialName: a, caCertificates: /c")), ["tls.caCertificates"]);
    assert_eq!(
        found(&https(
            "mode: MUTUAL, credentialName: a, subjectAltNames: [b], cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256, ALL, unknown]"
        )),
        Vec::<String>::new()
    );
    for suites in ["[ECDHE-RSA-AES128-GCM-SHA256, AES128-SHA]", "[AES128-SHA]", "['!ADH']"] {
        let tls = format!("mode: SIMPLE, credentialName: a, cipherSuites: {suites}");
        assert_eq!(found(&https(&tls)), ["tls.cipherSuites"], "{suites}");
    }
    // Without TLS 1.3 nothing is left.
    let none = https("mode: SIMPLE, credentialName: a, maxProtocolVersion: TLSV1_2, cipherSuites: [AES128-SHA]");
    assert_eq!((told(REFUSED, &none), found(&none)), (vec!["tls.cipherSuites".to_owned()], Vec::new()));
}

#[test]
fn connecting_out_of_the_mesh() {
    let rule = |host: &str, tcp: &str| {
        object(
            "DestinationRule",
            "shop",
            "cart",
            &format!(
                "{{host: {host}, trafficPolicy: {{connectionPool: {{tcp: {{{tcp}}}, http: {{idleTimeout: 9s}}}}}}}}"
            ),
        )
    };
    let service = |port: &str| {
        let ports = format!("[{{name: {port}, port: 80}}]");
        object("Service", "shop", "cart", &format!("{{selector: {{app: cart}}, ports: {ports}}}"))
    };
    let entry = |protocol: &str, more: &str| {
        let ports = format!("[{{number: 80, name: a, protocol: {protocol}}}]");
        object("ServiceEntry", "shop", "out", &format!("{{hosts: [a.example], ports: {ports}, {more}}}"))
    };
    let outside = "resolution: STATIC, endpoints: [{address: 198.51.100.2}]";
    let connect = |column: usize, policy: &str| {
        format!(
            "5:{column}: info RS273 DestinationRule/shop/cart spec.{policy}.connectionPool.tcp.connectTimeout: to hosts outside of \
             the mesh it is the machine that connects, and it gives up after 4 s, so that few who wait for nobody take nobody \
             else's place (write at most 4s)"
        )
    };
    let of_port = "{host: a.example, subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {connectTimeout: 5s}}}]}}]}";
    let workloads = "location: MESH_INTERNAL, resolution: STATIC, workloadSelector: {labels: {app: cart}}";
    check(
        CODES,
        &[
            ("silence", rule("a.example", "idleTimeout: 5s") + &entry("TCP", outside), &[]),
            ("inside", rule("cart", "connectTimeout: 5s") + &service("tcp"), &[]),
            ("outside, in time", rule("a.example", "connectTimeout: 4s") + &entry("HTTP", outside), &[]),
            (
                "outside",
                rule("a.example", "connectTimeout: 5s") + &entry("HTTP", outside),
                &[&connect(80, "trafficPolicy")],
            ),
            (
                "some of them outside",
                rule("'*.example'", "connectTimeout: 5s") + &entry("TCP", outside),
                &[&connect(82, "trafficPolicy")],
            ),
            (
                "of a subset's port",
                object("DestinationRule", "shop", "cart", of_port) + &entry("TCP", outside),
                &[&connect(142, "subsets[0].trafficPolicy.portLevelSettings[0]")],
            ),
            ("workloads", rule("a.example", "connectTimeout: 5s") + &entry("TCP", workloads), &[]),
            ("somewhere else", rule("b.example", "connectTimeout: 5s, idleTimeout: 1s") + &entry("TCP", outside), &[]),
        ],
    );
}

#[test]
fn tls_of_the_mesh() {
    let found = |tls: &str| {
        let mesh = object("Mesh", "", "default", &format!("{{meshConfig: {{tlsDefaults: {{{tls}}}}}}}"));
        let told = told(&mut World::of(&mesh), CODES);
        told.iter().map(|told| told.split("tlsDefaults.").nth(1).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert!(found("minProtocolVersion: TLSV1_3, ecdhCurves: [P-256, X25519MLKEM768]").is_empty());
    assert!(found("cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256], ecdhCurves: [unknown]").is_empty());
    assert_eq!(
        found("ecdhCurves: [P-521, X25519, P-224]"),
        ["ecdhCurves: P-521, P-224 are not offered, the others are"]
    );
    assert_eq!(
        found("ecdhCurves: [P-521]"),
        [
            "ecdhCurves: no TLS is made, at gateways and by DestinationRules: none of the curves that are listed is offered \
          (offered: X25519MLKEM768, X25519, P-256, P-384)"
        ]
    );
    let told = found("cipherSuites: [AES128-SHA]");
    assert!(told.len() == 1 && told[0].ends_with("only TLS 1.3 is spoken"), "{told:?}");
}

#[test]
fn sockets_and_settings_of_single_proxies() {
    let entry = "{hosts: [a.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, \
                 endpoints: [{address: 'unix:///run/a'}]}";
    let ingress = "{ingress: [{port: {number: 80, protocol: HTTP, name: http}, defaultEndpoint: 'unix:///run/a'}]}";
    check(
        CODES,
        &[
            (
                "of an application",
                object("Sidecar", "shop", "a", ingress),
                &[
                    "5:84: warning RS262 Sidecar/shop/a spec.ingress[0].defaultEndpoint: applications get it at the port \
                   that was called: sockets of the file system are not supported, because proxies live outside of the \
                   file systems of workloads, where a path would lead elsewhere (let it listen at the loopback: \
                   `127.0.0.1:PORT`)",
                ],
            ),
            (
                "of a host",
                object("ServiceEntry", "shop", "a", entry),
                &["5:121: warning RS262 ServiceEntry/shop/a spec.endpoints[0].address: unix:///run/a is not called: \
                   sockets of the file system are not supported, because proxies live outside of the file systems of \
                   workloads, where a path would lead elsewhere (let it listen at an address, and write that and its port)"],
            ),
            (
                "of an entry",
                object("WorkloadEntry", "shop", "a", "{address: 'unix:///run/a'}"),
                &[
                    "5:17: warning RS262 WorkloadEntry/shop/a spec.address: unix:///run/a is not called: sockets of the \
                   file system are not supported, because proxies live outside of the file systems of workloads, where a \
                   path would lead elsewhere (let it listen at an address, and write that and its port)",
                ],
            ),
            (
                "of a process",
                process("shop", "cart", "annotations: {proxy.istio.io/config: 'concurrency: 2'}"),
                &[
                    "4:112: info RS274 Process/shop/cart metadata.annotations.proxy.istio.io/config: concurrency: it has no \
                   proxy of its own: that of its node follows what is said for all of the mesh",
                ],
            ),
        ],
    );
}

#[test]
fn settings_of_proxies() {
    let found = |text: String| {
        let told = told(&mut World::of(&text), &[NOT_FOLLOWED, IDLE]);
        told.iter().map(|told| told.splitn(3, ' ').nth(2).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let mesh = |config: &str| {
        found(object("Mesh", "", "default", &format!("{{meshConfig: {{defaultConfig: {{{config}}}}}}}")))
    };
    let none: [&str; 0] = [];
    assert_eq!(
        mesh("gatewayTopology: {numTrustedProxies: 1, proxyProtocol: {}, forwardClientCertDetails: SANITIZE}"),
        none
    );
    assert_eq!(
        mesh("concurrency: 2, tracing: {sampling: 1}, drainDuration: 5s, terminationDrainDuration: 5s"),
        ["RS224 Mesh/default spec.meshConfig.defaultConfig.tracing: it is read, and nothing follows it yet"]
    );
    assert_eq!(mesh("proxyHeaders: {server: {value: mesh}, setCurrentClientCertDetails: {chain: true}}"), none);
    assert_eq!(mesh("connectionSettings: {profile: EDGE, httpIdleTimeout: 1s}"), none);
    assert_eq!(
        mesh("connectionSettings: {clusterPerConnectionBufferLimitBytes: 1, httpDrainTimeout: 1s}"),
        [
            "RS274 Mesh/default spec.meshConfig.defaultConfig.connectionSettings.clusterPerConnectionBufferLimitBytes: answers \
             go on as they come: a connection to an endpoint buffers no more of them than it reads at once, 16 KiB, or the \
             window of a stream of HTTP/2",
            "RS274 Mesh/default spec.meshConfig.defaultConfig.connectionSettings.httpDrainTimeout: no time is needed between \
             the two GOAWAYs: the answer to a PING says that the client has heard the first, and what it asked before is \
             answered",
        ]
    );
    let of = |role: &str, annotation: &str| {
        let metadata = format!("edge annotations: {{proxy.istio.io/config: '{annotation}'}}");
        let found = found(object("Process", "shop", &metadata, &format!("{{{role}}}")));
        let what =
            |found: String| found.replace(" Process/shop/edge metadata.annotations.proxy.istio.io/config: ", " ");
        found.into_iter().map(what).collect::<Vec<_>>()
    };
    let gateway = |annotation: &str| of("role: gateway", annotation);
    let every = "{concurrency: 1, drainDuration: 1s, terminationDrainDuration: 1s, gatewayTopology: {}, proxyHeaders: \
                 {forwardedClientCert: SANITIZE, setCurrentClientCertDetails: {}}, connectionSettings: \
                 {globalDownstreamConnectionLimit: 1}}";
    assert_eq!(gateway(every), none);
    assert_eq!(
        gateway("{tracing: {sampling: 1}, statusPort: 1}"),
        [
            "RS224 tracing: it is read, and nothing follows it yet",
            "RS274 `statusPort` is read but has no effect (metrics are served at `metricsPort` of `Mesh`)",
        ]
    );
    let first = |told: Vec<String>| {
        told.iter().map(|told| told.split(": ").next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let of_gateways = [
        "RS274 gatewayTopology",
        "RS274 proxyHeaders.forwardedClientCert",
        "RS274 proxyHeaders.setCurrentClientCertDetails",
        "RS274 connectionSettings.globalDownstreamConnectionLimit",
    ];
    assert_eq!(first(of("role: waypoint", every)), of_gateways);
    let of_node = ["RS274 drainDuration", "RS274 concurrency", "RS274 terminationDrainDuration"];
    assert_eq!(first(of("command: [serve]", every)), [&of_gateways[..], &of_node].concat());
    let sidecar = object(
        "Process",
        "shop",
        &format!("edge labels: {{sidecar.istio.io/inject: 'true'}}, annotations: {{proxy.istio.io/config: '{every}'}}"),
        "{command: [serve]}",
    );
    assert_eq!(found(sidecar).len(), 5);
}

#[test]
fn roots_vouch_for_somebody_if_they_can_be_used() {
    let config = "{meshConfig: {caCertificates: [{pem: $AUTHORITY, trustDomains: [a.example, b.example]}, {pem: $AUTHORITY}, \
                  {pem: $GOOD, trustDomains: [c.example]}, {pem: x}, {pem: $AUTHORITY, certSigners: [s]}, \
                  {spiffeBundleUrl: 'https://d.example', trustDomains: [d.example]}]}}";
    let mut world = World::of(&filled(&object("Mesh", "", "default", config)));
    let output = world.compile();
    let anchors = output.mesh.trust_anchors.iter().map(|anchor| {
        let domains = anchor.domains.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert!(anchor.pem.is_empty() || anchor.pem.starts_with("-----BEGIN CERTIFICATE-----"));
        (domains, !anchor.pem.is_empty())
    });
    // Domains whose roots can't be used have roots of their own, none.
    let expected = [("a.example b.example", true), ("", true), ("c.example", false), ("d.example", false)];
    assert_eq!(anchors.collect::<Vec<_>>(), expected.map(|(domains, usable)| (domains.to_owned(), usable)));
    // Nobody proves an identity of a domain that nobody can vouch for.
    let federated: Vec<_> = output.mesh.federated_domains.iter().map(ToString::to_string).collect();
    assert_eq!(federated, ["a.example", "b.example"]);
    let findings = world.compile().findings(now());
    let told = |path: &str| findings.iter().find(|finding| finding.path == path).map(|finding| finding.message.clone());
    let at = |index: usize, field: &str| told(&format!("spec.meshConfig.caCertificates[{index}].{field}"));
    assert_eq!(at(0, "pem").or(at(1, "pem")), None);
    assert_eq!(at(2, "pem").unwrap(), "it vouches for nobody: no certificate in it is one of an authority");
    assert_eq!(at(3, "pem").unwrap(), "it vouches for nobody: nothing of that kind is in it, as PEM");
    assert!(at(4, "certSigners").is_some() && at(5, "spiffeBundleUrl").is_none());
}
