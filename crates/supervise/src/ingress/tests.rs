use ripstop_model::{ContainerPort, Labels, ProcessSpec, ResourceLimits, RestartPolicy};

use super::*;

fn process(kind: ProcessKind, ports: &[(&str, u16)]) -> Arc<ProcessSpec> {
    let port = |(name, port): &(&str, u16)| ContainerPort { name: (*name).into(), port: *port, udp: false };
    Arc::new(ProcessSpec {
        namespace: "edge".into(),
        name: "web".into(),
        labels: Labels::new(),
        kind,
        node: "one".into(),
        replicas: 1,
        service_account: "default".into(),
        command: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        ports: ports.iter().map(port).collect(),
        readiness: None,
        restart: RestartPolicy::Always,
        limits: ResourceLimits::default(),
        run_as_user: 65534,
        directory: "".into(),
        has_sidecar: false,
    })
}

#[test]
fn each_port_of_a_gateway_is_opened_once() {
    let processes = Wanted::from([
        ("edge/a".into(), process(ProcessKind::Gateway, &[("http-80", 80), ("https-443", 443)])),
        ("edge/b".into(), process(ProcessKind::Gateway, &[("tcp-80", 80), ("tcp-9000", 9000)])),
        ("shop/cart".into(), process(ProcessKind::Command, &[("http", 8080)])),
    ]);
    let opening =
        |port, gateway: &str, protocol: &str| Opening { port, gateway: gateway.into(), protocol: protocol.into() };
    assert_eq!(
        openings(&processes),
        [opening(80, "edge/a", "http"), opening(443, "edge/a", "https"), opening(9000, "edge/b", "tcp")]
    );
}

#[tokio::test]
async fn gateways_take_turns_and_one_that_is_gone_gets_none() {
    let ingress = Ingress::new();
    let keys: Vec<Key> = ["web-0", "web-1", "web-2"].map(|name| Key::workload("edge", name)).into();
    let mut kept = Vec::new();
    for key in &keys[..2] {
        let (ours, theirs) = FdChannel::pair().unwrap();
        ingress.connect(key.clone(), ours);
        kept.push(theirs);
    }
    let next = || ingress.choose(&keys).map(|(key, _)| key.to_string());
    assert_eq!([next(), next(), next()].map(Option::unwrap), ["edge/web-0", "edge/web-1", "edge/web-0"]);
    ingress.disconnect(&keys[0]);
    assert_eq!([next(), next()].map(Option::unwrap), ["edge/web-1", "edge/web-1"]);
    ingress.disconnect(&keys[1]);
    assert_eq!(next(), None);
}
