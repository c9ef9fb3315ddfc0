//! One endpoint of a backend.

use std::{
    fmt,
    hash::{Hash, Hasher},
    net::SocketAddr,
    sync::Arc,
};

use ripstop_decide::{Endpoint, HBONE_PORT};
use ripstop_model::{Labels, SpiffeId, StaticEndpoint, TunnelProtocol, Workload, WorkloadUid};

/// An endpoint, and how it is reached as far as its configuration said when this was made. Cheap to clone.
///
/// Equal are those of the same workload at the same address, for the same callee: what is known of one ([`ripstop_balance`]) is kept while
/// the rest changes. So whoever got one a while ago asks [`WorkerBackend::endpoint`](super::WorkerBackend::endpoint)
/// what it is now.
#[derive(Clone, Debug)]
pub struct EndpointKey(Arc<Place>);

#[derive(Debug, PartialEq)]
struct Place {
    workload: Option<Arc<Workload>>,
    address: SocketAddr,
    authority: SocketAddr,
    tunnel: bool,
    expected: Vec<SpiffeId>,
    locality: Arc<str>,
    network: Arc<str>,
    labels: Labels,
}

// === impl EndpointKey ===

impl EndpointKey {
    /// A workload.
    pub(super) fn workload_at(endpoint: Endpoint) -> Self {
        let leads_to = endpoint.tunnel_address().filter(|tunnel| tunnel.ip() != endpoint.target.ip());
        let Endpoint { workload, target, tunnel, expected } = endpoint;
        Self(Arc::new(Place {
            workload: Some(workload),
            // What a waypoint is called for has the same address at each of its instances.
            address: leads_to.unwrap_or(target),
            authority: target,
            tunnel,
            expected,
            locality: Arc::default(),
            network: Arc::default(),
            labels: Labels::default(),
        }))
    }

    /// An address that the mesh knows nothing of but what may be written down.
    pub(super) fn outside(address: SocketAddr, written: Option<&StaticEndpoint>) -> Self {
        Self(Arc::new(Place {
            workload: None,
            address,
            authority: address,
            tunnel: false,
            expected: Vec::new(),
            locality: written.map(|written| written.locality.clone()).unwrap_or_default(),
            network: written.map(|written| written.network.clone()).unwrap_or_default(),
            labels: written.map(|written| written.labels.clone()).unwrap_or_default(),
        }))
    }

    /// The workload; nothing: it is outside of the mesh.
    pub fn workload(&self) -> Option<&Arc<Workload>> {
        self.0.workload.as_ref()
    }

    /// Its address and port; of a waypoint's instance, where it takes tunnels.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The address that was called: of a waypoint's instance, that of what is behind it.
    pub(super) fn called(&self) -> SocketAddr {
        self.0.authority
    }

    /// Whether it is reached by HBONE; else by a connection of its own.
    pub fn is_tunnelled(&self) -> bool {
        self.0.tunnel
    }

    /// The address that takes the tunnel to it.
    pub fn tunnel_address(&self) -> Option<SocketAddr> {
        // It is a waypoint's own, where it has another port.
        self.0.tunnel.then(|| SocketAddr::new(self.0.address.ip(), HBONE_PORT))
    }

    /// The same in the model's words.
    pub fn way(&self) -> TunnelProtocol {
        if self.0.tunnel { TunnelProtocol::Hbone } else { TunnelProtocol::None }
    }

    /// Identities that the other end of the tunnel may prove.
    pub fn expected(&self) -> &[SpiffeId] {
        &self.0.expected
    }

    /// `region/zone/subzone` as it is written down; empty: what its labels say.
    pub fn locality(&self) -> &str {
        &self.0.locality
    }

    /// Its network as it is written down; empty: what its labels say.
    pub fn network(&self) -> &str {
        &self.0.network
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        self.workload().map_or(&self.0.labels, |workload| &workload.labels)
    }

    /// As a route has it; nothing: it is outside of the mesh.
    pub(super) fn as_routed(&self) -> Option<Endpoint> {
        Some(Endpoint {
            workload: self.0.workload.clone()?,
            target: self.0.authority,
            tunnel: self.0.tunnel,
            expected: self.0.expected.clone(),
        })
    }

    /// Whether all that is known of it is the same.
    pub(super) fn is_unchanged(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }

    /// Whether a connection to `other` leads here, and to the same peer.
    pub(super) fn is_reached_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self == other && self.0.tunnel == other.0.tunnel && self.0.expected == other.0.expected)
    }

    fn uid(&self) -> Option<&WorkloadUid> {
        self.workload().map(|workload| &workload.uid)
    }
}

impl PartialEq for EndpointKey {
    fn eq(&self, other: &Self) -> bool {
        (self.0.address, self.0.authority) == (other.0.address, other.0.authority) && self.uid() == other.uid()
    }
}

impl Eq for EndpointKey {}

impl Hash for EndpointKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Hardly any two share an address; equality tells those apart.
        self.0.address.hash(state);
    }
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.workload() {
            Some(workload) => write!(f, "{}/{} ({})", workload.namespace, workload.name, self.0.address),
            None => write!(f, "{}", self.0.address),
        }
    }
}

#[cfg(test)]
mod tests;
