//! Who may do what.

use std::{collections::BTreeSet, time::Duration};

use ripstop_identity::{Svid, new_csr};
use ripstop_wire::{
    ca::{IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient},
    discovery::{DeltaDiscoveryRequest, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient},
    ripstop::{InstanceSet, ReportRequest, registry_client::RegistryClient, report_request::Kind},
    type_url,
};
use ripstop_xds::Role;
use serde_json::json;
use tokio_stream::StreamExt as _;
use tonic::Code;

use super::harness::{Mesh, id, instance};

#[tokio::test]
async fn a_token_admits_once() {
    let mesh = Mesh::start().await;
    let token = mesh.token("node", "n1").await;
    let (key, csr) = new_csr().unwrap();
    let answer = mesh.redeem(&token, &csr).await.unwrap();
    let svid = Svid::new(&answer.cert_chain.concat(), key).unwrap();
    assert_eq!(svid.id, id("spiffe://cluster.local/ripstop/node/n1"));
    svid.check(&mesh.roots(), std::time::SystemTime::now()).unwrap();
    let (_, other) = new_csr().unwrap();
    assert_eq!(mesh.redeem(&token, &other).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(mesh.redeem("guess", &other).await.unwrap_err().code(), Code::Unauthenticated);
    let (status, answer) = mesh.call("POST", "/v1/tokens", json!({ "role": "control", "name": "default" })).await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test]
async fn discovery_and_reports_need_the_right_role() {
    let mesh = Mesh::start().await;
    let (status, issued) =
        mesh.call("POST", "/v1/identities", json!({ "namespace": "shop", "service_account": "cart" })).await;
    assert_eq!(status, 200, "{issued}");
    let text = |field: &str| issued[field].as_str().unwrap().to_owned();
    let workload = Svid::from_pem(&text("cert_chain"), &text("key")).unwrap();
    for stranger in [None, Some(&workload)] {
        let mut client = AggregatedDiscoveryServiceClient::new(mesh.channel(stranger).await);
        let refused = client.delta_aggregated_resources(tokio_stream::pending()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    let instances = || ReportRequest { kind: Some(Kind::Instances(InstanceSet { instances: vec![] })) };
    let node = mesh.svid("node", "n1").await;
    let mut client = RegistryClient::new(mesh.channel(Some(&node)).await);
    assert_eq!(client.report(tokio_stream::pending()).await.unwrap_err().code(), Code::PermissionDenied);
    let agent = mesh.svid("agent", "n1").await;
    let mut client = RegistryClient::new(mesh.channel(Some(&agent)).await);
    let mut answers = client.report(tokio_stream::iter([instances()])).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn types_of_other_roles_and_unknown_types_are_empty() {
    let mesh = Mesh::start().await;
    let node = mesh.svid("node", "n1").await;
    let mut client = AggregatedDiscoveryServiceClient::new(mesh.channel(Some(&node)).await);
    let types = [type_url::PROCESS, type_url::NODE, "type.googleapis.com/example.Unknown"];
    let requests = types.map(|url| DeltaDiscoveryRequest { type_url: url.into(), ..Default::default() });
    // The requests end, but the stream stays open as long as the client lives.
    let requests = tokio_stream::iter(requests).chain(tokio_stream::pending());
    let mut responses = client.delta_aggregated_resources(requests).await.unwrap().into_inner();
    let mut answered = BTreeSet::new();
    while answered.len() < types.len() {
        let response = responses.message().await.unwrap().unwrap();
        assert!(response.resources.is_empty(), "{response:?}");
        answered.insert(response.type_url);
    }
    assert_eq!(answered, types.map(str::to_owned).into());
}

#[tokio::test]
async fn the_authority_signs_what_is_placed_on_the_asking_node() {
    let mesh = Mesh::start().await;
    let supervisor = mesh.join(Role::Supervisor, "default").await;
    supervisor.report_instances(&[instance("cart-0", "n1", "10.244.1.2")]);
    mesh.until("/v1/workloads", |workloads| (!workloads.as_array()?.is_empty()).then_some(())).await;
    let cart = id("spiffe://cluster.local/ns/shop/sa/cart");
    let here = mesh.join(Role::Node, "n1").await;
    let there = mesh.join(Role::Node, "n2").await;
    let (key, csr) = new_csr().unwrap();
    assert!(here.link.sign(&csr, &cart).await.is_err(), "it is not in the mesh, so its node does not serve it");
    let label = json!({ "kind": "Namespace", "name": "shop", "labels": { "istio.io/dataplane-mode": "ambient" } });
    mesh.call("POST", "/v1/metadata", label).await;
    let issued = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match here.link.sign(&csr, &cart).await {
                Ok(issued) => break issued,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    let issued = issued.await.expect("a certificate in time");
    assert_eq!(Svid::new(&issued.chain_pem, key).unwrap().id, cart);
    let refused = there.link.sign(&csr, &cart).await.unwrap_err().to_string();
    assert!(refused.to_lowercase().contains("authenticat"), "{refused}");
    assert!(mesh.metric("citadel_server_authentication_failure_count").await >= 1.0);

    let node = mesh.svid("node", "n1").await;
    let mut client = IstioCertificateServiceClient::new(mesh.channel(Some(&node)).await);
    let too_long = IstioCertificateRequest { csr, validity_duration: 25 * 3600, metadata: None };
    assert_eq!(client.create_certificate(too_long).await.unwrap_err().code(), Code::Unauthenticated);
    let mut stranger = IstioCertificateServiceClient::new(mesh.channel(None).await);
    let (_, csr) = new_csr().unwrap();
    let refused = stranger.create_certificate(IstioCertificateRequest { csr, ..Default::default() }).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unauthenticated, "request authenticate failure"));
}

#[tokio::test]
async fn identities_are_for_declared_accounts_and_on_record() {
    let mesh = Mesh::start().await;
    let ask = |account: &str| json!({ "namespace": "shop", "service_account": account });
    let (status, answer) = mesh.call("POST", "/v1/identities", ask("other")).await;
    assert_eq!(status, 403, "{answer}");
    let (status, _) = mesh.call("POST", "/v1/identities", ask("cart/../x")).await;
    assert_eq!(status, 400);
    let (status, answer) = mesh.call("POST", "/v1/identities", ask("cart")).await;
    assert_eq!(status, 200, "{answer}");
    let log = std::fs::read_to_string(mesh.path("state/audit.log")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(entry["action"], "identity");
    assert_eq!(entry["id"], "spiffe://cluster.local/ns/shop/sa/cart");
    assert_eq!(entry["pid"], std::process::id());
    assert!(entry["serial"].as_str().unwrap().len() >= 8, "{entry}");
    assert!(!log.contains("PRIVATE"));
}

#[tokio::test]
async fn the_admin_api_says_what_it_does_not_know() {
    let mesh = Mesh::start().await;
    assert_eq!(mesh.call("GET", "/v1/nothing", json!(null)).await.0, 404);
    assert_eq!(mesh.call("POST", "/v1/status", json!(null)).await.0, 405);
    assert_eq!(mesh.call("POST", "/v1/tokens", json!({ "role": 3 })).await.0, 400);
    let missing = json!({ "kind": "Process", "namespace": "shop", "name": "none", "labels": { "a": "b" } });
    assert_eq!(mesh.call("POST", "/v1/metadata", missing).await.0, 404);
}

#[tokio::test]
async fn a_connection_ends_with_the_certificate_that_proved_it() {
    let mesh = Mesh::start().await;
    let node = mesh.svid("node", "n1").await;
    let mut authority = IstioCertificateServiceClient::new(mesh.channel(Some(&node)).await);
    let (key, csr) = new_csr().unwrap();
    let request = IstioCertificateRequest { csr, validity_duration: 1, metadata: None };
    let chain = authority.create_certificate(request).await.unwrap().into_inner().cert_chain;
    let short = Svid::new(&chain.concat(), key).unwrap();
    assert_eq!(short.id, node.id, "renewal");
    let mut client = AggregatedDiscoveryServiceClient::new(mesh.channel(Some(&short)).await);
    let mut responses = client.delta_aggregated_resources(tokio_stream::pending()).await.unwrap().into_inner();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), responses.message()).await;
    assert!(!matches!(ended.expect("the stream ends in time"), Ok(Some(_))));
}
