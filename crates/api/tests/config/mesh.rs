//! `MeshConfig` and `IstioOperator`.

use std::time::Duration;

use ripstop_api::{
    Spec,
    istio::{
        AccessLogEncoding, CertificateData, ClientTls, ClientTlsMode, ConfigSource, ConnectionPool, DefaultProviders,
        DefaultTrafficPolicy, DnsCertificate, ExtensionProvider, ForeignCa, HttpRetry, InboundMode, InboundPolicy,
        IngressControllerMode, KubernetesSelector, Labels, LocalityLb, MeshConfig, MeshH2Upgrade, MeshOutboundMode,
        MeshOutboundPolicy, MeshProxyConfig, MeshTlsVersion, NormalizationType, OutlierDetection, PathNormalization,
        PrometheusProvider, Scope, SelectorOperator, SelectorRequirement, ServiceEntryVisibility, ServiceScope,
        ServiceSetting, ServiceSettings, SubscribedResource, TcpKeepalive, TcpPool, TlsDefaults, Visibility,
        VisibilityPolicy, VisibilityRule, ZoneAwareLb,
    },
};

use super::{config, pairs, parse, texts};

const TEXT: &str = include_str!("../data/config/mesh.yaml");

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn labels(labels: &[(&'static str, &'static str)]) -> Labels {
    Labels(pairs(labels))
}

fn by_labels(key: &'static str, value: &'static str) -> KubernetesSelector {
    KubernetesSelector { match_labels: labels(&[(key, value)]), match_expressions: Vec::new() }
}

fn requirement(key: &str, operator: SelectorOperator, values: &[&str]) -> SelectorRequirement {
    SelectorRequirement { key: key.into(), operator: Some(operator), values: texts(values) }
}

fn expected() -> MeshConfig {
    MeshConfig {
        proxy_listen_port: Some(15101),
        proxy_inbound_listen_port: Some(15106),
        proxy_http_port: Some(15102),
        connect_timeout: Some(seconds(3)),
        protocol_detection_timeout: Some(Duration::from_millis(250)),
        tcp_keepalive: Some(TcpKeepalive { probes: Some(3), time: Some(seconds(60)), interval: Some(seconds(10)) }),
        ingress_class: "mesh".into(),
        ingress_service: "gate".into(),
        ingress_controller_mode: IngressControllerMode::Default,
        ingress_selector: "gate".into(),
        enable_tracing: Some(false),
        access_log_file: "/dev/stdout".into(),
        access_log_format: "%RESPONSE_CODE%".into(),
        access_log_encoding: AccessLogEncoding::Json,
        enable_envoy_access_log_service: true,
        disable_envoy_listener_log: true,
        default_config: Some(Box::new(MeshProxyConfig { mesh_id: "mesh1".into(), ..MeshProxyConfig::default() })),
        outbound_traffic_policy: Some(MeshOutboundPolicy {
            mode: MeshOutboundMode::AllowAnyDynamicDns,
            tls: Some(ClientTls {
                mode: ClientTlsMode::Simple,
                insecure_skip_verify: Some(true),
                ..ClientTls::default()
            }),
        }),
        inbound_traffic_policy: Some(InboundPolicy { mode: InboundMode::Localhost }),
        config_sources: vec![ConfigSource {
            address: "xds://conf:15012".into(),
            tls_settings: Some(ClientTls { mode: ClientTlsMode::IstioMutual, ..ClientTls::default() }),
            subscribed_resources: vec![SubscribedResource::ServiceRegistry],
        }],
        enable_auto_mtls: Some(false),
        trust_domain: Some("example.org".into()),
        trust_domain_aliases: texts(&["old.example", "cluster.local"]),
        ca_certificates: vec![
            CertificateData {
                pem: Some("-----BEGIN CERTIFICATE-----".into()),
                spiffe_bundle_url: None,
                cert_signers: texts(&["clusterissuers.cert-manager.io/a"]),
                trust_domains: texts(&["old.example"]),
            },
            CertificateData { spiffe_bundle_url: Some("https://bundle.example".into()), ..CertificateData::default() },
        ],
        default_service_export_to: texts(&[".", "shop"]),
        default_virtual_service_export_to: texts(&["."]),
        default_destination_rule_export_to: texts(&["."]),
        root_namespace: Some("mesh-system".into()),
        locality_lb_setting: Some(LocalityLb { enabled: Some(false), ..LocalityLb::default() }),
        zone_aware_lb_setting: Some(ZoneAwareLb { enabled: Some(true), ..ZoneAwareLb::default() }),
        dns_refresh_rate: Some(seconds(30)),
        h2_upgrade_policy: MeshH2Upgrade::Upgrade,
        inbound_cluster_stat_name: "%SERVICE%".into(),
        outbound_cluster_stat_name: "%SERVICE_FQDN%".into(),
        certificates: vec![DnsCertificate { secret_name: "dns".into(), dns_names: texts(&["a.example"]) }],
        service_settings: vec![ServiceSettings {
            settings: Some(ServiceSetting { cluster_local: true }),
            hosts: texts(&["*.foo.svc.cluster.local", "bar.baz.svc.cluster.local"]),
        }],
        enable_prometheus_merge: Some(false),
        verify_certificate_at_client: Some(false),
        ca: Some(ForeignCa {
            address: "ca.example:8932".into(),
            tls_settings: Some(ClientTls { mode: ClientTlsMode::Simple, ..ClientTls::default() }),
            request_timeout: Some(seconds(5)),
            istiod_side: Some(false),
        }),
        extension_providers: vec![ExtensionProvider {
            name: "prometheus".into(),
            prometheus: Some(PrometheusProvider {}),
            ..ExtensionProvider::default()
        }],
        default_providers: Some(DefaultProviders {
            tracing: texts(&["otel"]),
            metrics: texts(&["prometheus"]),
            access_logging: texts(&["envoy"]),
        }),
        discovery_selectors: vec![KubernetesSelector {
            match_labels: labels(&[("env", "prod")]),
            match_expressions: vec![
                requirement("app", SelectorOperator::In, &["a", "b"]),
                requirement("old", SelectorOperator::DoesNotExist, &[]),
            ],
        }],
        path_normalization: Some(PathNormalization { normalization: NormalizationType::MergeSlashes }),
        default_http_retry_policy: Some(HttpRetry { attempts: 5, retry_on: "5xx".into(), ..HttpRetry::default() }),
        default_inbound_http_retry_policy: Some(HttpRetry::default()),
        mesh_mtls: Some(TlsDefaults { min_protocol_version: MeshTlsVersion::V1_3, ..TlsDefaults::default() }),
        tls_defaults: Some(TlsDefaults {
            min_protocol_version: MeshTlsVersion::V1_2,
            ecdh_curves: texts(&["P-256"]),
            cipher_suites: texts(&["ECDHE-RSA-AES256-GCM-SHA384"]),
        }),
        service_scope_configs: vec![ServiceScope {
            namespace_selector: Some(by_labels("a", "b")),
            services_selector: Some(KubernetesSelector {
                match_expressions: vec![requirement("istio.io/global", SelectorOperator::Exists, &[])],
                ..KubernetesSelector::default()
            }),
            scope: Scope::Global,
        }],
        hbone_idle_timeout: Some(seconds(600)),
        default_traffic_policy: Some(DefaultTrafficPolicy {
            connection_pool: Some(ConnectionPool {
                tcp: Some(TcpPool { max_connections: Some(100), ..TcpPool::default() }),
                ..ConnectionPool::default()
            }),
            outlier_detection: Some(OutlierDetection {
                consecutive_5xx_errors: Some(3),
                ..OutlierDetection::default()
            }),
        }),
        service_entry_visibility: Some(ServiceEntryVisibility {
            default_visibility: Visibility::Namespace,
            policies: vec![VisibilityPolicy {
                visibility: Visibility::Public,
                matching_rules: vec![VisibilityRule {
                    namespace_selector: Some(by_labels("kubernetes.io/metadata.name", "mesh-system")),
                }],
            }],
            apply_to_sidecars: true,
        }),
    }
}

#[test]
fn every_field_of_the_mesh() {
    let (objects, said) = parse(TEXT);
    let [object] = objects.as_slice() else { panic!("{objects:#?}") };
    assert_eq!(object.id.to_string(), "IstioOperator/default/default");
    assert_eq!(*config(object), expected());
    let Spec::IstioOperator(operator) = &object.spec else { panic!("{object:#?}") };
    assert_eq!((operator.profile.0.as_str(), operator.tag.0.as_f64()), (Some("demo"), Some(1.31)));
    assert_eq!(operator.default_revision.0, true);
    assert_eq!(operator.values.0["global"]["hub"], "x");
    let installation = [
        "profile",
        "installPackagePath",
        "hub",
        "tag",
        "resourceSuffix",
        "namespace",
        "revision",
        "defaultRevision",
        "compatibilityVersion",
        "components",
        "addonComponents",
        "values",
        "unvalidatedValues",
    ];
    let without_effect = [
        "proxyListenPort",
        "proxyInboundListenPort",
        "proxyHttpPort",
        "ingressClass",
        "ingressService",
        "ingressControllerMode",
        "ingressSelector",
        "enableEnvoyAccessLogService",
        "disableEnvoyListenerLog",
        "defaultConfig.meshId",
        "configSources",
        "inboundClusterStatName",
        "outboundClusterStatName",
        "certificates",
        "serviceSettings",
        "enablePrometheusMerge",
        "verifyCertificateAtClient",
        "ca",
        "serviceScopeConfigs",
        "serviceEntryVisibility.applyToSidecars",
    ];
    let installation = installation.iter().map(|name| format!("spec.{name}"));
    let named: Vec<_> =
        installation.chain(without_effect.iter().map(|name| format!("spec.meshConfig.{name}"))).collect();
    assert_eq!(said, named);
}

#[test]
fn nothing_is_the_default() {
    let text = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {meshConfig: {}}\n";
    let (objects, said) = parse(text);
    assert_eq!((config(&objects[0]), said.len()), (&MeshConfig::default(), 0));
    let (objects, _) = parse("apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n");
    let Spec::IstioOperator(operator) = &objects[0].spec else { panic!("{objects:#?}") };
    assert_eq!(operator.mesh_config, None);
}

/// A mesh of one cluster has nobody to keep anything from.
#[test]
fn settings_that_have_no_meaning_here() {
    let text = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  meshConfig:\n    \
                serviceSettings: [{settings: {clusterLocal: true}, hosts: ['*']}]\n    \
                serviceScopeConfigs: [{scope: LOCAL}]\n    \
                serviceEntryVisibility: {applyToSidecars: true}\n    \
                meshMTLS: {minProtocolVersion: TLSV1_3, cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256]}\n    \
                defaultConfig: {meshId: a}\n";
    let (objects, said) = parse(text);
    assert_eq!(objects.len(), 1);
    let named = [
        "serviceSettings",
        "serviceScopeConfigs",
        "serviceEntryVisibility.applyToSidecars",
        "meshMTLS.cipherSuites",
        "defaultConfig.meshId",
    ];
    assert_eq!(said, named.map(|name| format!("spec.meshConfig.{name}")));
}
