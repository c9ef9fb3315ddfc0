//! Listeners at addresses of their own, and who is behind them.

use std::{collections::BTreeSet, sync::Arc};

use ripstop_model::{EgressScope, Resolution};

use super::{Callee, View};
use crate::call::CallFacts;

impl<'a> View<'a> {
    /// The listener at an address of its own that the call came to, if it came to one.
    pub(crate) fn door(&self) -> Option<&'a EgressScope> {
        self.listener.filter(|listener| listener.bound().is_some())
    }

    /// Whom a call means that came to a listener at an address of its own: what its request or TLS names, else the only one
    /// that the listener knows; with the name that routes go by, and the port that is called there.
    pub(crate) fn behind(&self, door: &EgressScope, facts: &CallFacts<'_>) -> Option<(String, Callee, u16)> {
        let (name, callee) = match (facts.request, facts.sni) {
            (Some(request), _) => {
                let (name, callee) = self.meant(request.authority, facts);
                (name, callee?)
            }
            (None, Some(name)) => {
                let name = name.to_ascii_lowercase();
                let callee = self.named(&name)?;
                (name, callee)
            }
            (None, None) => {
                let callee = self.sole(door)?;
                (callee.host_for(None)?.to_string(), callee)
            }
        };
        // There is no address that it was called at.
        let is_by_address = matches!(&callee, Callee::Entry(entry) if entry.resolution == Resolution::Passthrough);
        let port = port_of(&callee, self.port)?;
        (!is_by_address).then_some((name, callee, port))
    }

    /// The only one whom a listener knows: of several, the only one with its port.
    fn sole(&self, door: &EgressScope) -> Option<Callee> {
        let exact: Option<Vec<&Arc<str>>> = door.hosts.iter().map(|import| import.host.exact()).collect();
        let mut found: Vec<Callee> = if let Some(hosts) = exact {
            hosts.into_iter().filter_map(|host| self.named(host)).collect()
        } else {
            let services = self.program.services().map(|service| service.key.hostname.clone());
            let entries = self.program.entries().filter_map(|entry| entry.host.exact().cloned());
            let hosts: BTreeSet<Arc<str>> = services.chain(entries).collect();
            hosts.iter().filter_map(|host| self.named(host)).collect()
        };
        found.dedup_by_key(|callee| callee.called());
        if found.iter().any(|callee| callee.protocol(self.port).is_some()) {
            found.retain(|callee| callee.protocol(self.port).is_some());
        }
        found.retain(|callee| port_of(callee, self.port).is_some());
        match &found[..] {
            [only] => Some(only.clone()),
            _ => None,
        }
    }
}

/// The port of a callee that a listener with that port leads to: the same, else its only one.
fn port_of(callee: &Callee, port: u16) -> Option<u16> {
    if callee.protocol(port).is_some() { Some(port) } else { callee.sole_port() }
}
