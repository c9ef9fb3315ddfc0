//! What the fields do, and which tests show it.

mod authorization;
mod gateway;
mod mesh;
mod ours;
mod proxy_config;
mod traffic_policy;
mod workload_group;

use super::{Field, KindOf};

const ROUTING: &str = "tests/e2e/tests/routing.rs";
const MATCHES: &str = "tests/e2e/tests/shaping/matches.rs";
const MIRRORS: &str = "tests/e2e/tests/shaping/mirrors.rs";
const AFFINITY: &str = "tests/e2e/tests/shaping/affinity.rs";
const BALANCING: &str = "tests/e2e/tests/shaping/balancing.rs";
const ANSWERS: &str = "tests/e2e/tests/shaping/answers.rs";
const EJECTIONS: &str = "tests/e2e/tests/shaping/ejections.rs";
const LIMITS: &str = "tests/e2e/tests/shaping/limits.rs";
const RETRIES: &str = "tests/e2e/tests/shaping/retries.rs";
const SCOPES: &str = "tests/e2e/tests/shaping/scopes.rs";
const CONNECTING: &str = "tests/e2e/tests/shaping/connecting.rs";
const POOLS: &str = "tests/e2e/tests/shaping/pools.rs";
const OPAQUE: &str = "tests/e2e/tests/opaque.rs";
const HOSTS: &str = "tests/e2e/tests/hosts.rs";
const CHOICES: &str = "tests/e2e/tests/hosts/choices.rs";
const ANNOUNCED: &str = "tests/e2e/tests/hosts/announced.rs";
const ANNOUNCED_POOL: &str = "crates/proxy/src/backends/state/tests/announced.rs";
const THROUGH: &str = "tests/e2e/tests/hosts/through.rs";
const THROUGH_UNIT: &str = "crates/proxy/src/backends/through/tests.rs";
const SEALED: &str = "tests/e2e/tests/sealed.rs";
const SECURED: &str = "tests/e2e/tests/hosts/secured.rs";
const ORIGINATE_SECRET: &str = "crates/proxy/src/backends/originate/secret/tests.rs";
const CUTOVER: &str = "tests/e2e/tests/shaping/cutover.rs";
const CHANGES: &str = "crates/proxy/src/http/filters/changes/tests.rs";
const CORS: &str = "crates/proxy/src/http/filters/cors/tests.rs";
const FAULT: &str = "crates/proxy/src/http/filters/fault/tests.rs";
const RETRY: &str = "crates/proxy/src/http/filters/retry/tests.rs";
const TIMEOUT: &str = "crates/proxy/src/http/filters/timeout/tests.rs";
const COMPILE: &str = "crates/compile/src/tests.rs";
const MALFORMED: &str = "crates/api/tests/malformed.rs";
const SIDECARS: &str = "tests/e2e/tests/sidecars.rs";
const DELIVERY: &str = "tests/e2e/tests/shaping/delivery.rs";
const DECIDE_SCOPES: &str = "crates/decide/src/call/callee/tests.rs";
const DECIDE_ROUTING: &str = "crates/decide/tests/routing.rs";
const HTTP1: &str = "crates/proxy/src/backends/state/tests/http1.rs";
const LIFETIME: &str = "crates/proxy/src/outbound/lifetime/tests.rs";
const HTTP2: &str = "crates/proxy/src/backends/state/tests/http2.rs";
const BALANCER: &str = "crates/balance/src/balancer/tests.rs";
const WARMUP: &str = "crates/balance/src/warmup/tests.rs";
const LOCALITY: &str = "crates/decide/src/locality/tests.rs";
const FACTS: &str = "crates/proxy/src/backends/facts/tests.rs";
const ENDPOINTS: &str = "crates/proxy/src/backends/endpoints/tests.rs";
const VIRTUAL_SERVICES: &str = "crates/api/tests/virtual_service.rs";
const ROUTES: &str = "crates/explain/tests/routing.rs";
const DELEGATES: &str = "crates/compile/src/traffic/route/tests.rs";
const OPEN: &str = "crates/proxy/src/backends/open/tests.rs";
const OUTLIERS: &str = "crates/balance/src/outlier/tests.rs";
const CIRCUIT: &str = "crates/balance/src/circuit/tests.rs";
const WORKER: &str = "crates/proxy/src/backends/worker/tests.rs";

pub(super) const KINDS: &[KindOf] = &[
    KindOf {
        kind: "VirtualService",
        about: "At callers in the mesh, and in its HTTP/1 and HTTP/2.",
        fields: VIRTUAL_SERVICE,
    },
    KindOf {
        kind: "DestinationRule",
        about: "Where requests of enrolled callers go, and connections that nobody reads.",
        fields: DESTINATION_RULE,
    },
    KindOf { kind: "ServiceEntry", about: "At enrolled callers.", fields: SERVICE_ENTRY },
    KindOf {
        kind: "WorkloadEntry",
        about: "As endpoint of a Service or ServiceEntry of its namespace; `endpoints[]` of a ServiceEntry are the same.",
        fields: WORKLOAD_ENTRY,
    },
    KindOf {
        kind: "WorkloadGroup",
        about: "Of processes that `ripstop run --group` starts. How is in [configuration.md](configuration.md#workloadgroup).",
        fields: workload_group::FIELDS,
    },
    KindOf {
        kind: "Sidecar",
        about: "At callers that ask for a sidecar. What it is for is in [configuration.md](configuration.md#sidecar).",
        fields: SIDECAR,
    },
    KindOf {
        kind: "Gateway",
        about: "At gateways. How they are made, and what goes with what, is in [configuration.md](configuration.md#gateway).",
        fields: gateway::FIELDS,
    },
    KindOf {
        kind: "AuthorizationPolicy",
        about: "At callees; attached ones at waypoints. What else acts on connections is in [configuration.md](configuration.md).",
        fields: authorization::FIELDS,
    },
    KindOf {
        kind: "TrafficPolicy",
        about: "What Istio's kinds cannot say. Where it acts, and what counts together, is in [configuration.md](configuration.md#trafficpolicy).",
        fields: traffic_policy::FIELDS,
    },
    KindOf {
        kind: "ProxyConfig",
        about: "At gateways, waypoints and sidecars; without selector in the root namespace at nodes, too. Other workloads have no proxy of their own (RS272).",
        fields: proxy_config::FIELDS,
    },
    KindOf {
        kind: "Process",
        about: "As far as it shapes traffic. What else it says is in [configuration.md](configuration.md#process).",
        fields: ours::PROCESS,
    },
    KindOf {
        kind: "Node",
        about: "What else it says is in [configuration.md](configuration.md#node).",
        fields: ours::NODE,
    },
    KindOf {
        kind: "Mesh",
        about: "As far as it shapes traffic, and but for its `meshConfig`. What else it says is in [configuration.md](configuration.md#mesh).",
        fields: ours::MESH,
    },
    KindOf {
        kind: "meshConfig",
        about: "Of the `Mesh` that acts. Its other settings are in [configuration.md](configuration.md#mesh).",
        fields: mesh::FIELDS,
    },
];

const SIDECAR: &[Field] = &[
    Field {
        path: "workloadSelector",
        does: "labels of the callers; none: all of the namespace, in the root namespace all of the mesh",
        tests: &[(SCOPES, "a_sidecar_limits_what_injected_workloads_know"), (DECIDE_SCOPES, "the_nearest_scope_acts")],
    },
    Field {
        path: "egress[].hosts",
        does: "hosts that are known, `NAMESPACE/HOST` with wildcards; `~NAMESPACE/HOST` takes some away again",
        tests: &[(SCOPES, "a_sidecar_limits_what_injected_workloads_know")],
    },
    Field {
        path: "egress[].port.number",
        does: "its hosts are those of calls to that port, and others of the listener without port",
        tests: &[(SCOPES, "a_sidecar_limits_what_injected_workloads_know")],
    },
    Field {
        path: "egress[].port.protocol, name, targetPort",
        does: "checked; what is spoken there follows from the Service or ServiceEntry that is called",
        tests: &[(MALFORMED, "sidecar")],
    },
    Field {
        path: "ingress[].port",
        does: "the listener is that of what comes to `number`; what is spoken there follows from the workload's Services",
        tests: &[(DELIVERY, "applications_get_calls_where_they_listen")],
    },
    Field {
        path: "ingress[].defaultEndpoint",
        does: "where the application gets what comes to `port.number`: at the loopback, or at another port",
        tests: &[(DELIVERY, "applications_get_calls_where_they_listen")],
    },
    Field {
        path: "inboundConnectionPool.tcp.maxConnections, ingress[].connectionPool.tcp.maxConnections",
        does: "connections that may be open at once to a port of each workload; of a listener its own counts. Those beyond are refused",
        tests: &[(SIDECARS, "a_sidecar_limits_what_comes_in")],
    },
    Field {
        path: "inboundConnectionPool.tcp.maxConnectionDuration, idleTimeout, ingress[].connectionPool.tcp.maxConnectionDuration, ingress[].connectionPool.tcp.idleTimeout",
        does: "how long a connection that nobody reads may last, and how long nothing may pass on it",
        tests: &[(SIDECARS, "connections_that_come_in_last_as_long_as_a_sidecar_says")],
    },
    Field {
        path: "inboundConnectionPool.tcp.connectTimeout, tcpKeepalive, ingress[].connectionPool.tcp.connectTimeout, ingress[].connectionPool.tcp.tcpKeepalive",
        does: "of connections to the application: how long one may take to open, and how the kernel asks whether it is there",
        tests: &[(SIDECARS, "connections_that_come_in_last_as_long_as_a_sidecar_says")],
    },
    Field {
        path: "outboundTrafficPolicy.mode",
        does: "what becomes of calls to whatever is not known, instead of what the mesh says",
        tests: &[(SCOPES, "a_sidecar_limits_what_injected_workloads_know")],
    },
    Field {
        path: "outboundTrafficPolicy.egressProxy",
        does: "by which Service or host calls to whatever is not known go out, where `mode` is `ALLOW_ANY`; calls to workloads by their address go there themselves",
        tests: &[
            (SIDECARS, "what_nobody_knows_goes_through_the_egress_proxy"),
            (DECIDE_SCOPES, "what_nobody_knows_goes_through_the_egress_proxy"),
        ],
    },
];

const VIRTUAL_SERVICE: &[Field] = &[
    Field {
        path: "http[].match[].uri",
        does: "exact, prefix or regex of the path, normalized first",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].ignoreUriCase",
        does: "`uri` by exact or prefix disregards case",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].scheme",
        does: "exact, prefix or regex of the scheme",
        tests: &[(MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].method",
        does: "exact, prefix or regex of the method",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].authority",
        does: "exact, prefix or regex of `Host` or `:authority`, with its port",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].headers",
        does: "exact, prefix or regex of headers; `{}`: there is one",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].withoutHeaders",
        does: "headers that must not match",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].queryParams",
        does: "exact, prefix or regex of the first value of a query parameter, as it is written",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].port",
        does: "the port that was called",
        tests: &[(MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].gateways",
        does: "where the match holds: `mesh`, or gateways; beats `sourceLabels` and `sourceNamespace`",
        tests: &[(MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].sourceLabels",
        does: "labels of the caller",
        tests: &[(MATCHES, "whoever_calls_counts")],
    },
    Field {
        path: "http[].match[].sourceNamespace",
        does: "namespace of the caller",
        tests: &[(MATCHES, "whoever_calls_counts")],
    },
    Field {
        path: "http[].route[].destination",
        does: "backend, subset and port; one that is not there is answered with 503",
        tests: &[
            (ROUTING, "weights_and_matches_choose_the_version"),
            (ANSWERS, "answers_of_the_proxy_are_shaped_by_their_rule"),
        ],
    },
    Field {
        path: "http[].route[].weight",
        does: "share of requests",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version")],
    },
    Field {
        path: "http[].route[].headers, http[].headers",
        does: "fields of request and answer are set, added, removed, with Envoy's operators in values; the rule wins over the backend. Answers of the proxy itself get those of answers, too",
        tests: &[
            (ROUTING, "requests_and_answers_are_changed"),
            (ANSWERS, "answers_of_the_proxy_are_shaped_by_their_rule"),
            (CHANGES, "of_several_backends_the_rule_wins"),
        ],
    },
    Field {
        path: "http[].rewrite",
        does: "path by prefix or regex, and authority",
        tests: &[(ROUTING, "requests_and_answers_are_changed")],
    },
    Field {
        path: "http[].redirect",
        does: "the caller is sent elsewhere",
        tests: &[
            (ROUTING, "requests_and_answers_are_changed"),
            (ANSWERS, "answers_of_the_proxy_are_shaped_by_their_rule"),
        ],
    },
    Field {
        path: "http[].directResponse",
        does: "the proxy answers",
        tests: &[(ROUTING, "requests_and_answers_are_changed")],
    },
    Field {
        path: "http[].timeout",
        does: "for the whole request with its retries; beyond, 504",
        tests: &[
            (ROUTING, "requests_and_answers_are_changed"),
            (TIMEOUT, "an_attempt_ends_before_the_whole_or_with_it"),
        ],
    },
    Field {
        path: "http[].retries",
        does: "further attempts with other endpoints: `attempts`, `retryOn`",
        tests: &[(ROUTING, "failing_endpoints_are_hidden_and_ejected"), (RETRY, "what_is_never_retried")],
    },
    Field {
        path: "http[].retries.retryRemoteLocalities",
        does: "after every second attempt, less preferred localities than those tried so far",
        tests: &[(RETRIES, "other_localities_are_tried_where_the_rule_says_so")],
    },
    Field {
        path: "http[].retries.retryIgnorePreviousHosts",
        does: "whether endpoints that were tried are avoided: yes, unless a hash chose them",
        tests: &[(RETRIES, "a_request_leaves_its_endpoint_where_the_rule_says_so")],
    },
    Field {
        path: "http[].retries.perTryTimeout, http[].retries.backoff",
        does: "how long an attempt may take; pauses between attempts are drawn at random below the back-off, which doubles",
        tests: &[(RETRIES, "an_attempt_has_a_time_of_its_own_and_a_pause_before_the_next")],
    },
    Field {
        path: "http[].fault.delay, http[].fault.abort",
        does: "each drawn for itself; before CORS is looked at, as Istio orders filters",
        tests: &[(ROUTING, "requests_and_answers_are_changed"), (FAULT, "the_two_are_drawn_independently")],
    },
    Field {
        path: "http[].mirror, http[].mirrors, mirrorPercentage, mirrorPercent",
        does: "copies are sent once the request is complete, with `-shadow` behind their host; nobody waits for them, and bodies of more than 64 KiB are not copied",
        tests: &[
            (MIRRORS, "a_mirror_gets_what_its_backend_gets_and_nobody_waits_for_it"),
            (MIRRORS, "limits_of_a_mirror_hold_for_copies"),
        ],
    },
    Field {
        path: "http[].corsPolicy",
        does: "preflights are answered, and answers get what scripts need; those of the proxy itself, too",
        tests: &[
            (ROUTING, "requests_and_answers_are_changed"),
            (CORS, "preflights"),
            (ANSWERS, "answers_of_the_proxy_are_shaped_by_their_rule"),
        ],
    },
    Field {
        path: "hosts",
        does: "services and declared hosts whose calls the rules are for; a change acts on the next request, on open connections too",
        tests: &[
            (ROUTING, "a_version_is_switched_without_a_failure"),
            (CUTOVER, "connections_that_were_open_before_follow_routes_between_two_requests"),
        ],
    },
    Field {
        path: "gateways",
        does: "where the rules act: `mesh`, which they do by default, or gateways",
        tests: &[(ROUTES, "the_table_holds"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].name, http[].match[].name",
        does: "how the rule is called where it is told of: `explain`, access logs",
        tests: &[(ROUTES, "the_table_holds")],
    },
    Field {
        path: "http[].match[].statPrefix",
        does: "nothing (RS120): metrics have Istio's names only",
        tests: &[(VIRTUAL_SERVICES, "what_is_older_or_acts_nowhere_is_said_and_nothing_else")],
    },
    Field {
        path: "http[].delegate",
        does: "the rules of another VirtualService stand here, as far as they agree",
        tests: &[(ROUTES, "the_table_holds"), (DELEGATES, "places_are_in_the_delegate_and_tell_matches_apart")],
    },
    Field {
        path: "exportTo",
        does: "namespaces whose callers the rules are for",
        tests: &[(SCOPES, "a_virtual_service_acts_where_it_is_seen")],
    },
    Field {
        path: "tcp[].match[].port, tcp[].route[]",
        does: "connections of TCP by port, with weights",
        tests: &[(OPAQUE, "connections_are_split_by_weight_and_port")],
    },
    Field {
        path: "tcp[].match[], tls[].match[]",
        does: "what else may be asked of a connection: `destinationSubnets`, `port`, `sourceLabels`, `sourceNamespace`, `gateways`",
        tests: &[(ROUTES, "the_table_holds")],
    },
    Field {
        path: "tls[].match[].sniHosts, tls[].route[]",
        does: "connections of TLS by the server name that they ask for; TLS stays whole",
        tests: &[(OPAQUE, "tls_is_routed_by_its_server_name")],
    },
];

const DESTINATION_RULE: &[Field] = &[
    Field {
        path: "host",
        does: "the service or declared host that is called, or a wildcard; of the namespaces of caller, callee and mesh the first that has a rule",
        tests: &[(ROUTES, "the_table_holds"), (SCOPES, "a_destination_rule_acts_where_it_is_seen")],
    },
    Field {
        path: "workloadSelector",
        does: "callers of its own namespace that it is for; beats rules for all",
        tests: &[(ROUTES, "the_table_holds")],
    },
    Field {
        path: "trafficPolicy.connectionPool.tcp.tcpKeepalive",
        does: "probes of the kernel towards endpoints",
        tests: &[(OPEN, "the_mesh_has_probes_where_a_rule_has_none")],
    },
    Field {
        path: "trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes",
        does: "answers that count as failures, instead of 5xx",
        tests: &[(OUTLIERS, "codes_replace_5xx")],
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
        does: "which HTTP endpoints are spoken to in",
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
        does: "how long, longer with each ejection",
        tests: &[(EJECTIONS, "ejections_end_and_have_a_limit")],
    },
    Field {
        path: "trafficPolicy.outlierDetection.maxEjectionPercent",
        does: "how many at once; one of several always may be",
        tests: &[(EJECTIONS, "ejections_end_and_have_a_limit")],
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
        does: "`SIMPLE` and `MUTUAL` to applications that end TLS themselves, for requests and for bytes of any protocol: `sni`, `caCertificates`, `subjectAltNames`, `clientCertificate`, `privateKey`. In the mesh calls go by tunnel, `DISABLE` or not, and that TLS goes inside of it",
        tests: &[
            (HOSTS, "tls_is_originated_and_routes_hold_outside"),
            (SECURED, "tls_is_made_for_bytes_of_any_protocol"),
            (SEALED, "tls_goes_through_the_mesh_to_applications_that_end_it"),
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
        does: "retries by share of requests",
        tests: &[(LIMITS, "retries_have_a_limit_of_their_own"), (CIRCUIT, "a_budget_is_a_share_of_active_requests")],
    },
    Field {
        path: "exportTo",
        does: "namespaces whose callers it is for",
        tests: &[(SCOPES, "a_destination_rule_acts_where_it_is_seen")],
    },
];

const WORKLOAD_ENTRY: &[Field] = &[
    Field {
        path: "address",
        does: "an address, or a name that the DNS of the mesh's machine knows. One that a workload of the mesh has is called as that workload",
        tests: &[
            (SCOPES, "a_selector_means_workloads_and_entries_of_its_namespace"),
            (ENDPOINTS, "an_address_of_the_mesh_is_called_as_the_workload_that_has_it"),
        ],
    },
    Field {
        path: "ports, weight",
        does: "its ports by the names of those that are called, and its share",
        tests: &[(ENDPOINTS, "what_is_written_down_is_called_with_its_port_and_weight_and_sockets_are_not")],
    },
    Field {
        path: "labels",
        does: "by that it is selected, and is in subsets",
        tests: &[
            (SCOPES, "a_selector_means_workloads_and_entries_of_its_namespace"),
            (ENDPOINTS, "a_subset_is_those_with_its_labels_and_one_that_is_not_defined_is_nobody"),
        ],
    },
    Field {
        path: "locality, network",
        does: "where it is, for localities; one without address is behind the gateway of its network, of which there is none: nobody calls it",
        tests: &[(ENDPOINTS, "locality_of_what_is_written_down_counts"), (LOCALITY, "label_order")],
    },
    Field {
        path: "serviceAccount",
        does: "nothing has to be said: a workload of the mesh proves its own identity, others prove what `subjectAltNames` names",
        tests: &[(ENDPOINTS, "a_tunnel_expects_the_workloads_identity_and_those_that_the_service_names")],
    },
];

const SERVICE_ENTRY: &[Field] = &[
    Field {
        path: "hosts",
        does: "names that callers may use; without `addresses` and with endpoints that the mesh finds, a host has an address of its own in the DNS of enrolled workloads. Others are found by the name that a request or its TLS asks for",
        tests: &[(HOSTS, "only_declared_hosts_are_reached_where_the_mesh_says_so")],
    },
    Field {
        path: "metadata.labels.networking.istio.io/enable-autoallocate-ip",
        does: "`false`: its hosts have no addresses of their own",
        tests: &[(COMPILE, "hosts_of_an_entry_may_want_no_address_of_their_own")],
    },
    Field {
        path: "addresses",
        does: "addresses that mean this host",
        tests: &[(HOSTS, "only_declared_hosts_are_reached_where_the_mesh_says_so")],
    },
    Field {
        path: "ports[]",
        does: "number, protocol and `targetPort`",
        tests: &[(HOSTS, "tls_is_originated_and_routes_hold_outside")],
    },
    Field {
        path: "location",
        does: "nothing has to be said: an endpoint that is a workload of the mesh is called as such, by tunnel and identity, any other is not",
        tests: &[(ENDPOINTS, "an_address_of_the_mesh_is_called_as_the_workload_that_has_it")],
    },
    Field {
        path: "resolution: STATIC, endpoints[]",
        does: "the addresses that are written down, with their ports and weights",
        tests: &[
            (HOSTS, "only_declared_hosts_are_reached_where_the_mesh_says_so"),
            (ENDPOINTS, "what_is_written_down_is_called_with_its_port_and_weight_and_sockets_are_not"),
        ],
    },
    Field {
        path: "resolution: DNS, DNS_ROUND_ROBIN",
        does: "what the DNS of the mesh's machine says, asked again as it says",
        tests: &[
            (HOSTS, "only_declared_hosts_are_reached_where_the_mesh_says_so"),
            (ENDPOINTS, "a_host_without_endpoints_is_its_own_name_and_one_address_at_a_time_if_it_says_so"),
        ],
    },
    Field {
        path: "resolution: NONE",
        does: "where the caller goes",
        tests: &[(HOSTS, "only_declared_hosts_are_reached_where_the_mesh_says_so")],
    },
    Field {
        path: "workloadSelector",
        does: "workloads and WorkloadEntries of its namespace",
        tests: &[
            (SCOPES, "a_selector_means_workloads_and_entries_of_its_namespace"),
            (ENDPOINTS, "an_address_of_the_mesh_is_called_as_the_workload_that_has_it"),
        ],
    },
    Field {
        path: "subjectAltNames",
        does: "names that endpoints may prove: in the mesh beside their own, outside where the rule for TLS names none",
        tests: &[
            (CHOICES, "endpoints_prove_a_name_that_the_entry_or_the_rule_has"),
            (ENDPOINTS, "a_tunnel_expects_the_workloads_identity_and_those_that_the_service_names"),
        ],
    },
    Field {
        path: "exportTo",
        does: "namespaces that see it",
        tests: &[
            (SCOPES, "a_service_entry_is_known_where_it_is_seen"),
            (DECIDE_ROUTING, "changes_lead_where_a_new_start_does"),
        ],
    },
];
