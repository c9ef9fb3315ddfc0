//! A link against a control plane on loopback: real TLS, real gRPC, real files.

mod plane;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use ripstop_identity::{Svid, SvidStore, new_csr};
use ripstop_model::{
    Change, Labels, MeshConfig, NodeSpec, PolicyTarget, RuleId, Selector, SpiffeId, Telemetry, TrafficChange,
};
use ripstop_wire::{
    ResourceChange,
    delta::ResourceSet,
    encode_mesh, encode_node, encode_traffic,
    ripstop::{InstanceSet, ReportRequest, report_request::Kind},
    snapshot_changes, type_url,
};
use ripstop_xds::{Commit, Error, Link, LinkConfig, Role, Updates};
use tokio::sync::watch;

use crate::plane::Plane;

const DEADLINE: Duration = Duration::from_secs(20);

/// A machine with a part on it.
struct Part {
    directory: tempfile::TempDir,
    config: LinkConfig,
}

impl Part {
    fn new(plane: &Plane) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = LinkConfig {
            control: plane.address,
            role: Role::Node,
            name: "one".to_owned(),
            state: directory.path().join("state"),
            root_cert: plane.root_cert(),
            token_file: directory.path().join("token"),
            types: vec![type_url::NODE, type_url::MESH],
        };
        Self { directory, config }
    }

    fn with_token(plane: &Plane) -> Self {
        let part = Self::new(plane);
        plane.token("secret", plane.id("node", "one"));
        std::fs::write(&part.config.token_file, "secret\n").unwrap();
        part
    }

    /// With a certificate of the past.
    fn with_svid(plane: &Plane, age: Duration, ttl: Duration) -> (Self, Svid) {
        let part = Self::new(plane);
        let (key, csr) = new_csr().unwrap();
        let id = plane.id("node", "one");
        let chain = plane.authority.issue_at(&csr, &id, ttl, SystemTime::now() - age).unwrap();
        let svid = Svid::new(&chain.certificates.concat(), key).unwrap();
        std::fs::create_dir_all(&part.config.state).unwrap();
        let store = part.store();
        store.save(&svid).unwrap();
        store.save_roots(plane.authority.roots()).unwrap();
        (part, svid)
    }

    fn store(&self) -> SvidStore {
        SvidStore::open(self.config.state.join("credentials")).unwrap()
    }

    fn committed(&self) -> PathBuf {
        self.directory.path().join("state/committed")
    }

    async fn start(&self) -> (Link, Updates) {
        Link::start(self.config.clone()).await.unwrap()
    }
}

fn node(name: &str) -> ResourceChange {
    encode_node(&NodeSpec { name: name.into(), labels: Labels::default(), pod_cidrs: vec![] }).into()
}

fn mesh(cluster: &str) -> ResourceChange {
    encode_mesh(&MeshConfig { cluster: cluster.into(), ..MeshConfig::default() }).into()
}

fn publish(plane: &Plane, version: u64, changes: impl IntoIterator<Item = ResourceChange>) {
    plane.target.send_modify(|target| *target = Some(target.clone().unwrap_or_default().with(version, changes)));
}

async fn next(updates: &mut Updates) -> Commit {
    tokio::time::timeout(DEADLINE, updates.next()).await.expect("no commit came").expect("the link ended")
}

async fn until<T>(watched: &watch::Sender<T>, condition: impl FnMut(&T) -> bool) {
    let mut watched = watched.subscribe();
    tokio::time::timeout(DEADLINE, watched.wait_for(condition)).await.expect("it never came to that").unwrap();
}

async fn reaches<T>(mut watched: watch::Receiver<T>, condition: impl FnMut(&T) -> bool) {
    tokio::time::timeout(DEADLINE, watched.wait_for(condition)).await.expect("it never came to that").unwrap();
}

/// Takes a commit in.
async fn take(updates: &mut Updates) -> (u64, bool, Vec<ResourceChange>) {
    let commit = next(updates).await;
    (commit.version, commit.from_disk, commit.resources.clone())
}

async fn gone(path: &Path) {
    let removed = async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, removed).await.expect("the file stays");
}

#[tokio::test]
async fn joins_and_follows() {
    let plane = Plane::new();
    publish(&plane, 3, [node("a"), mesh("east")]);
    let _running = plane.start();
    let part = Part::with_token(&plane);
    let (link, mut updates) = part.start().await;
    let commit = next(&mut updates).await;
    assert_eq!((commit.version, commit.from_disk, commit.resources.len()), (3, false, 2));
    assert_eq!(*link.commits().borrow(), 0, "not in force before it is taken");
    assert_eq!(plane.seen.borrow().0, 0);
    drop(commit);
    until(&plane.seen, |seen| seen.0 == 3).await;
    assert_eq!(*link.commits().borrow(), 3);
    assert!(*link.connected().borrow());
    assert_eq!(link.id(), &plane.id("node", "one"));
    assert_eq!(&link.roots(), plane.authority.roots());
    assert!(!part.config.token_file.exists(), "a token is used once");
    assert_eq!(part.store().load(&plane.id("node", "one")).unwrap().id, plane.id("node", "one"));
    assert!(part.store().load_roots().is_some());

    publish(&plane, 4, [node("b"), ResourceChange::removed(type_url::NODE, "a")]);
    let (version, _, resources) = take(&mut updates).await;
    assert_eq!((version, resources), (4, vec![ResourceChange::removed(type_url::NODE, "a"), node("b")]));
    reaches(link.commits(), |version| *version == 4).await;
}

#[tokio::test]
async fn reconnects_after_a_restart_of_the_control_plane() {
    let plane = Plane::new();
    publish(&plane, 1, [node("a"), node("b")]);
    let running = plane.start();
    let part = Part::with_token(&plane);
    let (link, mut updates) = part.start().await;
    take(&mut updates).await;
    until(&plane.seen, |seen| seen.0 == 1).await;
    drop(running);
    reaches(link.connected(), |connected| !connected).await;
    let sent = *plane.sent.borrow();
    publish(&plane, 2, [node("c")]);
    let _running = plane.start();
    let (version, from_disk, resources) = take(&mut updates).await;
    assert_eq!((version, from_disk, resources), (2, false, vec![node("c")]));
    assert_eq!(*plane.sent.borrow() - sent, 1, "nothing is sent twice");
    until(&plane.seen, |seen| seen.0 == 2).await;
}

#[tokio::test]
async fn starts_from_disk_without_a_control_plane() {
    let plane = Plane::new();
    publish(&plane, 1, [node("a"), mesh("east")]);
    let running = plane.start();
    let part = Part::with_token(&plane);
    let (link, mut updates) = part.start().await;
    take(&mut updates).await;
    publish(&plane, 2, [node("b")]);
    take(&mut updates).await;
    until(&plane.seen, |seen| seen.0 == 2).await;
    drop((link, updates, running));

    std::fs::remove_file(plane.root_cert()).unwrap();
    let (link, mut updates) = part.start().await;
    let (version, from_disk, resources) = take(&mut updates).await;
    assert_eq!((version, from_disk), (2, true));
    assert_eq!(resources, [mesh("east"), node("a"), node("b")]);
    reaches(link.commits(), |version| *version == 2).await;
    assert_eq!(&link.roots(), plane.authority.roots());
    assert!(!*link.connected().borrow());

    publish(&plane, 3, [ResourceChange::removed(type_url::NODE, "a")]);
    let _running = plane.start();
    let (version, from_disk, resources) = take(&mut updates).await;
    assert_eq!((version, from_disk), (3, false));
    assert_eq!(resources, [ResourceChange::removed(type_url::NODE, "a")]);
}

/// What an older release left on disk has nothing of the types that are new: it acts as it is, and the rest follows.
#[tokio::test]
async fn more_types_begin_with_what_is_on_disk() {
    let plane = Plane::new();
    let telemetry = Telemetry {
        id: RuleId("Telemetry/ns/name/1".into()),
        namespace: "ns".into(),
        name: "name".into(),
        target: PolicyTarget::Workloads(Selector::default()),
        tracing: Vec::new(),
        metrics: Vec::new(),
        access_logs: Vec::new(),
        created: 1,
    };
    let change = TrafficChange::Telemetry(("ns".into(), "name".into()), Some(Arc::new(telemetry)));
    let telemetry = encode_traffic(&change).unwrap();
    publish(&plane, 1, [mesh("east"), node("a"), telemetry.clone()]);
    let running = plane.start();
    let mut part = Part::with_token(&plane);
    let (link, mut updates) = part.start().await;
    let (version, from_disk, resources) = take(&mut updates).await;
    assert_eq!((version, from_disk, resources), (1, false, vec![mesh("east"), node("a")]));
    until(&plane.seen, |seen| seen.0 == 1).await;
    drop((link, updates, running));

    part.config.types.push(type_url::TELEMETRY);
    let (link, mut updates) = part.start().await;
    let (version, from_disk, resources) = take(&mut updates).await;
    assert_eq!((version, from_disk, resources), (1, true, vec![mesh("east"), node("a")]));
    let running = plane.start();
    let (version, from_disk, resources) = take(&mut updates).await;
    assert_eq!((version, from_disk, &resources), (1, false, &vec![telemetry.clone()]), "the version is the same");
    let decoded = snapshot_changes(&resources).unwrap();
    assert_eq!(decoded, [Change::TrafficObject(change)]);
    // What follows is acknowledged only after what came before is on disk.
    publish(&plane, 2, [node("b")]);
    take(&mut updates).await;
    until(&plane.seen, |seen| seen.0 == 2).await;
    drop((link, updates, running));
    let (_link, mut updates) = part.start().await;
    let (version, from_disk, resources) = take(&mut updates).await;
    assert_eq!((version, from_disk, resources), (2, true, vec![mesh("east"), node("a"), node("b"), telemetry]));
}

#[tokio::test]
async fn a_refused_commit_leaves_the_last_good_one() {
    let plane = Plane::new();
    publish(&plane, 1, [node("a")]);
    let _running = plane.start();
    let part = Part::with_token(&plane);
    let (link, mut updates) = part.start().await;
    take(&mut updates).await;
    until(&plane.seen, |seen| seen.0 == 1).await;
    publish(&plane, 2, [node("bad"), node("good")]);
    next(&mut updates).await.reject("not like this");
    until(&plane.seen, |seen| seen.1.as_ref().is_some_and(|nack| nack.message == "not like this")).await;
    assert_eq!(plane.seen.borrow().0, 1);
    assert_eq!(*link.commits().borrow(), 1);
    publish(&plane, 3, [ResourceChange::removed(type_url::NODE, "bad")]);
    let commit = next(&mut updates).await;
    assert_eq!((commit.version, &commit.resources), (3, &vec![node("good")]), "the fix comes whole");
    // Killed while it is taken in: it is not in force after a restart.
    drop((link, updates));
    drop(commit);
    let (_link, mut updates) = part.start().await;
    let (version, from_disk, resources) = take(&mut updates).await;
    assert_eq!((version, from_disk, resources), (1, true, vec![node("a")]));
    assert_eq!(take(&mut updates).await, (3, false, vec![node("good")]));
    until(&plane.seen, |seen| *seen == (3, None)).await;
}

#[tokio::test]
async fn what_is_refused_from_disk_is_fetched_again() {
    let plane = Plane::new();
    publish(&plane, 1, [node("a")]);
    let _running = plane.start();
    let part = Part::with_token(&plane);
    let (link, mut updates) = part.start().await;
    take(&mut updates).await;
    until(&plane.seen, |seen| seen.0 == 1).await;
    drop((link, updates));
    let (_link, mut updates) = part.start().await;
    next(&mut updates).await.reject("from another age");
    assert_eq!(take(&mut updates).await, (1, false, vec![node("a")]));
}

#[tokio::test]
async fn a_damaged_state_is_fetched_again() {
    let plane = Plane::new();
    publish(&plane, 1, [node("a")]);
    let _running = plane.start();
    let part = Part::with_token(&plane);
    let (link, mut updates) = part.start().await;
    take(&mut updates).await;
    until(&plane.seen, |seen| seen.0 == 1).await;
    drop((link, updates));
    std::fs::write(part.committed(), "RIPSTOP1 and then nonsense").unwrap();
    let (_link, mut updates) = part.start().await;
    assert_eq!(take(&mut updates).await, (1, false, vec![node("a")]));
}

#[tokio::test]
async fn signs_for_workloads() {
    let plane = Plane::new();
    let running = plane.start();
    let part = Part::with_token(&plane);
    let (link, _updates) = part.start().await;
    let reviews: SpiffeId = "spiffe://mesh.test/ns/bookinfo/sa/reviews".parse().unwrap();
    // Asked for before there is a connection: it waits.
    let (key, csr) = new_csr().unwrap();
    let issued = link.sign(&csr, &reviews).await.unwrap();
    let svid = Svid::new(&issued.chain_pem, key).unwrap();
    assert_eq!(svid.id, reviews);
    svid.check(&issued.roots, SystemTime::now()).unwrap();

    let evil: SpiffeId = "spiffe://mesh.test/ns/evil/sa/evil".parse().unwrap();
    let error = link.sign(&csr, &evil).await.unwrap_err();
    assert!(matches!(error, Error::WrongIdentity { .. }), "{error}");
    let foreign: SpiffeId = "spiffe://other.test/ns/a/sa/a".parse().unwrap();
    let error = link.sign(&csr, &foreign).await.unwrap_err();
    assert!(matches!(error, Error::Status { .. }), "{error}");

    drop(running);
    let again = {
        let (link, csr, reviews) = (link.clone(), csr.clone(), reviews.clone());
        tokio::spawn(async move { link.sign(&csr, &reviews).await })
    };
    reaches(link.connected(), |connected| !connected).await;
    let _running = plane.start();
    again.await.unwrap().expect("a request survives a restart of the control plane");
}

#[tokio::test]
async fn reports_are_sent_again() {
    let plane = Plane::new();
    let running = plane.start();
    let part = Part::with_token(&plane);
    let (link, _updates) = part.start().await;
    let report = |names: &[&str]| ReportRequest {
        kind: Some(Kind::Instances(InstanceSet {
            instances: names
                .iter()
                .map(|name| ripstop_wire::ripstop::Instance { name: (*name).to_owned(), ..Default::default() })
                .collect(),
        })),
    };
    link.report(report(&["a"]));
    until(&plane.reports, |seen| seen.last() == Some(&report(&["a"]))).await;
    link.report(report(&["a", "b"]));
    until(&plane.reports, |seen| seen.last() == Some(&report(&["a", "b"]))).await;
    drop(running);
    plane.reports.send_replace(Vec::new());
    let _running = plane.start();
    until(&plane.reports, |seen| *seen == [report(&["a", "b"])]).await;
}

#[tokio::test]
async fn an_expired_certificate_needs_a_token() {
    let plane = Plane::new();
    publish(&plane, 1, [node("a")]);
    let _running = plane.start();
    let (part, _) = Part::with_svid(&plane, Duration::from_hours(2), Duration::from_hours(1));
    let (_link, mut updates) = part.start().await;
    // Later somebody leaves a token: first a wrong one, then a good one.
    std::fs::write(&part.config.token_file, "wrong").unwrap();
    until(&plane.joins_refused, |refused| *refused > 0).await;
    plane.token("right", plane.id("node", "one"));
    std::fs::write(&part.config.token_file, "right").unwrap();
    assert_eq!(take(&mut updates).await.0, 1);
    gone(&part.config.token_file).await;
}

#[tokio::test]
async fn an_old_certificate_is_renewed() {
    let plane = Plane::new();
    let _running = plane.start();
    let (part, old) = Part::with_svid(&plane, Duration::from_mins(50), Duration::from_hours(1));
    let (_link, _updates) = part.start().await;
    let store = part.store();
    let renewed = async {
        loop {
            let now = store.load(&old.id).unwrap();
            if now.not_after() > old.not_after() {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    let renewed = tokio::time::timeout(DEADLINE, renewed).await.expect("it was not renewed");
    assert_eq!(renewed.id, old.id);
    assert_ne!(renewed.key().to_pem(), old.key().to_pem(), "each certificate has its own key");
}

#[tokio::test]
async fn an_impostor_gets_no_token() {
    let plane = Plane::new();
    publish(&plane, 1, [node("a")]);
    // A part of the same mesh, with a good certificate, in the control plane's place.
    let impostor = plane.start_as(&plane.id("node", "evil"));
    let part = Part::with_token(&plane);
    let (_link, mut updates) = part.start().await;
    until(&plane.handshakes_failed, |failed| *failed >= 2).await;
    assert!(part.config.token_file.exists());
    assert!(plane.tokens.lock().unwrap().contains_key("secret"));
    drop(impostor);
    let _running = plane.start();
    assert_eq!(take(&mut updates).await.0, 1);
}

#[tokio::test]
async fn a_control_plane_that_began_anew_is_joined_anew() {
    let old = Plane::new();
    publish(&old, 5, [node("a")]);
    let running = old.start();
    let mut part = Part::with_token(&old);
    let (link, mut updates) = part.start().await;
    take(&mut updates).await;
    until(&old.seen, |seen| seen.0 == 5).await;
    drop((link, updates, running));

    // Another root, and versions from the start.
    let new = Plane::new();
    publish(&new, 1, [node("b")]);
    let _running = new.start();
    part.config.control = new.address;
    part.config.root_cert = new.root_cert();
    new.token("secret", new.id("node", "one"));
    std::fs::write(&part.config.token_file, "secret").unwrap();
    let (link, mut updates) = part.start().await;
    assert!(next(&mut updates).await.from_disk);
    let (version, _, resources) = take(&mut updates).await;
    assert_eq!((version, resources), (1, vec![ResourceChange::removed(type_url::NODE, "a"), node("b")]));
    assert_eq!(&link.roots(), new.authority.roots());
}

#[tokio::test(start_paused = true)]
async fn without_any_root_it_says_so() {
    let plane = Plane::new();
    let mut part = Part::new(&plane);
    part.config.root_cert = part.directory.path().join("nothing.pem");
    let error = Link::start(part.config.clone()).await.unwrap_err();
    assert!(matches!(error, Error::RootCert { .. }), "{error}");
}

#[tokio::test]
async fn a_link_ends_with_its_last_handle() {
    let plane = Plane::new();
    publish(&plane, 1, [node("a")]);
    let _running = plane.start();
    let part = Part::with_token(&plane);
    let (link, mut updates) = part.start().await;
    take(&mut updates).await;
    let other = link.clone();
    drop(link);
    publish(&plane, 2, [node("b")]);
    assert_eq!(take(&mut updates).await.0, 2);
    drop(other);
    let end = tokio::time::timeout(DEADLINE, updates.next()).await.expect("it goes on");
    assert!(end.is_none());
}

#[allow(dead_code)]
fn handles_cross_threads() {
    fn sent<T: Send + Sync + 'static>() {}
    sent::<Link>();
    sent::<Updates>();
    sent::<Commit>();
    sent::<Arc<ResourceSet>>();
}
