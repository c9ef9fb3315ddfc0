use ripstop_api::parse_file;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;

fn snapshot(text: &str) -> StoreSnapshot {
    let stored = parse_file("mesh.yaml", text).objects.into_iter().map(|object| {
        let id = object.id.clone();
        let stored = StoredObject { object: Arc::new(object), created_ms: 1, generation: 1, last_good_from: None };
        (id, Arc::new(stored))
    });
    StoreSnapshot { revision: 1, objects: Arc::new(stored.collect()), findings: Arc::default() }
}

fn open(dir: &Path, domain: &str) -> (Compiled, TaskTracker, CancellationToken) {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let path = dir.join("assigned");
    let keeper = Keeper::start(path.clone(), &tasks, stop.clone());
    (Compiled::open(domain.parse().unwrap(), &path, keeper).unwrap(), tasks, stop)
}

const MESH: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec: {trustDomain: other.example}
";
const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: a, namespace: ns}
spec: {selector: {app: a}, ports: [{port: 80}]}
";

#[tokio::test]
async fn the_trust_domain_of_the_authority_stays() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(trust_domain(&snapshot(MESH), dir.path()).unwrap().as_str(), "other.example");
    assert_eq!(trust_domain(&snapshot(""), dir.path()).unwrap().as_str(), "cluster.local");

    let authority =
        ripstop_identity::CertificateAuthority::load_or_create(dir.path(), &"first.example".parse().unwrap());
    drop(authority.unwrap());
    assert_eq!(trust_domain(&snapshot(MESH), dir.path()).unwrap().as_str(), "first.example");

    let (mut compiled, ..) = open(dir.path(), "first.example");
    let (world, findings) = compiled.compile(&snapshot(MESH), &View::default());
    assert_eq!(world.mesh.trust_domain.as_str(), "first.example");
    let finding = findings.iter().find(|finding| finding.code == "RS401").unwrap();
    assert_eq!((finding.position.line, finding.path.as_str()), (4, "spec.trustDomain"));
    let (world, findings) = compiled.compile(&snapshot(""), &View::default());
    assert_eq!(world.mesh.trust_domain.as_str(), "first.example");
    assert!(findings.iter().all(|finding| finding.code != "RS401"));
}

#[tokio::test]
async fn assigned_addresses_stay_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut compiled, tasks, stop) = open(dir.path(), "cluster.local");
    let (first, _) = compiled.compile(&snapshot(SERVICE), &View::default());
    let (again, _) = compiled.compile(&snapshot(SERVICE), &View::default());
    assert_eq!(first.services, again.services);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    let (mut later, ..) = open(dir.path(), "cluster.local");
    assert_eq!(later.assigned, compiled.assigned);
    assert_eq!(later.compile(&snapshot(SERVICE), &View::default()).0.services, first.services);
}
