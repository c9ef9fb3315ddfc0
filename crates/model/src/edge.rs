//! Listeners at the edge of the mesh, hosts that no `Service` declares, and what a caller knows.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use ipnet::IpNet;

use crate::{
    AppProtocol, BackendRef, ConnectionPool, ContainerPort, GroupSpec, HostPattern, Labels, Probe, RuleId, Selector,
    TlsFiles, Visibility, Waypoint,
};

/// Listeners of gateways (Istio's `Gateway`).
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Proxies that it acts at, in all namespaces; empty: all gateways.
    pub selector: Selector,
    /// Listeners.
    pub servers: Vec<Server>,
    /// When it was first seen, milliseconds since the epoch.
    pub created: u64,
}

/// One listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Id of the listener.
    pub id: RuleId,
    /// Name.
    pub name: Arc<str>,
    /// Port of the gateway's service.
    pub port: u16,
    /// What it speaks.
    pub protocol: ServerProtocol,
    /// The only address of the gateway that it listens on; nothing: all.
    pub bind: Option<IpAddr>,
    /// Hosts, each for the routes of some namespaces.
    pub hosts: Vec<ServerHost>,
    /// TLS.
    pub tls: Option<Arc<ServerTls>>,
    /// Answers 301 to plaintext.
    pub https_redirect: bool,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerProtocol {
    /// HTTP in plaintext.
    Http,
    /// HTTP behind TLS.
    Https,
    /// TLS, passed on or terminated.
    Tls,
    /// TCP.
    Tcp,
}

/// A host of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHost {
    /// Namespace of routes; nothing: any.
    pub namespace: Option<Arc<str>>,
    /// Host.
    pub host: HostPattern,
}

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// How.
    pub mode: ServerTlsMode,
    /// Names of secrets.
    pub credentials: Vec<Arc<str>>,
    /// Name of a secret with the CA only.
    pub ca_credential: Option<Arc<str>>,
    /// Files.
    pub files: Vec<TlsFiles>,
    /// Names that the client may prove.
    pub subject_alt_names: Vec<Arc<str>>,
    /// Hashes of client keys and certificates.
    pub pins: Vec<Arc<str>>,
    /// Least and greatest version, `TLSV1_2` and so on; nothing: the default.
    pub versions: (Option<Arc<str>>, Option<Arc<str>>),
    /// Cipher suites of TLS 1.2, as [`crate::TlsParameters::cipher_suites`].
    pub cipher_suites: Vec<Arc<str>>,
    /// Groups of the key exchange, as [`crate::TlsParameters::curves`].
    pub curves: Vec<Arc<str>>,
    /// Client certificates prove nothing.
    pub insecure: bool,
}

/// How a listener handles TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerTlsMode {
    /// Passed on by its server name.
    Passthrough,
    /// Terminated.
    Simple,
    /// Terminated, with a client certificate.
    Mutual,
    /// Passed on by the encoded cluster name.
    AutoPassthrough,
    /// Terminated with the mesh's identities.
    Mesh,
    /// Terminated, with a client certificate if there is one.
    OptionalMutual,
}

/// A host that no `Service` declares (one host of Istio's `ServiceEntry`).
#[derive(Clone, Debug, PartialEq)]
pub struct HostEntry {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace and name of the object.
    pub object: (Arc<str>, Arc<str>),
    /// Host.
    pub host: HostPattern,
    /// Virtual addresses.
    pub addresses: Vec<IpNet>,
    /// Ports: number, name, protocol, port of the endpoints.
    pub ports: Vec<EntryPort>,
    /// Whether it is inside the mesh.
    pub internal: bool,
    /// Whether it gets an address of its own where it has none.
    pub allocates: bool,
    /// How endpoints are found.
    pub resolution: Resolution,
    /// Endpoints.
    pub endpoints: Vec<StaticEndpoint>,
    /// Endpoints by labels, in its namespace.
    pub selector: Option<Selector>,
    /// Who sees it.
    pub visibility: Visibility,
    /// Names that endpoints may prove.
    pub subject_alt_names: Vec<Arc<str>>,
    /// Through whom it is called; nothing: callers go to its endpoints.
    pub waypoint: Option<Waypoint>,
    /// When it was first seen, milliseconds since the epoch; of several for one host the oldest acts.
    pub created: u64,
}

/// The first of the addresses that hosts get by themselves, and how many there are: 241.0.0.0 to 254.255.255.255, which
/// belong to nobody.
const OWN_ADDRESSES: (u32, u64) = (241 << 24, 14 << 24);

// === impl HostEntry ===

impl HostEntry {
    /// Whether it is one of the addresses that [`Self::own_address`] gives.
    pub fn may_be_own(address: Ipv4Addr) -> bool {
        let (first, count) = OWN_ADDRESSES;
        u64::from(u32::from(address)).checked_sub(first.into()).is_some_and(|offset| offset < count)
    }

    /// The address that its host gets in the DNS of the mesh because it has none: a hash of its name. Callers that go
    /// there mean this host, whatever protocol they speak. A host whose endpoints its callers find has none, nor has a
    /// wildcard, nor one that wants none.
    pub fn own_address(&self) -> Option<Ipv4Addr> {
        let host = self.host.exact().filter(|_| self.addresses.is_empty() && self.allocates)?;
        if !matches!(self.resolution, Resolution::Static | Resolution::Dns | Resolution::DnsRoundRobin) {
            return None;
        }
        let (first, count) = OWN_ADDRESSES;
        // FNV-1a, and the finalizer of MurmurHash3, for its upper bits.
        let mut hash = host
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        let offset = u32::try_from(((hash >> 32) * count) >> 32).unwrap_or(0);
        Some(Ipv4Addr::from(first + offset))
    }

    /// The address that stands for it where a waypoint is told whom a call is for: its first single one, or the one that
    /// its host gets by itself. None, if its callers say where it is, or by which name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.exact()?;
        if matches!(self.resolution, Resolution::Passthrough | Resolution::DynamicDns) {
            return None;
        }
        let single = self.addresses.iter().find(|block| block.prefix_len() == block.max_prefix_len());
        single.map(IpNet::addr).or_else(|| self.own_address().map(IpAddr::V4))
    }
}

/// A port of a [`HostEntry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPort {
    /// Number.
    pub port: u16,
    /// Name.
    pub name: Arc<str>,
    /// Protocol.
    pub protocol: AppProtocol,
    /// Port of the endpoints.
    pub target: u16,
}

/// How endpoints are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Where the caller says.
    Passthrough,
    /// The endpoints' addresses.
    Static,
    /// Every address of the name.
    Dns,
    /// One address of the name at a time.
    DnsRoundRobin,
    /// The name of each request.
    DynamicDns,
}

/// An endpoint that is written down (Istio's `WorkloadEntry`, alone or inside a `ServiceEntry`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticEndpoint {
    /// Id of the object or of its place inside one.
    pub id: RuleId,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Where it is.
    pub address: EndpointAddress,
    /// Port name → number.
    pub ports: BTreeMap<Arc<str>, u16>,
    /// Labels.
    pub labels: Labels,
    /// Network.
    pub network: Arc<str>,
    /// `region/zone/subzone`.
    pub locality: Arc<str>,
    /// Share, at least 1.
    pub weight: u32,
    /// Service account: its identity; nothing: none.
    pub service_account: Option<Arc<str>>,
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointAddress {
    /// At an address.
    Ip(IpAddr),
    /// Where a name leads.
    Name(Arc<str>),
    /// At a socket of its machine.
    Unix(Arc<str>),
    /// Behind the gateway of its network.
    Network,
}

/// Endpoints that register themselves (Istio's `WorkloadGroup`).
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadGroup {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// What all of them have in common; its address is [`EndpointAddress::Network`].
    pub template: StaticEndpoint,
    /// Annotations of each.
    pub annotations: BTreeMap<Arc<str>, Arc<str>>,
    /// When each takes traffic; nothing: as soon as it runs.
    pub probe: Option<Probe>,
}

// === impl WorkloadGroup ===

impl WorkloadGroup {
    /// What whoever runs a member needs to know.
    pub fn spec(&self) -> GroupSpec {
        let template = &self.template;
        let port = |(name, port): (&Arc<str>, &u16)| ContainerPort { name: name.clone(), port: *port, udp: false };
        GroupSpec {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            service_account: template.service_account.clone().unwrap_or_else(|| "default".into()),
            labels: template.labels.clone(),
            annotations: self.annotations.clone(),
            ports: template.ports.iter().map(port).collect(),
            readiness: self.probe.clone(),
        }
    }
}

/// What a caller's own proxy knows (Istio's `Sidecar`).
#[derive(Clone, Debug, PartialEq)]
pub struct CallerScope {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Callers; empty: all of the namespace (in the root namespace: of the mesh).
    pub selector: Selector,
    /// What they may call; nothing: everything.
    pub egress: Option<Vec<EgressScope>>,
    /// Ports that they serve instead of those that services lead to.
    pub ingress: Vec<IngressScope>,
    /// What becomes of calls to elsewhere; nothing: as the mesh says.
    pub outbound: Option<OutboundPolicy>,
    /// Through whom calls to elsewhere go, where they are passed on; nothing: nobody.
    pub egress_proxy: Option<BackendRef>,
    /// Limits of its own listeners.
    pub inbound_pool: Option<Arc<ConnectionPool>>,
    /// When it was first seen, milliseconds since the epoch.
    pub created: u64,
}

/// One egress listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressScope {
    /// Its port; nothing: all that no other has.
    pub port: Option<u16>,
    /// What is spoken at its own address.
    pub protocol: AppProtocol,
    /// Address that it is for; nothing: all.
    pub bind: Option<IpAddr>,
    /// How calls get there.
    pub mode: ListenerMode,
    /// What is imported.
    pub hosts: Vec<ImportedHost>,
    /// What is taken away again.
    pub without: Vec<ImportedHost>,
}

/// How what it is for gets to a listener of a workload's own proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenerMode {
    /// It is captured.
    #[default]
    Captured,
    /// By the listener's own address and port, which the proxy listens at in the workload's network.
    Own,
}

/// Hosts of some namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedHost {
    /// Namespace; nothing: any.
    pub namespace: Option<Arc<str>>,
    /// Host.
    pub host: HostPattern,
}

/// One ingress listener.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressScope {
    /// Port.
    pub port: u16,
    /// Protocol; where TLS ends here, what is in it.
    pub protocol: AppProtocol,
    /// Address that it is for; nothing: all.
    pub bind: Option<IpAddr>,
    /// How what comes in gets there.
    pub mode: ListenerMode,
    /// Where the application listens; nothing: the same port.
    pub endpoint: Option<Arc<str>>,
    /// The TLS that ends here, of whoever does not come by the mesh; nothing: none.
    pub tls: Option<Arc<ServerTls>>,
    /// Limits.
    pub pool: Option<Arc<ConnectionPool>>,
}

/// Where calls are delivered to an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InboundPolicy {
    /// At the address that was called.
    #[default]
    Passthrough,
    /// At the loopback of its network.
    Localhost,
}

/// What becomes of calls to unknown places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutboundPolicy {
    /// Passed on.
    #[default]
    AllowAny,
    /// Refused.
    RegistryOnly,
    /// Passed on; requests go where the name of their host leads, whatever address was called.
    AllowAnyDynamicDns,
}

#[cfg(test)]
mod tests;
