//! What is known of where a question gets to: who decides there, and about what.

use std::net::IpAddr;

use ripstop_decide::{
    self as decide, CallStep, CallVerdict, Callee, Outcome, departure, peer_authentication, topology,
};
use ripstop_model::{MtlsMode, ProcessKind, Server, ServerTlsMode, TunnelProtocol, Workload};

use crate::{
    attempt::{Attempt, Gate, Request},
    course::Course,
    endpoints::{Endpoint, Who},
    explain::Asked,
    parties::Caller,
    place::{GatewayProxy, Place},
    transport::{Carrier, Content, Ruled, preamble, transport, upstream},
};

/// What is known at an endpoint.
pub(crate) enum Judged {
    /// Nobody decides there.
    Nobody(String),
    /// It cannot be known what is decided.
    Blind(String),
    /// Nothing gets there.
    Lost(String),
    /// Whoever sends it may not, which is known before it gets there.
    Kept(decide::Verdict, String),
    /// It is decided about that, which comes in that way.
    Attempt(Box<Attempt>, String),
}

// === impl Asked ===

impl Asked<'_> {
    /// What is decided about at an endpoint.
    pub(crate) fn judged(&self, endpoint: &Endpoint) -> Judged {
        if let (Some(credential), Some(tls)) = (&endpoint.credential, endpoint.tls.and_then(upstream))
            && !matches!(self.place, Place::Gateway(_))
        {
            return Judged::Lost(format!(
                "{tls} by a DestinationRule, which names a Secret for it ({credential}) and has no workloadSelector: only gateways get those, calls of others to it fail"
            ));
        }
        let Who::Workload(workload) = &endpoint.who else {
            if let Some(verdict) = self.departing(None, TunnelProtocol::None) {
                return Judged::Kept(verdict, "outside of the mesh".into());
            }
            let tls = endpoint.tls.and_then(upstream).map(|tls| format!("{tls} by a DestinationRule, "));
            let begins = endpoint.begins.map(|version| format!(", begun by {}", preamble(version)));
            return Judged::Nobody(format!(
                "{}outside of the mesh: nobody authorizes there{}",
                tls.unwrap_or_default(),
                begins.unwrap_or_default()
            ));
        };
        if workload.kind == ProcessKind::Waypoint {
            let whom = endpoint.service.as_ref().map_or(&*endpoint.backend, |service| &*service.hostname);
            let told = format!(
                "HBONE to the waypoint of {whom}, which decides about it anew: ask for that with --via waypoint --to {}",
                endpoint.backend
            );
            return match self.departing(Some(workload), TunnelProtocol::Hbone) {
                Some(verdict) => Judged::Kept(verdict, told),
                None => Judged::Nobody(told),
            };
        }
        let plaintext = self.question.plaintext && self.place.proxy().is_none();
        let reached = |caller: &Caller| {
            let ruled = Ruled { tls: endpoint.tls, begins: endpoint.begins };
            transport(self.world, caller, workload, endpoint.port, plaintext, self.carrier(), ruled)
        };
        if workload.tunnel != TunnelProtocol::Hbone {
            let told = reached(&self.caller).told;
            return match self.departing(Some(workload), TunnelProtocol::None) {
                Some(verdict) => Judged::Kept(verdict, told),
                None => Judged::Nobody(told),
            };
        }
        let attempt = |peer, source, remote| Attempt {
            destination: workload.clone(),
            address: endpoint.address,
            port: endpoint.port,
            peer,
            source,
            remote,
            sni: self.sni(),
            service: endpoint.service.clone(),
            request: self.request.clone(),
            unread: false,
            gate: Gate::Callee,
        };
        let remote = self.question.remote_ip.parse().ok();
        let (caller, source, remote) = match self.place.proxy() {
            None => (self.caller.clone(), self.source(), remote),
            // The gateway says whom it has it from.
            Some(proxy) => {
                let address = proxy.workload.addresses.first().copied();
                let says = proxy.is_known && matches!(self.place, Place::Gateway(_));
                let remote = remote.or_else(|| self.source().filter(|_| says));
                match proxy.caller(&self.caller) {
                    Some(caller) => (caller, address, remote),
                    None => return self.blind(attempt(None, address, remote)),
                }
            }
        };
        let transport = reached(&caller);
        let way = if transport.peer.is_some() { TunnelProtocol::Hbone } else { TunnelProtocol::None };
        if let Some(verdict) = self.departing(Some(workload), way) {
            return Judged::Kept(verdict, transport.told);
        }
        let mut attempt = attempt(transport.peer, source, remote);
        attempt.request = attempt.request.filter(|_| transport.content == Content::Plain);
        Judged::Attempt(Box::new(attempt), transport.told)
    }

    /// Why whoever sends it, if that is known, may not send it to `workload`, or out of the mesh.
    pub(crate) fn departing(&self, workload: Option<&Workload>, way: TunnelProtocol) -> Option<decide::Verdict> {
        let sender = match self.place.proxy() {
            Some(proxy) => Some(&proxy.workload).filter(|_| proxy.is_known),
            None => self.caller.workload().filter(|caller| caller.tunnel == TunnelProtocol::Hbone),
        };
        departure(sender?, workload, way)
    }

    /// Of a gateway whose identity is not known: where nobody looks at identities, it does not matter.
    fn blind(&self, attempt: Attempt) -> Judged {
        let program = &self.world.program;
        let (decision, policies) = attempt.examine(program);
        let mode = peer_authentication(program, &attempt.destination, attempt.port).mode;
        if policies.is_empty() && decision.verdict.is_allow() && mode != MtlsMode::Strict {
            let told = "the gateway's identity is not known, and no policy there looks at it";
            return Judged::Attempt(Box::new(attempt), told.into());
        }
        Judged::Blind("it cannot be judged: the gateway's identity, which is the caller here, is not known".into())
    }

    /// What is decided about at the waypoint, which knows callers by what they prove.
    fn at_waypoint(&self, proxy: &GatewayProxy) -> Option<Attempt> {
        let callee = self.destination.callee(&self.world.program, self.caller.namespace())?;
        let address = match &callee {
            Callee::Service(service) => service.addresses.first().copied(),
            Callee::Entry(entry) => entry.address(),
            Callee::Workload(workload) => workload.addresses.first().copied(),
        };
        Some(Attempt {
            destination: proxy.workload.clone(),
            address: self.destination.address.or(address),
            port: self.destination.port,
            peer: match &self.caller {
                Caller::Identity(identity) => Some(identity.clone()),
                Caller::Workload(workload) => workload.identity().ok(),
                Caller::Address(_) | Caller::Outside => None,
            },
            source: self.source(),
            remote: None,
            sni: self.sni(),
            service: callee.key(),
            request: self.request.clone(),
            unread: false,
            gate: Gate::Waypoint,
        })
    }

    /// What is decided about at the gateway or waypoint; nothing: it is none, or it takes nothing at that port.
    pub(crate) fn at_gateway(&self, course: &Course) -> Option<Attempt> {
        let proxy = match &self.place {
            Place::Gateway(proxy) => proxy,
            Place::Waypoint(Some(proxy)) => return self.at_waypoint(proxy),
            _ => return None,
        };
        let verdict = course.verdict.as_ref().filter(|verdict| !matches!(verdict.outcome, Outcome::Reset))?;
        let mode = self.listener(verdict).and_then(|server| server.tls.as_ref()).map(|tls| tls.mode);
        // What other certificates say is no identity of the mesh.
        let asks = mode == Some(ServerTlsMode::Mesh);
        let peer = match &self.caller {
            _ if !asks || self.question.plaintext => None,
            Caller::Identity(identity) => Some(identity.clone()).filter(|_| proxy.is_known),
            Caller::Workload(workload) if workload.tunnel == TunnelProtocol::Hbone => workload.identity().ok(),
            _ => None,
        };
        let announced = topology(&self.world.program, &proxy.workload).proxy_protocol;
        let is_told = proxy.is_known || self.caller.workload().is_none();
        Some(Attempt {
            destination: proxy.workload.clone(),
            address: proxy.workload.addresses.first().copied(),
            port: self.destination.port,
            peer,
            // Of the proxy that names the caller nothing is known but what is said of it.
            source: if announced { self.question.source_ip.parse().ok() } else { self.source().filter(|_| is_told) },
            remote: self
                .question
                .remote_ip
                .parse()
                .ok()
                .or_else(|| self.forwarded(&proxy.workload))
                .or_else(|| self.caller.address().filter(|_| announced && is_told)),
            sni: self.sni(),
            service: None,
            request: self.request.clone().map(|request| match self.scheme() {
                Some(scheme) => Request { scheme: scheme.into(), ..request },
                None => request,
            }),
            unread: false,
            gate: Gate::Gateway,
        })
    }

    /// The listener of a gateway that takes it.
    fn listener(&self, verdict: &CallVerdict) -> Option<&Server> {
        let id = verdict.trace.iter().find_map(|step| match step {
            CallStep::Server(id) => Some(id),
            _ => None,
        })?;
        let gateways = self.world.program.traffic().gateways.values();
        gateways.flat_map(|gateway| &gateway.servers).find(|server| server.id == *id)
    }

    /// Address that the connection comes from.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.question.source_ip.parse().ok().or_else(|| self.caller.address())
    }

    fn sni(&self) -> Option<String> {
        Some(self.question.sni.clone()).filter(|sni| !sni.is_empty())
    }

    fn carrier(&self) -> Carrier {
        match self.place {
            Place::Node | Place::Gateway(_) | Place::Waypoint(_) => Carrier::Own,
            // Ours is a node's proxy for one workload; others are Istio's.
            Place::Sidecar if self.caller.workload().is_some_and(|caller| caller.has_sidecar()) => Carrier::Own,
            Place::Sidecar => Carrier::Sidecar,
        }
    }
}
