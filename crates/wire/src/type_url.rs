//! Type URLs of the resources of delta discovery.

/// Workloads and services, in Istio's wire format.
pub const ADDRESS: &str = "type.googleapis.com/istio.workload.Address";
/// `PeerAuthentication`s.
pub const PEER_AUTHENTICATION: &str = "type.googleapis.com/ripstop.v1.PeerAuthentication";
/// Policies of authorization, whole.
pub const AUTHORIZATION: &str = "type.googleapis.com/ripstop.v1.Authorization";
/// What holds for traffic where no object says otherwise: one resource, `default`.
pub const TRAFFIC_DEFAULTS: &str = "type.googleapis.com/ripstop.v1.TrafficDefaults";
/// Routes.
pub const ROUTE_TABLE: &str = "type.googleapis.com/ripstop.v1.RouteTable";
/// How hosts are called.
pub const BACKENDS: &str = "type.googleapis.com/ripstop.v1.Backends";
/// Listeners of gateways.
pub const GATEWAY: &str = "type.googleapis.com/ripstop.v1.Gateway";
/// Hosts that no service declares.
pub const HOST_ENTRIES: &str = "type.googleapis.com/ripstop.v1.HostEntries";
/// Endpoints that no process stands for.
pub const DECLARED_ENDPOINT: &str = "type.googleapis.com/ripstop.v1.DeclaredEndpoint";
/// What callers know.
pub const CALLER_SCOPE: &str = "type.googleapis.com/ripstop.v1.CallerScope";
/// Which JWTs are accepted.
pub const REQUEST_AUTHENTICATION: &str = "type.googleapis.com/ripstop.v1.RequestAuthentication";
/// What is measured and logged.
pub const TELEMETRY: &str = "type.googleapis.com/ripstop.v1.Telemetry";
/// Settings of single proxies.
pub const PROXY_SETTINGS: &str = "type.googleapis.com/ripstop.v1.ProxySettings";
/// What Istio's kinds cannot say about traffic.
pub const TRAFFIC_POLICY: &str = "type.googleapis.com/ripstop.v1.TrafficPolicy";
/// What the proxies of single processes are like.
pub const PROCESS_PROXY: &str = "type.googleapis.com/ripstop.v1.ProcessProxy";
/// Keys and certificates of gateways.
pub const CREDENTIAL: &str = "type.googleapis.com/ripstop.v1.Credential";
/// The mesh's settings: one resource, `default`.
pub const MESH: &str = "type.googleapis.com/ripstop.v1.Mesh";
/// Machines of the mesh.
pub const NODE: &str = "type.googleapis.com/ripstop.v1.Node";
/// Processes that the mesh runs.
pub const PROCESS: &str = "type.googleapis.com/ripstop.v1.Process";
/// Workloads that are alike, and are run by others than the mesh.
pub const WORKLOAD_GROUP: &str = "type.googleapis.com/ripstop.v1.WorkloadGroup";
/// Workloads that are served by a proxy of their own.
pub const SIDECAR: &str = "type.googleapis.com/ripstop.v1.Sidecar";
/// The end of a push: one resource, `commit`.
pub const COMMIT: &str = "type.googleapis.com/ripstop.v1.Commit";

/// Extension of `istio.workload.Workload` (`ripstop.v1.WorkloadExtension`).
pub(crate) const WORKLOAD_EXTENSION: &str = "type.googleapis.com/ripstop.v1.WorkloadExtension";
/// Extension of `istio.workload.Service` (`ripstop.v1.ServiceExtension`).
pub(crate) const SERVICE_EXTENSION: &str = "type.googleapis.com/ripstop.v1.ServiceExtension";

/// What decides about connections: what an agent follows.
pub const FOR_AGENTS: [&str; 4] = [ADDRESS, PEER_AUTHENTICATION, AUTHORIZATION, MESH];

/// What decides about connections and shapes requests: what a proxy follows.
pub const FOR_PROXIES: [&str; 16] = [
    ADDRESS,
    PEER_AUTHENTICATION,
    AUTHORIZATION,
    MESH,
    TRAFFIC_DEFAULTS,
    ROUTE_TABLE,
    BACKENDS,
    GATEWAY,
    HOST_ENTRIES,
    DECLARED_ENDPOINT,
    CALLER_SCOPE,
    REQUEST_AUTHENTICATION,
    TELEMETRY,
    PROXY_SETTINGS,
    TRAFFIC_POLICY,
    PROCESS_PROXY,
];

/// The other types of ours. Node proxies and gateways follow [`CREDENTIAL`], too.
const OTHERS: [&str; 6] = [NODE, PROCESS, WORKLOAD_GROUP, SIDECAR, COMMIT, CREDENTIAL];

/// Order in which types are sent to clients without commits, so that what is named arrives before
/// what names it (istiod's `PushOrder`: clusters, endpoints, listeners, routes, secrets, addresses,
/// workloads, authorizations).
const PUSH_ORDER: [&str; 28] = [
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    MESH,
    NODE,
    TRAFFIC_DEFAULTS,
    ADDRESS,
    "type.googleapis.com/istio.workload.Workload",
    DECLARED_ENDPOINT,
    HOST_ENTRIES,
    BACKENDS,
    CREDENTIAL,
    GATEWAY,
    ROUTE_TABLE,
    CALLER_SCOPE,
    "type.googleapis.com/istio.security.Authorization",
    "type.googleapis.com/istio.workload.Authorization",
    PEER_AUTHENTICATION,
    REQUEST_AUTHENTICATION,
    AUTHORIZATION,
    TELEMETRY,
    PROXY_SETTINGS,
    TRAFFIC_POLICY,
    PROCESS_PROXY,
    PROCESS,
    SIDECAR,
];

/// The constant equal to `url`, if it is one of ours.
pub fn known(url: &str) -> Option<&'static str> {
    FOR_PROXIES.into_iter().chain(OTHERS).find(|known| *known == url)
}

/// Place of a type in a push; unknown types come last.
pub(crate) fn push_rank(url: &str) -> usize {
    PUSH_ORDER.iter().position(|known| *known == url).unwrap_or(PUSH_ORDER.len())
}
