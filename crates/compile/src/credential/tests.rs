use crate::tests::World;

use super::*;

/// `Secret`s with these texts, and a `Gateway` whose listeners name `credential`.
fn held(tls: &str, secrets: &str) -> Vec<(String, [String; 4])> {
    let gateway = format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: web, namespace: shop}}\nspec:\n  \
         selector: {{istio: ingressgateway}}\n  servers:\n  - port: {{number: 443, name: https, protocol: HTTPS}}\n    \
         hosts: ['*']\n    tls: {tls}\n---\n{secrets}"
    );
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    credentials(&World::of(&gateway).objects)
        .values()
        .map(|held| {
            let parts = [text(&held.chain), text(&held.key), text(&held.authorities), text(&held.revocations)];
            (format!("{}/{}", held.namespace, held.name), parts)
        })
        .collect()
}

fn secret(namespace: &str, name: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\nstringData: {data}\n---\n"
    )
}

fn row(name: &str, parts: [&str; 4]) -> (String, [String; 4]) {
    (name.to_owned(), parts.map(str::to_owned))
}

#[test]
fn what_gateways_name_is_read_in_either_spelling() {
    let secrets = secret("a", "web", "{tls.crt: chain, tls.key: key, ca.crt: ca, ca.crl: crl}")
        + &secret("b", "web", "{cert: c, key: k, cacert: a, crl: r}")
        + &secret("a", "web-cacert", "{cacert: clients}")
        + &secret("a", "other", "{tls.crt: chain, tls.key: key}");
    assert_eq!(
        held("{mode: MUTUAL, credentialName: web}", &secrets),
        [
            row("a/web", ["chain", "key", "ca", "crl"]),
            row("a/web-cacert", ["", "", "clients", ""]),
            row("b/web", ["c", "k", "a", "r"]),
        ]
    );
}

#[test]
fn what_rules_for_callees_name_is_read_too() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: out, namespace: shop}\nspec:\n  \
                host: a.example\n  trafficPolicy:\n    tls: {mode: SIMPLE, credentialName: one}\n    portLevelSettings: \
                [{port: {number: 443}, tls: {mode: MUTUAL, credentialName: two}}]\n  subsets:\n  - name: s\n    \
                trafficPolicy: {tls: {mode: SIMPLE, credentialName: shop/three}}\n---\n";
    let names = ["one-cacert", "two", "two-cacert", "three", "four"];
    let secrets: String = names.iter().map(|name| secret("edge", name, "{ca.crt: ca}")).collect();
    let objects = World::of(&(rule.to_owned() + &secrets)).objects;
    let held: Vec<String> = credentials(&objects).keys().map(|(_, name)| name.to_string()).collect();
    assert_eq!(held, ["one-cacert", "three", "two", "two-cacert"]);
}

#[test]
fn half_a_pair_is_none() {
    let secrets = secret("a", "web", "{tls.crt: chain, key: key, ca.crt: ca}");
    assert_eq!(held("{mode: MUTUAL, credentialName: web}", &secrets), [row("a/web", ["", "", "ca", ""])]);
}

#[test]
fn without_gateways_nothing_is_held() {
    let objects = World::of(&secret("a", "web", "{tls.crt: chain, tls.key: key}")).objects;
    assert!(credentials(&objects).is_empty());
}
