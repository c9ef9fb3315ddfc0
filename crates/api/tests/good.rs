//! Objects that load, with every field read.

use std::{collections::BTreeMap, time::Duration};

use ripstop_api::{
    Object, Parsed, Position, Spec,
    istio::MtlsMode,
    kubernetes::{IntOrName, Service, ServicePort, Transport},
    parse_file,
    ripstop::{
        ContainerPort, Faces, Limits, Mesh, Node, Probe, ProbeAction, Process, ProcessRole, RestartPolicy,
        ServedNamespaces,
    },
};

#[track_caller]
fn parse(file: &str, text: &str) -> Vec<Object> {
    let Parsed { objects, broken, unreadable, findings } = parse_file(file, text);
    assert_eq!(findings, []);
    assert!(broken.is_empty() && !unreadable);
    objects
}

#[track_caller]
fn one(text: &str) -> Object {
    let mut objects = parse("a.yaml", text);
    assert_eq!(objects.len(), 1);
    objects.remove(0)
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_process_with_everything() {
    let object = one(r#"
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: reviews
  namespace: bookinfo
  labels: {app: reviews, version: "1"}
spec:
  node: east
  replicas: 3
  serviceAccountName: bookinfo.reviews
  command: [/usr/bin/env, "true"]
  args:
  - --port
  - "9080"
  env:
  - name: PORT
    value: "9080"
  - name: EMPTY
  ports:
  - name: http
    containerPort: 9080
  - containerPort: 53
    protocol: UDP
  readinessProbe:
    httpGet:
      path: /health
      port: http
    initialDelaySeconds: 1
    periodSeconds: 2
    timeoutSeconds: 3
    successThreshold: 4
    failureThreshold: 5
  restartPolicy: OnFailure
  resources:
    limits:
      memory: 128Mi
      cpu: 500m
  runAsUser: 1000
"#);
    assert_eq!(object.id.to_string(), "Process/bookinfo/reviews");
    assert_eq!(object.meta.labels, texts(&[("app", "reviews"), ("version", "1")]));
    let expected = Process {
        role: ProcessRole::Command,
        faces: Faces::Outside,
        node: Some("east".into()),
        replicas: 3,
        service_account: "bookinfo.reviews".into(),
        command: vec!["/usr/bin/env".into(), "true".into()],
        args: vec!["--port".into(), "9080".into()],
        env: vec![("PORT".into(), "9080".into()), ("EMPTY".into(), String::new())],
        ports: vec![
            ContainerPort { name: "http".into(), port: 9080, protocol: Transport::Tcp },
            ContainerPort { name: String::new(), port: 53, protocol: Transport::Udp },
        ],
        readiness: Some(Probe {
            action: ProbeAction::HttpGet { path: "/health".into(), port: IntOrName::Name("http".into()), host: None },
            initial_delay: Duration::from_secs(1),
            period: Duration::from_secs(2),
            timeout: Duration::from_secs(3),
            success_threshold: 4,
            failure_threshold: 5,
        }),
        restart: RestartPolicy::OnFailure,
        limits: Limits { memory_bytes: Some(128 << 20), cpu_millis: Some(500) },
        run_as_user: 1000,
        served: ServedNamespaces::default(),
        gateway_topology: None,
    };
    assert_eq!(object.spec, Spec::Process(expected));
    assert_eq!(object.source.position, Position { file: "a.yaml".into(), line: 2, column: 1 });
    let line = |path: &str| (object.source.at(path).line, object.source.at(path).column);
    assert_eq!(line("spec.ports[1].protocol"), (24, 15));
    assert_eq!(line("spec.command[1]"), (12, 27));
    assert_eq!(line("spec.readinessProbe.httpGet.port"), (28, 13));
    assert_eq!(line("spec.readinessProbe.tcpSocket.port"), (26, 5), "the nearest parent");
    assert_eq!(line("metadata.labels.app"), (7, 17));
}

#[test]
fn a_process_with_nothing_but_its_command() {
    let text = "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {name: web}\nspec:\n  command: [web]\n  \
                readinessProbe: {tcpSocket: {port: 80}}\n";
    let object = one(text);
    assert_eq!(object.id.namespace, "default");
    let Spec::Process(process) = object.spec else { panic!("{:?}", object.spec) };
    assert_eq!((process.replicas, process.service_account.as_str(), process.run_as_user), (1, "default", 65534));
    assert_eq!((process.node, process.restart), (None, RestartPolicy::Always));
    let probe = process.readiness.expect("a probe");
    assert_eq!(probe.action, ProbeAction::TcpSocket { port: IntOrName::Int(80) });
    let seconds = [probe.initial_delay, probe.period, probe.timeout].map(|duration| duration.as_secs());
    assert_eq!((seconds, probe.success_threshold, probe.failure_threshold), ([0, 10, 1], 1, 3));
}

#[test]
fn a_gateway_needs_no_command() {
    let text =
        "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {name: web}\nspec: {role: gateway, replicas: 2}\n";
    let object = one(text);
    let Spec::Process(process) = object.spec else { panic!("{:?}", object.spec) };
    assert_eq!((process.role, process.replicas), (ProcessRole::Gateway, 2));
    assert!(process.command.is_empty());
}

#[test]
fn what_a_gateway_runs_is_not_for_its_process_to_say() {
    let text = "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {name: web}\nspec:\n  role: gateway\n  \
                command: [web]\n  ports: [{containerPort: 80}]\n";
    let parsed = parse_file("a.yaml", text);
    let found: Vec<_> = parsed.findings.iter().map(|finding| (finding.code, finding.path.as_str())).collect();
    assert_eq!(found, [("RS120", "spec.command"), ("RS120", "spec.ports")]);
    assert_eq!(parsed.objects.len(), 1);
    let waypoint = parse_file("a.yaml", &text.replace("role: gateway", "role: waypoint"));
    let Spec::Process(process) = &waypoint.objects[0].spec else { panic!("{:?}", waypoint.objects) };
    assert_eq!((process.role, waypoint.findings.len()), (ProcessRole::Waypoint, 2));
    let egress = parse_file("a.yaml", &text.replace("role: gateway", "role: egress"));
    let Spec::Process(process) = &egress.objects[0].spec else { panic!("{:?}", egress.objects) };
    assert_eq!((process.role, process.faces), (ProcessRole::Gateway, Faces::Mesh));
    let wrong = parse_file("a.yaml", &text.replace("role: gateway", "role: way"));
    assert!(
        wrong.findings.iter().any(|finding| (finding.code, &*finding.path) == ("RS110", "spec.role")),
        "{:?}",
        wrong.findings
    );
}

#[test]
fn a_service_with_everything() {
    let object = one(r"
apiVersion: v1
kind: Service
metadata:
  name: reviews
  namespace: bookinfo
  uid: 7a1
  creationTimestamp: null
spec:
  selector:
    app: reviews
  clusterIP: 240.240.3.4
  publishNotReadyAddresses: true
  ports:
  - {name: http, port: 80, targetPort: web, appProtocol: kubernetes.io/h2c}
  - {name: dns, port: 53, protocol: UDP}
status:
  loadBalancer: {}
");
    let expected = Service {
        selector: Some(texts(&[("app", "reviews")])),
        ports: vec![
            ServicePort {
                name: "http".into(),
                port: 80,
                target_port: IntOrName::Name("web".into()),
                protocol: Transport::Tcp,
                app_protocol: Some("kubernetes.io/h2c".into()),
            },
            ServicePort {
                name: "dns".into(),
                port: 53,
                target_port: IntOrName::Int(53),
                protocol: Transport::Udp,
                app_protocol: None,
            },
        ],
        headless: false,
        cluster_ip: Some("240.240.3.4".parse().expect("an address")),
        publish_not_ready: true,
    };
    assert_eq!(object.spec, Spec::Service(expected));
}

#[test]
fn a_headless_service_needs_no_ports() {
    let object =
        one("apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {clusterIP: None, selector: {app: db}}\n");
    let Spec::Service(service) = object.spec else { panic!("{:?}", object.spec) };
    assert!(service.headless && service.cluster_ip.is_none() && service.ports.is_empty());
}

#[test]
fn a_mesh_and_nodes() {
    let objects = parse(
        "a.yaml",
        r"
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  trustDomain: example.org
  serviceDomain: svc.example.org
  rootNamespace: mesh-system
  clusterId: Ripstop
  logLevel: debug
  mtls: {mode: STRICT}
  egress:
    allow: [192.0.2.0/24, 192.0.2.1, 2001:db8::/32]
    deny: []
  dns: {upstream: [192.0.2.53, 2001:db8::53]}
  metricsPort: 0
---
apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata: {name: east}
---
apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata: {name: west}
spec: {podCIDR: 10.9.0.0/24, podCIDRs: [10.9.0.0/24, 'fd00:9::/64']}
",
    );
    let nets = |list: &[&str]| list.iter().map(|net| net.parse().expect("a block")).collect::<Vec<ipnet::IpNet>>();
    let mesh = Mesh {
        trust_domain: Some("example.org".into()),
        service_domain: Some("svc.example.org".into()),
        root_namespace: Some("mesh-system".into()),
        mtls: MtlsMode::Strict,
        log_level: Some("debug".into()),
        cluster_id: Some("Ripstop".into()),
        egress_allow: nets(&["192.0.2.0/24", "192.0.2.1/32", "2001:db8::/32"]),
        egress_deny: Vec::new(),
        dns_upstream: ["192.0.2.53", "2001:db8::53"].map(|text| text.parse().expect("an address")).to_vec(),
        metrics_port: Some(0),
        mesh_config: None,
    };
    let specs: Vec<_> = objects.into_iter().map(|object| object.spec).collect();
    let west = Node { pod_cidrs: nets(&["10.9.0.0/24", "fd00:9::/64"]) };
    assert_eq!(specs, [Spec::Mesh(mesh), Spec::Node(Node::default()), Spec::Node(west)]);
}

#[test]
fn empty_documents_and_comments_are_nothing() {
    for text in
        ["", "\n", "# only a comment\n", "---\n---\n", "--- # nothing\n...\n---\n", "\u{feff}", "%YAML 1.2\n---\n"]
    {
        assert_eq!(parse("a.yaml", text), [], "{text:?}");
    }
    assert_eq!(parse("a.json", " \n"), []);
}

#[test]
fn marks_inside_of_text_do_not_cut_it() {
    let object = one(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  annotations:\n    note: |\n      ---\n      a\n",
    );
    assert_eq!(object.meta.annotations["note"], "---\na\n");
    let folded = one("%YAML 1.2\n--- # begins\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n...\n");
    assert_eq!((folded.source.position.line, folded.source.position.column), (3, 1));
}

#[test]
fn lists_anchors_and_merge_keys() {
    let objects = parse(
        "a.yaml",
        r"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: &meta
    name: one
    labels: &labels {team: blue, tier: !!str 1}
- apiVersion: v1
  kind: Namespace
  metadata:
    <<: *meta
    name: two
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: sa, labels: {<<: [*labels], team: green}}
",
    );
    let seen: Vec<_> = objects.iter().map(|object| (object.id.to_string(), object.meta.labels.clone())).collect();
    let expected = [
        ("Namespace/one".to_owned(), texts(&[("team", "blue"), ("tier", "1")])),
        ("Namespace/two".to_owned(), texts(&[("team", "blue"), ("tier", "1")])),
        ("ServiceAccount/default/sa".to_owned(), texts(&[("team", "green"), ("tier", "1")])),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn json_objects_arrays_and_lists() {
    let namespace =
        |name: &str| format!(r#"{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{name}"}}}}"#);
    let text = format!(
        "{}\n[{},\n\t{}]\n{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{}]}}",
        namespace("a"),
        namespace("b"),
        namespace("c"),
        namespace("d")
    );
    let objects = parse("a.JSON", &text);
    let places: Vec<_> = objects.iter().map(|object| (object.id.name.as_str(), object.source.position.line)).collect();
    assert_eq!(places, [("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
    let escaped = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "annotations": {"k": "\u00e9\n\ud83d\ude00"}}}"#;
    assert_eq!(parse("a.json", escaped)[0].meta.annotations["k"], "é\n😀");
}

#[test]
fn quantities_are_read_exactly() {
    let limits = |memory: &str, cpu: &str| {
        let object = one(&format!(
            "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {{name: p}}\nspec:\n  command: [p]\n  resources:\n    \
             limits:\n      memory: {memory}\n      cpu: {cpu}\n"
        ));
        let Spec::Process(process) = object.spec else { panic!("{:?}", object.spec) };
        (process.limits.memory_bytes, process.limits.cpu_millis)
    };
    assert_eq!(limits("1Gi", "1"), (Some(1 << 30), Some(1000)));
    assert_eq!(limits("1.5Gi", "0.5"), (Some(3 << 29), Some(500)));
    assert_eq!(limits("128974848", ".1"), (Some(128_974_848), Some(100)));
    assert_eq!(limits("129e6", "100u"), (Some(129_000_000), Some(1)), "rounded up");
    assert_eq!(limits("\"64M\"", "\"2\""), (Some(64_000_000), Some(2000)));
}

#[test]
fn older_spellings_act_and_their_places_are_found() {
    let text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default}\nspec:\n  selector:\n    \
                match_labels: {app: web}\n  port_level_mtls:\n    80:\n      mode: DISABLE\n";
    let parsed = parse_file("a.yaml", text);
    let [object] = parsed.objects.as_slice() else { panic!("{parsed:?}") };
    let Spec::PeerAuthentication(policy) = &object.spec else { panic!("{:?}", object.spec) };
    assert_eq!((policy.selector.len(), policy.port_level[&80]), (1, MtlsMode::Disable));
    assert_eq!(object.source.fields["spec.portLevelMtls.80.mode"], (9, 13));
    assert_eq!(object.source.fields["spec.selector.matchLabels.app"], (6, 25));
}
