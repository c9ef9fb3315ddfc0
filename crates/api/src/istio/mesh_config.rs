//! `MeshConfig` (`istio.mesh.v1alpha1`): settings of the whole mesh.
//!
//! It stands in `Mesh`, in the ConfigMap `istio`, or in an `IstioOperator`.

mod check;
mod network;
mod providers;
mod selector;
mod trust;
mod visibility;

use std::time::Duration;

pub use network::*;
pub use providers::*;
pub use selector::*;
pub use trust::*;
pub use visibility::*;

use super::{
    ClientTls, ConnectionPool, HttpRetry, LocalityLb, MeshProxyConfig, OutlierDetection, TcpKeepalive, ZoneAwareLb,
};
use crate::schema::{choice, message};

message! {
    /// Settings of the whole mesh. Nothing means the default that each field names.
    MeshConfig {
        /// Outbound capture.
        proxy_listen_port: Option<u16> = "proxyListenPort" => without_effect(PORTS);
        /// Inbound capture.
        proxy_inbound_listen_port: Option<u16> = "proxyInboundListenPort" => without_effect(PORTS);
        /// Explicit HTTP proxy; 0: none.
        proxy_http_port: Option<u32> = "proxyHttpPort" => without_effect("traffic is captured, callers need no proxy settings");
        /// For connecting to an endpoint; nothing: 10 s.
        connect_timeout: Option<Duration> = "connectTimeout";
        /// What the first bytes are waited for to tell the protocol; nothing or 0: for ever.
        protocol_detection_timeout: Option<Duration> = "protocolDetectionTimeout";
        /// Keepalive towards endpoints.
        tcp_keepalive: Option<TcpKeepalive> = "tcpKeepalive";
        /// Class of the Kubernetes `Ingress` objects that are served.
        ingress_class: String = "ingressClass" => without_effect(INGRESS);
        /// Service of the ingress controller.
        ingress_service: String = "ingressService" => without_effect(INGRESS);
        /// Which `Ingress` objects are served.
        ingress_controller_mode: IngressControllerMode = "ingressControllerMode" => without_effect(INGRESS);
        /// Label of the gateway that serves them.
        ingress_selector: String = "ingressSelector" => without_effect(INGRESS);
        /// Whether traces are made at all; nothing: yes.
        enable_tracing: Option<bool> = "enableTracing";
        /// Where access logs go; empty: none.
        access_log_file: String = "accessLogFile";
        /// A line of it; empty: the default.
        access_log_format: String = "accessLogFormat";
        /// Text or JSON.
        access_log_encoding: AccessLogEncoding = "accessLogEncoding";
        /// Access logs by gRPC.
        enable_envoy_access_log_service: bool = "enableEnvoyAccessLogService" => without_effect("name a provider in a Telemetry instead");
        /// Logs of connections without route.
        disable_envoy_listener_log: bool = "disableEnvoyListenerLog" => without_effect(ENVOY);
        /// What proxies are like.
        default_config: Option<Box<MeshProxyConfig>> = "defaultConfig";
        /// What becomes of calls to places that nobody declares.
        outbound_traffic_policy: Option<MeshOutboundPolicy> = "outboundTrafficPolicy";
        /// Where calls to a workload are delivered.
        inbound_traffic_policy: Option<InboundPolicy> = "inboundTrafficPolicy";
        /// Where configuration comes from.
        config_sources: Vec<ConfigSource> = "configSources" => without_effect("configuration comes from what is applied");
        /// Mutual TLS wherever both sides can; nothing: yes.
        enable_auto_mtls: Option<bool> = "enableAutoMtls";
        /// Trust domain; nothing: `cluster.local`.
        trust_domain: Option<String> = "trustDomain";
        /// Trust domains that count as the mesh's own.
        trust_domain_aliases: Vec<String> = "trustDomainAliases";
        /// Further roots of trust.
        ca_certificates: Vec<CertificateData> = "caCertificates";
        /// `exportTo` of services that have none; empty: `*`.
        default_service_export_to: Vec<String> = "defaultServiceExportTo";
        /// `exportTo` of a `VirtualService` that has none; empty: `*`.
        default_virtual_service_export_to: Vec<String> = "defaultVirtualServiceExportTo";
        /// `exportTo` of a `DestinationRule` that has none, `.` or `*`; empty: `*`.
        default_destination_rule_export_to: Vec<String> = "defaultDestinationRuleExportTo";
        /// Namespace whose policies are the mesh's; nothing: `istio-system`.
        root_namespace: Option<String> = "rootNamespace";
        /// Balancing by locality.
        locality_lb_setting: Option<LocalityLb> = "localityLbSetting";
        /// Balancing by zone.
        zone_aware_lb_setting: Option<ZoneAwareLb> = "zoneAwareLbSetting";
        /// Least time between resolutions of a name; nothing: 60 s.
        dns_refresh_rate: Option<Duration> = "dnsRefreshRate";
        /// Whether HTTP/1.1 becomes HTTP/2 on the way.
        h2_upgrade_policy: MeshH2Upgrade = "h2UpgradePolicy";
        /// Template of a statistic's name.
        inbound_cluster_stat_name: String = "inboundClusterStatName" => without_effect(ENVOY);
        /// Template of a statistic's name.
        outbound_cluster_stat_name: String = "outboundClusterStatName" => without_effect(ENVOY);
        /// Certificates that are written to Secrets.
        certificates: Vec<DnsCertificate> = "certificates" => without_effect("write a Secret");
        /// Settings of services by host.
        service_settings: Vec<ServiceSettings> = "serviceSettings" => without_effect(ONE_CLUSTER);
        /// Merges the application's metrics into the proxy's.
        enable_prometheus_merge: Option<bool> = "enablePrometheusMerge" => without_effect("scrape applications directly");
        /// Whether TLS to endpoints is verified without a CA that is named.
        verify_certificate_at_client: Option<bool> = "verifyCertificateAtClient" => without_effect("certificates are always verified unless `insecureSkipVerify` is set");
        /// A foreign CA.
        ca: Option<ForeignCa> = "ca" => without_effect("the mesh has its own CA");
        /// External authorizers, tracers and logs by name.
        extension_providers: Vec<ExtensionProvider> = "extensionProviders";
        /// Those that act where none is named.
        default_providers: Option<DefaultProviders> = "defaultProviders";
        /// Namespaces that are looked at, each by any of these; empty: all.
        discovery_selectors: Vec<KubernetesSelector> = "discoverySelectors";
        /// How paths are written before they are matched and passed on.
        path_normalization: Option<PathNormalization> = "pathNormalization";
        /// Retries of routes that say none.
        default_http_retry_policy: Option<HttpRetry> = "defaultHttpRetryPolicy";
        /// The same for what reaches a workload.
        default_inbound_http_retry_policy: Option<HttpRetry> = "defaultInboundHttpRetryPolicy";
        /// Mutual TLS within the mesh.
        mesh_mtls: Option<TlsDefaults> = "meshMTLS";
        /// All other TLS.
        tls_defaults: Option<TlsDefaults> = "tlsDefaults";
        /// Which services other clusters see.
        service_scope_configs: Vec<ServiceScope> = "serviceScopeConfigs" => without_effect(ONE_CLUSTER);
        /// Silence after which a tunnel is closed; nothing: 1 h.
        hbone_idle_timeout: Option<Duration> = "hboneIdleTimeout";
        /// Limits and ejection of destinations that say none.
        default_traffic_policy: Option<DefaultTrafficPolicy> = "defaultTrafficPolicy";
        /// Who sees a `ServiceEntry`.
        service_entry_visibility: Option<ServiceEntryVisibility> = "serviceEntryVisibility";
    }
    check check::mesh_config
}

const ONE_CLUSTER: &str = "the mesh is one cluster: all endpoints of a service are its own, and nobody else sees any";
const PORTS: &str = "proxies choose their ports themselves";
const INGRESS: &str = "Kubernetes `Ingress` is not served: write a Gateway and a VirtualService";
const ENVOY: &str = "it is for Envoy, which this mesh does not use";

choice! {
    /// `ingressControllerMode`.
    IngressControllerMode {
        /// As `STRICT`.
        Unspecified = 0 "UNSPECIFIED",
        /// None.
        Off = 1 "OFF",
        /// Those of the class or of none.
        Default = 2 "DEFAULT",
        /// Those of the class.
        Strict = 3 "STRICT",
    }
}

choice! {
    /// `accessLogEncoding`.
    AccessLogEncoding {
        /// Lines of text.
        Text = 0 "TEXT",
        /// Lines of JSON.
        Json = 1 "JSON",
    }
}

choice! {
    /// `h2UpgradePolicy` of the mesh.
    MeshH2Upgrade {
        /// No.
        DoNotUpgrade = 0 "DO_NOT_UPGRADE",
        /// Yes.
        Upgrade = 1 "UPGRADE",
    }
}

message! {
    /// `pathNormalization`.
    PathNormalization {
        /// How far.
        normalization: NormalizationType = "normalization";
    }
}

choice! {
    /// `pathNormalization.normalization`, each with what the ones before it do.
    NormalizationType {
        /// As `BASE`.
        Default = 0 "DEFAULT",
        /// Nothing.
        None = 1 "NONE",
        /// Dot segments, backslashes, needless escapes (RFC 3986).
        Base = 2 "BASE",
        /// Several slashes become one.
        MergeSlashes = 3 "MERGE_SLASHES",
        /// Escaped slashes and backslashes too.
        DecodeAndMergeSlashes = 4 "DECODE_AND_MERGE_SLASHES",
    }
}

message! {
    /// `defaultTrafficPolicy`.
    DefaultTrafficPolicy {
        /// Limits.
        connection_pool: Option<ConnectionPool> = "connectionPool";
        /// Ejection of failing endpoints.
        outlier_detection: Option<OutlierDetection> = "outlierDetection";
    }
}

message! {
    /// One of `configSources`.
    ConfigSource {
        /// `xds://…`, `k8s://` or `fs:///…`.
        address: String = "address";
        /// TLS to it.
        tls_settings: Option<ClientTls> = "tlsSettings";
        /// What is taken from it.
        subscribed_resources: Vec<SubscribedResource> = "subscribedResources";
    }
}

choice! {
    /// One of `subscribedResources`.
    SubscribedResource {
        /// Services of the platform.
        ServiceRegistry = 0 "SERVICE_REGISTRY",
    }
}
