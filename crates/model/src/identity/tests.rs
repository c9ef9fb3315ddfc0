use super::*;

#[test]
fn parts_of_an_id() {
    let id: SpiffeId = "spiffe://cluster.local/ns/bookinfo/sa/reviews".parse().unwrap();
    assert_eq!(id.trust_domain(), TrustDomain::default());
    assert_eq!(id.as_service_account(), Some(("bookinfo", "reviews")));
    assert_eq!(id.as_component(), None);
    let node = SpiffeId::component(&TrustDomain::default(), "node", "n1").unwrap();
    assert_eq!(node.as_str(), "spiffe://cluster.local/ripstop/node/n1");
    assert_eq!(node.as_component(), Some(("node", "n1")));
    assert_eq!(node.as_service_account(), None);
    let bare: SpiffeId = "spiffe://example.org".parse().unwrap();
    assert_eq!(bare.path(), "");
}

#[test]
fn malformed_ids_are_refused() {
    for text in [
        "",
        "spiffe://",
        "http://cluster.local/ns/a/sa/b",
        "spiffe://Cluster.local/ns/a/sa/b",
        "spiffe://cluster.local/",
        "spiffe://cluster.local/ns//sa/b",
        "spiffe://cluster.local/../x",
        "spiffe://cluster.local/ns/a/sa/b?x",
        "spiffe://cluster.local/ns/a/sa/b/",
        "spiffe://a b/x",
        "spiffe://cluster.local:80/x",
        "spiffe://cluster.local/a\0b",
    ] {
        assert!(text.parse::<SpiffeId>().is_err(), "{text:?} was accepted");
    }
    assert!(format!("spiffe://a/{}", "x".repeat(2048)).parse::<SpiffeId>().is_err());
}
