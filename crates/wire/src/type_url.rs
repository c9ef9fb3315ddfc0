//! Type URLs of the resources of delta discovery.

/// Workloads and services, in Istio's wire format.
pub const ADDRESS: &str = "type.googleapis.com/istio.workload.Address";
/// `PeerAuthentication`s.
pub const PEER_AUTHENTICATION: &str = "type.googleapis.com/ripstop.v1.PeerAuthentication";
/// Policies of authorization, whole.
pub const AUTHORIZATION: &str = "type.googleapis.com/ripstop.v1.Authorization";
/// The mesh's settings: one resource, `default`.
pub const MESH: &str = "type.googleapis.com/ripstop.v1.Mesh";
/// Machines of the mesh.
pub const NODE: &str = "type.googleapis.com/ripstop.v1.Node";
/// Processes that the mesh runs.
pub const PROCESS: &str = "type.googleapis.com/ripstop.v1.Process";
/// The end of a push: one resource, `commit`.
pub const COMMIT: &str = "type.googleapis.com/ripstop.v1.Commit";

/// Extension of `istio.workload.Workload` (`ripstop.v1.WorkloadExtension`).
pub(crate) const WORKLOAD_EXTENSION: &str = "type.googleapis.com/ripstop.v1.WorkloadExtension";
/// Extension of `istio.workload.Service` (`ripstop.v1.ServiceExtension`).
pub(crate) const SERVICE_EXTENSION: &str = "type.googleapis.com/ripstop.v1.ServiceExtension";

const ALL: [&str; 7] = [ADDRESS, PEER_AUTHENTICATION, AUTHORIZATION, MESH, NODE, PROCESS, COMMIT];

/// Order in which types are sent to clients without commits, so that what is named arrives before
/// what names it (istiod's `PushOrder`: clusters, endpoints, listeners, routes, secrets, addresses,
/// workloads, authorizations).
const PUSH_ORDER: [&str; 14] = [
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    MESH,
    NODE,
    ADDRESS,
    "type.googleapis.com/istio.workload.Workload",
    "type.googleapis.com/istio.security.Authorization",
    "type.googleapis.com/istio.workload.Authorization",
    PEER_AUTHENTICATION,
    AUTHORIZATION,
    PROCESS,
];

/// The constant equal to `url`, if it is one of ours.
pub fn known(url: &str) -> Option<&'static str> {
    ALL.into_iter().find(|known| *known == url)
}

/// Place of a type in a push; unknown types come last.
pub(crate) fn push_rank(url: &str) -> usize {
    PUSH_ORDER.iter().position(|known| *known == url).unwrap_or(PUSH_ORDER.len())
}
