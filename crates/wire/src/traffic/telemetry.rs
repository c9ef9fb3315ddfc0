//! What is measured and logged, named `<namespace>/<name>`.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use ripstop_model::{
    AccessLogSettings, MetricOverride, MetricsSettings, RuleId, Side, TagSource, Telemetry, TracingSettings,
};

use super::{
    slashed,
    value::{pair_from_wire, share_from_wire, text_from_wire, text_to_wire},
};
use crate::{
    DecodeError, Encoded,
    field::{Context, shared, texts},
    place::Place,
    ripstop::{self, CallSide, tag_source::Kind},
    target::Target,
    type_url,
};

pub(super) fn encode(telemetry: &Telemetry) -> Encoded {
    let Target { selector, attached, targets } = Target::of(&telemetry.target);
    let message = ripstop::Telemetry {
        id: telemetry.id.to_string(),
        namespace: telemetry.namespace.to_string(),
        name: telemetry.name.to_string(),
        selector,
        attached,
        targets,
        tracing: telemetry.tracing.iter().map(tracing_to_wire).collect(),
        metrics: telemetry.metrics.iter().map(metrics_to_wire).collect(),
        access_logs: telemetry.access_logs.iter().map(log_to_wire).collect(),
        created: telemetry.created,
    };
    Encoded::new(type_url::TELEMETRY, slashed(&telemetry.namespace, &telemetry.name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<Telemetry, DecodeError> {
    let context = Context::new(type_url::TELEMETRY, name);
    let message: ripstop::Telemetry = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    let place = Place::new(context);
    let target = Target { selector: message.selector, attached: message.attached, targets: message.targets };
    Ok(Telemetry {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        target: target.into_model(&place)?,
        tracing: place.field("tracing").all(message.tracing, tracing_from_wire)?,
        metrics: place.field("metrics").all(message.metrics, metrics_from_wire)?,
        access_logs: place.field("access_logs").all(message.access_logs, log_from_wire)?,
        created: message.created,
    })
}

fn side_to_wire(side: Side) -> i32 {
    match side {
        Side::Both => CallSide::Both,
        Side::Client => CallSide::Client,
        Side::Server => CallSide::Server,
    }
    .into()
}

/// The field `side` of a message.
fn side_from_wire(message: &Place<'_>, side: i32) -> Result<Side, DecodeError> {
    Ok(match message.field("side").enumerated(side)? {
        CallSide::Both => Side::Both,
        CallSide::Client => Side::Client,
        CallSide::Server => Side::Server,
    })
}

fn tracing_to_wire(tracing: &TracingSettings) -> ripstop::TracingSettings {
    let tags = |tags: &BTreeMap<Arc<str>, TagSource>| ripstop::TracingTags {
        tags: tags.iter().map(|(name, source)| (name.to_string(), tag_to_wire(source))).collect(),
    };
    ripstop::TracingSettings {
        side: side_to_wire(tracing.side),
        providers: texts(&tracing.providers),
        sampling: tracing.sampling.map(ripstop_model::Share::millionths),
        disabled: tracing.disabled,
        tags: tracing.tags.as_ref().map(tags),
    }
}

fn tracing_from_wire(place: &Place<'_>, tracing: ripstop::TracingSettings) -> Result<TracingSettings, DecodeError> {
    let tags = |tags: ripstop::TracingTags| {
        let place = place.field("tags");
        place.each(tags.tags, |place, name, source| Ok((Arc::from(name.as_str()), tag_from_wire(place, source)?)))
    };
    let sampling = |millionths| share_from_wire(&place.field("sampling"), millionths);
    Ok(TracingSettings {
        side: side_from_wire(place, tracing.side)?,
        providers: shared(tracing.providers),
        sampling: tracing.sampling.map(sampling).transpose()?,
        disabled: tracing.disabled,
        tags: tracing.tags.map(tags).transpose()?,
    })
}

fn tag_to_wire(source: &TagSource) -> ripstop::TagSource {
    let pair =
        |name: &Arc<str>, default: &Arc<str>| ripstop::Pair { name: name.to_string(), value: default.to_string() };
    let kind = match source {
        TagSource::Literal(text) => Kind::Literal(text.to_string()),
        TagSource::Environment(name, default) => Kind::Environment(pair(name, default)),
        TagSource::Header(name, default) => Kind::Header(pair(name, default)),
        TagSource::Formatter(format) => Kind::Formatter(format.to_string()),
    };
    ripstop::TagSource { kind: Some(kind) }
}

fn tag_from_wire(place: &Place<'_>, source: ripstop::TagSource) -> Result<TagSource, DecodeError> {
    Ok(match place.set(source.kind)? {
        Kind::Literal(text) => TagSource::Literal(text.into()),
        Kind::Environment(pair) => {
            let (name, default) = pair_from_wire(pair);
            TagSource::Environment(name, default)
        }
        Kind::Header(pair) => {
            let (name, default) = pair_from_wire(pair);
            TagSource::Header(name, default)
        }
        Kind::Formatter(format) => TagSource::Formatter(format.into()),
    })
}

fn metrics_to_wire(metrics: &MetricsSettings) -> ripstop::MetricsSettings {
    ripstop::MetricsSettings {
        providers: texts(&metrics.providers),
        overrides: metrics.overrides.iter().map(override_to_wire).collect(),
    }
}

fn metrics_from_wire(place: &Place<'_>, metrics: ripstop::MetricsSettings) -> Result<MetricsSettings, DecodeError> {
    Ok(MetricsSettings {
        providers: shared(metrics.providers),
        overrides: place.field("overrides").all(metrics.overrides, override_from_wire)?,
    })
}

fn override_to_wire(written: &MetricOverride) -> ripstop::MetricOverride {
    let tags = written.tags.iter().map(|(tag, expression)| {
        (tag.to_string(), ripstop::MetricTag { expression: text_to_wire(expression.as_ref()) })
    });
    ripstop::MetricOverride {
        metric: text_to_wire(written.metric.as_ref()),
        side: side_to_wire(written.side),
        disabled: written.disabled,
        tags: tags.collect(),
    }
}

fn override_from_wire(place: &Place<'_>, written: ripstop::MetricOverride) -> Result<MetricOverride, DecodeError> {
    let tags = written.tags.into_iter().map(|(tag, value)| (Arc::from(tag), text_from_wire(value.expression)));
    Ok(MetricOverride {
        metric: text_from_wire(written.metric),
        side: side_from_wire(place, written.side)?,
        disabled: written.disabled,
        tags: tags.collect(),
    })
}

fn log_to_wire(log: &AccessLogSettings) -> ripstop::AccessLogSettings {
    ripstop::AccessLogSettings {
        side: side_to_wire(log.side),
        providers: texts(&log.providers),
        disabled: log.disabled,
        filter: text_to_wire(log.filter.as_ref()),
    }
}

fn log_from_wire(place: &Place<'_>, log: ripstop::AccessLogSettings) -> Result<AccessLogSettings, DecodeError> {
    Ok(AccessLogSettings {
        side: side_from_wire(place, log.side)?,
        providers: shared(log.providers),
        disabled: log.disabled,
        filter: text_from_wire(log.filter),
    })
}

#[cfg(test)]
pub(super) mod tests;
