use ripstop_api::finding::Code;

use super::*;
use crate::{
    CaptureState,
    analyze::table::{ground, object, told},
    tests::World,
};

const CODES: [Code; 3] = [REFUSED, NOT_FOUND, INVALID];

const PAIR: &str = "tls.crt: \"-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END CERTIFICATE-----\\n\", tls.key: \
                    \"-----BEGIN PRIVATE KEY-----\\nMAA=\\n-----END PRIVATE KEY-----\\n\"";

const WORKLOADS: &str = "requests of workloads to it fail: only gateways are given Secrets for what they call (name files by \
                         caCertificates, clientCertificate and privateKey)";

/// A rule for a host outside of the mesh.
fn rule(namespace: &str, tls: &str, more: &str) -> String {
    object(
        "DestinationRule",
        namespace,
        "out",
        &format!("{{host: a.example, trafficPolicy: {{tls: {{{tls}}}}}{more}}}"),
    )
}

fn secret(namespace: &str, name: &str, data: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\nstringData: {{{data}}}\n"
    )
}

/// A gateway `web` in `edge`.
fn gateway() -> String {
    object("Process", "edge", "web labels: {app: web}", "{role: gateway}")
}

/// What is told of objects, beside a workload `cart` of `shop` that is in the mesh.
fn found(objects: &str) -> Vec<String> {
    let mut world = World::of("");
    let instance = world.run("shop", "cart", 0);
    instance.labels = [("app".into(), "cart".into())].into();
    let uid = instance.uid.clone();
    world.declare(&(ground("shop", &["cart"]) + objects));
    world.captures.insert(uid, CaptureState::Captured);
    let told = told(&mut world, &CODES);
    told.iter().map(|told| told.split_once(".tls.credentialName: ").unwrap().1.to_owned()).collect()
}

#[test]
fn workloads_get_none() {
    let simple = "mode: SIMPLE, credentialName: out";
    assert_eq!(found(&rule("shop", simple, ", workloadSelector: {matchLabels: {app: cart}}")), [WORKLOADS]);
    // For nobody, or for gateways alone.
    assert!(found(&rule("shop", simple, ", workloadSelector: {matchLabels: {app: none}}")).is_empty());
    assert!(found(&rule("bank", simple, ", exportTo: ['.']")).is_empty());
    let own = gateway() + &secret("edge", "out", "ca.crt: a") + &rule("edge", simple, ", exportTo: [edge]");
    assert!(found(&own).is_empty());
    assert!(found(&rule("shop", "mode: SIMPLE", "")).is_empty());
}

#[test]
fn secrets_of_gateways_are_there_and_of_use() {
    let missing = "there is no Secret edge/out: requests of gateways to it fail (create it in edge, the namespace of the \
                   gateway's workload)";
    let nobody = "nobody vouches for the endpoint: neither edge/out nor out-cacert has ca.crt (give one of them ca.crt, in \
                  PEM)";
    let keyless = "the Secret edge/out has no tls.crt and no tls.key (give it tls.crt and tls.key, in PEM)";
    let elsewhere = "there is no Secret bank/out for its gateways, which get those of their own namespace only";
    let foreign = "requests to it fail: sds://out is no Secret of Kubernetes, and no others are known";
    let (simple, mutual) = ("mode: SIMPLE, credentialName: out", "mode: MUTUAL, credentialName: out");
    let whole = secret("edge", "out", &format!("{PAIR}, ca.crt: a"));
    for (tls, secrets, expected) in [
        (simple, String::new(), vec![missing]),
        (simple, secret("shop", "out", "ca.crt: a"), vec![missing]),
        (simple, secret("edge", "out", "cacert: a"), vec![]),
        (simple, secret("edge", "out-cacert", "ca.crt: a"), vec![]),
        (simple, secret("edge", "out", PAIR), vec![nobody]),
        (mutual, String::new(), vec![missing]),
        (mutual, secret("edge", "out-cacert", "ca.crt: a"), vec![missing]),
        (mutual, secret("edge", "out", "ca.crt: a"), vec![keyless]),
        (mutual, secret("edge", "out", PAIR), vec![nobody]),
        (mutual, whole.clone(), vec![]),
        (mutual, secret("edge", "out", PAIR) + &secret("edge", "out-cacert", "ca.crt: a"), vec![]),
        ("mode: MUTUAL, credentialName: out, insecureSkipVerify: true", secret("edge", "out", PAIR), vec![]),
        ("mode: MUTUAL, credentialName: 'kubernetes://edge/out'", whole.clone(), vec![]),
        ("mode: MUTUAL, credentialName: bank/out", secret("bank", "out", PAIR), vec![elsewhere]),
        ("mode: SIMPLE, credentialName: 'sds://out'", whole, vec![foreign]),
    ] {
        let objects = gateway() + &rule("edge", tls, ", exportTo: ['.']") + &secrets;
        assert_eq!(found(&objects), expected, "{tls} {secrets}");
    }
}
