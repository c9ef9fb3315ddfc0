use ripstop_model::Labels;

use super::*;

#[test]
fn survives_the_wire() {
    let node = NodeSpec {
        name: "one".into(),
        labels: Labels::from([("zone".into(), "a".into())]),
        pod_cidrs: vec!["10.244.1.0/24".parse().unwrap(), "fd00:10:244:1::/64".parse().unwrap()],
    };
    let encoded = encode_node(&node);
    assert_eq!(&*encoded.name, "one");
    assert_eq!(decode("one", &encoded.body), Ok(node));
    assert!(matches!(decode("two", &encoded.body), Err(DecodeError::Name { .. })));
    let error = decode("", &Bytes::from_static(b"\x1a\x01x")).unwrap_err().to_string();
    assert!(error.contains("name"), "{error}");
    let error = decode("a", &Bytes::from_static(b"\x0a\x01a\x1a\x01x")).unwrap_err().to_string();
    assert!(error.contains("pod_cidrs[0]"), "{error}");
}
