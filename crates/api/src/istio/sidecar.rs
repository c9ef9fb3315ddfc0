//! `Sidecar` (`networking.istio.io` v1, v1beta1, v1alpha3).

mod egress;
mod ingress;
mod port;

pub use port::SidecarPort;

use super::{ConnectionPool, Destination, LabelSelector, ServerTls};
use crate::{
    decode::{Decoder, Field, join},
    finding::code,
    schema::{choice, message},
};

message! {
    /// What a workload's own proxy listens to and knows.
    Sidecar {
        /// Workloads; nothing: all of the namespace.
        workload_selector: Option<LabelSelector> = "workloadSelector";
        /// Listeners for the workload's own ports.
        ingress: Vec<IngressListener> = "ingress";
        /// What it may call.
        egress: Vec<EgressListener> = "egress";
        /// What becomes of calls to elsewhere.
        outbound_traffic_policy: Option<OutboundTrafficPolicy> = "outboundTrafficPolicy";
        /// Limits of its own listeners.
        inbound_connection_pool: Option<ConnectionPool> = "inboundConnectionPool";
    }
    check check_sidecar
}

message! {
    /// One of `ingress`.
    IngressListener {
        /// Port.
        port: Option<SidecarPort> = "port" => required();
        /// Address.
        bind: String = "bind";
        /// How traffic gets here.
        capture_mode: CaptureMode = "captureMode";
        /// Where the application listens; empty: the same port of the workload.
        default_endpoint: String = "defaultEndpoint";
        /// TLS.
        tls: Option<ServerTls> = "tls";
        /// Limits.
        connection_pool: Option<ConnectionPool> = "connectionPool";
    }
    check ingress::listener
}

message! {
    /// One of `egress`.
    EgressListener {
        /// Port; nothing: all others.
        port: Option<SidecarPort> = "port";
        /// IP address, or `unix:///path` with a port without number.
        bind: String = "bind";
        /// How traffic gets here.
        capture_mode: CaptureMode = "captureMode";
        /// `namespace/host`; `~namespace/host` takes away.
        hosts: Vec<String> = "hosts" => required();
    }
    check egress::listener
}

choice! {
    /// `captureMode`.
    CaptureMode {
        /// As the proxy is set up.
        Default = 0 "DEFAULT",
        /// By packet rules.
        Iptables = 1 "IPTABLES",
        /// Not at all: the application calls the listener.
        None = 2 "NONE",
    }
}

message! {
    /// `outboundTrafficPolicy`.
    OutboundTrafficPolicy {
        /// What becomes of calls to unknown places.
        mode: OutboundMode = "mode";
        /// Proxy for them.
        egress_proxy: Option<Destination> = "egressProxy";
    }
    check check_outbound
}

choice! {
    /// `outboundTrafficPolicy.mode` of a `Sidecar`.
    OutboundMode {
        /// Refused.
        RegistryOnly = 0 "REGISTRY_ONLY",
        /// Passed on.
        AllowAny = 1 "ALLOW_ANY",
    }
}

fn check_sidecar(_: &Sidecar, decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    let lists =
        ["ingress", "egress"].into_iter().any(|name| spec.child(name).is_some_and(|list| !list.is_empty_list()));
    let others = ["outboundTrafficPolicy", "inboundConnectionPool"];
    if !lists && !others.into_iter().any(|name| spec.child(name).is_some()) {
        let hint = "write `ingress`, `egress`, `outboundTrafficPolicy` or `inboundConnectionPool`";
        decoder.report(code::MISSING, spec, "the Sidecar says nothing", hint);
    }
    ingress::check_listeners(decoder, spec);
    egress::check_listeners(decoder, spec);
}

fn check_outbound(policy: &OutboundTrafficPolicy, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(proxy) = field.child("egressProxy") else { return };
    let unknown = |mode: &Field<'_>| mode.node.text().is_some_and(|text| text != OutboundMode::RegistryOnly.as_str());
    if policy.mode == OutboundMode::RegistryOnly && !field.child("mode").is_some_and(|mode| unknown(&mode)) {
        let message = "`egressProxy` excludes `mode: REGISTRY_ONLY`";
        decoder.report(code::CONFLICT, &proxy, message, "write `mode: ALLOW_ANY`, or remove `egressProxy`");
    }
    if proxy.node.mapping().is_some() && proxy.child("port").is_none() {
        let path = join(&proxy.path, "port");
        decoder.report_at(code::MISSING, &path, proxy.node.mark, "`port` is missing", "");
    }
}
