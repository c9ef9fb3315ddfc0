//! Listeners that a workload's own proxy opens itself, in the workload's network (Istio's `captureMode: NONE`).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use crate::{CallerScope, EgressScope, IngressScope, ListenerMode};

/// A listener that a workload's own proxy opens itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnListener {
    /// For what.
    pub way: ListenerWay,
    /// Where.
    pub address: SocketAddr,
}

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListenerWay {
    /// What comes for the application.
    Ingress,
    /// What the application calls.
    Egress,
}

/// Why a listener is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// Its port is one of the mesh itself.
    PortOfMesh,
    /// Another listener of the same object, for ingress, has the address and port already.
    Taken,
    /// The application would get what comes there at a listener of the same object, and so at itself or in a circle.
    Circle,
}

/// Ports that proxies have in the network of each enrolled workload.
const PORTS_OF_MESH: [u16; 4] = [15_001, 15_006, 15_008, 15_053];

// === impl CallerScope ===

impl CallerScope {
    /// The listeners that a proxy opens itself, with the place of each among `ingress` or `egress`, and why it does not.
    pub fn own_listeners(&self) -> Vec<(OwnListener, usize, Result<(), Clash>)> {
        let ingress = self.ingress.iter().enumerate().filter_map(|(at, listener)| Some((listener.own()?, at)));
        let egress = self.egress.iter().flatten().enumerate();
        let egress = egress.filter_map(|(at, listener)| Some((listener.own()?, at)));
        let all: Vec<(OwnListener, usize)> = ingress.chain(egress).collect();
        let judged = all.iter().map(|&(own, at)| {
            let is_taken = || {
                own.way == ListenerWay::Egress
                    && all.iter().any(|(other, _)| is_before(*other, own) && meet(*other, own))
            };
            let target = match own.way {
                ListenerWay::Ingress if own.address.ip().is_unspecified() => {
                    Some(self.ingress[at].delivered(own.address).unwrap_or(own.address))
                }
                ListenerWay::Ingress => self.ingress[at].delivered(own.address),
                ListenerWay::Egress => None,
            };
            let circles = |target: SocketAddr| all.iter().any(|(other, _)| covers(other.address, target));
            let said = if PORTS_OF_MESH.contains(&own.address.port()) {
                Err(Clash::PortOfMesh)
            } else if is_taken() {
                Err(Clash::Taken)
            } else if target.is_some_and(circles) {
                Err(Clash::Circle)
            } else {
                Ok(())
            };
            (own, at, said)
        });
        judged.collect()
    }
}

// === impl IngressScope ===

impl IngressScope {
    /// Whether it is for what comes to that address, at its port.
    pub fn is_for(&self, address: IpAddr) -> bool {
        self.bind.is_none_or(|bind| bind.is_unspecified() || bind == address.to_canonical())
    }

    /// The address that the proxy listens at for it, if it does.
    pub fn own(&self) -> Option<OwnListener> {
        let bind = self.bind.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let own = OwnListener { way: ListenerWay::Ingress, address: SocketAddr::new(bind, self.port) };
        (self.mode == ListenerMode::Own).then_some(own)
    }

    /// Where the application listens for what comes to `called`, if that is said; where the proxy itself has that address,
    /// and nothing is said, it can only be at the others: at the loopback, or (nothing) at the workload's own.
    pub fn delivered(&self, called: SocketAddr) -> Option<SocketAddr> {
        if let Some(said) = self.endpoint.as_deref().and_then(|text| endpoint(text, called)) {
            return Some(said);
        }
        let taken = self.bind.filter(|bind| self.mode == ListenerMode::Own && *bind == called.ip());
        taken
            .filter(|bind| !bind.is_unspecified() && !bind.is_loopback())
            .map(|bind| SocketAddr::new(loopback(bind), self.port))
    }
}

// === impl EgressScope ===

impl EgressScope {
    /// Whether calls to that address, at its port, come to it; `own` are the addresses of whoever calls.
    pub fn is_for(&self, address: Option<IpAddr>, own: &[IpAddr]) -> bool {
        let Some(bind) = self.bound() else { return true };
        let Some(address) = address.map(|address| address.to_canonical()) else { return false };
        match self.mode {
            _ if bind == address => true,
            ListenerMode::Own => bind.is_unspecified() && (address.is_loopback() || own.contains(&address)),
            ListenerMode::Captured => false,
        }
    }

    /// The only address that calls come to it by; nothing: they come by any.
    pub fn bound(&self) -> Option<IpAddr> {
        self.port?;
        match self.mode {
            ListenerMode::Captured => self.bind.filter(|bind| !bind.is_unspecified()),
            ListenerMode::Own => Some(self.bind.unwrap_or(Ipv4Addr::LOCALHOST.into())),
        }
    }

    /// The address that the proxy listens at for it, if it does.
    pub fn own(&self) -> Option<OwnListener> {
        let address = SocketAddr::new(self.bound().filter(|_| self.mode == ListenerMode::Own)?, self.port?);
        Some(OwnListener { way: ListenerWay::Egress, address })
    }
}

// === impl Clash ===

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PortOfMesh => "proxies of the mesh have that port in the network of each workload",
            Self::Taken => "a listener of `ingress` has that address and port",
            Self::Circle => {
                "the application is to get what comes there at the address and port of a listener of the proxy itself, \
                 which would call itself"
            }
        })
    }
}

fn is_before(one: OwnListener, other: OwnListener) -> bool {
    one.way < other.way
}

/// Whether two can't be open at the same time.
fn meet(one: OwnListener, other: OwnListener) -> bool {
    covers(one.address, other.address) || covers(other.address, one.address)
}

/// Whether what is sent to `called` comes to a listener at `address`.
pub fn covers(address: SocketAddr, called: SocketAddr) -> bool {
    // A socket of one family hears nothing of the other.
    let is_any = |one: SocketAddr| one.ip().is_unspecified() && address.is_ipv4() == called.is_ipv4();
    address.port() == called.port() && (address.ip() == called.ip() || is_any(address) || is_any(called))
}

/// What `defaultEndpoint` means for a workload that was called at `called`. Sockets of the file system are left out.
fn endpoint(text: &str, called: SocketAddr) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let ip = match host {
        "" | "0.0.0.0" | "[::]" => called.ip(),
        "127.0.0.1" => Ipv4Addr::LOCALHOST.into(),
        "[::1]" => Ipv6Addr::LOCALHOST.into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port.parse().ok()?))
}

fn loopback(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

#[cfg(test)]
mod tests;
