//! Settings of the whole mesh: `Mesh`, and Istio's `MeshConfig` inside of it, in the ConfigMap
//! `istio`, or in an `IstioOperator`.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use ripstop_api::{
    Kind, Object, Spec,
    istio::{self, MtlsMode as Written},
    ripstop,
};
use ripstop_model::{
    AccessLogFormat, AuthorizerProtocol, DefaultProviders, EgressPolicy, InboundPolicy, LogEncoding, LogLevel,
    MeshConfig, MtlsMode, OutboundPolicy, PathNormalization, RetryPolicy, TlsParameters, TraceHeaders, TrafficDefaults,
    TrustAnchor, TrustDomain,
};
use ripstop_pem::{Facts, PemError};

use crate::{
    Declared, Objects,
    bundles::is_https,
    declare::of_kind,
    discovery::Discovery,
    finding::{BAD_MESH_SETTING, Findings, MESH_CONFIG_IGNORED, SEVERAL_MESHES},
    traffic::{Naming, backend, http, process_proxy},
};

/// Settings that are none of the proxies' business.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    /// Loopback port of the host for metrics; 0: any free one.
    pub(crate) metrics_port: u16,
    /// What names mean.
    pub(crate) naming: Naming,
    /// External authorizers.
    pub(crate) authorizers: BTreeMap<Arc<str>, AuthorizerProtocol>,
    /// Names of all extension providers, lower case.
    pub(crate) providers: Vec<Arc<str>>,
    /// Whether access logs have a default provider.
    pub(crate) default_access_log: bool,
    /// What holds where no object says otherwise.
    pub(crate) defaults: TrafficDefaults,
    /// What is said of all proxies.
    pub(crate) proxies: istio::MeshProxyConfig,
    /// Which namespaces are looked at.
    pub(crate) discovery: Discovery,
    /// Who sees declared hosts at most.
    pub(crate) entry_visibility: Option<istio::ServiceEntryVisibility>,
    /// With what TLS is made where nobody says anything of it (`tlsDefaults`).
    pub(crate) tls: TlsParameters,
}

/// The settings. Of several `Mesh` objects the one named `default` acts, else the oldest; of several
/// mesh configurations that of the `Mesh`, else the ConfigMap's, else the oldest operator's.
pub(crate) fn compile(
    objects: &Objects,
    previous: Option<&MeshConfig>,
    findings: &mut Findings,
) -> (MeshConfig, Settings) {
    let acting = acting(objects);
    for other in
        of_kind(objects, Kind::Mesh).filter(|other| acting.is_some_and(|(acting, _)| other.object.id != acting.id))
    {
        let message =
            format!("{} acts, this one does not", acting.map(|(acting, _)| acting.id.to_string()).unwrap_or_default());
        findings.add(SEVERAL_MESHES, &other.object, "", message, "keep one Mesh, named default");
    }
    let nothing = ripstop::Mesh::default();
    let written = acting.map_or(&nothing, |(_, written)| written);
    let config = mesh_config(objects, acting, findings);
    let acting = acting.map(|(object, _)| object);
    let (place, istio) = config.map_or((None, None), |(object, path, istio)| (Some((object, path)), Some(istio)));
    let fallback = MeshConfig::default();
    let before = previous.unwrap_or(&fallback);
    let mesh = mesh(acting, written, place, istio, before, findings);
    let settings = settings(written, istio, &mesh);
    (mesh, settings)
}

/// The configuration that acts, and where it stands.
pub(crate) fn acting_config(objects: &Objects) -> Option<Found<'_>> {
    mesh_config(objects, acting(objects), &mut Findings::default())
}

/// Which namespaces are looked at.
pub(crate) fn discovery(objects: &Objects) -> Discovery {
    let acting = acting(objects);
    let Some((_, _, config)) = mesh_config(objects, acting, &mut Findings::default()) else {
        return Discovery::default();
    };
    let own = acting.and_then(|(_, written)| written.root_namespace.as_deref());
    let root = own.or(config.root_namespace.as_deref()).map_or_else(root_namespace, str::to_owned);
    Discovery { selectors: config.discovery_selectors.clone(), root }
}

fn root_namespace() -> String {
    MeshConfig::default().root_namespace.to_string()
}

/// A mode; UNSET is nothing.
pub(crate) fn mode(written: Written) -> Option<MtlsMode> {
    match written {
        Written::Unset => None,
        Written::Disable => Some(MtlsMode::Disable),
        Written::Permissive => Some(MtlsMode::Permissive),
        Written::Strict => Some(MtlsMode::Strict),
    }
}

/// An object, the path of the configuration in it, and the configuration.
pub(crate) type Found<'o> = (&'o Arc<Object>, &'static str, &'o istio::MeshConfig);

/// The `Mesh` that acts.
fn acting(objects: &Objects) -> Option<(&Arc<Object>, &ripstop::Mesh)> {
    let acting = of_kind(objects, Kind::Mesh)
        .min_by_key(|declared| (declared.object.id.name != "default", declared.created, &declared.object.id.name))?;
    match &acting.object.spec {
        Spec::Mesh(written) => Some((&acting.object, written)),
        _ => None,
    }
}

fn mesh_config<'o>(
    objects: &'o Objects,
    acting: Option<(&'o Arc<Object>, &'o ripstop::Mesh)>,
    findings: &mut Findings,
) -> Option<Found<'o>> {
    let mut found: Vec<Found<'o>> = Vec::new();
    let root = acting.and_then(|(_, written)| written.root_namespace.as_deref()).unwrap_or("istio-system");
    if let Some((object, written)) = acting
        && let Some(config) = &written.mesh_config
    {
        found.push((object, "spec.meshConfig", config));
    }
    let mut maps: Vec<&Declared> = of_kind(objects, Kind::ConfigMap).collect();
    maps.sort_by_key(|declared| (declared.object.id.name != "istio", declared.created));
    for declared in maps {
        let Spec::ConfigMap(map) = &declared.object.spec else { continue };
        let Some(config) = &map.mesh else { continue };
        if declared.object.id.namespace == root {
            found.push((&declared.object, "data.mesh", config));
        } else {
            let message = format!("only the ConfigMap istio of the root namespace {root} has settings of the mesh");
            findings.add(MESH_CONFIG_IGNORED, &declared.object, "data.mesh", message, "move it there");
        }
    }
    let mut operators: Vec<&Declared> = of_kind(objects, Kind::IstioOperator).collect();
    operators.sort_by_key(|declared| (declared.created, &declared.object.id.name));
    for declared in operators {
        let Spec::IstioOperator(operator) = &declared.object.spec else { continue };
        if let Some(config) = &operator.mesh_config {
            found.push((&declared.object, "spec.meshConfig", config));
        }
    }
    let mut found = found.into_iter();
    let first = found.next()?;
    for (object, path, _) in found {
        let message = format!("{} has the settings of the mesh that act, these do not", first.0.id);
        findings.add(MESH_CONFIG_IGNORED, object, path, message, "move them there, or remove them");
    }
    Some(first)
}

fn mesh(
    acting: Option<&Arc<Object>>,
    written: &ripstop::Mesh,
    place: Option<(&Arc<Object>, &str)>,
    istio: Option<&istio::MeshConfig>,
    before: &MeshConfig,
    findings: &mut Findings,
) -> MeshConfig {
    let fallback = MeshConfig::default();
    let text = |written: Option<&str>, default: &str| written.unwrap_or(default).into();
    let mut domain = |object: Option<&Arc<Object>>, path: &str, text: &str| {
        TrustDomain::from_str(text)
            .map_err(|error| object.inspect(|object| refuse(object, path, &error.to_string(), findings)))
            .ok()
    };
    let of_istio = istio.and_then(|istio| istio.trust_domain.as_deref());
    let trust_domain = match (&written.trust_domain, of_istio, place) {
        (Some(text), ..) => domain(acting, "spec.trustDomain", text).unwrap_or_else(|| before.trust_domain.clone()),
        (None, Some(text), Some((object, path))) => {
            domain(Some(object), &format!("{path}.trustDomain"), text).unwrap_or_else(|| before.trust_domain.clone())
        }
        _ => TrustDomain::default(),
    };
    let aliases = istio.map_or(&[][..], |istio| &istio.trust_domain_aliases).iter();
    let trust_domain_aliases = match place {
        Some((object, path)) => {
            aliases.filter_map(|alias| domain(Some(object), &format!("{path}.trustDomainAliases"), alias)).collect()
        }
        None => Vec::new(),
    };
    let trust_anchors = place.map_or_else(Vec::new, |(object, path)| anchors(istio, object, path, findings));
    // Whoever nobody vouches for can prove nothing.
    let usable = trust_anchors.iter().filter(|anchor| !anchor.pem.is_empty()).flat_map(|anchor| &anchor.domains);
    let mut federated_domains: Vec<TrustDomain> = Vec::new();
    for domain in usable {
        if !federated_domains.contains(domain) {
            federated_domains.push(domain.clone());
        }
    }
    MeshConfig {
        trust_domain,
        trust_domain_aliases,
        federated_domains,
        trust_anchors,
        service_domain: text(written.service_domain.as_deref(), &fallback.service_domain),
        root_namespace: text(
            written.root_namespace.as_deref().or_else(|| istio.and_then(|istio| istio.root_namespace.as_deref())),
            &fallback.root_namespace,
        ),
        default_mtls: mode(written.mtls).unwrap_or(MtlsMode::Permissive),
        log_level: match written.log_level.as_deref() {
            None => LogLevel::default(),
            Some("error") => LogLevel::Error,
            Some("warn") => LogLevel::Warn,
            Some("info") => LogLevel::Info,
            Some("debug") => LogLevel::Debug,
            Some("trace") => LogLevel::Trace,
            Some(other) => {
                let message = format!("log level {other:?} is none of error, warn, info, debug and trace");
                if let Some(acting) = acting {
                    refuse(acting, "spec.logLevel", &message, findings);
                }
                before.log_level
            }
        },
        egress: EgressPolicy { allow: written.egress_allow.clone(), deny: written.egress_deny.clone() },
        cluster: text(written.cluster_id.as_deref(), &fallback.cluster),
        dns_upstream: written.dns_upstream.clone(),
        session_key: None,
        injecting: Vec::new(),
    }
}

fn settings(written: &ripstop::Mesh, istio: Option<&istio::MeshConfig>, mesh: &MeshConfig) -> Settings {
    let mut settings = Settings { metrics_port: written.metrics_port.unwrap_or(0), ..Settings::default() };
    settings.naming.service_domain = mesh.service_domain.clone();
    let Some(istio) = istio else { return settings };
    settings.discovery =
        Discovery { selectors: istio.discovery_selectors.clone(), root: mesh.root_namespace.to_string() };
    settings.entry_visibility.clone_from(&istio.service_entry_visibility);
    settings.naming.exports = [
        istio.default_service_export_to.clone(),
        istio.default_virtual_service_export_to.clone(),
        istio.default_destination_rule_export_to.clone(),
    ];
    for provider in &istio.extension_providers {
        let protocol = match (&provider.envoy_ext_authz_http, &provider.envoy_ext_authz_grpc) {
            (Some(_), _) => Some(AuthorizerProtocol::Http),
            (None, Some(_)) => Some(AuthorizerProtocol::Grpc),
            (None, None) => None,
        };
        settings.providers.push(provider_name(provider));
        if let Some(protocol) = protocol {
            settings.authorizers.insert(provider.name.as_str().into(), protocol);
        }
    }
    if let Some(written) = &istio.tls_defaults {
        let least = written.min_protocol_version;
        settings.tls = TlsParameters {
            least: (least != istio::MeshTlsVersion::Auto).then(|| least.as_str().into()),
            cipher_suites: written.known_cipher_suites().map(Arc::from).collect(),
            curves: written.known_ecdh_curves().map(Arc::from).collect(),
        };
    }
    settings.defaults = defaults(istio, &settings.tls);
    settings.proxies = istio.default_config.as_deref().cloned().unwrap_or_default();
    settings.default_access_log = !settings.defaults.default_providers.access_logging.is_empty();
    settings
}

/// Retries at callees: Istio's default conditions for them are others than for callers.
fn inbound(written: &istio::HttpRetry) -> RetryPolicy {
    let policy = http::retries(written);
    if written.retry_on.split(',').all(|word| word.trim().is_empty()) {
        return RetryPolicy { on: RetryPolicy::inbound().on, ..policy };
    }
    policy
}

fn defaults(istio: &istio::MeshConfig, tls: &TlsParameters) -> TrafficDefaults {
    let default = TrafficDefaults::default();
    let traffic = istio.default_traffic_policy.as_ref();
    let zone = istio.zone_aware_lb_setting.as_ref().map(backend::zone_aware);
    let locality = zone.or_else(|| istio.locality_lb_setting.as_ref().map(backend::locality));
    let normalization = istio.path_normalization.as_ref().map(|written| written.normalization);
    TrafficDefaults {
        outbound: match istio.outbound_traffic_policy.as_ref().map(|policy| policy.mode) {
            Some(istio::MeshOutboundMode::RegistryOnly) => OutboundPolicy::RegistryOnly,
            Some(istio::MeshOutboundMode::AllowAnyDynamicDns) => OutboundPolicy::AllowAnyDynamicDns,
            Some(istio::MeshOutboundMode::AllowAny) | None => OutboundPolicy::AllowAny,
        },
        retries: istio.default_http_retry_policy.as_ref().map_or(default.retries, http::retries),
        inbound_retries: istio.default_inbound_http_retry_policy.as_ref().map_or(default.inbound_retries, inbound),
        outbound_tls: istio
            .outbound_traffic_policy
            .as_ref()
            .and_then(|policy| policy.tls.as_ref())
            .filter(|tls| matches!(tls.mode, istio::ClientTlsMode::Simple | istio::ClientTlsMode::Mutual))
            .map(|written| Arc::new(backend::client_tls(written, tls))),
        connect_timeout: istio.connect_timeout.unwrap_or(default.connect_timeout),
        pool: traffic
            .and_then(|traffic| traffic.connection_pool.as_ref())
            .map(|pool| Arc::new(backend::connection_pool(pool))),
        outlier: traffic
            .and_then(|traffic| traffic.outlier_detection.as_ref())
            .map(|outlier| Arc::new(backend::outlier_detection(outlier))),
        locality: locality.unwrap_or(default.locality),
        auto_mtls: istio.enable_auto_mtls.unwrap_or(default.auto_mtls),
        h2_upgrade: istio.h2_upgrade_policy == istio::MeshH2Upgrade::Upgrade,
        normalization: match normalization {
            Some(istio::NormalizationType::None) => PathNormalization::None,
            Some(istio::NormalizationType::MergeSlashes) => PathNormalization::MergeSlashes,
            Some(istio::NormalizationType::DecodeAndMergeSlashes) => PathNormalization::DecodeAndMergeSlashes,
            Some(istio::NormalizationType::Default | istio::NormalizationType::Base) | None => PathNormalization::Base,
        },
        detection_timeout: istio.protocol_detection_timeout,
        inbound: match istio.inbound_traffic_policy.as_ref().map(|policy| policy.mode) {
            Some(istio::InboundMode::Localhost) => InboundPolicy::Localhost,
            Some(istio::InboundMode::Passthrough) | None => InboundPolicy::Passthrough,
        },
        tunnel_idle: istio.hbone_idle_timeout.filter(|idle| !idle.is_zero()),
        keepalive: istio.tcp_keepalive.as_ref().map(backend::keepalive),
        name_refresh: istio.dns_refresh_rate.filter(|rate| !rate.is_zero()),
        default_providers: default_providers(istio),
        access_log: AccessLogFormat {
            encoding: match istio.access_log_encoding {
                istio::AccessLogEncoding::Text => LogEncoding::Text,
                istio::AccessLogEncoding::Json => LogEncoding::Json,
            },
            format: Some(istio.access_log_format.as_str()).filter(|format| !format.is_empty()).map(Into::into),
        },
        tracers: tracers(&istio.extension_providers),
        topology: istio.default_config.as_deref().map(process_proxy::topology).unwrap_or_default(),
        proxies: Arc::new(istio.default_config.as_deref().map(process_proxy::defaults).unwrap_or_default()),
    }
}

/// Tracers whose headers are known.
fn tracers(providers: &[istio::ExtensionProvider]) -> BTreeMap<Arc<str>, TraceHeaders> {
    let headers = |provider: &istio::ExtensionProvider| {
        let of_zipkin = provider.zipkin.as_ref().map(|zipkin| match zipkin.trace_context_option {
            istio::TraceContextOption::B3 => TraceHeaders::B3,
            istio::TraceContextOption::B3WithW3c => TraceHeaders::B3AndW3c,
        });
        of_zipkin.or_else(|| provider.opentelemetry.as_ref().map(|_| TraceHeaders::W3c))
    };
    let named = |provider| Some((provider_name(provider), headers(provider)?));
    providers.iter().filter_map(named).collect()
}

fn provider_name(provider: &istio::ExtensionProvider) -> Arc<str> {
    provider.name.to_ascii_lowercase().into()
}

/// An access log file counts only where no default provider of access logs is named.
fn default_providers(istio: &istio::MeshConfig) -> DefaultProviders {
    let names = |written: &[String]| written.iter().map(|name| name.to_ascii_lowercase().into()).collect();
    let written = istio.default_providers.as_ref();
    let mut providers = DefaultProviders {
        tracing: written.map(|written| names(&written.tracing)).unwrap_or_default(),
        metrics: written.map(|written| names(&written.metrics)).unwrap_or_default(),
        access_logging: written.map(|written| names(&written.access_logging)).unwrap_or_default(),
    };
    if providers.access_logging.is_empty() && !istio.access_log_file.is_empty() {
        providers.access_logging.push("envoy".into());
    }
    providers
}

/// Roots of others. What can't be used has no certificates for the domains that it names: nobody else's stand in for them.
fn anchors(
    istio: Option<&istio::MeshConfig>,
    object: &Object,
    path: &str,
    findings: &mut Findings,
) -> Vec<TrustAnchor> {
    let mut anchors = Vec::new();
    let written = istio.into_iter().flat_map(|istio| &istio.ca_certificates).enumerate();
    for (index, roots) in written {
        // Nobody asks for certificates of a signer.
        let mut pem = roots.pem.as_deref().filter(|_| roots.cert_signers.is_empty());
        if let Some(why) = pem.and_then(unusable) {
            let message = format!("it vouches for nobody: {why}");
            let path = format!("{path}.caCertificates[{index}].pem");
            findings.add(BAD_MESH_SETTING, object, &path, message, "write the certificate of an authority, in PEM");
            pem = None;
        }
        if roots.spiffe_bundle_url.as_deref().is_some_and(|url| !is_https(url)) {
            let path = format!("{path}.caCertificates[{index}].spiffeBundleUrl");
            let message = "it vouches for nobody: bundles are fetched by https alone";
            findings.add(BAD_MESH_SETTING, object, &path, message, "write an address like `https://bundles.example/`");
        }
        let domains: Vec<TrustDomain> = roots.trust_domains.iter().filter_map(|text| text.parse().ok()).collect();
        // Without the domains that it names it would be for those of the mesh.
        let pem = pem.filter(|_| domains.len() == roots.trust_domains.len());
        if pem.is_some() || !domains.is_empty() {
            anchors.push(TrustAnchor { domains, pem: pem.unwrap_or_default().into() });
        }
    }
    anchors
}

/// Why nobody's certificates can be judged by what `pem` holds.
fn unusable(pem: &str) -> Option<PemError> {
    let certificates = match ripstop_pem::certificates(pem.as_bytes()) {
        Ok(certificates) => certificates,
        Err(error) => return Some(error),
    };
    let has_authority = certificates.iter().any(|one| Facts::of(one).is_some_and(|facts| facts.is_authority));
    (!has_authority).then_some(PemError::NoAuthority)
}

fn refuse(object: &Object, path: &str, message: &str, findings: &mut Findings) {
    findings.add(BAD_MESH_SETTING, object, path, message, "the former setting stays");
}

#[cfg(test)]
mod tests;
