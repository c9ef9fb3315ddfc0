//! What is measured and logged, which JWTs are accepted, and settings of single proxies.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{ConnectionSettings, PolicyTarget, RuleId, Selector, Share, Topology};

/// Which JWTs are accepted (Istio's `RequestAuthentication`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestAuthentication {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace; the root namespace makes it mesh-wide.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// What it applies to.
    pub target: PolicyTarget,
    /// Issuers and their keys.
    pub rules: Vec<JwtRule>,
}

/// An issuer and its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtRule {
    /// Id of the rule.
    pub id: RuleId,
    /// `iss`; empty: any.
    pub issuer: Arc<str>,
    /// Accepted audiences; empty: any.
    pub audiences: Vec<Arc<str>>,
    /// Where the keys are.
    pub keys: JwtKeys,
    /// Where the token is; all empty: `Authorization: Bearer` and query `access_token`.
    pub locations: JwtLocations,
    /// Whether the token is passed on.
    pub forward: bool,
    /// Header that gets the payload.
    pub payload_header: Option<Arc<str>>,
    /// Headers that get claims.
    pub claim_headers: Vec<(Arc<str>, Arc<str>)>,
    /// For fetching keys.
    pub timeout: Duration,
    /// Claims that hold lists separated by blanks.
    pub space_delimited: Vec<Arc<str>>,
}

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtKeys {
    /// Here, as a JWK set.
    Inline(Arc<str>),
    /// There.
    Uri(Arc<str>),
    /// Where the issuer's OpenID configuration says.
    Discovery,
}

/// Where a token is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtLocations {
    /// Headers, each with what stands before the token.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// Query parameters.
    pub params: Vec<Arc<str>>,
    /// Cookies.
    pub cookies: Vec<Arc<str>>,
}

/// What is measured, logged and traced (Istio's `Telemetry`).
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace; the root namespace makes it mesh-wide.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// What it applies to.
    pub target: PolicyTarget,
    /// Tracing.
    pub tracing: Vec<TracingSettings>,
    /// Metrics.
    pub metrics: Vec<MetricsSettings>,
    /// Access logs.
    pub access_logs: Vec<AccessLogSettings>,
    /// When it was first seen, milliseconds since the epoch.
    pub created: u64,
}

/// The side of a call that a setting is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Both.
    #[default]
    Both,
    /// The caller's, and gateways.
    Client,
    /// The called one's.
    Server,
}

/// Settings of tracing; what is missing is inherited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TracingSettings {
    /// Side.
    pub side: Side,
    /// Providers; empty: inherited.
    pub providers: Vec<Arc<str>>,
    /// Share of requests.
    pub sampling: Option<Share>,
    /// Spans are not reported.
    pub disabled: Option<bool>,
    /// Custom tags by name; nothing: inherited as a whole.
    pub tags: Option<BTreeMap<Arc<str>, TagSource>>,
}

/// Where the value of a custom tag comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagSource {
    /// Always that.
    Literal(Arc<str>),
    /// An environment variable, or a default.
    Environment(Arc<str>, Arc<str>),
    /// A request header, or a default.
    Header(Arc<str>, Arc<str>),
    /// A format of access logs.
    Formatter(Arc<str>),
}

/// Settings of metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Providers; empty: inherited.
    pub providers: Vec<Arc<str>>,
    /// Overrides, in order.
    pub overrides: Vec<MetricOverride>,
}

/// What changes about a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricOverride {
    /// `REQUEST_COUNT` and so on, or a custom metric; nothing: all.
    pub metric: Option<Arc<str>>,
    /// Side.
    pub side: Side,
    /// Whether it is off; nothing: inherited.
    pub disabled: Option<bool>,
    /// Tag → expression, or (nothing) removed.
    pub tags: BTreeMap<Arc<str>, Option<Arc<str>>>,
}

/// Settings of access logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Side.
    pub side: Side,
    /// Providers; empty: inherited.
    pub providers: Vec<Arc<str>>,
    /// Whether it is off; nothing: inherited.
    pub disabled: Option<bool>,
    /// An expression that says what is logged.
    pub filter: Option<Arc<str>>,
}

/// What proxies are like where no object says otherwise (Istio's `defaultConfig`); nothing: as a proxy thinks fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyDefaults {
    /// Threads that carry traffic; 0: as many as the machine has cores.
    pub concurrency: Option<u32>,
    /// How long connections that would not be let in any more have to end.
    pub drain: Option<Duration>,
    /// The same for all of them when the proxy ends.
    pub farewell: Option<Duration>,
    /// What they write into heads by themselves.
    pub headers: ProxyHeaders,
    /// What they put up with.
    pub connections: ConnectionSettings,
}

/// What proxies write into the heads of requests and answers by themselves (Istio's `proxyHeaders`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHeaders {
    /// `server` of answers; nothing: whoever answered says it.
    pub server: Option<Arc<str>>,
    /// What else they write.
    pub written: BTreeSet<ProxyHeader>,
}

/// Something that proxies may write by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyHeader {
    /// `x-request-id`, where a request is from outside or has none.
    RequestId,
    /// `x-envoy-attempt-count`.
    AttemptCount,
    /// What they did: `x-envoy-original-host`, `x-envoy-original-path`, `x-envoy-expected-rq-timeout-ms`,
    /// `x-envoy-upstream-service-time`.
    Explanations,
    /// `x-forwarded-host`: who was asked for, where another one is asked instead.
    ForwardedHost,
    /// `x-forwarded-port`: the port that was called.
    ForwardedPort,
}

// === impl ProxyHeaders ===

impl ProxyHeaders {
    /// Whether it is written.
    pub fn writes(&self, header: ProxyHeader) -> bool {
        self.written.contains(&header)
    }
}

impl Default for ProxyHeaders {
    /// As Istio's proxies do.
    fn default() -> Self {
        let written = [ProxyHeader::RequestId, ProxyHeader::AttemptCount, ProxyHeader::Explanations];
        Self { server: Some("istio-envoy".into()), written: written.into() }
    }
}

/// Settings of single proxies (Istio's `ProxyConfig`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace; the root namespace makes it mesh-wide.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Workloads; empty: all of the scope.
    pub selector: Selector,
    /// Threads; 0: as many as cores; nothing: inherited.
    pub concurrency: Option<u32>,
    /// Environment.
    pub environment: BTreeMap<Arc<str>, Arc<str>>,
    /// When it was first seen, milliseconds since the epoch.
    pub created: u64,
}

/// What the proxies of one process are like, in place of all that the mesh says (annotation `proxy.istio.io/config`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessProxy {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// What stands before it, if it is a gateway.
    pub topology: Topology,
    /// What they are like. Of threads only what is said of this process: [`ProxySettings`] come between that and the mesh.
    pub settings: Arc<ProxyDefaults>,
}
