use ripstop_api::parse_file;
use ripstop_identity::CertificateAuthority;
use ripstop_store::StoredObject;

use super::*;

const MESH: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  trustDomain: other.example
  clusterId: other
";

fn snapshot(text: &str) -> StoreSnapshot {
    let stored = parse_file("mesh.yaml", text).objects.into_iter().map(|object| {
        let id = object.id.clone();
        let stored = StoredObject { object: Arc::new(object), created_ms: 1, generation: 1, last_good_from: None };
        (id, Arc::new(stored))
    });
    StoreSnapshot { revision: 1, objects: Arc::new(stored.collect()), findings: Arc::default() }
}

/// The settings that act under `fixed`, and the findings.
fn acting(fixed: &Fixed, text: &str) -> (Arc<MeshConfig>, Vec<Finding>) {
    let stored = snapshot(text).objects;
    let mut objects = stored.iter().map(|(id, stored)| (id.clone(), declared(stored))).collect();
    let findings = fixed.apply(&mut objects, &stored);
    let (instances, captures) = (OrdMap::new(), OrdMap::new());
    let input = Input {
        objects: &objects,
        instances: &instances,
        captures: &captures,
        assigned: &Assignments::default(),
        previous: None,
    };
    (compile(&input).mesh, findings)
}

#[test]
fn the_trust_domain_of_the_authority_stays() {
    let dir = tempfile::tempdir().unwrap();
    let domain = |text| Fixed::open(&snapshot(text), dir.path()).unwrap().trust_domain.to_string();
    assert_eq!(domain(MESH), "other.example");
    assert_eq!(domain(""), "cluster.local");

    let first = CertificateAuthority::load_or_create(&dir.path().join("ca"), &"first.example".parse().unwrap());
    drop(first.unwrap());
    assert_eq!(domain(MESH), "first.example");

    let fixed = Fixed::open(&snapshot(MESH), dir.path()).unwrap();
    let (mesh, findings) = acting(&fixed, MESH);
    assert_eq!(mesh.trust_domain.as_str(), "first.example");
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(
        (findings[0].code, findings[0].position.line, findings[0].path.as_str()),
        ("RS401", 5, "spec.trustDomain")
    );
    let (mesh, findings) = acting(&fixed, "");
    assert_eq!((mesh.trust_domain.as_str(), findings.len()), ("first.example", 0));
}

#[test]
fn the_cluster_id_of_the_first_start_stays() {
    let dir = tempfile::tempdir().unwrap();
    let first = Fixed::open(&snapshot(""), dir.path()).unwrap();
    assert_eq!(&*first.cluster, "Ripstop");
    let later = Fixed::open(&snapshot(MESH), dir.path()).unwrap();
    assert_eq!(&*later.cluster, "Ripstop");
    let (mesh, findings) = acting(&later, MESH);
    assert_eq!(&*mesh.cluster, "Ripstop");
    let finding = findings.iter().find(|finding| finding.code == "RS402").unwrap();
    assert_eq!((finding.position.line, finding.path.as_str()), (6, "spec.clusterId"));
    assert!(finding.message.contains("other") && finding.message.contains("Ripstop"), "{finding}");

    // One that was configured from the beginning, and is no longer.
    let dir = tempfile::tempdir().unwrap();
    drop(Fixed::open(&snapshot(MESH), dir.path()).unwrap());
    let later = Fixed::open(&snapshot(""), dir.path()).unwrap();
    let (mesh, findings) = acting(&later, "");
    assert_eq!((&*mesh.cluster, findings.len()), ("other", 0));
    let without = MESH.replace("  clusterId: other\n", "");
    let (mesh, findings) = acting(&later, &without);
    assert_eq!((&*mesh.cluster, findings.iter().filter(|finding| finding.code == "RS402").count()), ("other", 1));
}
