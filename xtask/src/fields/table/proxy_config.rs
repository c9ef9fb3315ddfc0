//! What the fields of a `ProxyConfig` do.

use super::Field;

pub(super) const WORKERS: &str = "tests/e2e/tests/workers.rs";
pub(super) const SETTINGS: &str = "crates/decide/src/proxy_settings/tests.rs";
pub(super) const CREW: &str = "crates/proxy/src/worker/tests.rs";

pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "selector",
        does: "labels of the gateways, waypoints and workloads with a sidecar that it is for, in its namespace. What selects comes first, then what is for the namespace, then what is for the mesh",
        tests: &[(WORKERS, "the_configuration_says_how_many_workers_a_proxy_has"), (SETTINGS, "layers")],
    },
    Field {
        path: "concurrency",
        does: "threads that carry traffic, at most 256; `0`: as many as the machine has cores. It acts at once: of those that are too many, each keeps what it has, and gets nothing more",
        tests: &[
            (WORKERS, "the_configuration_says_how_many_workers_a_proxy_has"),
            (CREW, "there_may_be_more_workers_and_less"),
            (SETTINGS, "threads_of_proxies"),
        ],
    },
    Field {
        path: "environmentVariables, image",
        does: "nothing (RS120): proxies are this program, which has no image, and what Istio's proxies read of their environment is settings here",
        tests: &[("crates/api/tests/config/telemetry.rs", "every_field_of_telemetry_and_proxy_config")],
    },
];
