//! Access logs.

use std::collections::BTreeMap;

use super::check;
use crate::{
    decode::{Decoder, Field},
    istio::FreeForm,
    schema::message,
};

message! {
    /// `envoyFileAccessLog`.
    FileAccessLog {
        /// File; empty: `/dev/stdout`.
        path: String = "path";
        /// What is written; nothing: the default line.
        log_format: Option<FileLogFormat> = "logFormat";
        /// Leaves out what has no value.
        omit_empty_values: bool = "omitEmptyValues";
    }
}

message! {
    /// `logFormat` of a file: one of `text` and `labels`.
    FileLogFormat {
        /// A line with command operators (`%RESPONSE_CODE%`).
        text: Option<String> = "text";
        /// JSON with command operators as values; empty: the default.
        labels: Option<BTreeMap<String, FreeForm>> = "labels";
    }
    check check_format
}

message! {
    /// `envoyHttpAls`.
    HttpAccessLog {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// Name of the log.
        log_name: String = "logName";
        /// Further state.
        filter_state_objects_to_log: Vec<String> = "filterStateObjectsToLog";
        /// Further request headers.
        additional_request_headers_to_log: Vec<String> = "additionalRequestHeadersToLog";
        /// Further response headers.
        additional_response_headers_to_log: Vec<String> = "additionalResponseHeadersToLog";
        /// Further response trailers.
        additional_response_trailers_to_log: Vec<String> = "additionalResponseTrailersToLog";
    }
    check check::service
}

message! {
    /// `envoyTcpAls`.
    TcpAccessLog {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// Name of the log.
        log_name: String = "logName";
        /// Further state.
        filter_state_objects_to_log: Vec<String> = "filterStateObjectsToLog";
    }
    check check::service
}

message! {
    /// `envoyOtelAls`.
    OtelAccessLog {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// Name of the log; empty: `otel_envoy_accesslog`.
        log_name: String = "logName";
        /// What is sent; nothing: the default.
        log_format: Option<OtelLogFormat> = "logFormat";
    }
    check check::service
}

message! {
    /// `logFormat` of OpenTelemetry.
    OtelLogFormat {
        /// Body, with command operators.
        text: String = "text";
        /// Attributes, with command operators as values.
        labels: BTreeMap<String, FreeForm> = "labels";
    }
}

fn check_format(_: &FileLogFormat, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    decoder.at_most_one(field, &["text", "labels"]);
}
