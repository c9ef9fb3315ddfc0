//! A mesh that changes step by step is the mesh that is compiled from scratch; what did not change is the
//! very same part.

use std::{collections::BTreeMap, sync::Arc, time::UNIX_EPOCH};

use imbl::OrdMap;
use proptest::prelude::*;
use ripstop_api::ObjectId;
use ripstop_compile::{Assignments, CaptureState, Declared, Input, Instance, Objects, Output, compile};
use ripstop_model::{ContainerPort, WorkloadUid};

mod pool;

use pool::{Slot, slots};

/// One change, by numbers that are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// That object appears in, or changes to, that version.
    Put(usize, usize),
    /// That object goes.
    Gone(usize),
    /// It is written again, as it was.
    Again(usize),
    /// That instance is reported in that state.
    Run(usize, usize),
    /// That instance ends.
    End(usize),
    /// So far its capture got.
    Capture(usize, usize),
    /// The control plane restarts: nothing is left but what was assigned.
    Restart,
}

fn changes() -> impl Strategy<Value = Change> {
    let number = || 0..64_usize;
    prop_oneof![
        12 => (number(), number()).prop_map(|(slot, version)| Change::Put(slot, version)),
        4 => number().prop_map(Change::Gone),
        1 => number().prop_map(Change::Again),
        4 => (number(), number()).prop_map(|(instance, state)| Change::Run(instance, state)),
        1 => number().prop_map(Change::End),
        2 => (number(), number()).prop_map(|(instance, state)| Change::Capture(instance, state)),
        1 => Just(Change::Restart),
    ]
}

struct World {
    slots: &'static [Slot],
    objects: Objects,
    instances: OrdMap<WorkloadUid, Arc<Instance>>,
    captures: OrdMap<WorkloadUid, CaptureState>,
    assigned: Assignments,
    output: Option<Output>,
    now: u64,
}

const CAPTURES: [CaptureState; 4] =
    [CaptureState::None, CaptureState::Pending, CaptureState::Captured, CaptureState::Draining];

impl World {
    fn new() -> Self {
        Self {
            slots: slots(),
            objects: Objects::new(),
            instances: OrdMap::new(),
            captures: OrdMap::new(),
            assigned: Assignments::default(),
            output: None,
            now: 0,
        }
    }

    fn apply(&mut self, change: Change) {
        self.now += 1;
        match change {
            Change::Put(slot, version) => {
                let slot = &self.slots[slot % self.slots.len()];
                let object = slot.versions[version % slot.versions.len()].clone();
                let old = self.objects.get(&object.id);
                let (created, generation) = old.map_or((self.now, 1), |old| (old.created, old.generation + 1));
                self.objects.insert(object.id.clone(), Declared { object, created, generation });
            }
            Change::Gone(slot) => drop(self.objects.remove(&self.id(slot))),
            Change::Again(slot) => {
                let id = self.id(slot);
                if let Some(old) = self.objects.get(&id).cloned() {
                    let object = Arc::new(ripstop_api::Object::clone(&old.object));
                    self.objects.insert(id, Declared { object, ..old });
                }
            }
            Change::Run(which, state) => {
                let instance = instance(which % 6, state);
                self.instances.insert(instance.uid.clone(), instance.into());
            }
            Change::End(which) => drop(self.instances.remove(&uid(which % 6))),
            Change::Capture(which, state) => drop(self.captures.insert(uid(which % 6), CAPTURES[state % 4])),
            Change::Restart => self.output = None,
        }
    }

    fn id(&self, slot: usize) -> ObjectId {
        self.slots[slot % self.slots.len()].versions[0].id.clone()
    }

    fn compiled(&self, assigned: &Assignments, previous: Option<&Output>) -> Output {
        compile(&Input {
            objects: &self.objects,
            instances: &self.instances,
            captures: &self.captures,
            assigned,
            previous,
        })
    }
}

/// Two processes in two namespaces and one that nothing declares, two instances each.
fn place(which: usize) -> (&'static str, &'static str) {
    [("shop", "web"), ("bank", "cart"), ("shop", "other")][which / 2]
}

fn uid(which: usize) -> WorkloadUid {
    let (namespace, process) = place(which);
    WorkloadUid::process("Ripstop", namespace, &format!("{process}-{which}"))
}

fn instance(which: usize, state: usize) -> Instance {
    let (namespace, process) = place(which);
    let labels: &[(&str, &str)] = [
        &[("app", "web")][..],
        &[("app", "cart"), ("version", "v2")],
        &[("istio.io/dataplane-mode", "nonsense")],
        &[("sidecar.istio.io/inject", "true"), ("app", "web")],
    ][state % 4];
    let address = format!("10.244.1.{}", which + 2 + state / 32);
    Instance {
        uid: uid(which),
        namespace: namespace.into(),
        name: format!("{process}-{which}").into(),
        process: process.into(),
        group: None,
        node: "a".into(),
        service_account: "default".into(),
        addresses: if state % 7 == 6 { Vec::new() } else { vec![address.parse().expect("an address")] },
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        annotations: BTreeMap::new(),
        ports: vec![ContainerPort { name: "web".into(), port: 8080, udp: false }],
        ready: !state.is_multiple_of(3),
        running: !state.is_multiple_of(5),
    }
}

/// Every public part of two outputs, and what is said of them.
fn assert_same(one: &Output, two: &Output) -> Result<(), TestCaseError> {
    prop_assert_eq!(&one.mesh, &two.mesh);
    prop_assert_eq!(one.metrics_port, two.metrics_port);
    prop_assert_eq!(&one.nodes, &two.nodes);
    prop_assert_eq!(&one.services, &two.services);
    prop_assert_eq!(&one.workloads, &two.workloads);
    prop_assert_eq!(&one.processes, &two.processes);
    prop_assert_eq!(&one.peer_authentications, &two.peer_authentications);
    prop_assert_eq!(&one.authorizations, &two.authorizations);
    prop_assert_eq!(&one.traffic.routes, &two.traffic.routes);
    prop_assert_eq!(&one.traffic.backends, &two.traffic.backends);
    prop_assert_eq!(&one.traffic, &two.traffic);
    prop_assert_eq!(&one.assigned, &two.assigned);
    prop_assert_eq!(one.findings(UNIX_EPOCH), two.findings(UNIX_EPOCH));
    Ok(())
}

fn assert_map_shared<K: Ord + Clone + std::fmt::Debug, V: PartialEq>(
    what: &str,
    old: &OrdMap<K, Arc<V>>,
    new: &OrdMap<K, Arc<V>>,
) -> Result<(), TestCaseError> {
    for (key, new) in new {
        if let Some(old) = old.get(key).filter(|old| **old == *new) {
            prop_assert!(Arc::ptr_eq(old, new), "{what} {key:?} did not change and was made anew");
        }
    }
    Ok(())
}

/// What did not change is shared.
fn assert_shared(old: &Output, new: &Output) -> Result<(), TestCaseError> {
    prop_assert!(old.mesh != new.mesh || Arc::ptr_eq(&old.mesh, &new.mesh), "mesh");
    prop_assert!(old.assigned != new.assigned || Arc::ptr_eq(&old.assigned, &new.assigned), "assigned");
    assert_map_shared("service", &old.services, &new.services)?;
    assert_map_shared("workload", &old.workloads, &new.workloads)?;
    assert_map_shared("policy", &old.peer_authentications, &new.peer_authentications)?;
    assert_map_shared("policy", &old.authorizations, &new.authorizations)?;
    assert_map_shared("process", &old.processes, &new.processes)?;
    assert_map_shared("node", &old.nodes, &new.nodes)?;
    let (old, new) = (&old.traffic, &new.traffic);
    prop_assert!(old.defaults != new.defaults || Arc::ptr_eq(&old.defaults, &new.defaults), "defaults");
    assert_map_shared("routes", &old.routes, &new.routes)?;
    assert_map_shared("backends", &old.backends, &new.backends)?;
    assert_map_shared("gateway", &old.gateways, &new.gateways)?;
    assert_map_shared("entry", &old.entries, &new.entries)?;
    assert_map_shared("endpoint", &old.endpoints, &new.endpoints)?;
    assert_map_shared("group", &old.groups, &new.groups)?;
    assert_map_shared("scope", &old.scopes, &new.scopes)?;
    assert_map_shared("authentication", &old.request_authentications, &new.request_authentications)?;
    assert_map_shared("telemetry", &old.telemetries, &new.telemetries)?;
    assert_map_shared("settings", &old.proxy_settings, &new.proxy_settings)?;
    assert_map_shared("proxy", &old.process_proxies, &new.process_proxies)
}

fn follows(steps: &[Vec<Change>]) -> Result<(), TestCaseError> {
    let mut world = World::new();
    for step in steps {
        for change in step {
            world.apply(*change);
        }
        let output = world.compiled(&world.assigned, world.output.as_ref());
        // Addresses stay where they are: from scratch means with the same history of them.
        let scratch = world.compiled(&output.assigned, None);
        assert_same(&output, &scratch)?;
        if let Some(old) = &world.output {
            assert_shared(old, &output)?;
        }
        world.assigned = Assignments::clone(&output.assigned);
        world.output = Some(output);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn step_by_step_is_from_scratch(
        steps in prop::collection::vec(prop::collection::vec(changes(), 1..4), 1..40),
    ) {
        follows(&steps)?;
    }

    /// The same, starting from a mesh that has everything.
    #[test]
    fn a_full_mesh_follows_too(steps in prop::collection::vec(prop::collection::vec(changes(), 1..3), 1..25)) {
        let everything = (0..slots().len()).map(|slot| Change::Put(slot, slot / 3)).collect();
        let running = (0..6).map(|which| Change::Run(which, which)).collect();
        let all: Vec<_> = [everything, running].into_iter().chain(steps).collect();
        follows(&all)?;
    }
}
