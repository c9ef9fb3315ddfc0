//! What the fields do, and which tests show it.

mod authorization;
mod destination_rule;
mod gateway;
mod mesh;
mod ours;
mod proxy_config;
mod service_entry;
mod sidecar;
mod traffic_policy;
mod virtual_service;
mod workload_entry;
mod workload_group;

use super::{Field, KindOf};

const ROUTING: &str = "tests/e2e/tests/routing.rs";
const BALANCING: &str = "tests/e2e/tests/shaping/balancing.rs";
const LIMITS: &str = "tests/e2e/tests/shaping/limits.rs";
const SCOPES: &str = "tests/e2e/tests/shaping/scopes.rs";
const CONNECTING: &str = "tests/e2e/tests/shaping/connecting.rs";
const POOLS: &str = "tests/e2e/tests/shaping/pools.rs";
const HOSTS: &str = "tests/e2e/tests/hosts.rs";
const CHOICES: &str = "tests/e2e/tests/hosts/choices.rs";
const SECURED: &str = "tests/e2e/tests/hosts/secured.rs";
const DECIDE_ROUTING: &str = "crates/decide/tests/routing.rs";
const LOCALITY: &str = "crates/decide/src/locality/tests.rs";
const ENDPOINTS: &str = "crates/proxy/src/backends/endpoints/tests.rs";
const ROUTES: &str = "crates/explain/tests/routing.rs";

pub(super) const KINDS: &[KindOf] = &[
    KindOf {
        kind: "VirtualService",
        about: "At callers in the mesh, and in its HTTP/1 and HTTP/2.",
        fields: virtual_service::FIELDS,
    },
    KindOf {
        kind: "DestinationRule",
        about: "Where requests of enrolled callers go, and connections that nobody reads.",
        fields: destination_rule::FIELDS,
    },
    KindOf { kind: "ServiceEntry", about: "At enrolled callers.", fields: service_entry::FIELDS },
    KindOf {
        kind: "WorkloadEntry",
        about: "As endpoint of a Service or ServiceEntry of its namespace; `endpoints[]` of a ServiceEntry are the same.",
        fields: workload_entry::FIELDS,
    },
    KindOf {
        kind: "WorkloadGroup",
        about: "Of processes that `ripstop run --group` starts. How is in [configuration.md](configuration.md#workloadgroup).",
        fields: workload_group::FIELDS,
    },
    KindOf {
        kind: "Sidecar",
        about: "At callers that ask for a sidecar. What it is for is in [configuration.md](configuration.md#sidecar).",
        fields: sidecar::FIELDS,
    },
    KindOf {
        kind: "Gateway",
        about: "At gateways. How they are made, and what goes with what, is in [configuration.md](configuration.md#gateway).",
        fields: gateway::FIELDS,
    },
    KindOf {
        kind: "AuthorizationPolicy",
        about: "At callees; attached ones at waypoints. What else acts on connections is in [configuration.md](configuration.md).",
        fields: authorization::FIELDS,
    },
    KindOf {
        kind: "TrafficPolicy",
        about: "What Istio's kinds cannot say. Where it acts, and what counts together, is in [configuration.md](configuration.md#trafficpolicy).",
        fields: traffic_policy::FIELDS,
    },
    KindOf {
        kind: "ProxyConfig",
        about: "At gateways, waypoints and sidecars; without selector in the root namespace at nodes, too. Other workloads have no proxy of their own (RS272).",
        fields: proxy_config::FIELDS,
    },
    KindOf {
        kind: "Process",
        about: "As far as it shapes traffic. What else it says is in [configuration.md](configuration.md#process).",
        fields: ours::PROCESS,
    },
    KindOf {
        kind: "Node",
        about: "What else it says is in [configuration.md](configuration.md#node).",
        fields: ours::NODE,
    },
    KindOf {
        kind: "Mesh",
        about: "As far as it shapes traffic, and but for its `meshConfig`. What else it says is in [configuration.md](configuration.md#mesh).",
        fields: ours::MESH,
    },
    KindOf {
        kind: "meshConfig",
        about: "Of the `Mesh` that acts. Its other settings are in [configuration.md](configuration.md#mesh).",
        fields: mesh::FIELDS,
    },
];
