//! `VirtualService` (`networking.istio.io` v1, v1beta1, v1alpha3).

use std::{collections::BTreeMap, time::Duration};

use super::StringMatch;
use crate::schema::{choice, message};

mod action;
mod check;
mod condition;
mod route;

message! {
    /// How requests to hosts are routed. Without `hosts` it is a delegate.
    VirtualService {
        /// Names as callers use them; a name without dot is of the object's own namespace.
        hosts: Vec<String> = "hosts";
        /// Gateways it acts at, `mesh` among them for workloads; empty: `mesh`.
        gateways: Vec<String> = "gateways";
        /// Rules for HTTP, the first that matches acts.
        http: Vec<HttpRoute> = "http";
        /// Rules for TLS by its server name.
        tls: Vec<TlsRoute> = "tls";
        /// Rules for TCP.
        tcp: Vec<TcpRoute> = "tcp";
        /// Namespaces that see it.
        export_to: Vec<String> = "exportTo";
    }
    check check::check_service
}

message! {
    /// One of `http`.
    HttpRoute {
        /// Name, for logs.
        name: String = "name";
        /// Alternatives; empty: every request.
        matches: Vec<HttpMatch> = "match";
        /// Where to.
        route: Vec<HttpRouteDestination> = "route";
        /// Sends the caller elsewhere.
        redirect: Option<HttpRedirect> = "redirect";
        /// Answers itself.
        direct_response: Option<HttpDirectResponse> = "directResponse";
        /// The rules of another object take over.
        delegate: Option<Delegate> = "delegate";
        /// Changes path or authority.
        rewrite: Option<HttpRewrite> = "rewrite";
        /// For the whole request with its retries; nothing or 0: none.
        timeout: Option<Duration> = "timeout";
        /// Further attempts.
        retries: Option<HttpRetry> = "retries";
        /// Faults injected on purpose.
        fault: Option<HttpFault> = "fault";
        /// A copy goes there.
        mirror: Option<Destination> = "mirror";
        /// Share of copies, in per cent.
        mirror_percent: Option<u32> = "mirrorPercent" => older("`mirrorPercentage.value`");
        /// Share of copies.
        mirror_percentage: Option<Percent> = "mirrorPercentage";
        /// Several copies, each with its share.
        mirrors: Vec<HttpMirror> = "mirrors";
        /// Cross-origin requests.
        cors_policy: Option<CorsPolicy> = "corsPolicy";
        /// Header operations.
        headers: Headers = "headers";
    }
    check route::check_route
}

message! {
    /// Conditions that must all hold.
    HttpMatch {
        /// Name, for logs.
        name: String = "name";
        /// Path without query.
        uri: Option<StringMatch> = "uri";
        /// Scheme.
        scheme: Option<StringMatch> = "scheme";
        /// Method.
        method: Option<StringMatch> = "method";
        /// Authority.
        authority: Option<StringMatch> = "authority";
        /// Headers by lower-case name.
        headers: BTreeMap<String, StringMatch> = "headers";
        /// Headers that must not match.
        without_headers: BTreeMap<String, StringMatch> = "withoutHeaders";
        /// Query parameters.
        query_params: BTreeMap<String, StringMatch> = "queryParams";
        /// Exact and prefix `uri` without regard to case.
        ignore_uri_case: bool = "ignoreUriCase";
        /// Port of the listener.
        port: Option<u16> = "port";
        /// Labels of the caller.
        source_labels: BTreeMap<String, String> = "sourceLabels";
        /// Namespace of the caller.
        source_namespace: String = "sourceNamespace";
        /// Gateways; if given, they count and the source does not.
        gateways: Vec<String> = "gateways";
        /// Prefix of statistics.
        stat_prefix: String = "statPrefix" => without_effect("metrics have Istio's names only");
    }
    check condition::check_http
}

message! {
    /// Where traffic goes.
    Destination {
        /// Name of a service.
        host: String = "host" => required();
        /// One of the subsets that a `DestinationRule` defines.
        subset: String = "subset";
        /// Port of the service; needed if it has several.
        port: Option<PortSelector> = "port";
    }
    check route::check_destination
}

message! {
    /// A port by number.
    PortSelector {
        /// Number.
        number: Option<u16> = "number" => required();
    }
}

message! {
    /// One of `route` of HTTP.
    HttpRouteDestination {
        /// Where to.
        destination: Destination = "destination" => required();
        /// Share of the sum of all weights; counts if there are several.
        weight: Option<u32> = "weight";
        /// Header operations.
        headers: Headers = "headers";
    }
    check route::check_http_share
}

message! {
    /// One of `route` of TCP and TLS.
    RouteDestination {
        /// Where to.
        destination: Destination = "destination" => required();
        /// Share of the sum of all weights; counts if there are several.
        weight: Option<u32> = "weight";
    }
    check route::check_share
}

message! {
    /// Header operations on request and response.
    Headers {
        /// On the request.
        request: HeaderOperations = "request";
        /// On the response.
        response: HeaderOperations = "response";
    }
    check route::check_headers
}

message! {
    /// Header operations, in this order.
    HeaderOperations {
        /// Overwrites.
        set: BTreeMap<String, String> = "set";
        /// Appends.
        add: BTreeMap<String, String> = "add";
        /// Removes.
        remove: Vec<String> = "remove";
    }
}

message! {
    /// `redirect`.
    HttpRedirect {
        /// The whole new path.
        uri: Option<String> = "uri";
        /// Replaces the prefix that matched.
        prefix_rewrite: Option<String> = "prefixRewrite";
        /// The new authority.
        authority: Option<String> = "authority";
        /// The new port.
        port: Option<u16> = "port";
        /// How the port follows otherwise.
        derive_port: Option<DerivePort> = "derivePort";
        /// `http` or `https`.
        scheme: Option<String> = "scheme";
        /// 301, 302, 303, 307 or 308; 301 if none or 0 is given.
        redirect_code: Option<u32> = "redirectCode";
    }
    check action::check_redirect
}

choice! {
    /// `redirect.derivePort`.
    DerivePort {
        /// 80 or 443.
        FromProtocolDefault = 0 "FROM_PROTOCOL_DEFAULT",
        /// The port of the request.
        FromRequestPort = 1 "FROM_REQUEST_PORT",
    }
}

message! {
    /// `directResponse`.
    HttpDirectResponse {
        /// 200 to 599.
        status: Option<u32> = "status" => required();
        /// Body.
        body: Option<HttpBody> = "body";
    }
    check action::check_direct_response
}

message! {
    /// A body.
    HttpBody {
        /// As text.
        string: Option<String> = "string";
        /// As base64.
        bytes: Option<String> = "bytes";
    }
    check action::check_body
}

message! {
    /// `delegate`.
    Delegate {
        /// Name of a `VirtualService` without hosts.
        name: String = "name" => required();
        /// Its namespace; empty: this object's.
        namespace: String = "namespace";
    }
}

message! {
    /// `rewrite`.
    HttpRewrite {
        /// Replaces the prefix that matched, or the whole path.
        uri: Option<String> = "uri";
        /// Replaces the authority.
        authority: Option<String> = "authority";
        /// Replaces what a regex matches.
        uri_regex_rewrite: Option<RegexRewrite> = "uriRegexRewrite";
    }
    check action::check_rewrite
}

message! {
    /// `uriRegexRewrite`.
    RegexRewrite {
        /// RE2.
        pattern: String = "match" => required();
        /// With `\1` for groups.
        rewrite: String = "rewrite";
    }
    check action::check_regex_rewrite
}

message! {
    /// `retries`.
    HttpRetry {
        /// Further attempts; 0: none.
        attempts: i32 = "attempts";
        /// For each attempt; nothing: the route's timeout.
        per_try_timeout: Option<Duration> = "perTryTimeout";
        /// Comma list of conditions and status codes.
        retry_on: String = "retryOn";
        /// Also in other localities.
        retry_remote_localities: Option<bool> = "retryRemoteLocalities";
        /// Never at a host that was tried.
        retry_ignore_previous_hosts: Option<bool> = "retryIgnorePreviousHosts";
        /// Base interval; nothing: 25 ms.
        backoff: Option<Duration> = "backoff";
    }
    check action::check_retry
}

message! {
    /// `fault`.
    HttpFault {
        /// Delays.
        delay: Option<FaultDelay> = "delay";
        /// Aborts.
        abort: Option<FaultAbort> = "abort";
    }
    check action::check_fault
}

message! {
    /// `fault.delay`.
    FaultDelay {
        /// For so long.
        fixed_delay: Option<Duration> = "fixedDelay";
        /// Refused, as by Istio.
        exponential_delay: Option<Duration> = "exponentialDelay";
        /// Share, in per cent.
        percent: Option<u32> = "percent" => older("`percentage.value`");
        /// Share; nothing: none.
        percentage: Option<Percent> = "percentage";
    }
    check action::check_delay
}

message! {
    /// `fault.abort`.
    FaultAbort {
        /// 200 to 599.
        http_status: Option<u32> = "httpStatus";
        /// Name or number of a gRPC status.
        grpc_status: Option<String> = "grpcStatus";
        /// Refused, as by Istio.
        http2_error: Option<String> = "http2Error";
        /// Share; nothing: none.
        percentage: Option<Percent> = "percentage";
    }
    check action::check_abort
}

message! {
    /// A share.
    Percent {
        /// 0 to 100.
        value: f64 = "value";
    }
    check action::check_percent
}

message! {
    /// One of `mirrors`.
    HttpMirror {
        /// Where to.
        destination: Destination = "destination" => required();
        /// Share; nothing: all.
        percentage: Option<Percent> = "percentage";
    }
}

message! {
    /// `corsPolicy`.
    CorsPolicy {
        /// Origins, exactly.
        allow_origin: Vec<String> = "allowOrigin" => older("`allowOrigins` with `exact`");
        /// Origins.
        allow_origins: Vec<StringMatch> = "allowOrigins";
        /// Methods.
        allow_methods: Vec<String> = "allowMethods";
        /// Request headers.
        allow_headers: Vec<String> = "allowHeaders";
        /// Response headers that scripts may read.
        expose_headers: Vec<String> = "exposeHeaders";
        /// How long the answer may be kept.
        max_age: Option<Duration> = "maxAge";
        /// Whether credentials may be sent.
        allow_credentials: Option<bool> = "allowCredentials";
        /// What becomes of preflights of other origins.
        unmatched_preflights: UnmatchedPreflights = "unmatchedPreflights";
    }
    check action::check_cors
}

choice! {
    /// `corsPolicy.unmatchedPreflights`.
    UnmatchedPreflights {
        /// As `FORWARD`.
        Unspecified = 0 "UNSPECIFIED",
        /// They are passed on.
        Forward = 1 "FORWARD",
        /// They are answered without CORS headers.
        Ignore = 2 "IGNORE",
    }
}

message! {
    /// One of `tls`.
    TlsRoute {
        /// Alternatives.
        matches: Vec<TlsMatch> = "match" => required();
        /// Where to.
        route: Vec<RouteDestination> = "route";
    }
    check route::check_tls
}

message! {
    /// Conditions that must all hold.
    TlsMatch {
        /// Server names; each must lie within one of the hosts.
        sni_hosts: Vec<String> = "sniHosts" => required();
        /// Destination addresses, as addresses or CIDR blocks.
        destination_subnets: Vec<String> = "destinationSubnets";
        /// Port of the listener.
        port: Option<u16> = "port";
        /// Labels of the caller.
        source_labels: BTreeMap<String, String> = "sourceLabels";
        /// Namespace of the caller.
        source_namespace: String = "sourceNamespace";
        /// Gateways.
        gateways: Vec<String> = "gateways";
    }
    check condition::check_tls
}

message! {
    /// One of `tcp`.
    TcpRoute {
        /// Alternatives; empty: every connection.
        matches: Vec<TcpMatch> = "match";
        /// Where to.
        route: Vec<RouteDestination> = "route";
    }
    check route::check_tcp
}

message! {
    /// Conditions that must all hold.
    TcpMatch {
        /// Destination addresses, as addresses or CIDR blocks.
        destination_subnets: Vec<String> = "destinationSubnets";
        /// Port of the listener.
        port: Option<u16> = "port";
        /// Not used by Istio either.
        source_subnet: String = "sourceSubnet" => without_effect("select callers by `sourceLabels` or `sourceNamespace`");
        /// Labels of the caller.
        source_labels: BTreeMap<String, String> = "sourceLabels";
        /// Namespace of the caller.
        source_namespace: String = "sourceNamespace";
        /// Gateways.
        gateways: Vec<String> = "gateways";
    }
    check condition::check_tcp
}
