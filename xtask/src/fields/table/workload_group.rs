//! What holds for members of a group.

use super::Field;

const MEMBERS: &str = "tests/e2e/tests/members.rs";
const MEMBER: &str = "crates/compile/src/workload/member/tests.rs";
const GROUPS: &str = "crates/supervise/src/groups/tests.rs";
const PROBES: &str = "crates/compile/src/traffic/edge/group/tests.rs";
const PROBE: &str = "crates/supervise/src/probe/tests.rs";
const GRPC: &str = "crates/supervise/src/probe/grpc/tests.rs";
const WEIGHTS: &str = "crates/proxy/src/backends/endpoints/tests.rs";
const TLS: &str = "crates/supervise/src/probe/tls/tests.rs";

pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "metadata.labels, metadata.annotations, template.labels",
        does: "what each member has, live: by that Services and `ServiceEntry.workloadSelector` select it, and policies and enrolment see it. `metadata` wins over `template`, both over what `ripstop run` says",
        tests: &[
            (MEMBERS, "members_get_traffic_while_they_are_well"),
            (MEMBER, "what_the_group_says_holds_for_each"),
            (MEMBER, "a_group_that_changes_changes_its_members"),
        ],
    },
    Field {
        path: "template.address",
        does: "nothing (RS120): each member has an address of its own",
        tests: &[("crates/api/tests/malformed.rs", "workload_group")],
    },
    Field {
        path: "template.serviceAccount",
        does: "the identity of each member, which nobody chooses otherwise",
        tests: &[
            (MEMBERS, "members_get_traffic_while_they_are_well"),
            (GROUPS, "a_member_has_the_identity_of_its_group"),
        ],
    },
    Field {
        path: "template.ports",
        does: "its ports behind those of Services and ServiceEntries that have these names, and behind a `targetPort` by name",
        tests: &[(MEMBERS, "members_get_traffic_while_they_are_well"), (MEMBER, "what_the_group_says_holds_for_each")],
    },
    Field {
        path: "template.weight, template.locality, template.network",
        does: "share of requests, and where it is for localities, of each member",
        tests: &[(MEMBER, "what_the_group_says_holds_for_each"), (WEIGHTS, "members_of_groups_have_their_weight")],
    },
    Field {
        path: "probe.httpGet, probe.tcpSocket, probe.exec, probe.grpc",
        does: "whether a member takes traffic. The probe comes from inside of its network, whatever the mesh demands of callers. `HTTPS` takes any certificate; `host` is `localhost` or an address of the member's own: nobody else is asked (RS275)",
        tests: &[
            (MEMBERS, "members_get_traffic_while_they_are_well"),
            (PROBES, "every_action_has_its_fields"),
            (PROBE, "http_statuses_200_to_399_are_success"),
            (PROBE, "nobody_but_the_workload_is_asked"),
            (GRPC, "only_serving_is_success"),
            (TLS, "any_certificate_will_do"),
        ],
    },
    Field {
        path: "probe.initialDelaySeconds, periodSeconds, timeoutSeconds, successThreshold, failureThreshold",
        does: "as Kubernetes has them: 0, 10, 1, 1 and 3. One that is not ready is tried more often than its period",
        tests: &[(PROBES, "zero_is_the_default"), (PROBE, "thresholds_count_results_in_a_row")],
    },
];
