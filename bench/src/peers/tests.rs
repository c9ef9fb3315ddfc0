use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 244, 2, 7);

fn hop(side: Side) -> impl Fn(u16) -> Hop {
    move |port| match side {
        Side::Near => Hop { listen: (Ipv4Addr::LOCALHOST, port), target: (SERVER, port + 100) },
        Side::Far => Hop { listen: (Ipv4Addr::UNSPECIFIED, port + 100), target: (Ipv4Addr::LOCALHOST, port) },
    }
}

/// The configuration, with `DIR` for the directory, and the command.
fn configured(way: Way, side: Side) -> (String, String) {
    let root = TempDir::new().unwrap();
    let directory = root.path().join("peers");
    let peers = Peers::prepare(&directory).unwrap();
    let command = peers.configure(way, side, hop(side)).unwrap().unwrap();
    let text = fs::read_to_string(peers.path(way, way.peer().unwrap(), side)).unwrap();
    let place = directory.display().to_string();
    (text.replace(&place, "DIR"), command.replace(&place, "DIR"))
}

fn envoy(way: Way, side: Side) -> Value {
    serde_json::from_str(&configured(way, side).0).unwrap()
}

#[test]
fn haproxy_knows_the_other_by_its_name() {
    let (near, command) = configured(Way::Haproxy, Side::Near);
    assert_eq!(command, "haproxy -db -f DIR/haproxy-near.cfg");
    let head = "global\n  nbthread 2\n  maxconn 4096\n\
                defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n";
    let listen = |port: u16| {
        format!(
            "listen 127.0.0.1:{port}\n  bind 127.0.0.1:{port}\n  server far 10.244.2.7:{} ssl crt DIR/near.pem ca-file \
             DIR/authority.pem verify required ssl-min-ver TLSv1.3 verifyhost far.bench\n",
            port + 100
        )
    };
    assert_eq!(near, head.to_owned() + &listen(9000) + &listen(9001) + &listen(9002) + &listen(9003));
    let (far, _) = configured(Way::Haproxy, Side::Far);
    let listen = |port: u16| {
        format!(
            "listen 0.0.0.0:{0}\n  bind 0.0.0.0:{0} ssl crt DIR/far.pem ca-file DIR/authority.pem verify required \
             ssl-min-ver TLSv1.3\n  tcp-request session reject unless {{ ssl_c_s_dn(cn) -m str near.bench }}\n  \
             server near 127.0.0.1:{port}\n",
            port + 100
        )
    };
    assert_eq!(far, head.to_owned() + &listen(9000) + &listen(9001) + &listen(9002) + &listen(9003));
}

#[test]
fn envoys_speak_mutual_tls_13_and_know_the_other_by_its_uri() {
    let common = |side: Side, other: &str| {
        let file = json!({ "filename": format!("DIR/{}.pem", side.name()) });
        json!({
            "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3" },
            "tls_certificates": [{ "certificate_chain": file, "private_key": file }],
            "validation_context": {
                "trusted_ca": { "filename": "DIR/authority.pem" },
                "match_typed_subject_alt_names": [{ "san_type": "URI", "matcher": { "exact": other } }],
            },
        })
    };
    for way in [Way::EnvoyL4, Way::EnvoyL7] {
        let near = envoy(way, Side::Near);
        let tls = &near["static_resources"]["clusters"][0]["transport_socket"]["typed_config"];
        assert_eq!(tls["common_tls_context"], common(Side::Near, "spiffe://bench/ns/bench/sa/far"));
        assert_eq!(near.pointer("/static_resources/listeners/0/filter_chains/0/transport_socket"), None);
        let far = envoy(way, Side::Far);
        let tls = &far["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"]["typed_config"];
        assert_eq!(tls["common_tls_context"], common(Side::Far, "spiffe://bench/ns/bench/sa/near"));
        assert_eq!(tls["require_client_certificate"], true);
        assert_eq!(far.pointer("/static_resources/clusters/0/transport_socket"), None);
    }
}

#[test]
fn envoy_passes_on_what_the_way_says() {
    let ports = |value: &Value| -> Vec<u64> {
        let listeners = value["static_resources"]["listeners"].as_array().unwrap();
        listeners.iter().map(|one| one["address"]["socket_address"]["port_value"].as_u64().unwrap()).collect()
    };
    let filter = |value: &Value| value["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0].clone();
    let near = envoy(Way::EnvoyL4, Side::Near);
    assert_eq!(ports(&near), [9000, 9001, 9002, 9003]);
    assert_eq!(filter(&near)["name"], "envoy.filters.network.tcp_proxy");
    let far = envoy(Way::EnvoyL7, Side::Far);
    assert_eq!(ports(&far), [9100, 9101, 9103]);
    let filters = &filter(&far)["typed_config"]["http_filters"];
    assert_eq!(filters[0]["name"], "envoy.filters.http.rbac");
    assert_eq!(
        filters[0]["typed_config"]["rules"]["policies"]["near"]["principals"],
        json!([{ "authenticated": { "principal_name": { "exact": "spiffe://bench/ns/bench/sa/near" } } }])
    );
    assert_eq!(filters[1]["name"], "envoy.filters.http.router");
    let near = envoy(Way::EnvoyL7, Side::Near);
    assert_eq!(filter(&near)["typed_config"]["http_filters"].as_array().unwrap().len(), 1);
    assert_eq!(
        configured(Way::EnvoyL7, Side::Near).1,
        "envoy --concurrency 2 --disable-hot-restart --log-level error -c DIR/envoy-l7-near.json"
    );
}

#[test]
fn the_envoy_of_an_edge_is_that_of_a_pair() {
    for side in [Side::Near, Side::Far] {
        assert_eq!(envoy(Way::EnvoyGateway, side), envoy(Way::EnvoyL7, side));
    }
}

#[test]
fn other_ways_need_none() {
    let root = TempDir::new().unwrap();
    let peers = Peers::prepare(&root.path().join("peers")).unwrap();
    for way in [Way::Direct, Way::Relay, Way::Mesh] {
        assert_eq!(peers.configure(way, Side::Near, hop(Side::Near)).unwrap(), None);
    }
}
