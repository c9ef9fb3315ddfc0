//! The labels of request metrics, and what `Telemetry` objects change about them (istio.md 3.2).

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{Service, SpiffeId, Workload};

use crate::{
    exposition::LabelWriter,
    labels::{DESTINATION, PeerLabels, Reporter, SERVICE, SOURCE, SecurityPolicy, ServiceLabels, unknown},
};

/// What the requests of one caller to one service have in common. Status and flags are not part of
/// it: they are a request's own, see [`Outcome`](crate::Outcome).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestLabels {
    reporter: Reporter,
    source: PeerLabels,
    destination: PeerLabels,
    service: ServiceLabels,
    protocol: RequestProtocol,
    security: SecurityPolicy,
    shape: Option<Arc<MetricShape>>,
}

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestProtocol {
    /// HTTP.
    Http,
    /// gRPC, by its content type.
    Grpc,
}

/// What was called.
#[derive(Clone, Copy, Debug)]
pub enum Callee<'a> {
    /// A service of the mesh.
    Service(&'a Service),
    /// Nothing that the mesh knows; outbound, the `Host` header is the only name. Whoever takes it from
    /// the request lets the caller choose how many series there are, up to the registry's limit.
    Host(&'a str),
    /// As [`Self::Host`], let through as it is.
    Passthrough(&'a str),
    /// As [`Self::Host`], led nowhere.
    BlackHole(&'a str),
    /// Unknown, and the host header does not tell.
    Unknown,
}

/// A metric of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestMetric {
    /// `istio_requests_total`
    Requests,
    /// `istio_request_duration_milliseconds`
    Duration,
    /// `istio_request_bytes`
    RequestBytes,
    /// `istio_response_bytes`
    ResponseBytes,
    /// `istio_request_messages_total`
    RequestMessages,
    /// `istio_response_messages_total`
    ResponseMessages,
}

/// What is told otherwise than by default: metrics that are off, tags that are added, replaced or
/// removed (`Telemetry.spec.metrics[].overrides`). One object serves many labels. A tag whose value
/// differs from request to request makes a shape, and so a series, for each value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetricShape {
    metrics: [MetricChange; 6],
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct MetricChange {
    disabled: bool,
    /// Tag → value, or (nothing) removed.
    tags: BTreeMap<Arc<str>, Option<Arc<str>>>,
}

/// The labels that a single request adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnLabels<'a> {
    pub response_code: &'a str,
    pub grpc_response_status: &'a str,
    pub response_flags: &'a str,
}

// === impl RequestLabels ===

impl RequestLabels {
    /// Labels of requests from `source` to `destination`, each as far as it is known; `principals` are
    /// the identities that mutual TLS proved, source first.
    ///
    /// As in Istio only the callee's proxy tells how it was protected: `mutual_tls`, or `none` if the
    /// caller proved nothing.
    pub fn new(
        reporter: Reporter,
        protocol: RequestProtocol,
        source: Option<&Workload>,
        destination: Option<&Workload>,
        callee: Callee<'_>,
        principals: (Option<&SpiffeId>, Option<&SpiffeId>),
    ) -> Self {
        let security = match (reporter, principals.0) {
            (Reporter::Source, _) => SecurityPolicy::Unknown,
            (Reporter::Destination | Reporter::Waypoint, Some(_)) => SecurityPolicy::MutualTls,
            (Reporter::Destination | Reporter::Waypoint, None) => SecurityPolicy::Plaintext,
        };
        Self {
            reporter,
            source: PeerLabels::new(source, principals.0),
            destination: PeerLabels::new(destination, principals.1),
            service: callee.labels(),
            protocol,
            security,
            shape: None,
        }
    }

    /// Labels for what finds no room.
    pub(crate) fn overflow(reporter: Reporter) -> Self {
        let value: Arc<str> = "overflow".into();
        Self {
            reporter,
            source: PeerLabels::all(&value),
            destination: PeerLabels::all(&value),
            service: ServiceLabels { host: value.clone(), name: value.clone(), namespace: value },
            protocol: RequestProtocol::Http,
            security: SecurityPolicy::Unknown,
            shape: None,
        }
    }

    /// The same, when it is known better how the request was protected.
    #[must_use]
    pub fn with_security(mut self, security: SecurityPolicy) -> Self {
        self.security = security;
        self
    }

    /// The same, told in another shape.
    #[must_use]
    pub fn with_shape(mut self, shape: Arc<MetricShape>) -> Self {
        self.shape = Some(shape);
        self
    }

    /// Who reports.
    pub fn reporter(&self) -> Reporter {
        self.reporter
    }

    /// The labels as `metric` has them, without braces; nothing if it is off. The order is always the
    /// same, so that equal labels are equal texts.
    pub(crate) fn render(&self, metric: RequestMetric, own: Option<OwnLabels<'_>>) -> Option<String> {
        let change = self.shape.as_ref().map(|shape| shape.change(metric));
        if change.is_some_and(|change| change.disabled) {
            return None;
        }
        let tags = change.map(|change| &change.tags).filter(|tags| !tags.is_empty());
        let mut out = LabelWriter::with_capacity(1000);
        let mut label = |name: &str, value: &str| match tags.and_then(|tags| tags.get(name)) {
            None => out.label(name, value),
            Some(Some(value)) => out.label(name, value),
            Some(None) => {}
        };
        let mut standard = |names: &[&str], values: &[&str]| {
            for (name, value) in names.iter().zip(values) {
                label(name, value);
            }
        };
        standard(&["reporter"], &[self.reporter.as_str()]);
        standard(&SOURCE, &self.source.values());
        standard(&DESTINATION, &self.destination.values());
        standard(&SERVICE, &self.service.values());
        standard(&["request_protocol"], &[self.protocol.as_str()]);
        if let Some(own) = own {
            standard(&OWN, &[own.response_code, own.grpc_response_status, own.response_flags]);
        }
        standard(&["connection_security_policy"], &[self.security.as_str()]);
        for (name, value) in tags.into_iter().flatten().filter(|(name, _)| !is_standard(name)) {
            if let Some(value) = value {
                out.label(name, value);
            }
        }
        Some(out.finish())
    }
}

const OWN: [&str; 3] = ["response_code", "grpc_response_status", "response_flags"];

fn is_standard(name: &str) -> bool {
    let lists: [&[&str]; 5] =
        [&SOURCE, &DESTINATION, &SERVICE, &OWN, &["reporter", "request_protocol", "connection_security_policy"]];
    lists.into_iter().flatten().any(|standard| *standard == name)
}

// === impl RequestProtocol ===

impl RequestProtocol {
    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

// === impl Callee ===

impl Callee<'_> {
    fn labels(self) -> ServiceLabels {
        let named =
            |host: &str, name: &str| ServiceLabels { host: host.into(), name: name.into(), namespace: unknown() };
        match self {
            Self::Service(service) => ServiceLabels::new(Some(service)),
            Self::Host(host) => named(host, host),
            Self::Passthrough(host) => named(host, "PassthroughCluster"),
            Self::BlackHole(host) => named(host, "BlackHoleCluster"),
            Self::Unknown => ServiceLabels::new(None),
        }
    }
}

// === impl RequestMetric ===

impl RequestMetric {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Requests,
        Self::Duration,
        Self::RequestBytes,
        Self::ResponseBytes,
        Self::RequestMessages,
        Self::ResponseMessages,
    ];

    /// The metric's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "istio_requests_total",
            Self::Duration => "istio_request_duration_milliseconds",
            Self::RequestBytes => "istio_request_bytes",
            Self::ResponseBytes => "istio_response_bytes",
            Self::RequestMessages => "istio_request_messages_total",
            Self::ResponseMessages => "istio_response_messages_total",
        }
    }

    /// Its name in an override of a `Telemetry` object.
    pub fn override_name(self) -> &'static str {
        match self {
            Self::Requests => "REQUEST_COUNT",
            Self::Duration => "REQUEST_DURATION",
            Self::RequestBytes => "REQUEST_SIZE",
            Self::ResponseBytes => "RESPONSE_SIZE",
            Self::RequestMessages => "GRPC_REQUEST_MESSAGES",
            Self::ResponseMessages => "GRPC_RESPONSE_MESSAGES",
        }
    }
}

// === impl MetricShape ===

impl MetricShape {
    /// Turns `metric` off.
    pub fn disable(&mut self, metric: RequestMetric) {
        self.metrics[metric as usize].disabled = true;
    }

    /// Removes a tag from `metric`.
    pub fn remove(&mut self, metric: RequestMetric, tag: &str) {
        self.metrics[metric as usize].tags.insert(label_name(tag), None);
    }

    /// Adds a tag to `metric`, or replaces its value. What Prometheus does not take in a name becomes
    /// `_`; Istio's value for what an expression could not find is `unknown`.
    pub fn set(&mut self, metric: RequestMetric, tag: &str, value: impl Into<Arc<str>>) {
        self.metrics[metric as usize].tags.insert(label_name(tag), Some(value.into()));
    }

    fn change(&self, metric: RequestMetric) -> &MetricChange {
        &self.metrics[metric as usize]
    }
}

/// A name that Prometheus takes: `[a-zA-Z_][a-zA-Z0-9_]*`, and none of its own.
fn label_name(tag: &str) -> Arc<str> {
    let mut name: String = tag.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let own = name == "le" || name == "quantile" || name.starts_with("__");
    if own || !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        name.insert_str(0, "tag_");
    }
    name.into()
}

#[cfg(test)]
mod tests;
