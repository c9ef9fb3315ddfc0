//! What Istio's kinds cannot say about traffic (`TrafficPolicy` of `ripstop.dev/v1alpha1`).

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::{
    AdaptiveConcurrency, ConnectionLimit, GlobalRateLimit, HealthChecks, Hedging, PeakEwma, RetryBudget, RuleId,
    SessionAffinity,
};

/// What holds for the requests of services, declared hosts and gateways.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficPolicy {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace; all that it is attached to is there.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// What it is attached to.
    pub targets: Vec<TrafficTarget>,
    /// Limits of requests.
    pub rate_limits: Vec<Arc<RateLimit>>,
    /// Limits of requests that services count, asked in this order.
    pub global_rate_limits: Vec<Arc<GlobalRateLimit>>,
    /// Limits of new connections.
    pub connection_rates: Vec<Arc<ConnectionLimit>>,
    /// Limits of open connections.
    pub connection_limits: Vec<Arc<ConnectionLimit>>,
    /// Limit of retries; nothing: what others say.
    pub retry_budget: Option<RetryBudget>,
    /// What keeps a client's requests at one endpoint; nothing: it does not say.
    pub session_affinity: Option<Arc<SessionAffinity>>,
    /// How endpoints are picked; nothing: it does not say.
    pub balancing: Option<Balancing>,
    /// When it was first seen, milliseconds since the epoch; of several for one target the oldest acts.
    pub created: u64,
    /// How endpoints are asked whether they are well; nothing: it does not say.
    pub health_checks: Option<Arc<HealthChecks>>,
    /// How many requests an instance gets at a time; nothing: it does not say.
    pub adaptive_concurrency: Option<Arc<AdaptiveConcurrency>>,
    /// When a request is sent to one more endpoint; nothing: it does not say.
    pub hedging: Option<Arc<Hedging>>,
}

/// How endpoints are picked, in place of what a DestinationRule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancing {
    /// Id of the rule.
    pub id: RuleId,
    /// By latency.
    pub peak_ewma: PeakEwma,
}

/// What a [`TrafficPolicy`] is attached to, in its own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrafficTarget {
    /// Kind.
    pub kind: TrafficTargetKind,
    /// Name.
    pub name: Arc<str>,
    /// Name of a port, a gateway's listener, or a route; nothing: all of them.
    pub section: Option<Arc<str>>,
}

/// A kind that a [`TrafficPolicy`] can be attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrafficTargetKind {
    /// A service: it acts at its endpoints.
    Service,
    /// Hosts that no service declares: it acts at their callers.
    Entry,
    /// A gateway: it acts there.
    Gateway,
    /// Routes for requests, in a section each: it acts where they are taken.
    Routes,
}

/// How many requests may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Id of the limit.
    pub id: RuleId,
    /// What is counted, and how much of it there may be.
    pub allowance: Allowance,
    /// Status of those that are refused.
    pub status: u16,
    /// Whether clients are told of the limit in header fields.
    pub tells: bool,
    /// Nobody is refused; it is only counted who would be.
    pub dry_run: bool,
}

/// What is counted, and how much of it there may be. What has been counted is kept as long as this is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Allowance {
    /// Which requests count.
    pub requests: RequestMatch,
    /// Which of them count together.
    pub key: LimitKey,
    /// So many in each interval; at least 1.
    pub count: u32,
    /// The interval; at least 1 ms.
    pub interval: Duration,
    /// So many at once, after a while without any; at least 1.
    pub burst: u32,
}

/// What requests have in common that count together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// Nothing: all count together.
    #[default]
    All,
    /// The caller's proven identity. Callers that have proven none count together.
    Identity,
    /// The value of a header field (lower case). Requests without it count together.
    Header(Arc<str>),
    /// The path, normalized and without query.
    Path,
    /// The address that the connection comes from: of IPv6, the network of 64 bits.
    SourceAddress,
}

/// Which requests are meant; nothing in it: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestMatch {
    /// Normalized path without query.
    pub path: Option<TextMatch>,
    /// Methods; empty: all.
    pub methods: Vec<Arc<str>>,
    /// Header fields by lower-case name, all of which must match.
    pub headers: Vec<(Arc<str>, TextMatch)>,
}

/// How a text is compared. Case counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextMatch {
    /// It is there.
    Present,
    /// Equal.
    Exact(Arc<str>),
    /// Begins with it.
    Prefix(Arc<str>),
}

// === impl TrafficPolicy ===

impl TrafficPolicy {
    /// Whether it has limits of requests, of either kind.
    pub fn limits_requests(&self) -> bool {
        !self.rate_limits.is_empty() || !self.global_rate_limits.is_empty()
    }
}

// === impl TrafficTargetKind ===

impl TrafficTargetKind {
    /// Its name as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::Entry => "ServiceEntry",
            Self::Gateway => "Gateway",
            Self::Routes => "VirtualService",
        }
    }
}

impl fmt::Display for TrafficTarget {
    /// `Service web`, or `http of Service web`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(section) = &self.section {
            write!(f, "{section} of ")?;
        }
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

impl fmt::Display for Allowance {
    /// `10 requests GET /api* of each identity in 1s, 20 at once`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests{}", self.count, self.requests)?;
        match &self.key {
            LimitKey::All => {}
            LimitKey::Identity => f.write_str(" of each identity")?,
            LimitKey::Header(name) => write!(f, " of each value of {name}")?,
            LimitKey::Path => f.write_str(" of each path")?,
            LimitKey::SourceAddress => f.write_str(" of each source address")?,
        }
        write!(f, " in {:?}, {} at once", self.interval, self.burst)
    }
}

impl fmt::Display for RequestMatch {
    /// ` GET,PUT /api* x-a=1 x-b`, with a blank before each part
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.methods.iter().enumerate() {
            write!(f, "{}{method}", if index == 0 { ' ' } else { ',' })?;
        }
        let wanted = |f: &mut fmt::Formatter<'_>, before: &str, wanted: &TextMatch| match wanted {
            TextMatch::Present => Ok(()),
            TextMatch::Exact(text) => write!(f, "{before}{text}"),
            TextMatch::Prefix(text) => write!(f, "{before}{text}*"),
        };
        if let Some(path) = &self.path {
            wanted(f, " ", path)?;
        }
        for (name, value) in &self.headers {
            write!(f, " {name}")?;
            wanted(f, "=", value)?;
        }
        Ok(())
    }
}

// === impl RequestMatch ===

impl RequestMatch {
    /// Whether a request is meant: its method, its normalized path without query, and its header fields by lower-case
    /// name, several values of one joined by commas.
    pub fn is_met<'h>(&self, method: &str, path: &str, header: impl Fn(&str) -> Option<Cow<'h, str>>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|wanted| **wanted == *method))
            && self.path.as_ref().is_none_or(|wanted| wanted.is_met(path))
            && self.headers.iter().all(|(name, wanted)| header(name).is_some_and(|value| wanted.is_met(&value)))
    }
}

// === impl TextMatch ===

impl TextMatch {
    fn is_met(&self, text: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(wanted) => **wanted == *text,
            Self::Prefix(wanted) => text.starts_with(&**wanted),
        }
    }
}

#[cfg(test)]
mod tests;
