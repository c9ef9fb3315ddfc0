//! A mesh of many namespaces of ten services and twenty workloads each.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use imbl::OrdMap;
use ripstop_api::{Object, parse_file};
use ripstop_compile::{Assignments, CaptureState, Declared, Input, Instance, Objects, Output, compile};
use ripstop_model::{ContainerPort, WorkloadUid};

/// Objects and instances.
pub(crate) struct Mesh {
    pub(crate) objects: Objects,
    pub(crate) instances: OrdMap<WorkloadUid, Arc<Instance>>,
    captures: OrdMap<WorkloadUid, CaptureState>,
    assigned: Assignments,
}

/// Services of a namespace.
const SERVICES: usize = 10;

impl Mesh {
    /// With that many services, a fifth as many `VirtualService`s and `DestinationRule`s, a tenth as many
    /// `AuthorizationPolicy`s, twice as many instances.
    pub(crate) fn of(services: usize) -> Self {
        let mut mesh = Self {
            objects: Objects::new(),
            instances: OrdMap::new(),
            captures: OrdMap::new(),
            assigned: Assignments::default(),
        };
        for namespace in 0..services.div_ceil(SERVICES) {
            let mut text = namespace_object(namespace, "ambient");
            for number in 0..SERVICES {
                text += &service(namespace, number, 80);
                for ordinal in 0..2 {
                    mesh.run(namespace, number, ordinal);
                }
            }
            for number in 0..2 {
                text += &virtual_service(namespace, number, "/a");
                text += &destination_rule(namespace, number, "v2");
            }
            text += &policy(namespace, "a");
            mesh.declare(&text);
        }
        mesh
    }

    /// The objects of `text` appear, or change.
    pub(crate) fn declare(&mut self, text: &str) {
        let parsed = parse_file("mesh.yaml", text);
        assert!(parsed.broken.is_empty() && !parsed.unreadable, "{:?}", parsed.findings);
        parsed.objects.into_iter().for_each(|object| self.put(Arc::new(object)));
    }

    pub(crate) fn put(&mut self, object: Arc<Object>) {
        let created = self.objects.len() as u64 + 1;
        let old = self.objects.get(&object.id);
        let (created, generation) = old.map_or((created, 1), |old| (old.created, old.generation + 1));
        self.objects.insert(object.id.clone(), Declared { object, created, generation });
    }

    /// Objects of that name, of whatever kind, go.
    pub(crate) fn remove(&mut self, name: &str) {
        let gone: Vec<_> = self.objects.keys().filter(|id| id.name == name).cloned().collect();
        for id in &gone {
            self.objects.remove(id);
        }
    }

    pub(crate) fn compile(&self, previous: Option<&Output>) -> Output {
        compile(&Input {
            objects: &self.objects,
            instances: &self.instances,
            captures: &self.captures,
            assigned: &self.assigned,
            previous,
        })
    }

    fn run(&mut self, namespace: usize, number: usize, ordinal: usize) {
        let (name, place) = (format!("s{number}-{ordinal}"), format!("ns-{namespace}"));
        let uid = WorkloadUid::process("Ripstop", &place, &name);
        let at = self.instances.len();
        let labels = [("app", format!("s{number}")), ("version", format!("v{}", ordinal + 1))];
        let instance = Instance {
            group: None,
            uid: uid.clone(),
            namespace: place.into(),
            process: format!("s{number}").into(),
            name: name.into(),
            node: format!("node-{}", at % 50).into(),
            service_account: "default".into(),
            addresses: vec![[10, 128 + byte(at >> 16), byte(at >> 8), byte(at)].into()],
            labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            annotations: BTreeMap::new(),
            ports: vec![ContainerPort { name: "web".into(), port: 8080, udp: false }],
            ready: true,
            running: true,
        };
        self.captures.insert(uid.clone(), CaptureState::Captured);
        self.instances.insert(uid, instance.into());
    }
}

/// The lowest eight bits.
fn byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

fn object(api: &str, kind: &str, meta: &str, spec: &str) -> String {
    let mut text = String::new();
    let _ = write!(text, "---\napiVersion: {api}\nkind: {kind}\nmetadata: {{{meta}}}\n");
    if !spec.is_empty() {
        let _ = writeln!(text, "spec: {{{spec}}}");
    }
    text
}

pub(crate) fn namespace_object(namespace: usize, mode: &str) -> String {
    object("v1", "Namespace", &format!("name: ns-{namespace}, labels: {{istio.io/dataplane-mode: {mode}}}"), "")
}

pub(crate) fn service(namespace: usize, number: usize, port: u16) -> String {
    let spec = format!("selector: {{app: s{number}}}, ports: [{{name: http, port: {port}, targetPort: web}}]");
    object("v1", "Service", &format!("name: s{number}, namespace: ns-{namespace}"), &spec)
}

pub(crate) fn virtual_service(namespace: usize, number: usize, prefix: &str) -> String {
    let spec = format!(
        "hosts: [s{number}], http: [\
         {{match: [{{uri: {{prefix: {prefix}}}}}], route: [{{destination: {{host: s{number}, subset: v1}}, weight: 90}}, \
         {{destination: {{host: s{number}, subset: v2}}, weight: 10}}]}}, \
         {{route: [{{destination: {{host: s{number}}}}}], timeout: 3s}}]"
    );
    object("networking.istio.io/v1", "VirtualService", &format!("name: s{number}, namespace: ns-{namespace}"), &spec)
}

pub(crate) fn destination_rule(namespace: usize, number: usize, version: &str) -> String {
    let spec = format!(
        "host: s{number}, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: 100}}}}}}, \
         subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: {version}}}}}]"
    );
    object("networking.istio.io/v1", "DestinationRule", &format!("name: s{number}, namespace: ns-{namespace}"), &spec)
}

pub(crate) fn policy(namespace: usize, account: &str) -> String {
    let spec = format!(
        "action: DENY, rules: [{{from: [{{source: {{principals: [cluster.local/ns/ns-{namespace}/sa/{account}]}}}}], \
         to: [{{operation: {{paths: [/admin*]}}}}]}}]"
    );
    object("security.istio.io/v1", "AuthorizationPolicy", &format!("name: deny, namespace: ns-{namespace}"), &spec)
}
