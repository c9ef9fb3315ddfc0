//! What the fields of a `ServiceEntry` do.

use super::{CHOICES, DECIDE_ROUTING, ENDPOINTS, Field, HOSTS, SCOPES};

const COMPILE: &str = "crates/compile/src/tests.rs";

pub(super) const FIELDS: &[Field] = &[
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
        path: "resolution: DYNAMIC_DNS",
        does: "where the name leads that the request or its TLS asks for, whatever address was called; of wildcards",
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
