//! Where requests are routed, and what that makes of them.

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use ripstop_decide::{
    CallFacts, CalledKey, Callee, Content, Decision, InboundFacts, Outcome, Program, Reached, RequestFacts, Role,
    Speaks, Verdict, authorize_at_gateway, authorize_at_waypoint, called_as, forwarded_client, forwarded_scheme,
    listening_at, outcome, terminates, topology,
};
use ripstop_model::{
    CertificateParts, ForwardClientCert, ProcessKind, Server, ServerProtocol, ServerTls, SpiffeId, Topology, Workload,
};
use ripstop_telemetry::Headers;

use super::filters::{changes::Transport, client_cert::ClientCert, origin::Origin};
use crate::{error::Error, policy_counts::PolicyCounts};

/// Where requests are routed.
#[derive(Clone, Debug)]
pub enum Standpoint {
    /// At the node of the workload that calls: the address that it called names the service.
    Node,
    /// At a gateway, which calls in its own name: the listener and the host name the service.
    Gateway(Box<Entrance>),
    /// At a waypoint, which calls in its own name, too: what the tunnel is for names the service.
    Waypoint(Box<Crossing>),
}

/// How a connection came into a waypoint.
#[derive(Clone, Debug)]
pub struct Crossing {
    /// Who calls, as its certificate names it.
    pub peer: SpiffeId,
    /// The workload that calls, as far as it is known.
    pub source: Option<Arc<Workload>>,
    /// What is called.
    pub called: CalledKey,
    /// Server name of TLS that passes through.
    pub server_name: Option<String>,
}

/// How a connection came into a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// What was called of the gateway.
    pub reached: Reached,
    /// What it is to the listener, once TLS has ended.
    pub carries: Carries,
    /// Server name of TLS, lower case; empty: TLS without one; nothing: no TLS.
    pub server_name: Option<String>,
    /// What the listener that it came to asked of TLS.
    pub tls: Option<Arc<ServerTls>>,
    /// The identity of the mesh that its client has proven, where the listener asks for one.
    pub peer: Option<SpiffeId>,
    /// What stands before the gateway.
    pub before: Before,
}

/// What stands before a gateway, and who of that a connection came by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// What is said of it.
    pub topology: Topology,
    /// The proxy that has said whom the connection is for; nothing: nobody has.
    pub proxy: Option<SocketAddr>,
}

/// What a connection is to the listener that took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carries {
    /// Requests, each of which is routed.
    Requests,
    /// Bytes that nobody looks at.
    Bytes,
}

// === impl Before ===

impl Before {
    /// What becomes of `x-forwarded-client-cert`.
    pub fn client_cert(&self) -> ForwardClientCert {
        self.topology.client_cert.unwrap_or(ForwardClientCert::SanitizeSet)
    }

    /// What that tells of a certificate.
    pub fn client_cert_parts(&self) -> CertificateParts {
        self.topology.client_cert_parts.unwrap_or(CertificateParts::USUAL)
    }

    /// For whom a connection is that comes from `client`, if a proxy has said that it speaks for that.
    pub fn remote(&self, client: SocketAddr) -> Option<IpAddr> {
        self.proxy.map(|_| client.ip())
    }
}

// === impl Entrance ===

impl Entrance {
    /// In the clear.
    pub fn plain(reached: impl Into<Reached>, carries: Carries) -> Self {
        Self { reached: reached.into(), carries, server_name: None, tls: None, peer: None, before: Before::default() }
    }

    /// Whether who comes in now in the same way is taken for the same, and asked for no more: what its port speaks, and
    /// what the listener of its server name does with it. A port that is gone asks for nothing.
    pub fn still_holds(&self, program: &Program, own: &Workload) -> bool {
        let Some(port) = listening_at(program, &own.labels, self.reached) else { return true };
        if port.speaks() != self.speaks() {
            return false;
        }
        let Some(tls) = &self.tls else { return true };
        port.named(self.named())
            .is_some_and(|(_, now)| now.tls.as_ref() == Some(tls) && Carries::at(now) == self.carries)
    }

    /// Whether what whoever comes in now says of its client counts as it did. Requests that are under way are judged by
    /// what stood before the gateway when they came; of bytes, nobody but the PROXY protocol says anything.
    pub fn still_announced(&self, program: &Program, own: &Workload) -> bool {
        let (before, now) = (&self.before.topology, topology(program, own));
        match self.carries {
            Carries::Requests => *before == now,
            Carries::Bytes => before.proxy_protocol == now.proxy_protocol,
        }
    }

    /// The server name that was asked for, if one was.
    pub fn named(&self) -> Option<&str> {
        self.server_name.as_deref().filter(|name| !name.is_empty())
    }

    /// What is called by it at the gateway that is `own`: a connection to `address`, or a request on it.
    pub fn call<'a>(
        &'a self,
        own: &'a Workload,
        address: IpAddr,
        request: Option<&'a RequestFacts<'a>>,
    ) -> CallFacts<'a> {
        CallFacts {
            role: Role::Gateway { labels: &own.labels, namespace: &own.namespace, address: self.reached.address },
            source: None,
            host: None,
            address: Some(address),
            port: self.reached.port,
            sni: self.server_name.as_deref(),
            request,
        }
    }

    fn speaks(&self) -> Speaks {
        match (&self.server_name, self.carries) {
            (Some(_), _) => Speaks::Tls,
            (None, Carries::Requests) => Speaks::Http,
            (None, Carries::Bytes) => Speaks::Tcp,
        }
    }
}

impl Hash for Entrance {
    /// Settings of TLS are left out: what came in alike otherwise hardly differs in them.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.reached.port, self.carries, &self.server_name, &self.peer).hash(state);
    }
}

/// Whether something may pass; why not.
pub fn settled(decision: Decision) -> Result<(), Error> {
    match decision.without_authorizer() {
        Verdict::Allow { .. } => Ok(()),
        denied @ Verdict::Deny { .. } => {
            let (code, policy) = (denied.code(), denied.policy().cloned());
            Err(Error::Denied { reason: denied.to_string(), code, policy })
        }
    }
}

/// What is called at the waypoint that is `own`: a connection to `destination`, or a request on it; `called` is what has
/// that address.
pub fn at_waypoint<'a>(
    own: &'a Workload,
    destination: SocketAddr,
    called: &'a Callee,
    server_name: Option<&'a str>,
    request: Option<&'a RequestFacts<'a>>,
) -> CallFacts<'a> {
    CallFacts {
        role: Role::Waypoint { called: Some(called) },
        source: Some(own),
        host: None,
        address: Some(destination.ip()),
        port: destination.port(),
        sni: server_name,
        request,
    }
}

/// What `own` calls at its node's proxy or at its own: a connection to `destination`, or a request on it.
pub fn at_node<'a>(own: &'a Workload, destination: SocketAddr, request: Option<&'a RequestFacts<'a>>) -> CallFacts<'a> {
    CallFacts {
        role: Role::of_caller(own),
        source: Some(own),
        host: None,
        address: Some(destination.ip()),
        port: destination.port(),
        sni: None,
        request,
    }
}

// === impl Crossing ===

impl Crossing {
    /// What is called, as `program` knows it; nothing: it is gone.
    pub fn callee(&self, program: &Program, destination: SocketAddr) -> Option<Callee> {
        called_as(program, &self.called, destination)
    }

    /// What is known of a connection, or a request on it, that comes from `client` to the waypoint that is `own`. Its port
    /// is the service's.
    pub fn facts<'a>(
        &'a self,
        own: &'a Workload,
        client: SocketAddr,
        destination: SocketAddr,
        content: Content<'a>,
    ) -> InboundFacts<'a> {
        InboundFacts {
            address: Some(destination.ip()),
            sni: self.server_name.as_deref(),
            service: self.called.host(),
            content,
            ..InboundFacts::connection(own, destination.port(), Some(&self.peer), Some(client))
        }
    }
}

// === impl Carries ===

impl Carries {
    /// What connections to a listener are.
    pub fn at(server: &Server) -> Self {
        match server.protocol {
            ServerProtocol::Http => Self::Requests,
            ServerProtocol::Https if server.tls.as_ref().is_some_and(|tls| terminates(tls.mode)) => Self::Requests,
            ServerProtocol::Https | ServerProtocol::Tls | ServerProtocol::Tcp => Self::Bytes,
        }
    }
}

// === impl Standpoint ===

impl Standpoint {
    /// Where a connection to `destination`, or a request on it, goes; `own` is the workload that calls, and `called` what a
    /// waypoint is called for. The facts that it follows from are given to `then`, with what it is.
    pub fn outcome<T>(
        &self,
        program: &Program,
        own: &Workload,
        destination: SocketAddr,
        called: Option<&Callee>,
        request: Option<&RequestFacts<'_>>,
        then: impl FnOnce(&CallFacts<'_>, Outcome) -> T,
    ) -> T {
        let facts = match (self, called) {
            (Self::Gateway(entrance), _) => entrance.call(own, destination.ip(), request),
            (Self::Waypoint(crossing), Some(called)) => {
                at_waypoint(own, destination, called, crossing.server_name.as_deref(), request)
            }
            (Self::Node | Self::Waypoint(_), _) => at_node(own, destination, request),
        };
        // What was called at a waypoint is gone, or unknown there: it leads nobody anywhere else.
        let outcome = match (self, called) {
            (Self::Waypoint(_), None) => Outcome::Reset,
            _ => outcome(program, &facts),
        };
        match (self, outcome) {
            (Self::Waypoint(_), Outcome::Passthrough) => then(&facts, Outcome::Reset),
            (_, outcome) => then(&facts, outcome),
        }
    }

    /// What was called at a waypoint, as `program` knows it.
    pub fn called(&self, program: &Program, destination: SocketAddr) -> Option<Callee> {
        match self {
            Self::Waypoint(crossing) => crossing.callee(program, destination),
            Self::Node | Self::Gateway(_) => None,
        }
    }

    /// Why a request or connection of `client`, for whom proxies that are trusted name `remote`, may not pass, or go on. At a
    /// node nobody asks: the callee's policies do. Of one that has just come, what policies say is counted by `counts`.
    #[expect(clippy::too_many_arguments, reason = "each is of another sort, and all of them are facts")]
    pub fn judge(
        &self,
        program: &Program,
        own: &Workload,
        client: SocketAddr,
        remote: Option<IpAddr>,
        destination: SocketAddr,
        content: Content<'_>,
        counts: Option<&PolicyCounts>,
    ) -> Result<(), Error> {
        let decision = match self {
            Self::Node => return Ok(()),
            Self::Gateway(entrance) => {
                if !entrance.still_holds(program, own) {
                    return Err(Error::Misdirected(entrance.reached.port));
                }
                let from = entrance.before.proxy.unwrap_or(client);
                let facts = InboundFacts {
                    address: Some(destination.ip()),
                    sni: entrance.named(),
                    content,
                    remote: remote.or(entrance.before.remote(client)),
                    ..InboundFacts::connection(own, entrance.reached.port, entrance.peer.as_ref(), Some(from))
                };
                authorize_at_gateway(program, &facts)
            }
            Self::Waypoint(crossing) => {
                authorize_at_waypoint(program, &crossing.facts(own, client, destination, content))
            }
        };
        if let Some(counts) = counts {
            counts.note(&decision);
        }
        settled(decision)
    }

    /// Whether what it serves is judged here.
    pub fn judges(&self) -> bool {
        !matches!(self, Self::Node)
    }

    /// Where the requests of `client`, for whom proxies that are trusted name `remote`, come from.
    pub fn origin(&self, client: SocketAddr, remote: Option<IpAddr>) -> Origin {
        match self {
            Self::Node => Origin::Caller,
            Self::Gateway(_) if self.trusted_proxies() > 0 => Origin::Behind { proxy: client.ip(), client: remote },
            Self::Gateway(_) => Origin::Outside { client: Some(client.ip()) },
            Self::Waypoint(_) => Origin::Mesh,
        }
    }

    /// For whom proxies before a gateway that are trusted send a request with these fields; nothing: none does.
    pub fn remote(&self, headers: &dyn Headers) -> Option<IpAddr> {
        let proxies = self.trusted_proxies();
        if proxies == 0 {
            return None;
        }
        let mut values = Vec::new();
        headers.visit("x-forwarded-for", &mut |value| values.push(value));
        forwarded_client(&values, proxies)
    }

    /// The number of a decision as the caller may know it who is refused, with the reason. Who comes to a gateway from
    /// outside is told nothing; an identity of the mesh is told, as far as it passes it on to nobody.
    pub fn confides(&self, decision: u64) -> Option<u64> {
        let confides = match self {
            Self::Node => true,
            Self::Gateway(entrance) => entrance.peer.is_some(),
            Self::Waypoint(crossing) => keeps_to_itself(crossing.source.as_deref()),
        };
        confides.then_some(decision)
    }

    /// What is told of a client that has proven a certificate, of which is told `proven`; nothing: it has none.
    pub fn client_cert<'a>(&self, proven: Option<&'a str>) -> ClientCert<'a> {
        let Self::Gateway(entrance) = self else { return ClientCert::Ends };
        match (entrance.before.client_cert(), proven) {
            (ForwardClientCert::AlwaysForwardOnly, _) | (ForwardClientCert::ForwardOnly, Some(_)) => ClientCert::Passes,
            (ForwardClientCert::AppendForward, Some(told)) => ClientCert::Appended(told),
            (ForwardClientCert::SanitizeSet, Some(told)) => ClientCert::Set(told),
            (ForwardClientCert::Sanitize, _) | (_, None) => ClientCert::Ends,
        }
    }

    fn trusted_proxies(&self) -> u32 {
        match self {
            Self::Node | Self::Waypoint(_) => 0,
            Self::Gateway(entrance) => entrance.before.topology.trusted_proxies.unwrap_or(0),
        }
    }

    /// How the client sent a request with these fields: as it came, or as proxies before a gateway say that are trusted.
    pub fn transport(&self, headers: &dyn Headers) -> Transport {
        if self.trusted_proxies() > 0 {
            let mut values = Values::default();
            headers.visit("x-forwarded-proto", &mut |value| values.take(value));
            match values.one().and_then(forwarded_scheme) {
                Some("https") => return Transport::Tls,
                Some(_) => return Transport::Plain,
                None => {}
            }
        }
        match self {
            Self::Gateway(entrance) if entrance.server_name.is_some() => Transport::Tls,
            Self::Node | Self::Gateway(_) | Self::Waypoint(_) => Transport::Plain,
        }
    }

    /// The scheme of a request with these fields that comes to a gateway, whatever it says of itself. Elsewhere nothing: it
    /// is what it says.
    pub fn scheme(&self, headers: &dyn Headers) -> Option<&'static str> {
        matches!(self, Self::Gateway(_)).then(|| self.transport(headers).scheme())
    }

    /// The address that was meant, for hosts that are reached where their caller says. Who calls a gateway says none.
    pub fn original(&self, destination: SocketAddr) -> SocketAddr {
        match self {
            Self::Node | Self::Waypoint(_) => destination,
            Self::Gateway(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        }
    }
}

/// Whether whoever calls is told why it is refused: a workload does not pass answers of the mesh on, as gateways do to
/// clients from outside, and waypoints to gateways. Of whom nothing is known may be one of these.
pub fn keeps_to_itself(caller: Option<&Workload>) -> bool {
    caller.is_some_and(|caller| caller.kind == ProcessKind::Command)
}

/// Values of a field, of which there has to be one.
#[derive(Default)]
enum Values<'a> {
    #[default]
    None,
    One(&'a [u8]),
    Several,
}

// === impl Values ===

impl<'a> Values<'a> {
    fn take(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::None => Self::One(value),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    fn one(&self) -> Option<&'a [u8]> {
        match self {
            Self::One(value) => Some(value),
            Self::None | Self::Several => None,
        }
    }
}

#[cfg(test)]
mod tests;
