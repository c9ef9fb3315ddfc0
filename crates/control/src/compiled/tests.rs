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

fn open(dir: &Path) -> (Compiled, TaskTracker, CancellationToken) {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let fixed = Fixed { trust_domain: ripstop_model::TrustDomain::default(), cluster: "Ripstop".into() };
    let path = dir.join("assigned");
    let keeper = Keeper::start(path.clone(), &tasks, stop.clone());
    let fetched = dir.join("bundles");
    let bundles = Bundles::open(&fetched, Keeper::start(fetched.clone(), &tasks, stop.clone())).unwrap();
    let key = ripstop_model::SessionKey::new([1; 32]);
    (Compiled::open(fixed, key, &path, keeper, Arc::new(bundles)).unwrap(), tasks, stop)
}

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: a, namespace: ns}
spec: {selector: {app: a}, ports: [{port: 80}]}
";

#[tokio::test]
async fn assigned_addresses_stay_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut compiled, tasks, stop) = open(dir.path());
    let first = compiled.compile(&snapshot(SERVICE), &View::default());
    let again = compiled.compile(&snapshot(SERVICE), &View::default());
    assert_eq!(first.services, again.services);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    let (mut later, ..) = open(dir.path());
    assert_eq!(later.assigned, compiled.assigned);
    assert_eq!(later.compile(&snapshot(SERVICE), &View::default()).services, first.services);
}

#[tokio::test]
async fn what_did_not_change_is_known_to_be_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (mut compiled, ..) = open(dir.path());
    let (first, other) = (snapshot(SERVICE), snapshot(&SERVICE.replace("port: 80", "port: 81")));
    let mut subject = |snapshot: &StoreSnapshot| {
        compiled.compile(snapshot, &View::default());
        compiled.subject(snapshot)
    };
    let before = subject(&first);
    assert!(before.is_same(&subject(&first)), "nothing changed");
    assert!(!before.is_same(&subject(&other)), "an object did");
    let before = subject(&other);
    assert!(
        !before.is_same(&subject(&StoreSnapshot { findings: Arc::default(), ..other.clone() })),
        "a finding may have"
    );
}
