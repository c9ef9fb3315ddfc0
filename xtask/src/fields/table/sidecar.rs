//! What the fields of a `Sidecar` do.

use super::{CONNECTING, Field, SCOPES};

const MALFORMED: &str = "crates/api/tests/malformed.rs";
const SIDECARS: &str = "tests/e2e/tests/sidecars.rs";
const LISTENERS: &str = "tests/e2e/tests/sidecar_listeners/own.rs";
const INBOUND_TLS: &str = "tests/e2e/tests/sidecar_listeners/secured.rs";
const OWN_LISTENER: &str = "crates/model/src/own_listener/tests.rs";
const INBOUND_REQUESTS: &str = "tests/e2e/tests/sidecar_listeners/requests.rs";
const INBOUND_POOLS: &str = "crates/proxy/src/inbound_pools/tests.rs";
const INBOUND: &str = "crates/proxy/src/http/inbound/tests.rs";
const APPLICATION: &str = "crates/proxy/src/http/application/tests.rs";
const NOT_FOLLOWED: &str = "crates/compile/src/analyze/not_followed/tests.rs";
const DELIVERY: &str = "tests/e2e/tests/shaping/delivery.rs";
const DECIDE_SCOPES: &str = "crates/decide/src/call/callee/tests.rs";

pub(super) const FIELDS: &[Field] = &[
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
        path: "egress[].port.protocol",
        does: "what is spoken to a listener of the sidecar itself, or to one with `bind`. What else is spoken follows from the Service or ServiceEntry that is called",
        tests: &[(LISTENERS, "calls_come_to_listeners_of_the_sidecar_itself")],
    },
    Field { path: "egress[].port.name, targetPort", does: "checked", tests: &[(MALFORMED, "sidecar")] },
    Field {
        path: "egress[].bind",
        does: "the only address that calls come to the listener by. What is captured on its way to that address and port, or comes to it where the sidecar listens itself, goes to the listener's hosts: a request to the one that its `Host` names, TLS to the one of its server name, and TCP to the only one that there is (RS263), at the listener's port, else at its only one. Others get 404 or a reset",
        tests: &[
            (LISTENERS, "calls_come_to_listeners_of_the_sidecar_itself"),
            (DECIDE_SCOPES, "what_comes_to_a_listener_goes_to_whom_it_names"),
        ],
    },
    Field {
        path: "egress[].captureMode",
        does: "`NONE`: the sidecar listens in the workload's network itself, at `bind`, else 127.0.0.1, and calls come there by that address alone. So it does at the loopback, unless it is `IPTABLES` (RS249); without port there is nothing to listen at (RS274)",
        tests: &[
            (LISTENERS, "calls_come_to_listeners_of_the_sidecar_itself"),
            (OWN_LISTENER, "a_listener_is_for_its_own_address"),
        ],
    },
    Field {
        path: "ingress[].bind",
        does: "the address of the workload that the listener is for; none, 0.0.0.0 or `::`: all of them",
        tests: &[(LISTENERS, "applications_are_called_by_listeners_of_the_sidecar_itself")],
    },
    Field {
        path: "ingress[].captureMode",
        does: "`NONE`: the sidecar listens in the workload's network itself, too, at `bind`, else 0.0.0.0, for calls that are not captured as they come from there. So it does at the loopback, unless it is `IPTABLES` (RS249)",
        tests: &[
            (LISTENERS, "applications_are_called_by_listeners_of_the_sidecar_itself"),
            (OWN_LISTENER, "listeners_that_would_be_in_each_others_way_are_not_opened"),
        ],
    },
    Field {
        path: "ingress[].tls",
        does: "`SIMPLE`, `MUTUAL` or `OPTIONAL_MUTUAL`: whoever does not come by mutual TLS of the mesh has to bring this TLS, which ends here, with certificates of files as at [Gateways](#gateway); what comes by the mesh may bring it. Where PeerAuthentication is STRICT nobody else comes. Secrets are refused, as in Istio",
        tests: &[
            (INBOUND_TLS, "tls_of_others_ends_at_the_sidecar"),
            (INBOUND_TLS, "clients_prove_themselves_by_certificates"),
        ],
    },
    Field {
        path: "ingress[].port.number",
        does: "the listener is that of what comes to this port",
        tests: &[(DELIVERY, "applications_get_calls_where_they_listen")],
    },
    Field {
        path: "ingress[].port.protocol",
        does: "what is in the TLS that ends there (`tls`): requests with `HTTPS`, bytes with `TLS`. What else is spoken there follows from the workload's Services",
        tests: &[(INBOUND_TLS, "tls_of_others_ends_at_the_sidecar")],
    },
    Field {
        path: "ingress[].port.name, targetPort",
        does: "checked; `defaultEndpoint` says where the application listens (RS120)",
        tests: &[(MALFORMED, "sidecar")],
    },
    Field {
        path: "ingress[].tls.credentialName, credentialNames, caCertCredentialName, subjectAltNames, httpsRedirect",
        does: "nothing: they are refused (RS126), each with what to do instead",
        tests: &[(MALFORMED, "sidecar")],
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
        tests: &[(CONNECTING, "applications_are_connected_to_as_a_sidecar_says")],
    },
    Field {
        path: "inboundConnectionPool.http.http2MaxRequests, http1MaxPendingRequests, maxRetries, ingress[].connectionPool.http.http2MaxRequests, ingress[].connectionPool.http.http1MaxPendingRequests, ingress[].connectionPool.http.maxRetries",
        does: "of a port of each workload: requests that may be under way at once, whatever HTTP they speak, those that may wait for a connection to the application, and those that may be tried again. Those beyond get 503 with `x-envoy-overloaded`",
        tests: &[
            (INBOUND_REQUESTS, "requests_that_come_in_have_limits"),
            (INBOUND_POOLS, "each_kind_and_port_counts_for_itself"),
            (INBOUND, "what_its_listener_does_not_let_in_is_not_passed_on"),
        ],
    },
    Field {
        path: "inboundConnectionPool.http.maxRequestsPerConnection, maxConcurrentStreams, ingress[].connectionPool.http.maxRequestsPerConnection, ingress[].connectionPool.http.maxConcurrentStreams",
        does: "how many requests a connection to the application carries in its life, and one of HTTP/2 at once; others get further connections",
        tests: &[
            (INBOUND_REQUESTS, "requests_that_come_in_have_limits"),
            (APPLICATION, "streams_of_a_connection_have_a_limit"),
        ],
    },
    Field {
        path: "inboundConnectionPool.http.idleTimeout, http2KeepAlive, ingress[].connectionPool.http.idleTimeout, ingress[].connectionPool.http.http2KeepAlive",
        does: "how long a connection to the application may be without requests, and how one of HTTP/2 is asked whether it is there",
        tests: &[(INBOUND_REQUESTS, "requests_that_come_in_have_limits"), (APPLICATION, "idle_connections_end")],
    },
    Field {
        path: "inboundConnectionPool.http.useClientProtocol, h2UpgradePolicy, ingress[].connectionPool.http.useClientProtocol, ingress[].connectionPool.http.h2UpgradePolicy",
        does: "the application is always asked by the version of HTTP that its caller speaks; `UPGRADE` has nothing to act on (RS274)",
        tests: &[(NOT_FOLLOWED, "objects")],
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
