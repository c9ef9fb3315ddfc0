//! What happens to a connection: pure functions of a snapshot and of facts.
//!
//! [`route`] says where an outbound connection goes, [`authorize`] whether an
//! inbound one may come in, and [`peer_authentication`] which mode of mutual TLS
//! a port of a workload has. [`telemetry`], [`proxy_settings`], [`request_authentications`],
//! [`preferences`] and [`static_endpoints`] say which of several objects hold. Each
//! verdict carries why. The data plane runs them on live traffic; offline tools run
//! the very same code.
//!
//! This crate knows no sockets, no clock, no randomness ([`OutboundFacts::pick`]
//! comes from the caller) and no configuration dialect.

mod attached;
mod authorize;
mod backend;
mod binding;
mod by_host;
mod call;
mod concurrency;
mod connection_limit;
mod delivery;
mod endpoints;
mod examine;
mod facts;
mod forwarded;
mod layer;
mod listeners;
mod locality;
mod matcher;
mod mtls;
mod path;
mod process_proxy;
mod program;
mod proxy_settings;
mod quarantine;
mod rate_limit;
mod request_authentication;
mod route;
mod said;
mod table;
mod telemetry;

pub use authorize::{
    Ask, Decision, DenyReason, DryRun, Verdict, authorize, authorize_at_gateway, authorize_at_waypoint,
    looks_at_requests_at_waypoint, reads_requests, refused_at_waypoint, transport, turned_away,
};
pub use backend::{
    Client, EffectiveBackend, health_checks, policy as backend_policy, session as session_of,
    settings as backend_settings,
};
pub use call::{
    ActingRule, Arrival, CallFacts, CallStep, CallVerdict, CalledKey, Callee, CredentialPart, Listening, MissingPart,
    Outcome, Reached, Reading, Role, RuleList, Speaks, Target, authority_names, call, called_as, caller_scope,
    certificate_names, client_certificate_names, counts_for, gives_nodes_credentials, limit_service, listening,
    listening_at, location, may_lead, needed_by_nodes, needed_by_workload, needed_credentials, outcome, reading,
    reading_at_waypoint, rewritten, served, served_by, server_authority_names, shadow, stands_before, terminates,
    through_waypoint, without_port,
};
pub use concurrency::{concurrency_at_workload, concurrency_of_entry};
pub use connection_limit::{
    Connecting, connections_at_gateway, connections_at_waypoint, connections_at_workload, connections_behind,
    connections_of_entry,
};
pub use delivery::{InboundPool, delivery, inbound_pool, ingress_at, ingress_tls_at, own_listeners};
pub use endpoints::{EntryEndpoint, entry_port, service_entries, service_port, static_endpoints};
pub use examine::{ConditionTrace, PolicyTrace, RuleTrace, examine, examine_at_gateway, examine_at_waypoint};
pub use facts::{Claim, Claims, Content, InboundFacts, Known, RequestFacts, Token};
pub use forwarded::{forwarded_client, forwarded_scheme};
pub use locality::{Candidate, Failures, Located, Preference, policy as locality_policy, preferences, zone_callers};
pub use matcher::Truth;
pub use mtls::{MtlsLayer, MtlsStep, MtlsTrace, MtlsVerdict, peer_authentication};
pub use path::{BadPath, has_escaped_slash, normalized};
pub use process_proxy::{connection_settings, paths, proxy_defaults, topology};
pub use program::Program;
pub use proxy_settings::{EffectiveProxySettings, concurrency, proxy_settings};
pub use quarantine::departure;
pub use rate_limit::{
    Limiting, limits_at_gateway, limits_at_waypoint, limits_at_workload, limits_behind, limits_of_entry,
    limits_of_route, limits_of_unread, limits_of_unread_behind, limits_of_unread_call, retry_budget_of_route,
};
pub use request_authentication::{TokenVerdict, jwt_rules, request_authentications, token};
pub use route::{
    Endpoint, OutboundFacts, Route, RouteStep, RouteVerdict, reach, route, route_excluding, route_past_waypoints,
    through,
};
pub use said::Said;
pub use table::Mismatch;
pub use telemetry::{
    EffectiveAccessLog, EffectiveMetric, EffectiveMetrics, EffectiveTelemetry, EffectiveTracing, telemetry,
};

/// Ports that belong to the proxy in the namespace of every captured workload: outbound and
/// inbound capture, HBONE, DNS.
pub const PROXY_PORTS: [u16; 4] = [15001, 15006, HBONE_PORT, 15053];

/// The port that takes tunnels.
pub const HBONE_PORT: u16 = 15008;

#[cfg(test)]
mod samples;
