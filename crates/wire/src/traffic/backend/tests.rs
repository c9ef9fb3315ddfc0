use prost::Message as _;
use ripstop_model::{
    Algorithm, ConnectionPool, HashKey, HashTable, HttpUpgrade, Keepalive, LoadBalancer, LocalityPolicy,
    OutlierDetection, PeakEwma, Warmup,
};

use super::*;
use crate::{ripstop::load_balancer, testing::Sample};

/// Rules for one host of one namespace.
pub(crate) fn policies(sample: &mut Sample) -> (ObjectName, Vec<BackendPolicy>) {
    let (namespace, host) = (sample.name(), sample.host());
    let policy = |sample: &mut Sample| BackendPolicy {
        ids: sample.list(Sample::id),
        namespace: namespace.clone(),
        host: host.clone(),
        visibility: sample.visibility(),
        client: sample.maybe(Sample::selector),
        policy: settings(sample),
        subsets: sample.list(|sample| Subset {
            id: sample.id(),
            name: sample.text(),
            labels: sample.selector(),
            policy: settings(sample),
        }),
        created: sample.long(),
    };
    let policies = sample.list(policy);
    ((namespace, host.to_string().into()), policies)
}

pub(crate) fn keepalive(sample: &mut Sample) -> Keepalive {
    Keepalive {
        probes: sample.maybe(Sample::number),
        time: sample.maybe(Sample::duration),
        interval: sample.maybe(Sample::duration),
    }
}

pub(crate) fn pool(sample: &mut Sample) -> ConnectionPool {
    ConnectionPool {
        max_connections: sample.maybe(Sample::number),
        connect_timeout: sample.maybe(Sample::duration),
        keepalive: sample.maybe(keepalive),
        max_connection_duration: sample.maybe(Sample::duration),
        idle_timeout: sample.maybe(Sample::duration),
        http_idle_timeout: sample.maybe(Sample::duration),
        max_pending_requests: sample.maybe(Sample::number),
        max_requests: sample.maybe(Sample::number),
        max_requests_per_connection: sample.maybe(Sample::number),
        max_retries: sample.maybe(Sample::number),
        max_concurrent_streams: sample.maybe(Sample::number),
        upgrade: sample.pick(&[HttpUpgrade::Default, HttpUpgrade::No, HttpUpgrade::Yes, HttpUpgrade::AsClient]),
        http2_keepalive: sample.maybe(|sample| (sample.duration(), sample.duration())),
    }
}

pub(crate) fn outlier(sample: &mut Sample) -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: sample.number(),
        consecutive_gateway: sample.number(),
        consecutive_local: sample.maybe(Sample::number),
        interval: sample.duration(),
        base_ejection: sample.duration(),
        max_ejection_percent: sample.number(),
        min_health_percent: sample.number(),
        error_codes: sample.list(Sample::short),
    }
}

pub(crate) fn locality(sample: &mut Sample) -> LocalityPolicy {
    LocalityPolicy {
        enabled: sample.flag(),
        distribute: sample.list(|sample| (sample.text(), sample.map(|sample| (sample.text(), sample.number())))),
        failover: sample.list(Sample::pair),
        failover_priority: sample.list(Sample::text),
        zone_aware: sample.maybe(Sample::long),
    }
}

pub(crate) fn files(sample: &mut Sample) -> TlsFiles {
    TlsFiles { certificate: sample.text(), key: sample.text(), ca: sample.text(), crl: sample.text() }
}

fn settings(sample: &mut Sample) -> BackendSettings {
    BackendSettings {
        general: port(sample),
        ports: sample.map(|sample| (sample.short(), port(sample))),
        tunnel: sample.maybe(|sample| TunnelSettings {
            post: sample.flag(),
            host: sample.text(),
            port: sample.short(),
        }),
        proxy_protocol: sample.pick(&[None, Some(ProxyProtocolVersion::V1), Some(ProxyProtocolVersion::V2)]),
        retry_budget: sample.maybe(budget),
    }
}

pub(in crate::traffic) fn budget(sample: &mut Sample) -> RetryBudget {
    RetryBudget {
        share: sample.share(),
        min_concurrency: sample.number(),
        min_per_second: sample.number(),
        interval: sample.duration(),
    }
}

fn port(sample: &mut Sample) -> PortSettings {
    PortSettings {
        balancer: sample.maybe(balancer).map(Arc::new),
        pool: sample.maybe(pool).map(Arc::new),
        outlier: sample.maybe(outlier).map(Arc::new),
        tls: sample.maybe(tls).map(Arc::new),
    }
}

fn balancer(sample: &mut Sample) -> LoadBalancer {
    LoadBalancer {
        algorithm: match sample.below(6) {
            0 => Algorithm::LeastRequest,
            1 => Algorithm::RoundRobin,
            2 => Algorithm::Random,
            3 => Algorithm::Passthrough,
            4 => Algorithm::PeakEwma(peak_ewma(sample)),
            _ => Algorithm::Hash { key: hash_key(sample), table: hash_table(sample) },
        },
        warmup: sample.maybe(|sample| Warmup {
            duration: sample.duration(),
            minimum: sample.share(),
            aggression: sample.pick(&[0.0, 1.0, -2.5, f64::MAX]),
        }),
        locality: sample.maybe(locality),
    }
}

pub(crate) fn peak_ewma(sample: &mut Sample) -> PeakEwma {
    PeakEwma {
        decay: sample.duration().max(std::time::Duration::from_nanos(1)),
        default_rtt: sample.duration(),
        penalty: sample.duration(),
    }
}

fn hash_key(sample: &mut Sample) -> HashKey {
    match sample.below(4) {
        0 => HashKey::Header(sample.text()),
        1 => HashKey::Cookie {
            name: sample.text(),
            path: sample.text(),
            ttl: sample.maybe(Sample::duration),
            attributes: sample.list(Sample::pair),
        },
        2 => HashKey::SourceIp,
        _ => HashKey::Query(sample.text()),
    }
}

fn hash_table(sample: &mut Sample) -> HashTable {
    let entries = sample.long();
    sample.pick(&[HashTable::Ring(entries), HashTable::Maglev(entries)])
}

pub(crate) fn tls(sample: &mut Sample) -> ClientTls {
    ClientTls {
        mode: sample.pick(&[ClientTlsMode::Disable, ClientTlsMode::Simple, ClientTlsMode::Mutual, ClientTlsMode::Mesh]),
        files: files(sample),
        credential: sample.maybe(Sample::text),
        subject_alt_names: sample.list(Sample::text),
        sni: sample.maybe(Sample::text),
        insecure: sample.flag(),
        parameters: TlsParameters {
            least: sample.maybe(Sample::text),
            cipher_suites: sample.list(Sample::text),
            curves: sample.list(Sample::text),
        },
    }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let (name, policies) = policies(sample);
        let encoded = encode(&name, &policies);
        assert_eq!(*encoded.name, format!("{}/{}", name.0, name.1));
        assert_eq!(decode_name(&encoded.name), Ok(name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(policies));
    });
}

#[test]
fn the_name_is_a_namespace_and_any_host() {
    let name = |namespace: &str, host: &str| Ok((Arc::from(namespace), Arc::from(host)));
    assert_eq!(decode_name("shop/*.example"), name("shop", "*.example"));
    assert_eq!(decode_name("shop/a/b"), name("shop", "a/b"));
    for bad in ["", "shop", "/host"] {
        assert!(matches!(decode_name(bad), Err(DecodeError::Name { .. })), "{bad}");
    }
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::Backends { namespace: "ns".into(), host: "web".into(), policies: Vec::new() };
    let with = |settings: ripstop::BackendSettings| ripstop::Backends {
        policies: vec![ripstop::BackendPolicy { settings: Some(settings), ..ripstop::BackendPolicy::default() }],
        ..good()
    };
    let general = |general: ripstop::PortSettings| {
        with(ripstop::BackendSettings { general: Some(general), ..ripstop::BackendSettings::default() })
    };
    let balanced = |algorithm| {
        let balancer = Some(ripstop::LoadBalancer { algorithm, ..ripstop::LoadBalancer::default() });
        general(ripstop::PortSettings { balancer, ..ripstop::PortSettings::default() })
    };
    let warm = |aggression| {
        let warmup = Some(ripstop::Warmup { duration: Some(ripstop::Duration::default()), minimum: 0, aggression });
        let algorithm = Some(load_balancer::Algorithm::Simple(0));
        let balancer = Some(ripstop::LoadBalancer { algorithm, warmup, locality: None });
        general(ripstop::PortSettings { balancer, ..ripstop::PortSettings::default() })
    };
    let pooled = |pool| general(ripstop::PortSettings { pool: Some(pool), ..ripstop::PortSettings::default() });
    for (field, message) in [
        (
            "field policies[0].ids[0]",
            ripstop::Backends {
                policies: vec![ripstop::BackendPolicy { ids: vec![String::new()], ..Default::default() }],
                ..good()
            },
        ),
        (
            "field policies[0].subsets[0].id",
            ripstop::Backends {
                policies: vec![ripstop::BackendPolicy {
                    subsets: vec![ripstop::Subset::default()],
                    ..Default::default()
                }],
                ..good()
            },
        ),
        (
            "field policies[0].settings.ports[65536]",
            with(ripstop::BackendSettings {
                ports: [(65_536, ripstop::PortSettings::default())].into(),
                ..Default::default()
            }),
        ),
        (
            "field policies[0].settings.proxy_protocol",
            with(ripstop::BackendSettings { proxy_protocol: 3, ..Default::default() }),
        ),
        (
            "field policies[0].settings.tunnel.port",
            with(ripstop::BackendSettings {
                tunnel: Some(ripstop::TunnelSettings { port: 1 << 16, ..Default::default() }),
                ..Default::default()
            }),
        ),
        (
            "field policies[0].settings.retry_budget.share",
            with(ripstop::BackendSettings {
                retry_budget: Some(ripstop::RetryBudget { share: 1_000_001, ..Default::default() }),
                ..Default::default()
            }),
        ),
        ("field policies[0].settings.general.balancer.algorithm: it is missing", balanced(None)),
        (
            "field policies[0].settings.general.balancer.algorithm: 4",
            balanced(Some(load_balancer::Algorithm::Simple(4))),
        ),
        (
            "field policies[0].settings.general.balancer.hash.key: it is missing",
            balanced(Some(load_balancer::Algorithm::Hash(ripstop::HashBalancing::default()))),
        ),
        (
            "field policies[0].settings.general.balancer.peak_ewma.decay: it is 0",
            balanced(Some(load_balancer::Algorithm::PeakEwma(ripstop::PeakEwma {
                decay: Some(ripstop::Duration::default()),
                ..Default::default()
            }))),
        ),
        ("field policies[0].settings.general.balancer.warmup.aggression: NaN", warm(f64::NAN)),
        ("field policies[0].settings.general.balancer.warmup.aggression: inf", warm(f64::INFINITY)),
        (
            "field policies[0].settings.general.pool.upgrade",
            pooled(ripstop::ConnectionPool { upgrade: 4, ..Default::default() }),
        ),
        (
            "field policies[0].settings.general.pool.http2_keepalive.interval: it is missing",
            pooled(ripstop::ConnectionPool { http2_keepalive: Some(ripstop::Ping::default()), ..Default::default() }),
        ),
        (
            "field policies[0].settings.general.outlier.interval: it is missing",
            general(ripstop::PortSettings {
                outlier: Some(ripstop::OutlierDetection::default()),
                ..Default::default()
            }),
        ),
        (
            "field policies[0].settings.general.tls.mode: it is missing",
            general(ripstop::PortSettings { tls: Some(ripstop::ClientTls::default()), ..Default::default() }),
        ),
    ] {
        let error = decode("ns/web", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/web"), "{field}: {error}");
    }
    assert_eq!(decode("ns/web", &good().encode_to_vec().into()), Ok(Vec::new()));
    let other = decode("ns/other", &good().encode_to_vec().into()).unwrap_err();
    assert!(matches!(other, DecodeError::Name { .. }), "{other}");
    let upper = ripstop::Backends { host: "WEB".into(), ..good() };
    let error = decode("ns/WEB", &upper.encode_to_vec().into()).unwrap_err().to_string();
    assert!(error.contains("field host"), "{error}");
}
