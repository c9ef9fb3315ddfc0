use super::*;

#[test]
fn a_gateway_is_told_who_it_is_and_where_everything_is() {
    let part = Part {
        role: "gateway",
        name: "edge.web-0".into(),
        state: "/s/gateways/edge.web-0".into(),
        token_file: "/s/gateways/edge.web-0/token".into(),
        root_cert: "/s/control/ca/root.pem".into(),
    };
    let words = argv("edge", "web-0", Ipv4Addr::new(10, 244, 1, 1), &part, Path::new("/s"));
    let text: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    assert_eq!(
        text.join(" "),
        "ripstop proxy --role gateway --namespace edge --name web-0 --dns 10.244.1.1 --handover-fd 3 \
         --state /s/gateways/edge.web-0 --private /s --control 100.64.0.1:15012 --root-cert /s/control/ca/root.pem \
         --token-file /s/gateways/edge.web-0/token"
    );
}
