//! Headers that proxies write, and what stands before gateways.

use crate::schema::{choice, message};

message! {
    /// `gatewayTopology`.
    GatewayTopology {
        /// Trusted proxies before a gateway, by which `x-forwarded-for` is read; nothing: none.
        num_trusted_proxies: Option<u32> = "numTrustedProxies";
        /// What becomes of `x-forwarded-client-cert`.
        forward_client_cert_details: ForwardClientCert = "forwardClientCertDetails";
        /// Whether callers speak the PROXY protocol.
        proxy_protocol: Option<GatewayProxyProtocol> = "proxyProtocol";
    }
}

message! {
    /// `gatewayTopology.proxyProtocol`.
    GatewayProxyProtocol {
    }
}

choice! {
    /// What becomes of `x-forwarded-client-cert`.
    ForwardClientCert {
        /// `APPEND_FORWARD` for workloads, `SANITIZE_SET` for gateways.
        Undefined = 0 "UNDEFINED",
        /// Removed.
        Sanitize = 1 "SANITIZE",
        /// Sent on if the caller uses mutual TLS.
        ForwardOnly = 2 "FORWARD_ONLY",
        /// The caller's certificate is added.
        AppendForward = 3 "APPEND_FORWARD",
        /// Replaced by the caller's certificate.
        SanitizeSet = 4 "SANITIZE_SET",
        /// Sent on.
        AlwaysForwardOnly = 5 "ALWAYS_FORWARD_ONLY",
    }
}

message! {
    /// `proxyHeaders`.
    ProxyHeaders {
        /// `x-forwarded-client-cert`.
        forwarded_client_cert: ForwardClientCert = "forwardedClientCert";
        /// What it tells of the caller's certificate.
        set_current_client_cert_details: Option<ClientCertDetails> = "setCurrentClientCertDetails";
        /// `x-request-id`.
        request_id: Option<HeaderSwitch> = "requestId";
        /// `server`.
        server: Option<ServerHeader> = "server";
        /// `x-envoy-attempt-count`.
        attempt_count: Option<HeaderSwitch> = "attemptCount";
        /// `x-envoy-…` that explain what a proxy did.
        envoy_debug_headers: Option<HeaderSwitch> = "envoyDebugHeaders";
        /// `x-envoy-peer-metadata`.
        metadata_exchange_headers: Option<MetadataExchange> = "metadataExchangeHeaders" => without_effect("proxies tell each other nothing by headers: identities are proven, and labels are known");
        /// Writes names as they came.
        preserve_http1_header_case: Option<bool> = "preserveHttp1HeaderCase" => without_effect("names always pass as they came");
        /// `x-forwarded-host`.
        x_forwarded_host: Option<AddedHeader> = "xForwardedHost";
        /// `x-forwarded-port`.
        x_forwarded_port: Option<AddedHeader> = "xForwardedPort";
    }
}

message! {
    /// `setCurrentClientCertDetails`.
    ClientCertDetails {
        /// Subject; nothing: yes.
        subject: Option<bool> = "subject";
        /// The certificate.
        cert: Option<bool> = "cert";
        /// The whole chain.
        chain: Option<bool> = "chain";
        /// Its DNS names; nothing: yes.
        dns: Option<bool> = "dns";
        /// Its URI; nothing: yes.
        uri: Option<bool> = "uri";
    }
}

message! {
    /// A header that is written unless it is disabled.
    HeaderSwitch {
        /// Not written.
        disabled: Option<bool> = "disabled";
    }
}

message! {
    /// A header that is written if it is enabled.
    AddedHeader {
        /// Written.
        enabled: Option<bool> = "enabled";
    }
}

message! {
    /// `proxyHeaders.server`.
    ServerHeader {
        /// Not written.
        disabled: Option<bool> = "disabled";
        /// Value; empty: `istio-envoy`.
        value: String = "value";
    }
}

message! {
    /// `metadataExchangeHeaders`.
    MetadataExchange {
        /// When.
        mode: MetadataExchangeMode = "mode";
    }
}

choice! {
    /// `metadataExchangeHeaders.mode`.
    MetadataExchangeMode {
        /// Always.
        Undefined = 0 "UNDEFINED",
        /// Within the mesh.
        InMesh = 1 "IN_MESH",
    }
}
