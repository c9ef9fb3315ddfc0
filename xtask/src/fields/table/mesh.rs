//! Settings of the mesh.

use super::{Field, LIMITS};

const CERTIFICATES: &str = "tests/e2e/tests/gateway/certificates.rs";
const TELEMETRY: &str = "crates/decide/src/telemetry/tests.rs";
const COMPILED: &str = "crates/compile/src/mesh/tests.rs";

pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "defaultTrafficPolicy",
        does: "`connectionPool` and `outlierDetection` where a DestinationRule has none",
        tests: &[(LIMITS, "the_mesh_has_limits_for_whoever_has_none")],
    },
    Field {
        path: "tlsDefaults.minProtocolVersion, cipherSuites",
        does: "what TLS of gateways is where a listener says nothing of it",
        tests: &[(CERTIFICATES, "the_mesh_says_what_is_spoken_where_a_listener_does_not")],
    },
    Field {
        path: "defaultProviders",
        does: "who is told of requests where no Telemetry says so",
        tests: &[(COMPILED, "default_providers"), (TELEMETRY, "who_gets_metrics"), (TELEMETRY, "access_logs")],
    },
];
