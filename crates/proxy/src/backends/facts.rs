//! What holds for a backend under one configuration.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use ripstop_balance::{Limits, Settings};
use ripstop_decide::{Callee, Client, EffectiveBackend, Program, backend_settings};
use ripstop_exchange::Protocol;
use ripstop_model::{
    Algorithm, AppProtocol, ConnectionPool, HttpUpgrade, LoadBalancer, Resolution, SpiffeId, TrafficDefaults, Workload,
};
use tokio::time::timeout;

use super::{endpoint::EndpointKey, error::BackendError, key::BackendKey, originate::Origination, sessions::Sessions};

/// How long connections may be idle (Istio's default).
const IDLE: Duration = Duration::from_secs(3600);

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Which HTTP a port speaks; nothing: what its client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    /// To endpoints that are connected to as they are.
    directly: Option<HttpVersion>,
    /// To endpoints at the end of a tunnel of the mesh.
    by_tunnel: Option<HttpVersion>,
}

/// What holds for a backend under one configuration, and where its names lead.
#[derive(Debug)]
pub(super) struct Facts {
    /// Its settings.
    pub(super) effective: EffectiveBackend,
    /// What was found under its host.
    pub(super) callee: Option<Callee>,
    /// Its limits.
    pub(super) limits: Limits,
    /// Its endpoints as they are now.
    pub(super) endpoints: HashMap<SocketAddr, EndpointKey>,
    /// Who says which endpoint is called.
    pub(super) choice: Choice,
    /// What cookies call endpoints, if any do.
    pub(super) sessions: Option<Sessions>,
    /// Names that DNS is asked for.
    pub(super) names: Vec<Arc<str>>,
    /// Whether DNS has been asked for each of them, with whatever result.
    pub(super) is_resolved: bool,
    /// How long names are believed at most, if the mesh says so.
    pub(super) name_refresh: Option<Duration>,
    /// How long connecting may take, TLS included.
    pub(super) connect_timeout: Duration,
    /// How long connections may be idle; nothing: for ever.
    pub(super) idle_timeout: Option<Duration>,
    /// How TLS is made.
    pub(super) origination: Option<Arc<Origination>>,
    /// HTTP of the port.
    spoken: Spoken,
    /// Who calls.
    pub(super) caller: Arc<Workload>,
    /// The caller's identity; nothing: it has none.
    pub(super) identity: Option<SpiffeId>,
}

/// Who says which endpoint is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The balancer.
    Balanced,
    /// The caller, if it went to one of them; else the balancer.
    Named,
    /// The caller, wherever it went.
    Original,
}

/// What one caller may know of a backend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook<'a> {
    /// What the mesh is.
    pub(super) program: &'a Program,
    /// Who calls.
    pub(super) caller: &'a Arc<Workload>,
    /// Which backend.
    pub(super) key: &'a BackendKey,
    /// What was found under its host.
    pub(super) callee: Option<&'a Callee>,
}

// === impl Outlook ===

impl Outlook<'_> {
    /// Settings for that caller.
    pub(super) fn effective(&self) -> EffectiveBackend {
        let Some(callee) = self.callee else { return EffectiveBackend::default() };
        // What is set for it is the waypoint's to follow, once.
        if self.is_through_waypoint() {
            return EffectiveBackend::default();
        }
        let client = Client { namespace: &self.caller.namespace, labels: Some(&self.caller.labels) };
        backend_settings(self.program, client, callee, &self.key.backend())
    }

    /// Whether the caller goes through a waypoint.
    fn is_through_waypoint(&self) -> bool {
        let waypoint = self.callee.and_then(Callee::waypoint);
        waypoint.is_some_and(|waypoint| waypoint.takes(self.caller.kind))
    }

    /// Who says which endpoint is called.
    ///
    /// PASSTHROUGH and headless services leave it to the caller, as in Istio; but what it went to may be a virtual
    /// address, or have nothing to do with this backend, since a route led here. Then any endpoint will do.
    pub(super) fn choice(&self, effective: &EffectiveBackend) -> Choice {
        let passthrough = matches!(&effective.balancer, Some(balancer) if balancer.algorithm == Algorithm::Passthrough);
        match self.callee {
            Some(Callee::Entry(entry)) if entry.resolution == Resolution::Passthrough => Choice::Original,
            Some(Callee::Service(service)) if service.headless => Choice::Named,
            _ if passthrough => Choice::Named,
            _ => Choice::Balanced,
        }
    }

    /// What cookies call endpoints.
    fn sessions(&self, effective: &EffectiveBackend) -> Option<Sessions> {
        let key = effective.session.as_ref().and(self.program.mesh().session_key.as_ref())?;
        Some(Sessions::new(key, &self.key.host))
    }

    /// HTTP of the port.
    pub(super) fn spoken(&self, pool: Option<&ConnectionPool>) -> Spoken {
        let declared = self.callee.and_then(|callee| callee.protocol(self.key.port)).unwrap_or_default();
        let plain = match declared {
            AppProtocol::Http2 | AppProtocol::Grpc => return Spoken::always(Some(HttpVersion::Http2)),
            AppProtocol::Http11 => Some(HttpVersion::Http1),
            AppProtocol::Unknown | AppProtocol::Tcp | AppProtocol::Tls => None,
        };
        let is_upgraded = match pool.map(|pool| pool.upgrade).unwrap_or_default() {
            HttpUpgrade::Yes => true,
            HttpUpgrade::AsClient => return Spoken::always(None),
            // The mesh's setting is for ports that are declared to be HTTP only.
            HttpUpgrade::Default => self.program.traffic().defaults.h2_upgrade && plain.is_some(),
            HttpUpgrade::No => false,
        };
        if !is_upgraded {
            return Spoken::always(plain);
        }
        // The tunnel is HTTP/2 already, and the application at its end is asked by what its port declares, as Istio's
        // sidecars do.
        Spoken { directly: Some(HttpVersion::Http2), by_tunnel: plain.or(Some(HttpVersion::Http2)) }
    }
}

/// The balancer's settings.
pub(super) fn settings(effective: &EffectiveBackend) -> Settings {
    let mut balancer = effective.balancer.clone().unwrap_or_default();
    if balancer.algorithm == Algorithm::Passthrough {
        // Where the caller's choice does not count, any endpoint is as good: so does a virtual address.
        balancer = Arc::new(LoadBalancer { algorithm: Algorithm::Random, ..LoadBalancer::clone(&balancer) });
    }
    Settings {
        balancer,
        pool: effective.pool.clone().unwrap_or_default(),
        outlier: effective.outlier.clone(),
        retry_budget: effective.retry_budget,
        checks: effective.health_checks.clone(),
        ..Settings::default()
    }
}

// === impl Spoken ===

impl Spoken {
    fn always(version: Option<HttpVersion>) -> Self {
        Self { directly: version, by_tunnel: version }
    }
}

// === impl Facts ===

impl Facts {
    /// Everything but endpoints, of which there are none yet.
    pub(super) fn new(
        outlook: &Outlook<'_>,
        effective: EffectiveBackend,
        origination: Option<Arc<Origination>>,
    ) -> Self {
        let defaults: &TrafficDefaults = &outlook.program.traffic().defaults;
        let pool = effective.pool.as_deref();
        let idle = pool.and_then(|pool| pool.http_idle_timeout.or(pool.idle_timeout)).unwrap_or(IDLE);
        let timeout = pool.and_then(|pool| pool.connect_timeout).filter(|timeout| !timeout.is_zero());
        Self {
            limits: settings(&effective).limits(),
            endpoints: HashMap::new(),
            choice: outlook.choice(&effective),
            sessions: outlook.sessions(&effective),
            names: Vec::new(),
            is_resolved: true,
            name_refresh: defaults.name_refresh,
            connect_timeout: timeout.unwrap_or(defaults.connect_timeout),
            idle_timeout: Some(idle).filter(|idle| !idle.is_zero()),
            spoken: outlook.spoken(pool),
            identity: outlook.caller.identity().ok(),
            caller: Arc::clone(outlook.caller),
            callee: outlook.callee.cloned(),
            origination,
            effective,
        }
    }

    /// Which HTTP is spoken to `endpoint` for a client of `client`.
    pub(super) fn version_for(&self, client: Protocol, endpoint: &EndpointKey) -> HttpVersion {
        // In TLS of its own, its version is that of both ends.
        let is_bare = endpoint.is_tunnelled() && self.origination.is_none();
        let said = if is_bare { self.spoken.by_tunnel } else { self.spoken.directly };
        said.unwrap_or(match client {
            Protocol::Http2 => HttpVersion::Http2,
            Protocol::Http10 | Protocol::Http11 => HttpVersion::Http1,
        })
    }

    /// The address that an endpoint is looked up by: its own. Where callers choose, it is the one that they called, of which
    /// several may lead to one waypoint.
    pub(super) fn looked_up(&self, endpoint: &EndpointKey) -> SocketAddr {
        if self.choice == Choice::Original { endpoint.called() } else { endpoint.address() }
    }

    /// What is known of an endpoint now; nothing: it is none any more.
    pub(super) fn current(&self, endpoint: &EndpointKey) -> Option<&EndpointKey> {
        self.endpoints.get(&self.looked_up(endpoint)).filter(|current| *current == endpoint)
    }

    /// What `opening` of a connection to `address` gives, if it is in time.
    pub(super) async fn in_time<T>(
        &self,
        address: SocketAddr,
        opening: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let limit = self.connect_timeout;
        timeout(limit, opening).await.unwrap_or(Err(BackendError::Timeout { address, limit }))
    }

    /// What limits connections.
    pub(super) fn pool(&self) -> Option<&ConnectionPool> {
        self.effective.pool.as_deref()
    }

    /// How long connections may live.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.pool().and_then(|pool| pool.max_connection_duration).filter(|lifetime| !lifetime.is_zero())
    }

    /// How long nothing may pass on connections that nobody reads, if anybody says so.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.pool().and_then(|pool| pool.idle_timeout).filter(|silence| !silence.is_zero())
    }
}

#[cfg(test)]
mod tests;
