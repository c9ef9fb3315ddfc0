use tempfile::TempDir;

use super::*;

fn written(way: Way) -> String {
    let root = TempDir::new().unwrap();
    let peers = Peers::prepare(&root.path().join("peers")).unwrap();
    server(&peers, way, "tag-").unwrap()
}

#[test]
fn nothing_is_left_to_be_filled_in() {
    for way in Way::ALL {
        let text = written(way);
        for word in ["NAMESPACE", "TARGET", "NODE"] {
            assert!(!text.contains(word), "{way}: {text}");
        }
        let name = way.name();
        assert!(text.split("---\n").all(|object| object.contains(name)), "{text}");
    }
}

#[test]
fn workloads_come_into_the_mesh_by_what_the_way_is_about() {
    let has = |way: Way, text: &str| written(way).contains(text);
    for way in Way::ALL {
        let by_namespace = labels(way).is_some();
        assert_eq!(way.is_mesh(), by_namespace || way == Way::MeshGateway, "{way}");
        assert_eq!(has(way, "kind: Namespace"), by_namespace, "{way}");
        assert_eq!(has(way, "labels: {app: server, istio.io/dataplane-mode: ambient}"), way == Way::MeshGateway);
        assert_eq!(has(way, "mode: STRICT"), way.is_mesh(), "{way}");
    }
    assert!(has(Way::MeshSidecar, "{name: mesh-sidecar, labels: {istio-injection: enabled}}"));
    assert!(has(Way::MeshWaypoint, "istio.io/use-waypoint: waypoint"));
    assert!(has(Way::MeshGateway, "principals: [cluster.local/ns/mesh-gateway/sa/edge]"));
}

#[test]
fn a_sidecar_has_the_rules_of_a_node() {
    let rules = |way: Way| {
        let text = written(way).replace(way.name(), "");
        text.split("---\n").skip(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rules(Way::MeshSidecar), rules(Way::MeshL7));
    assert_eq!(rules(Way::MeshL7).len(), 4);
}
