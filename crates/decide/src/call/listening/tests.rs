use ripstop_model::{ServerProtocol, ServerTlsMode};

use super::*;
use crate::samples::{gateway, labels, put, server, tls};

fn program(gateways: Vec<Gateway>) -> Program {
    Program::default().with(1, gateways.into_iter().map(put))
}

fn ids(listening: &Listening<'_>) -> Vec<String> {
    listening.servers.iter().map(|(_, server)| server.id.0.to_string()).collect()
}

#[test]
fn the_oldest_listener_says_what_a_port_speaks() {
    let program = program(vec![
        gateway("shop", "b", 2, vec![server(80, ServerProtocol::Http, "b", None)]),
        gateway(
            "shop",
            "a",
            1,
            vec![
                server(80, ServerProtocol::Http, "a", None),
                server(443, ServerProtocol::Https, "a", Some(tls(ServerTlsMode::Simple, &["a"]))),
            ],
        ),
        gateway("shop", "c", 3, vec![server(80, ServerProtocol::Tcp, "*", None)]),
    ]);
    let ports = listening(&program, &labels(&[("istio", "ingressgateway")]));
    assert_eq!(ports.keys().map(|reached| reached.port).collect::<Vec<_>>(), [80, 443]);
    let (plain, secured) = (&ports[&80.into()], &ports[&443.into()]);
    assert_eq!((plain.speaks, ids(plain)), (Speaks::Http, vec!["80/a".to_owned(), "80/b".to_owned()]));
    assert_eq!((secured.speaks, ids(secured)), (Speaks::Tls, vec!["443/a".to_owned()]));
    assert!(listening(&program, &labels(&[("istio", "other")])).is_empty());
}

#[test]
fn the_server_name_picks_the_most_specific_listener() {
    let simple = || Some(tls(ServerTlsMode::Simple, &["x"]));
    let program = program(vec![gateway(
        "shop",
        "a",
        1,
        vec![
            server(443, ServerProtocol::Https, "*.shop.example", simple()),
            server(443, ServerProtocol::Https, "a.shop.example", simple()),
        ],
    )]);
    let port = listening_at(&program, &labels(&[("istio", "ingressgateway")]), 443).unwrap();
    let named = |name: Option<&str>| port.named(name).map(|(_, server)| server.id.0.to_string());
    assert_eq!(named(Some("a.shop.example")).as_deref(), Some("443/a.shop.example"));
    assert_eq!(named(Some("b.shop.example")).as_deref(), Some("443/*.shop.example"));
    assert_eq!(named(Some("other.example")), None);
    assert_eq!(named(None), None);
}

#[test]
fn a_listener_with_an_address_has_that_alone_and_to_itself() {
    let at = |address: &str| address.parse::<IpAddr>().unwrap();
    let bound =
        |address: &str, host: &str| Server { bind: Some(at(address)), ..server(80, ServerProtocol::Tcp, host, None) };
    let program = program(vec![gateway(
        "shop",
        "a",
        1,
        vec![
            server(80, ServerProtocol::Http, "any", None),
            bound("10.0.0.1", "one"),
            Server { port: 81, ..bound("10.0.0.1", "alone") },
        ],
    )]);
    let labels = labels(&[("istio", "ingressgateway")]);
    let speaks = |port: u16, address: Option<&str>| {
        let reached = Reached { port, address: address.map(at) };
        listening_at(&program, &labels, reached).map(|arrival| arrival.speaks())
    };
    assert_eq!(speaks(80, Some("10.0.0.1")), Some(Speaks::Tcp));
    assert_eq!(speaks(80, Some("10.0.0.2")), Some(Speaks::Http));
    assert_eq!(speaks(80, None), Some(Speaks::Http));
    assert_eq!(
        (speaks(81, Some("10.0.0.1")), speaks(81, Some("10.0.0.2")), speaks(81, None)),
        (Some(Speaks::Tcp), None, None)
    );
    assert_eq!(listening(&program, &labels).len(), 3);
}

#[test]
fn a_name_that_says_where_to_is_for_listeners_that_go_by_it() {
    let auto = |host: &str| server(443, ServerProtocol::Tls, host, Some(tls(ServerTlsMode::AutoPassthrough, &[])));
    let program = program(vec![gateway(
        "shop",
        "a",
        1,
        vec![
            auto("cart.shop.svc.cluster.local"),
            auto("*.bank.svc.cluster.local"),
            server(443, ServerProtocol::Tls, "*.local", Some(tls(ServerTlsMode::Passthrough, &[]))),
        ],
    )]);
    let port = listening_at(&program, &labels(&[("istio", "ingressgateway")]), 443).unwrap();
    let named = |name: Option<&str>| port.named(name).map(|(_, server)| server.id.0.to_string());
    let cart = "outbound_.443_._.cart.shop.svc.cluster.local";
    assert_eq!(named(Some(cart)).as_deref(), Some("443/cart.shop.svc.cluster.local"));
    let bank = "outbound_.80_.v1_.teller.bank.svc.cluster.local";
    assert_eq!(named(Some(bank)).as_deref(), Some("443/*.bank.svc.cluster.local"));
    for other in
        ["cart.shop.svc.cluster.local", "teller.bank.svc.cluster.local", "outbound_.0_._.cart.shop.svc.cluster.local"]
    {
        assert_eq!(named(Some(other)).as_deref(), Some("443/*.local"), "{other}");
    }
}
