//! The mesh itself, free of any configuration dialect.
//!
//! [`Snapshot`] is the immutable whole: workloads, services, policies and
//! mesh-wide settings as persistent maps, so that a change shares everything it
//! does not touch. [`Workload`] and [`Service`] are its main inhabitants.
//!
//! This crate knows nothing of files, YAML, protobuf, sockets or clocks.

mod enrolment;
mod identity;
mod mesh;
mod name;
mod policy;
mod process;
mod service;
mod snapshot;
mod workload;

pub use enrolment::{DataplaneMode, Enrolment, EnrolmentLevel};
pub use identity::{IdentityError, SpiffeId, TrustDomain};
pub use mesh::{EgressPolicy, LogLevel, MeshConfig, NodeSpec};
pub use name::{Labels, Selector, ServiceKey, WorkloadUid};
pub use policy::{MtlsMode, PeerAuthentication, RuleId};
pub use process::{ContainerPort, Probe, ProbeAction, ProcessSpec, ResourceLimits, RestartPolicy};
pub use service::{AppProtocol, Service, ServicePort, TargetPort};
pub use snapshot::{Change, Snapshot};
pub use workload::{Health, PortMapping, TunnelProtocol, Workload};
