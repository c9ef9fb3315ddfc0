//! Authorization: who may do what.

use std::{fmt, sync::Arc};

use ipnet::IpNet;

use crate::{RuleId, Selector};

/// One `AuthorizationPolicy`. How several combine is `decide`'s business (CUSTOM, DENY, ALLOW; AUDIT beside).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace; the root namespace makes it mesh-wide.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// What it applies to.
    pub target: PolicyTarget,
    /// What becomes of what matches.
    pub action: Action,
    /// Evaluated and recorded, but without effect.
    pub dry_run: bool,
    /// Alternatives. None: nothing matches. One without clauses: everything matches.
    pub rules: Vec<Rule>,
    /// When it was first seen, milliseconds since the epoch.
    pub created: u64,
}

/// What a policy applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyTarget {
    /// Workloads by label; empty: all of the scope.
    Workloads(Selector),
    /// Things of its own namespace that it is attached to.
    Attached(Vec<TargetRef>),
}

/// What a policy is attached to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetRef {
    /// What sort of thing.
    pub kind: TargetKind,
    /// Its name.
    pub name: Arc<str>,
}

/// Sorts of things that a policy can be attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// A service.
    Service,
    /// A declared host (Istio's `ServiceEntry`).
    Entry,
    /// A gateway or waypoint.
    Gateway,
    /// All gateways of a class.
    GatewayClass,
}

/// What becomes of what matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Allowed.
    Allow,
    /// Denied.
    Deny,
    /// Recorded.
    Audit,
    /// An external authorizer is asked.
    Custom(Authorizer),
}

/// An external authorizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// Name of the provider.
    pub name: Arc<str>,
    /// How it is asked; nothing: the mesh does not declare it, and what matches is denied.
    pub protocol: Option<AuthorizerProtocol>,
}

/// How an external authorizer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizerProtocol {
    /// By an HTTP request; it sees HTTP only.
    Http,
    /// By Envoy's gRPC protocol; it sees TCP connections, too.
    Grpc,
}

/// Any of `from`, any of `to`, all of `when`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Alternatives, of each all conditions; empty: anybody.
    pub from: Vec<Vec<Condition>>,
    /// Alternatives, of each all conditions; empty: anything.
    pub to: Vec<Vec<Condition>>,
    /// All must hold.
    pub when: Vec<Condition>,
}

/// A condition on one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The attribute.
    pub attribute: Attribute,
    /// Whether one of the values must match, or none may.
    pub sense: Sense,
    /// The values.
    pub values: Vec<Value>,
    /// Where it stands inside its rule: `from[0].source.principals`.
    pub path: Arc<str>,
}

/// How values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// One must match.
    AnyOf,
    /// None may match.
    NoneOf,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute {
    /// Identity of the peer without `spiffe://`.
    Principal,
    /// Namespace of the peer's identity.
    Namespace,
    /// Namespace and service account of the peer's identity.
    ServiceAccount,
    /// Trust domain of the peer's identity.
    TrustDomain,
    /// Address of the peer.
    SourceIp,
    /// Address of the original client.
    RemoteIp,
    /// Address that was called.
    DestinationIp,
    /// Port of the workload.
    Port,
    /// Server name of the connection.
    Sni,
    /// Issuer and subject of the JWT, `iss/sub`.
    RequestPrincipal,
    /// `aud` of the JWT.
    Audiences,
    /// `azp` of the JWT.
    Presenter,
    /// A claim of the JWT, nested ones by several names.
    Claim(Vec<Arc<str>>),
    /// Authority of the request; without regard to case.
    Host,
    /// Method.
    Method,
    /// Normalized path without query.
    Path,
    /// A header, by its lower-case name.
    Header(Arc<str>),
    /// Metadata of an Envoy filter; no proxy of this mesh has any.
    Metadata(Arc<str>),
}

/// A value, or a set of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Equal.
    Exact(Arc<str>),
    /// Begins with it.
    Prefix(Arc<str>),
    /// Ends in it.
    Suffix(Arc<str>),
    /// Not empty.
    Present,
    /// With `*` for any text, at any place.
    Glob(Arc<str>),
    /// A path template: `{*}` is one segment, `{**}` at the end any number of them.
    Template(Arc<str>),
    /// Within the block.
    Block(IpNet),
    /// That port.
    Port(u16),
    /// That service account.
    Account {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
}

// === impl Attribute ===

impl Attribute {
    /// Whether only an HTTP request has it.
    pub fn is_http(&self) -> bool {
        match self {
            Self::RemoteIp
            | Self::RequestPrincipal
            | Self::Audiences
            | Self::Presenter
            | Self::Claim(_)
            | Self::Host
            | Self::Method
            | Self::Path
            | Self::Header(_) => true,
            Self::Principal
            | Self::Namespace
            | Self::ServiceAccount
            | Self::TrustDomain
            | Self::SourceIp
            | Self::DestinationIp
            | Self::Port
            | Self::Sni
            | Self::Metadata(_) => false,
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal => f.write_str("source.principal"),
            Self::Namespace => f.write_str("source.namespace"),
            Self::ServiceAccount => f.write_str("source.serviceAccount"),
            Self::TrustDomain => f.write_str("source.trustDomain"),
            Self::SourceIp => f.write_str("source.ip"),
            Self::RemoteIp => f.write_str("remote.ip"),
            Self::DestinationIp => f.write_str("destination.ip"),
            Self::Port => f.write_str("destination.port"),
            Self::Sni => f.write_str("connection.sni"),
            Self::RequestPrincipal => f.write_str("request.auth.principal"),
            Self::Audiences => f.write_str("request.auth.audiences"),
            Self::Presenter => f.write_str("request.auth.presenter"),
            Self::Claim(names) => {
                f.write_str("request.auth.claims")?;
                names.iter().try_for_each(|name| write!(f, "[{name}]"))
            }
            Self::Host => f.write_str("request.host"),
            Self::Method => f.write_str("request.method"),
            Self::Path => f.write_str("request.path"),
            Self::Header(name) => write!(f, "request.headers[{name}]"),
            Self::Metadata(key) => f.write_str(key),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) | Self::Glob(text) | Self::Template(text) => f.write_str(text),
            Self::Prefix(text) => write!(f, "{text}*"),
            Self::Suffix(text) => write!(f, "*{text}"),
            Self::Present => f.write_str("*"),
            Self::Block(block) => write!(f, "{block}"),
            Self::Port(port) => write!(f, "{port}"),
            Self::Account { namespace, name } => write!(f, "{namespace}/{name}"),
        }
    }
}
