//! What the fields of an `AuthorizationPolicy` do.

use super::Field;

const REQUESTS: &str = "tests/e2e/tests/requests.rs";
const CONDITIONS: &str = "tests/e2e/tests/requests/conditions.rs";
const AUTHORIZATION: &str = "tests/e2e/tests/authorization.rs";
const GATEWAY: &str = "tests/e2e/tests/gateway/http.rs";
const DECIDE: &str = "crates/decide/tests/authorization.rs";
const WAYPOINT: &str = "tests/e2e/tests/waypoint.rs";
const AT_WAYPOINT: &str = "crates/decide/src/call/waypoint/tests.rs";
const STREAM: &str = "crates/proxy/src/waypoint/stream/tests.rs";

pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "rules[].to[].operation",
        does: "methods, hosts, ports and paths, and their `not…`, of each request",
        tests: &[
            (REQUESTS, "requests_are_let_in_one_by_one"),
            (CONDITIONS, "each_condition_and_operation_decides_about_a_request"),
            (DECIDE, "decisions_are_those_of_the_reference"),
        ],
    },
    Field {
        path: "rules[].from[].source.principals, namespaces, serviceAccounts",
        does: "who calls, by the identity that it proves, and their `not…`; who proves none is let in by no ALLOW that asks, and by no exception of a DENY",
        tests: &[
            (CONDITIONS, "each_field_of_a_source_decides_about_a_request"),
            (AUTHORIZATION, "each_form_of_a_connection_decides"),
            (DECIDE, "decisions_are_those_of_the_reference"),
        ],
    },
    Field {
        path: "rules[].from[].source.ipBlocks, remoteIpBlocks",
        does: "addresses of callers, and their `not…`; at a gateway those of clients",
        tests: &[
            (CONDITIONS, "each_field_of_a_source_decides_about_a_request"),
            (AUTHORIZATION, "each_form_of_a_connection_decides"),
            (GATEWAY, "policies_act_at_the_gateway_and_at_the_callee_who_sees_the_gateway"),
        ],
    },
    Field {
        path: "rules[].when[]",
        does: "`request.headers[…]`, `source.ip`, `remote.ip`, `source.namespace`, `source.principal`, `source.serviceAccount`, `source.trustDomain`, `destination.ip`, `destination.port`, with `values` and `notValues`",
        tests: &[
            (CONDITIONS, "each_condition_and_operation_decides_about_a_request"),
            (DECIDE, "decisions_are_those_of_the_reference"),
        ],
    },
    Field {
        path: "action: ALLOW, DENY",
        does: "a refused request gets 403; a request that waits to be judged is none",
        tests: &[(REQUESTS, "requests_are_let_in_one_by_one"), (REQUESTS, "waiting_is_no_way_around_a_policy")],
    },
    Field {
        path: "targetRef, targetRefs",
        does: "at the waypoint of the Service or ServiceEntry, at the waypoint (`Gateway`), or at all (`GatewayClass` in the root namespace), with the identity of the caller",
        tests: &[
            (WAYPOINT, "routes_and_policies_act_there_with_the_callers_identity"),
            (AT_WAYPOINT, "policies_act_there_by_what_they_are_attached_to_and_elsewhere_by_selection"),
            (STREAM, "requests_are_judged_with_their_callers_identity_and_told_of_as_the_waypoint"),
        ],
    },
];
