//! `DestinationRule`s, and their merging inside a namespace.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ripstop_api::{Spec, istio};
use ripstop_model::{
    Algorithm, BackendPolicy, BackendSettings, ClientTls, ClientTlsMode, ConnectionPool, HashKey, HashTable,
    HostPattern, HttpUpgrade, Keepalive, LoadBalancer, LocalityPolicy, OutlierDetection, PortSettings,
    ProxyProtocolVersion, RetryBudget, Share, Subset, TlsFiles, TlsParameters, TunnelSettings, Visibility, Warmup,
};

use super::{Exported, Naming, named, nonempty, object_id, rule_id, texts, workloads};
use crate::{Declared, declare::labels};

/// Rules for one host of one namespace, from all of its objects, merged where they have the same
/// callers and are seen by the same. TLS is made by `defaults`.
pub(crate) fn merge(objects: &[&Declared], naming: &Naming, defaults: &TlsParameters) -> Vec<BackendPolicy> {
    let mut sorted: Vec<(&Declared, &istio::DestinationRule)> = objects
        .iter()
        .filter_map(|declared| match &declared.object.spec {
            Spec::DestinationRule(rule) => Some((*declared, &**rule)),
            _ => None,
        })
        .collect();
    // Those for certain callers first, then the oldest, then by name.
    sorted.sort_by_key(|(declared, rule)| {
        (rule.workload_selector.is_none(), declared.created, declared.object.id.name.clone())
    });
    let mut merged: Vec<BackendPolicy> = Vec::new();
    for (declared, rule) in sorted {
        let policy = one(declared, rule, naming, defaults);
        let same =
            merged.iter_mut().find(|other| other.client == policy.client && other.visibility == policy.visibility);
        let Some(leading) = same else {
            merged.push(policy);
            continue;
        };
        leading.ids.extend(policy.ids);
        for subset in policy.subsets {
            if !leading.subsets.iter().any(|other| other.name == subset.name) {
                leading.subsets.push(subset);
            }
        }
        if leading.policy == BackendSettings::default() {
            leading.policy = policy.policy;
        }
    }
    merged
}

/// The host that an object is for.
pub(crate) fn host(declared: &Declared, naming: &Naming) -> Option<HostPattern> {
    let Spec::DestinationRule(rule) = &declared.object.spec else { return None };
    Some(naming.host(&rule.host, &declared.object.id.namespace))
}

fn one(
    declared: &Declared,
    written: &istio::DestinationRule,
    naming: &Naming,
    defaults: &TlsParameters,
) -> BackendPolicy {
    let settings = |written: &istio::TrafficPolicy| settings(written, defaults);
    let (namespace, _) = named(&declared.object);
    let client = written.workload_selector.as_ref().map(workloads);
    // What is for certain callers is for those of its own namespace.
    let visibility = if client.is_some() {
        Visibility::only(namespace.clone())
    } else {
        naming.visibility(&written.export_to, &namespace, Exported::Backends)
    };
    let mut subsets: Vec<Subset> = Vec::new();
    for (index, subset) in written.subsets.iter().enumerate() {
        if subsets.iter().any(|other| *other.name == *subset.name) {
            continue;
        }
        subsets.push(Subset {
            id: rule_id(declared, &format!("spec.subsets[{index}]")),
            name: subset.name.as_str().into(),
            labels: ripstop_model::Selector(labels(&subset.labels.0)),
            policy: subset.traffic_policy.as_ref().map(settings).unwrap_or_default(),
        });
    }
    BackendPolicy {
        ids: vec![object_id(declared)],
        host: naming.host(&written.host, &namespace),
        visibility,
        client,
        policy: written.traffic_policy.as_ref().map(settings).unwrap_or_default(),
        subsets,
        created: declared.created,
        namespace,
    }
}

/// A `trafficPolicy`.
fn settings(written: &istio::TrafficPolicy, defaults: &TlsParameters) -> BackendSettings {
    let tls =
        |written: &Option<istio::ClientTls>| written.as_ref().map(|written| Arc::new(client_tls(written, defaults)));
    let port = |port: &istio::PortTrafficPolicy| {
        let number = port.port.as_ref().and_then(|port| port.number)?;
        let settings = blocks(
            port.load_balancer.as_ref(),
            port.connection_pool.as_ref(),
            port.outlier_detection.as_ref(),
            tls(&port.tls),
        );
        Some((number, settings))
    };
    let mut ports: BTreeMap<u16, PortSettings> = BTreeMap::new();
    for (number, settings) in written.port_level_settings.iter().filter_map(port) {
        ports.entry(number).or_insert(settings);
    }
    BackendSettings {
        general: blocks(
            written.load_balancer.as_ref(),
            written.connection_pool.as_ref(),
            written.outlier_detection.as_ref(),
            tls(&written.tls),
        ),
        ports,
        tunnel: written.tunnel.as_ref().map(|tunnel| TunnelSettings {
            post: tunnel.protocol.as_deref().is_some_and(|protocol| protocol.eq_ignore_ascii_case("POST")),
            host: tunnel.target_host.as_str().into(),
            port: tunnel.target_port.unwrap_or_default(),
        }),
        proxy_protocol: written.proxy_protocol.as_ref().map(|protocol| match protocol.version {
            istio::ProxyProtocolVersion::V1 => ProxyProtocolVersion::V1,
            istio::ProxyProtocolVersion::V2 => ProxyProtocolVersion::V2,
        }),
        retry_budget: written.retry_budget.as_ref().map(|budget| RetryBudget {
            share: Share::from_percent(budget.percent.unwrap_or(20.0)),
            min_concurrency: budget.min_retry_concurrency.unwrap_or(3),
            min_per_second: 0,
            interval: budget.budget_interval.unwrap_or_default(),
        }),
    }
}

fn blocks(
    balancer: Option<&istio::LoadBalancer>,
    pool: Option<&istio::ConnectionPool>,
    outlier: Option<&istio::OutlierDetection>,
    tls: Option<Arc<ClientTls>>,
) -> PortSettings {
    PortSettings {
        balancer: balancer.map(|balancer| Arc::new(load_balancer(balancer))),
        pool: pool.map(|pool| Arc::new(connection_pool(pool))),
        outlier: outlier.map(|outlier| Arc::new(outlier_detection(outlier))),
        tls,
    }
}

fn load_balancer(written: &istio::LoadBalancer) -> LoadBalancer {
    let algorithm = match (&written.consistent_hash, written.simple) {
        (Some(hash), _) => hashing(hash),
        (None, Some(istio::SimpleLb::RoundRobin)) => Algorithm::RoundRobin,
        (None, Some(istio::SimpleLb::Random)) => Algorithm::Random,
        (None, Some(istio::SimpleLb::Passthrough)) => Algorithm::Passthrough,
        (None, Some(istio::SimpleLb::LeastRequest | istio::SimpleLb::Unspecified) | None) => Algorithm::LeastRequest,
    };
    let warmup = written.warmup.as_ref().and_then(|warmup| {
        Some(Warmup {
            duration: warmup.duration?,
            minimum: Share::from_percent(warmup.minimum_percent.unwrap_or(10.0)),
            aggression: warmup.aggression.unwrap_or(1.0),
        })
    });
    let older = written.warmup_duration_secs.map(|duration| Warmup {
        duration,
        minimum: Share::from_percent(10.0),
        aggression: 1.0,
    });
    let zone = written.zone_aware_lb_setting.as_ref().map(zone_aware);
    LoadBalancer {
        algorithm,
        warmup: warmup.or(older),
        locality: zone.or_else(|| written.locality_lb_setting.as_ref().map(locality)),
    }
}

fn hashing(written: &istio::ConsistentHash) -> Algorithm {
    let cookie = written.http_cookie.as_ref().map(|cookie| HashKey::Cookie {
        name: cookie.name.as_str().into(),
        path: cookie.path.as_str().into(),
        ttl: cookie.ttl,
        attributes: cookie
            .attributes
            .iter()
            .map(|attribute| (attribute.name.as_str().into(), attribute.value.as_str().into()))
            .collect(),
    });
    let header = written.http_header_name.as_deref().map(|name| HashKey::Header(name.to_ascii_lowercase().into()));
    let query = written.http_query_parameter_name.as_deref().map(|name| HashKey::Query(name.into()));
    let maglev = written.maglev.as_ref().map(|maglev| HashTable::Maglev(maglev.table_size.unwrap_or(65_537)));
    let ring = written.ring_hash.as_ref().and_then(|ring| ring.minimum_ring_size).or(written.minimum_ring_size);
    Algorithm::Hash {
        key: header.or(cookie).or(query).unwrap_or(HashKey::SourceIp),
        table: maglev.unwrap_or(HashTable::Ring(ring.unwrap_or(1024))),
    }
}

/// `localityLbSetting`.
pub(crate) fn locality(written: &istio::LocalityLb) -> LocalityPolicy {
    let shares = |to: &BTreeMap<String, u32>| to.iter().map(|(to, share)| (to.as_str().into(), *share)).collect();
    LocalityPolicy {
        enabled: written.enabled.unwrap_or(true),
        distribute: written.distribute.iter().map(|each| (each.from.as_str().into(), shares(&each.to))).collect(),
        failover: failover(&written.failover),
        failover_priority: texts(&written.failover_priority),
        zone_aware: None,
    }
}

/// `zoneAwareLbSetting`.
pub(crate) fn zone_aware(written: &istio::ZoneAwareLb) -> LocalityPolicy {
    LocalityPolicy {
        enabled: written.enabled.unwrap_or(true),
        distribute: Vec::new(),
        failover: failover(&written.failover),
        failover_priority: texts(&written.failover_priority),
        zone_aware: Some(written.min_cluster_size.unwrap_or(6)),
    }
}

fn failover(written: &[istio::Failover]) -> Vec<(Arc<str>, Arc<str>)> {
    written.iter().map(|each| (each.from.as_str().into(), each.to.as_str().into())).collect()
}

/// `connectionPool`; 0 is unset.
pub(crate) fn connection_pool(written: &istio::ConnectionPool) -> ConnectionPool {
    let limit = |limit: Option<u32>| limit.filter(|limit| *limit > 0);
    let tcp = written.tcp.clone().unwrap_or_default();
    let http = written.http.clone().unwrap_or_default();
    ConnectionPool {
        max_connections: limit(tcp.max_connections),
        connect_timeout: tcp.connect_timeout.filter(|timeout| !timeout.is_zero()),
        keepalive: tcp.tcp_keepalive.as_ref().map(keepalive),
        max_connection_duration: tcp.max_connection_duration.filter(|duration| !duration.is_zero()),
        idle_timeout: tcp.idle_timeout,
        http_idle_timeout: http.idle_timeout,
        max_pending_requests: limit(http.http1_max_pending_requests),
        max_requests: limit(http.http2_max_requests),
        max_requests_per_connection: limit(http.max_requests_per_connection),
        max_retries: limit(http.max_retries),
        max_concurrent_streams: limit(http.max_concurrent_streams),
        upgrade: match (http.use_client_protocol, http.h2_upgrade_policy) {
            (Some(true), _) => HttpUpgrade::AsClient,
            (_, istio::H2Upgrade::Upgrade) => HttpUpgrade::Yes,
            (_, istio::H2Upgrade::DoNotUpgrade) => HttpUpgrade::No,
            (_, istio::H2Upgrade::Default) => HttpUpgrade::Default,
        },
        http2_keepalive: http.http2_keep_alive.as_ref().and_then(|alive| Some((alive.interval?, alive.timeout?))),
    }
}

/// `tcpKeepalive`.
pub(crate) fn keepalive(written: &istio::TcpKeepalive) -> Keepalive {
    Keepalive { probes: written.probes, time: written.time, interval: written.interval }
}

/// `outlierDetection`. The older `consecutiveErrors` counts where no present spelling is given.
pub(crate) fn outlier_detection(written: &istio::OutlierDetection) -> OutlierDetection {
    let default = OutlierDetection::default();
    let per_cent = |percent: Option<u32>, default: u32| percent.unwrap_or(default).min(100);
    OutlierDetection {
        consecutive_5xx: written
            .consecutive_5xx_errors
            .or(written.consecutive_errors)
            .unwrap_or(default.consecutive_5xx),
        consecutive_gateway: written.consecutive_gateway_errors.unwrap_or(0),
        consecutive_local: written
            .split_external_local_origin_errors
            .then(|| written.consecutive_local_origin_failures.unwrap_or(5)),
        interval: some(written.interval, default.interval),
        base_ejection: some(written.base_ejection_time, default.base_ejection),
        max_ejection_percent: per_cent(written.max_ejection_percent, default.max_ejection_percent),
        min_health_percent: per_cent(written.min_health_percent, default.min_health_percent),
        error_codes: written.http_error_codes.iter().filter_map(|code| (*code).try_into().ok()).collect(),
    }
}

fn some(written: Option<Duration>, default: Duration) -> Duration {
    written.filter(|duration| !duration.is_zero()).unwrap_or(default)
}

/// `tls`; what is made for others than the mesh is made by `defaults`.
pub(crate) fn client_tls(written: &istio::ClientTls, defaults: &TlsParameters) -> ClientTls {
    // The mesh's own TLS has settings of its own.
    let is_foreign = matches!(written.mode, istio::ClientTlsMode::Simple | istio::ClientTlsMode::Mutual);
    ClientTls {
        parameters: if is_foreign { defaults.clone() } else { TlsParameters::default() },
        mode: match written.mode {
            istio::ClientTlsMode::Disable => ClientTlsMode::Disable,
            istio::ClientTlsMode::Simple => ClientTlsMode::Simple,
            istio::ClientTlsMode::Mutual => ClientTlsMode::Mutual,
            istio::ClientTlsMode::IstioMutual => ClientTlsMode::Mesh,
        },
        files: TlsFiles {
            certificate: written.client_certificate.as_str().into(),
            key: written.private_key.as_str().into(),
            ca: written.ca_certificates.as_str().into(),
            crl: written.ca_crl.as_str().into(),
        },
        credential: nonempty(&written.credential_name),
        subject_alt_names: texts(&written.subject_alt_names),
        sni: nonempty(&written.sni),
        insecure: written.insecure_skip_verify.unwrap_or(false),
    }
}
