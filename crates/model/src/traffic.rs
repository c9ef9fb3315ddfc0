//! Everything that shapes traffic beyond identity and address.

use std::{sync::Arc, time::Duration};

use imbl::OrdMap;

use crate::{
    BackendPolicy, CallerScope, ConnectionPool, Gateway, HostEntry, LocalityPolicy, ObjectName, OutboundPolicy,
    OutlierDetection, ProxySettings, RequestAuthentication, RetryPolicy, RouteTable, StaticEndpoint, Telemetry,
    WorkloadGroup,
};

/// Objects by namespace and name; cloning is cheap, and a changed copy shares the rest.
pub type ObjectMap<T> = OrdMap<ObjectName, Arc<T>>;

/// What shapes traffic, object by object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Defaults of the mesh.
    pub defaults: Arc<TrafficDefaults>,
    /// Routes.
    pub routes: ObjectMap<RouteTable>,
    /// How hosts are called, by namespace and host; several of one host differ in their callers or visibility.
    pub backends: OrdMap<ObjectName, Arc<Vec<BackendPolicy>>>,
    /// Listeners of gateways.
    pub gateways: ObjectMap<Gateway>,
    /// Hosts that no service declares: those of each object.
    pub entries: OrdMap<ObjectName, Arc<Vec<HostEntry>>>,
    /// Endpoints that no process stands for.
    pub endpoints: ObjectMap<StaticEndpoint>,
    /// Endpoints that register themselves.
    pub groups: ObjectMap<WorkloadGroup>,
    /// What callers know.
    pub scopes: ObjectMap<CallerScope>,
    /// Which JWTs are accepted.
    pub request_authentications: ObjectMap<RequestAuthentication>,
    /// What is measured and logged.
    pub telemetries: ObjectMap<Telemetry>,
    /// Settings of single proxies.
    pub proxy_settings: ObjectMap<ProxySettings>,
}

/// What holds where no object says otherwise (Istio's `MeshConfig`).
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficDefaults {
    /// What becomes of calls to unknown places.
    pub outbound: OutboundPolicy,
    /// Further attempts.
    pub retries: RetryPolicy,
    /// For connecting.
    pub connect_timeout: Duration,
    /// Limits below all others.
    pub pool: Option<Arc<ConnectionPool>>,
    /// Ejection below all others.
    pub outlier: Option<Arc<OutlierDetection>>,
    /// Balancing by locality.
    pub locality: LocalityPolicy,
    /// Whether endpoints that speak mutual TLS are called by it without being asked.
    pub auto_mtls: bool,
    /// Whether HTTP/1.1 becomes HTTP/2 between proxies.
    pub h2_upgrade: bool,
    /// What a path is before it is compared.
    pub normalization: PathNormalization,
    /// How long a silent client is waited for; zero: for ever.
    pub detection_timeout: Duration,
    /// Who gets traces, metrics and access logs.
    pub default_providers: DefaultProviders,
}

/// Providers where no object names any, by their names in lower case (Istio's `defaultProviders`,
/// and `accessLogFile`, which is the provider `envoy`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultProviders {
    /// Of traces; only the first one counts.
    pub tracing: Vec<Arc<str>>,
    /// Of metrics.
    pub metrics: Vec<Arc<str>>,
    /// Of access logs.
    pub access_logging: Vec<Arc<str>>,
}

/// What a path is before it is compared and forwarded (Istio's `pathNormalization`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathNormalization {
    /// As it came.
    None,
    /// RFC 3986: dot segments, `\` as `/`, unreserved characters decoded.
    #[default]
    Base,
    /// And `//` as `/`.
    MergeSlashes,
    /// And `%2F` and `%5C` decoded before that.
    DecodeAndMergeSlashes,
}

impl Default for TrafficDefaults {
    fn default() -> Self {
        Self {
            outbound: OutboundPolicy::AllowAny,
            retries: RetryPolicy::default(),
            connect_timeout: Duration::from_secs(10),
            pool: None,
            outlier: None,
            locality: LocalityPolicy { enabled: true, ..LocalityPolicy::default() },
            auto_mtls: true,
            h2_upgrade: false,
            normalization: PathNormalization::default(),
            detection_timeout: Duration::ZERO,
            default_providers: DefaultProviders::default(),
        }
    }
}

/// Conditions that are retried where none are given.
pub const DEFAULT_RETRY_ON: [&str; 5] =
    ["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"];

impl Default for RetryPolicy {
    /// As Istio: two further attempts where nothing was answered.
    fn default() -> Self {
        Self {
            attempts: 2,
            per_try_timeout: None,
            on: DEFAULT_RETRY_ON.iter().map(|condition| Arc::from(*condition)).collect(),
            status_codes: Vec::new(),
            backoff: Duration::from_millis(25),
            remote_localities: false,
            ignore_previous_hosts: None,
        }
    }
}
