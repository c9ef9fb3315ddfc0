//! Whether a workload is ready.

use crate::{
    decode::{Decoder, Field, last, quoted},
    finding::code,
    schema::{Decode, Shape, message},
};

message! {
    /// `probe` of a `WorkloadGroup`. Exactly one of the four actions is given.
    ReadinessProbe {
        /// Seconds before the first probe; nothing: 0.
        initial_delay_seconds: Option<u32> = "initialDelaySeconds";
        /// Seconds that a probe may take; 0 or nothing: 1.
        timeout_seconds: Option<u32> = "timeoutSeconds";
        /// Seconds between probes; 0 or nothing: 10.
        period_seconds: Option<u32> = "periodSeconds";
        /// Successes in a row that make it ready; 0 or nothing: 1.
        success_threshold: Option<u32> = "successThreshold";
        /// Failures in a row that make it not ready; 0 or nothing: 3.
        failure_threshold: Option<u32> = "failureThreshold";
        /// An HTTP request that must be answered with 200 to 399.
        http_get: Option<HttpHealthCheck> = "httpGet";
        /// A connection that must be accepted.
        tcp_socket: Option<TcpHealthCheck> = "tcpSocket";
        /// A command that must end with 0.
        exec: Option<ExecHealthCheck> = "exec";
        /// A call of `grpc.health.v1.Health` that must be answered with `SERVING`.
        grpc: Option<GrpcHealthCheck> = "grpc";
    }
    check check_probe
}

message! {
    /// `httpGet`.
    HttpHealthCheck {
        /// Path; empty: `/`.
        path: String = "path";
        /// Port.
        port: Option<u16> = "port" => required();
        /// Host to connect to; empty: the workload itself.
        host: String = "host";
        /// Plaintext or TLS.
        scheme: ProbeScheme = "scheme";
        /// Headers of the request; one may be there several times.
        http_headers: Vec<HttpHeader> = "httpHeaders";
    }
    check check_http
}

message! {
    /// One of `httpHeaders`.
    HttpHeader {
        /// Name.
        name: String = "name" => required();
        /// Value.
        value: String = "value";
    }
    check check_header
}

message! {
    /// `tcpSocket`.
    TcpHealthCheck {
        /// Host; empty: the workload itself.
        host: String = "host";
        /// Port.
        port: Option<u16> = "port" => required();
    }
    check check_tcp
}

message! {
    /// `exec`.
    ExecHealthCheck {
        /// Executable and arguments.
        command: Vec<String> = "command" => required();
    }
    check check_exec
}

message! {
    /// `grpc`.
    GrpcHealthCheck {
        /// Port.
        port: Option<u16> = "port" => required();
        /// Service that is asked for; empty: the server as a whole.
        service: String = "service";
    }
}

/// `scheme` of `httpGet`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeScheme {
    /// Plaintext.
    #[default]
    Http,
    /// TLS; certificates are not verified.
    Https,
}

// === impl ProbeScheme ===

impl Decode for ProbeScheme {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        match decoder.text(field)? {
            "" | "HTTP" => Some(Self::Http),
            "HTTPS" => Some(Self::Https),
            text => {
                decoder.bad_enum(field, text, ["HTTP", "HTTPS"].into_iter());
                None
            }
        }
    }
}

fn check_probe(_: &ReadinessProbe, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    const ACTIONS: [&str; 4] = ["httpGet", "tcpSocket", "exec", "grpc"];
    if decoder.at_most_one(field, &ACTIONS).is_empty() {
        let message = format!("`{}` has no action", last(&field.path));
        decoder.report(code::MISSING, field, message, "write `httpGet`, `tcpSocket`, `exec` or `grpc`");
    }
}

/// Who is probed stands at an address: names lead elsewhere.
fn check_host(text: &str, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if text.is_empty() || text == "localhost" || bare.parse::<std::net::IpAddr>().is_ok() {
        return;
    }
    let hint = "write an address, `localhost`, or nothing for the workload's own address; a request names another host by \
                a header `Host`";
    decoder.report(code::BAD_HOST, &field.at("host"), format!("{} is no address", quoted(text)), hint);
}

fn check_tcp(socket: &TcpHealthCheck, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_host(&socket.host, decoder, field);
}

fn check_http(http: &HttpHealthCheck, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_host(&http.host, decoder, field);
    if let Some(c) = http.path.chars().find(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
        let message = format!("`{}` is not allowed in a path", c.escape_debug());
        decoder.report(code::BAD_VALUE, &field.at("path"), message, "write it as `%XX`");
    }
}

fn check_header(header: &HttpHeader, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if let Some(name) = field.child("name").filter(|name| name.node.text().is_some()) {
        decoder.name(&name, "the name of a header", |text| match text.chars().find(|c| !allowed(*c)) {
            _ if text.is_empty() => Err("it is empty".into()),
            Some(c) => Err(format!("`{}` is not allowed, only letters, digits, `-` and `_`", c.escape_debug())),
            None => Ok(()),
        });
    }
    if let Some(c) = header.value.chars().find(|c| c.is_control() && *c != '\t') {
        let message = format!("`{}` is not allowed in the value of {}", c.escape_debug(), quoted(&header.name));
        decoder.report(code::BAD_VALUE, &field.at("value"), message, "");
    }
}

fn check_exec(_: &ExecHealthCheck, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let Some(command) = field.child("command") else { return };
    if command.is_empty_list() {
        let hint = "its first item is the executable";
        decoder.report(code::MISSING, &command, "`command` is empty", hint);
    }
    for item in command.each().iter().filter(|item| item.node.text() == Some("")) {
        decoder.report(code::MISSING, item, "a part of `command` is empty", "remove it");
    }
}
