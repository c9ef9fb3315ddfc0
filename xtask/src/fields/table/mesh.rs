//! Settings of the mesh.

use super::{Field, HOSTS, LIMITS, LOCALITY, SCOPES, SECURED};

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
        tests: &[(LIMITS, "the_mesh_has_limits_for_whoever_has_none")],
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
        tests: &[(TUNNELS, "how_long_idle_tunnels_are_kept_can_be_said_anew"), (COMPILED, "settings_of_connections")],
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
        does: "`attempts`, `retryOn` and `backoff` of the callee's proxy, where it reads requests: by default it tries twice more what did not reach the application. Calls of gRPC are not tried again there",
        tests: &[
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
        does: "who sees a ServiceEntry at most, by labels of its namespace; `exportTo` can only say less (RS261). Proxies of every role obey, whatever `applyToSidecars` says",
        tests: &[
            (SCOPES, "the_mesh_says_who_sees_hosts_and_which_namespaces_there_are"),
            (VISIBILITY, "the_mesh_grants_no_more_than_it_says"),
        ],
    },
    Field {
        path: "localityLbSetting, zoneAwareLbSetting",
        does: "as in a DestinationRule, where that says nothing of it",
        tests: &[(LOCALITY, "the_backends_policy_beats_the_meshs"), (ZONES, "zones_get_what_they_can_carry")],
    },
    Field {
        path: "meshMTLS.minProtocolVersion",
        does: "always holds: TLS of the mesh is 1.3 alone. Its suites are always on, so `cipherSuites` has nothing to choose (RS120)",
        tests: &[("crates/identity/src/tls/tests.rs", "nothing_older_than_tls_1_3")],
    },
    Field {
        path: "serviceSettings, serviceScopeConfigs",
        does: "nothing, and say so (RS120): the mesh is one cluster, so that all endpoints of a service are its own, and no other cluster sees any",
        tests: &[("crates/api/tests/config/mesh.rs", "settings_that_have_no_meaning_here")],
    },
    Field {
        path: "defaultProviders",
        does: "who is told of requests where no Telemetry says so",
        tests: &[(COMPILED, "default_providers"), (TELEMETRY, "who_gets_metrics"), (TELEMETRY, "access_logs")],
    },
];
