use super::*;

#[test]
fn cluster_domain_is_the_service_domain_without_svc() {
    for (service, cluster) in [
        ("svc.cluster.local", "cluster.local"),
        ("svc.example.org", "example.org"),
        ("mesh.internal", "mesh.internal"),
        ("svc", "svc"),
    ] {
        assert_eq!(Zone::new(service).cluster_domain, cluster, "{service}");
    }
}

#[test]
fn below_respects_label_borders() {
    assert_eq!(below("a.cluster.local", "cluster.local"), Some("a"));
    assert_eq!(below("cluster.local", "cluster.local"), Some(""));
    assert_eq!(below("acluster.local", "cluster.local"), None);
    assert_eq!(below("local", "cluster.local"), None);
}

#[test]
fn odd_bytes_are_no_service_name() {
    let odd = Name::from_labels([&b"a.b"[..], b"cluster", b"local"]).unwrap();
    assert_eq!(plain(&odd), None);
    let zone = Zone::new("svc.cluster.local");
    assert!(matches!(zone.meaning(&odd, &Snapshot::default(), None), Meaning::Unknown));
    let foreign = Name::from_labels([&b"a.cluster"[..], b"local"]).unwrap();
    assert!(matches!(zone.meaning(&foreign, &Snapshot::default(), None), Meaning::Foreign));
}
