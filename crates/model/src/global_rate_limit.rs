//! Limits of requests that a service counts for all proxies together (Envoy's `envoy.service.ratelimit.v3`).

use std::{fmt, sync::Arc, time::Duration};

use crate::{RequestMatch, RuleId};

/// A service that is asked whether a request is one too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalRateLimit {
    /// Id of the limit.
    pub id: RuleId,
    /// Host of the service.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// Which of the service's limits are meant.
    pub domain: Arc<str>,
    /// Which requests it is asked about.
    pub requests: RequestMatch,
    /// What it is told of a request; at least one. All of them must have room.
    pub descriptors: Vec<LimitDescriptor>,
    /// As how many a request counts; at least 1.
    pub hits: u32,
    /// How long its answer may take, connecting included; at least 1 ms.
    pub timeout: Duration,
    /// What becomes of a request that it could not be asked about.
    pub on_failure: UnknownLimit,
    /// Status of those that are refused.
    pub status: u16,
    /// Whether clients are told of the limit in header fields.
    pub tells: bool,
    /// Nobody is refused; it is only counted who would be.
    pub dry_run: bool,
}

/// What requests have in common that a service counts together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitDescriptor(pub Vec<DescriptorEntry>);

/// A part of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptorEntry {
    /// By which name the service knows it.
    pub key: Arc<str>,
    /// Its value.
    pub value: DescriptorValue,
    /// What stands for a value that there is not; nothing: the whole descriptor is left out then.
    pub default: Option<Arc<str>>,
}

/// Where the value of an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DescriptorValue {
    /// The caller's proven identity.
    Identity,
    /// The value of a header field (lower case), several of one name joined by commas.
    Header(Arc<str>),
    /// The path, normalized and without query.
    Path,
    /// The method.
    Method,
    /// The host that is asked for, without port, lower case.
    Host,
    /// The address that the connection comes from.
    SourceAddress,
    /// Always that.
    Constant(Arc<str>),
    /// The workload that is called, as `<namespace>/<name>`, where that is known.
    DestinationWorkload,
    /// The host of the service that is called, where that is known.
    DestinationService,
}

/// What becomes of a request of which nobody knows whether it is one too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownLimit {
    /// It passes (Envoy's default).
    #[default]
    Passes,
    /// It is refused with 500 (Envoy's `failure_mode_deny`).
    Refused,
}

impl fmt::Display for GlobalRateLimit {
    /// `requests GET /api* that limits.shop:8081 counts in domain shop by identity, x-tenant+path`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, domain, requests, .. } = self;
        write!(f, "requests{requests} that {host}:{port} counts in domain {domain} by ")?;
        for (index, LimitDescriptor(entries)) in self.descriptors.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            for (index, entry) in entries.iter().enumerate() {
                write!(f, "{}{}", if index == 0 { "" } else { "+" }, entry.key)?;
            }
        }
        Ok(())
    }
}
