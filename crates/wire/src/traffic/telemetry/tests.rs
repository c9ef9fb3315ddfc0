use prost::Message as _;

use super::*;
use crate::testing::Sample;

pub(crate) fn telemetry(sample: &mut Sample) -> Telemetry {
    Telemetry {
        id: sample.id(),
        namespace: sample.name(),
        name: sample.name(),
        target: sample.target(),
        tracing: sample.list(tracing),
        metrics: sample.list(|sample| MetricsSettings {
            providers: sample.list(Sample::text),
            overrides: sample.list(|sample| MetricOverride {
                metric: sample.maybe(Sample::text),
                side: side(sample),
                disabled: sample.maybe(Sample::flag),
                tags: sample.map(|sample| (sample.text(), sample.maybe(Sample::text))),
            }),
        }),
        access_logs: sample.list(|sample| AccessLogSettings {
            side: side(sample),
            providers: sample.list(Sample::text),
            disabled: sample.maybe(Sample::flag),
            filter: sample.maybe(Sample::text),
        }),
        created: sample.long(),
    }
}

fn side(sample: &mut Sample) -> Side {
    sample.pick(&[Side::Both, Side::Client, Side::Server])
}

fn tracing(sample: &mut Sample) -> TracingSettings {
    let tag = |sample: &mut Sample| {
        let source = match sample.below(4) {
            0 => TagSource::Literal(sample.text()),
            1 => TagSource::Environment(sample.text(), sample.text()),
            2 => TagSource::Header(sample.text(), sample.text()),
            _ => TagSource::Formatter(sample.text()),
        };
        (sample.text(), source)
    };
    TracingSettings {
        side: side(sample),
        providers: sample.list(Sample::text),
        sampling: sample.maybe(Sample::share),
        disabled: sample.maybe(Sample::flag),
        tags: sample.maybe(|sample| sample.map(tag)),
    }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let telemetry = telemetry(sample);
        let encoded = encode(&telemetry);
        assert_eq!(*encoded.name, format!("{}/{}", telemetry.namespace, telemetry.name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(telemetry));
    });
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::Telemetry {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        ..ripstop::Telemetry::default()
    };
    let traced = |tracing| ripstop::Telemetry { tracing: vec![tracing], ..good() };
    let tags = [("t".to_owned(), ripstop::TagSource::default())].into();
    let overridden = ripstop::MetricOverride { side: 3, ..ripstop::MetricOverride::default() };
    for (field, message) in [
        ("field id", ripstop::Telemetry { id: String::new(), ..good() }),
        ("field tracing[0].side", traced(ripstop::TracingSettings { side: 3, ..Default::default() })),
        (
            "field tracing[0].sampling",
            traced(ripstop::TracingSettings { sampling: Some(1_000_001), ..Default::default() }),
        ),
        (
            "field tracing[0].tags[\"t\"]: it is missing",
            traced(ripstop::TracingSettings { tags: Some(ripstop::TracingTags { tags }), ..Default::default() }),
        ),
        (
            "field metrics[0].overrides[0].side",
            ripstop::Telemetry {
                metrics: vec![ripstop::MetricsSettings { overrides: vec![overridden], ..Default::default() }],
                ..good()
            },
        ),
        (
            "field access_logs[0].side",
            ripstop::Telemetry {
                access_logs: vec![ripstop::AccessLogSettings { side: -1, ..Default::default() }],
                ..good()
            },
        ),
        ("content is that of \"other/name\"", ripstop::Telemetry { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
}
