use prost::Message as _;
use ripstop_model::{
    ConnectionKey, ConnectionLimit, DescriptorEntry, DescriptorValue, GlobalRateLimit, LimitDescriptor,
    MostConnections, UnknownLimit,
};

use super::*;
use super::{
    adaptive_concurrency::tests::{adaptive_concurrency, malformed as malformed_concurrency},
    health_check::tests::{health_checks, malformed},
    hedging::tests::{hedging, malformed as malformed_hedging},
};
use crate::{testing::Sample, traffic::backend::tests::peak_ewma};

pub(crate) fn policy(sample: &mut Sample) -> TrafficPolicy {
    TrafficPolicy {
        id: sample.id(),
        namespace: sample.name(),
        name: sample.name(),
        targets: sample.list(|sample| TrafficTarget {
            kind: sample.pick(&[
                TrafficTargetKind::Service,
                TrafficTargetKind::Entry,
                TrafficTargetKind::Gateway,
                TrafficTargetKind::Routes,
            ]),
            name: sample.name(),
            section: sample.maybe(Sample::text),
        }),
        rate_limits: sample.list(|sample| Arc::new(limit(sample))),
        global_rate_limits: sample.list(|sample| Arc::new(global_limit(sample))),
        balancing: sample.maybe(|sample| Balancing { id: sample.id(), peak_ewma: peak_ewma(sample) }),
        retry_budget: sample.maybe(crate::traffic::backend::tests::budget),
        connection_rates: sample.list(|sample| {
            let (count, burst) = (sample.number().max(1), sample.number().max(1));
            let interval = sample.duration().max(Duration::from_millis(1));
            Arc::new(connection_limit(sample, MostConnections::New { count, interval, burst }))
        }),
        connection_limits: sample.list(|sample| {
            let most = MostConnections::Open(sample.number().max(1));
            Arc::new(connection_limit(sample, most))
        }),
        session_affinity: sample.maybe(|sample| {
            Arc::new(SessionAffinity {
                id: sample.id(),
                cookie: sample.name(),
                path: sample.name(),
                ttl: sample.maybe(Sample::duration),
            })
        }),
        created: sample.long(),
        health_checks: sample.maybe(|sample| Arc::new(health_checks(sample))),
        adaptive_concurrency: sample.maybe(|sample| Arc::new(adaptive_concurrency(sample))),
        hedging: sample.maybe(|sample| Arc::new(hedging(sample))),
    }
}

fn limit(sample: &mut Sample) -> RateLimit {
    let name = sample.name();
    RateLimit {
        id: sample.id(),
        allowance: Allowance {
            requests: RequestMatch {
                path: sample.maybe(text_match),
                methods: sample.list(Sample::text),
                headers: sample.list(|sample| (sample.name(), text_match(sample))),
            },
            key: sample.pick(&[
                LimitKey::All,
                LimitKey::Identity,
                LimitKey::Header(name),
                LimitKey::Path,
                LimitKey::SourceAddress,
            ]),
            count: sample.number().max(1),
            interval: sample.duration().max(Duration::from_millis(1)),
            burst: sample.number().max(1),
        },
        status: 400 + sample.short() % 200,
        tells: sample.flag(),
        dry_run: sample.flag(),
    }
}

fn global_limit(sample: &mut Sample) -> GlobalRateLimit {
    GlobalRateLimit {
        id: sample.id(),
        host: sample.name(),
        port: sample.short().max(1),
        domain: sample.name(),
        requests: RequestMatch { path: sample.maybe(text_match), ..RequestMatch::default() },
        descriptors: vec![LimitDescriptor(vec![entry(sample), entry(sample)]), LimitDescriptor(vec![entry(sample)])],
        hits: sample.number().max(1),
        timeout: sample.duration().max(Duration::from_millis(1)),
        on_failure: sample.pick(&[UnknownLimit::Passes, UnknownLimit::Refused]),
        status: 400 + sample.short() % 200,
        tells: sample.flag(),
        dry_run: sample.flag(),
    }
}

fn entry(sample: &mut Sample) -> DescriptorEntry {
    let name = sample.name();
    DescriptorEntry {
        key: sample.name(),
        value: sample.pick(&[
            DescriptorValue::Identity,
            DescriptorValue::Header(name.clone()),
            DescriptorValue::Path,
            DescriptorValue::Method,
            DescriptorValue::Host,
            DescriptorValue::SourceAddress,
            DescriptorValue::Constant(name),
            DescriptorValue::DestinationWorkload,
            DescriptorValue::DestinationService,
        ]),
        default: sample.maybe(Sample::text),
    }
}

fn text_match(sample: &mut Sample) -> TextMatch {
    let text = sample.text();
    sample.pick(&[TextMatch::Present, TextMatch::Exact(text.clone()), TextMatch::Prefix(text)])
}

fn connection_limit(sample: &mut Sample, most: MostConnections) -> ConnectionLimit {
    let keys = [ConnectionKey::All, ConnectionKey::Identity, ConnectionKey::SourceAddress];
    ConnectionLimit { id: sample.id(), key: sample.pick(&keys), most, dry_run: sample.flag() }
}

fn open(count: u32) -> ripstop::ConnectionLimit {
    ripstop::ConnectionLimit { id: "a".into(), count, ..Default::default() }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let policy = policy(sample);
        let encoded = encode(&policy);
        assert_eq!(*encoded.name, format!("{}/{}", policy.namespace, policy.name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(policy));
    });
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::TrafficPolicy {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        ..ripstop::TrafficPolicy::default()
    };
    let limit = || ripstop::RateLimit {
        id: "l".into(),
        key: Some(Key::All(true)),
        count: 1,
        interval: Some(ripstop::Duration { seconds: 1, nanos: 0 }),
        burst: 1,
        status: 429,
        ..ripstop::RateLimit::default()
    };
    let with = |limit| ripstop::TrafficPolicy { rate_limits: vec![limit], ..good() };
    let to = |kind: i32, name: &str| ripstop::TrafficPolicy {
        targets: vec![ripstop::TrafficTarget { kind, name: name.into(), section: None }],
        ..good()
    };
    let short = Some(ripstop::Duration { seconds: 0, nanos: 999_999 });
    let header = |name: &str, value| {
        let headers = vec![ripstop::NamedText { name: name.into(), value }];
        Some(ripstop::RequestMatch { headers, ..ripstop::RequestMatch::default() })
    };
    assert!(decode("ns/name", &with(limit()).encode_to_vec().into()).is_ok());
    for (field, message) in vec![
        ("field id", ripstop::TrafficPolicy { id: String::new(), ..good() }),
        ("field targets[0]: its kind is missing", to(0, "web")),
        ("field targets[0]: 9", to(9, "web")),
        ("field targets[0].name", to(1, "")),
        ("field balancing.id", ripstop::TrafficPolicy { balancing: Some(ripstop::Balancing::default()), ..good() }),
        (
            "field balancing.peak_ewma: it is missing",
            ripstop::TrafficPolicy {
                balancing: Some(ripstop::Balancing { id: "b".into(), peak_ewma: None }),
                ..good()
            },
        ),
        ("field rate_limits[0].id", with(ripstop::RateLimit { id: String::new(), ..limit() })),
        ("field rate_limits[0].key: it is missing", with(ripstop::RateLimit { key: None, ..limit() })),
        ("field rate_limits[0].header", with(ripstop::RateLimit { key: Some(Key::Header(String::new())), ..limit() })),
        ("field rate_limits[0].count: 0", with(ripstop::RateLimit { count: 0, ..limit() })),
        ("field rate_limits[0].burst: 0", with(ripstop::RateLimit { burst: 0, ..limit() })),
        ("field rate_limits[0].interval: it is missing", with(ripstop::RateLimit { interval: None, ..limit() })),
        ("field rate_limits[0].interval: it is shorter", with(ripstop::RateLimit { interval: short, ..limit() })),
        ("field rate_limits[0].status: 200", with(ripstop::RateLimit { status: 200, ..limit() })),
        ("field rate_limits[0].status: 600", with(ripstop::RateLimit { status: 600, ..limit() })),
        (
            "field rate_limits[0].matches.headers[0].value: it is missing",
            with(ripstop::RateLimit { matches: header("x", None), ..limit() }),
        ),
        (
            "field rate_limits[0].matches.headers[0].name",
            with(ripstop::RateLimit { matches: header("", Some(text_match_to_wire(&TextMatch::Present))), ..limit() }),
        ),
        ("field connection_rates[0].interval", ripstop::TrafficPolicy { connection_rates: vec![open(1)], ..good() }),
        ("field connection_limits[0].count", ripstop::TrafficPolicy { connection_limits: vec![open(0)], ..good() }),
        (
            "field connection_limits[0].interval",
            ripstop::TrafficPolicy {
                connection_limits: vec![ripstop::ConnectionLimit {
                    interval: Some(duration_to_wire(Duration::from_secs(1))),
                    ..open(1)
                }],
                ..good()
            },
        ),
        (
            "field connection_limits[0].key",
            ripstop::TrafficPolicy {
                connection_limits: vec![ripstop::ConnectionLimit { key: 9, ..open(1) }],
                ..good()
            },
        ),
        (
            "field session_affinity.cookie",
            ripstop::TrafficPolicy {
                session_affinity: Some(ripstop::SessionAffinity { id: "a".into(), ..Default::default() }),
                ..good()
            },
        ),
        (
            "field retry_budget.share",
            ripstop::TrafficPolicy {
                retry_budget: Some(ripstop::RetryBudget { share: 1_000_001, ..Default::default() }),
                ..good()
            },
        ),
        ("content is that of \"other/name\"", ripstop::TrafficPolicy { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    for (field, checks) in malformed() {
        let message = ripstop::TrafficPolicy { health_checks: Some(checks), ..good() };
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    for (field, own) in malformed_concurrency() {
        let message = ripstop::TrafficPolicy { adaptive_concurrency: Some(own), ..good() };
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    for (field, own) in malformed_hedging() {
        let message = ripstop::TrafficPolicy { hedging: Some(own), ..good() };
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    // A limit without what it does not know would hold back others.
    let newer = [&with(limit()).encode_to_vec()[..], &[0x9a, 0x06, 1, b'x']].concat();
    let error = decode("ns/name", &newer.into()).unwrap_err().to_string();
    assert!(error.contains("not known here"), "{error}");
}
