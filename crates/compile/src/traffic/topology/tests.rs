use super::*;
use crate::{analyze::table::object, tests::World};

/// What is said of each gateway, and of all.
fn told(objects: &str) -> (Vec<(String, Topology)>, Topology) {
    let mut world = World::of(objects);
    let compiled = world.compile();
    let own = compiled.traffic.topologies.iter();
    let own = own.map(|((namespace, name), said)| (format!("{namespace}/{name} {}", said.id), said.topology));
    (own.collect(), compiled.traffic.defaults.topology)
}

fn gateway(annotation: &str) -> String {
    let metadata = format!("edge annotations: {{proxy.istio.io/config: {annotation}}}");
    object("Process", "ingress", &metadata, "{role: gateway}")
}

#[test]
fn the_mesh_and_each_gateway_have_their_own() {
    let said = |trusted_proxies, proxy_protocol| Topology { trusted_proxies, proxy_protocol, client_cert: None };
    let mesh = |topology: &str| {
        let spec = format!("{{meshConfig: {{defaultConfig: {{gatewayTopology: {topology}}}}}}}");
        object("Mesh", "", "default", &spec)
    };
    let nothing = Topology::default();
    assert_eq!(told(&mesh("{}")), (vec![], nothing));
    assert_eq!(told(&mesh("{numTrustedProxies: 2}")), (vec![], said(Some(2), false)));
    assert_eq!(told(&mesh("{proxyProtocol: {}}")), (vec![], said(None, true)));
    let kept = Topology { client_cert: Some(ForwardClientCert::AlwaysForwardOnly), ..nothing };
    assert_eq!(told(&mesh("{forwardClientCertDetails: ALWAYS_FORWARD_ONLY}")), (vec![], kept));
    assert_eq!(told(&mesh("{forwardClientCertDetails: UNDEFINED}")), (vec![], nothing));
    let own = |topology| vec![("ingress/edge Process/ingress/edge/1".to_owned(), topology)];
    for (annotation, expected) in [
        ("'gatewayTopology: {proxyProtocol: {}}'", own(said(None, true))),
        ("'{\"gatewayTopology\": {\"numTrustedProxies\": 0}}'", own(said(Some(0), false))),
        ("\"gatewayTopology:\\n  numTrustedProxies: 1\\n  proxyProtocol: {}\"", own(said(Some(1), true))),
        ("'concurrency: 2'", vec![]),
        // It stands for the mesh's, though it says nothing.
        ("'gatewayTopology: {}'", own(nothing)),
        // What else is wrong there does not make the gateway believe others than it should.
        ("'{concurrency: many, noSuch: 1, gatewayTopology: {proxyProtocol: {}}}'", own(said(None, true))),
    ] {
        assert_eq!(told(&gateway(annotation)).0, expected, "{annotation}");
    }
    // Of a workload's it is of no account.
    let workload = gateway("'gatewayTopology: {proxyProtocol: {}}'").replace("{role: gateway}", "{command: [serve]}");
    assert_eq!(told(&workload), (vec![], nothing));
}

#[test]
fn what_headers_say_comes_first() {
    let mesh = |headers: &str| {
        let config = format!(
            "gatewayTopology: {{forwardClientCertDetails: SANITIZE}}, proxyHeaders: {{forwardedClientCert: {headers}}}"
        );
        object("Mesh", "", "default", &format!("{{meshConfig: {{defaultConfig: {{{config}}}}}}}"))
    };
    let client_cert = |headers: &str| told(&mesh(headers)).1.client_cert;
    assert_eq!(client_cert("APPEND_FORWARD"), Some(ForwardClientCert::AppendForward));
    assert_eq!(client_cert("UNDEFINED"), Some(ForwardClientCert::Sanitize));
}

#[test]
fn it_goes_with_its_gateway() {
    let mut world = World::of(&gateway("'gatewayTopology: {proxyProtocol: {}}'"));
    assert_eq!(world.compile().traffic.topologies.len(), 1);
    world.declare(&gateway("'concurrency: 2'"));
    assert_eq!(world.compile().traffic.topologies.len(), 0);
    world.declare(&gateway("'gatewayTopology: {proxyProtocol: {}}'"));
    assert_eq!(world.compile().traffic.topologies.len(), 1);
    world.declare("");
    assert_eq!(world.compile().traffic.topologies.len(), 0);
}
