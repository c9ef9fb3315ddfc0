//! Envoy's command operators, as far as a mesh needs them.

use std::{net::SocketAddr, time::Duration};

use super::{
    Surroundings,
    clock::Clock,
    grpc_status::GrpcNames,
    sink::{Sink, VALUE_BYTES},
    value::Value,
};
use crate::{
    error::Error,
    exchange::{Exchange, Protocol},
    headers::Headers,
    response_flags::FlagNames,
};

/// One operator, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    what: What,
    /// Bytes of the value at most.
    limit: usize,
}

/// The text of an operator, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'t> {
    pub name: &'t str,
    /// What is between the parentheses; nothing: there are none.
    pub parameters: Option<&'t str>,
    /// What follows the colon.
    pub length: Option<usize>,
}

#[derive(Clone, Debug)]
enum What {
    StartTime(Clock),
    EndTime(Clock),
    Header(Message, HeaderNames),
    /// As a request header, without the query.
    HeaderWithoutQuery(HeaderNames),
    Path(PathKind, Query),
    Protocol,
    UpstreamProtocol,
    Status,
    Details(Blanks),
    Termination,
    Flags(FlagNames),
    GrpcStatus(GrpcNames),
    Count(Count),
    Duration(Span),
    Address(Endpoint, AddressPart),
    Cluster,
    Text(Text),
    /// Found out when the format was parsed.
    Fixed(Option<Box<str>>),
    Trace,
}

#[derive(Clone, Copy, Debug)]
enum Message {
    Request,
    Response,
    Trailers,
}

/// A header, and the one that is looked for if it is missing; lower case.
#[derive(Clone, Debug)]
struct HeaderNames {
    main: Box<str>,
    alternative: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug)]
enum PathKind {
    Original,
    Sent,
    OriginalOrSent,
}

#[derive(Clone, Copy, Debug)]
enum Query {
    With,
    Without,
}

#[derive(Clone, Copy, Debug)]
enum Blanks {
    Kept,
    Replaced,
}

#[derive(Clone, Copy, Debug)]
enum Count {
    BytesReceived,
    BytesSent,
    RequestHeaderBytes,
    ResponseHeaderBytes,
    WireBytesReceived,
    WireBytesSent,
    Attempts,
    Connection,
}

#[derive(Clone, Copy, Debug)]
enum Span {
    Whole,
    RequestRead,
    RequestSent,
    ResponseBegan,
    ResponseSent,
}

#[derive(Clone, Copy, Debug)]
enum Endpoint {
    UpstreamHost,
    UpstreamLocal,
    UpstreamRemote,
    DownstreamLocal,
    DownstreamRemote,
    DownstreamDirectRemote,
}

#[derive(Clone, Copy, Debug)]
enum AddressPart {
    Whole,
    Ip,
    Port,
}

#[derive(Clone, Copy, Debug)]
enum Text {
    ServerName,
    RouteName,
    UpstreamFailure,
    DownstreamFailure,
    DownstreamPeer,
    DownstreamOwn,
    UpstreamPeer,
    UpstreamOwn,
}

/// Headers that carry credentials; they are never printed.
const CREDENTIALS: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"];

/// Operators that Envoy has and that mean nothing here, or would print bodies or whole certificates.
const UNSUPPORTED: [&str; 14] = [
    "CEL",
    "CLUSTER_METADATA",
    "COMMON_DURATION",
    "CUSTOM_FLAGS",
    "DOWNSTREAM_PEER_CERT",
    "DYNAMIC_METADATA",
    "FILTER_CHAIN_NAME",
    "FILTER_STATE",
    "LOCAL_REPLY_BODY",
    "METADATA",
    "START_TIME_LOCAL",
    "UPSTREAM_FILTER_STATE",
    "UPSTREAM_METADATA",
    "VIRTUAL_CLUSTER_NAME",
];

// === impl Operator ===

impl Operator {
    pub fn parse(written: Written<'_>, surroundings: &Surroundings<'_>) -> Result<Self, Error> {
        use {AddressPart as Part, Endpoint as End};
        let Written { name, parameters, length } = written;
        let problem = |problem| Error::Parameters { operator: name.to_owned(), problem };
        let plain = match name {
            "PROTOCOL" => Some(What::Protocol),
            "UPSTREAM_PROTOCOL" => Some(What::UpstreamProtocol),
            "RESPONSE_CODE" => Some(What::Status),
            "CONNECTION_TERMINATION_DETAILS" => Some(What::Termination),
            "RESPONSE_FLAGS" => Some(What::Flags(FlagNames::Short)),
            "RESPONSE_FLAGS_LONG" => Some(What::Flags(FlagNames::Long)),
            "GRPC_STATUS_NUMBER" => Some(What::GrpcStatus(GrpcNames::Number)),
            "BYTES_RECEIVED" => Some(What::Count(Count::BytesReceived)),
            "BYTES_SENT" => Some(What::Count(Count::BytesSent)),
            "REQUEST_HEADERS_BYTES" | "DOWNSTREAM_HEADER_BYTES_RECEIVED" => {
                Some(What::Count(Count::RequestHeaderBytes))
            }
            "RESPONSE_HEADERS_BYTES" | "DOWNSTREAM_HEADER_BYTES_SENT" => Some(What::Count(Count::ResponseHeaderBytes)),
            "DOWNSTREAM_WIRE_BYTES_RECEIVED" => Some(What::Count(Count::WireBytesReceived)),
            "DOWNSTREAM_WIRE_BYTES_SENT" => Some(What::Count(Count::WireBytesSent)),
            "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Some(What::Count(Count::Attempts)),
            "CONNECTION_ID" => Some(What::Count(Count::Connection)),
            "DURATION" => Some(What::Duration(Span::Whole)),
            "REQUEST_DURATION" => Some(What::Duration(Span::RequestRead)),
            "REQUEST_TX_DURATION" => Some(What::Duration(Span::RequestSent)),
            "RESPONSE_DURATION" => Some(What::Duration(Span::ResponseBegan)),
            "RESPONSE_TX_DURATION" => Some(What::Duration(Span::ResponseSent)),
            "UPSTREAM_HOST" => Some(What::Address(End::UpstreamHost, Part::Whole)),
            "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Some(What::Cluster),
            "UPSTREAM_LOCAL_ADDRESS" => Some(What::Address(End::UpstreamLocal, Part::Whole)),
            "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Some(What::Address(End::UpstreamLocal, Part::Ip)),
            "UPSTREAM_LOCAL_PORT" => Some(What::Address(End::UpstreamLocal, Part::Port)),
            "UPSTREAM_REMOTE_ADDRESS" => Some(What::Address(End::UpstreamRemote, Part::Whole)),
            "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Some(What::Address(End::UpstreamRemote, Part::Ip)),
            "UPSTREAM_REMOTE_PORT" => Some(What::Address(End::UpstreamRemote, Part::Port)),
            "DOWNSTREAM_LOCAL_ADDRESS" => Some(What::Address(End::DownstreamLocal, Part::Whole)),
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Some(What::Address(End::DownstreamLocal, Part::Ip)),
            "DOWNSTREAM_LOCAL_PORT" => Some(What::Address(End::DownstreamLocal, Part::Port)),
            "DOWNSTREAM_REMOTE_ADDRESS" => Some(What::Address(End::DownstreamRemote, Part::Whole)),
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Some(What::Address(End::DownstreamRemote, Part::Ip)),
            "DOWNSTREAM_REMOTE_PORT" => Some(What::Address(End::DownstreamRemote, Part::Port)),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Some(What::Address(End::DownstreamDirectRemote, Part::Whole)),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => {
                Some(What::Address(End::DownstreamDirectRemote, Part::Ip))
            }
            "DOWNSTREAM_DIRECT_REMOTE_PORT" => Some(What::Address(End::DownstreamDirectRemote, Part::Port)),
            "REQUESTED_SERVER_NAME" => Some(What::Text(Text::ServerName)),
            "ROUTE_NAME" => Some(What::Text(Text::RouteName)),
            "UPSTREAM_TRANSPORT_FAILURE_REASON" => Some(What::Text(Text::UpstreamFailure)),
            "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Some(What::Text(Text::DownstreamFailure)),
            "DOWNSTREAM_PEER_URI_SAN" => Some(What::Text(Text::DownstreamPeer)),
            "DOWNSTREAM_LOCAL_URI_SAN" => Some(What::Text(Text::DownstreamOwn)),
            "UPSTREAM_PEER_URI_SAN" => Some(What::Text(Text::UpstreamPeer)),
            "UPSTREAM_LOCAL_URI_SAN" => Some(What::Text(Text::UpstreamOwn)),
            "HOSTNAME" => Some(What::Fixed(Some(surroundings.hostname.into()))),
            "TRACE_ID" => Some(What::Trace),
            _ => None,
        };
        if let Some(what) = plain {
            let bare = parameters.is_none() && length.is_none();
            return if bare { Ok(Self::new(what)) } else { Err(problem("takes neither parameters nor a length")) };
        }
        let clock = || match parameters.filter(|format| !format.is_empty()) {
            None => Ok(Clock::standard()),
            Some(format) => Clock::parse(format)
                .map_err(|_| problem("takes a time format of strftime, in UTC, with %f, %1f to %9f and %s")),
        };
        let needed = || parameters.filter(|text| !text.is_empty()).ok_or_else(|| problem("needs a parameter"));
        let headers =
            || HeaderNames::parse(needed()?).ok_or_else(|| problem("takes one header name, or two with ? between"));
        let what = match name {
            "REQ" => What::Header(Message::Request, headers()?),
            "RESP" => What::Header(Message::Response, headers()?),
            "TRAILER" => What::Header(Message::Trailers, headers()?),
            "REQ_WITHOUT_QUERY" => What::HeaderWithoutQuery(headers()?),
            "ENVIRONMENT" => What::Fixed((surroundings.variable)(needed()?).map(Into::into)),
            "START_TIME" => What::StartTime(clock()?),
            "EMIT_TIME" => What::EndTime(clock()?),
            "RESPONSE_CODE_DETAILS" => What::Details(match parameters {
                None => Blanks::Replaced,
                Some("ALLOW_WHITESPACES") => Blanks::Kept,
                Some(_) => return Err(problem("takes nothing but ALLOW_WHITESPACES")),
            }),
            "GRPC_STATUS" => What::GrpcStatus(match parameters {
                None | Some("CAMEL_STRING") => GrpcNames::Camel,
                Some("SNAKE_STRING") => GrpcNames::Snake,
                Some("NUMBER") => GrpcNames::Number,
                Some(_) => return Err(problem("takes CAMEL_STRING, SNAKE_STRING or NUMBER")),
            }),
            "PATH" => path(parameters.unwrap_or_default())
                .ok_or_else(|| problem("takes WQ or NQ, and after a colon ORIG, PATH or ORIG_OR_PATH"))?,
            _ if UNSUPPORTED.contains(&name) => return Err(Error::UnsupportedOperator(name.to_owned())),
            _ => return Err(Error::UnknownOperator(name.to_owned())),
        };
        if length.is_some() && !matches!(what, What::Header(..) | What::HeaderWithoutQuery(_) | What::Fixed(_)) {
            return Err(problem("takes no length"));
        }
        Ok(Self { what, limit: length.unwrap_or(VALUE_BYTES).min(VALUE_BYTES) })
    }

    fn new(what: What) -> Self {
        Self { what, limit: VALUE_BYTES }
    }

    /// What it finds.
    pub fn find<'a>(&'a self, exchange: &'a Exchange<'_>) -> Value<'a> {
        let Exchange { request, response, downstream, upstream, verdict, .. } = exchange;
        match &self.what {
            What::StartTime(clock) => Value::Time(clock, exchange.start),
            What::EndTime(clock) => {
                let end = exchange.start.checked_add(exchange.duration);
                Value::Time(clock, end.unwrap_or(exchange.start))
            }
            What::Header(message, names) => names.find(|name| header(exchange, *message, name)),
            What::HeaderWithoutQuery(names) => match names.find(|name| header(exchange, Message::Request, name)) {
                Value::Path(path) => Value::text(without_query(path)),
                Value::Bytes(bytes) => Value::Bytes(bytes.split(|byte| *byte == b'?').next().unwrap_or_default()),
                other => other,
            },
            What::Path(kind, query) => {
                let path = match kind {
                    PathKind::Original => request.original_path,
                    PathKind::Sent => Some(request.path),
                    PathKind::OriginalOrSent => request.original_path.or(Some(request.path)),
                };
                match (path.filter(|path| !path.is_empty()), query) {
                    (None, _) => Value::Missing,
                    (Some(path), Query::With) => Value::Path(path),
                    (Some(path), Query::Without) => Value::text(without_query(path)),
                }
            }
            What::Protocol => Value::text(request.protocol.map_or("", Protocol::as_str)),
            What::UpstreamProtocol => Value::text(upstream.protocol.map_or("", Protocol::as_str)),
            What::Status => Value::Number(response.status.into()),
            What::Details(blanks) => match (response.details, blanks) {
                (None | Some(""), _) => Value::Missing,
                (Some(details), Blanks::Replaced) => Value::Word(details),
                (Some(details), Blanks::Kept) => Value::text(details),
            },
            What::Termination => Value::text(downstream.termination.unwrap_or_default()),
            What::Flags(names) => Value::Flags(response.flags, *names),
            What::GrpcStatus(names) => response.grpc_status.map_or(Value::Missing, |status| names.value(status)),
            What::Count(count) => Value::Number(count.of(exchange)),
            What::Duration(span) => span.of(exchange).map_or(Value::Missing, |span| Value::Number(milliseconds(span))),
            What::Address(end, part) => match (end.of(exchange), part) {
                (None, _) => Value::Missing,
                (Some(address), AddressPart::Whole) => Value::Address(address),
                (Some(address), AddressPart::Ip) => Value::Ip(address.ip()),
                (Some(address), AddressPart::Port) => Value::Number(address.port().into()),
            },
            What::Cluster => Value::text(upstream.cluster.unwrap_or_default()),
            What::Text(text) => match text {
                Text::ServerName => {
                    downstream.server_name.filter(|name| !name.is_empty()).map_or(Value::Missing, Value::ServerName)
                }
                Text::RouteName => Value::text(verdict.route_name.unwrap_or_default()),
                Text::UpstreamFailure => word(upstream.transport_failure),
                Text::DownstreamFailure => word(downstream.transport_failure),
                Text::DownstreamPeer => Value::text(downstream.peer.map_or("", |id| id.as_str())),
                Text::DownstreamOwn => Value::text(downstream.own.map_or("", |id| id.as_str())),
                Text::UpstreamPeer => Value::text(upstream.peer.map_or("", |id| id.as_str())),
                Text::UpstreamOwn => Value::text(upstream.own.map_or("", |id| id.as_str())),
            },
            What::Fixed(text) => Value::text(text.as_deref().unwrap_or_default()),
            What::Trace => exchange.trace.map_or(Value::Missing, Value::Trace),
        }
    }

    /// Prints what was found, or nothing.
    pub fn print(&self, value: Value<'_>, sink: &mut Sink<'_>) {
        sink.begin(self.limit);
        value.print(sink);
    }

    /// Adds headers that it never prints.
    pub fn redacted<'a>(&'a self, found: &mut Vec<&'a str>) {
        if let What::Header(_, names) | What::HeaderWithoutQuery(names) = &self.what {
            let names = [Some(&names.main), names.alternative.as_ref()].into_iter().flatten();
            found.extend(names.map(AsRef::as_ref).filter(|name| CREDENTIALS.contains(name)));
        }
    }
}

fn path(parameters: &str) -> Option<What> {
    let (query, kind) = parameters.split_once(':').unwrap_or((parameters, ""));
    let query = match query {
        "" | "WQ" => Query::With,
        "NQ" => Query::Without,
        _ => return None,
    };
    let kind = match kind {
        "ORIG" => PathKind::Original,
        "PATH" => PathKind::Sent,
        "" | "ORIG_OR_PATH" => PathKind::OriginalOrSent,
        _ => return None,
    };
    Some(What::Path(kind, query))
}

/// A header of a message; the names that HTTP/2 and Envoy have for parts of it count, too.
fn header<'a>(exchange: &'a Exchange<'_>, message: Message, name: &str) -> Option<Value<'a>> {
    let Exchange { request, response, upstream, .. } = exchange;
    let text = |text: &'a str| Some(text).filter(|text| !text.is_empty()).map(Value::text);
    let headers: &dyn Headers = match (message, name) {
        (Message::Request, ":method") => return text(request.method),
        (Message::Request, ":authority" | "host") => return text(request.authority),
        (Message::Request, ":scheme") => return text(request.scheme),
        (Message::Request, ":path") => return Some(request.path).filter(|path| !path.is_empty()).map(Value::Path),
        (Message::Request, "x-envoy-original-path") => return request.original_path.map(Value::Path),
        (Message::Response, ":status") => {
            return Some(response.status).filter(|status| *status > 0).map(|status| Value::Digits(status.into()));
        }
        (Message::Response, "x-envoy-upstream-service-time") if upstream.service_time.is_some() => {
            return upstream.service_time.map(|time| Value::Digits(milliseconds(time)));
        }
        (Message::Request, _) => request.headers,
        (Message::Response, _) => response.headers,
        (Message::Trailers, _) => response.trailers,
    };
    let value = headers.first(name)?;
    Some(if CREDENTIALS.contains(&name) { Value::Credential } else { Value::Bytes(value) })
}

fn word(text: Option<&str>) -> Value<'_> {
    text.filter(|text| !text.is_empty()).map_or(Value::Missing, Value::Word)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

// === impl HeaderNames ===

impl HeaderNames {
    fn parse(text: &str) -> Option<Self> {
        let mut names = text.split('?');
        let mut name = || names.next().map(str::to_ascii_lowercase);
        let main = name()?;
        let alternative = name().filter(|name| !name.is_empty());
        let all_read = names.next().is_none();
        let valid = |name: &str| {
            let token = name.strip_prefix(':').unwrap_or(name);
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            !token.is_empty() && token.bytes().all(fits)
        };
        let ok = all_read && valid(&main) && alternative.as_deref().is_none_or(valid);
        ok.then(|| Self { main: main.into(), alternative: alternative.map(Into::into) })
    }

    fn find<'a>(&self, value: impl Fn(&str) -> Option<Value<'a>>) -> Value<'a> {
        let found = value(&self.main).or_else(|| self.alternative.as_deref().and_then(value));
        found.unwrap_or(Value::Missing)
    }
}

// === impl Count ===

impl Count {
    fn of(self, exchange: &Exchange<'_>) -> u64 {
        let Exchange { request, response, downstream, upstream, .. } = exchange;
        match self {
            Self::BytesReceived => request.body_bytes,
            Self::BytesSent => response.body_bytes,
            Self::RequestHeaderBytes => request.header_bytes,
            Self::ResponseHeaderBytes => response.header_bytes,
            Self::WireBytesReceived => request.header_bytes.saturating_add(request.body_bytes),
            Self::WireBytesSent => response.header_bytes.saturating_add(response.body_bytes),
            Self::Attempts => upstream.attempts.into(),
            Self::Connection => downstream.connection,
        }
    }
}

// === impl Span ===

impl Span {
    fn of(self, exchange: &Exchange<'_>) -> Option<Duration> {
        let timing = &exchange.timing;
        match self {
            Self::Whole => Some(exchange.duration),
            Self::RequestRead => timing.request_read,
            Self::RequestSent => timing.request_sent,
            Self::ResponseBegan => timing.response_began,
            Self::ResponseSent => timing.response_began.map(|began| exchange.duration.saturating_sub(began)),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn of(self, exchange: &Exchange<'_>) -> Option<SocketAddr> {
        let Exchange { downstream, upstream, .. } = exchange;
        match self {
            Self::UpstreamHost => upstream.host,
            Self::UpstreamLocal => upstream.local,
            Self::UpstreamRemote => upstream.remote.or(upstream.host),
            Self::DownstreamLocal => downstream.local,
            Self::DownstreamRemote => downstream.remote,
            Self::DownstreamDirectRemote => downstream.direct_remote.or(downstream.remote),
        }
    }
}
