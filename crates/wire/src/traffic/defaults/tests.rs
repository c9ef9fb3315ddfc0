use prost::Message as _;

use super::*;
use crate::{
    testing::Sample,
    traffic::{
        backend::tests::{keepalive, locality, outlier, pool, tls},
        connections::tests::connections,
        route::tests::retry,
        topology::tests::topology,
    },
};

pub(crate) fn defaults(sample: &mut Sample) -> TrafficDefaults {
    TrafficDefaults {
        outbound: sample.outbound(),
        retries: retry(sample),
        inbound_retries: retry(sample),
        outbound_tls: sample.maybe(tls).map(Arc::new),
        connect_timeout: sample.duration(),
        pool: sample.maybe(pool).map(Arc::new),
        outlier: sample.maybe(outlier).map(Arc::new),
        locality: locality(sample),
        auto_mtls: sample.flag(),
        h2_upgrade: sample.flag(),
        normalization: sample.pick(&[
            PathNormalization::None,
            PathNormalization::Base,
            PathNormalization::MergeSlashes,
            PathNormalization::DecodeAndMergeSlashes,
        ]),
        detection_timeout: sample.maybe(Sample::duration),
        inbound: sample.pick(&[InboundPolicy::Passthrough, InboundPolicy::Localhost]),
        tunnel_idle: sample.maybe(Sample::duration),
        keepalive: sample.maybe(keepalive),
        name_refresh: sample.maybe(Sample::duration),
        default_providers: DefaultProviders {
            tracing: sample.list(Sample::text),
            metrics: sample.list(Sample::text),
            access_logging: sample.list(Sample::text),
        },
        access_log: AccessLogFormat {
            encoding: sample.pick(&[LogEncoding::Text, LogEncoding::Json]),
            format: sample.maybe(Sample::text).filter(|format| !format.is_empty()),
        },
        tracers: sample
            .list(|sample| {
                let headers = [TraceHeaders::W3c, TraceHeaders::B3, TraceHeaders::B3AndW3c];
                (sample.text(), sample.pick(&headers))
            })
            .into_iter()
            .collect(),
        topology: topology(sample),
        proxies: Arc::new(proxy_defaults(sample)),
    }
}

pub(crate) fn proxy_defaults(sample: &mut Sample) -> ProxyDefaults {
    ProxyDefaults {
        concurrency: sample.maybe(Sample::number),
        drain: sample.maybe(Sample::duration),
        farewell: sample.maybe(Sample::duration),
        headers: ProxyHeaders {
            server: sample.maybe(Sample::text),
            written: sample
                .list(|sample| {
                    sample.pick(&[
                        ProxyHeader::RequestId,
                        ProxyHeader::AttemptCount,
                        ProxyHeader::Explanations,
                        ProxyHeader::ForwardedHost,
                        ProxyHeader::ForwardedPort,
                    ])
                })
                .into_iter()
                .collect(),
        },
        connections: connections(sample),
    }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let defaults = defaults(sample);
        let encoded = encode(&defaults);
        assert_eq!(&*encoded.name, "default");
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(defaults));
    });
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::TrafficDefaults::decode(encode(&TrafficDefaults::default()).body).unwrap();
    let bad = || Some(ripstop::Duration { seconds: 0, nanos: u32::MAX });
    let broken = || Some(ripstop::ConnectionPool { upgrade: 9, ..ripstop::ConnectionPool::default() });
    for (field, message) in vec![
        ("field outbound", ripstop::TrafficDefaults { outbound: 3, ..good() }),
        ("field retries: it is missing", ripstop::TrafficDefaults { retries: None, ..good() }),
        (
            "field outbound_tls.mode",
            ripstop::TrafficDefaults {
                outbound_tls: Some(ripstop::ClientTls { mode: 9, ..ripstop::ClientTls::default() }),
                ..good()
            },
        ),
        ("field connect_timeout: it is missing", ripstop::TrafficDefaults { connect_timeout: None, ..good() }),
        ("field pool.upgrade", ripstop::TrafficDefaults { pool: broken(), ..good() }),
        ("field locality: it is missing", ripstop::TrafficDefaults { locality: None, ..good() }),
        ("field normalization", ripstop::TrafficDefaults { normalization: 4, ..good() }),
        ("field tracers", ripstop::TrafficDefaults { tracers: [("a".to_owned(), 3)].into(), ..good() }),
        ("field detection_timeout", ripstop::TrafficDefaults { detection_timeout: bad(), ..good() }),
        ("field tunnel_idle", ripstop::TrafficDefaults { tunnel_idle: bad(), ..good() }),
        ("field name_refresh", ripstop::TrafficDefaults { name_refresh: bad(), ..good() }),
        ("field drain", ripstop::TrafficDefaults { drain: bad(), ..good() }),
        ("field farewell", ripstop::TrafficDefaults { farewell: bad(), ..good() }),
        (
            "field keepalive.time",
            ripstop::TrafficDefaults {
                keepalive: Some(ripstop::Keepalive { time: bad(), ..ripstop::Keepalive::default() }),
                ..good()
            },
        ),
    ] {
        let error = decode("default", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    let older = ripstop::TrafficDefaults { inbound_retries: None, ..good() };
    assert_eq!(decode("default", &older.encode_to_vec().into()).unwrap().inbound_retries, RetryPolicy::inbound());
    assert!(matches!(decode("other", &good().encode_to_vec().into()), Err(DecodeError::Name { .. })));
}
