//! What a gateway listens on.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use ripstop_model::{Gateway, Labels, Server, ServerProtocol, ServerTlsMode};

use super::gateway::pick;
use crate::{
    listeners::{Acting, goes_with},
    program::Program,
};

/// One port of a gateway.
#[derive(Clone, Debug)]
pub struct Listening<'p> {
    /// Whether requests or connections arrive in the clear.
    pub speaks: Speaks,
    /// Who acts there, the oldest object first. What does not go with the oldest does not act.
    pub servers: Vec<(&'p Gateway, &'p Server)>,
}

/// One port of a gateway, as what arrives there sees it. However many listeners there are, only those are looked at that
/// have to be.
#[derive(Clone, Debug)]
pub struct Arrival<'p>(Acting<'p>);

/// What was called of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// Port of the listener.
    pub port: u16,
    /// Address of the gateway's own; nothing: the host's, or it is not known.
    pub address: Option<IpAddr>,
}

/// What arrives at a port of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Requests in the clear.
    Http,
    /// TLS, whose server name says which listener takes it.
    Tls,
    /// Connections of any protocol.
    Tcp,
}

/// What a gateway with these labels listens on: at all addresses, where none is named, or at one.
pub fn listening<'p>(program: &'p Program, labels: &Labels) -> BTreeMap<Reached, Listening<'p>> {
    let mut ports: BTreeMap<Reached, Listening<'p>> = BTreeMap::new();
    for (gateway, server) in acting(program, labels) {
        let port = ports
            .entry(Reached { port: server.port, address: server.bind })
            .or_insert_with(|| Listening { speaks: Speaks::of(server.protocol), servers: Vec::new() });
        if goes_with(port.servers.first().map_or(server.protocol, |(_, first)| first.protocol), server.protocol) {
            port.servers.push((gateway, server));
        }
    }
    ports
}

/// A port of a gateway with these labels; nothing: it does not listen there. What has the address of its own that was called
/// keeps it from those that take all.
pub fn listening_at<'p>(program: &'p Program, labels: &Labels, reached: impl Into<Reached>) -> Option<Arrival<'p>> {
    program.listeners().at(reached.into(), labels).map(Arrival)
}

/// Listeners of all `Gateway`s that select these labels, the oldest object first.
pub(super) fn acting<'p>(
    program: &'p Program,
    labels: &Labels,
) -> impl Iterator<Item = (&'p Gateway, &'p Server)> + use<'p> {
    let all = program.traffic().gateways.values().map(|gateway: &'p Arc<Gateway>| &**gateway);
    let mut gateways: Vec<&Gateway> = all.filter(|gateway| gateway.selector.matches(labels)).collect();
    gateways.sort_by_key(|gateway| (gateway.created, &gateway.name, &gateway.namespace));
    gateways.into_iter().flat_map(|gateway| gateway.servers.iter().map(move |server| (gateway, server)))
}

/// Whether TLS ends at the gateway.
pub fn terminates(mode: ServerTlsMode) -> bool {
    use ServerTlsMode::{AutoPassthrough, Mesh, Mutual, OptionalMutual, Passthrough, Simple};
    match mode {
        Simple | Mutual | OptionalMutual | Mesh => true,
        Passthrough | AutoPassthrough => false,
    }
}

// === impl Reached ===

impl From<u16> for Reached {
    fn from(port: u16) -> Self {
        Self { port, address: None }
    }
}

// === impl Arrival ===

impl<'p> Arrival<'p> {
    /// What arrives.
    pub fn speaks(&self) -> Speaks {
        Speaks::of(self.0.protocol())
    }

    /// The listener that takes a connection with this server name (lower case): the one with the most specific host.
    pub fn named(&self, server_name: Option<&str>) -> Option<(&'p Gateway, &'p Server)> {
        pick(&self.0.named(server_name), server_name)
    }
}

// === impl Speaks ===

impl Speaks {
    fn of(protocol: ServerProtocol) -> Self {
        match protocol {
            ServerProtocol::Http => Self::Http,
            ServerProtocol::Https | ServerProtocol::Tls => Self::Tls,
            ServerProtocol::Tcp => Self::Tcp,
        }
    }
}

#[cfg(test)]
mod tests;
