//! Settings of the mesh.

use super::{
    BALANCING, CONNECTING, Field, HOSTS, LIMITS, LOCALITY, POOLS, SCOPES, SECURED,
    proxy_config::{CREW, SETTINGS, WORKERS},
};

const EJECTIONS: &str = "tests/e2e/tests/shaping/ejections.rs";
const DEFAULTS: &str = "tests/e2e/tests/shaping/defaults.rs";
const ENDINGS: &str = "tests/e2e/tests/gateway/endings.rs";
const DRAIN: &str = "crates/proxy/src/gateway/drain/tests.rs";
const READ: &str = "crates/api/tests/config/mesh.rs";
const READ_PROXIES: &str = "crates/api/tests/config/proxies.rs";
const FACTS: &str = "crates/proxy/src/backends/facts/tests.rs";
const BUNDLES: &str = "crates/identity/src/bundles/tests.rs";

const CERTIFICATES: &str = "tests/e2e/tests/gateway/certificates.rs";
const PARAMETERS: &str = "crates/proxy/src/tls_parameters/tests.rs";
const TELEMETRY: &str = "crates/decide/src/telemetry/tests.rs";
const DELIVERY: &str = "tests/e2e/tests/shaping/delivery.rs";
const TUNNELS: &str = "crates/tunnel/src/pool/tests.rs";
const OPEN: &str = "crates/proxy/src/backends/open/tests.rs";
const OUTBOUND: &str = "crates/proxy/src/outbound/tests.rs";
const SHARED: &str = "crates/proxy/src/backends/shared/tests.rs";
const COMPILED: &str = "crates/compile/src/mesh/tests.rs";
const BEFORE: &str = "tests/e2e/tests/gateway/announced.rs";
const HEADER: &str = "crates/proxy/src/gateway/announced/tests.rs";
const FORWARDED: &str = "crates/decide/src/forwarded/tests.rs";
const PROCESS: &str = "crates/compile/src/traffic/process_proxy/tests.rs";
const SETTINGS_OF: &str = "crates/model/src/connection_settings/tests.rs";
const PATIENCE: &str = "crates/proxy/src/http/patience/tests.rs";
const EDGES: &str = "tests/e2e/tests/gateway/strangers.rs";
const FETCHED: &str = "tests/e2e/tests/gateway/bundles.rs";
const PROVEN: &str = "tests/e2e/tests/gateway/proven.rs";
const CLIENT_CERT: &str = "crates/proxy/src/gateway/client_cert/tests.rs";
const AGAIN: &str = "crates/proxy/src/http/inbound/again/tests.rs";
const DISCOVERY: &str = "crates/compile/src/discovery/tests.rs";
const VISIBILITY: &str = "crates/compile/src/traffic/visibility/tests.rs";
const ZONES: &str = "crates/decide/src/locality/zones/tests.rs";

pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "defaultTrafficPolicy",
        does: "`connectionPool` and `outlierDetection` where a DestinationRule has none",
        tests: &[
            (LIMITS, "the_mesh_has_limits_for_whoever_has_none"),
            (EJECTIONS, "each_detector_ejects_by_what_it_counts"),
        ],
    },
    Field {
        path: "tlsDefaults.minProtocolVersion, cipherSuites, ecdhCurves",
        does: "what TLS of gateways is where a listener says nothing of it, and TLS that a DestinationRule asks for by `SIMPLE` and `MUTUAL`",
        tests: &[
            (CERTIFICATES, "the_mesh_says_what_is_spoken_where_a_listener_does_not"),
            (CERTIFICATES, "only_curves_that_the_mesh_lists_are_offered"),
            (SECURED, "the_mesh_says_what_tls_of_a_rule_is_made_with"),
            (PARAMETERS, "curves_are_offered_in_the_order_that_is_given"),
        ],
    },
    Field {
        path: "protocolDetectionTimeout",
        does: "how long a silent caller is waited for where its port declares no protocol",
        tests: &[(OUTBOUND, "the_mesh_says_how_long_a_client_may_be_silent"), (COMPILED, "settings_of_connections")],
    },
    Field {
        path: "inboundTrafficPolicy.mode",
        does: "`LOCALHOST`: applications get calls at the loopback",
        tests: &[(DELIVERY, "applications_get_calls_where_they_listen"), (COMPILED, "settings_of_connections")],
    },
    Field {
        path: "hboneIdleTimeout",
        does: "how long a tunnel without connections in it is kept",
        tests: &[
            ("crates/proxy/src/peers/tests.rs", "tunnels_without_connections_end_when_the_mesh_says_so"),
            (TUNNELS, "how_long_idle_tunnels_are_kept_can_be_said_anew"),
            (COMPILED, "settings_of_connections"),
        ],
    },
    Field {
        path: "tcpKeepalive",
        does: "probes of the kernel towards endpoints, where a DestinationRule has none",
        tests: &[(OPEN, "the_mesh_has_probes_where_a_rule_has_none"), (COMPILED, "settings_of_connections")],
    },
    Field {
        path: "dnsRefreshRate",
        does: "how long answers about hosts outside of the mesh are believed at most",
        tests: &[(SHARED, "the_mesh_says_how_long_names_are_believed"), (COMPILED, "settings_of_connections")],
    },
    Field {
        path: "outboundTrafficPolicy.mode: ALLOW_ANY, REGISTRY_ONLY",
        does: "whether places that nobody declares are reached: yes, unless it says `REGISTRY_ONLY`",
        tests: &[
            (HOSTS, "strangers_are_passed_on_where_the_mesh_lets_them"),
            (HOSTS, "only_declared_hosts_are_reached_where_the_mesh_says_so"),
        ],
    },
    Field {
        path: "outboundTrafficPolicy.mode: ALLOW_ANY_DYNAMIC_DNS",
        does: "requests to places that nobody declares go where the name of their host leads",
        tests: &[(HOSTS, "requests_go_where_the_name_of_their_host_leads")],
    },
    Field {
        path: "defaultConfig.gatewayTopology.proxyProtocol",
        does: "connections to gateways have to begin with the PROXY protocol, which names their client. Also in the annotation `proxy.istio.io/config` of one gateway",
        tests: &[
            (BEFORE, "who_stands_before_a_gateway_says_whom_it_speaks_for"),
            (HEADER, "a_connection_without_its_header_is_refused"),
            (HEADER, "who_may_come_by_what_a_proxy_says_may_stay"),
        ],
    },
    Field {
        path: "defaultConfig.gatewayTopology.numTrustedProxies",
        does: "so many proxies before a gateway are believed in `x-forwarded-for`, and in `x-forwarded-proto`",
        tests: &[
            (BEFORE, "who_stands_before_a_gateway_says_whom_it_speaks_for"),
            (FORWARDED, "each_trusted_proxy_is_one_address_from_the_end"),
        ],
    },
    Field {
        path: "defaultConfig.gatewayTopology.forwardClientCertDetails",
        does: "what becomes of `x-forwarded-client-cert`",
        tests: &[
            (PROVEN, "what_a_client_has_proven_is_told_as_the_mesh_says"),
            (CLIENT_CERT, "it_is_told_as_openssl_reads_it"),
        ],
    },
    Field {
        path: "outboundTrafficPolicy.tls",
        does: "with that mode: requests to names that nobody declares go over TLS, `SIMPLE` or `MUTUAL`, to port 443 where their host names none",
        tests: &[(HOSTS, "requests_to_names_that_nobody_declares_go_over_tls_where_the_mesh_says_so")],
    },
    Field {
        path: "defaultInboundHttpRetryPolicy",
        does: "`attempts`, `retryOn`, `perTryTimeout` and `backoff` of the callee's proxy, where it reads requests: by default it tries twice more what did not reach the application. Calls of gRPC are not tried again there",
        tests: &[
            (AGAIN, "an_attempt_has_a_time_of_its_own_where_the_mesh_says_so"),
            (DELIVERY, "applications_are_asked_again_where_the_mesh_says_so"),
            (AGAIN, "the_mesh_says_what_is_sent_again"),
            (AGAIN, "what_reached_the_application_is_not_sent_again"),
        ],
    },
    Field {
        path: "discoverySelectors",
        does: "namespaces that the mesh looks at, by labels of theirs; any selector will do. Of others it knows no service and no configuration but policies, and what runs there is not in the mesh (RS260). The root namespace always counts",
        tests: &[
            (SCOPES, "the_mesh_says_who_sees_hosts_and_which_namespaces_there_are"),
            (DISCOVERY, "other_namespaces_are_not_known"),
        ],
    },
    Field {
        path: "serviceEntryVisibility",
        does: "who sees a ServiceEntry at most, by labels of its namespace; `exportTo` can only say less (RS261). Proxies of every role obey",
        tests: &[
            (SCOPES, "the_mesh_says_who_sees_hosts_and_which_namespaces_there_are"),
            (VISIBILITY, "the_mesh_grants_no_more_than_it_says"),
        ],
    },
    Field {
        path: "serviceEntryVisibility.applyToSidecars",
        does: "nothing (RS120): proxies of every role obey",
        tests: &[(READ, "every_field_of_the_mesh")],
    },
    Field {
        path: "localityLbSetting, zoneAwareLbSetting",
        does: "as in a DestinationRule, where that says nothing of it",
        tests: &[
            (BALANCING, "nearer_endpoints_come_first_and_shares_are_kept"),
            (LOCALITY, "the_backends_policy_beats_the_meshs"),
            (ZONES, "zones_get_what_they_can_carry"),
        ],
    },
    Field {
        path: "meshMTLS.minProtocolVersion, cipherSuites",
        does: "always holds: TLS of the mesh is 1.3 alone. Its suites are always on, so `cipherSuites` has nothing to choose (RS120)",
        tests: &[
            ("crates/identity/src/tls/tests.rs", "nothing_older_than_tls_1_3"),
            (READ, "settings_that_have_no_meaning_here"),
        ],
    },
    Field {
        path: "serviceSettings, serviceScopeConfigs",
        does: "nothing, and say so (RS120): the mesh is one cluster, so that all endpoints of a service are its own, and no other cluster sees any",
        tests: &[("crates/api/tests/config/mesh.rs", "settings_that_have_no_meaning_here")],
    },
    Field {
        path: "defaultHttpRetryPolicy",
        does: "`retries` of routes that have none, and of calls without route",
        tests: &[(DEFAULTS, "requests_are_tried_again_as_the_mesh_says")],
    },
    Field {
        path: "pathNormalization.normalization",
        does: "how paths are written before they are compared, and passed on",
        tests: &[(DEFAULTS, "paths_are_compared_as_the_mesh_says")],
    },
    Field {
        path: "connectTimeout",
        does: "how long connecting may take, where a DestinationRule does not say it",
        tests: &[
            (CONNECTING, "who_takes_no_connection_is_given_up_in_time"),
            (FACTS, "timeouts_come_from_the_rule_then_the_mesh_then_istio"),
        ],
    },
    Field {
        path: "h2UpgradePolicy",
        does: "whether endpoints outside of the mesh's tunnels are spoken to by HTTP/2, where a DestinationRule does not say it",
        tests: &[(POOLS, "which_http_is_spoken_follows_from_port_rule_mesh_and_client")],
    },
    Field {
        path: "defaultServiceExportTo, defaultVirtualServiceExportTo, defaultDestinationRuleExportTo",
        does: "`exportTo` of what does not say it itself",
        tests: &[(SCOPES, "the_mesh_says_who_sees_what_does_not_say_it_itself")],
    },
    Field {
        path: "trustDomain, trustDomainAliases",
        does: "the mesh's own domain, and those that count as it",
        tests: &[
            ("tests/e2e/tests/interop.rs", "peers_of_an_alias_domain_are_of_the_mesh"),
            (BUNDLES, "roots_for_no_domain_in_particular_are_those_of_the_mesh_and_its_aliases"),
        ],
    },
    Field {
        path: "caCertificates[].pem, caCertificates[].trustDomains",
        does: "further roots, each for its domains",
        tests: &[
            ("tests/e2e/tests/interop.rs", "peers_of_an_alias_domain_are_of_the_mesh"),
            (BUNDLES, "a_root_counts_for_its_trust_domains_only"),
        ],
    },
    Field {
        path: "caCertificates[].spiffeBundleUrl",
        does: "a SPIFFE bundle whose X.509 authorities count as `pem` does. It is fetched over HTTPS by the control plane, and anew as often as it says; what was fetched last counts until there is another (RS403)",
        tests: &[
            (FETCHED, "who_a_bundle_vouches_for_is_believed_as_long_as_it_does"),
            ("crates/control/src/bundles/tests.rs", "the_last_good_one_counts_until_there_is_another"),
        ],
    },
    Field {
        path: "caCertificates[].certSigners, enableAutoMtls",
        does: "nothing (RS274): the mesh has its own authority, and calls between enrolled workloads are always encrypted, as in Istio's ambient mode",
        tests: &[("crates/compile/src/analyze/not_followed/tests.rs", "settings_of_the_mesh")],
    },
    Field {
        path: "rootNamespace",
        does: "the namespace whose policies and settings are for all of the mesh",
        tests: &[
            ("tests/e2e/tests/strict.rs", "the_mesh_has_a_default_that_a_policy_of_the_root_namespace_beats"),
            ("crates/decide/src/mtls/tests.rs", "root_namespace_and_default_come_from_the_mesh"),
        ],
    },
    Field {
        path: "defaultConfig.concurrency",
        does: "threads of proxies that carry traffic, where no ProxyConfig says it; at nodes, too",
        tests: &[
            (WORKERS, "the_configuration_says_how_many_workers_a_proxy_has"),
            (CREW, "there_may_be_more_workers_and_less"),
            (SETTINGS, "threads_of_proxies"),
        ],
    },
    Field {
        path: "defaultConfig.drainDuration",
        does: "how long connections to gateways and waypoints have to end that would not be let in any more. Unset, 45 s",
        tests: &[
            (ENDINGS, "the_mesh_says_how_long_a_connection_drains"),
            (DRAIN, "the_mesh_says_how_long_connections_drain"),
        ],
    },
    Field {
        path: "defaultConfig.terminationDrainDuration",
        does: "how long open connections have when their proxy is told to end, as far as whoever ends it waits: `up` does for 5 s. Unset, 4 s at gateways and waypoints, 1 s at nodes",
        tests: &[(ENDINGS, "the_mesh_says_how_long_what_is_open_has_when_a_gateway_ends")],
    },
    Field {
        path: "defaultConfig.proxyHeaders.server, requestId, attemptCount, envoyDebugHeaders, xForwardedHost, xForwardedPort",
        does: "what proxies write by themselves where they read requests: `server` of answers, `x-request-id`, `x-envoy-attempt-count`, what explains what they did (with which deadlines are told, too), and, if it is asked for, who was asked for where somebody else is asked instead, and the port that was called",
        tests: &[
            (DEFAULTS, "proxies_write_of_themselves_what_the_mesh_says"),
            ("crates/proxy/src/http/filters/changes/tests.rs", "the_mesh_says_what_proxies_write_by_themselves"),
        ],
    },
    Field {
        path: "defaultConfig.proxyHeaders.forwardedClientCert",
        does: "at gateways, instead of `gatewayTopology.forwardClientCertDetails`",
        tests: &[
            (PROVEN, "what_a_client_has_proven_is_told_as_the_mesh_says"),
            (PROCESS, "what_headers_say_comes_first"),
        ],
    },
    Field {
        path: "defaultConfig.proxyHeaders.setCurrentClientCertDetails",
        does: "which parts of a client's certificate gateways tell in `x-forwarded-client-cert`, beside its hash: `subject`, `uri` and `dns` unless they are `false`, `cert` and `chain` if they are `true`",
        tests: &[
            (PROVEN, "what_a_client_has_proven_is_told_as_the_mesh_says"),
            (CLIENT_CERT, "only_what_is_asked_for_is_told_beside_the_hash"),
        ],
    },
    Field {
        path: "defaultConfig.connectionSettings.profile",
        does: "`EDGE`: at gateways, what is not said is as for proxies that strangers call. Also in the annotation `proxy.istio.io/config` of one process, as all else of these",
        tests: &[
            (EDGES, "an_edge_is_strict_with_strangers"),
            (SETTINGS_OF, "what_is_said_beats_the_profile"),
            (PROCESS, "an_annotation_says_more_than_the_mesh_and_nothing_less"),
        ],
    },
    Field {
        path: "defaultConfig.connectionSettings.httpIdleTimeout, httpMaxConnectionDuration",
        does: "how long a connection may be without requests, and how long it is used",
        tests: &[(PATIENCE, "connections_without_requests_and_old_ones_end")],
    },
    Field {
        path: "defaultConfig.connectionSettings.httpRequestTimeout, httpRequestHeadersTimeout",
        does: "how long a request may take to come, and its head (of HTTP/1.1)",
        tests: &[
            (EDGES, "an_edge_is_strict_with_strangers"),
            (PATIENCE, "a_request_that_does_not_come_to_its_end_is_given_up"),
            (PATIENCE, "heads_that_stay_away_are_not_waited_for"),
        ],
    },
    Field {
        path: "defaultConfig.connectionSettings.httpStreamIdleTimeout, httpMaxStreamDuration",
        does: "how long nothing may move of a request and its answer, and how long both may take",
        tests: &[(PATIENCE, "nothing_moves_for_too_long"), (PATIENCE, "an_answer_that_lasts_too_long_is_cut_off")],
    },
    Field {
        path: "defaultConfig.connectionSettings.httpMaxConcurrentStreams, http2InitialStreamWindowSize, http2InitialConnectionWindowSize",
        does: "requests at once on a connection of HTTP/2, and its windows",
        tests: &[("crates/proxy/src/http/connection/tests.rs", "what_a_connection_of_http2_offers_is_what_is_said")],
    },
    Field {
        path: "defaultConfig.connectionSettings.httpHeadersWithUnderscoresAction",
        does: "requests with `_` in names of fields are refused, or go on without these",
        tests: &[
            ("crates/decide/src/process_proxy/tests.rs", "settings_of_a_sidecar_have_requests_read"),
            (EDGES, "an_edge_is_strict_with_strangers"),
            (PATIENCE, "names_with_underscores_are_refused_or_taken_away"),
        ],
    },
    Field {
        path: "defaultConfig.connectionSettings.httpMergeSlashes, httpPathWithEscapedSlashesAction",
        does: "what `pathNormalization` says for all of the mesh; `UNESCAPE_AND_REDIRECT` sends clients to the path with slashes",
        tests: &[
            (EDGES, "an_edge_is_strict_with_strangers"),
            (PATIENCE, "escaped_slashes_lead_to_where_they_would"),
            (SETTINGS_OF, "paths_are_those_of_the_mesh_but_for_what_is_said"),
        ],
    },
    Field {
        path: "defaultConfig.connectionSettings.listenerPerConnectionBufferLimitBytes",
        does: "how much of a request's body is kept for further attempts",
        tests: &[
            (PATIENCE, "what_is_kept_of_a_body_says_whether_it_is_sent_again"),
            (PROCESS, "every_setting_of_connections_is_read"),
        ],
    },
    Field {
        path: "defaultConfig.connectionSettings.globalDownstreamConnectionLimit",
        does: "connections at once that a gateway takes",
        tests: &[(PATIENCE, "a_gateway_takes_so_many_connections_at_once")],
    },
    Field {
        path: "defaultConfig.connectionSettings.clusterPerConnectionBufferLimitBytes, httpDrainTimeout",
        does: "nothing (RS274): answers are not buffered by connection, and between two GOAWAYs no time is needed",
        tests: &[("crates/compile/src/analyze/not_followed/tests.rs", "settings_of_proxies")],
    },
    Field {
        path: "defaultConfig.proxyHeaders.metadataExchangeHeaders, preserveHttp1HeaderCase",
        does: "nothing (RS120): no metadata is exchanged by headers, and names always pass as they came",
        tests: &[(READ_PROXIES, "every_field_of_the_default_config")],
    },
    Field {
        path: "proxyListenPort, proxyInboundListenPort, proxyHttpPort, ingressClass, ingressService, ingressControllerMode, ingressSelector, enableEnvoyAccessLogService, disableEnvoyListenerLog, configSources, inboundClusterStatName, outboundClusterStatName, certificates, enablePrometheusMerge, verifyCertificateAtClient, ca",
        does: "nothing, and say so, each with what to do instead (RS120)",
        tests: &[(READ, "every_field_of_the_mesh")],
    },
    Field {
        path: "defaultConfig.configPath, binaryPath, serviceCluster, parentShutdownDuration, discoveryAddress, discoveryRefreshDelay, zipkinAddress, statsdUdpAddress, envoyMetricsServiceAddress, proxyAdminPort, availabilityZone, controlPlaneAuthPolicy, customConfigFile, statNameLength, proxyBootstrapTemplatePath, interceptionMode, envoyAccessLogService, envoyMetricsService, proxyMetadata, statusPort, extraStatTags, meshId, readinessProbe, proxyStatsMatcher, holdApplicationUntilProxyStarts, image, runtimeValues, privateKeyProvider, statsCompression",
        does: "nothing, and say so, each with what to do instead (RS120)",
        tests: &[(READ_PROXIES, "every_field_of_the_default_config")],
    },
    Field {
        path: "defaultProviders",
        does: "who is told of requests where no Telemetry says so",
        tests: &[
            (DEFAULTS, "requests_are_told_of_as_the_mesh_says"),
            (COMPILED, "default_providers"),
            (TELEMETRY, "who_gets_metrics"),
            (TELEMETRY, "access_logs"),
        ],
    },
];
