use proptest::prelude::*;
use prost::Message as _;
use ripstop_model::{ContainerPort, Labels};

use super::*;

fn full() -> ProcessSpec {
    ProcessSpec {
        namespace: "bookinfo".into(),
        name: "reviews-v1".into(),
        labels: Labels::from([("app".into(), "reviews".into()), ("version".into(), "v1".into())]),
        kind: ProcessKind::Command,
        node: "one".into(),
        replicas: 3,
        service_account: "reviews".into(),
        command: vec!["./app".into(), "reviews".into()],
        args: vec!["--fail".into(), "".into()],
        // Order and doubles matter.
        env: vec![("B".into(), "2".into()), ("A".into(), "".into()), ("B".into(), "3".into())],
        ports: vec![
            ContainerPort { name: "http".into(), port: 9080, udp: false },
            ContainerPort { name: "".into(), port: 53, udp: true },
        ],
        readiness: None,
        restart: RestartPolicy::OnFailure,
        limits: ResourceLimits { memory_bytes: Some(0), cpu_millis: None },
        run_as_user: 65534,
        directory: "/srv/mesh".into(),
        has_sidecar: false,
    }
}

fn action() -> impl Strategy<Value = ProbeAction> {
    prop_oneof![
        ("/[a-z]{0,5}", 1..=u16::MAX, any::<Option<std::net::IpAddr>>(), any::<bool>(), "[a-z]{0,3}").prop_map(
            |(path, port, host, tls, header)| ProbeAction::HttpGet {
                path: path.into(),
                port,
                host,
                scheme: if tls { ProbeScheme::Https } else { ProbeScheme::Http },
                headers: vec![("X-A".into(), header.into())],
            }
        ),
        (1..=u16::MAX, any::<Option<std::net::IpAddr>>())
            .prop_map(|(port, host)| ProbeAction::TcpSocket { port, host }),
        (1..=u16::MAX, "[a-z]{0,3}").prop_map(|(port, service)| ProbeAction::Grpc { port, service: service.into() }),
        proptest::collection::vec("[a-z]{0,3}", 0..3)
            .prop_map(|command| ProbeAction::Exec { command: shared(command) }),
    ]
}

proptest! {
    #[test]
    fn survives_the_wire(
        action in action(),
        times in any::<[u32; 3]>(),
        thresholds in any::<[u32; 2]>(),
        restart in 0..3_u8,
        kind in 0..3_u8,
        has_sidecar: bool,
        memory_bytes: Option<u64>,
        cpu_millis: Option<u32>,
    ) {
        let millis = |n: usize| Duration::from_millis(times[n].into());
        let process = ProcessSpec {
            readiness: Some(Probe {
                action,
                initial_delay: millis(0),
                period: millis(1),
                timeout: millis(2),
                success_threshold: thresholds[0],
                failure_threshold: thresholds[1],
            }),
            restart: [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never][usize::from(restart)],
            limits: ResourceLimits { memory_bytes, cpu_millis },
            kind: [ProcessKind::Command, ProcessKind::Gateway, ProcessKind::Waypoint][usize::from(kind)],
            has_sidecar,
            ..full()
        };
        let encoded = encode_process(&process);
        prop_assert_eq!(decode(&encoded.name, &encoded.body), Ok(process));
    }
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || -> ripstop::Process { ripstop::Process::decode(encode_process(&full()).body).unwrap() };
    let probe = |action| Some(ripstop::Probe { action, ..ripstop::Probe::default() });
    let get = |port, host: &str| {
        Some(Action::HttpGet(ripstop::HttpGet {
            path: "/".to_owned(),
            port,
            host: host.to_owned(),
            ..Default::default()
        }))
    };
    for (field, message) in [
        ("run_as_user", ripstop::Process { run_as_user: 0, ..good() }),
        ("restart", ripstop::Process { restart: 3, ..good() }),
        ("kind", ripstop::Process { kind: 3, ..good() }),
        ("readiness.action", ripstop::Process { readiness: probe(None), ..good() }),
        ("readiness.http_get.port", ripstop::Process { readiness: probe(get(0, "")), ..good() }),
        ("readiness.http_get.host", ripstop::Process { readiness: probe(get(1, "name")), ..good() }),
        (
            "readiness.tcp_socket.port",
            ripstop::Process {
                readiness: probe(Some(Action::TcpSocket(ripstop::TcpSocket { port: 99999, ..Default::default() }))),
                ..good()
            },
        ),
        ("field ports", ripstop::Process { ports: vec![ripstop::ContainerPort::default()], ..good() }),
    ] {
        let error = decode("bookinfo/reviews-v1", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}
