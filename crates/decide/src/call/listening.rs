//! What a gateway listens on, and with which certificates.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{Gateway, Labels, ObjectName, Server, ServerProtocol, ServerTls, ServerTlsMode};

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

/// What of a `Secret` a gateway needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialPart {
    /// The authorities of clients' certificates alone.
    Authorities,
    /// All of it.
    Whole,
}

/// Scheme of the only resources that a name may lead to.
const KUBERNETES: &str = "kubernetes://";
/// Name of the `Secret` with the authorities, after that of the one with the certificate.
const AUTHORITY_SUFFIX: &str = "-cacert";

/// What a gateway with these labels listens on.
pub fn listening<'p>(program: &'p Program, labels: &Labels) -> BTreeMap<u16, Listening<'p>> {
    let mut ports: BTreeMap<u16, Listening<'p>> = BTreeMap::new();
    for (gateway, server) in acting(program, labels) {
        let port = ports
            .entry(server.port)
            .or_insert_with(|| Listening { speaks: Speaks::of(server.protocol), servers: Vec::new() });
        if goes_with(port.servers.first().map_or(server.protocol, |(_, first)| first.protocol), server.protocol) {
            port.servers.push((gateway, server));
        }
    }
    ports
}

/// A port of a gateway with these labels; nothing: it does not listen there.
pub fn listening_at<'p>(program: &'p Program, labels: &Labels, port: u16) -> Option<Arrival<'p>> {
    program.listeners().at(port, labels).map(Arrival)
}

/// Listeners of all `Gateway`s that select these labels, the oldest object first.
fn acting<'p>(program: &'p Program, labels: &Labels) -> impl Iterator<Item = (&'p Gateway, &'p Server)> + use<'p> {
    let all = program.traffic().gateways.values().map(|gateway: &'p Arc<Gateway>| &**gateway);
    let mut gateways: Vec<&Gateway> = all.filter(|gateway| gateway.selector.matches(labels)).collect();
    gateways.sort_by_key(|gateway| (gateway.created, &gateway.name, &gateway.namespace));
    gateways.into_iter().flat_map(|gateway| gateway.servers.iter().map(move |server| (gateway, server)))
}

/// The names of the `Secret`s that hold the certificate of `server`, in order of preference, one list for each
/// certificate: the proxy's own namespace comes before that of the `Gateway`, and no other is looked into.
pub fn certificate_names(namespace: &str, gateway: &Gateway, tls: &ServerTls) -> Vec<Vec<ObjectName>> {
    tls.credentials.iter().map(|name| candidates(namespace, gateway, name)).collect()
}

/// As [`certificate_names`], of the authorities of clients: in a `Secret` of their own, or beside the certificate.
pub fn authority_names(namespace: &str, gateway: &Gateway, tls: &ServerTls) -> Vec<ObjectName> {
    if !matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual) {
        return Vec::new();
    }
    if let Some(name) = &tls.ca_credential {
        return candidates(namespace, gateway, name);
    }
    let Some(first) = tls.credentials.first() else { return Vec::new() };
    let apart = candidates(namespace, gateway, &format!("{first}{AUTHORITY_SUFFIX}"));
    apart.into_iter().chain(candidates(namespace, gateway, first)).collect()
}

/// All `Secret`s that a gateway with these labels may need, whether or not they are there.
pub fn needed_credentials(program: &Program, labels: &Labels, namespace: &str) -> BTreeMap<ObjectName, CredentialPart> {
    let mut needed = BTreeMap::new();
    for (gateway, server) in acting(program, labels) {
        let Some(tls) = &server.tls else { continue };
        for name in authority_names(namespace, gateway, tls) {
            needed.entry(name).or_insert(CredentialPart::Authorities);
        }
        if terminates(tls.mode) {
            for name in certificate_names(namespace, gateway, tls).into_iter().flatten() {
                needed.insert(name, CredentialPart::Whole);
            }
        }
    }
    needed
}

/// Whether TLS ends at the gateway, with a certificate from a `Secret` or a file.
pub fn terminates(mode: ServerTlsMode) -> bool {
    matches!(mode, ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual)
}

fn candidates(namespace: &str, gateway: &Gateway, written: &str) -> Vec<ObjectName> {
    let text = written.strip_prefix(KUBERNETES).unwrap_or(written);
    if text.contains("://") {
        return Vec::new();
    }
    let near = [namespace, &gateway.namespace];
    let mut names: Vec<ObjectName> = match text.split_once('/') {
        // Nobody gets at what is neither the proxy's nor their own.
        Some((wanted, name)) => near.into_iter().filter(|near| *near == wanted).map(|near| (near, name)).collect(),
        None => near.into_iter().map(|near| (near, text)).collect::<Vec<_>>(),
    }
    .into_iter()
    .map(|(namespace, name): (&str, &str)| (Arc::from(namespace), Arc::from(name)))
    .collect();
    names.dedup();
    names
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
