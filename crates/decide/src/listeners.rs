//! Listeners of gateways, found by port, by the proxy that they act at, and by host.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use imbl::{HashMap, OrdMap};
use ripstop_model::{Gateway, HostPattern, Labels, Server, ServerProtocol};

use crate::call::{Encoded, Reached, looked_for, patterns};

/// Listeners of all `Gateway`s. A proxy's are found by its labels: a selector is where its first label leads.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Listeners {
    by_place: HashMap<Key, OrdMap<Labels, Group>>,
    /// How many have an address of their own.
    bound: usize,
}

/// Port and address of its own, and the first label of the selector.
type Key = (u16, Option<IpAddr>, Option<Label>);

/// Key and value.
type Label = (Arc<str>, Arc<str>);

/// Listeners of one port and one selector. What speaks plain HTTP and what does not never act together.
#[derive(Clone, Debug, Default, PartialEq)]
struct Group {
    http: Side,
    others: Side,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Side {
    all: ByAge,
    by_host: HashMap<HostPattern, ByAge>,
    /// Those of TCP: they take connections that name no host.
    tcp: ByAge,
}

/// Listeners, the oldest object first.
type ByAge = OrdMap<Place, Arc<Gateway>>;

/// Age, name and namespace of a `Gateway`, and a listener's place in it: of several, the first one acts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    created: u64,
    name: Arc<str>,
    namespace: Arc<str>,
    index: usize,
}

/// Listeners that act at one port of one proxy: those that go with the oldest one.
#[derive(Clone, Debug)]
pub(crate) struct Acting<'p> {
    first: &'p Server,
    sides: Vec<&'p Side>,
}

/// Whether a listener acts on a port whose oldest one speaks `first`.
pub(crate) fn goes_with(first: ServerProtocol, other: ServerProtocol) -> bool {
    (first == ServerProtocol::Http) == (other == ServerProtocol::Http)
}

// === impl Listeners ===

impl Listeners {
    /// Adds those of a `Gateway`.
    pub(crate) fn insert(&mut self, gateway: &Arc<Gateway>) {
        for (place, server) in places(gateway) {
            self.bound += usize::from(server.bind.is_some());
            let groups = self.by_place.entry(key(gateway, server)).or_default();
            let group = groups.entry(gateway.selector.0.clone()).or_default();
            let side = group.side(server.protocol);
            for host in &server.hosts {
                side.by_host.entry(host.host.clone()).or_default().insert(place.clone(), gateway.clone());
            }
            if server.protocol == ServerProtocol::Tcp {
                side.tcp.insert(place.clone(), gateway.clone());
            }
            side.all.insert(place, gateway.clone());
        }
    }

    /// Takes out those of a `Gateway`.
    pub(crate) fn remove(&mut self, gateway: &Arc<Gateway>) {
        for (place, server) in places(gateway) {
            let key = key(gateway, server);
            let Some(groups) = self.by_place.get_mut(&key) else { continue };
            let Some(group) = groups.get_mut(&gateway.selector.0) else { continue };
            let side = group.side(server.protocol);
            for host in &server.hosts {
                if let Some(of_host) = side.by_host.get_mut(&host.host) {
                    of_host.remove(&place);
                    if of_host.is_empty() {
                        side.by_host.remove(&host.host);
                    }
                }
            }
            side.tcp.remove(&place);
            side.all.remove(&place);
            if group.http.all.is_empty() && group.others.all.is_empty() {
                groups.remove(&gateway.selector.0);
            }
            if groups.is_empty() {
                self.by_place.remove(&key);
            }
            self.bound -= usize::from(server.bind.is_some());
        }
    }

    /// What acts where a proxy with these labels was called; nothing: nobody listens there.
    pub(crate) fn at(&self, Reached { port, address }: Reached, labels: &Labels) -> Option<Acting<'_>> {
        let own = address.filter(|_| self.bound > 0).and_then(|_| self.bound_to(port, address, labels));
        own.or_else(|| self.bound_to(port, None, labels))
    }

    /// The same of those with this address of their own, or with none.
    fn bound_to(&self, port: u16, address: Option<IpAddr>, labels: &Labels) -> Option<Acting<'_>> {
        let leads = labels.iter().map(|(key, value)| Some((key.clone(), value.clone()))).chain([None]);
        let groups = leads.filter_map(|label| self.by_place.get(&(port, address, label))).flatten();
        let groups: Vec<&Group> =
            groups.filter(|(selector, _)| is_within(selector, labels)).map(|(_, group)| group).collect();
        let oldest = groups.iter().flat_map(|group| [&group.http, &group.others]).filter_map(|side| side.all.get_min());
        let (place, gateway) = oldest.min_by_key(|(place, _)| place)?;
        let first = gateway.servers.get(place.index)?;
        let sides = groups.into_iter().map(|group| match first.protocol {
            ServerProtocol::Http => &group.http,
            _ => &group.others,
        });
        Some(Acting { first, sides: sides.collect() })
    }
}

fn key(gateway: &Gateway, server: &Server) -> Key {
    let first = gateway.selector.0.first_key_value();
    (server.port, server.bind, first.map(|(key, value)| (key.clone(), value.clone())))
}

fn places(gateway: &Gateway) -> impl Iterator<Item = (Place, &Server)> {
    gateway.servers.iter().enumerate().map(|(index, server)| {
        let (name, namespace) = (gateway.name.clone(), gateway.namespace.clone());
        (Place { created: gateway.created, name, namespace, index }, server)
    })
}

fn is_within(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

// === impl Group ===

impl Group {
    fn side(&mut self, protocol: ServerProtocol) -> &mut Side {
        if protocol == ServerProtocol::Http { &mut self.http } else { &mut self.others }
    }
}

// === impl Acting ===

impl<'p> Acting<'p> {
    /// What the oldest one speaks.
    pub(crate) fn protocol(&self) -> ServerProtocol {
        self.first.protocol
    }

    /// Those that can take what names this host (lower case), the oldest object first; of what names none, those of TCP
    /// and those for every host.
    pub(crate) fn named(&self, host: Option<&str>) -> Vec<(&'p Gateway, &'p Server)> {
        let found = |side: &&'p Side| {
            let side: &'p Side = side;
            let (tcp, patterns) = match host {
                Some(host) => {
                    let said = Encoded::read(host).into_iter().flat_map(|encoded| patterns(encoded.host));
                    (None, patterns(host).chain(said).collect())
                }
                None => (Some(&side.tcp), vec![HostPattern::Any]),
            };
            patterns.into_iter().filter_map(|pattern| side.by_host.get(&pattern)).chain(tcp).flatten()
        };
        let found: BTreeMap<&Place, &'p Arc<Gateway>> = self.sides.iter().flat_map(found).collect();
        let listener =
            |(place, gateway): (&Place, &'p Arc<Gateway>)| Some((&**gateway, gateway.servers.get(place.index)?));
        let takes = |(_, server): &(&'p Gateway, &'p Server)| {
            let Some(name) = host else { return true };
            let name = looked_for(server, name);
            name.is_some_and(|name| server.hosts.iter().any(|own| own.host.contains(name)))
        };
        found.into_iter().filter_map(listener).filter(takes).collect()
    }
}

#[cfg(test)]
mod tests;
