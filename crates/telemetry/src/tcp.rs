//! Istio's TCP metrics (names and labels: istio.md 3.1 to 3.3).

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use ripstop_model::{Service, SpiffeId, Workload};

use crate::{
    exposition::{LabelWriter, header},
    labels::{DESTINATION, PeerLabels, Reporter, SERVICE, SOURCE, SecurityPolicy, ServiceLabels},
    response_flags::ResponseFlags,
};

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
    /// What [`Self::events`] was when idle series were last looked for.
    seen: AtomicU64,
}

/// Labels of one series. Absent values are `unknown`, never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpLabels {
    reporter: Reporter,
    source: PeerLabels,
    destination: PeerLabels,
    service: ServiceLabels,
    security: SecurityPolicy,
    flags: ResponseFlags,
}

/// What several workers counted, by labels.
pub(crate) type TcpTotals = BTreeMap<TcpLabels, [u64; 4]>;

/// Writes the metrics in Prometheus' text format.
pub(crate) fn render(totals: TcpTotals, out: &mut String) {
    let families = [
        ("istio_tcp_connections_opened_total", "TCP connections opened."),
        ("istio_tcp_connections_closed_total", "TCP connections closed."),
        ("istio_tcp_sent_bytes_total", "Bytes sent to the client."),
        ("istio_tcp_received_bytes_total", "Bytes received from the client."),
    ];
    let rendered: Vec<(String, [u64; 4])> =
        totals.into_iter().map(|(labels, values)| (labels.render(), values)).collect();
    for (index, (name, help)) in families.into_iter().enumerate() {
        header(out, name, "counter", help);
        for (labels, values) in &rendered {
            let _ = writeln!(out, "{name}{{{labels}}} {}", values[index]);
        }
    }
}

// === impl TcpSeries ===

impl TcpSeries {
    pub(crate) fn add_to(&self, totals: &mut [u64; 4]) {
        for (total, value) in totals.iter_mut().zip([&self.opened, &self.closed, &self.sent, &self.received]) {
            *total += value.load(Relaxed);
        }
    }

    /// Whether it counted anything since the last call.
    pub(crate) fn moved(&self) -> bool {
        let events = self.opened.load(Relaxed).wrapping_add(self.closed.load(Relaxed));
        self.seen.swap(events, Relaxed) != events
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
        Self {
            reporter,
            source: PeerLabels::new(source, principals.0),
            destination: PeerLabels::new(destination, principals.1),
            service: ServiceLabels::new(service),
            security: if principals.0.is_some() { SecurityPolicy::MutualTls } else { SecurityPolicy::Unknown },
            flags: ResponseFlags::NONE,
        }
    }

    /// The same connection, once it is known how it ended.
    #[must_use]
    pub fn with_flag(mut self, flag: impl Into<ResponseFlags>) -> Self {
        self.flags = flag.into();
        self
    }

    fn render(&self) -> String {
        let mut labels = LabelWriter::with_capacity(900);
        labels.label("reporter", self.reporter.as_str());
        labels.labels(SOURCE, self.source.values());
        labels.labels(DESTINATION, self.destination.values());
        labels.labels(SERVICE, self.service.values());
        labels.label("request_protocol", "tcp");
        labels.label("response_flags", &self.flags.to_string());
        labels.label("connection_security_policy", self.security.as_str());
        labels.finish()
    }
}

#[cfg(test)]
mod tests;
