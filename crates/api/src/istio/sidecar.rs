//! `Sidecar` (`networking.istio.io` v1, v1beta1, v1alpha3).

use super::{ConnectionPool, Destination, LabelSelector, ServerTls};
use crate::schema::{choice, message};

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
        /// Where the application listens.
        default_endpoint: String = "defaultEndpoint";
        /// TLS.
        tls: Option<ServerTls> = "tls";
        /// Limits.
        connection_pool: Option<ConnectionPool> = "connectionPool";
    }
}

message! {
    /// One of `egress`.
    EgressListener {
        /// Port; nothing: all others.
        port: Option<SidecarPort> = "port";
        /// Address.
        bind: String = "bind";
        /// How traffic gets here.
        capture_mode: CaptureMode = "captureMode";
        /// `namespace/host`.
        hosts: Vec<String> = "hosts" => required();
    }
}

message! {
    /// A port of a listener.
    SidecarPort {
        /// Number.
        number: Option<u16> = "number";
        /// Protocol, any case.
        protocol: String = "protocol";
        /// Name.
        name: String = "name";
        /// Not served.
        target_port: Option<u16> = "targetPort" => without_effect("");
    }
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
        egress_proxy: Option<Destination> = "egressProxy" => without_effect("route to an egress gateway instead");
    }
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
