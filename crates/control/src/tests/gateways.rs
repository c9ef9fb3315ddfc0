//! What gateways get, and nobody else.

use ripstop_model::{Credential, WorkloadUid};
use ripstop_wire::{
    ripstop::{capture, report_request::Kind},
    type_url,
};
use ripstop_xds::Role;
use serde_json::{Value, json};

use super::{
    flow::{captures, enrolled},
    harness::{Client, Mesh, instance, uid},
};

/// A `Gateway` of the workloads of `cart` that asks clients for certificates.
const GATEWAY: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: edge}
spec:
  selector: {app: cart}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [a.example]
    tls: {mode: MUTUAL, credentialName: web}
";

/// `Secret`s, each with its name as what it holds.
fn secrets(names: &[&str]) -> String {
    let secret = |name: &&str| {
        let (namespace, short) = name.split_once('/').unwrap();
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {short}, namespace: {namespace}}}\nstringData: {{tls.crt: 'c {name}', \
             tls.key: 'k {name}', ca.crt: 'a {name}'}}\n---\n"
        )
    };
    names.iter().map(secret).collect()
}

fn shown(credential: &Credential) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!("{} | {} | {}", text(&credential.chain), text(&credential.key), text(&credential.authorities))
}

#[tokio::test]
async fn keys_reach_the_gateways_that_need_them_and_follow_changes() {
    let mesh = Mesh::start().await;
    std::fs::write(mesh.path("dir/gateway.yaml"), GATEWAY).unwrap();
    let all = ["shop/web", "shop/web-cacert", "shop/other", "edge/web", "bank/web"];
    std::fs::write(mesh.path("dir/secrets.yaml"), secrets(&all)).unwrap();
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    supervisor.report_instances(&[instance("cart-0", "n1", "10.244.1.2")]);
    let mut node = mesh.join(Role::Node, "n1").await;
    let mut gateway = mesh.join(Role::Gateway, "shop.cart-0").await;
    let held = gateway.until_it(|it| (it.credentials.len() == 3).then(|| it.credentials.clone())).await;
    let held: Vec<_> = held.iter().map(|(name, credential)| (name.as_str(), shown(credential))).collect();
    let expected = [
        ("edge/web", "c edge/web | k edge/web | a edge/web".to_owned()),
        ("shop/web", "c shop/web | k shop/web | a shop/web".to_owned()),
        // Of authorities, only they are needed.
        ("shop/web-cacert", " |  | a shop/web-cacert".to_owned()),
    ];
    assert_eq!(held, expected);
    assert!(gateway.program.workload(&WorkloadUid::new(uid("cart-0"))).is_some());

    let changed = secrets(&all).replace("k shop/web", "K shop/web");
    std::fs::write(mesh.path("dir/secrets.yaml"), changed).unwrap();
    gateway.until_it(|it| (&*it.credentials["shop/web"].key == b"K shop/web").then_some(())).await;
    let version = gateway.program.version();
    node.until_it(|it| (it.program.version() >= version).then_some(())).await;
    assert!(node.credentials.is_empty() && !node.types.contains(&type_url::CREDENTIAL));

    std::fs::remove_file(mesh.path("dir/gateway.yaml")).unwrap();
    gateway.until_it(|it| it.credentials.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_gateway_that_no_workload_is_gets_no_keys() {
    let mesh = Mesh::start().await;
    std::fs::write(mesh.path("dir/gateway.yaml"), GATEWAY).unwrap();
    std::fs::write(mesh.path("dir/secrets.yaml"), secrets(&["shop/web", "edge/web"])).unwrap();
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    supervisor.report_instances(&[instance("cart-0", "n1", "10.244.1.2")]);
    let mut stranger = mesh.join(Role::Gateway, "shop.cart-1").await;
    stranger.until(|program| program.workload(&WorkloadUid::new(uid("cart-0"))).map(drop)).await;
    stranger.until(|program| (program.traffic().gateways.len() == 1).then_some(())).await;
    assert!(stranger.credentials.is_empty());
}

#[tokio::test]
async fn what_a_gateway_calls_may_need_keys_of_its_own_namespace() {
    let mesh = Mesh::start().await;
    let rule = |namespace: &str, name: &str, host: &str, tls: &str, more: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: \
             {{host: {host}, trafficPolicy: {{tls: {{{tls}}}}}{more}}}\n---\n"
        )
    };
    let rules = rule("bank", "a", "a.example", "mode: SIMPLE, credentialName: ca", "")
        + &rule("bank", "b", "b.example", "mode: MUTUAL, credentialName: pair", "")
        + &rule("bank", "c", "c.example", "mode: MUTUAL, credentialName: other", ", exportTo: ['.']");
    std::fs::write(mesh.path("dir/rules.yaml"), &rules).unwrap();
    let all = ["shop/ca", "shop/pair", "shop/pair-cacert", "shop/other", "bank/ca", "bank/pair"];
    std::fs::write(mesh.path("dir/secrets.yaml"), secrets(&all)).unwrap();
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    supervisor.report_instances(&[instance("cart-0", "n1", "10.244.1.2")]);
    let mut node = mesh.join(Role::Node, "n1").await;
    let mut gateway = mesh.join(Role::Gateway, "shop.cart-0").await;
    let held = gateway.until_it(|it| (it.credentials.len() == 3).then(|| it.credentials.clone())).await;
    let held: Vec<_> = held.iter().map(|(name, credential)| (name.as_str(), shown(credential))).collect();
    let expected = [
        ("shop/ca", " |  | a shop/ca".to_owned()),
        ("shop/pair", "c shop/pair | k shop/pair | a shop/pair".to_owned()),
        ("shop/pair-cacert", " |  | a shop/pair-cacert".to_owned()),
    ];
    assert_eq!(held, expected);
    let version = gateway.program.version();
    node.until_it(|it| (it.program.version() >= version).then_some(())).await;
    assert!(node.credentials.is_empty());

    std::fs::remove_file(mesh.path("dir/rules.yaml")).unwrap();
    gateway.until_it(|it| it.credentials.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_node_gets_keys_of_rules_for_chosen_workloads_there() {
    let mesh = Mesh::start().await;
    let rule = |name: &str, selector: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: \
             {{host: {name}.example, trafficPolicy: {{tls: {{mode: MUTUAL, credentialName: {name}}}}}{selector}}}\n---\n"
        )
    };
    let chosen = |app: &str| format!(", workloadSelector: {{matchLabels: {{app: {app}}}}}");
    let rules = rule("own", &chosen("cart")) + &rule("other", &chosen("other")) + &rule("any", "");
    std::fs::write(mesh.path("dir/rules.yaml"), &rules).unwrap();
    let all = ["shop/own", "shop/other", "shop/any", "bank/own"];
    std::fs::write(mesh.path("dir/secrets.yaml"), secrets(&all)).unwrap();
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    let mut node = mesh.join(Role::Node, "n1").await;
    let mut elsewhere = mesh.join(Role::Node, "n2").await;
    let agent = mesh.join(Role::Agent, "n1").await;
    supervisor.report_instances(&[instance("cart-0", "n1", "10.244.1.2")]);
    agent.report(captures(capture::State::None));
    node.until(|snapshot| (enrolled(snapshot, "cart-0") == Some(false)).then_some(())).await;
    let label = json!({ "kind": "Namespace", "name": "shop", "labels": { "istio.io/dataplane-mode": "ambient" } });
    let (status, answer) = mesh.call("POST", "/v1/metadata", label).await;
    assert_eq!(status, 200, "{answer}");
    node.until(|snapshot| (enrolled(snapshot, "cart-0") == Some(true)).then_some(())).await;
    assert!(node.credentials.is_empty());
    agent.report(captures(capture::State::Captured));
    let held = node.until_it(|it| (it.credentials.len() == 1).then(|| it.credentials.clone())).await;
    assert_eq!(shown(&held["shop/own"]), "c shop/own | k shop/own | a shop/own");
    let version = node.program.version();
    elsewhere.until_it(|it| (it.program.version() >= version).then_some(())).await;
    assert!(elsewhere.credentials.is_empty());
    // The workload leaves the mesh, and what it has open goes through the node's proxy still.
    let label =
        |mode: Value| json!({ "kind": "Namespace", "name": "shop", "labels": { "istio.io/dataplane-mode": mode } });
    let (status, answer) = mesh.call("POST", "/v1/metadata", label(Value::Null)).await;
    assert_eq!(status, 200, "{answer}");
    let left = |it: &Client| (enrolled(&it.program, "cart-0") == Some(false)).then_some(it.credentials.len());
    assert_eq!(node.until_it(left).await, 1);
    agent.report(captures(capture::State::Draining));
    mesh.until("/v1/workloads", |all| (all[0]["mesh"]["state"] == "DRAINING").then_some(())).await;
    let version = node.program.version();
    std::fs::write(mesh.path("dir/more.yaml"), rule("more", "")).unwrap();
    let later = |it: &Client| (it.program.version() > version).then_some(it.credentials.len());
    assert_eq!(node.until_it(later).await, 1);
    // The last of it has ended.
    agent.report(captures(capture::State::None));
    node.until_it(|it| it.credentials.is_empty().then_some(())).await;
    let (status, answer) = mesh.call("POST", "/v1/metadata", label(json!("ambient"))).await;
    assert_eq!(status, 200, "{answer}");
    node.until(|snapshot| (enrolled(snapshot, "cart-0") == Some(true)).then_some(())).await;
    agent.report(captures(capture::State::Captured));
    node.until_it(|it| (it.credentials.len() == 1).then_some(())).await;
    // Its own proxy serves it, and at last nothing of it is left here.
    let moves = |mode: Value, injection: Value| {
        let labels = json!({ "istio.io/dataplane-mode": mode, "istio-injection": injection });
        json!({ "kind": "Namespace", "name": "shop", "labels": labels })
    };
    let (status, answer) = mesh.call("POST", "/v1/metadata", moves(Value::Null, json!("enabled"))).await;
    assert_eq!(status, 200, "{answer}");
    let moved = |left_behind| {
        let Kind::Captures(mut set) = captures(capture::State::Captured) else { panic!("captures") };
        (set.captures[0].by_sidecar, set.captures[0].left_behind) = (true, left_behind);
        Kind::Captures(set)
    };
    agent.report(moved(true));
    let version = node.program.version();
    std::fs::write(mesh.path("dir/more.yaml"), rule("again", "")).unwrap();
    let later = |it: &Client| (it.program.version() > version).then_some(it.credentials.len());
    assert_eq!(node.until_it(later).await, 1);
    agent.report(moved(false));
    node.until_it(|it| it.credentials.is_empty().then_some(())).await;
    // It moves back: its node's proxy has to be able to take it.
    let (status, answer) = mesh.call("POST", "/v1/metadata", moves(json!("ambient"), Value::Null)).await;
    assert_eq!(status, 200, "{answer}");
    node.until_it(|it| (it.credentials.len() == 1).then_some(())).await;
    // It is given back with the rule.
    std::fs::remove_file(mesh.path("dir/rules.yaml")).unwrap();
    node.until_it(|it| it.credentials.is_empty().then_some(())).await;
}
