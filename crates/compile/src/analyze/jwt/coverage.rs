//! Who reads tokens: the reach of every `RequestAuthentication`.

use std::collections::{HashMap, HashSet};

use ripstop_api::{Kind, Spec, istio::TargetRef};

use crate::{
    analyze::{
        Mesh,
        members::{Members, Wanted},
    },
    declare::of_kind,
};

/// Who reads tokens.
pub(super) struct Coverage<'a, 'm> {
    members: &'m Members<'a>,
    root: &'a str,
    /// Whether each member is selected by labels.
    selected: Vec<bool>,
    /// Namespaces all of whose workloads read tokens; nothing: all namespaces.
    whole: HashSet<Option<&'a str>>,
    /// Selectors by namespace (nothing: all) and the first of their labels.
    selectors: HashMap<(Option<&'a str>, &'a str, &'a str), HashSet<&'a Wanted>>,
    /// Namespace, kind and name of what reads tokens.
    attached: HashSet<(&'a str, &'a str, &'a str)>,
    /// Namespaces in which some gateway or waypoint reads tokens.
    gateways: HashSet<&'a str>,
    /// Whether all gateways of some class read tokens.
    class: bool,
}

/// Somebody whom a policy is for and who reads no tokens.
#[derive(Clone)]
pub(super) struct Gap(pub(super) String);

// === impl Coverage ===

impl<'a, 'm> Coverage<'a, 'm> {
    pub(super) fn of(mesh: &Mesh<'a>, members: &'m Members<'a>) -> Self {
        let mut all = Self {
            members,
            root: &mesh.output.mesh.root_namespace,
            selected: vec![false; members.len()],
            whole: HashSet::new(),
            selectors: HashMap::new(),
            attached: HashSet::new(),
            gateways: HashSet::new(),
            class: false,
        };
        for declared in of_kind(mesh.objects, Kind::RequestAuthentication) {
            let Spec::RequestAuthentication(written) = &declared.object.spec else { continue };
            if written.jwt_rules.is_empty() {
                continue;
            }
            let own = declared.object.id.namespace.as_str();
            let mut attached = written.target_ref.iter().chain(&written.target_refs).peekable();
            if attached.peek().is_some() {
                for target in attached {
                    all.attached.insert((own, &target.kind, &target.name));
                    if target.kind.starts_with("Gateway") {
                        all.gateways.insert(own);
                    }
                    all.class |= target.kind == "GatewayClass" && own == all.root;
                }
                continue;
            }
            let namespace = (own != all.root).then_some(own);
            all.select(namespace, written.selector.as_ref().map(|selector| &selector.match_labels.0));
        }
        all
    }

    fn select(&mut self, namespace: Option<&'a str>, wanted: Option<&'a Wanted>) {
        let Some((wanted, (key, value))) = wanted.and_then(|wanted| Some((wanted, wanted.first_key_value()?))) else {
            self.whole.insert(namespace);
            return;
        };
        if self.selectors.entry((namespace, key, value)).or_default().insert(wanted) {
            for index in self.members.selected(namespace, wanted) {
                self.selected[index] = true;
            }
        }
    }

    /// Whether that member reads tokens.
    pub(super) fn covers(&self, index: usize) -> bool {
        self.selected[index] || self.covers_namespace(self.members.get(index).namespace)
    }

    fn covers_namespace(&self, namespace: &str) -> bool {
        self.whole.contains(&None) || self.whole.contains(&Some(namespace))
    }

    /// Somebody of those that a policy in `namespace` selects who reads no tokens. Where it selects nobody yet, its
    /// selector must be at least as narrow as that of a RequestAuthentication.
    pub(super) fn gap(&self, namespace: &str, wanted: &Wanted) -> Option<Gap> {
        let scope = (namespace != self.root).then_some(namespace);
        let members = self.members.selected(scope, wanted);
        let mut enrolled = members.filter(|index| self.members.get(*index).is_enrolled()).peekable();
        if enrolled.peek().is_some() {
            return enrolled.find(|index| !self.covers(*index)).map(|index| Gap(self.members.get(index).to_string()));
        }
        let whole = self.whole.contains(&None) || scope.is_some_and(|scope| self.covers_namespace(scope));
        let narrower = || {
            wanted.iter().any(|(key, value)| {
                let places = [None, scope].into_iter().filter_map(|at| self.selectors.get(&(at, key, value)));
                let within = |other: &Wanted| other.iter().all(|(key, value)| wanted.get(key) == Some(value));
                places.flatten().any(|other| within(other))
            })
        };
        (!whole && !narrower()).then(|| Gap("its workloads".into()))
    }

    /// The first of `targets` that reads no tokens. A waypoint that does may be the one in front of a service.
    pub(super) fn unattached<'t>(&self, namespace: &str, targets: &[&'t TargetRef]) -> Option<&'t TargetRef> {
        let gateway = self.gateways.contains(namespace) || self.gateways.contains(self.root);
        let reads = |target: &TargetRef| {
            gateway && !target.kind.starts_with("Gateway")
                || self.attached.contains(&(namespace, target.kind.as_str(), target.name.as_str()))
                || target.kind == "Gateway" && (self.covers_namespace(namespace) || self.class)
        };
        targets.iter().find(|target| !reads(target)).copied()
    }
}
