//! The mesh itself, free of any configuration dialect.
//!
//! [`Snapshot`] is the immutable whole: workloads, services, policies and
//! mesh-wide settings as persistent maps, so that a change shares everything it
//! does not touch. [`Workload`] and [`Service`] are its main inhabitants.
//!
//! This crate knows nothing of files, YAML, protobuf, sockets or clocks.

mod adaptive_concurrency;
mod authorization;
mod backend;
mod connection_limit;
mod connection_settings;
mod credential;
mod edge;
mod enrolment;
mod global_rate_limit;
mod health_check;
mod hedging;
mod host;
mod identity;
pub mod lookup;
mod mesh;
mod name;
mod observe;
mod own_listener;
mod policy;
mod process;
mod quarantine;
mod route;
mod service;
mod session;
mod snapshot;
mod tls_parameters;
mod topology;
mod traffic;
mod traffic_policy;
mod workload;

pub use adaptive_concurrency::{AdaptiveConcurrency, MinRtt};
pub use authorization::{
    Action, Attribute, Authorization, Authorizer, AuthorizerProtocol, Condition, PolicyTarget, Rule, Sense, TargetKind,
    TargetRef, Value,
};
pub use backend::*;
pub use connection_limit::{ConnectionKey, ConnectionLimit, MostConnections};
pub use connection_settings::{ConnectionProfile, ConnectionSettings, EscapedSlashes, PathRules, Underscores};
pub use credential::Credential;
pub use edge::*;
pub use enrolment::{AMBIENT_LABEL, DataplaneMode, Enrolment, EnrolmentLevel, SIDECAR_KEYS, may_have_sidecar};
pub use global_rate_limit::{DescriptorEntry, DescriptorValue, GlobalRateLimit, LimitDescriptor, UnknownLimit};
pub use health_check::{HealthCheck, HealthChecks};
pub use hedging::{HedgeDelay, Hedging};
pub use host::{HostPattern, Visibility};
pub use identity::{IdentityError, SpiffeId, TrustDomain};
pub use mesh::{EgressPolicy, LogLevel, MeshConfig, NodeSpec, TrustAnchor};
pub use name::{Labels, ObjectName, Selector, ServiceKey, WorkloadUid};
pub use observe::*;
pub use own_listener::{Clash, ListenerWay, OwnListener, covers};
pub use policy::{MtlsMode, PeerAuthentication, RuleId};
pub use process::{
    ContainerPort, GroupSpec, Probe, ProbeAction, ProbeScheme, ProcessKind, ProcessSpec, ResourceLimits, RestartPolicy,
};
pub use quarantine::Quarantine;
pub use route::*;
pub use service::{Admission, AppProtocol, Canary, Service, ServicePort, TargetPort, Waypoint, WaypointCallers};
pub use session::{SessionAffinity, SessionKey};
pub use snapshot::{Change, Snapshot};
pub use tls_parameters::{CIPHER_SUITES, CURVES, TlsParameters};
pub use topology::{CertificatePart, CertificateParts, ForwardClientCert, Topology};
pub use traffic::{
    AccessLogFormat, DEFAULT_INBOUND_RETRY_ON, DEFAULT_RETRY_ON, DefaultProviders, LogEncoding, ObjectMap,
    PathNormalization, TraceHeaders, Traffic, TrafficChange, TrafficDefaults,
};
pub use traffic_policy::{
    Allowance, Balancing, LimitKey, RateLimit, RequestMatch, TextMatch, TrafficPolicy, TrafficTarget, TrafficTargetKind,
};
pub use workload::{Health, Membership, PortMapping, TunnelProtocol, Workload};
