//! `DestinationRule` (`networking.istio.io` v1, v1beta1, v1alpha3).

use std::{collections::BTreeMap, time::Duration};

use super::{Labels, WorkloadSelector};
use crate::schema::{choice, message};

mod balancing;
mod check;
mod client_tls;
mod connections;
mod locality;

message! {
    /// How a host is called: balancing, limits, ejection, TLS, subsets.
    DestinationRule {
        /// Name of a service; a name without dot is of the object's own namespace.
        host: String = "host" => required();
        /// For the whole host.
        traffic_policy: Option<TrafficPolicy> = "trafficPolicy";
        /// Named groups of its endpoints.
        subsets: Vec<Subset> = "subsets";
        /// Namespaces that see it.
        export_to: Vec<String> = "exportTo";
        /// Callers it acts for; nothing: all.
        workload_selector: Option<WorkloadSelector> = "workloadSelector";
    }
    check check::check_rule
}

message! {
    /// One of `subsets`.
    Subset {
        /// Name.
        name: String = "name" => required();
        /// Labels of its endpoints; empty: all.
        labels: Labels = "labels";
        /// Beats the one of the whole host, block by block.
        traffic_policy: Option<TrafficPolicy> = "trafficPolicy";
    }
    check check::check_subset
}

message! {
    /// `trafficPolicy`.
    TrafficPolicy {
        /// Balancing.
        load_balancer: Option<LoadBalancer> = "loadBalancer";
        /// Limits.
        connection_pool: Option<ConnectionPool> = "connectionPool";
        /// Ejection of failing endpoints.
        outlier_detection: Option<OutlierDetection> = "outlierDetection";
        /// TLS to the endpoints.
        tls: Option<ClientTls> = "tls";
        /// Replaces the four above for one port.
        port_level_settings: Vec<PortTrafficPolicy> = "portLevelSettings";
        /// Through a CONNECT or POST proxy.
        tunnel: Option<TunnelSettings> = "tunnel";
        /// PROXY protocol towards the endpoints.
        proxy_protocol: Option<ProxyProtocol> = "proxyProtocol";
        /// Limit of retries by share.
        retry_budget: Option<RetryBudget> = "retryBudget";
    }
    check check::check_policy
}

message! {
    /// One of `portLevelSettings`. A block that is missing is the default, not the host's.
    PortTrafficPolicy {
        /// Port of the service.
        port: Option<super::PortSelector> = "port" => required();
        /// Balancing.
        load_balancer: Option<LoadBalancer> = "loadBalancer";
        /// Limits.
        connection_pool: Option<ConnectionPool> = "connectionPool";
        /// Ejection of failing endpoints.
        outlier_detection: Option<OutlierDetection> = "outlierDetection";
        /// TLS to the endpoints.
        tls: Option<ClientTls> = "tls";
    }
    check check::check_port_policy
}

message! {
    /// `loadBalancer`.
    LoadBalancer {
        /// Algorithm.
        simple: Option<SimpleLb> = "simple";
        /// By a key of the request.
        consistent_hash: Option<ConsistentHash> = "consistentHash";
        /// By locality.
        locality_lb_setting: Option<LocalityLb> = "localityLbSetting";
        /// Warm-up of new endpoints.
        warmup_duration_secs: Option<Duration> = "warmupDurationSecs" => older("`warmup.duration`");
        /// Warm-up of new endpoints.
        warmup: Option<Warmup> = "warmup";
        /// By zone.
        zone_aware_lb_setting: Option<ZoneAwareLb> = "zoneAwareLbSetting";
    }
    check balancing::check_balancer
}

choice! {
    /// `loadBalancer.simple`.
    SimpleLb {
        /// As `LEAST_REQUEST`.
        Unspecified = 0 "UNSPECIFIED",
        /// One of them at random.
        Random = 2 "RANDOM",
        /// Where the caller says.
        Passthrough = 3 "PASSTHROUGH",
        /// One after another.
        RoundRobin = 4 "ROUND_ROBIN",
        /// The less loaded of two at random.
        LeastRequest = 5 "LEAST_REQUEST",
    }
    older {
        "LEAST_CONN" 1 as LeastRequest "LEAST_REQUEST",
    }
}

message! {
    /// `consistentHash`: exactly one key.
    ConsistentHash {
        /// A header.
        http_header_name: Option<String> = "httpHeaderName";
        /// A cookie.
        http_cookie: Option<HttpCookie> = "httpCookie";
        /// The caller's address.
        use_source_ip: Option<bool> = "useSourceIp";
        /// A query parameter.
        http_query_parameter_name: Option<String> = "httpQueryParameterName";
        /// Ring hash.
        ring_hash: Option<RingHash> = "ringHash";
        /// Maglev.
        maglev: Option<Maglev> = "maglev";
        /// Entries of the ring.
        minimum_ring_size: Option<u64> = "minimumRingSize" => older("`ringHash.minimumRingSize`");
    }
    check balancing::check_hash
}

message! {
    /// `httpCookie`.
    HttpCookie {
        /// Name.
        name: String = "name" => required();
        /// Path.
        path: String = "path";
        /// Life; 0: of the session; nothing: not made.
        ttl: Option<Duration> = "ttl";
        /// Further attributes.
        attributes: Vec<CookieAttribute> = "attributes";
    }
    check balancing::check_cookie
}

message! {
    /// One of `attributes`.
    CookieAttribute {
        /// Name.
        name: String = "name" => required();
        /// Value.
        value: String = "value";
    }
}

message! {
    /// `ringHash`.
    RingHash {
        /// Entries of the ring; nothing: 1024.
        minimum_ring_size: Option<u64> = "minimumRingSize";
    }
}

message! {
    /// `maglev`.
    Maglev {
        /// A prime up to 5,000,011; nothing: 65,537.
        table_size: Option<u64> = "tableSize";
    }
    check balancing::check_maglev
}

message! {
    /// `warmup`.
    Warmup {
        /// How long.
        duration: Option<Duration> = "duration" => required();
        /// Share at the beginning, in per cent; nothing: 10.
        minimum_percent: Option<f64> = "minimumPercent";
        /// Shape of the growth; nothing: 1.
        aggression: Option<f64> = "aggression";
    }
    check balancing::check_warmup
}

message! {
    /// `localityLbSetting`.
    LocalityLb {
        /// Shares by locality.
        distribute: Vec<Distribute> = "distribute";
        /// Where to if a region fails.
        failover: Vec<Failover> = "failover";
        /// Labels whose equality makes endpoints near.
        failover_priority: Vec<String> = "failoverPriority";
        /// Whether it acts; nothing: yes.
        enabled: Option<bool> = "enabled";
    }
    check locality::check_locality
}

message! {
    /// One of `distribute`.
    Distribute {
        /// Locality of the caller, `region/zone/subzone`, `*` at the end.
        from: String = "from" => required();
        /// Locality → share; 100 together.
        to: BTreeMap<String, u32> = "to" => required();
    }
    check locality::check_distribute
}

message! {
    /// One of `failover`.
    Failover {
        /// Region of the caller.
        from: String = "from" => required();
        /// Region that takes over.
        to: String = "to" => required();
    }
    check locality::check_failover
}

message! {
    /// `zoneAwareLbSetting`.
    ZoneAwareLb {
        /// Whether it acts.
        enabled: Option<bool> = "enabled";
        /// Where to if a region fails.
        failover: Vec<Failover> = "failover";
        /// Labels whose equality makes endpoints near.
        failover_priority: Vec<String> = "failoverPriority";
        /// Least endpoints.
        min_cluster_size: Option<u64> = "minClusterSize";
    }
    check locality::check_zone_aware
}

message! {
    /// `connectionPool`.
    ConnectionPool {
        /// Connections.
        tcp: Option<TcpPool> = "tcp";
        /// Requests.
        http: Option<HttpPool> = "http";
    }
    check connections::check_pool
}

message! {
    /// `connectionPool.tcp`. 0 is no limit.
    TcpPool {
        /// Open connections.
        max_connections: Option<u32> = "maxConnections";
        /// For connecting; nothing: 10 s.
        connect_timeout: Option<Duration> = "connectTimeout";
        /// Keepalive.
        tcp_keepalive: Option<TcpKeepalive> = "tcpKeepalive";
        /// Longest life.
        max_connection_duration: Option<Duration> = "maxConnectionDuration";
        /// Longest silence; nothing: 1 h; 0: none.
        idle_timeout: Option<Duration> = "idleTimeout";
    }
    check connections::check_tcp
}

message! {
    /// `tcpKeepalive`.
    TcpKeepalive {
        /// Unanswered probes.
        probes: Option<u32> = "probes";
        /// Silence before the first probe.
        time: Option<Duration> = "time";
        /// Between probes.
        interval: Option<Duration> = "interval";
    }
    check connections::check_keepalive
}

message! {
    /// `connectionPool.http`. 0 is no limit.
    HttpPool {
        /// Requests that wait for a connection.
        http1_max_pending_requests: Option<u32> = "http1MaxPendingRequests";
        /// Requests at once.
        http2_max_requests: Option<u32> = "http2MaxRequests";
        /// Requests of a connection's life.
        max_requests_per_connection: Option<u32> = "maxRequestsPerConnection";
        /// Retries at once.
        max_retries: Option<u32> = "maxRetries";
        /// Longest silence; nothing: 1 h.
        idle_timeout: Option<Duration> = "idleTimeout";
        /// Whether HTTP/1.1 becomes HTTP/2.
        h2_upgrade_policy: H2Upgrade = "h2UpgradePolicy";
        /// Speaks what the caller speaks.
        use_client_protocol: Option<bool> = "useClientProtocol";
        /// Streams of a connection.
        max_concurrent_streams: Option<u32> = "maxConcurrentStreams";
        /// PING.
        http2_keep_alive: Option<Http2KeepAlive> = "http2KeepAlive";
    }
    check connections::check_http
}

choice! {
    /// `h2UpgradePolicy`.
    H2Upgrade {
        /// As the mesh says.
        Default = 0 "DEFAULT",
        /// No.
        DoNotUpgrade = 1 "DO_NOT_UPGRADE",
        /// Yes.
        Upgrade = 2 "UPGRADE",
    }
}

message! {
    /// `http2KeepAlive`.
    Http2KeepAlive {
        /// Between PINGs.
        interval: Option<Duration> = "interval" => required();
        /// For the answer.
        timeout: Option<Duration> = "timeout" => required();
    }
    check connections::check_http2_keep_alive
}

message! {
    /// `outlierDetection`.
    OutlierDetection {
        /// Connection failures counted apart.
        split_external_local_origin_errors: bool = "splitExternalLocalOriginErrors";
        /// Connection failures in a row; only if counted apart; nothing: 5.
        consecutive_local_origin_failures: Option<u32> = "consecutiveLocalOriginFailures";
        /// 502, 503, 504 in a row; nothing or 0: off.
        consecutive_gateway_errors: Option<u32> = "consecutiveGatewayErrors";
        /// 5xx in a row; nothing: 5; 0: off.
        consecutive_5xx_errors: Option<u32> = "consecutive5xxErrors";
        /// Errors in a row, in its old spelling.
        consecutive_errors: Option<u32> = "consecutiveErrors" => older("`consecutive5xxErrors`");
        /// Between looks; nothing: 10 s.
        interval: Option<Duration> = "interval";
        /// Times the number of ejections; nothing: 30 s.
        base_ejection_time: Option<Duration> = "baseEjectionTime";
        /// At most so many ejected; nothing: 10.
        max_ejection_percent: Option<u32> = "maxEjectionPercent";
        /// Below it ejection no longer counts; nothing: 0.
        min_health_percent: Option<u32> = "minHealthPercent";
        /// Status codes that count instead of 5xx.
        http_error_codes: Vec<u32> = "outlierDetectionHttpErrorCodes";
    }
    check connections::check_ejection
}

message! {
    /// `tls` towards endpoints.
    ClientTls {
        /// How.
        mode: ClientTlsMode = "mode";
        /// File.
        client_certificate: String = "clientCertificate";
        /// File.
        private_key: String = "privateKey";
        /// File.
        ca_certificates: String = "caCertificates";
        /// File.
        ca_crl: String = "caCrl";
        /// Name of a `Secret`.
        credential_name: String = "credentialName";
        /// Names that the endpoint may prove.
        subject_alt_names: Vec<String> = "subjectAltNames";
        /// Server name.
        sni: String = "sni";
        /// Proves nothing.
        insecure_skip_verify: Option<bool> = "insecureSkipVerify";
    }
    check client_tls::check_tls
}

choice! {
    /// `tls.mode`.
    ClientTlsMode {
        /// Plaintext.
        Disable = 0 "DISABLE",
        /// TLS.
        Simple = 1 "SIMPLE",
        /// TLS with a client certificate.
        Mutual = 2 "MUTUAL",
        /// TLS with the workload's identity.
        IstioMutual = 3 "ISTIO_MUTUAL",
    }
}

message! {
    /// `tunnel`.
    TunnelSettings {
        /// `CONNECT` or `POST`; nothing: `CONNECT`.
        protocol: Option<String> = "protocol";
        /// Host behind the proxy.
        target_host: String = "targetHost" => required();
        /// Port behind the proxy.
        target_port: Option<u16> = "targetPort" => required();
    }
    check check::check_tunnel
}

message! {
    /// `proxyProtocol`.
    ProxyProtocol {
        /// Version.
        version: ProxyProtocolVersion = "version";
    }
}

choice! {
    /// `proxyProtocol.version`.
    ProxyProtocolVersion {
        /// Text.
        V1 = 0 "V1",
        /// Binary.
        V2 = 1 "V2",
    }
}

message! {
    /// `retryBudget`.
    RetryBudget {
        /// Share of active requests, in per cent; nothing: 20.
        percent: Option<f64> = "percent";
        /// Always allowed; nothing: 3.
        min_retry_concurrency: Option<u32> = "minRetryConcurrency";
        /// What counts as active; nothing: 0.
        budget_interval: Option<Duration> = "budgetInterval";
    }
    check check::check_retry_budget
}
