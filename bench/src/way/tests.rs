use super::*;

#[test]
fn versions_are_found_in_what_the_binaries_say() {
    let envoy = "\nenvoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL\n\n";
    assert_eq!(Peer::Envoy.version_in(envoy).as_deref(), Some("1.40.0"));
    let haproxy = "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\nStatus: long-term\n";
    assert_eq!(Peer::Haproxy.version_in(haproxy).as_deref(), Some("2.6.12-1+deb12u4"));
    assert_eq!(Peer::Haproxy.version_in("unknown option"), None);
}

#[test]
fn a_missing_binary_is_named() {
    let error = Peer::Envoy.version(Path::new("/nowhere")).unwrap_err().to_string();
    assert_eq!(error, "/nowhere/envoy does not run");
}

#[test]
fn names_are_those_of_the_command_line() {
    for way in Way::ALL {
        assert_eq!(Way::from_str(way.name(), false), Ok(way));
    }
}

#[test]
fn only_what_understands_http_passes_no_streams_on() {
    let streams: Vec<Way> = Way::ALL.into_iter().filter(|way| !way.does(Work::Bulk { streams: 1 })).collect();
    assert_eq!(
        streams,
        [
            Way::EnvoyL7,
            Way::MeshMetered,
            Way::MeshL7,
            Way::MeshSidecar,
            Way::MeshWaypoint,
            Way::EnvoyGateway,
            Way::MeshGateway
        ]
    );
    assert!(Way::ALL.into_iter().all(|way| way.does(Work::Connects { concurrency: 1 })));
}

#[test]
fn roles_are_called_by_their_names() {
    assert_eq!(Way::MeshSidecar.proxy_at(Place::Callee), "the callee's sidecar");
    assert_eq!(Way::MeshWaypoint.proxy_at(Place::Between), "the waypoint");
    assert_eq!(Way::MeshGateway.proxy_at(Place::Between), "the gateway");
    assert_eq!(Way::MeshGateway.proxy_at(Place::Callee), "the callee's node");
    assert_eq!(Way::EnvoyGateway.proxy_at(Place::Between), "the gateway");
    assert_eq!(Way::EnvoyL7.proxy_at(Place::Caller), "the caller's");
}
