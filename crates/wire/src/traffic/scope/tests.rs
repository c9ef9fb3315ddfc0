use prost::Message as _;

use super::*;
use crate::{
    testing::Sample,
    traffic::{backend::tests::pool, gateway::tests::tls, route::tests::backend},
};

fn bind(sample: &mut Sample) -> std::net::IpAddr {
    std::net::Ipv4Addr::from(sample.number()).into()
}

fn mode(sample: &mut Sample) -> ListenerMode {
    if sample.maybe(Sample::short).is_some() { ListenerMode::Own } else { ListenerMode::Captured }
}

pub(crate) fn scope(sample: &mut Sample) -> CallerScope {
    let host = |sample: &mut Sample| ImportedHost { namespace: sample.maybe(Sample::text), host: sample.host() };
    let egress = |sample: &mut Sample| EgressScope {
        port: sample.maybe(Sample::short),
        protocol: sample.protocol(),
        bind: sample.maybe(bind),
        mode: mode(sample),
        hosts: sample.list(host),
        without: sample.list(host),
    };
    CallerScope {
        id: sample.id(),
        namespace: sample.name(),
        name: sample.name(),
        selector: sample.selector(),
        egress: sample.maybe(|sample| sample.list(egress)),
        ingress: sample.list(|sample| IngressScope {
            port: sample.short(),
            protocol: sample.protocol(),
            bind: sample.maybe(bind),
            mode: mode(sample),
            endpoint: sample.maybe(Sample::text),
            tls: sample.maybe(tls).map(Arc::new),
            pool: sample.maybe(pool).map(Arc::new),
        }),
        outbound: sample.maybe(Sample::outbound),
        egress_proxy: sample.maybe(backend),
        inbound_pool: sample.maybe(pool).map(Arc::new),
        created: sample.long(),
    }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let scope = scope(sample);
        let encoded = encode(&scope);
        assert_eq!(*encoded.name, format!("{}/{}", scope.namespace, scope.name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(scope));
    });
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::CallerScope {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        ..ripstop::CallerScope::default()
    };
    let egress = |listener| Some(ripstop::EgressScopes { listeners: vec![listener] });
    let host = || vec![ripstop::ScopedHost { namespace: None, host: "A".into() }];
    let broken = || Some(ripstop::ConnectionPool { upgrade: 9, ..ripstop::ConnectionPool::default() });
    for (field, message) in [
        ("field id", ripstop::CallerScope { id: String::new(), ..good() }),
        (
            "field egress.listeners[0].port",
            ripstop::CallerScope {
                egress: egress(ripstop::EgressScope { port: Some(1 << 16), ..Default::default() }),
                ..good()
            },
        ),
        (
            "field egress.listeners[0].hosts[0].host",
            ripstop::CallerScope {
                egress: egress(ripstop::EgressScope { hosts: host(), ..Default::default() }),
                ..good()
            },
        ),
        (
            "field egress.listeners[0].without[0].host",
            ripstop::CallerScope {
                egress: egress(ripstop::EgressScope { without: host(), ..Default::default() }),
                ..good()
            },
        ),
        (
            "field ingress[0].port",
            ripstop::CallerScope {
                ingress: vec![ripstop::IngressScope { port: 1 << 16, ..Default::default() }],
                ..good()
            },
        ),
        (
            "field ingress[0].pool.upgrade",
            ripstop::CallerScope {
                ingress: vec![ripstop::IngressScope { pool: broken(), ..Default::default() }],
                ..good()
            },
        ),
        (
            "field ingress[0].bind",
            ripstop::CallerScope {
                ingress: vec![ripstop::IngressScope { port: 1, bind: Some("here".into()), ..Default::default() }],
                ..good()
            },
        ),
        ("field outbound", ripstop::CallerScope { outbound: Some(3), ..good() }),
        ("field inbound_pool.upgrade", ripstop::CallerScope { inbound_pool: broken(), ..good() }),
        ("content is that of \"other/name\"", ripstop::CallerScope { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
}
