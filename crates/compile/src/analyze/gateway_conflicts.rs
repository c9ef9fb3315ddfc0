//! Gateways that listen for the same host on the same port of the same proxies.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ripstop_api::finding::Code;
use ripstop_model::{HostPattern, Server, ServerProtocol};

use super::{Mesh, host_index::HostIndex, proxies::Proxies, sentence::listed};
use crate::finding::{Findings, warning};

const CONFLICTING: Code = warning("IST0145", "several Gateways of the same proxies listen for one host on one port");

pub(crate) const CODES: &[Code] = &[CONFLICTING];

/// Most others that one server is compared with by name.
const NAMED: usize = 4;

/// Port and address.
type Place = (u16, Option<IpAddr>);

/// Gateways that listen for a host, by selector and namespace of routes: the first few of each.
#[derive(Default)]
struct Listeners<'a> {
    by_selector: BTreeMap<(usize, Option<&'a str>), Vec<usize>>,
}

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let proxies = Proxies::new(mesh);
    let mut places: BTreeMap<Place, BTreeMap<String, (HostPattern, Listeners<'_>)>> = BTreeMap::new();
    for (place, listening) in proxies.gateways.iter().enumerate() {
        for server in &listening.gateway.servers {
            let hosts = places.entry((server.port, server.bind)).or_default();
            for host in &server.hosts {
                let entry = hosts.entry(host.host.to_string());
                let (_, listeners) = entry.or_insert_with(|| (host.host.clone(), Listeners::default()));
                let some = listeners.by_selector.entry((listening.selector, host.namespace.as_deref())).or_default();
                if some.len() < NAMED && some.last() != Some(&place) {
                    some.push(place);
                }
            }
        }
    }
    let mut indexes = BTreeMap::new();
    for (at, hosts) in places {
        let mut index: HostIndex<Listeners<'_>> = HostIndex::default();
        for (_, (host, listeners)) in hosts {
            index.insert(&host, listeners);
        }
        indexes.insert(at, index);
    }
    for (place, listening) in proxies.gateways.iter().enumerate() {
        for (number, server) in listening.gateway.servers.iter().enumerate() {
            let Some(index) = indexes.get(&(server.port, server.bind)) else { continue };
            let (mut others, mut hosts): (BTreeSet<usize>, BTreeSet<String>) = Default::default();
            for host in &server.hosts {
                let overlapping = index.overlapping(&host.host).flat_map(|listeners| &listeners.by_selector);
                for ((_, namespace), some) in overlapping {
                    let apart = matches!((&host.namespace, namespace), (Some(one), Some(other)) if **one != **other);
                    let meet = some.first().is_some_and(|first| proxies.meet(listening, &proxies.gateways[*first]));
                    if apart || !meet {
                        continue;
                    }
                    let before = others.len();
                    others.extend(some.iter().filter(|other| **other != place));
                    if others.len() > before || some.iter().any(|other| *other != place) {
                        hosts.insert(host.host.to_string());
                    }
                    if others.len() >= NAMED {
                        break;
                    }
                }
            }
            if others.is_empty() {
                continue;
            }
            let names = others.iter().map(|other| {
                let id = &proxies.gateways[*other].object.id;
                format!("{}/{}", id.namespace, id.name)
            });
            let message = format!(
                "on port {} the host {} is also one of Gateway {}: {}",
                server.port,
                listed(hosts),
                listed(names),
                consequence(server)
            );
            let hint = "put the server into one Gateway, or give the Gateways different hosts, ports or selectors";
            findings.add(CONFLICTING, listening.object, &format!("spec.servers[{number}].hosts"), message, hint);
        }
    }
}

fn consequence(server: &Server) -> &'static str {
    match server.protocol {
        ServerProtocol::Http => "requests get the rules of both",
        ServerProtocol::Https | ServerProtocol::Tls | ServerProtocol::Tcp => "for the same host the older one acts",
    }
}
