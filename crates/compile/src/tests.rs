//! Whole meshes, as users write them.

use std::fmt::Write as _;

use ripstop_api::parse_file;
use ripstop_model::{
    AppProtocol, ContainerPort, DataplaneMode, Health, MtlsMode, PortMapping, ServiceKey, TargetPort, TunnelProtocol,
    Workload, WorkloadUid,
};

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::*;

/// What the time is: a moment of 2026.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// Objects and instances of a mesh that changes.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) objects: Objects,
    pub(crate) instances: Vec<Arc<Instance>>,
    pub(crate) captures: OrdMap<WorkloadUid, CaptureState>,
    pub(crate) assigned: Assignments,
    pub(crate) output: Option<Output>,
}

impl World {
    /// The objects of `text`, each older than the one after it.
    pub(crate) fn of(text: &str) -> Self {
        let mut world = Self::default();
        world.declare(text);
        world
    }

    /// Replaces all objects.
    pub(crate) fn declare(&mut self, text: &str) {
        let parsed = parse_file("dir/mesh.yaml", text);
        assert!(parsed.broken.is_empty() && !parsed.unreadable, "{:#?}", parsed.findings);
        let declare = |(index, object): (usize, ripstop_api::Object)| {
            let id = object.id.clone();
            (id, Declared { object: Arc::new(object), created: index as u64 + 1, generation: 1 })
        };
        self.objects = parsed.objects.into_iter().enumerate().map(declare).collect();
    }

    pub(crate) fn run(&mut self, namespace: &str, process: &str, ordinal: u8) -> &mut Instance {
        let name = format!("{process}-{ordinal}");
        let instance = Instance {
            uid: WorkloadUid::process("Ripstop", namespace, &name),
            namespace: namespace.into(),
            name: name.as_str().into(),
            process: process.into(),
            group: None,
            node: "node-1".into(),
            service_account: "default".into(),
            addresses: vec![format!("10.244.1.{}", self.instances.len() + 2).parse().unwrap()],
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            ports: vec![ContainerPort { name: "web".into(), port: 8080, udp: false }],
            ready: true,
            running: true,
        };
        self.instances.push(Arc::new(instance));
        Arc::get_mut(self.instances.last_mut().unwrap()).unwrap()
    }

    pub(crate) fn compile(&mut self) -> &Output {
        let instances: OrdMap<_, _> =
            self.instances.iter().map(|instance| (instance.uid.clone(), instance.clone())).collect();
        let output = compile(&Input {
            objects: &self.objects,
            instances: &instances,
            captures: &self.captures,
            assigned: &self.assigned,
            previous: self.output.as_ref(),
        });
        self.assigned = Assignments::clone(&output.assigned);
        self.output.insert(output)
    }

    fn workload(&mut self) -> Arc<Workload> {
        self.compile().workloads.values().next().expect("a workload").clone()
    }

    /// Codes and objects of the findings.
    fn codes(&mut self) -> Vec<String> {
        let short = |finding: &ripstop_api::Finding| {
            let object = finding.object.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {object} {}", finding.code, finding.path).trim().to_owned()
        };
        self.compile().findings(now()).iter().map(short).collect()
    }
}

/// An object; `rest` is indented as at the top level.
pub(crate) fn object(kind: &str, namespace: &str, name: &str, rest: &str) -> String {
    let api = match kind {
        "Node" | "Process" | "Mesh" => "ripstop.dev/v1alpha1",
        "PeerAuthentication" => "security.istio.io/v1",
        _ => "v1",
    };
    let mut text = format!("---\napiVersion: {api}\nkind: {kind}\nmetadata:\n  name: {name}\n");
    if !namespace.is_empty() {
        let _ = writeln!(text, "  namespace: {namespace}");
    }
    text + rest
}

fn process(name: &str, rest: &str) -> String {
    let labels = format!("  labels: {{app: {name}, version: v1}}\n");
    let limits = "  resources: {limits: {cpu: 1, memory: 64Mi}}\n";
    let spec = format!("spec:\n  command: [serve]\n  ports: [{{name: web, containerPort: 8080}}]\n{limits}");
    object("Process", "shop", name, &format!("{labels}{spec}{rest}"))
}

fn service(name: &str, spec: &str) -> String {
    object("Service", "shop", name, &format!("spec:\n  selector: {{app: {name}}}\n{spec}"))
}

const HTTP: &str = "  ports: [{name: http, port: 80, targetPort: web}]\n";

#[test]
fn an_empty_mesh_has_a_node() {
    let mut world = World::default();
    let output = world.compile();
    assert_eq!(*output.mesh, ripstop_model::MeshConfig::default());
    let node = &output.nodes["default"];
    let blocks: Vec<_> = node.pod_cidrs.iter().map(ToString::to_string).collect();
    assert_eq!(blocks, ["10.244.1.0/24", "fd00:10:244:1::/64"]);
    assert!(output.findings(now()).is_empty());
}

#[test]
fn a_workload_that_says_no_place_is_where_its_node_is() {
    const REGION: &str = "topology.kubernetes.io/region";
    const ZONE: &str = "topology.kubernetes.io/zone";
    let node = |region: &str| {
        let labels = format!("  labels: {{{REGION}: {region}, {ZONE}: z1, rack: r7}}\nspec: {{}}\n");
        object("Node", "", "node-1", &labels)
    };
    let mut world = World::of(&(node("here") + &process("cart", "")));
    world.run("shop", "cart", 0);
    let workload = world.workload();
    assert_eq!((&*workload.labels[REGION], &*workload.labels[ZONE], &*workload.labels["app"]), ("here", "z1", "cart"));
    assert!(!workload.labels.contains_key("rack"), "only places");
    world.declare(&(node("there") + &process("cart", "")));
    assert_eq!(&*world.workload().labels[REGION], "there");
    // What it says itself counts alone.
    for own in [REGION, "istio-locality"] {
        let text = process("cart", "").replace("{app: cart", &format!("{{{own}: mine, app: cart"));
        world.declare(&(node("there") + &text));
        let workload = world.workload();
        assert!(&*workload.labels[own] == "mine" && !workload.labels.contains_key(ZONE), "{:?}", workload.labels);
    }
}

#[test]
fn a_service_and_its_workload() {
    let mut world = World::of(&(service("cart", HTTP) + &process("cart", "") + &process("other", "")));
    world.run("shop", "cart", 0);
    world.run("shop", "other", 0);
    world.run("elsewhere", "cart", 0).labels.insert("app".into(), "cart".into());
    let output = world.compile();
    let key = ServiceKey::new("shop", "cart.shop.svc.cluster.local");
    let service = &output.services[&key];
    assert_eq!(service.addresses.len(), 1);
    assert_eq!(service.ports[0].target, TargetPort::Name("web".into()));
    assert_eq!(service.ports[0].protocol, AppProtocol::Http11);
    let behind: Vec<_> = output.workloads.values().filter(|workload| !workload.services.is_empty()).collect();
    assert_eq!(behind.len(), 1);
    assert_eq!(behind[0].services, [(key, vec![PortMapping { service_port: 80, target_port: 8080 }])]);
    assert_eq!(&*behind[0].workload_name, "cart");
    assert!(output.findings(now()).is_empty(), "{:?}", output.findings(now()));
}

#[test]
fn settings_of_the_mesh() {
    let mut world = World::of(&object(
        "Mesh",
        "",
        "default",
        "spec:\n  trustDomain: example.org\n  serviceDomain: svc.example\n  rootNamespace: root\n  mtls: {mode: STRICT}\n  logLevel: debug\n  clusterId: c1\n",
    ));
    world.run("shop", "cart", 0);
    let workload = world.workload();
    let mesh = world.compile().mesh.clone();
    assert_eq!((mesh.default_mtls, mesh.log_level.as_str()), (MtlsMode::Strict, "debug"));
    assert_eq!((&*mesh.service_domain, &*mesh.root_namespace, &*mesh.cluster), ("svc.example", "root", "c1"));
    assert_eq!(workload.identity().unwrap().as_str(), "spiffe://example.org/ns/shop/sa/default");
    assert_eq!(&*workload.cluster, "c1");
}

#[test]
fn canonical_names() {
    let name = |labels: &[(&str, &str)]| {
        let mut world = World::default();
        let instance = world.run("shop", "cart", 0);
        instance.labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let workload = world.workload();
        (
            workload.workload_name.to_string(),
            workload.canonical_name.to_string(),
            workload.canonical_revision.to_string(),
        )
    };
    let three = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(name(&[]), three("cart", "cart", "latest"));
    assert_eq!(name(&[("app", "a"), ("version", "v2")]), three("cart", "a", "v2"));
    let kubernetes =
        [("app", "a"), ("version", "v2"), ("app.kubernetes.io/name", "k"), ("app.kubernetes.io/version", "v3")];
    assert_eq!(name(&kubernetes), three("cart", "k", "v3"));
    let istio = [
        ("app", "a"),
        ("app.kubernetes.io/name", "k"),
        ("service.istio.io/canonical-name", "i"),
        ("service.istio.io/canonical-revision", "v4"),
        ("service.istio.io/workload-name", "w"),
    ];
    assert_eq!(name(&istio), three("w", "i", "v4"));
}

#[test]
fn tunnel_and_health() {
    let mut world = World::default();
    let uid = world.run("shop", "cart", 0).uid.clone();
    for (capture, tunnel) in [
        (CaptureState::None, TunnelProtocol::None),
        (CaptureState::Pending, TunnelProtocol::None),
        (CaptureState::Captured, TunnelProtocol::Hbone),
        (CaptureState::Draining, TunnelProtocol::None),
    ] {
        world.captures.insert(uid.clone(), capture);
        assert_eq!(world.workload().tunnel, tunnel, "{capture:?}");
    }
    for (label, native) in [("http", true), ("none", false)] {
        let mut world = World::default();
        world.run("shop", "cart", 0).labels.insert("networking.istio.io/tunnel".into(), label.into());
        let workload = world.workload();
        assert_eq!((workload.native_tunnel, workload.tunnel == TunnelProtocol::Hbone), (native, native));
    }
    for (running, ready, health) in
        [(true, true, Health::Healthy), (true, false, Health::Unhealthy), (false, true, Health::Unhealthy)]
    {
        let mut world = World::default();
        let instance = world.run("shop", "cart", 0);
        (instance.running, instance.ready) = (running, ready);
        assert_eq!(world.workload().health, health);
    }
    let mut world = World::default();
    world.run("shop", "cart", 0).addresses.clear();
    assert!(world.compile().workloads.is_empty());
}

#[test]
fn labels_of_processes_act_live_those_of_others_as_reported() {
    let namespace = object("Namespace", "", "shop", "  labels: {istio.io/dataplane-mode: ambient}\n");
    let mut world = World::of(&(namespace.clone() + &process("cart", "")));
    world.run("shop", "cart", 0).labels.insert("istio.io/dataplane-mode".into(), "none".into());
    assert_eq!(world.workload().enrolment.mode, DataplaneMode::Node, "the report's labels are older than the object's");
    world.declare(&namespace);
    assert_eq!(world.workload().enrolment.mode, DataplaneMode::None, "no object: as reported");
}

#[test]
fn processes() {
    let nodes = object("Node", "", "b", "") + &object("Node", "", "a", "");
    let probe = "  readinessProbe: {httpGet: {path: /ready, port: web}}\n";
    let mut world = World::of(&(nodes.clone() + &process("cart", probe) + &process("placed", "  node: b\n")));
    let output = world.compile();
    let cart = &output.processes[&("shop".into(), "cart".into())];
    assert_eq!((&*cart.node, &*cart.directory, &*cart.service_account), ("a", "dir", "default"));
    let action = &cart.readiness.as_ref().unwrap().action;
    assert!(matches!(action, ripstop_model::ProbeAction::HttpGet { port: 8080, .. }));
    assert_eq!(&*output.processes[&("shop".into(), "placed".into())].node, "b");
    assert!(world.codes().is_empty());

    world.declare(&(nodes + &process("cart", "  node: nowhere\n") + &process("never", "  node: nowhere\n")));
    for restart in [false, true] {
        if restart {
            world.output = None;
        }
        assert_eq!(world.codes(), ["RS201 Process/shop/cart spec.node", "RS201 Process/shop/never spec.node"]);
        let output = world.compile();
        assert_eq!(&*output.processes[&("shop".into(), "cart".into())].node, "a", "it stays where it was");
        assert_eq!(output.processes.len(), 1);
    }
}

#[test]
fn policies() {
    let strict = "spec: {mtls: {mode: STRICT}}\n";
    let ports = "spec: {selector: {matchLabels: {app: cart}}, portLevelMtls: {8080: {mode: DISABLE}, 9090: {}}}\n";
    let mut world = World::of(
        &(object("PeerAuthentication", "shop", "z-first", strict)
            + &object("PeerAuthentication", "shop", "a-second", strict)
            + &object("PeerAuthentication", "shop", "cart", ports)
            + &object("PeerAuthentication", "shop", "cart-again", ports)
            + &object("PeerAuthentication", "istio-system", "selecting", ports)),
    );
    assert_eq!(
        world.codes(),
        [
            "RS239 PeerAuthentication/shop/z-first",
            "RS13 PeerAuthentication/shop/a-second",
            "RS239 PeerAuthentication/shop/a-second",
            "RS239 PeerAuthentication/shop/cart spec.selector",
            "RS214 PeerAuthentication/shop/cart-again",
            "RS239 PeerAuthentication/shop/cart-again spec.selector",
            "RS213 PeerAuthentication/istio-system/selecting spec.selector",
        ]
    );
    let output = world.compile();
    let policy = &output.peer_authentications[&("shop".into(), "cart".into())];
    assert_eq!(&*policy.id.0, "PeerAuthentication/shop/cart/1");
    assert_eq!((policy.mode, policy.created), (None, 3));
    assert_eq!(policy.ports, [(8080, Some(MtlsMode::Disable)), (9090, None)].into());
    assert_eq!(output.peer_authentications.len(), 5, "all of them: decide knows which one acts");
}

#[test]
fn findings_across_objects() {
    let account = object("ServiceAccount", "shop", "cart", "");
    for (title, text, codes) in [
        ("selects nothing", service("lonely", HTTP), &["RS202 Service/shop/lonely spec.selector"][..]),
        (
            "no selector",
            object("Service", "shop", "none", "spec:\n  ports: [{name: tcp, port: 80}]\n"),
            &["RS202 Service/shop/none spec"],
        ),
        (
            "unknown port name",
            service("cart", "  ports: [{name: http, port: 80, targetPort: wbe}]\n") + &process("cart", ""),
            &["RS203 Service/shop/cart spec.ports[0].targetPort"],
        ),
        (
            "unknown number",
            service("cart", "  ports: [{name: http, port: 80, targetPort: 8081}, {name: http-b, port: 8082}]\n")
                + &process("cart", ""),
            &["RS203 Service/shop/cart spec.ports[0].targetPort", "RS203 Service/shop/cart spec.ports[1].port"],
        ),
        (
            "overlapping blocks",
            object("Node", "", "a", "spec: {podCIDR: 10.1.0.0/16}\n")
                + &object("Node", "", "b", "spec: {podCIDR: 10.1.2.0/24}\n")
                + &object("Node", "", "c", "spec: {podCIDR: 240.240.7.0/24}\n"),
            &["RS204 Node/b spec.podCIDR", "RS204 Node/c spec.podCIDR"],
        ),
        (
            "undeclared account",
            account.clone() + &process("cart", "  serviceAccountName: crat\n") + &process("b", ""),
            &["RS206 Process/shop/cart spec.serviceAccountName"],
        ),
        ("no account declared at all", process("cart", "  serviceAccountName: cart\n"), &[]),
        ("sidecar", object("Namespace", "", "shop", "  labels: {istio-injection: enabled}\n"), &[]),
        (
            "cluster IP",
            service("cart", &format!("  clusterIP: 10.96.0.1\n{HTTP}")) + &process("cart", ""),
            &["RS210 Service/shop/cart spec.clusterIP"],
        ),
        (
            "UDP",
            service("cart", "  ports: [{port: 53, protocol: UDP}]\n") + &process("cart", ""),
            &["RS212 Service/shop/cart spec.ports[0].protocol"],
        ),
    ] {
        assert_eq!(World::of(&text).codes(), codes, "{title}");
    }
}

#[test]
fn findings_name_their_place() {
    let rest = "  labels:\n    networking.istio.io/tunnel: https\nspec: {command: [cart]}\n";
    let mut world = World::of(&object("Process", "shop", "cart", rest));
    let finding = &world.compile().findings(now())[0];
    assert_eq!((finding.position.file.as_str(), finding.position.line), ("dir/mesh.yaml", 8));
    assert_eq!(finding.hint, "known value: http");
}

#[test]
fn what_runs_beside_processes_counts_too() {
    let mut world =
        World::of(&(service("cart", HTTP) + &service("names", "  ports: [{name: tcp, port: 80, targetPort: odd}]\n")));
    assert_eq!(world.codes().len(), 2);
    world.run("shop", "run-1", 0).labels.insert("app".into(), "cart".into());
    let second = world.run("shop", "run-2", 0);
    second.labels.insert("app".into(), "names".into());
    second.ports[0].name = "odd".into();
    assert!(world.codes().is_empty());
    let third = world.run("shop", "run-3", 0);
    third.labels.insert("linkerd.io/inject".into(), "yes please".into());
    assert_eq!(world.codes(), ["RS208"]);
}

#[test]
fn what_did_not_change_is_shared() {
    let text = service("cart", HTTP) + &process("cart", "") + &process("other", "");
    let mut world = World::of(&text);
    world.run("shop", "cart", 0);
    world.run("shop", "other", 0);
    let one = world.compile().clone();
    let two = world.compile().clone();
    assert!(one.services.values().zip(two.services.values()).all(|(a, b)| Arc::ptr_eq(a, b)));
    Arc::make_mut(&mut world.instances[1]).ready = false;
    let three = world.compile().clone();
    let same = |a: &Output, b: &Output| -> Vec<bool> {
        a.workloads.values().zip(b.workloads.values()).map(|(a, b)| Arc::ptr_eq(a, b)).collect()
    };
    assert_eq!(same(&two, &three), [true, false]);
    world.declare(&(text + &object("Namespace", "", "elsewhere", "")));
    let four = world.compile();
    assert_eq!(same(&three, four), [true, true]);
    assert!(three.services.values().zip(four.services.values()).all(|(a, b)| Arc::ptr_eq(a, b)));
    assert!(three.processes.values().zip(four.processes.values()).all(|(a, b)| Arc::ptr_eq(a, b)));
    assert!(Arc::ptr_eq(&three.mesh, &four.mesh));
}

#[test]
fn codes_are_distinct() {
    let mut codes: Vec<_> = CODES.iter().map(|code| code.code).collect();
    codes.dedup();
    assert_eq!(codes.len(), CODES.len());
    assert!(ripstop_api::finding::CODES.iter().all(|code| !codes.contains(&code.code)));
}

#[test]
fn config_maps_without_settings_of_the_mesh_touch_nothing() {
    let map = |name: &str, data: &str| {
        let text = object("ConfigMap", "istio-system", name, &format!("data:\n{data}"));
        World::of(&text).objects
    };
    let mesh = |text: &str| format!("  mesh: |\n    {text}\n");
    let none = Objects::new();
    let rows = [
        ("one appears", none.clone(), map("roots", "  ca: a\n"), false),
        ("one changes", map("roots", "  ca: a\n"), map("roots", "  ca: b\n"), false),
        ("one goes", map("roots", "  ca: a\n"), none.clone(), false),
        ("mesh under another name", none.clone(), map("roots", &mesh("rootNamespace: root")), false),
        ("settings appear", none.clone(), map("istio", &mesh("rootNamespace: root")), true),
        ("settings change", map("istio", &mesh("rootNamespace: a")), map("istio", &mesh("rootNamespace: b")), true),
        ("settings go", map("istio", &mesh("rootNamespace: a")), none.clone(), true),
        ("settings go, the object stays", map("istio", &mesh("rootNamespace: a")), map("istio", "  a: b\n"), true),
    ];
    for (title, before, after, all) in rows {
        let declarations = Declarations::new(&before, &Assignments::default(), None);
        let (next, dirty) = declarations.follow(&before, &after);
        assert_eq!(dirty.all, all, "{title}");
        let anew = Declarations::new(&after, &Assignments::default(), None);
        assert_eq!((&next.mesh, &next.settings), (&anew.mesh, &anew.settings), "{title}");
    }
}

#[test]
fn hosts_of_an_entry_may_want_no_address_of_their_own() {
    let entry = |labels: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: api, namespace: shop{labels}}}\nspec:\n  hosts: [api.example]\n  resolution: DNS\n  ports: [{{number: 443, name: tls, protocol: TLS}}]\n"
        )
    };
    let label = |value: &str| format!(", labels: {{networking.istio.io/enable-autoallocate-ip: \"{value}\"}}");
    for (labels, has) in [(String::new(), true), (label("true"), true), (label("false"), false)] {
        let mut world = World::of(&entry(&labels));
        let entries = world.compile().traffic.entries.values().next().unwrap().clone();
        assert_eq!(entries[0].own_address().is_some(), has, "{labels}");
    }
    assert!(label_acts(ripstop_api::Kind::ServiceEntry, "networking.istio.io/enable-autoallocate-ip"));
    assert!(!label_acts(ripstop_api::Kind::ServiceEntry, "app"));
}
