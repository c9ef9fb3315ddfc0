use std::sync::Arc;

use ripstop_model::{PortMapping, Workload};

use super::*;
use crate::{
    analyze::table::{ground, object, told},
    tests::{World, now},
};

/// A service in front of `web`, which has those labels and annotations besides.
fn shop(labels: &str, annotations: &str) -> String {
    let metadata = format!("web labels: {{app: web{labels}}}, annotations: {{{annotations}}}");
    ground("shop", &[])
        + &object("Service", "shop", "web", "{selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}")
        + &object("Process", "shop", &metadata, "{command: [serve], resources: {limits: {cpu: 1, memory: 64Mi}}}")
}

const CUT: &str = ", ripstop.dev/quarantine: \"true\"";

fn workload(world: &mut World) -> Arc<Workload> {
    world.compile().workloads.values().next().unwrap().clone()
}

#[test]
fn a_label_takes_a_workload_out_of_its_services_and_gives_it_back() {
    let mut world = World::of(&shop("", ""));
    world.run("shop", "web", 0);
    let before = workload(&mut world);
    assert_eq!(before.quarantine, None);
    assert_eq!(before.services[0].1, [PortMapping { service_port: 80, target_port: 8080 }]);

    world.declare(&shop(CUT, "ripstop.dev/quarantine-allow: 'ops/debug, cluster.local/ns/ops/sa/tap, ops/debug'"));
    let cut_off = workload(&mut world);
    assert!(cut_off.services.is_empty());
    let quarantine = cut_off.quarantine.as_deref().unwrap();
    assert_eq!(&*quarantine.rule.0, "Process/shop/web/1/metadata.labels.ripstop.dev/quarantine");
    let peers: Vec<&str> = quarantine.peers.iter().map(SpiffeId::as_str).collect();
    assert_eq!(peers, ["spiffe://cluster.local/ns/ops/sa/debug", "spiffe://cluster.local/ns/ops/sa/tap"]);

    world.declare(&shop("", ""));
    assert_eq!(*workload(&mut world), *before);
}

#[test]
fn what_runs_without_a_process_is_cut_off_by_its_own_label() {
    let mut world = World::of("");
    let instance = world.run("shop", "shell", 0);
    instance.labels = [(LABEL.to_owned(), "true".to_owned())].into();
    instance.annotations = [(ALLOW.to_owned(), "ops/debug".to_owned())].into();
    let quarantine = workload(&mut world).quarantine.clone().unwrap();
    assert_eq!(&*quarantine.rule.0, "Process/shop/shell/0/metadata.labels.ripstop.dev/quarantine");
    assert_eq!(quarantine.peers.len(), 1);
    let findings = world.compile().findings(now());
    assert!(findings.iter().any(|finding| finding.code == "RS237" && finding.message.contains("shop/shell-0")));
}

#[test]
fn peers_are_identities() {
    let mesh = MeshConfig {
        trust_domain: "shop.test".parse().unwrap(),
        trust_domain_aliases: vec!["old.test".parse().unwrap()],
        ..MeshConfig::default()
    };
    let named = |entry| peer(entry, &mesh).map(|peer| peer.to_string());
    for (entry, expected) in [
        ("ops/debug", Some("spiffe://shop.test/ns/ops/sa/debug")),
        ("spiffe://shop.test/ns/ops/sa/debug", Some("spiffe://shop.test/ns/ops/sa/debug")),
        ("old.test/ns/ops/sa/debug", Some("spiffe://shop.test/ns/ops/sa/debug")),
        ("cluster.local/ns/ops/sa/debug", Some("spiffe://shop.test/ns/ops/sa/debug")),
        ("other.test/ns/ops/sa/debug", Some("spiffe://other.test/ns/ops/sa/debug")),
        ("debug", None),
        ("*", None),
        ("ops/*", None),
        ("/debug", None),
        ("spiffe://ops/debug", None),
        ("shop.test/ns/ops/debug", None),
    ] {
        assert_eq!(named(entry).as_deref(), expected, "{entry}");
    }
}

#[test]
fn there_are_only_so_many_peers() {
    let many: Vec<String> = (0..PEERS + 2).map(|index| format!("ops/a{index}")).collect();
    let meta = Meta { annotations: [(ALLOW.to_owned(), many.join(","))].into(), ..Meta::default() };
    let (found, wrong) = peers(&meta, &MeshConfig::default());
    assert_eq!((found.len(), wrong.len()), (PEERS, 1));
}

#[test]
fn what_does_not_act_is_told() {
    let outside = shop(CUT, "").replace("ambient", "none");
    let allow = "ripstop.dev/quarantine-allow: 'ops/debug, everybody'";
    let namespace = object("Namespace", "", "shop labels: {ripstop.dev/quarantine: \"true\"}", "");
    for (title, text, expected) in [
        ("as it should be", shop(CUT, ""), None),
        ("not cut off", shop(", ripstop.dev/quarantine: \"false\"", ""), None),
        ("another value", shop(", ripstop.dev/quarantine: \"yes\"", ""), Some(("RS236", "is not known"))),
        ("no identity", shop(CUT, allow), Some(("RS236", "\"everybody\" names no identity"))),
        ("outside of the mesh", outside, Some(("RS237", "nobody keeps it from speaking"))),
        ("by itself", shop(&format!("{CUT}, networking.istio.io/tunnel: http"), ""), Some(("RS237", "by itself"))),
        ("a namespace", namespace, Some(("RS236", "does not count for a Namespace"))),
    ] {
        let told = told(&mut World::of(&text), crate::analyze::quarantine::CODES);
        match (&told[..], expected) {
            ([], None) => {}
            ([line], Some((code, words))) => assert!(line.contains(code) && line.contains(words), "{title}: {line}"),
            (other, _) => panic!("{title}: {other:?}"),
        }
    }
}
