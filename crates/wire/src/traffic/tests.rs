use std::collections::BTreeSet;

use ripstop_model::{EndpointAddress, ObjectMap, RuleId, StaticEndpoint, Traffic, WorkloadGroup};

use super::*;
use crate::{snapshot_changes, testing::Sample};

/// Some objects of every kind; groups, which do not travel, apart.
fn traffic(sample: &mut Sample) -> Traffic {
    fn objects<T>(sample: &mut Sample, make: impl Fn(&mut Sample) -> (ObjectName, T)) -> ObjectMap<T> {
        sample.list(make).into_iter().map(|(name, object)| (name, Arc::new(object))).collect()
    }
    Traffic {
        defaults: Arc::new(defaults::tests::defaults(sample)),
        routes: objects(sample, |sample| {
            let table = route::tests::table(sample);
            ((table.namespace.clone(), table.name.clone()), table)
        }),
        backends: objects(sample, backend::tests::policies),
        gateways: objects(sample, |sample| {
            let gateway = gateway::tests::gateway(sample);
            ((gateway.namespace.clone(), gateway.name.clone()), gateway)
        }),
        entries: objects(sample, entry::tests::entries),
        endpoints: objects(sample, |sample| ((sample.name(), sample.name()), endpoint::tests::endpoint(sample))),
        groups: ObjectMap::new(),
        scopes: objects(sample, |sample| {
            let scope = scope::tests::scope(sample);
            ((scope.namespace.clone(), scope.name.clone()), scope)
        }),
        request_authentications: objects(sample, |sample| {
            let object = request_authentication::tests::object(sample);
            ((object.namespace.clone(), object.name.clone()), object)
        }),
        telemetries: objects(sample, |sample| {
            let telemetry = telemetry::tests::telemetry(sample);
            ((telemetry.namespace.clone(), telemetry.name.clone()), telemetry)
        }),
        proxy_settings: objects(sample, |sample| {
            let settings = proxy_settings::tests::settings(sample);
            ((settings.namespace.clone(), settings.name.clone()), settings)
        }),
        policies: objects(sample, |sample| {
            let policy = policy::tests::policy(sample);
            ((policy.namespace.clone(), policy.name.clone()), policy)
        }),
        process_proxies: objects(sample, |sample| {
            let proxy = process_proxy::tests::proxy(sample);
            ((proxy.namespace.clone(), proxy.name.clone()), proxy)
        }),
    }
}

/// What changes from any state to any other, and back to nothing, arrives as it was.
#[test]
fn every_kind_comes_changes_and_goes() {
    let mut types = BTreeSet::new();
    let mut here = Traffic::default();
    let mut there = Traffic::default();
    for seed in 0..40 {
        let next = if seed % 8 == 7 { Traffic::default() } else { traffic(&mut Sample::new(seed)) };
        let changes = here.changes_to(&next);
        let resources: Vec<ResourceChange> = changes.iter().filter_map(encode_traffic).collect();
        assert_eq!(resources.len(), changes.len());
        types.extend(resources.iter().map(|resource| (resource.type_url, resource.body.is_some())));
        for (resource, change) in resources.iter().zip(changes) {
            let decoded = decode_traffic(resource).unwrap().unwrap();
            assert_eq!(decoded, change);
            there.apply(decoded);
        }
        here = next;
        assert_eq!(there, here);
    }
    // All kinds came, and all but the defaults, which are never gone, went.
    let kinds: BTreeSet<&str> = type_url::FOR_PROXIES[4..].iter().copied().collect();
    assert_eq!(kinds.len(), 12);
    let came: BTreeSet<_> = types.iter().filter(|(_, here)| *here).map(|(url, _)| *url).collect();
    let went: BTreeSet<_> = types.iter().filter(|(_, here)| !*here).map(|(url, _)| *url).collect();
    assert_eq!(came, kinds);
    assert_eq!(went, &kinds - &BTreeSet::from([type_url::TRAFFIC_DEFAULTS]));
    assert!(kinds.iter().all(|url| type_url::known(url) == Some(*url)));
}

#[test]
fn groups_stay_where_they_are() {
    let template = StaticEndpoint {
        id: RuleId("t".into()),
        namespace: "ns".into(),
        address: EndpointAddress::Network,
        ports: [].into(),
        labels: [].into(),
        network: "".into(),
        locality: "".into(),
        weight: 1,
        service_account: None,
    };
    let group = WorkloadGroup {
        id: RuleId("g".into()),
        namespace: "ns".into(),
        name: "name".into(),
        template,
        annotations: [].into(),
        probe: None,
    };
    let name: ObjectName = ("ns".into(), "name".into());
    assert_eq!(encode_traffic(&TrafficChange::Group(name.clone(), Some(Arc::new(group)))), None);
    assert_eq!(encode_traffic(&TrafficChange::Group(name, None)), None);
}

#[test]
fn what_is_gone_is_known_by_its_name() {
    let gone = |type_url, name: &str| decode_traffic(&ResourceChange::removed(type_url, name));
    let name: ObjectName = ("ns".into(), "name".into());
    assert_eq!(gone(type_url::ROUTE_TABLE, "ns/name"), Ok(Some(TrafficChange::Routes(name, None))));
    let host: ObjectName = ("ns".into(), "*.example".into());
    assert_eq!(gone(type_url::BACKENDS, "ns/*.example"), Ok(Some(TrafficChange::Backends(host, None))));
    let defaults = Arc::new(TrafficDefaults::default());
    assert_eq!(gone(type_url::TRAFFIC_DEFAULTS, "default"), Ok(Some(TrafficChange::Defaults(defaults))));
    assert_eq!(gone(type_url::MESH, "default"), Ok(None));
    let error = gone(type_url::GATEWAY, "name").unwrap_err();
    assert!(matches!(error, DecodeError::Name { .. }), "{error}");
}

#[test]
fn one_bad_object_refuses_the_push() {
    let good = encode_traffic(&TrafficChange::Defaults(Arc::default())).unwrap();
    let bad = ResourceChange {
        type_url: type_url::TELEMETRY,
        name: "ns/name".into(),
        version: "1".into(),
        body: Some(Bytes::from_static(b"\xff")),
    };
    assert_eq!(snapshot_changes(std::slice::from_ref(&good)).map(|changes| changes.len()), Ok(1));
    let error = snapshot_changes(&[good, bad]).unwrap_err().to_string();
    assert!(error.contains("ns/name") && error.contains("Telemetry"), "{error}");
}

/// Damaged bytes are an error or another object, never a panic; and of a body cut short nothing is accepted but what
/// would be written so.
#[test]
fn damage_does_no_harm() {
    let mut sample = Sample::new(0);
    for seed in 0..4 {
        let changes = Traffic::default().changes_to(&traffic(&mut Sample::new(seed)));
        for resource in changes.iter().filter_map(encode_traffic) {
            let body = resource.body.clone().unwrap();
            for _ in 0..200 {
                let mut damaged = body.to_vec();
                let at = usize::try_from(sample.below(damaged.len() as u64)).unwrap();
                damaged[at] ^= 1 << sample.below(8);
                if sample.flag() {
                    damaged.truncate(at);
                }
                let damaged = ResourceChange { body: Some(damaged.into()), ..resource.clone() };
                if let Ok(read) = decode_traffic(&damaged) {
                    let written = encode_traffic(&read.unwrap()).unwrap();
                    assert_eq!(written.name, damaged.name);
                    assert_eq!(decode_traffic(&written), decode_traffic(&damaged));
                }
            }
        }
    }
}
