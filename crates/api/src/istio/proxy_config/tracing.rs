//! `tracing` of the mesh's `defaultConfig`.

use std::collections::BTreeMap;

use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::{ClientTls, CustomTag, Hidden, OpenCensusContext},
    schema::message,
};

message! {
    /// `tracing`: at most one tracer.
    ProxyTracing {
        /// Tracer.
        zipkin: Option<TracerAddress> = "zipkin";
        /// Tracer.
        lightstep: Option<LightstepAddress> = "lightstep" => without_effect("name a provider in a Telemetry instead");
        /// Tracer.
        datadog: Option<TracerAddress> = "datadog";
        /// Tracer.
        stackdriver: Option<StackdriverTracing> = "stackdriver" => without_effect("name a provider in a Telemetry instead");
        /// Tracer.
        open_census_agent: Option<OpenCensusAgent> = "openCensusAgent" => without_effect("name a provider in a Telemetry instead");
        /// Further tags of spans.
        custom_tags: BTreeMap<String, CustomTag> = "customTags";
        /// Longest path in a span; nothing: 256.
        max_path_tag_length: Option<u32> = "maxPathTagLength";
        /// Share of requests, in per cent; nothing: 1.
        sampling: Option<f64> = "sampling";
        /// TLS to the tracer.
        tls_settings: Option<ClientTls> = "tlsSettings";
        /// Istio's own tags; nothing: yes.
        enable_istio_tags: Option<bool> = "enableIstioTags";
    }
    check check_tracing
}

message! {
    /// `zipkin` or `datadog`.
    TracerAddress {
        /// `host:port`; `$(HOST_IP)` stands for the node's address.
        address: String = "address" => required();
    }
    check check_address
}

message! {
    /// `lightstep`.
    LightstepAddress {
        /// `host:port`.
        address: String = "address" => required();
        /// Token.
        access_token: Hidden = "accessToken" => required();
    }
    check check_address
}

message! {
    /// `stackdriver`.
    StackdriverTracing {
        /// Prints spans too.
        debug: bool = "debug";
        /// Of a span.
        max_number_of_attributes: Option<u64> = "maxNumberOfAttributes";
        /// Of a span.
        max_number_of_annotations: Option<u64> = "maxNumberOfAnnotations";
        /// Of a span.
        max_number_of_message_events: Option<u64> = "maxNumberOfMessageEvents";
    }
}

message! {
    /// `openCensusAgent`.
    OpenCensusAgent {
        /// gRPC address.
        address: String = "address";
        /// Headers that carry the context.
        context: Vec<OpenCensusContext> = "context";
    }
}

fn check_tracing(_: &ProxyTracing, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_most_one(field, &["zipkin", "lightstep", "datadog", "stackdriver", "openCensusAgent"]);
}

fn check_address<T>(_: &T, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(address) = field.child("address") else { return };
    let Some(text) = address.node.text() else { return };
    let valid = text.rsplit_once(':').is_some_and(|(host, port)| {
        let port = port.parse::<u16>().is_ok_and(|port| port > 0);
        port && !host.is_empty() && !host.contains(['/', ' '])
    });
    if !valid {
        let message = format!("{} is not `host:port`", quoted(text));
        decoder.report(code::BAD_ADDRESS, &address, message, "for example `zipkin.tools.svc.cluster.local:9411`");
    }
}
