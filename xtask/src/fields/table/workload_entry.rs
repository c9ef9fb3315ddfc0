//! What the fields of a `WorkloadEntry` do.

use super::{ENDPOINTS, Field, HOSTS, LOCALITY, SCOPES};

pub(super) const FIELDS: &[Field] = &[
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
        tests: &[
            (HOSTS, "only_declared_hosts_are_reached_where_the_mesh_says_so"),
            (ENDPOINTS, "what_is_written_down_is_called_with_its_port_and_weight_and_sockets_are_not"),
        ],
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
