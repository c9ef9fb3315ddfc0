use ripstop_model::{Change, HostEntry, HostPattern, MeshConfig, Resolution, RuleId, Selector, SpiffeId, Visibility};

use super::*;
use crate::{
    EntryEndpoint, Program, authorize, authorize_at_gateway,
    samples::{labels, workload},
    static_endpoints,
};

fn cut_off(name: &str, last: u8, peers: &[&str]) -> Workload {
    let rule = RuleId(format!("Process/shop/{name}/2/metadata.labels.ripstop.dev/quarantine").into());
    let peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
    Workload { quarantine: Some(Arc::new(Quarantine { rule, peers })), ..workload("shop", name, last) }
}

fn identity(workload: &Workload) -> SpiffeId {
    workload.identity().unwrap()
}

fn denied_by(verdict: Option<Verdict>) -> Option<String> {
    verdict.map(|verdict| {
        assert_eq!((verdict.is_allow(), verdict.code()), (false, "quarantine"));
        verdict.policy().unwrap().to_string()
    })
}

const RULE: &str = "Process/shop/web/2/metadata.labels.ripstop.dev/quarantine";
const DEBUG: &str = "spiffe://cluster.local/ns/shop/sa/debug";

#[test]
fn it_calls_nobody_but_peers_that_prove_who_they_are() {
    let web = cut_off("web", 1, &[DEBUG]);
    let (debug, other) = (workload("shop", "debug", 2), workload("shop", "other", 3));
    let by = |to, way| denied_by(departure(&web, to, way));
    assert_eq!(by(Some(&other), TunnelProtocol::Hbone).as_deref(), Some(RULE));
    assert_eq!(by(None, TunnelProtocol::None).as_deref(), Some(RULE));
    assert_eq!(by(Some(&debug), TunnelProtocol::Hbone), None);
    // Its address alone proves nothing.
    assert_eq!(by(Some(&debug), TunnelProtocol::None).as_deref(), Some(RULE));
    assert_eq!(by(Some(&web), TunnelProtocol::None), None);
    assert_eq!(departure(&other, Some(&debug), TunnelProtocol::Hbone), None);
    assert_eq!(departure(&other, None, TunnelProtocol::None), None);
}

#[test]
fn nobody_but_peers_calls_it() {
    let web = cut_off("web", 1, &[DEBUG]);
    let (debug, other) = (workload("shop", "debug", 2), workload("shop", "other", 3));
    let of = |from, way| denied_by(departure(from, Some(&web), way));
    assert_eq!(of(&other, TunnelProtocol::Hbone).as_deref(), Some(RULE));
    assert_eq!(of(&debug, TunnelProtocol::Hbone), None);
    assert_eq!(of(&debug, TunnelProtocol::None).as_deref(), Some(RULE));
    let program = Program::default();
    for decide in [authorize, authorize_at_gateway] {
        let verdict = |peer: Option<&SpiffeId>| {
            decide(&program, &InboundFacts::connection(&web, 8080, peer, None)).without_authorizer()
        };
        assert_eq!(denied_by(Some(verdict(Some(&identity(&other))))).as_deref(), Some(RULE));
        assert_eq!(denied_by(Some(verdict(None))).as_deref(), Some(RULE));
        assert!(verdict(Some(&identity(&debug))).is_allow());
    }
}

#[test]
fn aliases_of_the_trust_domain_are_the_same_peers() {
    let web = cut_off("web", 1, &[DEBUG, "spiffe://partner.example/ns/shop/sa/debug"]);
    let trust_domain_aliases = vec!["old.example".parse().unwrap()];
    let federated_domains = vec!["partner.example".parse().unwrap(), "else.example".parse().unwrap()];
    let mesh = MeshConfig { trust_domain_aliases, federated_domains, ..MeshConfig::default() };
    let program = Program::default().with(1, [Change::Mesh(Arc::new(mesh))]);
    for (peer, goes) in [
        (DEBUG, true),
        ("spiffe://old.example/ns/shop/sa/debug", true),
        ("spiffe://partner.example/ns/shop/sa/debug", true),
        ("spiffe://else.example/ns/shop/sa/debug", false),
        ("spiffe://old.example/ns/shop/sa/other", false),
    ] {
        let peer: SpiffeId = peer.parse().unwrap();
        for decide in [authorize, authorize_at_gateway] {
            let facts = InboundFacts::connection(&web, 8080, Some(&peer), None);
            let verdict = decide(&program, &facts).without_authorizer();
            assert_eq!(verdict.is_allow(), goes, "{peer}: {verdict}");
        }
    }
    // Whoever is an alias of nobody is somebody else.
    let old = "spiffe://old.example/ns/shop/sa/debug".parse().unwrap();
    let facts = InboundFacts::connection(&web, 8080, Some(&old), None);
    assert!(!authorize(&Program::default(), &facts).without_authorizer().is_allow());
}

#[test]
fn two_that_are_cut_off_have_to_name_each_other() {
    let other = cut_off("other", 2, &[]);
    let web = cut_off("web", 1, &[identity(&other).as_str()]);
    let by = denied_by(departure(&web, Some(&other), TunnelProtocol::Hbone));
    assert_eq!(by.as_deref(), Some("Process/shop/other/2/metadata.labels.ripstop.dev/quarantine"));
}

#[test]
fn hosts_that_select_it_do_not_lead_to_it() {
    let (web, sound) = (cut_off("web", 1, &[]), workload("shop", "sound", 2));
    let front = labels(&[("tier", "front")]);
    let all = [web, sound].map(|workload| Workload { labels: front.clone(), ..workload });
    let program = Program::default().with(1, all.map(|workload| Change::Workload(Arc::new(workload))));
    let entry = HostEntry {
        id: RuleId("ServiceEntry/shop/front/1".into()),
        object: ("shop".into(), "front".into()),
        host: HostPattern::new("front.example"),
        addresses: Vec::new(),
        ports: Vec::new(),
        internal: true,
        allocates: true,
        waypoint: None,
        resolution: Resolution::Static,
        endpoints: Vec::new(),
        selector: Some(Selector(front)),
        visibility: Visibility::default(),
        subject_alt_names: Vec::new(),
        created: 1,
    };
    let found = static_endpoints(&program, &entry);
    let names: Vec<&str> = found
        .iter()
        .map(|endpoint| match endpoint {
            EntryEndpoint::Workload(workload) => &*workload.name,
            EntryEndpoint::Declared(_) | EntryEndpoint::Host(_) => "?",
        })
        .collect();
    assert_eq!(names, ["sound"]);
}
