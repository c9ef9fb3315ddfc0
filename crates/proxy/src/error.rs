//! What can go wrong on the data path, in words for the one who has to mend it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use ripstop_decide::Verdict;
use ripstop_model::{RuleId, SpiffeId};
use ripstop_telemetry::ResponseFlag;
use thiserror::Error;

use crate::backends::BackendError;

/// Why the proxy could not start, or a connection failed.
#[derive(Debug, Error)]
pub enum Error {
    /// A file or socket of the proxy itself.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Credentials or configuration could not be had.
    #[error("control plane: {0}")]
    Link(String),
    /// No configuration names the workload yet.
    #[error("workload {0} is not in the configuration yet; check `ripstop status` for a lagging proxy")]
    UnknownWorkload(Arc<str>),
    /// No certificate.
    #[error("no certificate for {0}: the control plane has not issued one yet; check `ripstop status`")]
    NoCertificate(SpiffeId),
    /// A service has nobody to answer.
    #[error("service {0} has no ready endpoint; check `ripstop get workloads`")]
    NoEndpoint(String),
    /// A declared host that nobody answers for.
    #[error(
        "{0} has no endpoint that can be called: DNS knows no address of it, or all that is declared is unhealthy; check `ripstop config backends`, and the proxy's log"
    )]
    NoAddress(String),
    /// A virtual address without that port.
    #[error("{0} is the address of a service that has no such port")]
    NoSuchPort(SocketAddr),
    /// Nobody in the mesh declares it, and the mesh refuses what nobody declares.
    #[error(
        "{0} is declared by nobody whom the caller knows, and it may call nobody else (outboundTrafficPolicy REGISTRY_ONLY); call a workload by its Service, declare what is outside by a ServiceEntry, or import it where a Sidecar limits what is known"
    )]
    NotRegistered(SocketAddr),
    /// A backend could not be called.
    #[error(transparent)]
    Backend(BackendError),
    /// A gateway listens on that port no more.
    #[error("port {0} of the gateway is named by no Gateway any more")]
    NotListening(u16),
    /// What a connection brought when it came to a gateway is not enough any more.
    #[error(
        "port {0} of the gateway asks for other TLS by now, takes another server name or speaks another protocol: connect anew"
    )]
    Misdirected(u16),
    /// A connection would not come in any more as it did, and has had its time to end by itself.
    #[error(
        "port {port} of the gateway takes no such connection any more, and what was open had {} s to end",
        time.as_secs()
    )]
    Drained {
        /// The listener's port.
        port: u16,
        /// How long connections drain.
        time: Duration,
    },
    /// A client has proven who it is by somebody who is not believed any more.
    #[error("what its client has proven does not count any more: {0}")]
    Distrusted(String),
    /// A waypoint stands in front of nothing that is called like that.
    #[error("{0} is nothing that this waypoint stands in front of; the caller may hold another configuration")]
    NotServed(String),
    /// What a waypoint stood in front of goes another way by now, and its connections have had their time to end.
    #[error(
        "{destination} is called past this waypoint by now, or no route leads there, and what was open had {} s to end",
        time.as_secs()
    )]
    Bypassed {
        /// What was called.
        destination: SocketAddr,
        /// How long connections drain.
        time: Duration,
    },
    /// A gateway has nowhere to pass a connection on.
    #[error("no route for connections matches what came to port {0} of the gateway")]
    NoRoute(u16),
    /// TLS of a client of a gateway failed.
    #[error("TLS of {address}: {reason}")]
    Tls {
        /// The client.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Whoever connected to a gateway has not said, as it has to, whom it speaks for.
    #[error("PROXY protocol of {address}: {reason} (gatewayTopology.proxyProtocol)")]
    Unannounced {
        /// Whoever connected.
        address: SocketAddr,
        /// What is wrong.
        reason: String,
    },
    /// Addressed to the proxy's own ports.
    #[error("{0} is a port of the mesh itself and not for applications")]
    OwnPort(SocketAddr),
    /// One workload has as many connections as it may.
    #[error(
        "workload {workload} has {limit} connections already, the most that one may have; look for connections that are never closed"
    )]
    TooMany {
        /// The workload.
        workload: Arc<str>,
        /// Its places.
        limit: usize,
    },
    /// One caller has as many connections through a waypoint as it may.
    #[error(
        "{peer} has {limit} connections through the waypoint already, the most that one caller may have; look for connections that are never closed"
    )]
    TooManyOf {
        /// The caller.
        peer: SpiffeId,
        /// Its places.
        limit: usize,
    },
    /// A limit of connections is reached.
    #[error("there may be no more than {limit}, and there are")]
    TooManyConnections {
        /// The limit.
        limit: String,
        /// Its id.
        policy: RuleId,
    },
    /// A limit of requests of the workload's own listener is reached.
    #[error("there may be no more than {limit}, and there are (connectionPool.http of its Sidecar)")]
    TooManyRequests {
        /// The limit.
        limit: String,
        /// Who says so.
        policy: Option<RuleId>,
    },
    /// The caller is gone before there was anything to talk to.
    #[error("the caller gave up before {0} answered")]
    GaveUp(SocketAddr),
    /// A policy said no.
    #[error("{reason}")]
    Denied {
        /// Why.
        reason: String,
        /// In a word.
        code: &'static str,
        /// Which policy.
        policy: Option<RuleId>,
    },
    /// The next hop did not answer.
    #[error("connect to {address}: {source}{hint}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
        /// What to check.
        hint: &'static str,
    },
    /// The tunnel could not be built, or its far end refused.
    #[error("tunnel to {address}: {reason}")]
    Tunnel {
        /// Where to.
        address: SocketAddr,
        /// Why.
        reason: String,
        /// As metrics call it.
        flag: ResponseFlag,
    },
    /// No prepared socket came from the agent.
    #[error("no socket in the namespace of {0}: the node's agent does not answer; check `ripstop logs agent-NODE`")]
    NoSocket(Arc<str>),
    /// The connection broke while it was open.
    #[error("connection broke: {0}")]
    Relay(String),
    /// It was open for as long as it may be.
    #[error(
        "it was open for {0:?}, and may not be for longer (trafficPolicy.connectionPool.tcp.maxConnectionDuration)"
    )]
    Outlived(Duration),
    /// Nothing passed for as long as nothing may.
    #[error(
        "nothing passed for {0:?}, and it may not be silent for longer (trafficPolicy.connectionPool.tcp.idleTimeout)"
    )]
    Silent(Duration),
    /// Its workload ended.
    #[error("the workload ended, or left the mesh for good")]
    Gone,
    /// A policy that came into force closed it.
    #[error("closed by a policy that came into force: {reason}")]
    Revoked {
        /// Why.
        reason: String,
        /// Which policy.
        policy: Option<RuleId>,
    },
}

impl Error {
    /// What a verdict that denies comes to.
    pub fn denied(verdict: &Verdict) -> Self {
        let reason = match verdict {
            Verdict::Deny { reason, .. } => reason.to_string(),
            Verdict::Allow { .. } => verdict.to_string(),
        };
        Self::Denied { reason, code: verdict.code(), policy: verdict.policy().cloned() }
    }

    /// The flag that metrics and access log give this failure.
    pub fn flag(&self) -> ResponseFlag {
        match self {
            Self::Denied { .. } | Self::Revoked { .. } | Self::Distrusted(_) => ResponseFlag::Deny,
            Self::TooManyConnections { .. } => ResponseFlag::RateLimited,
            Self::TooManyRequests { .. } => ResponseFlag::UpstreamOverflow,
            Self::NoCertificate(_) => ResponseFlag::IdentityError,
            Self::Tls { .. } => ResponseFlag::TlsFailure,
            Self::Unannounced { .. } => ResponseFlag::DownstreamProtocolError,
            Self::Tunnel { flag, .. } => *flag,
            Self::Backend(error) => error.flag(),
            Self::Drained { .. } | Self::Bypassed { .. } => ResponseFlag::LocalReset,
            Self::Relay(_) | Self::Gone | Self::Silent(_) => ResponseFlag::None,
            Self::Outlived(_) => ResponseFlag::DurationTimeout,
            _ => ResponseFlag::Connect,
        }
    }

    /// The policy behind it.
    pub fn policy(&self) -> Option<&RuleId> {
        match self {
            Self::Denied { policy, .. } | Self::Revoked { policy, .. } | Self::TooManyRequests { policy, .. } => {
                policy.as_ref()
            }
            Self::TooManyConnections { policy, .. } => Some(policy),
            _ => None,
        }
    }
}
