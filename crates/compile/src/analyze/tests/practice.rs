//! DestinationRules that do less than they seem to.

use super::{Case, check};

const CODES: &[&str] = &["RS03", "IST0128", "IST0129", "RS221", "RS222", "RS223", "IST0002"];

const GROUND: &str = "";

const CASES: &[Case] = &[
    Case {
        title: "no outlierDetection; at some level; in another object of the host",
        mesh: "
DestinationRule shop/none {host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}
DestinationRule shop/bare {host: b}
DestinationRule shop/top {host: c, trafficPolicy: {outlierDetection: {}}}
DestinationRule shop/subset {host: d, subsets: [{name: v1, trafficPolicy: {outlierDetection: {}}}]}
DestinationRule shop/port {host: e, trafficPolicy: {portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]}}
DestinationRule shop/beside {host: c.shop.svc.cluster.local, subsets: [{name: v1}]}
",
        findings: &[
            "info RS03 DestinationRule/shop/none spec.trafficPolicy: failing endpoints of a are never taken out of balancing (add outlierDetection to trafficPolicy, for example consecutiveGatewayErrors: 5, interval: 30s)",
            "info RS03 DestinationRule/shop/bare spec.trafficPolicy: failing endpoints of b are never taken out of balancing (add outlierDetection to trafficPolicy, for example consecutiveGatewayErrors: 5, interval: 30s)",
        ],
    },
    Case {
        title: "the mesh has a default",
        mesh: "
Mesh default {meshConfig: {defaultTrafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}}}
DestinationRule shop/none {host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {failover: [{from: eu, to: us}]}}}}
",
        findings: &[
        ],
    },
    Case {
        title: "TLS that verifies by nothing",
        mesh: "
DestinationRule shop/a {host: a, trafficPolicy: {outlierDetection: {}, tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 443}, outlierDetection: {}, tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k}}]}}
DestinationRule shop/b {host: b, trafficPolicy: {outlierDetection: {}, tls: {mode: SIMPLE, caCertificates: /ca}}}
DestinationRule shop/c {host: c, trafficPolicy: {outlierDetection: {}, tls: {mode: SIMPLE, credentialName: s}}, workloadSelector: {matchLabels: {app: c}}}
DestinationRule shop/d {host: d, trafficPolicy: {outlierDetection: {}, tls: {mode: ISTIO_MUTUAL}}}
DestinationRule shop/e {host: e, trafficPolicy: {outlierDetection: {}}, subsets: [{name: v1, trafficPolicy: {tls: {mode: SIMPLE}}}]}
",
        findings: &[
            "warning IST0128 DestinationRule/shop/a spec.trafficPolicy.tls: `mode: SIMPLE` names no caCertificates by which the server of a is verified (name the file of its authorities in caCertificates)",
            "warning IST0129 DestinationRule/shop/a spec.trafficPolicy.portLevelSettings[0].tls: `mode: MUTUAL` names no caCertificates by which the server of a is verified (name the file of its authorities in caCertificates)",
            "warning IST0128 DestinationRule/shop/e spec.subsets[0].trafficPolicy.tls: `mode: SIMPLE` names no caCertificates by which the server of e is verified (name the file of its authorities in caCertificates)",
        ],
    },
    Case {
        title: "a Secret for all callers",
        mesh: "
DestinationRule shop/a {host: a, trafficPolicy: {outlierDetection: {}, tls: {mode: SIMPLE, credentialName: s}}}
",
        findings: &[
            "warning RS223 DestinationRule/shop/a spec.trafficPolicy.tls.credentialName: workloads that call a do not get the Secret s, and their calls fail (choose them by a workloadSelector, or name files by caCertificates, clientCertificate and privateKey, which proxies of nodes read)",
        ],
    },
    Case {
        title: "failover that finds out about no failure",
        mesh: "
DestinationRule shop/reviews {host: reviews, trafficPolicy: {loadBalancer: {localityLbSetting: {failover: [{from: eu, to: us}]}},
  portLevelSettings: [{port: {number: 80}, loadBalancer: {localityLbSetting: {failoverPriority: [topology.istio.io/network]}}}]},
  subsets: [{name: v1, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: [topology.istio.io/network]}}}},
  {name: v2, trafficPolicy: {loadBalancer: {localityLbSetting: {enabled: false, failoverPriority: [topology.istio.io/network]}}}}]}
",
        findings: &[
            "warning RS221 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.failover: traffic to reviews fails over only with outlierDetection, which is not here (add outlierDetection beside loadBalancer)",
            "warning RS221 DestinationRule/shop/reviews spec.trafficPolicy.portLevelSettings[0].loadBalancer.localityLbSetting.failoverPriority: traffic to reviews fails over only with outlierDetection, which is not here (add outlierDetection beside loadBalancer)",
        ],
    },
    Case {
        title: "failover with what it needs, of its own or inherited",
        mesh: "
DestinationRule shop/a {host: a, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: [{from: eu, to: us}]}}}}
DestinationRule shop/b {host: b, trafficPolicy: {outlierDetection: {}}, subsets: [{name: v1, trafficPolicy: {loadBalancer: {localityLbSetting: {failover: [{from: eu, to: us}]}}}}]}
",
        findings: &[
        ],
    },
    Case {
        title: "ports that lose what the level above has",
        mesh: "
DestinationRule shop/a {host: a, trafficPolicy: {outlierDetection: {}, connectionPool: {tcp: {maxConnections: 1}}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 2}}}, {port: {number: 81}, loadBalancer: {simple: RANDOM}}]},
  subsets: [{name: v1, trafficPolicy: {loadBalancer: {simple: RANDOM}, portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]}}]}
DestinationRule shop/b {host: b, trafficPolicy: {portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]}}
",
        findings: &[
            "warning RS222 DestinationRule/shop/a spec.trafficPolicy.portLevelSettings[0]: for port 80 the level above does not count: outlierDetection is the default (repeat here what is to hold for the port)",
            "warning RS222 DestinationRule/shop/a spec.trafficPolicy.portLevelSettings[1]: for port 81 the level above does not count: connectionPool, outlierDetection is the default (repeat here what is to hold for the port)",
            "warning RS222 DestinationRule/shop/a spec.subsets[0].trafficPolicy.portLevelSettings[0]: for port 80 the level above does not count: loadBalancer, connectionPool is the default (repeat here what is to hold for the port)",
        ],
    },
    Case {
        title: "Lightstep",
        mesh: "
Mesh default {meshConfig: {extensionProviders: [{name: steps, lightstep: {service: l.example.com, port: 80, accessToken: secret}}, {name: otel, opentelemetry: {service: o.example.com, port: 4317}}]}}
Telemetry shop/t {tracing: [{providers: [{name: otel}]}, {providers: [{name: steps}]}]}
",
        findings: &[
            "warning IST0002 Telemetry/shop/t spec.tracing[1].providers[0].name: the provider steps is Lightstep, which is deprecated and not served (declare it as opentelemetry)",
        ],
    },
];

#[test]
fn practice() {
    check(CODES, GROUND, CASES);
}
