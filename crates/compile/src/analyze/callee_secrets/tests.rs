use ripstop_api::finding::Code;

use super::*;
use crate::{
    CaptureState,
    analyze::{
        table::{ground, object, told},
        tests::pems::filled,
    },
    tests::World,
};

const CODES: [Code; 4] = [REFUSED, NOT_FOUND, INVALID, lives::CODES[0]];

const PAIR: &str = "tls.crt: $GOOD, tls.key: $KEY";

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
    filled(&format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\nstringData: {{{data}}}\n"
    ))
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
fn secrets_of_workloads_are_those_of_rules_that_choose_them() {
    let simple = "mode: SIMPLE, credentialName: out";
    let chosen = rule("shop", simple, ", workloadSelector: {matchLabels: {app: cart}}");
    let missing = "there is no Secret shop/out: requests to it fail (create it in shop, the namespace of the caller)";
    assert_eq!(found(&chosen), [missing]);
    assert!(found(&(chosen + &secret("shop", "out", "ca.crt: $AUTHORITY"))).is_empty());
    assert!(found(&rule("shop", simple, "")).is_empty());
    // For nobody, or for gateways alone.
    assert!(found(&rule("shop", simple, ", workloadSelector: {matchLabels: {app: none}}")).is_empty());
    assert!(found(&rule("bank", simple, ", exportTo: ['.']")).is_empty());
    let own = gateway() + &secret("edge", "out", "ca.crt: $AUTHORITY") + &rule("edge", simple, ", exportTo: [edge]");
    assert!(found(&own).is_empty());
    assert!(found(&rule("shop", "mode: SIMPLE", "")).is_empty());
}

#[test]
fn secrets_of_gateways_are_there_and_of_use() {
    let missing = "there is no Secret edge/out: requests to it fail (create it in edge, the namespace of the caller)";
    let nobody = "nobody vouches for the endpoint: neither edge/out nor out-cacert has ca.crt (give one of them ca.crt, in \
                  PEM)";
    let keyless = "the Secret edge/out has no tls.crt and no tls.key (give it tls.crt and tls.key, in PEM)";
    let elsewhere = "there is no Secret bank/out for its callers, which get those of their own namespace only";
    let foreign = "requests to it fail: sds://out is no Secret of Kubernetes, and no others are known";
    let foreign_key = "stringData.tls.key of the Secret edge/out (25) can't be used: it is not the key of the certificate (give it \
                       tls.crt and tls.key, in PEM)";
    let old = "the certificate at stringData.tls.crt of the Secret edge/out (25) expired at 2026-09-01T00:00:00Z: nobody \
               believes it (renew it)";
    let junk = "stringData.ca.crt of the Secret edge/out (25) can't be used: no certificate in it is one of an authority (give \
                it ca.crt, in PEM)";
    let (simple, mutual) = ("mode: SIMPLE, credentialName: out", "mode: MUTUAL, credentialName: out");
    let whole = secret("edge", "out", &format!("{PAIR}, ca.crt: $AUTHORITY"));
    for (tls, secrets, expected) in [
        (simple, String::new(), vec![missing]),
        (simple, secret("shop", "out", "ca.crt: $AUTHORITY"), vec![missing]),
        (simple, secret("edge", "out", "cacert: $AUTHORITY"), vec![]),
        (simple, secret("edge", "out-cacert", "ca.crt: $AUTHORITY"), vec![]),
        (simple, secret("edge", "out", PAIR), vec![nobody]),
        (mutual, String::new(), vec![missing]),
        (mutual, secret("edge", "out-cacert", "ca.crt: $AUTHORITY"), vec![missing]),
        (mutual, secret("edge", "out", "ca.crt: $AUTHORITY"), vec![keyless]),
        (mutual, secret("edge", "out", PAIR), vec![nobody]),
        (mutual, whole.clone(), vec![]),
        (mutual, secret("edge", "out", PAIR) + &secret("edge", "out-cacert", "ca.crt: $AUTHORITY"), vec![]),
        ("mode: MUTUAL, credentialName: out, insecureSkipVerify: true", secret("edge", "out", PAIR), vec![]),
        ("mode: MUTUAL, credentialName: 'kubernetes://edge/out'", whole.clone(), vec![]),
        (mutual, secret("edge", "out", "tls.crt: $GOOD, tls.key: $OTHER_KEY, ca.crt: $AUTHORITY"), vec![foreign_key]),
        (mutual, secret("edge", "out", "tls.crt: $OLD, tls.key: $KEY, ca.crt: $AUTHORITY"), vec![old]),
        (simple, secret("edge", "out", "ca.crt: $JUNK"), vec![junk]),
        ("mode: MUTUAL, credentialName: bank/out", secret("bank", "out", PAIR), vec![elsewhere]),
        ("mode: SIMPLE, credentialName: 'sds://out'", whole, vec![foreign]),
    ] {
        let objects = gateway() + &rule("edge", tls, ", exportTo: ['.']") + &secrets;
        assert_eq!(found(&objects), expected, "{tls} {secrets}");
    }
}
