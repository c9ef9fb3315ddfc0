//! What the fields of a `Gateway` do.

use super::{DECIDE_ROUTING, Field};

const CERTIFICATES: &str = "tests/e2e/tests/gateway/certificates.rs";
const TERMINATE: &str = "crates/proxy/src/gateway/terminate/tests.rs";
const CLIENTS: &str = "crates/proxy/src/gateway/terminate/clients/tests.rs";
const RATE_LIMIT: &str = "crates/decide/src/rate_limit/tests.rs";
const ENCODED: &str = "crates/decide/src/call/encoded/tests.rs";
const LISTENING: &str = "crates/decide/src/call/listening/tests.rs";
const PASSED_ON: &str = "tests/e2e/tests/gateway/passed_on.rs";
const SUITES: &str = "crates/proxy/src/tls_parameters/tests.rs";
const GRPC_WEB: &str = "tests/e2e/tests/gateway/grpc_web.rs";
const GRPC_WEB_UNIT: &str = "crates/proxy/src/http/grpc_web/tests.rs";
const HTTP: &str = "tests/e2e/tests/gateway/http.rs";
const LISTENERS: &str = "tests/e2e/tests/gateway/listeners.rs";
const LOAD: &str = "tests/e2e/tests/gateway/load.rs";
const PASSED: &str = "tests/e2e/tests/gateway/passthrough.rs";
const TLS: &str = "tests/e2e/tests/gateway/tls.rs";

pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "selector",
        does: "labels of the gateways that listen; none: all of them",
        tests: &[(LISTENERS, "a_selector_says_which_gateways_listen")],
    },
    Field {
        path: "servers[].name",
        does: "how the listener is called: `sectionName` of a TrafficPolicy that is for it alone",
        tests: &[(RATE_LIMIT, "a_gateways_listener_is_found_by_who_is_asked_for")],
    },
    Field {
        path: "servers[].port.name",
        does: "checked: there is one, and no two ports of a Gateway have the same",
        tests: &[("crates/api/tests/malformed.rs", "gateway")],
    },
    Field {
        path: "servers[].port.targetPort, servers[].defaultEndpoint",
        does: "nothing (RS120): a gateway listens at the port that is named, and calls what routes name",
        tests: &[("crates/api/tests/gateway.rs", "fields_without_effect_are_read")],
    },
    Field {
        path: "servers[].port.number",
        does: "the port, opened on the machine, too; ports come and go while others serve",
        tests: &[
            (HTTP, "requests_from_the_machine_go_where_host_and_route_say"),
            (HTTP, "a_port_that_only_root_may_open_is_moved_and_that_is_said"),
            (LISTENERS, "protocols_of_requests_are_alike_and_ports_apart"),
            (LOAD, "listeners_and_routes_change_under_load"),
        ],
    },
    Field {
        path: "servers[].port.protocol: HTTP, HTTP2, GRPC",
        does: "requests of HTTP/1.1 and HTTP/2 alike",
        tests: &[
            (LISTENERS, "protocols_of_requests_are_alike_and_ports_apart"),
            (HTTP, "requests_from_the_machine_go_where_host_and_route_say"),
        ],
    },
    Field {
        path: "servers[].port.protocol: GRPC-WEB",
        does: "as `HTTP`. On any listener of requests, calls of gRPC-Web to ports that are declared as gRPC are translated, in base64 or not",
        tests: &[(GRPC_WEB, "browsers_call_servers_of_grpc"), (GRPC_WEB_UNIT, "bodies_are_written_as_their_types_say")],
    },
    Field {
        path: "servers[].port.protocol: HTTPS",
        does: "TLS ends at the gateway, which reads the requests in it",
        tests: &[(TLS, "tls_ends_at_the_gateway_with_the_certificate_of_the_host")],
    },
    Field {
        path: "servers[].port.protocol: TLS, TCP",
        does: "connections, passed on as `tls` or `tcp` routes say",
        tests: &[(TLS, "tls_and_tcp_are_passed_on")],
    },
    Field {
        path: "servers[].hosts",
        does: "names that requests and TLS ask for, whole or from `*.` on. `NAMESPACE/` before one says whose VirtualServices it is for, `./` those of the Gateway's own namespace",
        tests: &[
            (LISTENERS, "hosts_with_a_namespace_are_for_routes_of_that_namespace"),
            (HTTP, "requests_from_the_machine_go_where_host_and_route_say"),
            (DECIDE_ROUTING, "changes_lead_where_a_new_start_does"),
        ],
    },
    Field {
        path: "servers[].tls.httpsRedirect",
        does: "plain requests are answered by 301 to the same with `https`",
        tests: &[(TLS, "tls_ends_at_the_gateway_with_the_certificate_of_the_host")],
    },
    Field {
        path: "servers[].tls.mode: SIMPLE",
        does: "TLS ends at the gateway",
        tests: &[(TLS, "tls_ends_at_the_gateway_with_the_certificate_of_the_host"), (TLS, "tls_and_tcp_are_passed_on")],
    },
    Field {
        path: "servers[].tls.mode: MUTUAL, OPTIONAL_MUTUAL",
        does: "clients prove themselves, or may do so; what they show has to be valid",
        tests: &[
            (TLS, "tls_ends_at_the_gateway_with_the_certificate_of_the_host"),
            (PASSED, "clients_prove_themselves_or_may_do_so"),
        ],
    },
    Field {
        path: "servers[].tls.mode: ISTIO_MUTUAL",
        does: "TLS ends at the gateway, between identities of the mesh; policies at the gateway see who the client is",
        tests: &[(CERTIFICATES, "identities_of_the_mesh_are_proven_and_policies_see_them")],
    },
    Field {
        path: "servers[].tls.mode: PASSTHROUGH",
        does: "TLS stays whole, and goes where the server name leads",
        tests: &[(TLS, "tls_and_tcp_are_passed_on"), (PASSED, "server_names_lead_through_the_gateway")],
    },
    Field {
        path: "servers[].tls.mode: AUTO_PASSTHROUGH",
        does: "TLS stays whole, and goes to the service, port and subset that the server name says (`outbound_.443_._.HOST`), without routes: only to ports that are declared as TLS, of services that the gateway sees. Other names are reset",
        tests: &[
            (PASSED_ON, "a_server_name_says_which_service_gets_the_connection"),
            (PASSED, "server_names_lead_through_the_gateway"),
            (ENCODED, "one_way_to_write_each"),
            (LISTENING, "a_name_that_says_where_to_is_for_listeners_that_go_by_it"),
        ],
    },
    Field {
        path: "servers[].bind",
        does: "the address of the gateway that the listener has, alone and to itself; it is not opened on the machine",
        tests: &[
            (PASSED_ON, "a_listener_with_an_address_is_reached_there_alone"),
            (LISTENING, "a_listener_with_an_address_has_that_alone_and_to_itself"),
        ],
    },
    Field {
        path: "servers[].tls.credentialName",
        does: "the Secret with certificate and key, in the namespace of the gateway or of the Gateway. A new one acts on new connections",
        tests: &[
            (CERTIFICATES, "certificates_and_authorities_come_from_where_the_listener_says"),
            (TLS, "tls_ends_at_the_gateway_with_the_certificate_of_the_host"),
            (LOAD, "certificates_change_under_load"),
        ],
    },
    Field {
        path: "servers[].tls.credentialNames",
        does: "several of them: a client gets the first that it understands",
        tests: &[(CERTIFICATES, "of_several_certificates_a_client_gets_the_first_that_it_understands")],
    },
    Field {
        path: "servers[].tls.caCertCredentialName",
        does: "the Secret with the authorities of clients, if it is not `CREDENTIAL-cacert` or the credential itself",
        tests: &[
            (CERTIFICATES, "certificates_and_authorities_come_from_where_the_listener_says"),
            (TLS, "tls_ends_at_the_gateway_with_the_certificate_of_the_host"),
        ],
    },
    Field {
        path: "servers[].tls.serverCertificate, privateKey, caCertificates, caCrl, tlsCertificates",
        does: "the same as files, which the gateway's process reads, and reads again when they change; those that do not fit change nothing. Where a Secret is named, authorities of clients are those of Secrets",
        tests: &[
            (CERTIFICATES, "certificates_of_files_are_read_and_followed"),
            (TERMINATE, "authorities_of_clients_may_be_in_files"),
            (
                "crates/proxy/src/gateway/terminate/tests/revoked.rs",
                "clients_whose_certificates_are_revoked_are_refused",
            ),
        ],
    },
    Field {
        path: "servers[].tls.subjectAltNames",
        does: "names of which clients have to prove one: hosts, addresses, URIs",
        tests: &[
            (CERTIFICATES, "clients_are_let_in_by_name_key_or_certificate"),
            (CLIENTS, "one_of_the_names_is_proven_and_by_the_authority"),
        ],
    },
    Field {
        path: "servers[].tls.verifyCertificateSpki, verifyCertificateHash",
        does: "clients that are let in, by their key or certificate: one of either list will do, and the authority still counts",
        tests: &[
            (CERTIFICATES, "clients_are_let_in_by_name_key_or_certificate"),
            (CLIENTS, "a_pin_of_either_kind_will_do"),
        ],
    },
    Field {
        path: "servers[].tls.insecureSkipVerify",
        does: "clients show a certificate, whoever made it and whatever it says; those that are pinned still are",
        tests: &[
            (CERTIFICATES, "clients_are_let_in_by_name_key_or_certificate"),
            (CLIENTS, "certificates_that_prove_nothing_are_anybodys_but_pins_count"),
        ],
    },
    Field {
        path: "servers[].tls.cipherSuites",
        does: "suites of TLS 1.2 that are offered, of those by ECDHE with AES-GCM or ChaCha20; those of TLS 1.3 are always on",
        tests: &[
            (CERTIFICATES, "only_listed_suites_are_offered_in_tls_1_2"),
            (SUITES, "what_is_not_offered_is_replaced_by_nothing"),
        ],
    },
    Field {
        path: "servers[].tls.minProtocolVersion, maxProtocolVersion",
        does: "versions of TLS, of 1.2 and 1.3",
        tests: &[(CERTIFICATES, "only_versions_between_least_and_most_are_spoken")],
    },
];
