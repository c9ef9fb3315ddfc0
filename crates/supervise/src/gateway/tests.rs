use super::*;

#[test]
fn a_proxy_is_told_who_it_is_and_where_everything_is() {
    let part = |role| Part {
        role,
        name: "edge.web-0".into(),
        state: "/s/gateways/edge.web-0".into(),
        token_file: "/s/gateways/edge.web-0/token".into(),
        root_cert: "/s/control/ca/root.pem".into(),
    };
    let words = |proxy: Proxy| {
        let part = part(proxy.as_str());
        let words = argv(proxy, ("edge", "web-0"), Ipv4Addr::new(10, 244, 1, 1), &part, Path::new("/s"));
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    let told = |role| {
        format!(
            "ripstop proxy --role {role} --namespace edge --name web-0 --dns 10.244.1.1 --egress 100.64.255.254:15003 \
             --state /s/gateways/edge.web-0 --private /s --control 100.64.0.1:15012 --root-cert /s/control/ca/root.pem \
             --token-file /s/gateways/edge.web-0/token"
        )
    };
    assert_eq!(words(Proxy::Gateway), told("gateway") + " --handover-fd 3");
    assert_eq!(words(Proxy::Waypoint), told("waypoint"));
}
