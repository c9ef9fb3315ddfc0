use futures_util::FutureExt as _;
use ripstop_wire::ripstop::capture::State as CaptureState;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;

fn instance(name: &str, node: &str, account: &str) -> Instance {
    Instance {
        uid: format!("c/ripstop.dev/Process/ns/{name}"),
        namespace: "ns".into(),
        name: name.into(),
        node: node.into(),
        service_account: account.into(),
        ..Instance::default()
    }
}

fn capture(name: &str, state: CaptureState, plain: u64) -> Capture {
    Capture { uid: format!("c/ripstop.dev/Process/ns/{name}"), state: state.into(), plain, ..Capture::default() }
}

fn open(dir: &Path, tasks: &TaskTracker, stop: &CancellationToken) -> Registry {
    let (i, c) = (dir.join("instances.pb"), dir.join("captures.pb"));
    let keeper = |path: &Path| Keeper::start(path.to_owned(), tasks, stop.clone());
    Registry::open(&i, &c, keeper(&i), keeper(&c)).unwrap()
}

#[tokio::test]
async fn what_did_not_change_is_shared() {
    let dir = tempfile::tempdir().unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let registry = open(dir.path(), &tasks, &stop);
    let both = InstanceSet { instances: vec![instance("a", "n1", "x"), instance("b", "n2", "x")] };
    registry.report_instances(both.clone());
    let before = registry.view();
    let b = instance("b", "n2", "x").uid;
    registry.changed().now_or_never().unwrap();
    registry.report_instances(both);
    assert!(registry.changed().now_or_never().is_none(), "the same again is no change");
    registry.report_instances(InstanceSet { instances: vec![instance("a", "n1", "y"), instance("b", "n2", "x")] });
    registry.changed().now_or_never().unwrap();
    assert!(Arc::ptr_eq(before.instance(&b).unwrap(), registry.view().instance(&b).unwrap()), "shared");
    registry.report_instances(InstanceSet { instances: vec![instance("b", "n2", "y")] });
    assert!(!registry.is_placed(("n1", "ns", "x"), |_, _| true));
    assert!(!registry.is_placed(("n2", "ns", "x"), |_, _| true));
    assert!(registry.is_placed(("n2", "ns", "y"), |_, _| true));
}

#[tokio::test]
async fn an_agent_speaks_for_its_node_only() {
    let dir = tempfile::tempdir().unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let registry = open(dir.path(), &tasks, &stop);
    let a = instance("a", "n1", "x");
    registry.report_instances(InstanceSet { instances: vec![a.clone()] });
    let set = |node: &str| CaptureSet { node: node.into(), captures: vec![capture("a", CaptureState::Captured, 0)] };
    registry.report_captures("n2", set("n2"));
    assert!(!registry.view().is_captured(&a));
    registry.report_captures("n1", set("n1"));
    assert!(registry.view().is_captured(&a));
    registry.changed().now_or_never().unwrap();
    registry.report_captures(
        "n1",
        CaptureSet { node: "n1".into(), captures: vec![capture("a", CaptureState::Captured, 7)] },
    );
    assert!(registry.changed().now_or_never().is_none(), "counts change nothing for proxies");
    assert_eq!(registry.view().capture(&a).unwrap().plain, 7);
    registry.report_captures("n1", CaptureSet { node: "n1".into(), captures: vec![] });
    assert!(!registry.view().is_captured(&a));
}

#[tokio::test]
async fn reports_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let registry = open(dir.path(), &tasks, &stop);
    let a = instance("a", "n1", "x");
    registry.report_instances(InstanceSet { instances: vec![a.clone()] });
    let captures = vec![capture("a", CaptureState::Captured, 1)];
    registry.report_captures("n1", CaptureSet { node: "n1".into(), captures });
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let again = open(dir.path(), &tasks, &stop);
    assert!(again.is_placed(("n1", "ns", "x"), |_, _| true));
    assert!(again.view().is_captured(&a));
    assert_eq!(again.view().instances().count(), 1);
}
