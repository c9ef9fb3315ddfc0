use ripstop_model::ServerTlsMode;

use super::*;
use crate::{
    backends::testing::workload,
    gateway::samples::{self, server, tls},
};

fn gateway(server_name: Option<&str>) -> Standpoint {
    Standpoint::Gateway(Entrance {
        server_name: server_name.map(str::to_owned),
        ..Entrance::plain(443, Carries::Requests)
    })
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn callers_of_a_gateway_are_outside() {
    let client = at("192.0.2.1:4000");
    assert_eq!(gateway(None).origin(client), Origin::Outside { client: Some(client.ip()) });
    assert_eq!(Standpoint::Node.origin(client), Origin::Caller);
}

#[test]
fn tls_without_a_server_name_is_tls() {
    assert_eq!(gateway(Some("")).transport(), Transport::Tls);
    assert_eq!(gateway(Some("a.example")).transport(), Transport::Tls);
    assert_eq!(gateway(None).transport(), Transport::Plain);
    assert_eq!(Standpoint::Node.transport(), Transport::Plain);
}

#[test]
fn a_gateway_does_not_call_itself() {
    let called = at("10.0.0.1:443");
    assert_eq!(gateway(None).original(called), at("0.0.0.0:0"));
    assert_eq!(Standpoint::Node.original(called), called);
}

/// A gateway of port 443: what its listeners speak, their hosts, and what they ask of TLS.
fn program(listeners: &[(ServerProtocol, &str, Option<&Arc<ServerTls>>)]) -> Program {
    samples::program(listeners.iter().map(|(protocol, host, tls)| server(*protocol, host, tls.cloned())).collect())
}

/// Whoever came in before a listener asked for more has not shown it.
#[test]
fn what_was_asked_for_at_first_has_to_be_enough_still() {
    use ServerProtocol::{Http, Https};
    let [simple, mutual] = [ServerTlsMode::Simple, ServerTlsMode::Mutual].map(|mode| Arc::new(tls(mode)));
    let own = workload("edge", 1);
    let secured = |tls: &Arc<ServerTls>| Entrance {
        server_name: Some("admin.example.com".into()),
        tls: Some(tls.clone()),
        ..Entrance::plain(443, Carries::Requests)
    };
    let plain = Entrance::plain(443, Carries::Requests);
    let wide = (Https, "*.example.com", Some(&simple));
    let narrow = (Https, "admin.example.com", Some(&mutual));
    for (entrance, listeners, holds) in [
        (secured(&simple), &[wide][..], true),
        (secured(&simple), &[wide, narrow], false),
        (secured(&mutual), &[wide, narrow], true),
        // Its name is taken by nobody any more.
        (secured(&simple), &[(Https, "other.example.com", Some(&simple))], false),
        (secured(&simple), &[(Http, "*", None)], false),
        (plain.clone(), &[(Http, "*", None)], true),
        (plain.clone(), &[wide], false),
        // What is gone asks for nothing, and routes nothing.
        (plain, &[], true),
        (secured(&simple), &[], true),
    ] {
        assert_eq!(entrance.still_holds(&program(listeners), &own), holds, "{entrance:?} {listeners:?}");
    }
}

/// Whoever came in as one thing is not taken for another.
#[test]
fn what_a_port_was_is_what_it_has_to_be_still() {
    use ServerProtocol::{Http, Https, Tcp, Tls};
    let [simple, passed] = [ServerTlsMode::Simple, ServerTlsMode::Passthrough].map(|mode| Arc::new(tls(mode)));
    let own = workload("edge", 1);
    let secured = |carries, tls: &Arc<ServerTls>| Entrance {
        server_name: Some("a.example".into()),
        tls: Some(tls.clone()),
        ..Entrance::plain(443, carries)
    };
    let listeners = [
        (Http, "*", None),
        (Tcp, "*", None),
        (Https, "*", Some(&simple)),
        (Tls, "*", Some(&simple)),
        (Https, "*", Some(&passed)),
        (Tls, "*", Some(&passed)),
    ];
    for (entrance, holds) in [
        (Entrance::plain(443, Carries::Requests), [true, false, false, false, false, false]),
        (Entrance::plain(443, Carries::Bytes), [false, true, false, false, false, false]),
        (secured(Carries::Requests, &simple), [false, false, true, false, false, false]),
        (secured(Carries::Bytes, &simple), [false, false, false, true, false, false]),
        (secured(Carries::Bytes, &passed), [false, false, false, false, true, true]),
    ] {
        let found = listeners.map(|listener| entrance.still_holds(&program(&[listener]), &own));
        assert_eq!(found, holds, "{entrance:?}");
        assert!(entrance.still_holds(&program(&[]), &own), "a port that is gone: {entrance:?}");
    }
}

#[test]
fn that_there_are_waypoints_makes_nobody_bigger() {
    assert_eq!(size_of::<Standpoint>(), size_of::<Entrance>());
}
