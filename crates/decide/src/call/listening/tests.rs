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
    assert_eq!(ports.keys().copied().collect::<Vec<_>>(), [80, 443]);
    assert_eq!((ports[&80].speaks, ids(&ports[&80])), (Speaks::Http, vec!["80/a".to_owned(), "80/b".to_owned()]));
    assert_eq!((ports[&443].speaks, ids(&ports[&443])), (Speaks::Tls, vec!["443/a".to_owned()]));
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
