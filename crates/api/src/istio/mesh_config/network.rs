//! Traffic to places that nobody declares, and to workloads; settings of services by host.

use crate::{
    istio::ClientTls,
    schema::{choice, message},
};

message! {
    /// `outboundTrafficPolicy` of the mesh.
    MeshOutboundPolicy {
        /// What becomes of such calls.
        mode: MeshOutboundMode = "mode";
        /// TLS to hosts that `ALLOW_ANY_DYNAMIC_DNS` resolves.
        tls: Option<ClientTls> = "tls";
    }
}

choice! {
    /// `outboundTrafficPolicy.mode` of the mesh.
    MeshOutboundMode {
        /// Refused.
        RegistryOnly = 0 "REGISTRY_ONLY",
        /// Passed on to the address that was called.
        AllowAny = 1 "ALLOW_ANY",
        /// The same; HTTP goes where its host resolves to.
        AllowAnyDynamicDns = 3 "ALLOW_ANY_DYNAMIC_DNS",
    }
}

message! {
    /// `inboundTrafficPolicy`.
    InboundPolicy {
        /// Where calls are delivered.
        mode: InboundMode = "mode";
    }
}

choice! {
    /// `inboundTrafficPolicy.mode`.
    InboundMode {
        /// To the workload's address.
        Passthrough = 0 "PASSTHROUGH",
        /// To loopback.
        Localhost = 1 "LOCALHOST",
    }
}

message! {
    /// One of `serviceSettings`.
    ServiceSettings {
        /// What holds for them.
        settings: Option<ServiceSetting> = "settings";
        /// Host names, `*.` at the beginning.
        hosts: Vec<String> = "hosts";
    }
    check super::check::service_settings
}

message! {
    /// `settings` of services.
    ServiceSetting {
        /// Endpoints of other clusters do not count.
        cluster_local: bool = "clusterLocal";
    }
}
