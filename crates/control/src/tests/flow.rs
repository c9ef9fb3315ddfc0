//! Configuration and reports on their way to proxies.

use ripstop_decide::Program;
use ripstop_model::{Health, Service, ServiceKey, Snapshot, TunnelProtocol, WorkloadUid};
use ripstop_wire::{
    ripstop::{Capture, CaptureSet, capture, report_request::Kind},
    type_url,
};
use ripstop_xds::Role;
use serde_json::{Value, json};

use super::harness::{Mesh, instance, uid};

fn cart(snapshot: &Snapshot) -> Option<&Service> {
    snapshot.service(&key()).map(AsRef::as_ref)
}

fn key() -> ServiceKey {
    ServiceKey::new("shop", "cart.shop.svc.cluster.local")
}

fn tunnel(snapshot: &Snapshot, name: &str) -> Option<TunnelProtocol> {
    snapshot.workload(&WorkloadUid::new(uid(name))).map(|workload| workload.tunnel)
}

pub(super) fn enrolled(snapshot: &Snapshot, name: &str) -> Option<bool> {
    snapshot.workload(&WorkloadUid::new(uid(name))).map(|workload| workload.enrolment.is_enrolled())
}

fn proxy<'a>(status: &'a Value, role: &str) -> Option<&'a Value> {
    status["proxies"].as_array()?.iter().find(|proxy| proxy["role"] == role)
}

pub(super) fn captures(state: capture::State) -> Kind {
    let capture = Capture { uid: uid("cart-0"), state: state.into(), plain: 2, ..Capture::default() };
    Kind::Captures(CaptureSet { node: "n1".into(), captures: vec![capture] })
}

#[tokio::test]
async fn a_proxy_joins_gets_a_commit_and_shows_in_status() {
    let mesh = Mesh::start().await;
    let mut node = mesh.join(Role::Node, "n1").await;
    node.until(|snapshot| cart(snapshot).map(|_| ())).await;
    assert!(!node.types.contains(&type_url::PROCESS) && !node.types.contains(&type_url::NODE));
    let version = node.program.version();
    let shown = mesh
        .until("/v1/status", |status| {
            let proxy = proxy(status, "node")?;
            (proxy["acked"] == version && proxy["state"] == "SYNCED").then(|| proxy.clone())
        })
        .await;
    assert_eq!(shown["id"], "spiffe://cluster.local/ripstop/node/n1");
    assert_eq!((&shown["lag"], &shown["lag_ms"], &shown["connected"]), (&json!(0), &json!(0), &json!(true)));
    assert!((mesh.metric("pilot_xds").await - 1.0).abs() < f64::EPSILON);
    assert!((mesh.metric("pilot_services").await - 1.0).abs() < f64::EPSILON);
    assert!(mesh.metric("pilot_proxy_convergence_time_count").await >= 1.0);
    assert!(mesh.metric("citadel_server_success_cert_issuance_count").await >= 1.0);

    drop(node);
    let stale = mesh.until("/v1/status", |s| proxy(s, "node").filter(|p| p["state"] == "STALE").cloned()).await;
    assert_eq!(stale["acked"], version);
}

#[tokio::test]
async fn a_refused_commit_shows_with_its_reason_and_lag() {
    let mesh = Mesh::start().await;
    let mut node = mesh.join(Role::Node, "n1").await;
    node.refuse_next("the cat sat on it").await;
    let shown = mesh.until("/v1/status", |s| proxy(s, "node").filter(|p| p["state"] == "REJECTED").cloned()).await;
    assert_eq!(shown["nack"], "the cat sat on it");
    assert_eq!(shown["acked"], 0);
    assert!(shown["lag"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn a_supervisor_gets_what_is_to_run() {
    let mesh = Mesh::start().await;
    let mut supervisor = mesh.join(Role::Supervisor, "default").await;
    supervisor.until(|snapshot| (snapshot.version() > 0).then_some(())).await;
    for wanted in [type_url::NODE, type_url::PROCESS, type_url::MESH] {
        assert!(supervisor.types.contains(&wanted), "{wanted}");
    }
    assert!(!supervisor.types.contains(&type_url::ADDRESS));
}

#[tokio::test]
async fn reported_instances_become_endpoints() {
    let mesh = Mesh::start().await;
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    let mut node = mesh.join(Role::Node, "n1").await;
    supervisor.report_instances(&[instance("cart-0", "n1", "10.244.1.2"), instance("cart-1", "n2", "10.244.2.2")]);
    node.until(|snapshot| (snapshot.endpoints(&key()).count() == 2).then_some(())).await;
    let services = mesh.get("/v1/services").await;
    assert_eq!((&services[0]["endpoints"], &services[0]["ready"]), (&json!(2), &json!(2)));
    assert!(services[0]["vip"].as_str().unwrap().starts_with("240.240."));

    let unready = ripstop_wire::ripstop::Instance { ready: false, ..instance("cart-0", "n1", "10.244.1.2") };
    supervisor.report_instances(&[unready]);
    node.until(|snapshot| {
        let endpoints: Vec<_> = snapshot.endpoints(&key()).map(|workload| workload.health).collect();
        (endpoints == [Health::Unhealthy]).then_some(())
    })
    .await;
    let workloads = mesh.get("/v1/workloads").await;
    assert_eq!(workloads[0]["ready"], false);
    assert_eq!(workloads[0]["mesh"]["mode"], "none");
}

#[tokio::test]
async fn agents_get_no_key_of_sessions() {
    let mesh = Mesh::start().await;
    let mut node = mesh.join(Role::Node, "n1").await;
    let mut agent = mesh.join(Role::Agent, "n1").await;
    let has_key = |snapshot: &Program| cart(snapshot).map(|_| snapshot.mesh().session_key.is_some());
    assert!(node.until(has_key).await);
    assert!(!agent.until(has_key).await);
}

#[tokio::test]
async fn a_workload_is_withdrawn_once_everybody_connected_knows() {
    let mesh = Mesh::start().await;
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    let mut node = mesh.join(Role::Node, "n1").await;
    let mut agent = mesh.join(Role::Agent, "n1").await;
    supervisor.report_instances(&[instance("cart-0", "n1", "10.244.1.2")]);
    let healthy = |health: Health| {
        move |snapshot: &Program| {
            let workload = snapshot.workload(&WorkloadUid::new(uid("cart-0")))?;
            (workload.health == health).then_some(())
        }
    };
    node.until(healthy(Health::Healthy)).await;
    agent.until(healthy(Health::Healthy)).await;
    let ask = async || mesh.call("POST", "/v1/withdrawn", json!({ "uid": uid("cart-0") })).await;
    assert_eq!(ask().await, (200, json!({ "withdrawn": false })), "it takes connections");

    let unready = ripstop_wire::ripstop::Instance { ready: false, ..instance("cart-0", "n1", "10.244.1.2") };
    supervisor.report_instances(&[unready]);
    node.until(healthy(Health::Unhealthy)).await;
    assert_eq!(ask().await.1["withdrawn"], false, "the agent has not acknowledged it");
    agent.until(healthy(Health::Unhealthy)).await;
    assert_eq!(ask().await.1["withdrawn"], true);
    // Who is not connected is not waited for; who is unknown takes no connections.
    drop(agent);
    assert_eq!(ask().await.1["withdrawn"], true);
    let unknown = mesh.call("POST", "/v1/withdrawn", json!({ "uid": uid("cart-9") })).await;
    assert_eq!(unknown.1["withdrawn"], true);
}

#[tokio::test]
async fn a_workload_is_placed_once_its_node_knows_it_and_has_captured_it() {
    let mesh = Mesh::start().await;
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    let mut agent = mesh.join(Role::Agent, "n1").await;
    let label = json!({ "kind": "Namespace", "name": "shop", "labels": { "istio.io/dataplane-mode": "ambient" } });
    mesh.call("POST", "/v1/metadata", label).await;
    let starting = ripstop_wire::ripstop::Instance {
        ready: false,
        running: false,
        pid: 0,
        ..instance("cart-0", "n1", "10.244.1.2")
    };
    supervisor.report_instances(&[starting]);
    let placed = async || mesh.call("POST", "/v1/placed", json!({ "uid": uid("cart-0") })).await.1["placed"] == true;
    agent.until(|snapshot| (enrolled(snapshot, "cart-0") == Some(true)).then_some(())).await;
    assert!(!placed().await, "it is not captured");
    agent.report(captures(capture::State::Captured));
    agent.until(|snapshot| (tunnel(snapshot, "cart-0") == Some(TunnelProtocol::Hbone)).then_some(())).await;
    assert!(placed().await);
    // One that comes with its name is another.
    let next = json!({ "uid": uid("cart-0"), "address": "10.244.1.3" });
    assert_eq!(mesh.call("POST", "/v1/placed", next).await.1, json!({ "placed": false, "sidecar": false }));
    let same = json!({ "uid": uid("cart-0"), "address": "10.244.1.2" });
    assert_eq!(mesh.call("POST", "/v1/placed", same).await.1, json!({ "placed": true, "sidecar": false }));
    drop(agent);
    mesh.until("/v1/status", |status| proxy(status, "agent").filter(|p| p["state"] == "STALE").map(|_| ())).await;
    assert!(!placed().await, "nobody on its node serves it");
}

#[tokio::test]
async fn versions_grow_and_endpoints_stay_over_a_restart() {
    let mut mesh = Mesh::start().await;
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    let mut node = mesh.join(Role::Node, "n1").await;
    supervisor.report_instances(&[instance("cart-0", "n1", "10.244.1.2")]);
    node.until(|snapshot| (snapshot.endpoints(&key()).count() == 1).then_some(())).await;
    let before = node.program.version();
    let vip = cart(&node.program).unwrap().addresses.clone();
    drop(supervisor);
    mesh.stop().await;
    mesh.resume().await;
    assert!(mesh.get("/v1/status").await["version"].as_u64().unwrap() > before);
    node.until(|snapshot| (snapshot.version() > before).then_some(())).await;
    assert_eq!(node.program.endpoints(&key()).count(), 1, "nothing is withdrawn before a new report");
    assert_eq!(cart(&node.program).unwrap().addresses, vip);
    assert!(!node.types.contains(&type_url::ADDRESS), "what did not change is not sent again: {:?}", node.types);
    mesh.until("/v1/status", |status| proxy(status, "supervisor").filter(|p| p["state"] == "STALE").map(|_| ())).await;
}

#[tokio::test]
async fn a_workload_is_reached_by_tunnel_only_while_its_capture_stands() {
    let mesh = Mesh::start().await;
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    let mut node = mesh.join(Role::Node, "n2").await;
    let mut agent = mesh.join(Role::Agent, "n1").await;
    supervisor.report_instances(&[instance("cart-0", "n1", "10.244.1.2")]);
    agent.report(captures(capture::State::None));
    node.until(|snapshot| (enrolled(snapshot, "cart-0") == Some(false)).then_some(())).await;

    let label =
        |value: Value| json!({ "kind": "Namespace", "name": "shop", "labels": { "istio.io/dataplane-mode": value } });
    let (status, answer) = mesh.call("POST", "/v1/metadata", label(json!("ambient"))).await;
    assert_eq!(status, 200, "{answer}");
    let version = answer["version"].as_u64().unwrap();
    node.until(|snapshot| (enrolled(snapshot, "cart-0") == Some(true)).then_some(())).await;
    assert!(node.program.version() <= version);
    assert_eq!(tunnel(&node.program, "cart-0"), Some(TunnelProtocol::None), "not before it is captured");
    let text = std::fs::read_to_string(mesh.path("dir/mesh.yaml")).unwrap();
    assert!(text.contains("istio.io/dataplane-mode: ambient"), "{text}");

    agent.report(captures(capture::State::Captured));
    node.until(|snapshot| (tunnel(snapshot, "cart-0") == Some(TunnelProtocol::Hbone)).then_some(())).await;
    let shown = mesh.get("/v1/workloads").await[0]["mesh"].clone();
    assert_eq!(
        (&shown["state"], &shown["plain"], &shown["level"]),
        (&json!("CAPTURED"), &json!(2), &json!("namespace"))
    );

    // Leaving: both in one commit, while the agent still reports CAPTURED.
    mesh.call("POST", "/v1/metadata", label(Value::Null)).await;
    node.until(|snapshot| {
        let tunnel = tunnel(snapshot, "cart-0");
        (enrolled(snapshot, "cart-0") == Some(false)).then(|| assert_eq!(tunnel, Some(TunnelProtocol::None)))
    })
    .await;
    // Back before the agent looked: its old word does not count until it has this commit.
    let (_, answer) = mesh.call("POST", "/v1/metadata", label(json!("ambient"))).await;
    let version = answer["version"].as_u64().unwrap();
    node.until(|snapshot| (snapshot.version() >= version).then_some(())).await;
    assert_eq!(tunnel(&node.program, "cart-0"), Some(TunnelProtocol::None));
    agent.until(|snapshot| (snapshot.version() >= version).then_some(())).await;
    node.until(|snapshot| (tunnel(snapshot, "cart-0") == Some(TunnelProtocol::Hbone)).then_some(())).await;
}

#[tokio::test]
async fn findings_of_files_and_of_the_whole_are_listed_by_place() {
    let mesh = Mesh::start().await;
    std::fs::write(
        mesh.path("dir/bad.yaml"),
        "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: shop}\nspec:\n  ports: [{port: 99999}]\n",
    )
    .unwrap();
    let findings = mesh
        .until("/v1/findings", |findings| {
            let found = findings.as_array()?.iter().find(|f| f["file"] == "bad.yaml" && f["level"] == "error")?;
            Some(found.clone())
        })
        .await;
    assert_eq!(findings["line"], 5, "{findings}");
    assert!(mesh.metric("ripstop_findings_errors").await >= 1.0);
}

#[tokio::test]
async fn findings_are_those_of_the_newest_configuration() {
    let mesh = Mesh::start().await;
    let first = mesh.get("/v1/findings").await;
    assert!(first.as_array().unwrap().iter().any(|finding| finding["code"] == "RS02"), "it waits, too: {first}");
    let label =
        |value: &str| json!({ "kind": "Namespace", "name": "shop", "labels": { "istio.io/use-waypoint": value } });
    for value in ["one", "other", "none", "one", "none"] {
        let (status, answer) = mesh.call("POST", "/v1/metadata", label(value)).await;
        assert_eq!(status, 200, "{answer}");
        // No waiting until it fits: the next answer is already that of the edit.
        let findings = mesh.get("/v1/findings").await;
        let missing = |findings: &Value| -> Vec<String> {
            let rows = findings.as_array().unwrap().iter().filter(|finding| finding["code"] == "RS240");
            rows.filter_map(|finding| finding["message"].as_str().map(str::to_owned)).collect()
        };
        let messages = missing(&findings);
        assert_eq!(messages, missing(&answer["findings"]), "the edit tells what it added");
        match value {
            "none" => assert!(messages.is_empty(), "{messages:?}"),
            other => {
                assert!(messages.len() == 1 && messages[0].contains(&format!("shop/{other}")), "{messages:?}");
            }
        }
        let status = mesh.get("/v1/status").await;
        assert_eq!(status["findings_revision"], status["revision"], "{status}");
    }
}

#[tokio::test]
async fn what_cannot_have_an_effect_is_refused_and_what_has_none_yet_is_told() {
    let mesh = Mesh::start().await;
    let edit = |kind: &str, namespace: &str, name: &str, field: &str, pairs: Value| json!({ "kind": kind, "namespace": namespace, "name": name, field: pairs });
    let before = std::fs::read_to_string(mesh.path("dir/mesh.yaml")).unwrap();
    for (body, what) in [
        (edit("Service", "shop", "cart", "labels", json!({"a": "b"})), "the label a of a Service would have no effect"),
        (
            edit("Service", "shop", "cart", "annotations", json!({"linkerd.io/inject": "enabled"})),
            "the annotation linkerd.io/inject of a Service would have no effect",
        ),
        (
            edit("Namespace", "", "shop", "labels", json!({"istio.io/dataplane-mode": "ambiant"})),
            "`ambiant` is none of `ambient`, `none` (did you mean `ambient`?)",
        ),
    ] {
        let (status, answer) = mesh.call("POST", "/v1/metadata", body).await;
        assert!(status == 422 && answer["error"].as_str().unwrap().contains(what), "{answer}");
    }
    assert_eq!(std::fs::read_to_string(mesh.path("dir/mesh.yaml")).unwrap(), before);

    let made = edit("Namespace", "", "shopp", "labels", json!({"a": "b"}));
    let (_, answer) = mesh.call("POST", "/v1/metadata", made).await;
    let note = "no namespace \"shopp\" is declared, and nothing runs in it; did you mean \"shop\"?";
    assert_eq!((&answer["note"], &answer["done"]), (&json!(note), &json!("made")), "{answer}");
    let gone = edit("Namespace", "", "shopp", "labels", json!({"a": null}));
    let (_, answer) = mesh.call("POST", "/v1/metadata", gone.clone()).await;
    assert_eq!((&answer["note"], &answer["done"]), (&Value::Null, &json!("removed")), "{answer}");
    assert!(!mesh.path("dir/namespace-shopp.yaml").exists());
    let (_, answer) = mesh.call("POST", "/v1/metadata", gone).await;
    assert_eq!((&answer["note"], &answer["unchanged"]), (&json!(note), &json!(["a"])), "{answer}");
    let (_, answer) =
        mesh.call("POST", "/v1/metadata", edit("Namespace", "", "shop", "labels", json!({"a": null}))).await;
    assert_eq!((&answer["note"], &answer["done"]), (&Value::Null, &json!("nothing")), "{answer}");
}

#[tokio::test]
async fn a_commit_does_not_wait_for_findings() {
    let mut mesh = Mesh::start().await;
    mesh.stop().await;
    let control = mesh.bind().await;
    assert!(control.plane.published().version > 0, "committed");
    assert_eq!(control.plane.analysis.borrow().version, 0, "and looked at by nobody yet");
}

#[tokio::test]
async fn the_own_certificate_is_renewed_while_serving() {
    let mut mesh = Mesh::start().await;
    mesh.stop().await;
    let aged = mesh.resume_aged().await;
    let renewed = async {
        while mesh.served_certificate().await == aged {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), renewed).await.expect("a renewed certificate in time");
    mesh.join(Role::Node, "n1").await.until(|snapshot| (snapshot.version() > 0).then_some(())).await;
}
