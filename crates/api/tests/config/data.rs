//! `Secret` and `ConfigMap`.

use ripstop_api::{
    Spec,
    kubernetes::{ConfigMap, Secret},
};

use super::{pairs, parse};

#[track_caller]
fn specs(text: &str) -> Vec<Spec> {
    let (objects, said) = parse(text);
    assert_eq!(said, [""; 0]);
    objects.into_iter().map(|object| object.spec).collect()
}

fn bytes(pairs: &[(&str, &[u8])]) -> std::collections::BTreeMap<String, Vec<u8>> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect()
}

#[test]
fn every_field_of_a_secret() {
    let specs = specs(
        r#"apiVersion: v1
kind: Secret
metadata: {name: cert, namespace: shop, creationTimestamp: null}
type: kubernetes.io/tls
immutable: true
data:
  tls.crt: YWJj
  tls.key: |
    ZGVm
    Z2hp
  empty: ""
  binary: AP8=
  spare: YWJ=
  both: YQ==
stringData:
  both: b
  .dot_-9: "plain text: é"
---
apiVersion: v1
kind: Secret
metadata: {name: opaque}
---
apiVersion: v1
kind: Secret
metadata: {name: own}
type: example.org/own
"#,
    );
    let cert = Secret {
        kind: "kubernetes.io/tls".into(),
        immutable: true,
        data: bytes(&[
            ("tls.crt", b"abc"),
            ("tls.key", b"defghi"),
            ("empty", b""),
            ("binary", &[0, 255]),
            ("spare", b"ab"),
            ("both", b"b"),
            (".dot_-9", "plain text: é".as_bytes()),
        ]),
    };
    let shown = format!("{:?}", specs[0]);
    for value in ["abc", "defghi", "plain text", "97"] {
        assert!(!shown.contains(value), "{shown}");
    }
    assert!(shown.contains("tls.crt") && shown.contains("kubernetes.io/tls"), "{shown}");
    let opaque = Secret { kind: "Opaque".into(), ..Secret::default() };
    let own = Secret { kind: "example.org/own".into(), ..Secret::default() };
    assert_eq!(specs, [cert, opaque, own].map(Spec::Secret));
}

#[test]
fn every_field_of_a_config_map() {
    let specs = specs(
        r#"apiVersion: v1
kind: ConfigMap
metadata: {name: app}
immutable: true
data:
  PORT: "8080"
  file.conf: |
    a = 1
  mesh: "{ not read"
binaryData:
  logo.png: iVBORw==
"#,
    );
    let map = ConfigMap {
        data: pairs(&[("PORT", "8080"), ("file.conf", "a = 1\n"), ("mesh", "{ not read")]),
        mesh: None,
        binary_data: bytes(&[("logo.png", b"\x89PNG")]),
        immutable: true,
    };
    assert_eq!(specs, [Spec::ConfigMap(map)]);
}

#[test]
fn too_much_data_is_refused() {
    let value = "YWJj".repeat(400_000);
    let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: big}}\ndata:\n  a: {value}\n");
    let parsed = ripstop_api::parse_file("a.yaml", &text);
    let findings: Vec<_> = parsed.findings.iter().map(ToString::to_string).collect();
    let message =
        "a.yaml:5:3: error RS109 Secret/default/big data: the data has 1200000 bytes, at most 1048576 are allowed";
    assert_eq!(findings, [message]);
}
