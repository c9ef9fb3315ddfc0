//! What happened to a request or connection, beside its status (istio.md 3.3 and 3.4).

use std::fmt;

/// One thing that happened. The order is the one in which several are told: Envoy's, then those that
/// only ztunnel has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResponseFlag {
    /// Nothing: `-`.
    #[default]
    None,
    /// `LH`: the local service failed its health check.
    FailedLocalHealthCheck,
    /// `UH`: no healthy endpoint.
    NoHealthyUpstream,
    /// `UT`: the endpoint did not answer in time.
    UpstreamRequestTimeout,
    /// `LR`: reset by this proxy.
    LocalReset,
    /// `UR`: reset by the endpoint.
    UpstreamRemoteReset,
    /// `UF`: the endpoint could not be reached.
    UpstreamConnectionFailure,
    /// `UC`: the endpoint closed the connection.
    UpstreamConnectionTermination,
    /// `UO`: a circuit breaker is open.
    UpstreamOverflow,
    /// `NR`: no route.
    NoRouteFound,
    /// `DI`: delayed by fault injection.
    DelayInjected,
    /// `FI`: aborted by fault injection.
    FaultInjected,
    /// `RL`: rate limited.
    RateLimited,
    /// `UAEX`: refused by the external authorization service.
    UnauthorizedExternalService,
    /// `RLSE`: the rate limit service failed.
    RateLimitServiceError,
    /// `DC`: the client went away.
    DownstreamConnectionTermination,
    /// `URX`: no more retries, or no more attempts to connect.
    UpstreamRetryLimitExceeded,
    /// `SI`: nothing moved for too long.
    StreamIdleTimeout,
    /// `IH`: a header that is checked strictly had an invalid value.
    InvalidEnvoyRequestHeaders,
    /// `DPE`: the client broke the protocol.
    DownstreamProtocolError,
    /// `UMSDR`: the request lasted too long.
    UpstreamMaxStreamDurationReached,
    /// `RFCF`: answered from a cache.
    ResponseFromCacheFilter,
    /// `NFCF`: a filter's configuration had not arrived.
    NoFilterConfigFound,
    /// `DT`: the connection lasted too long.
    DurationTimeout,
    /// `UPE`: the endpoint broke the protocol.
    UpstreamProtocolError,
    /// `NC`: the backend does not exist.
    NoClusterFound,
    /// `OM`: this proxy is overloaded.
    OverloadManager,
    /// `DF`: a name could not be resolved.
    DnsResolutionFailed,
    /// `DO`: dropped by load shedding.
    DropOverload,
    /// `DR`: reset by the client.
    DownstreamRemoteReset,
    /// `UDO`: dropped without condition.
    UnconditionalDropOverload,
    /// `DENY`: a policy refused it.
    Deny,
    /// `CONNECT`: the next hop could not be reached.
    Connect,
    /// `TLS_FAILURE`: the TLS handshake failed.
    TlsFailure,
    /// `H2_HANDSHAKE_FAILURE`: the HTTP/2 handshake failed.
    H2HandshakeFailure,
    /// `NETWORK_POLICY`: a silence as a network policy makes it.
    NetworkPolicy,
    /// `IDENTITY_ERROR`: no certificate for the own side.
    IdentityError,
    /// `CERT_REVOKED`: the peer's certificate is revoked.
    CertificateRevoked,
}

/// Everything that happened, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseFlags(u64);

/// Which of a flag's two names is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagNames {
    /// `UF`.
    Short,
    /// `UpstreamConnectionFailure`.
    Long,
}

/// Flags with their short and long names, in order.
const NAMES: [(ResponseFlag, &str, &str); 37] = [
    (ResponseFlag::FailedLocalHealthCheck, "LH", "FailedLocalHealthCheck"),
    (ResponseFlag::NoHealthyUpstream, "UH", "NoHealthyUpstream"),
    (ResponseFlag::UpstreamRequestTimeout, "UT", "UpstreamRequestTimeout"),
    (ResponseFlag::LocalReset, "LR", "LocalReset"),
    (ResponseFlag::UpstreamRemoteReset, "UR", "UpstreamRemoteReset"),
    (ResponseFlag::UpstreamConnectionFailure, "UF", "UpstreamConnectionFailure"),
    (ResponseFlag::UpstreamConnectionTermination, "UC", "UpstreamConnectionTermination"),
    (ResponseFlag::UpstreamOverflow, "UO", "UpstreamOverflow"),
    (ResponseFlag::NoRouteFound, "NR", "NoRouteFound"),
    (ResponseFlag::DelayInjected, "DI", "DelayInjected"),
    (ResponseFlag::FaultInjected, "FI", "FaultInjected"),
    (ResponseFlag::RateLimited, "RL", "RateLimited"),
    (ResponseFlag::UnauthorizedExternalService, "UAEX", "UnauthorizedExternalService"),
    (ResponseFlag::RateLimitServiceError, "RLSE", "RateLimitServiceError"),
    (ResponseFlag::DownstreamConnectionTermination, "DC", "DownstreamConnectionTermination"),
    (ResponseFlag::UpstreamRetryLimitExceeded, "URX", "UpstreamRetryLimitExceeded"),
    (ResponseFlag::StreamIdleTimeout, "SI", "StreamIdleTimeout"),
    (ResponseFlag::InvalidEnvoyRequestHeaders, "IH", "InvalidEnvoyRequestHeaders"),
    (ResponseFlag::DownstreamProtocolError, "DPE", "DownstreamProtocolError"),
    (ResponseFlag::UpstreamMaxStreamDurationReached, "UMSDR", "UpstreamMaxStreamDurationReached"),
    (ResponseFlag::ResponseFromCacheFilter, "RFCF", "ResponseFromCacheFilter"),
    (ResponseFlag::NoFilterConfigFound, "NFCF", "NoFilterConfigFound"),
    (ResponseFlag::DurationTimeout, "DT", "DurationTimeout"),
    (ResponseFlag::UpstreamProtocolError, "UPE", "UpstreamProtocolError"),
    (ResponseFlag::NoClusterFound, "NC", "NoClusterFound"),
    (ResponseFlag::OverloadManager, "OM", "OverloadManagerTerminated"),
    (ResponseFlag::DnsResolutionFailed, "DF", "DnsResolutionFailed"),
    (ResponseFlag::DropOverload, "DO", "DropOverload"),
    (ResponseFlag::DownstreamRemoteReset, "DR", "DownstreamRemoteReset"),
    (ResponseFlag::UnconditionalDropOverload, "UDO", "UnconditionalDropOverload"),
    (ResponseFlag::Deny, "DENY", "Deny"),
    (ResponseFlag::Connect, "CONNECT", "Connect"),
    (ResponseFlag::TlsFailure, "TLS_FAILURE", "TlsFailure"),
    (ResponseFlag::H2HandshakeFailure, "H2_HANDSHAKE_FAILURE", "H2HandshakeFailure"),
    (ResponseFlag::NetworkPolicy, "NETWORK_POLICY", "NetworkPolicy"),
    (ResponseFlag::IdentityError, "IDENTITY_ERROR", "IdentityError"),
    (ResponseFlag::CertificateRevoked, "CERT_REVOKED", "CertificateRevoked"),
];

/// A set, as it is printed with one kind of names.
#[derive(Clone, Copy, Debug)]
struct Printed(ResponseFlags, FlagNames);

// === impl ResponseFlag ===

impl ResponseFlag {
    /// The flag as metrics and logs spell it.
    pub fn as_str(self) -> &'static str {
        self.name(FlagNames::Short)
    }

    /// The long name, as `%RESPONSE_FLAGS_LONG%` prints it.
    pub fn long_name(self) -> &'static str {
        self.name(FlagNames::Long)
    }

    fn name(self, names: FlagNames) -> &'static str {
        // Nothing is not in the table, and comes before its first entry.
        let entry = (self as usize).checked_sub(1).and_then(|index| NAMES.get(index));
        entry.map_or("-", |(_, short, long)| match names {
            FlagNames::Short => short,
            FlagNames::Long => long,
        })
    }

    fn bit(self) -> u64 {
        (self as u32).checked_sub(1).map_or(0, |index| 1 << index)
    }
}

// === impl ResponseFlags ===

impl ResponseFlags {
    /// Nothing happened.
    pub const NONE: Self = Self(0);

    /// Adds a flag; [`ResponseFlag::None`] adds nothing.
    pub fn insert(&mut self, flag: ResponseFlag) {
        self.0 |= flag.bit();
    }

    /// The set with one more flag.
    #[must_use]
    pub fn with(mut self, flag: ResponseFlag) -> Self {
        self.insert(flag);
        self
    }

    /// Whether `flag` is in the set; [`ResponseFlag::None`] never is.
    pub fn contains(self, flag: ResponseFlag) -> bool {
        self.0 & flag.bit() != 0
    }

    /// Whether nothing happened.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags, in order.
    pub fn iter(self) -> impl Iterator<Item = ResponseFlag> {
        NAMES.iter().map(|(flag, ..)| *flag).filter(move |flag| self.contains(*flag))
    }

    /// Prints the flags separated by commas, `-` if there are none.
    pub fn printed(self, names: FlagNames) -> impl fmt::Display {
        Printed(self, names)
    }
}

impl From<ResponseFlag> for ResponseFlags {
    fn from(flag: ResponseFlag) -> Self {
        Self(flag.bit())
    }
}

impl FromIterator<ResponseFlag> for ResponseFlags {
    fn from_iter<I: IntoIterator<Item = ResponseFlag>>(flags: I) -> Self {
        flags.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for ResponseFlags {
    /// Short names, separated by commas; `-` if there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printed(*self, FlagNames::Short).fmt(f)
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(flags, names) = *self;
        if flags.is_empty() {
            return f.write_str(ResponseFlag::None.name(names));
        }
        for (index, flag) in flags.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(flag.name(names))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
