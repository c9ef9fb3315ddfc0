//! How the endpoints of a host are called: balancing, limits, ejection, TLS, subsets.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{HostPattern, RuleId, Selector, Share, TlsParameters, Visibility};

/// Rules for calling a host (Istio's `DestinationRule`s of one namespace, merged).
#[derive(Clone, Debug, PartialEq)]
pub struct BackendPolicy {
    /// Ids of the objects that it was merged from, the leading one first.
    pub ids: Vec<RuleId>,
    /// Namespace of the objects.
    pub namespace: Arc<str>,
    /// Whom they call.
    pub host: HostPattern,
    /// Who sees it.
    pub visibility: Visibility,
    /// Callers that it acts for, in its own namespace; nothing: all.
    pub client: Option<Selector>,
    /// For the whole host.
    pub policy: BackendSettings,
    /// Named groups of endpoints.
    pub subsets: Vec<Subset>,
    /// When the leading object was first seen, milliseconds since the epoch.
    pub created: u64,
}

/// A named group of endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Subset {
    /// Id of the subset.
    pub id: RuleId,
    /// Name.
    pub name: Arc<str>,
    /// Labels of its endpoints; empty: all.
    pub labels: Selector,
    /// Beats the one of the whole host, block by block.
    pub policy: BackendSettings,
}

/// Blocks of settings; one that is missing is inherited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendSettings {
    /// Blocks for every port.
    pub general: PortSettings,
    /// Blocks for single ports of the service; they replace the general ones, missing ones too.
    pub ports: BTreeMap<u16, PortSettings>,
    /// Through a CONNECT or POST proxy.
    pub tunnel: Option<TunnelSettings>,
    /// PROXY protocol towards the endpoints.
    pub proxy_protocol: Option<ProxyProtocolVersion>,
    /// Limit of retries by share.
    pub retry_budget: Option<RetryBudget>,
}

/// The blocks that a port may replace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PortSettings {
    /// Balancing.
    pub balancer: Option<Arc<LoadBalancer>>,
    /// Limits.
    pub pool: Option<Arc<ConnectionPool>>,
    /// Ejection.
    pub outlier: Option<Arc<OutlierDetection>>,
    /// TLS.
    pub tls: Option<Arc<ClientTls>>,
}

/// Balancing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadBalancer {
    /// Algorithm.
    pub algorithm: Algorithm,
    /// Warm-up of new endpoints.
    pub warmup: Option<Warmup>,
    /// By locality; nothing: the mesh's.
    pub locality: Option<LocalityPolicy>,
}

/// How an endpoint is picked.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Algorithm {
    /// The less loaded of two at random.
    #[default]
    LeastRequest,
    /// One after another.
    RoundRobin,
    /// At random.
    Random,
    /// The cheaper of two at random: by their latencies, and what they have to do.
    PeakEwma(PeakEwma),
    /// Where the caller says.
    Passthrough,
    /// By a key of the request.
    Hash {
        /// The key.
        key: HashKey,
        /// The table.
        table: HashTable,
    },
}

/// How latencies are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeakEwma {
    /// After so long without a sample, an average has fallen to e^-1 of what it was; above 0.
    pub decay: Duration,
    /// Latency of an endpoint that has not answered yet.
    pub default_rtt: Duration,
    /// An answer that is a failure counts as one that took as long as this.
    pub penalty: Duration,
}

/// What is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// A header.
    Header(Arc<str>),
    /// A cookie.
    Cookie {
        /// Name.
        name: Arc<str>,
        /// Path.
        path: Arc<str>,
        /// Life; zero: of the session; nothing: not made.
        ttl: Option<Duration>,
        /// Further attributes.
        attributes: Vec<(Arc<str>, Arc<str>)>,
    },
    /// The caller's address.
    SourceIp,
    /// A query parameter.
    Query(Arc<str>),
}

/// How hashes become endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashTable {
    /// Ring hash, with at least so many entries.
    Ring(u64),
    /// Maglev, with so many entries.
    Maglev(u64),
}

/// Warm-up of new endpoints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup {
    /// How long.
    pub duration: Duration,
    /// Share at the beginning.
    pub minimum: Share,
    /// Shape of the growth.
    pub aggression: f64,
}

/// Shares by locality, in per cent.
pub type Shares = BTreeMap<Arc<str>, u32>;

/// Balancing by locality.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalityPolicy {
    /// Whether it acts.
    pub enabled: bool,
    /// From a locality (`*` at its end) to shares by locality, 100 together.
    pub distribute: Vec<(Arc<str>, Shares)>,
    /// From a region to the one that takes over.
    pub failover: Vec<(Arc<str>, Arc<str>)>,
    /// Labels whose equality makes endpoints near.
    pub failover_priority: Vec<Arc<str>>,
    /// By zone, with at least so many endpoints.
    pub zone_aware: Option<u64>,
}

/// Limits. Nothing is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionPool {
    /// Open connections.
    pub max_connections: Option<u32>,
    /// For connecting; nothing: the mesh's.
    pub connect_timeout: Option<Duration>,
    /// Probes, time and interval of TCP keepalive.
    pub keepalive: Option<Keepalive>,
    /// Longest life of a connection.
    pub max_connection_duration: Option<Duration>,
    /// Longest silence; zero: unlimited.
    pub idle_timeout: Option<Duration>,
    /// The same for HTTP.
    pub http_idle_timeout: Option<Duration>,
    /// Requests that wait for a connection.
    pub max_pending_requests: Option<u32>,
    /// Requests at once.
    pub max_requests: Option<u32>,
    /// Requests of a connection's life.
    pub max_requests_per_connection: Option<u32>,
    /// Retries at once.
    pub max_retries: Option<u32>,
    /// Streams of a connection.
    pub max_concurrent_streams: Option<u32>,
    /// Which HTTP is spoken.
    pub upgrade: HttpUpgrade,
    /// Interval and timeout of HTTP/2 PING.
    pub http2_keepalive: Option<(Duration, Duration)>,
}

impl ConnectionPool {
    /// Whether requests are limited, or the connections that carry them.
    pub fn limits_requests(&self) -> bool {
        let counts = [
            self.max_pending_requests,
            self.max_requests,
            self.max_requests_per_connection,
            self.max_retries,
            self.max_concurrent_streams,
        ];
        counts.iter().any(Option::is_some) || self.http_idle_timeout.is_some() || self.http2_keepalive.is_some()
    }
}

/// TCP keepalive; nothing: as the system does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// Unanswered probes.
    pub probes: Option<u32>,
    /// Silence before the first probe.
    pub time: Option<Duration>,
    /// Between probes.
    pub interval: Option<Duration>,
}

/// Which HTTP is spoken to endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpUpgrade {
    /// As the mesh says.
    #[default]
    Default,
    /// As the port is declared.
    No,
    /// HTTP/2.
    Yes,
    /// What the caller speaks.
    AsClient,
}

/// Ejection of failing endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Errors in a row that eject; 0: off.
    pub consecutive_5xx: u32,
    /// 502, 503, 504 in a row that eject; 0: off.
    pub consecutive_gateway: u32,
    /// Connection failures in a row that eject, counted apart; nothing: not apart.
    pub consecutive_local: Option<u32>,
    /// Between looks.
    pub interval: Duration,
    /// Times the number of ejections.
    pub base_ejection: Duration,
    /// At most so many per cent ejected.
    pub max_ejection_percent: u32,
    /// Below so many per cent healthy, ejection no longer counts; 0: never.
    pub min_health_percent: u32,
    /// Status codes that count instead of 5xx; empty: 5xx.
    pub error_codes: Vec<u16>,
}

/// TLS to endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// How.
    pub mode: ClientTlsMode,
    /// Files: certificate, key, CA, CRL; empty: none.
    pub files: TlsFiles,
    /// Name of a secret.
    pub credential: Option<Arc<str>>,
    /// Names that the endpoint may prove.
    pub subject_alt_names: Vec<Arc<str>>,
    /// Server name.
    pub sni: Option<Arc<str>>,
    /// Nothing is verified.
    pub insecure: bool,
    /// With what it is made.
    pub parameters: TlsParameters,
}

/// Files of TLS; empty: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate.
    pub certificate: Arc<str>,
    /// Key.
    pub key: Arc<str>,
    /// CA.
    pub ca: Arc<str>,
    /// Revocations.
    pub crl: Arc<str>,
}

/// How TLS is spoken to endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientTlsMode {
    /// Plaintext.
    #[default]
    Disable,
    /// TLS.
    Simple,
    /// With a client certificate.
    Mutual,
    /// With the workload's identity.
    Mesh,
}

/// Through a CONNECT or POST proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSettings {
    /// Whether it is POST.
    pub post: bool,
    /// Host behind the proxy.
    pub host: Arc<str>,
    /// Port behind the proxy.
    pub port: u16,
}

/// Version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocolVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// Limit of retries by share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Share of active requests.
    pub share: Share,
    /// Always allowed.
    pub min_concurrency: u32,
    /// Allowed in a second beyond the share.
    pub min_per_second: u32,
    /// What counts as active.
    pub interval: Duration,
}

impl Default for OutlierDetection {
    /// As Istio: a block that says nothing ejects after five 5xx in a row.
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            consecutive_gateway: 0,
            consecutive_local: None,
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection_percent: 10,
            min_health_percent: 0,
            error_codes: Vec::new(),
        }
    }
}

impl Default for PeakEwma {
    /// As Linkerd, where it has one.
    fn default() -> Self {
        Self { decay: Duration::from_secs(10), default_rtt: Duration::from_millis(30), penalty: Duration::from_secs(5) }
    }
}
