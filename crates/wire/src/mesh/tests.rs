use prost::Message as _;
use ripstop_model::TrustDomain;

use super::*;

#[test]
fn survives_the_wire() {
    for level in LEVELS {
        for mode in [MtlsMode::Disable, MtlsMode::Permissive, MtlsMode::Strict] {
            let mesh = MeshConfig {
                trust_domain: "mesh.test".parse::<TrustDomain>().unwrap(),
                service_domain: "svc.mesh.test".into(),
                root_namespace: "root".into(),
                default_mtls: mode,
                log_level: level,
                egress: EgressPolicy {
                    allow: vec!["127.0.0.1/32".parse().unwrap(), "fe80::/10".parse().unwrap()],
                    deny: vec!["10.0.0.0/8".parse().unwrap()],
                },
                cluster: "east".into(),
                dns_upstream: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
                trust_domain_aliases: vec!["old.test".parse().unwrap()],
                federated_domains: vec!["partner.test".parse().unwrap(), "other.test".parse().unwrap()],
                session_key: (mode != MtlsMode::Strict).then(|| SessionKey::new([7; SessionKey::LENGTH])),
                injecting: vec!["shop".into(), "front".into()],
                trust_anchors: vec![
                    TrustAnchor { domains: vec!["partner.test".parse().unwrap()], pem: "a".into() },
                    TrustAnchor { domains: Vec::new(), pem: "b".into() },
                ],
            };
            let encoded = encode_mesh(&mesh);
            assert_eq!(decode(&encoded.name, &encoded.body), Ok(mesh));
        }
    }
}

#[test]
fn nothing_is_the_default() {
    assert_eq!(decode("default", &Bytes::new()), Ok(MeshConfig::default()));
}

#[test]
fn malformed_ones_name_the_field() {
    let empty = ripstop::Mesh::default;
    for (field, message) in [
        ("trust_domain", ripstop::Mesh { trust_domain: "A".to_owned(), ..empty() }),
        ("log_level", ripstop::Mesh { log_level: "loud".to_owned(), ..empty() }),
        ("default_mtls", ripstop::Mesh { default_mtls: 12, ..empty() }),
        ("egress_allow[1]", ripstop::Mesh { egress_allow: vec!["10.0.0.0/8".into(), "x".into()], ..empty() }),
        ("egress_deny[0]", ripstop::Mesh { egress_deny: vec!["10.0.0.0/33".into()], ..empty() }),
        (
            "trust_anchors.domains[0]",
            ripstop::Mesh {
                trust_anchors: vec![ripstop::TrustAnchor { domains: vec!["A".into()], pem: String::new() }],
                ..empty()
            },
        ),
        ("dns_upstream[0]", ripstop::Mesh { dns_upstream: vec!["1.1.1".into()], ..empty() }),
    ] {
        let error = decode("default", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    assert!(matches!(decode("other", &Bytes::new()), Err(DecodeError::Name { .. })));
}
