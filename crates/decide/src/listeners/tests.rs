use proptest::{collection::vec, prelude::*, sample::select};
use ripstop_model::{RuleId, Selector, ServerTlsMode};

use super::*;
use crate::samples::{gateway, labels, server, tls};

const HOSTS: [&str; 6] = ["a.shop.example", "b.shop.example", "*.shop.example", "*.example", "*", "other"];
const NAMES: [&str; 6] = ["a.shop.example", "b.shop.example", "c.shop.example", "shop.example", "other", "unknown"];
const PORTS: [u16; 2] = [80, 443];

fn selectors() -> [Labels; 5] {
    [&[][..], &[("app", "a")], &[("app", "b")], &[("app", "a"), ("istio", "x")], &[("istio", "x")]].map(labels)
}

fn listener() -> impl Strategy<Value = Server> {
    use ServerProtocol::{Http, Https, Tcp, Tls};
    let hosts = vec(select(HOSTS.to_vec()), 1..4);
    (select(PORTS.to_vec()), select(vec![Http, Https, Tls, Tcp]), hosts).prop_map(|(port, protocol, hosts)| {
        let secured = (protocol != Http).then(|| tls(ServerTlsMode::Simple, &["c"]));
        let mut made = server(port, protocol, hosts[0], secured);
        for host in &hosts[1..] {
            made.hosts.extend(server(port, protocol, host, None).hosts);
        }
        made
    })
}

fn some_gateway() -> impl Strategy<Value = Arc<Gateway>> {
    let servers = vec(listener(), 0..5);
    (0..5_u8, 0..3_u64, select(selectors().to_vec()), servers).prop_map(|(name, created, selector, mut servers)| {
        for (index, server) in servers.iter_mut().enumerate() {
            server.id = RuleId(format!("{name}/{index}").into());
        }
        let made = gateway(["shop", "edge"][usize::from(name % 2)], &format!("g{name}"), created, servers);
        Arc::new(Gateway { selector: Selector(selector), ..made })
    })
}

/// What acts at a port of a proxy, by looking at everything.
fn scanned<'g>(gateways: &'g [Arc<Gateway>], port: u16, labels: &Labels) -> Vec<(&'g Gateway, &'g Server)> {
    let mut gateways: Vec<&Gateway> =
        gateways.iter().map(|gateway| &**gateway).filter(|gateway| gateway.selector.matches(labels)).collect();
    gateways.sort_by_key(|gateway| (gateway.created, &gateway.name, &gateway.namespace));
    let servers = gateways.into_iter().flat_map(|gateway| gateway.servers.iter().map(move |server| (gateway, server)));
    let servers: Vec<_> = servers.filter(|(_, server)| server.port == port).collect();
    let Some((_, first)) = servers.first().copied() else { return servers };
    servers.into_iter().filter(|(_, server)| goes_with(first.protocol, server.protocol)).collect()
}

/// Of those, the ones that can take what names `host`.
fn taking(server: &Server, host: Option<&str>) -> bool {
    let hosts = || server.hosts.iter().map(|host| &host.host);
    match host {
        Some(host) => hosts().any(|own| own.contains(host)),
        None => server.protocol == ServerProtocol::Tcp || hosts().any(|own| *own == HostPattern::Any),
    }
}

fn ids(servers: &[(&Gateway, &Server)]) -> Vec<RuleId> {
    servers.iter().map(|(_, server)| server.id.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, changes and goes: for every proxy, port and host that is found which a look at everything finds.
    #[test]
    fn what_is_found_is_what_a_scan_finds(changes in vec((some_gateway(), any::<bool>()), 1..15)) {
        let mut listeners = Listeners::default();
        let mut there: BTreeMap<Arc<str>, Arc<Gateway>> = BTreeMap::new();
        for (gateway, goes) in changes {
            if let Some(before) = there.remove(&gateway.name) {
                listeners.remove(&before);
            }
            if !goes {
                listeners.insert(&gateway);
                there.insert(gateway.name.clone(), gateway);
            }
            let all: Vec<Arc<Gateway>> = there.values().cloned().collect();
            for (labels, port) in selectors().iter().flat_map(|labels| PORTS.map(|port| (labels, port))) {
                let expected = scanned(&all, port, labels);
                let found = listeners.at(port.into(), labels);
                prop_assert_eq!(
                    found.as_ref().map(Acting::protocol),
                    expected.first().map(|(_, first)| first.protocol)
                );
                let Some(found) = found else { continue };
                for host in NAMES.map(Some).into_iter().chain([None]) {
                    let expected: Vec<_> =
                        expected.iter().copied().filter(|(_, server)| taking(server, host)).collect();
                    prop_assert_eq!(ids(&found.named(host)), ids(&expected), "{:?} of {}", host, port);
                }
            }
        }
        for gateway in there.values() {
            listeners.remove(gateway);
        }
        prop_assert_eq!(listeners, Listeners::default());
    }
}

/// Of a thousand that share a port, and a thousand of other proxies, those are looked at that have the host.
#[test]
fn others_are_not_looked_at() {
    let mut listeners = Listeners::default();
    for number in 0..1_000 {
        let hosts = vec![server(80, ServerProtocol::Http, &format!("h{number}.example"), None)];
        listeners.insert(&Arc::new(gateway("shop", &format!("g{number}"), 1, hosts.clone())));
        let selector = Selector(labels(&[("istio", &format!("other-{number}"))]));
        listeners.insert(&Arc::new(Gateway { selector, ..gateway("edge", &format!("g{number}"), 1, hosts) }));
    }
    let acting = listeners.at(80.into(), &labels(&[("app", "x"), ("istio", "ingressgateway")])).unwrap();
    assert_eq!(acting.sides.len(), 1);
    let found = acting.named(Some("h7.example"));
    assert_eq!(found.iter().map(|(gateway, _)| &*gateway.name).collect::<Vec<_>>(), ["g7"]);
}
