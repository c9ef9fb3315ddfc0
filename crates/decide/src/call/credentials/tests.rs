use std::collections::{BTreeMap, BTreeSet};

use ripstop_model::{
    BackendSettings, Change, DataplaneMode, HostPattern, PortSettings, RuleId, Selector, ServerProtocol, Subset,
    TrafficChange, Visibility,
};

use super::*;
use crate::samples::{gateway, labels, put, server, tls, workload};

const WHOLE: CredentialPart = CredentialPart::Whole;
const AUTHORITIES: CredentialPart = CredentialPart::Authorities;

fn program(gateways: Vec<Gateway>) -> Program {
    Program::default().with(1, gateways.into_iter().map(put))
}

fn needed(program: &Program) -> Vec<(String, CredentialPart)> {
    let needed = needed_credentials(program, &labels(&[("istio", "ingressgateway")]), "istio-system");
    needed.into_iter().map(|((namespace, name), part)| (format!("{namespace}/{name}"), part)).collect()
}

fn list(expected: &[(&str, CredentialPart)]) -> Vec<(String, CredentialPart)> {
    expected.iter().map(|(name, part)| ((*name).to_owned(), *part)).collect()
}

#[test]
fn secrets_of_other_namespaces_are_not_needed() {
    let mut mutual = tls(ServerTlsMode::Mutual, &["cert", "bank/keys", "kubernetes://shop/own", "sds://x"]);
    let servers = vec![server(443, ServerProtocol::Https, "a", Some(mutual.clone()))];
    let needed = |servers| needed(&program(vec![gateway("shop", "a", 1, servers)]));
    assert_eq!(
        needed(servers),
        list(&[
            ("istio-system/cert", WHOLE),
            ("istio-system/cert-cacert", AUTHORITIES),
            ("shop/cert", WHOLE),
            ("shop/cert-cacert", AUTHORITIES),
            ("shop/own", WHOLE),
        ])
    );
    mutual.ca_credential = Some("clients".into());
    mutual.credentials = vec!["cert".into()];
    assert_eq!(
        needed(vec![server(443, ServerProtocol::Https, "a", Some(mutual))]),
        list(&[
            ("istio-system/cert", WHOLE),
            ("istio-system/clients", AUTHORITIES),
            ("shop/cert", WHOLE),
            ("shop/clients", AUTHORITIES),
        ])
    );
    for mode in [ServerTlsMode::Passthrough, ServerTlsMode::Mesh] {
        assert!(needed(vec![server(443, ServerProtocol::Tls, "a", Some(tls(mode, &["cert"])))]).is_empty());
    }
}

/// Rules of `namespace` for `host` with these settings, seen by `visibility`.
fn rules(namespace: &str, host: &str, tls: ClientTls, visibility: Visibility) -> BackendPolicy {
    let general = PortSettings { tls: Some(Arc::new(tls)), ..PortSettings::default() };
    BackendPolicy {
        ids: vec![RuleId(format!("DestinationRule/{namespace}/{host}/1").into())],
        namespace: namespace.into(),
        host: HostPattern::new(host),
        visibility,
        client: None,
        policy: BackendSettings { general, ..BackendSettings::default() },
        subsets: Vec::new(),
        created: 0,
    }
}

fn call(mode: ClientTlsMode, credential: &str) -> ClientTls {
    ClientTls { mode, credential: Some(credential.into()), ..ClientTls::default() }
}

fn put_rules(policies: Vec<BackendPolicy>) -> Change {
    let name = (policies[0].namespace.clone(), policies[0].host.to_string().into());
    Change::TrafficObject(TrafficChange::Backends(name, Some(Arc::new(policies))))
}

#[test]
fn what_is_called_needs_secrets_of_the_gateways_own_namespace() {
    let everybody = || Visibility::Everybody;
    let seen_by = |namespace: &str| Visibility::Namespaces(BTreeSet::from([namespace.into()]));
    let chosen = |name: &str| Some(Selector(labels(&[("istio", name)])));
    let mut program = Program::default();
    let mut follow = |change| {
        program = program.with(program.version() + 1, [change]);
        needed(&program)
    };
    let simple = |credential: &str| call(ClientTlsMode::Simple, credential);
    assert_eq!(
        follow(put_rules(vec![rules("shop", "a.example", simple("ca"), everybody())])),
        list(&[("istio-system/ca", AUTHORITIES), ("istio-system/ca-cacert", AUTHORITIES)])
    );
    let mutual = rules("shop", "a.example", call(ClientTlsMode::Mutual, "istio-system/own"), everybody());
    assert_eq!(
        follow(put_rules(vec![mutual])),
        list(&[("istio-system/own", WHOLE), ("istio-system/own-cacert", AUTHORITIES)])
    );
    let unverified = ClientTls { insecure: true, ..call(ClientTlsMode::Mutual, "own") };
    assert_eq!(
        follow(put_rules(vec![rules("shop", "a.example", unverified, everybody())])),
        list(&[("istio-system/own", WHOLE)])
    );
    // Of ports and subsets too.
    let mut deep = rules("shop", "a.example", ClientTls::default(), everybody());
    let block = |credential: &str| PortSettings { tls: Some(Arc::new(simple(credential))), ..PortSettings::default() };
    deep.policy.ports = BTreeMap::from([(443, block("port"))]);
    deep.subsets = vec![Subset {
        id: RuleId("s".into()),
        name: "s".into(),
        labels: Selector::default(),
        policy: BackendSettings { general: block("subset"), ..BackendSettings::default() },
    }];
    assert_eq!(
        follow(put_rules(vec![deep])),
        list(&[
            ("istio-system/port", AUTHORITIES),
            ("istio-system/port-cacert", AUTHORITIES),
            ("istio-system/subset", AUTHORITIES),
            ("istio-system/subset-cacert", AUTHORITIES),
        ])
    );
    // What is not for this gateway, or not of its namespace, or of no Secret.
    for (tls, visibility, client, namespace) in [
        (simple("ca"), seen_by("shop"), None, "shop"),
        (simple("ca"), everybody(), chosen("ingressgateway"), "shop"),
        (simple("ca"), everybody(), chosen("other"), "istio-system"),
        (simple("shop/ca"), everybody(), None, "shop"),
        (simple("sds://ca"), everybody(), None, "shop"),
        (call(ClientTlsMode::Disable, "ca"), everybody(), None, "shop"),
    ] {
        let rules = BackendPolicy { client, ..rules(namespace, "a.example", tls, visibility) };
        let shown = format!("{rules:?}");
        assert!(follow(put_rules(vec![rules])).is_empty(), "{shown}");
    }
    let own = BackendPolicy {
        client: chosen("ingressgateway"),
        ..rules("istio-system", "a.example", simple("ca"), seen_by("istio-system"))
    };
    assert_eq!(follow(put_rules(vec![own])).len(), 2);
    let gone = TrafficChange::Backends(("istio-system".into(), "a.example".into()), None);
    assert!(follow(Change::TrafficObject(gone)).is_empty());
}

#[test]
fn nodes_need_what_rules_for_chosen_workloads_of_theirs_name() {
    let runs = |namespace: &str, name: &str, node: &str, tunnel| {
        Change::Workload(Arc::new(Workload { node: node.into(), tunnel, ..workload(namespace, name, 1) }))
    };
    let hbone = TunnelProtocol::Hbone;
    let chosen = |namespace: &str, host: &str, app: &str, tls: ClientTls| BackendPolicy {
        client: Some(Selector(labels(&[("app", app)]))),
        ..rules(namespace, host, tls, Visibility::Namespaces(BTreeSet::from([namespace.into()])))
    };
    let mutual = call(ClientTlsMode::Mutual, "pair");
    let changes = [
        runs("shop", "web", "east", hbone),
        runs("shop", "web-outside", "west", TunnelProtocol::None),
        runs("shop", "cart", "west", hbone),
        runs("bank", "web", "west", hbone),
        put_rules(vec![chosen("shop", "a.example", "web", mutual)]),
        put_rules(vec![chosen("shop", "b.example", "web-outside", call(ClientTlsMode::Simple, "ca"))]),
        put_rules(vec![rules("shop", "c.example", call(ClientTlsMode::Simple, "all"), Visibility::Everybody)]),
    ];
    let program = Program::default().with(1, changes);
    let needed = |leaving: &str| {
        let needed = needed_by_nodes(&program, |workload| *workload.name == *leaving, |_| true);
        let shown = needed.into_iter().flat_map(|(node, needed)| {
            needed.into_iter().map(move |((ns, name), part)| (format!("{node}: {ns}/{name}"), part))
        });
        shown.collect::<Vec<_>>()
    };
    let of_web = [("east: shop/pair", WHOLE), ("east: shop/pair-cacert", AUTHORITIES)];
    assert_eq!(needed("nobody"), list(&of_web));
    // It has left the mesh, and what it has open has not ended.
    let of_both = [of_web[0], of_web[1], ("west: shop/ca", AUTHORITIES), ("west: shop/ca-cacert", AUTHORITIES)];
    assert_eq!(needed("web-outside"), list(&of_both));
}

#[test]
fn nodes_need_nothing_of_workloads_that_sidecars_serve() {
    let program = |mode| {
        let mut web = Workload { node: "east".into(), tunnel: TunnelProtocol::Hbone, ..workload("shop", "web", 1) };
        web.enrolment.mode = mode;
        let tls = call(ClientTlsMode::Mutual, "pair");
        let rules = BackendPolicy {
            client: Some(Selector(labels(&[("app", "web")]))),
            ..rules("shop", "a.example", tls, Visibility::Namespaces(BTreeSet::from(["shop".into()])))
        };
        Program::default().with(1, [Change::Workload(Arc::new(web)), put_rules(vec![rules])])
    };
    let needs = |mode, is_apart: bool| needed_by_nodes(&program(mode), |_| false, |_| is_apart).contains_key("east");
    assert!(!needs(DataplaneMode::Sidecar, true));
    // It has not moved there yet, or something of it is left; or it moves back.
    assert!(needs(DataplaneMode::Sidecar, false));
    assert!(needs(DataplaneMode::Node, true));
}

#[test]
fn waypoints_need_what_rules_for_them_name_and_no_listeners() {
    let listener = server(443, ServerProtocol::Https, "a", Some(tls(ServerTlsMode::Simple, &["cert"])));
    let own = BackendPolicy {
        client: Some(Selector(labels(&[("istio", "ingressgateway")]))),
        ..rules("istio-system", "a.example", call(ClientTlsMode::Simple, "own"), Visibility::Everybody)
    };
    let for_all = rules("istio-system", "b.example", call(ClientTlsMode::Simple, "all"), Visibility::Everybody);
    let changes =
        [put(gateway("istio-system", "a", 1, vec![listener])), put_rules(vec![own]), put_rules(vec![for_all])];
    let program = Program::default().with(1, changes);
    let needed = needed_by_workload(&program, &labels(&[("istio", "ingressgateway")]), "istio-system");
    let names: Vec<_> = needed.into_keys().map(|(_, name)| name.to_string()).collect();
    assert_eq!(names, ["own", "own-cacert"]);
}
