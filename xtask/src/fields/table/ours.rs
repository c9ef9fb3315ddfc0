//! What the fields of our own kinds do to traffic.

use super::{BALANCING, Field};

const EGRESS: &str = "tests/e2e/tests/egress.rs";
const STRICT: &str = "tests/e2e/tests/strict.rs";
const WAYPOINT: &str = "tests/e2e/tests/waypoint.rs";
const PROCESSES: &str = "tests/e2e/tests/shaping/processes.rs";
const REUSE: &str = "tests/e2e/tests/reuse.rs";
const CHANGED: &str = "tests/e2e/tests/configuration.rs";
const PROBE: &str = "crates/supervise/src/probe/tests.rs";
const GATEWAY: &str = "tests/e2e/tests/gateway/http.rs";

pub(super) const PROCESS: &[Field] = &[
    Field {
        path: "role",
        does: "`gateway`, `egress` or `waypoint`: it is one, of the mesh's own making",
        tests: &[
            (EGRESS, "calls_leave_by_an_egress_gateway"),
            (GATEWAY, "requests_from_the_machine_go_where_host_and_route_say"),
            (WAYPOINT, "routes_and_policies_act_there_with_the_callers_identity"),
        ],
    },
    Field {
        path: "allowedRoutes",
        does: "of a waypoint: the namespaces whose services it stands in front of",
        tests: &[(WAYPOINT, "a_waypoint_of_another_namespace_serves_whom_it_says_and_calls_nobody_else_for_them")],
    },
    Field {
        path: "node",
        does: "which proxy serves it, and where it is for localities, as far as its labels do not say it",
        tests: &[(BALANCING, "whoever_says_no_place_is_where_its_node_is")],
    },
    Field {
        path: "replicas",
        does: "how many endpoints there are",
        tests: &[(CHANGED, "a_changed_process_rolls_over_without_losing_its_service")],
    },
    Field {
        path: "serviceAccountName, serviceAccount",
        does: "the identity that it proves",
        tests: &[(REUSE, "another_identity_at_the_address_is_refused_and_named")],
    },
    Field {
        path: "ports[]",
        does: "what a `targetPort` by name leads to",
        tests: &[
            (PROCESSES, "its_port_is_found_by_name_and_it_gets_requests_once_it_is_ready"),
            ("crates/compile/src/tests.rs", "a_service_and_its_workload"),
        ],
    },
    Field {
        path: "readinessProbe",
        does: "who fails it gets no new connections and requests",
        tests: &[
            (PROCESSES, "its_port_is_found_by_name_and_it_gets_requests_once_it_is_ready"),
            (CHANGED, "a_changed_process_rolls_over_without_losing_its_service"),
            (PROBE, "http_statuses_200_to_399_are_success"),
            (PROBE, "thresholds_count_results_in_a_row"),
        ],
    },
    Field {
        path: "readinessProbe.httpGet.httpHeaders, readinessProbe.httpGet.scheme, readinessProbe.tcpSocket.host, readinessProbe.grpc, readinessProbe.terminationGracePeriodSeconds, ports[].hostPort, ports[].hostIP",
        does: "nothing: `HTTPS` and `grpc` are refused (RS126), and the others have no effect (RS120)",
        tests: &[("crates/api/tests/malformed.rs", "ripstop")],
    },
];

pub(super) const NODE: &[Field] = &[Field {
    path: "podCIDR, podCIDRs",
    does: "addresses of its workloads, of which one that ended may have another next",
    tests: &[(REUSE, "another_identity_at_the_address_is_refused_and_named")],
}];

pub(super) const MESH: &[Field] = &[
    Field {
        path: "egress.allow, deny",
        does: "addresses outside that may be called although they are the machine's own or link-local, and those that may not",
        tests: &[(EGRESS, "what_the_mesh_allows_and_denies_takes_effect_while_it_runs")],
    },
    Field {
        path: "dns.upstream",
        does: "who is asked for names that are not the mesh's",
        tests: &[(EGRESS, "foreign_names_are_asked_of_the_machines_resolver")],
    },
    Field {
        path: "mtls.mode",
        does: "what callees demand where no PeerAuthentication says it",
        tests: &[(STRICT, "the_mesh_has_a_default_that_a_policy_of_the_root_namespace_beats")],
    },
];
