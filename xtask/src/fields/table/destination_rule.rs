//! What the fields of a `DestinationRule` do.

use super::{
    BALANCING, CHOICES, CONNECTING, ENDPOINTS, Field, HOSTS, LIMITS, LOCALITY, POOLS, ROUTES, ROUTING, SCOPES, SECURED,
};

const MATCHES: &str = "tests/e2e/tests/shaping/matches.rs";
const AFFINITY: &str = "tests/e2e/tests/shaping/affinity.rs";
const EJECTIONS: &str = "tests/e2e/tests/shaping/ejections.rs";
const ANNOUNCED: &str = "tests/e2e/tests/hosts/announced.rs";
const ANNOUNCED_POOL: &str = "crates/proxy/src/backends/state/tests/announced.rs";
const THROUGH: &str = "tests/e2e/tests/hosts/through.rs";
const THROUGH_UNIT: &str = "crates/proxy/src/backends/through/tests.rs";
const SEALED: &str = "tests/e2e/tests/sealed.rs";
const ORIGINATE: &str = "crates/proxy/src/backends/originate/tests.rs";
const ORIGINATE_SECRET: &str = "crates/proxy/src/backends/originate/secret/tests.rs";
const HTTP1: &str = "crates/proxy/src/backends/state/tests/http1.rs";
const LIFETIME: &str = "crates/proxy/src/outbound/lifetime/tests.rs";
const HTTP2: &str = "crates/proxy/src/backends/state/tests/http2.rs";
const BALANCER: &str = "crates/balance/src/balancer/tests.rs";
const WARMUP: &str = "crates/balance/src/warmup/tests.rs";
const FACTS: &str = "crates/proxy/src/backends/facts/tests.rs";
const OPEN: &str = "crates/proxy/src/backends/open/tests.rs";
const LEDGER: &str = "crates/balance/src/ledger/tests.rs";
const OUTLIERS: &str = "crates/balance/src/outlier/tests.rs";
const CIRCUIT: &str = "crates/balance/src/circuit/tests.rs";
const WORKER: &str = "crates/proxy/src/backends/worker/tests.rs";

pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "host",
        does: "the service or declared host that is called, or a wildcard; of the namespaces of caller, callee and mesh the first that has a rule",
        tests: &[(ROUTES, "the_table_holds"), (SCOPES, "a_destination_rule_acts_where_it_is_seen")],
    },
    Field {
        path: "workloadSelector",
        does: "callers of its own namespace that it is for; beats rules for all",
        tests: &[(MATCHES, "whoever_calls_counts"), (ROUTES, "the_table_holds")],
    },
    Field {
        path: "trafficPolicy.connectionPool.tcp.tcpKeepalive",
        does: "probes of the kernel towards endpoints that are not called by tunnel: tunnels are for calls by many rules, and have the mesh's",
        tests: &[
            (OPEN, "endpoints_are_probed_as_their_rule_says"),
            (OPEN, "probes_are_as_the_rule_has_them_and_the_rest_stays"),
        ],
    },
    Field {
        path: "trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes",
        does: "answers that count as failures, instead of 5xx",
        tests: &[(EJECTIONS, "each_detector_ejects_by_what_it_counts"), (OUTLIERS, "codes_replace_5xx")],
    },
    Field {
        path: "subsets[]",
        does: "groups of endpoints by labels, with settings of their own",
        tests: &[
            (ROUTING, "weights_and_matches_choose_the_version"),
            (ENDPOINTS, "a_subset_is_those_with_its_labels_and_one_that_is_not_defined_is_nobody"),
        ],
    },
    Field {
        path: "trafficPolicy.loadBalancer.simple",
        does: "`LEAST_REQUEST`, `ROUND_ROBIN`, `RANDOM`; with `PASSTHROUGH` the endpoint that the caller called, or any if it called none",
        tests: &[
            (BALANCING, "each_algorithm_spreads_requests_in_its_own_way"),
            (CHOICES, "passthrough_leaves_the_choice_to_the_caller"),
            (BALANCER, "round_robin_is_exact_by_weight"),
            (BALANCER, "least_request_of_equal_weights_takes_the_less_loaded_of_two"),
            (WORKER, "passthrough_to_a_virtual_address_is_any_endpoint"),
        ],
    },
    Field {
        path: "trafficPolicy.loadBalancer.consistentHash",
        does: "by `httpHeaderName`, `httpCookie` (which is set where it is missing), `useSourceIp` or `httpQueryParameterName`; `ringHash` or `maglev`, as Envoy places keys. A retry stays with its endpoint unless `retryIgnorePreviousHosts` says otherwise",
        tests: &[
            (AFFINITY, "what_has_the_same_hash_goes_to_the_same_endpoint"),
            (AFFINITY, "whoever_has_no_cookie_gets_one"),
            (BALANCER, "a_hash_leads_where_envoys_would"),
        ],
    },
    Field {
        path: "trafficPolicy.loadBalancer.localityLbSetting",
        does: "nearer endpoints first, by place or by `failoverPriority`, and `failover` says which region comes next, all where `outlierDetection` is on; or shares by `distribute`. Places are labels of workloads, or else of their Node",
        tests: &[
            (BALANCING, "nearer_endpoints_come_first_and_shares_are_kept"),
            (BALANCING, "whoever_says_no_place_is_where_its_node_is"),
            (LOCALITY, "priorities_need_ejection_and_the_policy"),
            (LOCALITY, "shares"),
        ],
    },
    Field {
        path: "trafficPolicy.loadBalancer.zoneAwareLbSetting",
        does: "calls stay in the zone of their caller as far as its share of the endpoints goes, those that are ready, compared with that of the callers: the ready workloads of the caller's services; the rest goes to zones that have more endpoints than callers. Those without a share are for failures. With fewer endpoints than `minClusterSize` (6) all zones are alike. `failover`, `failoverPriority`: as above",
        tests: &[
            (BALANCING, "zones_keep_their_calls_as_far_as_their_endpoints_can_carry_them"),
            ("crates/decide/src/locality/zones/tests.rs", "zones_get_what_they_can_carry"),
            ("crates/decide/src/locality/zones/tests.rs", "endpoints_that_are_not_ready_carry_nothing"),
        ],
    },
    Field {
        path: "trafficPolicy.loadBalancer.warmup, warmupDurationSecs",
        does: "new endpoints get their share little by little",
        tests: &[
            (BALANCING, "a_new_endpoint_gets_its_share_little_by_little"),
            (WARMUP, "a_weight_grows_with_time_from_its_minimum"),
        ],
    },
    Field {
        path: "trafficPolicy.connectionPool.tcp.maxConnections",
        does: "connections at once: requests wait for one, connections of TCP are refused",
        tests: &[(LIMITS, "what_is_beyond_a_limit_is_refused"), (LIMITS, "connections_are_counted_for_tcp_too")],
    },
    Field {
        path: "trafficPolicy.connectionPool.tcp.connectTimeout",
        does: "how long connecting may take, for connections that nobody reads, too. To hosts outside of the mesh it is the machine that connects, and gives up after 4 s at most (RS273)",
        tests: &[
            ("tests/e2e/tests/egress.rs", "a_place_outside_that_takes_no_connection_is_given_up_in_time"),
            ("crates/proxy/src/sockets/tests.rs", "what_can_not_be_had_outside_is_told"),
            (CONNECTING, "who_takes_no_connection_is_given_up_in_time"),
            (HTTP1, "a_server_that_does_not_answer_is_given_up_after_the_connect_timeout"),
            (FACTS, "timeouts_come_from_the_rule_then_the_mesh_then_istio"),
        ],
    },
    Field {
        path: "trafficPolicy.connectionPool.tcp.maxConnectionDuration",
        does: "how long a connection may live. A request under way is not cut off; a connection that nobody reads is",
        tests: &[
            (POOLS, "a_connection_ends_when_it_is_old_or_nobody_uses_it"),
            (HTTP1, "a_connection_that_is_too_old_ends_when_its_request_does"),
        ],
    },
    Field {
        path: "trafficPolicy.connectionPool.tcp.idleTimeout",
        does: "how long nothing may pass on a connection that nobody reads; where it is not set, that ends when its ends want it",
        tests: &[
            (POOLS, "a_connection_ends_when_it_is_old_or_nobody_uses_it"),
            (LIFETIME, "it_is_over_when_nothing_has_passed_for_as_long_as_nothing_may"),
        ],
    },
    Field {
        path: "trafficPolicy.connectionPool.http.http1MaxPendingRequests",
        does: "requests that wait for a connection",
        tests: &[(LIMITS, "what_is_beyond_a_limit_is_refused")],
    },
    Field {
        path: "trafficPolicy.connectionPool.http.http2MaxRequests",
        does: "requests at once, of either HTTP",
        tests: &[(LIMITS, "what_is_beyond_a_limit_is_refused")],
    },
    Field {
        path: "trafficPolicy.connectionPool.http.maxRequestsPerConnection",
        does: "requests of a connection's life",
        tests: &[
            (POOLS, "a_connection_has_as_many_requests_as_it_may"),
            (HTTP1, "a_connection_ends_after_as_many_requests_as_it_may_have"),
        ],
    },
    Field {
        path: "trafficPolicy.connectionPool.http.maxRetries",
        does: "retries at once",
        tests: &[(LIMITS, "retries_have_a_limit_of_their_own")],
    },
    Field {
        path: "trafficPolicy.connectionPool.http.http2KeepAlive",
        does: "when an endpoint of HTTP/2 of which nothing is heard is asked whether it is there, and how long its answer may take; else its requests end, and new ones go by another connection. Unset, after 30 s, within 20 s",
        tests: &[(HTTP2, "the_rule_says_when_a_server_is_asked_whether_it_is_there")],
    },
    Field {
        path: "trafficPolicy.connectionPool.http.maxConcurrentStreams",
        does: "streams of a connection of HTTP/2; beyond, there are further connections",
        tests: &[
            (POOLS, "connections_of_http2_have_as_many_streams_as_they_may"),
            (HTTP2, "the_rule_limits_streams_of_a_connection_and_requests_of_its_life"),
        ],
    },
    Field {
        path: "trafficPolicy.connectionPool.http.idleTimeout",
        does: "how long a connection may be unused, of HTTP; where it is not set, `tcp.idleTimeout`",
        tests: &[
            (POOLS, "a_connection_ends_when_it_is_old_or_nobody_uses_it"),
            (HTTP1, "a_connection_that_nobody_uses_ends_when_it_was_idle_for_too_long"),
        ],
    },
    Field {
        path: "trafficPolicy.connectionPool.http.h2UpgradePolicy, useClientProtocol",
        does: "which HTTP endpoints are spoken to in. At the end of a tunnel of the mesh, which is HTTP/2 itself, `UPGRADE` leaves applications what their port declares, as Istio's sidecars do",
        tests: &[
            (POOLS, "which_http_is_spoken_follows_from_port_rule_mesh_and_client"),
            (FACTS, "which_http_is_spoken_follows_from_port_rule_mesh_and_client"),
        ],
    },
    Field {
        path: "trafficPolicy.outlierDetection.consecutive5xxErrors, consecutiveErrors",
        does: "so many failures in a row eject an endpoint",
        tests: &[
            (EJECTIONS, "each_detector_ejects_by_what_it_counts"),
            (ROUTING, "failing_endpoints_are_hidden_and_ejected"),
        ],
    },
    Field {
        path: "trafficPolicy.outlierDetection.consecutiveGatewayErrors",
        does: "as above, for 502, 503, 504 and connections that fail",
        tests: &[(EJECTIONS, "each_detector_ejects_by_what_it_counts")],
    },
    Field {
        path: "trafficPolicy.outlierDetection.splitExternalLocalOriginErrors, consecutiveLocalOriginFailures",
        does: "connections that fail and resets are counted apart",
        tests: &[(EJECTIONS, "each_detector_ejects_by_what_it_counts")],
    },
    Field {
        path: "trafficPolicy.outlierDetection.baseEjectionTime, interval",
        does: "how long, longer with each ejection; each `interval` without one takes that off again",
        tests: &[
            (EJECTIONS, "ejections_end_and_have_a_limit"),
            (LEDGER, "each_ejection_is_longer_by_the_base_time_up_to_five_minutes"),
            (LEDGER, "each_interval_of_health_takes_one_off"),
        ],
    },
    Field {
        path: "trafficPolicy.outlierDetection.maxEjectionPercent",
        does: "how many at once; one of several always may be",
        tests: &[(EJECTIONS, "ejections_end_and_have_a_limit"), (LEDGER, "not_more_than_the_percentage_is_ejected")],
    },
    Field {
        path: "trafficPolicy.outlierDetection.minHealthPercent",
        does: "where fewer would be left, ejections are disregarded",
        tests: &[(EJECTIONS, "ejections_end_and_have_a_limit")],
    },
    Field {
        path: "trafficPolicy.tls.credentialName",
        does: "at gateways, and at workloads that the rule's `workloadSelector` chooses: the Secret of their namespace with the authorities to believe (`ca.crt`, or a Secret `NAME-cacert`) and, for `MUTUAL`, certificate and key. One that changes is followed, one that can't be used changes nothing; without it calls fail. So do calls of workloads by other rules",
        tests: &[
            (SECURED, "gateways_make_tls_with_what_secrets_hold"),
            (SECURED, "chosen_workloads_make_tls_with_what_secrets_hold"),
            (ORIGINATE_SECRET, "changes_are_followed_but_for_those_that_are_of_no_use"),
        ],
    },
    Field {
        path: "trafficPolicy.tls",
        does: "`SIMPLE` and `MUTUAL` to applications that end TLS themselves, for requests and for bytes of any protocol: `sni`, `caCertificates`, `caCrl`, `subjectAltNames`, `insecureSkipVerify`, `clientCertificate`, `privateKey`. In the mesh calls go by tunnel, `DISABLE` or not, and that TLS goes inside of it",
        tests: &[
            (HOSTS, "tls_is_originated_and_routes_hold_outside"),
            (SECURED, "tls_is_made_for_bytes_of_any_protocol"),
            (SEALED, "tls_goes_through_the_mesh_to_applications_that_end_it"),
            (ORIGINATE, "revoked_certificates_are_refused"),
            (ORIGINATE, "insecure_believes_anybody"),
            (WORKER, "the_mesh_is_called_by_tunnel_whatever_the_rule_says_of_plaintext"),
        ],
    },
    Field {
        path: "trafficPolicy.portLevelSettings",
        does: "settings of one port",
        tests: &[(HOSTS, "tls_is_originated_and_routes_hold_outside")],
    },
    Field {
        path: "trafficPolicy.tunnel",
        does: "the host is a forward proxy: connections of TCP and TLS that nobody reads are led on by it to `targetHost` and `targetPort`, which is asked for by `CONNECT`. With `protocol: POST` they fail (RS227). A proxy that does not lead on resets them",
        tests: &[
            (THROUGH, "connections_go_through_a_forward_proxy"),
            (THROUGH_UNIT, "whatever_else_is_answered_leads_nowhere"),
        ],
    },
    Field {
        path: "trafficPolicy.proxyProtocol",
        does: "connections begin with the PROXY protocol, before TLS and inside of the mesh's tunnels: it names the client's address and the one that it called. They are for one client each, and end with it",
        tests: &[
            (ANNOUNCED, "connections_begin_with_whom_they_are_for"),
            (ANNOUNCED_POOL, "no_two_clients_share_a_connection_and_it_ends_with_its_client"),
        ],
    },
    Field {
        path: "trafficPolicy.retryBudget",
        does: "retries by share of requests: `percent` of those under way, or of those of `budgetInterval`, and at least `minRetryConcurrency` at once",
        tests: &[
            (LIMITS, "retries_have_a_limit_of_their_own"),
            (CIRCUIT, "a_budget_is_a_share_of_active_requests"),
            (CIRCUIT, "a_budget_with_an_interval_remembers_requests"),
        ],
    },
    Field {
        path: "exportTo",
        does: "namespaces whose callers it is for",
        tests: &[(SCOPES, "a_destination_rule_acts_where_it_is_seen")],
    },
];
