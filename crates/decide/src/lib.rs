//! What happens to a connection: pure functions of a snapshot and of facts.
//!
//! [`route`] says where an outbound connection goes, [`authorize`] whether an
//! inbound one may come in, and [`peer_authentication`] which mode of mutual TLS
//! a port of a workload has. Each verdict carries why. The data plane runs them
//! on live traffic; offline tools run the very same code.
//!
//! This crate knows no sockets, no clock, no randomness ([`OutboundFacts::pick`]
//! comes from the caller) and no configuration dialect.

mod authorize;
mod backend;
mod call;
mod examine;
mod facts;
mod matcher;
mod mtls;
mod path;
mod program;
mod route;
mod table;

pub use authorize::{Ask, Decision, DenyReason, DryRun, Verdict, authorize};
pub use backend::{Client, EffectiveBackend, policy as backend_policy, settings as backend_settings};
pub use call::{
    ActingRule, CallFacts, CallStep, CallVerdict, Callee, MissingPart, Outcome, Role, RuleList, Target, call,
    caller_scope, location, outcome, rewritten,
};
pub use examine::{ConditionTrace, PolicyTrace, RuleTrace, examine};
pub use facts::{Claim, Claims, InboundFacts, Known, RequestFacts, Token};
pub use matcher::Truth;
pub use mtls::{MtlsLayer, MtlsStep, MtlsTrace, MtlsVerdict, peer_authentication};
pub use path::normalized;
pub use program::Program;
pub use route::{Endpoint, OutboundFacts, Route, RouteStep, RouteVerdict, route, route_excluding};
pub use table::Mismatch;

/// Ports that belong to the proxy in the namespace of every captured workload: outbound and
/// inbound capture, HBONE, DNS.
pub const PROXY_PORTS: [u16; 4] = [15001, 15006, HBONE_PORT, 15053];

/// The port that takes tunnels.
pub const HBONE_PORT: u16 = 15008;

#[cfg(test)]
mod samples;
