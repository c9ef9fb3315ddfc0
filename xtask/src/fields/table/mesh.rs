//! Settings of the mesh.

use super::{Field, HOSTS, LIMITS, SECURED};

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
        ],
    },
    Field {
        path: "defaultConfig.gatewayTopology.numTrustedProxies",
        does: "so many proxies before a gateway are believed in `x-forwarded-for`",
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
        path: "defaultProviders",
        does: "who is told of requests where no Telemetry says so",
        tests: &[(COMPILED, "default_providers"), (TELEMETRY, "who_gets_metrics"), (TELEMETRY, "access_logs")],
    },
];
