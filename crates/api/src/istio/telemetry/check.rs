//! What Istio refuses in a `Telemetry`.

use std::time::Duration;

use super::{
    CustomTag, LiteralTag, MetricSelector, MetricsOverride, NamedTag, ProviderRef, TagOperation, TagOverride,
    Telemetry, TelemetryMetrics, TelemetryTracing,
};
use crate::{
    decode::{Decoder, Field, last},
    finding::code,
    istio::selector::check_attachment,
};

pub(super) fn telemetry(telemetry: &Telemetry, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_attachment(decoder, field, telemetry.target_refs.len());
}

pub(super) fn tracing(tracing: &TelemetryTracing, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(share) = tracing.random_sampling_percentage
        && !(0.0..=100.0).contains(&share)
    {
        let message = format!("{share} is out of range, 0 to 100 is allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at("randomSamplingPercentage"), message, "it is a share in per cent");
    }
    for provider in field.child("providers").map(|list| list.each()).unwrap_or_default().iter().skip(1) {
        decoder.not_acted_on(provider, "spans are sent to the first provider only");
    }
    empty_keys(decoder, field, "customTags", "a tag");
}

pub(super) fn metrics(metrics: &TelemetryMetrics, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_least(&field.at("reportingInterval"), metrics.reporting_interval, Duration::from_millis(1));
}

pub(super) fn overriding(_: &MetricsOverride, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    empty_keys(decoder, field, "tagOverrides", "a tag");
}

pub(super) fn metric(_: &MetricSelector, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_most_one(field, &["metric", "customMetric"]);
    not_empty(decoder, field, "customMetric");
}

pub(super) fn tag_override(tag: &TagOverride, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let value = field.child("value");
    match tag.operation {
        TagOperation::Upsert if value.is_none() => {
            let hint = "write a CEL expression, or `operation: REMOVE`";
            decoder.report(code::MISSING, field, "`value` is missing", hint);
        }
        TagOperation::Upsert => not_empty(decoder, field, "value"),
        TagOperation::Remove => {
            let given = value.filter(|value| value.node.text() != Some(""));
            if let Some(value) = given {
                let message = "`REMOVE` takes no `value`";
                decoder.report(code::CONFLICT, &value, message, "remove it, or write `operation: UPSERT`");
            }
        }
    }
}

pub(super) fn custom_tag(_: &CustomTag, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_most_one(field, &["literal", "environment", "header", "formatter"]);
}

pub(super) fn literal(_: &LiteralTag, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    not_empty(decoder, field, "value");
}

pub(super) fn named(_: &NamedTag, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    not_empty(decoder, field, "name");
}

pub(super) fn provider(_: &ProviderRef, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    not_empty(decoder, field, "name");
}

fn not_empty(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str) {
    if let Some(value) = field.child(name)
        && value.node.text() == Some("")
    {
        decoder.report(code::MISSING, &value, format!("`{}` is empty", last(&value.path)), "");
    }
}

fn empty_keys(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, what: &str) {
    let Some(map) = field.child(name) else { return };
    let entries = map.node.mapping().map(|mapping| mapping.entries.as_slice()).unwrap_or_default();
    for entry in entries.iter().filter(|entry| entry.key.text.is_empty()) {
        decoder.report_at(code::BAD_NAME, &map.path, entry.key.mark, format!("the name of {what} is empty"), "");
    }
}
