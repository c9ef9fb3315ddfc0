use super::*;
use crate::{
    analyze::table::object,
    tests::{World, now},
};

/// Paths of the findings.
fn told(objects: &str) -> Vec<String> {
    let mut world = World::of(objects);
    let findings = world.compile().findings(now());
    let mine = findings.iter().filter(|finding| finding.code == ELSEWHERE.code);
    mine.map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
}

#[test]
fn hosts_of_others_are_told() {
    let group =
        |probe: &str| object("WorkloadGroup", "shop", "vms", &format!("{{template: {{}}, probe: {{{probe}}}}}"));
    let message =
        |host: &str| format!("the probe fails at whoever has not the address {host} itself: nobody else is asked");
    for host in ["100.64.0.1", "169.254.169.254", "'[fd00:7269:7073::1]'"] {
        let bare = host.trim_matches('\'');
        let get = told(&group(&format!("httpGet: {{port: 80, host: {host}}}")));
        assert_eq!(get, [format!("spec.probe.httpGet.host: {}", message(bare))]);
        let socket = told(&group(&format!("tcpSocket: {{port: 80, host: {host}}}")));
        assert_eq!(socket, [format!("spec.probe.tcpSocket.host: {}", message(bare))]);
    }
    for own in ["", "127.0.0.1", "localhost", "'::1'"] {
        assert!(told(&group(&format!("httpGet: {{port: 80, host: {own}}}"))).is_empty(), "{own}");
    }
    let process = |host: &str| {
        let probe = format!("{{command: [a], readinessProbe: {{httpGet: {{port: 80, host: {host}}}}}}}");
        told(&object("Process", "shop", "web", &probe))
    };
    assert_eq!(process("10.0.0.1"), [format!("spec.readinessProbe.httpGet.host: {}", message("10.0.0.1"))]);
    assert!(process("127.0.0.1").is_empty());
}
