use super::*;

fn parsed(action: &str) -> ripstop_api::Parsed {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: WorkloadGroup\nmetadata: {{name: vms, namespace: shop}}\nspec: {{template: {{}}, probe: {{{action}}}}}\n"
    );
    ripstop_api::parse_file("a.yaml", &text)
}

fn written(action: &str) -> istio::ReadinessProbe {
    let parsed = parsed(action);
    assert!(parsed.broken.is_empty(), "{:?}", parsed.findings);
    match &parsed.objects[0].spec {
        ripstop_api::Spec::WorkloadGroup(group) => group.probe.clone().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_action_has_its_fields() {
    let local = Some(IpAddr::from([127, 0, 0, 1]));
    for (text, expected) in [
        (
            "httpGet: {port: 80, path: ready, host: 10.0.0.1, scheme: HTTPS, httpHeaders: [{name: Host, value: a.example}]}",
            ProbeAction::HttpGet {
                path: "/ready".into(),
                port: 80,
                host: Some([10, 0, 0, 1].into()),
                scheme: ProbeScheme::Https,
                headers: vec![("Host".into(), "a.example".into())],
            },
        ),
        (
            "httpGet: {port: 80}",
            ProbeAction::HttpGet {
                path: "/".into(),
                port: 80,
                host: None,
                scheme: ProbeScheme::Http,
                headers: Vec::new(),
            },
        ),
        ("tcpSocket: {port: 81, host: localhost}", ProbeAction::TcpSocket { port: 81, host: local }),
        ("tcpSocket: {port: 81, host: '[::1]'}", ProbeAction::TcpSocket { port: 81, host: "::1".parse().ok() }),
        ("exec: {command: [cat, /tmp/ready]}", ProbeAction::Exec { command: vec!["cat".into(), "/tmp/ready".into()] }),
        ("grpc: {port: 82, service: cart}", ProbeAction::Grpc { port: 82, service: "cart".into() }),
    ] {
        assert_eq!(probe(&written(text)).unwrap().action, expected, "{text}");
    }
}

#[test]
fn zero_is_the_default() {
    let times = |probe: Probe| {
        let seconds = [probe.initial_delay, probe.period, probe.timeout].map(|time| time.as_secs());
        (seconds, probe.success_threshold, probe.failure_threshold)
    };
    assert_eq!(
        times(probe(&written("exec: {command: [a]}, periodSeconds: 0, failureThreshold: 0")).unwrap()),
        ([0, 10, 1], 1, 3)
    );
    let all = "exec: {command: [a]}, initialDelaySeconds: 1, periodSeconds: 2, timeoutSeconds: 3, successThreshold: 4, failureThreshold: 5";
    assert_eq!(times(probe(&written(all)).unwrap()), ([1, 2, 3], 4, 5));
}

#[test]
fn names_lead_elsewhere_and_are_refused() {
    for action in ["httpGet: {port: 80, host: a.example}", "tcpSocket: {port: 80, host: db}"] {
        let parsed = parsed(action);
        assert_eq!(parsed.broken.len(), 1, "{action}");
        assert!(
            parsed.findings.iter().any(|finding| finding.message.contains("is no address")),
            "{:?}",
            parsed.findings
        );
    }
}
