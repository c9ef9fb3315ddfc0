//! Formats of access logs: Istio's own, and those that users write with Envoy's command operators
//! (istio.md 3.4).
//!
//! A format is parsed once; writing a line appends to a buffer and does nothing else. What comes from
//! outside cannot break a line or a quoted field: quotes, backslashes and control characters are
//! escaped, in text as `\xNN`. Credentials are never written: headers that carry them are replaced by
//! `[redacted]`, and so are access tokens in queries.

mod clock;
mod grpc_status;
mod json;
mod operator;
mod sink;
mod template;
mod value;

use std::fmt;

use json::Node;
use sink::{Sink, Style};
use template::Template;

use crate::{error::Error, exchange::Exchange};

/// Istio's default format.
const TEXT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
    \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
    %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% \
    %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// Istio's default format of JSON logs.
const JSON: &str = r#"{
    "authority": "%REQ(:AUTHORITY)%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "duration": "%DURATION%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "response_code": "%RESPONSE_CODE%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "response_flags": "%RESPONSE_FLAGS%",
    "route_name": "%ROUTE_NAME%",
    "start_time": "%START_TIME%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "user_agent": "%REQ(USER-AGENT)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%"
}"#;

/// A compiled format.
#[derive(Clone, Debug)]
pub struct LogFormat {
    shape: Shape,
    missing: Missing,
}

/// What is written for a value that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// `-`, in JSON `null`.
    #[default]
    Shown,
    /// Nothing; in JSON the key is left out (Istio's `omitEmptyValues`).
    Omitted,
}

/// What a format knows of the process that writes: asked once, when it is parsed.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Name of the machine.
    pub hostname: &'a str,
    /// Environment variables.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

#[derive(Clone, Debug)]
enum Shape {
    Text(Template),
    Json(Node),
}

// === impl LogFormat ===

impl LogFormat {
    /// Istio's default text format.
    pub fn istio_text() -> Self {
        Self { shape: builtin(template::parse(TEXT, &Surroundings::NONE).map(Shape::Text)), missing: Missing::Shown }
    }

    /// Istio's default JSON format. Keys are sorted.
    pub fn istio_json() -> Self {
        Self { shape: builtin(json::parse(JSON, &Surroundings::NONE).map(Shape::Json)), missing: Missing::Shown }
    }

    /// A text format. A line that does not end gets its end.
    pub fn text(text: &str, missing: Missing, surroundings: &Surroundings<'_>) -> Result<Self, Error> {
        let mut template = template::parse(text, surroundings)?;
        if !text.ends_with('\n') {
            template.push_literal("\n");
        }
        Ok(Self { shape: Shape::Text(template), missing })
    }

    /// A JSON format: an object whose values are texts with operators, numbers, lists or objects. A text
    /// that is nothing but one operator becomes a number if the operator gives one. Keys are sorted.
    pub fn json(json: &str, missing: Missing, surroundings: &Surroundings<'_>) -> Result<Self, Error> {
        Ok(Self { shape: Shape::Json(json::parse(json, surroundings)?), missing })
    }

    /// Appends the line of `exchange`, with its end.
    pub fn write(&self, exchange: &Exchange<'_>, out: &mut String) {
        match &self.shape {
            Shape::Text(template) => template.write(exchange, self.missing, &mut Sink::new(out, Style::Text)),
            Shape::Json(node) => {
                node.write(exchange, self.missing, out);
                out.push('\n');
            }
        }
    }

    /// Headers that the format names and that are only ever written as `[redacted]`, as they carry
    /// credentials.
    pub fn redacted(&self) -> Vec<&str> {
        let mut found = Vec::new();
        match &self.shape {
            Shape::Text(template) => template.redacted(&mut found),
            Shape::Json(node) => node.redacted(&mut found),
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn builtin(parsed: Result<Shape, Error>) -> Shape {
    parsed.expect("the built-in formats are valid: a test parses them")
}

// === impl Surroundings ===

impl Surroundings<'_> {
    /// A machine without a name and an empty environment.
    pub const NONE: Surroundings<'static> = Surroundings { hostname: "", variable: &|_| None };
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("hostname", &self.hostname).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
