//! Everything that shapes traffic beyond identity and address.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use imbl::{OrdMap, ordmap::DiffItem};

use crate::{
    BackendPolicy, CallerScope, ClientTls, ConnectionPool, Gateway, HostEntry, InboundPolicy, Keepalive,
    LocalityPolicy, ObjectName, OutboundPolicy, OutlierDetection, ProcessProxy, ProxyDefaults, ProxySettings,
    RequestAuthentication, RetryPolicy, RouteTable, StaticEndpoint, Telemetry, Topology, TrafficPolicy, WorkloadGroup,
};

/// Objects by namespace and name; cloning is cheap, and a changed copy shares the rest.
pub type ObjectMap<T> = OrdMap<ObjectName, Arc<T>>;

/// What shapes traffic, object by object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Defaults of the mesh.
    pub defaults: Arc<TrafficDefaults>,
    /// Routes.
    pub routes: ObjectMap<RouteTable>,
    /// How hosts are called, by namespace and host; several of one host differ in their callers or visibility.
    pub backends: OrdMap<ObjectName, Arc<Vec<BackendPolicy>>>,
    /// Listeners of gateways.
    pub gateways: ObjectMap<Gateway>,
    /// Hosts that no service declares: those of each object.
    pub entries: OrdMap<ObjectName, Arc<Vec<HostEntry>>>,
    /// Endpoints that no process stands for.
    pub endpoints: ObjectMap<StaticEndpoint>,
    /// Endpoints that register themselves.
    pub groups: ObjectMap<WorkloadGroup>,
    /// What callers know.
    pub scopes: ObjectMap<CallerScope>,
    /// Which JWTs are accepted.
    pub request_authentications: ObjectMap<RequestAuthentication>,
    /// What is measured and logged.
    pub telemetries: ObjectMap<Telemetry>,
    /// Settings of single proxies.
    pub proxy_settings: ObjectMap<ProxySettings>,
    /// What Istio's kinds cannot say.
    pub policies: ObjectMap<TrafficPolicy>,
    /// What the proxies of single processes are like.
    pub process_proxies: ObjectMap<ProcessProxy>,
}

/// One change to what shapes traffic: an object comes, changes or (nothing) goes.
#[derive(Clone, Debug, PartialEq)]
pub enum TrafficChange {
    /// Defaults of the mesh.
    Defaults(Arc<TrafficDefaults>),
    /// Routes.
    Routes(ObjectName, Option<Arc<RouteTable>>),
    /// How a host is called: namespace and host.
    Backends(ObjectName, Option<Arc<Vec<BackendPolicy>>>),
    /// Listeners of gateways.
    Gateway(ObjectName, Option<Arc<Gateway>>),
    /// Hosts that no service declares.
    Entries(ObjectName, Option<Arc<Vec<HostEntry>>>),
    /// An endpoint that no process stands for.
    Endpoint(ObjectName, Option<Arc<StaticEndpoint>>),
    /// Endpoints that register themselves.
    Group(ObjectName, Option<Arc<WorkloadGroup>>),
    /// What callers know.
    Scope(ObjectName, Option<Arc<CallerScope>>),
    /// Which JWTs are accepted.
    RequestAuthentication(ObjectName, Option<Arc<RequestAuthentication>>),
    /// What is measured and logged.
    Telemetry(ObjectName, Option<Arc<Telemetry>>),
    /// Settings of single proxies.
    ProxySettings(ObjectName, Option<Arc<ProxySettings>>),
    /// What Istio's kinds cannot say.
    Policy(ObjectName, Option<Arc<TrafficPolicy>>),
    /// What the proxies of a process are like.
    ProcessProxy(ObjectName, Option<Arc<ProcessProxy>>),
}

/// What holds where no object says otherwise (Istio's `MeshConfig`).
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficDefaults {
    /// What becomes of calls to unknown places.
    pub outbound: OutboundPolicy,
    /// Further attempts.
    pub retries: RetryPolicy,
    /// Further attempts of a callee's proxy with its application.
    pub inbound_retries: RetryPolicy,
    /// TLS to places that nobody declares and that are found by name; nothing: none.
    pub outbound_tls: Option<Arc<ClientTls>>,
    /// For connecting.
    pub connect_timeout: Duration,
    /// Limits below all others.
    pub pool: Option<Arc<ConnectionPool>>,
    /// Ejection below all others.
    pub outlier: Option<Arc<OutlierDetection>>,
    /// Balancing by locality.
    pub locality: LocalityPolicy,
    /// Whether endpoints that speak mutual TLS are called by it without being asked.
    pub auto_mtls: bool,
    /// Whether HTTP/1.1 becomes HTTP/2 between proxies.
    pub h2_upgrade: bool,
    /// What a path is before it is compared.
    pub normalization: PathNormalization,
    /// How long a silent client is waited for where the port says nothing of its protocol; zero: for ever; nothing: as
    /// long as a proxy thinks fit.
    pub detection_timeout: Option<Duration>,
    /// Where calls are delivered to applications.
    pub inbound: InboundPolicy,
    /// How long a tunnel without streams is kept; nothing: as long as a proxy thinks fit.
    pub tunnel_idle: Option<Duration>,
    /// TCP keepalive towards endpoints where their settings have none.
    pub keepalive: Option<Keepalive>,
    /// How long names outside of the mesh are believed at most; nothing: as long as a proxy thinks fit.
    pub name_refresh: Option<Duration>,
    /// Who gets traces, metrics and access logs.
    pub default_providers: DefaultProviders,
    /// How the built-in provider of access logs writes.
    pub access_log: AccessLogFormat,
    /// Tracers by their names in lower case, and the headers that tell them of a trace. There are others, of whose
    /// headers nothing is known.
    pub tracers: BTreeMap<Arc<str>, TraceHeaders>,
    /// What stands before gateways.
    pub topology: Topology,
    /// What proxies are like.
    pub proxies: Arc<ProxyDefaults>,
}

/// Headers that carry the context of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceHeaders {
    /// `traceparent` and `tracestate` (W3C; Istio's `opentelemetry`).
    W3c,
    /// `x-b3-…` (Istio's `zipkin`).
    B3,
    /// Both.
    B3AndW3c,
}

/// How access logs are written (Istio's `accessLogEncoding` and `accessLogFormat`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLogFormat {
    /// Of what.
    pub encoding: LogEncoding,
    /// Envoy's command operators, in text or in values of JSON; nothing: Istio's default of that encoding.
    pub format: Option<Arc<str>>,
}

/// What a line of a log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogEncoding {
    /// Text.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// Providers where no object names any, by their names in lower case (Istio's `defaultProviders`,
/// and `accessLogFile`, which is the provider `envoy`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultProviders {
    /// Of traces; only the first one counts.
    pub tracing: Vec<Arc<str>>,
    /// Of metrics.
    pub metrics: Vec<Arc<str>>,
    /// Of access logs.
    pub access_logging: Vec<Arc<str>>,
}

/// What a path is before it is compared and forwarded (Istio's `pathNormalization`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathNormalization {
    /// As it came.
    None,
    /// RFC 3986: dot segments, `\` as `/`, unreserved characters decoded.
    #[default]
    Base,
    /// And `//` as `/`.
    MergeSlashes,
    /// And `%2F` and `%5C` decoded before that.
    DecodeAndMergeSlashes,
}

// === impl Traffic ===

impl Traffic {
    /// Takes a change over. What equals what is there leaves that in place, the very same.
    pub fn apply(&mut self, change: TrafficChange) {
        match change {
            TrafficChange::Defaults(defaults) => {
                if self.defaults != defaults {
                    self.defaults = defaults;
                }
            }
            TrafficChange::Routes(name, table) => put(&mut self.routes, name, table),
            TrafficChange::Backends(name, policies) => put(&mut self.backends, name, policies),
            TrafficChange::Gateway(name, gateway) => put(&mut self.gateways, name, gateway),
            TrafficChange::Entries(name, hosts) => put(&mut self.entries, name, hosts),
            TrafficChange::Endpoint(name, endpoint) => put(&mut self.endpoints, name, endpoint),
            TrafficChange::Group(name, group) => put(&mut self.groups, name, group),
            TrafficChange::Scope(name, scope) => put(&mut self.scopes, name, scope),
            TrafficChange::RequestAuthentication(name, object) => {
                put(&mut self.request_authentications, name, object);
            }
            TrafficChange::Telemetry(name, telemetry) => put(&mut self.telemetries, name, telemetry),
            TrafficChange::ProxySettings(name, settings) => put(&mut self.proxy_settings, name, settings),
            TrafficChange::Policy(name, policy) => put(&mut self.policies, name, policy),
            TrafficChange::ProcessProxy(name, proxy) => put(&mut self.process_proxies, name, proxy),
        }
    }

    /// What leads from this to `newer`; costs what differs. Of each kind, what goes comes before what comes.
    pub fn changes_to(&self, newer: &Self) -> Vec<TrafficChange> {
        // A part that is added and not compared here does not compile.
        let Self {
            defaults,
            routes,
            backends,
            gateways,
            entries,
            endpoints,
            groups,
            scopes,
            request_authentications,
            telemetries,
            proxy_settings,
            policies,
            process_proxies,
        } = newer;
        let mut changes = Vec::new();
        if !Arc::ptr_eq(&self.defaults, defaults) && self.defaults != *defaults {
            changes.push(TrafficChange::Defaults(defaults.clone()));
        }
        difference(&self.routes, routes, TrafficChange::Routes, &mut changes);
        difference(&self.backends, backends, TrafficChange::Backends, &mut changes);
        difference(&self.gateways, gateways, TrafficChange::Gateway, &mut changes);
        difference(&self.entries, entries, TrafficChange::Entries, &mut changes);
        difference(&self.endpoints, endpoints, TrafficChange::Endpoint, &mut changes);
        difference(&self.groups, groups, TrafficChange::Group, &mut changes);
        difference(&self.scopes, scopes, TrafficChange::Scope, &mut changes);
        let jwt = TrafficChange::RequestAuthentication;
        difference(&self.request_authentications, request_authentications, jwt, &mut changes);
        difference(&self.telemetries, telemetries, TrafficChange::Telemetry, &mut changes);
        difference(&self.proxy_settings, proxy_settings, TrafficChange::ProxySettings, &mut changes);
        difference(&self.policies, policies, TrafficChange::Policy, &mut changes);
        difference(&self.process_proxies, process_proxies, TrafficChange::ProcessProxy, &mut changes);
        changes
    }
}

fn put<T: PartialEq>(objects: &mut ObjectMap<T>, name: ObjectName, object: Option<Arc<T>>) {
    match object {
        None => {
            objects.remove(&name);
        }
        Some(object) => {
            if objects.get(&name).is_none_or(|old| **old != *object) {
                objects.insert(name, object);
            }
        }
    }
}

fn difference<T: PartialEq>(
    old: &ObjectMap<T>,
    new: &ObjectMap<T>,
    change: impl Fn(ObjectName, Option<Arc<T>>) -> TrafficChange,
    changes: &mut Vec<TrafficChange>,
) {
    let mut come = Vec::new();
    for item in old.diff(new) {
        match item {
            DiffItem::Remove(name, _) => changes.push(change(name.clone(), None)),
            DiffItem::Add(name, object) | DiffItem::Update { new: (name, object), .. } => {
                come.push(change(name.clone(), Some(object.clone())));
            }
        }
    }
    changes.append(&mut come);
}

impl Default for TrafficDefaults {
    fn default() -> Self {
        Self {
            outbound: OutboundPolicy::AllowAny,
            retries: RetryPolicy::default(),
            inbound_retries: RetryPolicy::inbound(),
            outbound_tls: None,
            connect_timeout: Duration::from_secs(10),
            pool: None,
            outlier: None,
            locality: LocalityPolicy { enabled: true, ..LocalityPolicy::default() },
            auto_mtls: true,
            h2_upgrade: false,
            normalization: PathNormalization::default(),
            detection_timeout: None,
            inbound: InboundPolicy::Passthrough,
            tunnel_idle: None,
            keepalive: None,
            name_refresh: None,
            default_providers: DefaultProviders::default(),
            access_log: AccessLogFormat::default(),
            tracers: BTreeMap::new(),
            topology: Topology::default(),
            proxies: Arc::default(),
        }
    }
}

/// Conditions that are retried where none are given.
pub const DEFAULT_RETRY_ON: [&str; 5] =
    ["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"];

/// What a callee's proxy retries where nothing is said: its application has certainly not seen such a request.
pub const DEFAULT_INBOUND_RETRY_ON: &str = "reset-before-request";

// === impl RetryPolicy ===

impl RetryPolicy {
    /// As Istio's callees retry: twice what did not reach the application.
    pub fn inbound() -> Self {
        Self { on: vec![DEFAULT_INBOUND_RETRY_ON.into()], ..Self::default() }
    }
}

impl Default for RetryPolicy {
    /// As Istio: two further attempts where nothing was answered.
    fn default() -> Self {
        Self {
            attempts: 2,
            per_try_timeout: None,
            on: DEFAULT_RETRY_ON.iter().map(|condition| Arc::from(*condition)).collect(),
            status_codes: Vec::new(),
            backoff: Duration::from_millis(25),
            remote_localities: false,
            ignore_previous_hosts: None,
        }
    }
}

#[cfg(test)]
mod tests;
