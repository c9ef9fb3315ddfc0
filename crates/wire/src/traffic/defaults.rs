//! What holds for traffic where no object says otherwise: one resource, [`NAME`].

use std::sync::Arc;

use bytes::Bytes;
use ripstop_model::{
    AccessLogFormat, DefaultProviders, InboundPolicy, LogEncoding, PathNormalization, ProxyDefaults, ProxyHeader,
    ProxyHeaders, RetryPolicy, Topology, TraceHeaders, TrafficDefaults,
};

use super::{
    backend::{
        keepalive_from_wire, keepalive_to_wire, locality_from_wire, locality_to_wire, outlier_from_wire,
        outlier_to_wire, pool_from_wire, pool_to_wire, tls_from_wire, tls_to_wire,
    },
    connections::{connections_from_wire, connections_to_wire},
    route::{retry_from_wire, retry_to_wire},
    topology::{topology_from_wire, topology_to_wire},
    value::{duration_to_wire, maybe_duration, outbound_from_wire, outbound_to_wire, set_duration},
};
use crate::{
    DecodeError, Encoded,
    field::{Context, shared, texts},
    place::Place,
    ripstop::{
        self,
        traffic_defaults::{Normalization, TraceHeaders as WireHeaders},
    },
    type_url,
};

/// Name of the only resource.
const NAME: &str = "default";

pub(super) fn encode(defaults: &TrafficDefaults) -> Encoded {
    let normalization = match defaults.normalization {
        PathNormalization::None => Normalization::None,
        PathNormalization::Base => Normalization::Base,
        PathNormalization::MergeSlashes => Normalization::MergeSlashes,
        PathNormalization::DecodeAndMergeSlashes => Normalization::DecodeAndMergeSlashes,
    };
    let headers = |headers: TraceHeaders| match headers {
        TraceHeaders::W3c => WireHeaders::W3c,
        TraceHeaders::B3 => WireHeaders::B3,
        TraceHeaders::B3AndW3c => WireHeaders::B3AndW3c,
    };
    let message = ripstop::TrafficDefaults {
        outbound: outbound_to_wire(defaults.outbound).into(),
        retries: Some(retry_to_wire(&defaults.retries)),
        inbound_retries: Some(retry_to_wire(&defaults.inbound_retries)),
        outbound_tls: defaults.outbound_tls.as_deref().map(tls_to_wire),
        connect_timeout: Some(duration_to_wire(defaults.connect_timeout)),
        pool: defaults.pool.as_deref().map(pool_to_wire),
        outlier: defaults.outlier.as_deref().map(outlier_to_wire),
        locality: Some(locality_to_wire(&defaults.locality)),
        auto_mtls: defaults.auto_mtls,
        h2_upgrade: defaults.h2_upgrade,
        normalization: normalization.into(),
        detection_timeout: defaults.detection_timeout.map(duration_to_wire),
        localhost: defaults.inbound == InboundPolicy::Localhost,
        tunnel_idle: defaults.tunnel_idle.map(duration_to_wire),
        keepalive: defaults.keepalive.map(keepalive_to_wire),
        name_refresh: defaults.name_refresh.map(duration_to_wire),
        tracing_providers: texts(&defaults.default_providers.tracing),
        metrics_providers: texts(&defaults.default_providers.metrics),
        access_log_providers: texts(&defaults.default_providers.access_logging),
        access_log_json: defaults.access_log.encoding == LogEncoding::Json,
        access_log_format: defaults.access_log.format.as_deref().unwrap_or_default().to_owned(),
        tracers: defaults.tracers.iter().map(|(name, known)| (name.to_string(), headers(*known).into())).collect(),
        topology: Some(topology_to_wire(defaults.topology))
            .filter(|topology| *topology != ripstop::Topology::default()),
        concurrency: defaults.proxies.concurrency,
        drain: defaults.proxies.drain.map(duration_to_wire),
        farewell: defaults.proxies.farewell.map(duration_to_wire),
        headers: Some(&defaults.proxies.headers)
            .filter(|headers| **headers != ProxyHeaders::default())
            .map(headers_to_wire),
        connections: connections_to_wire(&defaults.proxies.connections),
    };
    Encoded::new(type_url::TRAFFIC_DEFAULTS, NAME, &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<TrafficDefaults, DecodeError> {
    let context = Context::new(type_url::TRAFFIC_DEFAULTS, name);
    context.named(NAME)?;
    let message: ripstop::TrafficDefaults = context.whole(body)?;
    let place = Place::new(context);
    let (retries, locality) = (place.field("retries"), place.field("locality"));
    let inbound = |retries| retry_from_wire(&place.field("inbound_retries"), retries);
    let tls = |tls| tls_from_wire(&place.field("outbound_tls"), tls).map(Arc::new);
    let pool = |pool| pool_from_wire(&place.field("pool"), pool).map(Arc::new);
    let keepalive = |keepalive| keepalive_from_wire(&place.field("keepalive"), keepalive);
    let outlier = |outlier| outlier_from_wire(&place.field("outlier"), outlier).map(Arc::new);
    Ok(TrafficDefaults {
        outbound: outbound_from_wire(&place.field("outbound"), message.outbound)?,
        retries: retry_from_wire(&retries, retries.set(message.retries)?)?,
        // State on disk may be of a release that did not know them.
        inbound_retries: message.inbound_retries.map(inbound).transpose()?.unwrap_or_else(RetryPolicy::inbound),
        outbound_tls: message.outbound_tls.map(tls).transpose()?,
        connect_timeout: set_duration(&place.field("connect_timeout"), message.connect_timeout)?,
        pool: message.pool.map(pool).transpose()?,
        outlier: message.outlier.map(outlier).transpose()?,
        locality: locality_from_wire(locality.set(message.locality)?),
        auto_mtls: message.auto_mtls,
        h2_upgrade: message.h2_upgrade,
        normalization: match place.field("normalization").enumerated(message.normalization)? {
            Normalization::None => PathNormalization::None,
            Normalization::Base => PathNormalization::Base,
            Normalization::MergeSlashes => PathNormalization::MergeSlashes,
            Normalization::DecodeAndMergeSlashes => PathNormalization::DecodeAndMergeSlashes,
        },
        detection_timeout: maybe_duration(&place.field("detection_timeout"), message.detection_timeout)?,
        inbound: if message.localhost { InboundPolicy::Localhost } else { InboundPolicy::Passthrough },
        tunnel_idle: maybe_duration(&place.field("tunnel_idle"), message.tunnel_idle)?,
        keepalive: message.keepalive.map(keepalive).transpose()?,
        name_refresh: maybe_duration(&place.field("name_refresh"), message.name_refresh)?,
        default_providers: DefaultProviders {
            tracing: shared(message.tracing_providers),
            metrics: shared(message.metrics_providers),
            access_logging: shared(message.access_log_providers),
        },
        access_log: AccessLogFormat {
            encoding: if message.access_log_json { LogEncoding::Json } else { LogEncoding::Text },
            format: Some(message.access_log_format).filter(|format| !format.is_empty()).map(Into::into),
        },
        tracers: message
            .tracers
            .into_iter()
            .map(|(name, headers)| {
                let headers = match place.field("tracers").enumerated(headers)? {
                    WireHeaders::W3c => TraceHeaders::W3c,
                    WireHeaders::B3 => TraceHeaders::B3,
                    WireHeaders::B3AndW3c => TraceHeaders::B3AndW3c,
                };
                Ok((name.into(), headers))
            })
            .collect::<Result<_, _>>()?,
        topology: message
            .topology
            .as_ref()
            .map_or(Ok(Topology::default()), |topology| topology_from_wire(&place.field("topology"), topology))?,
        proxies: Arc::new(ProxyDefaults {
            concurrency: message.concurrency,
            drain: maybe_duration(&place.field("drain"), message.drain)?,
            farewell: maybe_duration(&place.field("farewell"), message.farewell)?,
            headers: message.headers.map_or_else(ProxyHeaders::default, headers_from_wire),
            connections: connections_from_wire(&place.field("connections"), message.connections)?,
        }),
    })
}

pub(super) fn headers_to_wire(headers: &ProxyHeaders) -> ripstop::ProxyHeaders {
    ripstop::ProxyHeaders {
        server: headers.server.as_deref().map(str::to_owned),
        request_id: headers.writes(ProxyHeader::RequestId),
        attempt_count: headers.writes(ProxyHeader::AttemptCount),
        explanations: headers.writes(ProxyHeader::Explanations),
        forwarded_host: headers.writes(ProxyHeader::ForwardedHost),
        forwarded_port: headers.writes(ProxyHeader::ForwardedPort),
    }
}

pub(super) fn headers_from_wire(message: ripstop::ProxyHeaders) -> ProxyHeaders {
    let written = [
        (message.request_id, ProxyHeader::RequestId),
        (message.attempt_count, ProxyHeader::AttemptCount),
        (message.explanations, ProxyHeader::Explanations),
        (message.forwarded_host, ProxyHeader::ForwardedHost),
        (message.forwarded_port, ProxyHeader::ForwardedPort),
    ];
    let written = written.into_iter().filter_map(|(is_written, header)| is_written.then_some(header));
    ProxyHeaders { server: message.server.map(Into::into), written: written.collect() }
}

#[cfg(test)]
pub(super) mod tests;
