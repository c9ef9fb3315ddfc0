use std::sync::Arc;

use super::*;
use crate::{AppProtocol, RuleId, Selector};

fn ingress(port: u16, bind: &str, endpoint: &str) -> IngressScope {
    IngressScope {
        port,
        protocol: AppProtocol::Unknown,
        bind: bind.parse().ok(),
        mode: ListenerMode::Own,
        endpoint: Some(Arc::from(endpoint)).filter(|endpoint: &Arc<str>| !endpoint.is_empty()),
        tls: None,
        pool: None,
    }
}

fn egress(port: Option<u16>, bind: &str, mode: ListenerMode) -> EgressScope {
    let bind = bind.parse().ok();
    EgressScope { port, protocol: AppProtocol::Unknown, bind, mode, hosts: Vec::new(), without: Vec::new() }
}

fn scope(ingress: Vec<IngressScope>, egress: Vec<EgressScope>) -> CallerScope {
    CallerScope {
        id: RuleId("Sidecar/shop/own/1".into()),
        namespace: "shop".into(),
        name: "own".into(),
        selector: Selector::default(),
        egress: Some(egress),
        ingress,
        outbound: None,
        egress_proxy: None,
        inbound_pool: None,
        created: 1,
    }
}

#[test]
fn listeners_that_would_be_in_each_others_way_are_not_opened() {
    use Clash::{Circle, PortOfMesh, Taken};
    for (port, bind, endpoint, expected) in [
        (8443, "127.0.0.1", "127.0.0.1:8080", Ok(())),
        (8443, "", "127.0.0.1:8080", Ok(())),
        (8443, "10.244.1.1", "", Ok(())),
        // At the loopback the application can only be at its own addresses.
        (8443, "127.0.0.1", "", Ok(())),
        (8443, "127.0.0.1", "0.0.0.0:8443", Err(Circle)),
        (8443, "", "", Err(Circle)),
        (8443, "0.0.0.0", "127.0.0.1:8443", Err(Circle)),
        (8443, "10.244.1.1", "127.0.0.1:8443", Ok(())),
        (15_006, "127.0.0.1", "127.0.0.1:8080", Err(PortOfMesh)),
    ] {
        let scope = scope(vec![ingress(port, bind, endpoint)], Vec::new());
        let got: Vec<_> = scope.own_listeners().into_iter().map(|(_, at, said)| (at, said)).collect();
        assert_eq!(got, [(0, expected)], "{port} {bind} {endpoint}");
    }
    let own = ListenerMode::Own;
    let there = vec![ingress(80, "127.0.0.1", "127.0.0.1:81"), ingress(81, "127.0.0.1", "127.0.0.1:80")];
    let scope = scope(there, vec![egress(Some(80), "", own), egress(Some(82), "", own), egress(None, "", own)]);
    let got: Vec<_> = scope.own_listeners().into_iter().map(|(own, at, said)| (own.way, at, said)).collect();
    let (to, from) = (ListenerWay::Ingress, ListenerWay::Egress);
    assert_eq!(got, [(to, 0, Err(Circle)), (to, 1, Err(Circle)), (from, 0, Err(Taken)), (from, 1, Ok(()))]);
}

#[test]
fn a_listener_is_for_its_own_address() {
    let own: [IpAddr; 1] = ["10.244.1.1".parse().unwrap()];
    let (captured, listens) = (ListenerMode::Captured, ListenerMode::Own);
    for (bind, mode, called, expected) in [
        ("", captured, "10.96.0.1", true),
        ("0.0.0.0", captured, "10.96.0.1", true),
        ("10.96.0.1", captured, "10.96.0.1", true),
        ("10.96.0.1", captured, "10.96.0.2", false),
        ("", listens, "127.0.0.1", true),
        ("", listens, "10.96.0.1", false),
        ("", listens, "10.244.1.1", false),
        ("0.0.0.0", listens, "10.244.1.1", true),
        ("0.0.0.0", listens, "127.0.0.2", true),
        ("0.0.0.0", listens, "10.96.0.1", false),
    ] {
        let listener = egress(Some(80), bind, mode);
        let got = listener.is_for(called.parse().ok(), &own);
        assert_eq!(got, expected, "{bind} {mode:?} {called}");
    }
    assert!(!egress(Some(80), "", listens).is_for(None, &own));
    assert_eq!(egress(Some(80), "", listens).own().unwrap().address, "127.0.0.1:80".parse().unwrap());
    assert_eq!(egress(Some(80), "10.96.0.1", captured).own(), None);
}
