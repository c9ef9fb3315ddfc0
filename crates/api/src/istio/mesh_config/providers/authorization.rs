//! External authorizers, for policies with action `CUSTOM`.

use std::{collections::BTreeMap, time::Duration};

use super::check;
use crate::schema::message;

message! {
    /// `envoyExtAuthzHttp`. Lists of headers hold names, `prefix*` or `*suffix`.
    HttpAuthorizer {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// For the answer; nothing: 600 s.
        timeout: Option<Duration> = "timeout";
        /// Stands before the request's own path.
        path_prefix: String = "pathPrefix";
        /// Whether requests pass when it fails.
        fail_open: bool = "failOpen";
        /// Whether the route is chosen again after an allowed request was changed.
        clear_route_cache: bool = "clearRouteCache";
        /// Status when it fails; empty: 403.
        status_on_error: String = "statusOnError";
        /// Request headers that it sees.
        include_headers_in_check: Vec<String> = "includeHeadersInCheck" => older("`includeRequestHeadersInCheck`");
        /// Request headers that it sees, besides host, method, path and length.
        include_request_headers_in_check: Vec<String> = "includeRequestHeadersInCheck";
        /// Further headers for it.
        include_additional_headers_in_check: BTreeMap<String, String> = "includeAdditionalHeadersInCheck";
        /// Whether it sees the body.
        include_request_body_in_check: Option<AuthorizedBody> = "includeRequestBodyInCheck";
        /// Headers of its answer that an allowed request is given.
        headers_to_upstream_on_allow: Vec<String> = "headersToUpstreamOnAllow";
        /// Headers of its answer that the answer of a denied request has; empty: all.
        headers_to_downstream_on_deny: Vec<String> = "headersToDownstreamOnDeny";
        /// Headers of its answer that the answer of an allowed request is given.
        headers_to_downstream_on_allow: Vec<String> = "headersToDownstreamOnAllow";
    }
    check check::http_authorizer
}

message! {
    /// `envoyExtAuthzGrpc`.
    GrpcAuthorizer {
        /// `[namespace/]host`.
        service: String = "service" => required();
        /// Port of the service.
        port: Option<u16> = "port" => required();
        /// For the answer; nothing: 600 s.
        timeout: Option<Duration> = "timeout";
        /// Whether requests pass when it fails.
        fail_open: bool = "failOpen";
        /// Whether the route is chosen again after an allowed request was changed.
        clear_route_cache: bool = "clearRouteCache";
        /// Status when it fails; empty: 403.
        status_on_error: String = "statusOnError";
        /// Whether it sees the body.
        include_request_body_in_check: Option<AuthorizedBody> = "includeRequestBodyInCheck";
    }
    check check::grpc_authorizer
}

message! {
    /// `includeRequestBodyInCheck`.
    AuthorizedBody {
        /// Bytes that are kept; a longer body is refused with 413.
        max_request_bytes: u32 = "maxRequestBytes";
        /// Sends the beginning of a longer body instead.
        allow_partial_message: bool = "allowPartialMessage";
        /// By gRPC: as bytes and not as text.
        pack_as_bytes: bool = "packAsBytes";
    }
}
