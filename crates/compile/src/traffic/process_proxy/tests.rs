use std::time::Duration;

use super::*;
use crate::{analyze::table::object, tests::World};

/// What is said of each gateway, and of all.
fn told(objects: &str) -> (Vec<(String, Topology)>, Topology) {
    let mut world = World::of(objects);
    let compiled = world.compile();
    let own = compiled.traffic.process_proxies.iter();
    let own = own.map(|((namespace, name), said)| (format!("{namespace}/{name} {}", said.id), said.topology));
    (own.collect(), compiled.traffic.defaults.topology)
}

fn gateway(annotation: &str) -> String {
    let metadata = format!("edge annotations: {{proxy.istio.io/config: {annotation}}}");
    object("Process", "ingress", &metadata, "{role: gateway}")
}

#[test]
fn the_mesh_and_each_gateway_have_their_own() {
    let said = |trusted_proxies, proxy_protocol| Topology { trusted_proxies, proxy_protocol, ..Topology::default() };
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
        ("'statusPort: 2'", vec![]),
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
    assert_eq!(world.compile().traffic.process_proxies.len(), 1);
    world.declare(&gateway("'statusPort: 2'"));
    assert_eq!(world.compile().traffic.process_proxies.len(), 0);
    world.declare(&gateway("'gatewayTopology: {proxyProtocol: {}}'"));
    assert_eq!(world.compile().traffic.process_proxies.len(), 1);
    world.declare("");
    assert_eq!(world.compile().traffic.process_proxies.len(), 0);
}

/// What the mesh says, and what is said of the process `edge`, of that role.
fn merged_of(mesh: &str, annotation: &str, role: &str) -> Option<Arc<ProcessProxy>> {
    let mesh = object("Mesh", "", "default", &format!("{{meshConfig: {{defaultConfig: {{{mesh}}}}}}}"));
    let mut world = World::of(&(mesh + &gateway(annotation).replace("{role: gateway}", role)));
    world.compile().traffic.process_proxies.values().next().cloned()
}

#[test]
fn an_annotation_says_more_than_the_mesh_and_nothing_less() {
    let mesh = "concurrency: 4, drainDuration: 9s, terminationDrainDuration: 3s, gatewayTopology: {numTrustedProxies: 2}, \
                connectionSettings: {httpMaxConcurrentStreams: 5, httpMergeSlashes: true}, \
                proxyHeaders: {server: {value: mesh}, requestId: {disabled: true}, setCurrentClientCertDetails: {dns: false}}";
    let said = |annotation: &str| merged_of(mesh, annotation, "{role: gateway}").unwrap();
    let own = said("'{drainDuration: 1s, proxyHeaders: {server: {value: own}}, connectionSettings: {profile: EDGE}}'");
    // What comes between it and the mesh may say how many threads there are.
    assert_eq!(own.settings.concurrency, None);
    assert_eq!(
        (own.settings.drain, own.settings.farewell),
        (Some(Duration::from_secs(1)), Some(Duration::from_secs(3)))
    );
    assert_eq!(own.settings.headers.server.as_deref(), Some("own"));
    assert!(!own.settings.headers.writes(ProxyHeader::RequestId));
    assert_eq!(own.topology.trusted_proxies, Some(2));
    assert_eq!(
        own.topology.client_cert_parts,
        Some(CertificateParts::NONE.with(CertificatePart::Subject).with(CertificatePart::Uris))
    );
    let edge = ConnectionSettings { profile: ConnectionProfile::Edge, ..ConnectionSettings::NONE };
    assert_eq!(own.settings.connections, edge);
    let own = said("'concurrency: 2'");
    assert_eq!(own.settings.concurrency, Some(2));
    assert_eq!((own.settings.connections.streams, own.settings.connections.merge_slashes), (Some(5), Some(true)));
    // Others than gateways have something of it, too.
    assert!(merged_of(mesh, "'proxyHeaders: {server: {value: own}}'", "{command: [serve]}").is_some());
    assert!(merged_of(mesh, "'concurrency: 0'", "{role: waypoint}").is_some());
    assert!(merged_of(mesh, "'gatewayTopology: {}'", "{role: waypoint}").is_none());
}

#[test]
fn it_follows_what_the_mesh_says() {
    let mesh = |drain: u32| {
        object("Mesh", "", "default", &format!("{{meshConfig: {{defaultConfig: {{drainDuration: {drain}s}}}}}}"))
    };
    let mut world = World::of(&(mesh(2) + &gateway("'concurrency: 1'")));
    let drain = |world: &mut World| world.compile().traffic.process_proxies.values().next().unwrap().settings.drain;
    assert_eq!(drain(&mut world), Some(Duration::from_secs(2)));
    world.declare(&(mesh(3) + &gateway("'concurrency: 1'")));
    assert_eq!(drain(&mut world), Some(Duration::from_secs(3)));
}

#[test]
fn every_setting_of_connections_is_read() {
    let written = "{profile: EDGE, listenerPerConnectionBufferLimitBytes: 1, httpIdleTimeout: 2s, httpRequestTimeout: 3s, \
                   httpRequestHeadersTimeout: 4s, httpStreamIdleTimeout: 5s, httpMaxConnectionDuration: 6s, \
                   httpMaxStreamDuration: 7s, httpMaxConcurrentStreams: 8, http2InitialStreamWindowSize: 9, \
                   http2InitialConnectionWindowSize: 10, httpHeadersWithUnderscoresAction: HEADERS_WITH_UNDERSCORES_DROP_HEADER, \
                   httpMergeSlashes: false, httpPathWithEscapedSlashesAction: REJECT_REQUEST, \
                   globalDownstreamConnectionLimit: 11}";
    let mut world = World::of(&object(
        "Mesh",
        "",
        "default",
        &format!("{{meshConfig: {{defaultConfig: {{connectionSettings: {written}}}}}}}"),
    ));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let expected = ConnectionSettings {
        profile: ConnectionProfile::Edge,
        kept: Some(1),
        idle: seconds(2),
        request: seconds(3),
        head: seconds(4),
        stream_idle: seconds(5),
        connection: seconds(6),
        stream: seconds(7),
        streams: Some(8),
        stream_window: Some(9),
        connection_window: Some(10),
        underscores: Some(Underscores::Dropped),
        merge_slashes: Some(false),
        escaped_slashes: Some(EscapedSlashes::Refused),
        connections: Some(11),
    };
    assert_eq!(world.compile().traffic.defaults.proxies.connections, expected);
}
