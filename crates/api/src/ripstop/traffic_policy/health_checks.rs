//! `healthChecks` of a `TrafficPolicy`.

use std::time::Duration;

use super::check::within;
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::values,
    schema::message,
};

/// Whoever asks more often than that asks for load.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Checks in a row.
const MOST_IN_A_ROW: u32 = 100;
/// Statuses that are as good as well.
const MOST_STATUSES: usize = 32;
/// Bytes of a text that is sent or awaited.
const LONGEST_TEXT: usize = 1024;

message! {
    /// `healthChecks`: exactly one of `http`, `grpc` and `tcp`.
    HealthChecks {
        /// By a request.
        http: Option<HttpCheck> = "http";
        /// By a call of `grpc.health.v1.Health/Check`.
        grpc: Option<GrpcCheck> = "grpc";
        /// By a connection.
        tcp: Option<TcpCheck> = "tcp";
        /// From one to the next; nothing: 10 s.
        interval: Option<Duration> = "interval";
        /// Until it has failed, connecting included; nothing: 1 s.
        timeout: Option<Duration> = "timeout";
        /// So many in a row that pass bring an endpoint back; nothing: 2.
        healthy_threshold: Option<u32> = "healthyThreshold";
        /// So many in a row that fail take it out; nothing: 3.
        unhealthy_threshold: Option<u32> = "unhealthyThreshold";
        /// By how much more an interval is longer at most, by chance; nothing: a tenth of it.
        jitter: Option<Duration> = "jitter";
    }
    check checks
}

message! {
    /// `http`.
    HttpCheck {
        /// Path, with query.
        path: String = "path" => required();
        /// Authority; nothing: the host that is called.
        host: String = "host";
        /// Method; nothing: GET.
        method: String = "method";
        /// Statuses that pass; nothing: 200 to 299.
        expected_statuses: Vec<u32> = "expectedStatuses";
    }
    check http
}

message! {
    /// `grpc`.
    GrpcCheck {
        /// Service that is asked about; nothing: the whole server.
        service: String = "service";
    }
    check grpc
}

message! {
    /// `tcp`.
    TcpCheck {
        /// What is sent once the connection is there; nothing: nothing.
        send: String = "send";
        /// What the answer must begin with; nothing: the connection is enough.
        receive: String = "receive";
    }
    check tcp
}

fn checks(checks: &HealthChecks, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let given = decoder.at_most_one(field, &["http", "grpc", "tcp"]);
    if given.is_empty() {
        let hint = "write `http: {path: /healthz}`, `grpc: {}` or `tcp: {}`";
        decoder.report(code::MISSING, field, "`healthChecks` does not say how it is checked", hint);
    }
    within(decoder, field, "interval", checks.interval, SHORTEST_INTERVAL, LONGEST_INTERVAL);
    within(decoder, field, "timeout", checks.timeout, SHORTEST_TIMEOUT, LONGEST_TIMEOUT);
    within(decoder, field, "jitter", checks.jitter, Duration::ZERO, LONGEST_INTERVAL);
    for (name, number) in
        [("healthyThreshold", checks.healthy_threshold), ("unhealthyThreshold", checks.unhealthy_threshold)]
    {
        if let Some(number) = number.filter(|number| !(1..=MOST_IN_A_ROW).contains(number)) {
            let message = format!("{number} is out of range, 1 to {MOST_IN_A_ROW} is allowed");
            decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "");
        }
    }
}

fn http(http: &HttpCheck, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    values::check_filled(decoder, field, &["path", "host", "method"]);
    visible(decoder, field, "path", &http.path);
    visible(decoder, field, "host", &http.host);
    if !http.path.is_empty() && !http.path.starts_with('/') {
        let message = format!("{} is no path", quoted(&http.path));
        decoder.report(code::BAD_NAME, &field.at("path"), message, "paths begin with `/`");
    }
    if !http.method.is_empty() {
        if let Err(why) = values::header_name(&http.method) {
            let message = format!("{} is not a method: {why}", quoted(&http.method));
            decoder.report(code::BAD_NAME, &field.at("method"), message, "");
        } else if http.method == "CONNECT" {
            decoder.report(code::BAD_ENUM, &field.at("method"), "CONNECT asks for a tunnel", "write `GET` or `HEAD`");
        }
    }
    for (item, status) in field.items("expectedStatuses").iter().zip(&http.expected_statuses) {
        if !(200..600).contains(status) {
            let message = format!("{status} is no status of an answer");
            decoder.report(code::OUT_OF_RANGE, item, message, "write numbers from 200 to 599");
        }
    }
    if http.expected_statuses.len() > MOST_STATUSES {
        let message = format!("`expectedStatuses` has more than {MOST_STATUSES} items");
        decoder.report(code::OUT_OF_RANGE, &field.at("expectedStatuses"), message, "");
    }
}

fn grpc(grpc: &GrpcCheck, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    visible(decoder, field, "service", &grpc.service);
}

fn tcp(tcp: &TcpCheck, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    values::check_filled(decoder, field, &["send", "receive"]);
    for (name, text) in [("send", &tcp.send), ("receive", &tcp.receive)] {
        if text.len() > LONGEST_TEXT {
            let message = format!("`{name}` is longer than {LONGEST_TEXT} bytes");
            decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "");
        }
    }
}

/// Reports a text that cannot stand in a request's head.
fn visible(decoder: &mut Decoder<'_>, field: &Field<'_>, name: &str, text: &str) {
    if let Some(strange) = text.chars().find(|c| !c.is_ascii_graphic()) {
        let message = format!("`{}` cannot stand in a request's head", strange.escape_debug());
        decoder.report(code::BAD_NAME, &field.at(name), message, "write it percent-encoded");
    } else if text.len() > LONGEST_TEXT {
        let message = format!("`{name}` is longer than {LONGEST_TEXT} bytes");
        decoder.report(code::OUT_OF_RANGE, &field.at(name), message, "");
    }
}
