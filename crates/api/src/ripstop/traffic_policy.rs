//! `TrafficPolicy`: what Istio's kinds cannot say about traffic.

mod adaptive_concurrency;
mod check;
mod global_rate_limits;
mod health_checks;
mod hedging;

use std::{collections::BTreeMap, time::Duration};

pub use self::{
    adaptive_concurrency::{AdaptiveConcurrency, MinRtt},
    global_rate_limits::{DescriptorEntry, GlobalRateLimit, LimitDescriptor, LimitService, WhenUnknown},
    health_checks::{GrpcCheck, HealthChecks, HttpCheck, TcpCheck},
    hedging::TrafficHedging,
};
use crate::schema::message;

message! {
    /// What holds for the requests and connections of services, declared hosts and gateways.
    TrafficPolicy {
        /// What it is attached to, in its own namespace.
        target_refs: Vec<TrafficTargetRef> = "targetRefs" => required();
        /// Limits of requests, and of new connections.
        rate_limits: Vec<RateLimit> = "rateLimits";
        /// Limits of requests that services count for all proxies together.
        global_rate_limits: Vec<GlobalRateLimit> = "globalRateLimits";
        /// Limits of open connections.
        connection_limits: Vec<ConnectionLimit> = "connectionLimits";
        /// Limit of retries.
        retry_budget: Option<RetryBudget> = "retryBudget";
        /// What keeps a client's requests at one endpoint.
        session_affinity: Option<TrafficSessionAffinity> = "sessionAffinity";
        /// How endpoints are picked; nothing: as a DestinationRule says.
        load_balancer: Option<TrafficLoadBalancer> = "loadBalancer";
        /// How endpoints are asked whether they are well; nothing: they are not.
        health_checks: Option<HealthChecks> = "healthChecks";
        /// How many requests an instance gets at a time; nothing: as many as come.
        adaptive_concurrency: Option<AdaptiveConcurrency> = "adaptiveConcurrency";
        /// When a request is sent to one more endpoint; nothing: never.
        hedging: Option<TrafficHedging> = "hedging";
    }
    check check::policy
}

message! {
    /// One of `targetRefs`.
    TrafficTargetRef {
        /// API group; nothing or `core` is the core group.
        group: String = "group";
        /// `Service`, `ServiceEntry`, `Gateway` or `VirtualService`.
        kind: String = "kind" => required();
        /// Name.
        name: String = "name" => required();
        /// Must be the policy's own namespace, and need not be given.
        namespace: String = "namespace";
        /// Name of a port, a gateway's server, or a route for HTTP; nothing: all of them.
        section_name: String = "sectionName";
    }
    check check::target
}

message! {
    /// One of `rateLimits`.
    RateLimit {
        /// Which requests count; nothing: all.
        requests_meant: Option<RequestMatch> = "match";
        /// Which of them count together; nothing: all.
        per: Option<LimitKey> = "per";
        /// So many in each interval.
        requests: Option<u32> = "requests";
        /// So many new connections in each interval, instead of requests.
        connections: Option<u32> = "connections";
        /// Nothing: a second.
        interval: Option<Duration> = "interval";
        /// So many at once, after a while without any; nothing: as many as in an interval.
        burst: Option<u32> = "burst";
        /// Status of those that are refused; nothing: 429.
        status: Option<u32> = "status";
        /// Whether clients are told of the limit in header fields; nothing: yes.
        headers: Option<bool> = "headers";
        /// Nobody is refused; it is only counted who would be.
        dry_run: bool = "dryRun";
    }
    check check::limit
}

message! {
    /// `retryBudget`: as many retries as the share allows, but never less than the minimum.
    RetryBudget {
        /// Share of active requests, in per cent; nothing: 20.
        percent: Option<f64> = "percent";
        /// So many at once, whatever the share.
        min_concurrency: Option<u32> = "minConcurrency";
        /// So many in a second, beyond the share.
        min_retries_per_second: Option<u32> = "minRetriesPerSecond";
    }
    check check::budget
}

message! {
    /// `sessionAffinity`, as the Gateway API's `sessionPersistence` of the type Cookie.
    TrafficSessionAffinity {
        /// The cookie that names the endpoint.
        cookie: Option<SessionCookie> = "cookie" => required();
    }
}

message! {
    /// `cookie` of a session.
    SessionCookie {
        /// Its name.
        name: String = "name" => required();
        /// Its path; nothing: `/`.
        path: Option<String> = "path";
        /// How long clients keep it; nothing, or 0: as long as their own session lasts.
        ttl: Option<Duration> = "ttl";
    }
    check check::session_cookie
}

message! {
    /// One of `connectionLimits`.
    ConnectionLimit {
        /// Which of them count together; nothing: all.
        per: Option<ConnectionKey> = "per";
        /// So many may be open.
        connections: Option<u32> = "connections" => required();
        /// Nobody is refused; it is only counted who would be.
        dry_run: bool = "dryRun";
    }
    check check::connections
}

message! {
    /// `per` of `connectionLimits`: exactly one of them.
    ConnectionKey {
        /// The caller's proven identity.
        identity: Option<Nothing> = "identity";
        /// The address that the connection comes from.
        source_address: Option<Nothing> = "sourceAddress";
    }
    check check::connection_key
}

message! {
    /// `per`: exactly one of them.
    LimitKey {
        /// The caller's proven identity.
        identity: Option<Nothing> = "identity";
        /// The value of that header field.
        header: Option<String> = "header";
        /// The path, without query.
        path: Option<Nothing> = "path";
        /// The address that the connection comes from.
        source_address: Option<Nothing> = "sourceAddress";
    }
    check check::key
}

message! {
    /// `{}`.
    Nothing {}
}

message! {
    /// `loadBalancer`.
    TrafficLoadBalancer {
        /// By latency, and by what endpoints have to do.
        peak_ewma: Option<PeakEwma> = "peakEwma" => required();
    }
}

message! {
    /// `peakEwma`.
    PeakEwma {
        /// How long it takes until of a latency a third counts; nothing: 10 s.
        decay: Option<Duration> = "decay";
        /// Latency of an endpoint that has not answered yet; nothing: 30 ms.
        default_rtt: Option<Duration> = "defaultRtt";
        /// As how long an answer counts that is a failure; nothing: 5 s.
        penalty: Option<Duration> = "penalty";
    }
    check check::peak_ewma
}

message! {
    /// `match` of a limit: all that is given must hold.
    RequestMatch {
        /// Normalized path without query.
        path: Option<TextMatch> = "path";
        /// Methods; nothing: all.
        methods: Vec<String> = "methods";
        /// Header fields.
        headers: BTreeMap<String, TextMatch> = "headers";
    }
    check check::requests
}

message! {
    /// How a text is compared; `{}`: it is there.
    TextMatch {
        /// Equal.
        exact: Option<String> = "exact";
        /// Begins with it.
        prefix: Option<String> = "prefix";
    }
    check check::text
}
