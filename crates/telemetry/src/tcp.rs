//! Istio's TCP metrics (names and labels: istio.md 3.1 to 3.3).

use std::{
    collections::BTreeMap,
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ripstop_model::{Service, SpiffeId, Workload};

use crate::exposition::{escape, header};

/// All counters of one proxy.
#[derive(Debug, Default)]
pub struct Registry {
    shards: Mutex<Vec<Arc<Shard>>>,
}

/// The counters of one worker. Only its worker resolves series in it, so its lock is
/// contended by nothing but a scrape.
#[derive(Debug, Default)]
pub struct Shard {
    series: Mutex<HashMap<TcpLabels, Arc<TcpSeries>>>,
}

/// The counters of one set of labels. Adding is one relaxed add on memory that only one
/// worker writes.
#[derive(Debug, Default)]
pub struct TcpSeries {
    /// `istio_tcp_connections_opened_total`
    pub opened: AtomicU64,
    /// `istio_tcp_connections_closed_total`
    pub closed: AtomicU64,
    /// `istio_tcp_sent_bytes_total`: bytes sent to the client (Istio's downstream view).
    pub sent: AtomicU64,
    /// `istio_tcp_received_bytes_total`: bytes received from the client.
    pub received: AtomicU64,
}

/// Which side of a connection reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reporter {
    /// The caller's proxy.
    Source,
    /// The callee's proxy.
    Destination,
}

/// How the connection was protected, as far as the reporter knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecurityPolicy {
    /// Plain, or not known (Istio's `unknown`).
    Unknown,
    /// By the mesh.
    MutualTls,
}

/// What happened to a connection (ztunnel's response flags).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResponseFlag {
    /// Nothing: `-`.
    #[default]
    None,
    /// A policy refused it.
    Deny,
    /// The next hop could not be reached.
    Connect,
    /// The TLS handshake failed.
    TlsFailure,
    /// The HTTP/2 handshake failed.
    H2HandshakeFailure,
    /// No certificate for the own side.
    IdentityError,
}

/// Labels of one series. Absent values are `unknown`, never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpLabels {
    reporter: Reporter,
    source: Peer,
    destination: Peer,
    service: Arc<str>,
    service_name: Arc<str>,
    service_namespace: Arc<str>,
    security: SecurityPolicy,
    flag: ResponseFlag,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Peer {
    workload: Arc<str>,
    namespace: Arc<str>,
    principal: Arc<str>,
    canonical_service: Arc<str>,
    canonical_revision: Arc<str>,
    app: Arc<str>,
    version: Arc<str>,
    cluster: Arc<str>,
}

// === impl Registry ===

impl Registry {
    /// Adds the counters of one more worker.
    pub fn shard(&self) -> Arc<Shard> {
        let shard = Arc::new(Shard::default());
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).push(shard.clone());
        shard
    }

    /// Writes all series in Prometheus' text format 0.0.4.
    pub fn render(&self, out: &mut String) {
        let mut sums: BTreeMap<TcpLabels, [u64; 4]> = BTreeMap::new();
        for shard in self.shards.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for (labels, series) in shard.series.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                let values = [&series.opened, &series.closed, &series.sent, &series.received];
                let sum = sums.entry(labels.clone()).or_default();
                for (total, value) in sum.iter_mut().zip(values) {
                    *total += value.load(Relaxed);
                }
            }
        }
        let families = [
            ("istio_tcp_connections_opened_total", "TCP connections opened."),
            ("istio_tcp_connections_closed_total", "TCP connections closed."),
            ("istio_tcp_sent_bytes_total", "Bytes sent to the client."),
            ("istio_tcp_received_bytes_total", "Bytes received from the client."),
        ];
        let rendered: Vec<(String, [u64; 4])> =
            sums.into_iter().map(|(labels, values)| (labels.render(), values)).collect();
        for (index, (name, help)) in families.into_iter().enumerate() {
            header(out, name, "counter", help);
            for (labels, values) in &rendered {
                let _ = writeln!(out, "{name}{{{labels}}} {}", values[index]);
            }
        }
    }
}

// === impl Shard ===

impl Shard {
    /// The counters of `labels`; the same handle each time.
    pub fn series(&self, labels: &TcpLabels) -> Arc<TcpSeries> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = series.get(labels) {
            return found.clone();
        }
        series.entry(labels.clone()).or_default().clone()
    }
}

// === impl TcpLabels ===

impl TcpLabels {
    /// Labels of a connection from `source` to `destination`, each as far as it is known;
    /// `principals` are the identities that the tunnel proved, source first.
    pub fn new(
        reporter: Reporter,
        source: Option<&Workload>,
        destination: Option<&Workload>,
        service: Option<&Service>,
        principals: (Option<&SpiffeId>, Option<&SpiffeId>),
    ) -> Self {
        let unknown = || Arc::<str>::from("unknown");
        let security = if principals.0.is_some() { SecurityPolicy::MutualTls } else { SecurityPolicy::Unknown };
        Self {
            reporter,
            source: Peer::new(source, principals.0),
            destination: Peer::new(destination, principals.1),
            service: service.map_or_else(unknown, |service| service.key.hostname.clone()),
            service_name: service.map_or_else(unknown, |service| service.name.clone()),
            service_namespace: service.map_or_else(unknown, |service| service.key.namespace.clone()),
            security,
            flag: ResponseFlag::None,
        }
    }

    /// The same connection, once it is known how it ended.
    #[must_use]
    pub fn with_flag(mut self, flag: ResponseFlag) -> Self {
        self.flag = flag;
        self
    }

    fn render(&self) -> String {
        let mut out = String::with_capacity(900);
        let reporter = match self.reporter {
            Reporter::Source => "source",
            Reporter::Destination => "destination",
        };
        let security = match self.security {
            SecurityPolicy::Unknown => "unknown",
            SecurityPolicy::MutualTls => "mutual_tls",
        };
        let _ = write!(out, "reporter=\"{reporter}\"");
        self.source.render("source", &mut out);
        self.destination.render("destination", &mut out);
        let _ = write!(
            out,
            ",destination_service=\"{}\",destination_service_name=\"{}\",destination_service_namespace=\"{}\"",
            escape(&self.service),
            escape(&self.service_name),
            escape(&self.service_namespace)
        );
        let _ = write!(
            out,
            ",request_protocol=\"tcp\",response_flags=\"{}\",connection_security_policy=\"{security}\"",
            self.flag.as_str()
        );
        out
    }
}

// === impl Peer ===

impl Peer {
    fn new(workload: Option<&Workload>, principal: Option<&SpiffeId>) -> Self {
        let unknown = || Arc::<str>::from("unknown");
        // Istio takes the peer's namespace from its SVID where there is one.
        let proven = principal.and_then(SpiffeId::as_service_account).map(|(namespace, _)| Arc::from(namespace));
        let label = |key: &str| workload.and_then(|w| w.labels.get(key).cloned());
        Self {
            workload: workload.map_or_else(unknown, |w| w.workload_name.clone()),
            namespace: proven.or_else(|| workload.map(|w| w.namespace.clone())).unwrap_or_else(unknown),
            principal: principal.map_or_else(unknown, |id| id.as_str().into()),
            canonical_service: workload.map_or_else(unknown, |w| w.canonical_name.clone()),
            canonical_revision: workload.map_or_else(|| "latest".into(), |w| w.canonical_revision.clone()),
            // As in Istio's ambient mode (istio.md 3.3).
            app: workload.map_or_else(unknown, |w| w.canonical_name.clone()),
            version: label("version").unwrap_or_else(unknown),
            cluster: workload.map_or_else(unknown, |w| w.cluster.clone()),
        }
    }

    fn render(&self, side: &str, out: &mut String) {
        let pairs = [
            ("workload", &self.workload),
            ("workload_namespace", &self.namespace),
            ("principal", &self.principal),
            ("canonical_service", &self.canonical_service),
            ("canonical_revision", &self.canonical_revision),
            ("app", &self.app),
            ("version", &self.version),
            ("cluster", &self.cluster),
        ];
        for (name, value) in pairs {
            let _ = write!(out, ",{side}_{name}=\"{}\"", escape(value));
        }
    }
}

// === impl ResponseFlag ===

impl ResponseFlag {
    /// The flag as metrics and logs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "-",
            Self::Deny => "DENY",
            Self::Connect => "CONNECT",
            Self::TlsFailure => "TLS_FAILURE",
            Self::H2HandshakeFailure => "H2_HANDSHAKE_FAILURE",
            Self::IdentityError => "IDENTITY_ERROR",
        }
    }
}

#[cfg(test)]
mod tests;
