//! `DestinationRule`s that load, with every field read, in every version and spelling.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use ripstop_api::{
    Spec,
    istio::{
        ClientTls, ClientTlsMode, ConnectionPool, ConsistentHash, CookieAttribute, DestinationRule, Distribute,
        Failover, H2Upgrade, Http2KeepAlive, HttpCookie, HttpPool, Labels, LoadBalancer, LocalityLb, Maglev,
        OutlierDetection, PortSelector, PortTrafficPolicy, ProxyProtocol, ProxyProtocolVersion, RetryBudget, RingHash,
        SimpleLb, Subset, TcpKeepalive, TcpPool, TrafficPolicy, TunnelSettings, Warmup, WorkloadSelector, ZoneAwareLb,
    },
    parse_file,
};

const EVERYTHING: &str = "
host: '*.shop.svc.cluster.local'
workloadSelector:
  matchLabels: {app: productpage}
exportTo: [.]
trafficPolicy:
  loadBalancer:
    simple: ROUND_ROBIN
    localityLbSetting:
      enabled: true
      distribute:
      - from: eu/a/*
        to: {eu/a/*: 80, eu/b/1: 20}
    warmup: {duration: 5m, minimumPercent: 12.5, aggression: 2}
  connectionPool:
    tcp:
      maxConnections: 1
      connectTimeout: 30ms
      tcpKeepalive: {probes: 2, time: 2h, interval: 75s}
      maxConnectionDuration: 24h
      idleTimeout: 0s
    http:
      http1MaxPendingRequests: 3
      http2MaxRequests: 4
      maxRequestsPerConnection: 5
      maxRetries: 6
      idleTimeout: 1m30s
      h2UpgradePolicy: UPGRADE
      useClientProtocol: false
      maxConcurrentStreams: 7
      http2KeepAlive: {interval: 30s, timeout: 5s}
  outlierDetection:
    splitExternalLocalOriginErrors: true
    consecutiveLocalOriginFailures: 8
    consecutiveGatewayErrors: 9
    consecutive5xxErrors: 0
    interval: 5m
    baseEjectionTime: 15m
    maxEjectionPercent: 100
    minHealthPercent: 40
    outlierDetectionHttpErrorCodes: [100, 429, 599]
  tls:
    mode: MUTUAL
    clientCertificate: /etc/certs/cert.pem
    privateKey: /etc/certs/key.pem
    caCertificates: /etc/certs/ca.pem
    caCrl: /etc/certs/crl.pem
    subjectAltNames: [reviews.example.com]
    sni: reviews.example.com
    insecureSkipVerify: false
  portLevelSettings:
  - port: {number: 443}
    tls: {mode: ISTIO_MUTUAL, sni: edge.example.com}
  - port: {number: 80}
    loadBalancer: {simple: PASSTHROUGH}
    connectionPool: {http: {maxRetries: 1}}
    outlierDetection: {}
  proxyProtocol: {version: V2}
subsets:
- name: v1
  labels: {version: v1}
  trafficPolicy:
    loadBalancer:
      consistentHash:
        httpCookie:
          name: user
          path: /
          ttl: 0s
          attributes:
          - {name: SameSite, value: Strict}
        maglev: {tableSize: 5000011}
      zoneAwareLbSetting:
        enabled: true
        failover: [{from: eu, to: us}]
        failoverPriority: [topology.istio.io/network]
        minClusterSize: 10
    tunnel: {protocol: POST, targetHost: db.example.com, targetPort: 5432}
    retryBudget: {percent: 33.3, minRetryConcurrency: 11, budgetInterval: 10s}
- name: v2
  trafficPolicy:
    loadBalancer:
      consistentHash:
        httpHeaderName: x-user
        ringHash: {minimumRingSize: 2048}
      localityLbSetting:
        failover: [{from: eu, to: us}]
        failoverPriority: [topology.istio.io/network, 'topology.istio.io/cluster=c1']
    tls: {mode: SIMPLE, credentialName: reviews}
- name: v3
  trafficPolicy:
    loadBalancer: {consistentHash: {useSourceIp: true}}
- name: v4
  trafficPolicy:
    loadBalancer: {consistentHash: {httpQueryParameterName: user}}
";

fn everything() -> DestinationRule {
    DestinationRule {
        host: "*.shop.svc.cluster.local".into(),
        traffic_policy: Some(whole()),
        subsets: subsets(),
        export_to: vec![".".into()],
        workload_selector: Some(WorkloadSelector { match_labels: labels("app", "productpage") }),
    }
}

fn whole() -> TrafficPolicy {
    let shares = [("eu/a/*".to_owned(), 80), ("eu/b/1".to_owned(), 20)];
    TrafficPolicy {
        load_balancer: Some(LoadBalancer {
            simple: Some(SimpleLb::RoundRobin),
            locality_lb_setting: Some(LocalityLb {
                distribute: vec![Distribute { from: "eu/a/*".into(), to: BTreeMap::from(shares) }],
                enabled: Some(true),
                ..LocalityLb::default()
            }),
            warmup: Some(Warmup { duration: Some(seconds(300)), minimum_percent: Some(12.5), aggression: Some(2.0) }),
            ..LoadBalancer::default()
        }),
        connection_pool: Some(ConnectionPool {
            tcp: Some(TcpPool {
                max_connections: Some(1),
                connect_timeout: Some(Duration::from_millis(30)),
                tcp_keepalive: Some(TcpKeepalive {
                    probes: Some(2),
                    time: Some(seconds(7200)),
                    interval: Some(seconds(75)),
                }),
                max_connection_duration: Some(seconds(86400)),
                idle_timeout: Some(Duration::ZERO),
            }),
            http: Some(HttpPool {
                http1_max_pending_requests: Some(3),
                http2_max_requests: Some(4),
                max_requests_per_connection: Some(5),
                max_retries: Some(6),
                idle_timeout: Some(seconds(90)),
                h2_upgrade_policy: H2Upgrade::Upgrade,
                use_client_protocol: Some(false),
                max_concurrent_streams: Some(7),
                http2_keep_alive: Some(Http2KeepAlive { interval: Some(seconds(30)), timeout: Some(seconds(5)) }),
            }),
        }),
        outlier_detection: Some(OutlierDetection {
            split_external_local_origin_errors: true,
            consecutive_local_origin_failures: Some(8),
            consecutive_gateway_errors: Some(9),
            consecutive_5xx_errors: Some(0),
            consecutive_errors: None,
            interval: Some(seconds(300)),
            base_ejection_time: Some(seconds(900)),
            max_ejection_percent: Some(100),
            min_health_percent: Some(40),
            http_error_codes: vec![100, 429, 599],
        }),
        tls: Some(ClientTls {
            mode: ClientTlsMode::Mutual,
            client_certificate: "/etc/certs/cert.pem".into(),
            private_key: "/etc/certs/key.pem".into(),
            ca_certificates: "/etc/certs/ca.pem".into(),
            ca_crl: "/etc/certs/crl.pem".into(),
            credential_name: String::new(),
            subject_alt_names: vec!["reviews.example.com".into()],
            sni: "reviews.example.com".into(),
            insecure_skip_verify: Some(false),
        }),
        port_level_settings: ports(),
        tunnel: None,
        proxy_protocol: Some(ProxyProtocol { version: ProxyProtocolVersion::V2 }),
        retry_budget: None,
    }
}

fn ports() -> Vec<PortTrafficPolicy> {
    let http = HttpPool { max_retries: Some(1), ..HttpPool::default() };
    vec![
        PortTrafficPolicy {
            port: Some(PortSelector { number: Some(443) }),
            tls: Some(ClientTls {
                mode: ClientTlsMode::IstioMutual,
                sni: "edge.example.com".into(),
                ..ClientTls::default()
            }),
            ..PortTrafficPolicy::default()
        },
        PortTrafficPolicy {
            port: Some(PortSelector { number: Some(80) }),
            load_balancer: Some(LoadBalancer { simple: Some(SimpleLb::Passthrough), ..LoadBalancer::default() }),
            connection_pool: Some(ConnectionPool { tcp: None, http: Some(http) }),
            outlier_detection: Some(OutlierDetection::default()),
            tls: None,
        },
    ]
}

fn subsets() -> Vec<Subset> {
    let failover = || vec![Failover { from: "eu".into(), to: "us".into() }];
    let cookie = HttpCookie {
        name: "user".into(),
        path: "/".into(),
        ttl: Some(Duration::ZERO),
        attributes: vec![CookieAttribute { name: "SameSite".into(), value: "Strict".into() }],
    };
    let first = TrafficPolicy {
        load_balancer: Some(LoadBalancer {
            zone_aware_lb_setting: Some(ZoneAwareLb {
                enabled: Some(true),
                failover: failover(),
                failover_priority: vec!["topology.istio.io/network".into()],
                min_cluster_size: Some(10),
            }),
            ..hash(ConsistentHash {
                http_cookie: Some(cookie),
                maglev: Some(Maglev { table_size: Some(5_000_011) }),
                ..ConsistentHash::default()
            })
        }),
        tunnel: Some(TunnelSettings {
            protocol: Some("POST".into()),
            target_host: "db.example.com".into(),
            target_port: Some(5432),
        }),
        retry_budget: Some(RetryBudget {
            percent: Some(33.3),
            min_retry_concurrency: Some(11),
            budget_interval: Some(seconds(10)),
        }),
        ..TrafficPolicy::default()
    };
    let second = TrafficPolicy {
        load_balancer: Some(LoadBalancer {
            locality_lb_setting: Some(LocalityLb {
                failover: failover(),
                failover_priority: vec!["topology.istio.io/network".into(), "topology.istio.io/cluster=c1".into()],
                ..LocalityLb::default()
            }),
            ..hash(ConsistentHash {
                http_header_name: Some("x-user".into()),
                ring_hash: Some(RingHash { minimum_ring_size: Some(2048) }),
                ..ConsistentHash::default()
            })
        }),
        tls: Some(ClientTls { mode: ClientTlsMode::Simple, credential_name: "reviews".into(), ..ClientTls::default() }),
        ..TrafficPolicy::default()
    };
    let of_hash = |keys| TrafficPolicy { load_balancer: Some(hash(keys)), ..TrafficPolicy::default() };
    let third = of_hash(ConsistentHash { use_source_ip: Some(true), ..ConsistentHash::default() });
    let fourth =
        of_hash(ConsistentHash { http_query_parameter_name: Some("user".into()), ..ConsistentHash::default() });
    let subset = |name: &str, labels, policy| Subset { name: name.into(), labels, traffic_policy: Some(policy) };
    vec![
        subset("v1", labels("version", "v1"), first),
        subset("v2", Labels::default(), second),
        subset("v3", Labels::default(), third),
        subset("v4", Labels::default(), fourth),
    ]
}

fn hash(keys: ConsistentHash) -> LoadBalancer {
    LoadBalancer { consistent_hash: Some(keys), ..LoadBalancer::default() }
}

fn labels(key: &str, value: &str) -> Labels {
    Labels(BTreeMap::from([(key.into(), value.into())]))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn document(version: &str, spec: &str) -> String {
    let spec = spec.trim_start().lines().fold(String::new(), |mut text, line| {
        writeln!(text, "  {line}").expect("writes");
        text
    });
    format!("apiVersion: networking.istio.io/{version}\nkind: DestinationRule\nmetadata: {{name: all}}\nspec:\n{spec}")
}

/// The rule, and the codes of what was found.
#[track_caller]
fn read(text: &str) -> (DestinationRule, Vec<&'static str>) {
    let parsed = parse_file("a.yaml", text);
    let [object] = parsed.objects.as_slice() else { panic!("{:#?}", parsed.findings) };
    let Spec::DestinationRule(rule) = &object.spec else { panic!("{:?}", object.spec) };
    (DestinationRule::clone(rule), parsed.findings.iter().map(|finding| finding.code).collect())
}

#[test]
fn every_field_in_every_version() {
    for version in ["v1", "v1beta1", "v1alpha3"] {
        assert_eq!(read(&document(version, EVERYTHING)), (everything(), vec![]), "{version}");
    }
}

#[test]
fn every_field_in_snake_case() {
    let mut snake = String::new();
    for piece in EVERYTHING.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        if piece.ends_with(':') {
            let name = piece.replace("5xx", "_5xx");
            snake.extend(
                name.chars()
                    .flat_map(|c| c.is_ascii_uppercase().then_some('_').into_iter().chain([c.to_ascii_lowercase()])),
            );
        } else {
            snake.push_str(piece);
        }
    }
    assert!(snake.contains("consecutive_5xx_errors") && snake.contains("http2_keep_alive"), "{snake}");
    let (rule, codes) = read(&document("v1", &snake));
    assert_eq!(rule, everything());
    assert!(codes.len() > 60 && codes.iter().all(|code| *code == "RS16"), "{codes:?}");
}

#[test]
fn older_spellings_act() {
    let spec = "
host: reviews
trafficPolicy:
  loadBalancer: {simple: LEAST_CONN, warmupDurationSecs: 10s}
  outlierDetection: {consecutiveErrors: 7}
subsets:
- name: v1
  trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 4096}}}
";
    let (rule, codes) = read(&document("v1", spec));
    assert_eq!(codes, ["RS16"; 4]);
    let policy = rule.traffic_policy.expect("has a policy");
    let balancer = policy.load_balancer.expect("has a balancer");
    assert_eq!(balancer.simple, Some(SimpleLb::LeastRequest));
    assert_eq!(balancer.warmup_duration_secs, Some(seconds(10)));
    assert_eq!(policy.outlier_detection.expect("ejects").consecutive_errors, Some(7));
    let policy = rule.subsets[0].traffic_policy.as_ref().expect("has a policy");
    let hash = policy.load_balancer.as_ref().and_then(|balancer| balancer.consistent_hash.as_ref()).expect("hashes");
    assert_eq!(hash.minimum_ring_size, Some(4096));
}

#[test]
fn a_host_is_enough_and_of_any_case() {
    for host in ["reviews", "Reviews.Shop", "reviews.shop.svc.cluster.local.", "*", "*.example.com"] {
        let (rule, codes) = read(&document("v1", &format!("host: '{host}'")));
        assert_eq!(rule, DestinationRule { host: host.into(), ..DestinationRule::default() });
        assert!(codes.is_empty());
    }
}

#[test]
fn ports_up_to_their_limit() {
    let ports = |count: u32| {
        let mut spec = String::from("host: reviews\ntrafficPolicy:\n  portLevelSettings:\n");
        for port in 1..=count {
            writeln!(spec, "  - {{port: {{number: {port}}}, tls: {{}}}}").expect("writes");
        }
        document("v1", &spec)
    };
    let (rule, codes) = read(&ports(4096));
    assert_eq!(rule.traffic_policy.map(|policy| policy.port_level_settings.len()), Some(4096));
    assert!(codes.is_empty());
    let findings: Vec<_> = parse_file("a.yaml", &ports(4097)).findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        ["a.yaml:8:7: error RS109 DestinationRule/default/all spec.trafficPolicy.portLevelSettings: \
             `portLevelSettings` has 4097 items, at most 4096 are allowed"]
    );
}
