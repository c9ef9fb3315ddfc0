//! Routes: where requests and connections to a host go.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use ipnet::IpNet;

use crate::{HostPattern, ObjectName, RuleId, Selector, Visibility};

/// Rules for one or more hosts (Istio's `VirtualService`, delegates resolved).
#[derive(Clone, Debug, PartialEq)]
pub struct RouteTable {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace of the object.
    pub namespace: Arc<str>,
    /// Name of the object.
    pub name: Arc<str>,
    /// When it was first seen, milliseconds since the epoch; of several for one host the oldest acts.
    pub created: u64,
    /// Hosts, as callers name them.
    pub hosts: Vec<HostPattern>,
    /// Where it acts.
    pub gateways: Vec<GatewayName>,
    /// Who sees it.
    pub visibility: Visibility,
    /// Rules for HTTP, the first that matches acts.
    pub http: Vec<HttpRule>,
    /// Rules for TLS by its server name.
    pub tls: Vec<ConnectionRule>,
    /// Rules for TCP.
    pub tcp: Vec<ConnectionRule>,
}

/// A place where rules act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GatewayName {
    /// At the callers inside the mesh.
    Mesh,
    /// At that gateway.
    Named(ObjectName),
}

/// One rule for HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRule {
    /// Id of the rule.
    pub id: RuleId,
    /// Name, for logs.
    pub name: Arc<str>,
    /// Alternatives; empty: every request.
    pub matches: Vec<HttpMatch>,
    /// What is done.
    pub action: HttpAction,
    /// Changes of path and authority.
    pub rewrite: Rewrite,
    /// For the whole request with its retries; nothing: none.
    pub timeout: Option<Duration>,
    /// Further attempts; nothing: the mesh's default.
    pub retries: Option<RetryPolicy>,
    /// Faults injected on purpose.
    pub fault: Fault,
    /// Copies.
    pub mirrors: Vec<Mirror>,
    /// Cross-origin requests.
    pub cors: Option<Arc<Cors>>,
    /// Operations on request headers.
    pub request_headers: HeaderOperations,
    /// Operations on response headers.
    pub response_headers: HeaderOperations,
}

/// Conditions of a request that must all hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpMatch {
    /// Name, for logs.
    pub name: Arc<str>,
    /// Where it stands in the object: `spec.http[0].match[1]`.
    pub path: Arc<str>,
    /// Path without query.
    pub uri: Option<StringMatch>,
    /// Whether exact and prefix of `uri` disregard case.
    pub ignore_uri_case: bool,
    /// Scheme.
    pub scheme: Option<StringMatch>,
    /// Method.
    pub method: Option<StringMatch>,
    /// Authority.
    pub authority: Option<StringMatch>,
    /// Headers by lower-case name.
    pub headers: Vec<(Arc<str>, StringMatch)>,
    /// Headers that must not match.
    pub without_headers: Vec<(Arc<str>, StringMatch)>,
    /// Query parameters.
    pub query: Vec<(Arc<str>, StringMatch)>,
    /// Claims of the JWT.
    pub claims: Vec<(Vec<Arc<str>>, StringMatch)>,
    /// Claims that must not match.
    pub without_claims: Vec<(Vec<Arc<str>>, StringMatch)>,
    /// Port that was called.
    pub port: Option<u16>,
    /// Who calls.
    pub source: SourceMatch,
}

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceMatch {
    /// Labels.
    pub labels: Selector,
    /// Namespace.
    pub namespace: Option<Arc<str>>,
    /// Places; empty: any.
    pub gateways: Vec<GatewayName>,
}

/// How a text is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StringMatch {
    /// It is there.
    Present,
    /// Equal.
    Exact(Arc<str>),
    /// Begins with it.
    Prefix(Arc<str>),
    /// Matches it as a whole (RE2).
    Regex(Arc<str>),
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum HttpAction {
    /// It goes to one of these, by weight.
    Forward(Vec<WeightedBackend>),
    /// The caller is sent elsewhere.
    Redirect(Arc<Redirect>),
    /// It is answered at once.
    Respond {
        /// Status.
        status: u16,
        /// Body.
        body: Arc<[u8]>,
    },
}

/// A backend with its share.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedBackend {
    /// The backend.
    pub backend: BackendRef,
    /// Share of the sum of all weights.
    pub weight: u32,
    /// Operations on request headers.
    pub request_headers: HeaderOperations,
    /// Operations on response headers.
    pub response_headers: HeaderOperations,
    /// The authority that it is called by.
    pub authority: Option<Arc<str>>,
    /// Where it stands in the object.
    pub path: Arc<str>,
}

/// A service, one of its subsets, one of its ports.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendRef {
    /// Whole host name, lower case.
    pub host: Arc<str>,
    /// Subset.
    pub subset: Option<Arc<str>>,
    /// Port; nothing: the only port of the service, else the one that was called.
    pub port: Option<u16>,
}

/// Changes of path and authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Of the path.
    pub uri: Option<UriRewrite>,
    /// The new authority.
    pub authority: Option<Arc<str>>,
}

/// A change of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriRewrite {
    /// Replaces the prefix that matched; of any other match, the whole path.
    Matched(Arc<str>),
    /// Replaces what the regex matches, with `\1` for groups.
    Regex {
        /// RE2.
        pattern: Arc<str>,
        /// Replacement.
        rewrite: Arc<str>,
    },
}

/// Where the caller is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// The new path.
    pub path: RedirectPath,
    /// The new authority.
    pub authority: Option<Arc<str>>,
    /// The new scheme.
    pub scheme: Option<Arc<str>>,
    /// The new port.
    pub port: RedirectPort,
}

/// The path of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectPath {
    /// That of the request.
    Kept,
    /// That one; the query stays.
    Full(Arc<str>),
    /// Replaces the prefix that matched.
    Prefix(Arc<str>),
}

/// The port of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectPort {
    /// None is named, or that of the request's authority.
    Kept,
    /// That one.
    Fixed(u16),
    /// 80 or 443 by the scheme.
    ByScheme,
    /// The port that was called.
    OfRequest,
}

/// Further attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Further attempts; 0: none.
    pub attempts: u32,
    /// For each attempt; nothing: the route's timeout.
    pub per_try_timeout: Option<Duration>,
    /// Conditions, in Envoy's words.
    pub on: Vec<Arc<str>>,
    /// Status codes that are retried.
    pub status_codes: Vec<u16>,
    /// First pause; each further one is up to twice as long, at most ten times this.
    pub backoff: Duration,
    /// Whether other localities are tried.
    pub remote_localities: bool,
    /// Whether endpoints that were tried are avoided; nothing: yes, unless a hash picks them.
    pub ignore_previous_hosts: Option<bool>,
}

/// Faults injected on purpose; the two are drawn independently.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// A delay and its share.
    pub delay: Option<(Duration, Share)>,
    /// An abort and its share.
    pub abort: Option<(Abort, Share)>,
}

/// How a request is aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abort {
    /// With that status.
    Http(u16),
    /// With that gRPC status.
    Grpc(u16),
}

/// A share in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

/// A copy of requests; its answers are dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Where to.
    pub backend: BackendRef,
    /// Share of requests.
    pub share: Share,
    /// Where it stands in the object.
    pub path: Arc<str>,
}

/// Cross-origin requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cors {
    /// Origins.
    pub origins: Vec<StringMatch>,
    /// Methods.
    pub methods: Vec<Arc<str>>,
    /// Request headers.
    pub headers: Vec<Arc<str>>,
    /// Response headers that scripts may read.
    pub expose: Vec<Arc<str>>,
    /// How long the answer may be kept.
    pub max_age: Option<Duration>,
    /// Whether credentials may be sent.
    pub credentials: Option<bool>,
    /// Whether preflights of other origins are passed on.
    pub forward_unmatched: bool,
}

/// Header operations, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderOperations {
    /// Overwrites.
    pub set: BTreeMap<Arc<str>, Arc<str>>,
    /// Appends.
    pub add: BTreeMap<Arc<str>, Arc<str>>,
    /// Removes.
    pub remove: Vec<Arc<str>>,
}

/// One rule for TCP or TLS connections.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionRule {
    /// Id of the rule.
    pub id: RuleId,
    /// Alternatives; empty: every connection.
    pub matches: Vec<ConnectionMatch>,
    /// Where to, by weight.
    pub backends: Vec<WeightedBackend>,
}

/// Conditions of a connection that must all hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionMatch {
    /// Where it stands in the object.
    pub path: Arc<str>,
    /// Server names; empty: any.
    pub sni: Vec<HostPattern>,
    /// Destination addresses; empty: any.
    pub destinations: Vec<IpNet>,
    /// Port that was called.
    pub port: Option<u16>,
    /// Who calls.
    pub source: SourceMatch,
}

// === impl Share ===

impl Share {
    /// All.
    pub const ALL: Self = Self(1_000_000);
    /// One in five.
    pub const FIFTH: Self = Self(200_000);
    /// None.
    pub const NONE: Self = Self(0);

    /// From per cent; below 0 is 0, above 100 is 100.
    pub fn from_percent(percent: f64) -> Self {
        let millionths = (percent.clamp(0.0, 100.0) * 10_000.0).round();
        // In range by the clamp, and never negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Self(millionths as u32)
    }

    /// From millionths; nothing: it is more than all.
    pub fn from_millionths(millionths: u32) -> Option<Self> {
        (millionths <= Self::ALL.0).then_some(Self(millionths))
    }

    /// In millionths, 0 to 1,000,000.
    pub fn millionths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Share {
    /// In per cent, without needless zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / 10_000.0)
    }
}

impl fmt::Display for BackendRef {
    /// `host:port/subset`, as far as given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.subset {
            Some(subset) => write!(f, "/{subset}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for StringMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("is there"),
            Self::Exact(text) => write!(f, "is {text:?}"),
            Self::Prefix(text) => write!(f, "begins with {text:?}"),
            Self::Regex(text) => write!(f, "matches /{text}/"),
        }
    }
}

impl fmt::Display for GatewayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mesh => f.write_str("mesh"),
            Self::Named((namespace, name)) => write!(f, "{namespace}/{name}"),
        }
    }
}
