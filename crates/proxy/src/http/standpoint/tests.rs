use ripstop_model::{Change, ServerTlsMode, TrafficChange, TrafficDefaults};

use super::*;
use crate::{
    backends::testing::workload,
    gateway::samples::{self, server, tls},
};

fn gateway(server_name: Option<&str>) -> Standpoint {
    let server_name = server_name.map(str::to_owned);
    Standpoint::Gateway(Box::new(Entrance { server_name, ..Entrance::plain(443, Carries::Requests) }))
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn callers_of_a_gateway_are_outside() {
    let client = at("192.0.2.1:4000");
    assert_eq!(gateway(None).origin(client, None), Origin::Outside { client: Some(client.ip()) });
    assert_eq!(Standpoint::Node.origin(client, None), Origin::Caller);
}

/// A gateway before which so many proxies stand that are trusted.
fn behind(trusted_proxies: Option<u32>) -> Standpoint {
    let topology = Topology { trusted_proxies, ..Topology::default() };
    let before = Before { topology, proxy: None };
    Standpoint::Gateway(Box::new(Entrance { before, ..Entrance::plain(443, Carries::Requests) }))
}

#[test]
fn only_who_is_of_the_mesh_is_told_why() {
    let peer = "spiffe://cluster.local/ns/shop/sa/cart".parse().unwrap();
    let known = Entrance { peer: Some(peer), ..Entrance::plain(443, Carries::Requests) };
    assert_eq!(gateway(None).confides(7), None);
    assert_eq!(Standpoint::Gateway(Box::new(known)).confides(7), Some(7));
    assert_eq!(Standpoint::Node.confides(7), Some(7));
}

#[test]
fn only_proxies_that_are_said_to_stand_there_name_clients() {
    let fields = vec![("X-Forwarded-For", "192.0.2.1, 192.0.2.2"), ("X-Forwarded-For", "192.0.2.3")];
    let named = |standpoint: &Standpoint| standpoint.remote(&fields).map(|client| client.to_string());
    assert_eq!(named(&Standpoint::Node), None);
    for (trusted, expected) in
        [(None, None), (Some(0), None), (Some(1), Some("192.0.2.3")), (Some(2), Some("192.0.2.2")), (Some(4), None)]
    {
        assert_eq!(named(&behind(trusted)).as_deref(), expected, "{trusted:?}");
    }
    let (proxy, client) = (at("203.0.113.1:4000"), Some("192.0.2.3".parse().unwrap()));
    assert_eq!(behind(Some(0)).origin(proxy, client), Origin::Outside { client: Some(proxy.ip()) });
    assert_eq!(behind(Some(1)).origin(proxy, client), Origin::Behind { proxy: proxy.ip(), client });
}

#[test]
fn certificates_are_told_of_as_is_said() {
    use ForwardClientCert::{AlwaysForwardOnly, AppendForward, ForwardOnly, Sanitize, SanitizeSet};
    for (said, proven, nobody) in [
        (None, ClientCert::Set("own"), ClientCert::Ends),
        (Some(SanitizeSet), ClientCert::Set("own"), ClientCert::Ends),
        (Some(Sanitize), ClientCert::Ends, ClientCert::Ends),
        (Some(AppendForward), ClientCert::Appended("own"), ClientCert::Ends),
        (Some(ForwardOnly), ClientCert::Passes, ClientCert::Ends),
        (Some(AlwaysForwardOnly), ClientCert::Passes, ClientCert::Passes),
    ] {
        let topology = Topology { client_cert: said, ..Topology::default() };
        let before = Before { topology, proxy: None };
        let gateway = Standpoint::Gateway(Box::new(Entrance { before, ..Entrance::plain(443, Carries::Requests) }));
        assert_eq!((gateway.client_cert(Some("own")), gateway.client_cert(None)), (proven, nobody), "{said:?}");
    }
    assert_eq!(Standpoint::Node.client_cert(Some("own")), ClientCert::Ends);
}

#[test]
fn tls_without_a_server_name_is_tls() {
    let nothing: Vec<(&str, &str)> = Vec::new();
    assert_eq!(gateway(Some("")).transport(&nothing), Transport::Tls);
    assert_eq!(gateway(Some("a.example")).transport(&nothing), Transport::Tls);
    assert_eq!(gateway(None).transport(&nothing), Transport::Plain);
    assert_eq!(Standpoint::Node.transport(&nothing), Transport::Plain);
}

#[test]
fn only_proxies_that_are_trusted_say_that_tls_ended_before() {
    let said = |standpoint: &Standpoint, values: &[&'static str]| {
        let fields: Vec<(&str, &str)> = values.iter().map(|value| ("X-Forwarded-Proto", *value)).collect();
        (standpoint.transport(&fields), standpoint.scheme(&fields))
    };
    let (plain, tls) = ((Transport::Plain, Some("http")), (Transport::Tls, Some("https")));
    assert_eq!(said(&behind(Some(1)), &["https"]), tls);
    assert_eq!(said(&behind(Some(1)), &["http"]), plain);
    // Nothing of these is repaired: the connection itself counts.
    for values in [&[][..], &["HTTPS"], &["https, http"], &["https", "https"], &["wss"], &[""]] {
        assert_eq!(said(&behind(Some(1)), values), plain, "{values:?}");
    }
    for nobody in [None, Some(0)] {
        assert_eq!(said(&behind(nobody), &["https"]), plain, "{nobody:?}");
    }
    assert_eq!(said(&gateway(Some("")), &["http"]), tls);
    assert_eq!(said(&Standpoint::Node, &["https"]), (Transport::Plain, None));
}

#[test]
fn whoever_passes_answers_on_is_not_told_why() {
    let of = |kind| Workload { kind, ..workload("caller", 1) };
    assert!(keeps_to_itself(Some(&of(ProcessKind::Command))));
    assert!(!keeps_to_itself(Some(&of(ProcessKind::Gateway))));
    assert!(!keeps_to_itself(Some(&of(ProcessKind::Waypoint))));
    assert!(!keeps_to_itself(None));
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

/// What else is believed of requests now says nothing about those who came before.
#[test]
fn nobody_is_sent_away_for_what_stands_before_a_gateway() {
    let topology = Topology { trusted_proxies: Some(1), ..Topology::default() };
    let defaults = TrafficDefaults { topology, ..TrafficDefaults::default() };
    let program = program(&[(ServerProtocol::Http, "*", None)]);
    let program = program.with(9, [Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults)))]);
    let (own, client, called) = (workload("edge", 1), at("192.0.2.1:4000"), at("10.0.0.1:443"));
    for standpoint in [gateway(None), behind(Some(2))] {
        assert!(standpoint.judge(&program, &own, client, None, called, Content::Opaque, None).is_ok());
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
fn that_there_are_gateways_and_waypoints_makes_nobody_bigger() {
    assert_eq!(size_of::<Standpoint>(), size_of::<(u64, Box<Entrance>)>());
}
