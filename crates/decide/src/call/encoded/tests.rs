use super::*;

#[test]
fn one_way_to_write_each() {
    let read = |name: &'static str| Encoded::read(name).map(|Encoded { port, subset, host }| (port, subset, host));
    let host = "cart.shop.svc.cluster.local";
    assert_eq!(read("outbound_.443_._.cart.shop.svc.cluster.local"), Some((443, None, host)));
    assert_eq!(read("outbound_.65535_.v1_.cart.shop.svc.cluster.local"), Some((65535, Some("v1"), host)));
    assert_eq!(read("outbound_.1_._.a"), Some((1, None, "a")));
    for name in [
        "",
        "outbound_.",
        "outbound_.443_._.",
        "outbound_.443_.cart.example",
        "inbound_.443_._.cart.example",
        "Outbound_.443_._.cart.example",
        "outbound_.0_._.cart.example",
        "outbound_.0443_._.cart.example",
        "outbound_.+443_._.cart.example",
        "outbound_.65536_._.cart.example",
        "outbound_._._.cart.example",
        "outbound_.443 _._.cart.example",
        "outbound_.443_.V1_.cart.example",
        "outbound_.443_.v_1_.cart.example",
        "outbound_.443_.v1_._.cart.example",
        "outbound_.443_.-v1_.cart.example",
        "outbound_.443_._.Cart.example",
        "outbound_.443_._.cart.example.",
        "outbound_.443_._.cart..example",
        "outbound_.443_._.*.example",
        "outbound_.443_._.outbound_.443_._.cart.example",
        " outbound_.443_._.cart.example",
    ] {
        assert_eq!(read(name), None, "{name}");
    }
    let long = format!("outbound_.443_._.{}a", "a.".repeat(126));
    assert!(Encoded::read(&long).is_some() && Encoded::read(&format!("{long}.a")).is_none());
}
