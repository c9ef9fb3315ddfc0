//! What runs, as supervisors report it, and what is captured, as agents do.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use imbl::{OrdMap, ordmap::DiffItem};
use prost::Message as _;
use ripstop_wire::ripstop::{Capture, CaptureSet, Instance, InstanceSet, capture};
use tokio::sync::Notify;

use crate::{Error, disk, keeper::Keeper};

type Instances = OrdMap<Arc<str>, Arc<Instance>>;
/// By node, then by uid: an agent speaks for its own node only.
type Captures = OrdMap<Arc<str>, OrdMap<Arc<str>, Arc<Capture>>>;

/// The last reports. They outlive the reporter's connection and this process:
/// nothing is withdrawn until the reporter says so.
pub(crate) struct Registry {
    state: Mutex<State>,
    changed: Notify,
    instances: Keeper,
    captures: Keeper,
}

#[derive(Default)]
struct State {
    instances: Instances,
    captures: Captures,
    /// Workloads by node, namespace and service account.
    placed: HashMap<Place, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    node: String,
    namespace: String,
    account: String,
}

impl Registry {
    /// Starts from the reports of the previous life. A damaged file is told and counts as none:
    /// reporters say everything again at their next connection.
    pub(crate) fn open(
        instances_path: &Path,
        captures_path: &Path,
        instances: Keeper,
        captures: Keeper,
    ) -> Result<Self, Error> {
        let mut state = State::default();
        let read = |path: &Path| disk::read(path).map_err(Error::state("read", path));
        let damaged = |path: &Path, error: prost::DecodeError| {
            tracing::warn!(path = %path.display(), %error, "the last report is damaged and counts as none");
        };
        match read(instances_path)?.map(|bytes| InstanceSet::decode(bytes.as_slice())) {
            None => {}
            Some(Ok(set)) => state.replace_instances(set),
            Some(Err(error)) => damaged(instances_path, error),
        }
        match read(captures_path)?.map(|bytes| AllCaptures::decode(bytes.as_slice())) {
            None => {}
            Some(Ok(all)) => all.nodes.into_iter().for_each(|set| {
                let node = set.node.clone();
                state.replace_captures(&node, set);
            }),
            Some(Err(error)) => damaged(captures_path, error),
        }
        Ok(Self { state: Mutex::new(state), changed: Notify::new(), instances, captures })
    }

    /// The supervisor says what runs: all of it.
    pub(crate) fn report_instances(&self, set: InstanceSet) {
        let mut state = self.lock();
        let old = state.instances.clone();
        state.replace_instances(set);
        if !same(&old, &state.instances) {
            let instances = state.instances.clone();
            drop(state);
            self.instances.keep(move || {
                InstanceSet { instances: instances.values().map(|i| Instance::clone(i)).collect() }.encode_to_vec()
            });
            self.changed.notify_one();
        }
    }

    /// The agent of `node` says what is captured there: all of it.
    pub(crate) fn report_captures(&self, node: &str, set: CaptureSet) {
        let mut state = self.lock();
        let old = state.captures.get(node).cloned().unwrap_or_default();
        state.replace_captures(node, set);
        let new = state.captures.get(node).cloned().unwrap_or_default();
        if same(&old, &new) {
            return;
        }
        let captures = state.captures.clone();
        drop(state);
        self.captures.keep(move || AllCaptures::from(&captures).encode_to_vec());
        // Counts of connections change often and concern nobody but `status`.
        let states = |of: &OrdMap<_, Arc<Capture>>| {
            of.iter().map(|(uid, c)| (Arc::clone(uid), c.state, is_at_node(c))).collect::<Vec<_>>()
        };
        if states(&old) != states(&new) {
            self.changed.notify_one();
        }
    }

    /// Waits for a change since the last call that ended.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Makes [`Self::changed`] ready, although no report came.
    pub(crate) fn poke(&self) {
        self.changed.notify_one();
    }

    /// Everything as it is now.
    pub(crate) fn view(&self) -> View {
        let state = self.lock();
        View { instances: state.instances.clone(), captures: state.captures.clone() }
    }

    /// Whether a workload of that service account is placed on `node`, of those that `counts`, by what the agent says of them.
    pub(crate) fn is_placed(
        &self,
        (node, namespace, account): (&str, &str, &str),
        counts: impl Fn(&Instance, Option<&Capture>) -> bool,
    ) -> bool {
        let place = Place { node: node.into(), namespace: namespace.into(), account: account.into() };
        let state = self.lock();
        if !state.placed.contains_key(&place) {
            return false;
        }
        let captures = state.captures.get(node);
        let capture = |instance: &Instance| captures?.get(instance.uid.as_str()).map(|capture| &**capture);
        let mut there = state.instances.values().filter(|instance| Place::of(instance) == place);
        there.any(|instance| counts(instance, capture(instance)))
    }

    /// Whether the instance with that namespace and name runs as that service account.
    pub(crate) fn runs(&self, (own, name): (&str, &str), namespace: &str, account: &str) -> bool {
        let is_it = |instance: &Arc<Instance>| {
            (instance.namespace.as_str(), instance.name.as_str()) == (own, name)
                && (instance.namespace.as_str(), instance.service_account.as_str()) == (namespace, account)
        };
        self.lock().instances.values().any(is_it)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the proxy of the node has something of a workload, or is to have it: as long as nobody says that its own proxy
/// serves it, and that nothing is left.
pub(crate) fn is_at_node(capture: &Capture) -> bool {
    !capture.by_sidecar || capture.left_behind
}

/// Whether connections of a workload are captured: all new ones, or those that have not ended.
pub(crate) fn is_open(capture: &Capture) -> bool {
    [capture::State::Captured, capture::State::Draining].contains(&capture.state())
}

/// The registry at one moment; cheap to make and to keep.
#[derive(Clone, Default)]
pub(crate) struct View {
    instances: Instances,
    captures: Captures,
}

impl View {
    /// All instances, in order of their uid.
    pub(crate) fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.instances.values()
    }

    /// Uids of which an instance or a capture is another than in `older`; costs what changed.
    pub(crate) fn touched_since(&self, older: &Self) -> BTreeSet<Arc<str>> {
        let mut touched: BTreeSet<_> = older.instances.diff(&self.instances).map(|item| key(&item)).collect();
        let none = OrdMap::new();
        for item in older.captures.diff(&self.captures) {
            let (old, new) = match item {
                DiffItem::Add(_, new) => (&none, new),
                DiffItem::Update { old, new } => (old.1, new.1),
                DiffItem::Remove(_, old) => (old, &none),
            };
            touched.extend(old.diff(new).map(|item| key(&item)));
        }
        touched
    }

    /// The instance with that uid.
    pub(crate) fn instance(&self, uid: &str) -> Option<&Arc<Instance>> {
        self.instances.get(uid)
    }

    /// What the agent of its own node says of an instance.
    pub(crate) fn capture(&self, instance: &Instance) -> Option<&Arc<Capture>> {
        self.captures.get(instance.node.as_str())?.get(instance.uid.as_str())
    }

    /// Whether the capture of an instance is in place.
    pub(crate) fn is_captured(&self, instance: &Instance) -> bool {
        self.capture(instance).is_some_and(|capture| capture.state() == capture::State::Captured)
    }

    /// Whether connections of an instance are captured: all new ones, or those that have not ended.
    pub(crate) fn has_open(&self, instance: &Instance) -> bool {
        self.capture(instance).is_some_and(|capture| is_open(capture))
    }
}

// === impl State ===

impl State {
    fn replace_instances(&mut self, set: InstanceSet) {
        let mut next = self.instances.clone();
        let mut named = BTreeSet::new();
        for instance in set.instances {
            let uid: Arc<str> = instance.uid.as_str().into();
            named.insert(uid.clone());
            let old = next.get(&uid);
            if old.is_some_and(|old| **old == instance) {
                continue;
            }
            if let Some(old) = old.cloned() {
                self.displace(&old);
            }
            *self.placed.entry(Place::of(&instance)).or_default() += 1;
            next.insert(uid, Arc::new(instance));
        }
        let gone: Vec<_> = next.keys().filter(|uid| !named.contains(*uid)).cloned().collect();
        for uid in gone {
            if let Some(old) = next.remove(&uid) {
                self.displace(&old);
            }
        }
        self.instances = next;
    }

    fn replace_captures(&mut self, node: &str, set: CaptureSet) {
        let old = self.captures.get(node).cloned().unwrap_or_default();
        let new = set.captures.into_iter().map(|capture| {
            let uid: Arc<str> = capture.uid.as_str().into();
            let kept = old.get(&uid).filter(|old| ***old == capture).cloned();
            (uid, kept.unwrap_or_else(|| Arc::new(capture)))
        });
        self.captures.insert(node.into(), new.collect());
    }

    fn displace(&mut self, old: &Instance) {
        let place = Place::of(old);
        if let Some(count) = self.placed.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.placed.remove(&place);
            }
        }
    }
}

impl Place {
    fn of(instance: &Instance) -> Self {
        Self {
            node: instance.node.clone(),
            namespace: instance.namespace.clone(),
            account: instance.service_account.clone(),
        }
    }
}

/// The captures of all nodes, as they stand on disk.
#[derive(Clone, PartialEq, prost::Message)]
struct AllCaptures {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<CaptureSet>,
}

impl From<&Captures> for AllCaptures {
    fn from(captures: &Captures) -> Self {
        let nodes = captures.iter().map(|(node, captures)| CaptureSet {
            node: node.to_string(),
            captures: captures.values().map(|capture| Capture::clone(capture)).collect(),
        });
        Self { nodes: nodes.collect() }
    }
}

fn key<V>(item: &DiffItem<'_, '_, Arc<str>, V>) -> Arc<str> {
    match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => Arc::clone(key),
    }
}

/// Equal entries are the same allocation, since equal reports replace nothing.
fn same<K: Ord + Clone, V>(a: &OrdMap<K, Arc<V>>, b: &OrdMap<K, Arc<V>>) -> bool {
    a.ptr_eq(b) || (a.len() == b.len() && a.values().zip(b.values()).all(|(a, b)| Arc::ptr_eq(a, b)))
}

#[cfg(test)]
mod tests;
