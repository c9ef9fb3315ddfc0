//! Settings that a mesh keeps for as long as its state lives: certificates and running workloads name them.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use imbl::OrdMap;
use ripstop_api::{Finding, Kind, Level, Meta, Object, ObjectId, Source, Spec, finding::Code, ripstop};
use ripstop_compile::{Assignments, Declared, Input, Objects, compile};
use ripstop_identity::Roots;
use ripstop_model::{MeshConfig, TrustDomain};
use ripstop_store::{StoreSnapshot, StoredObject};

use crate::{Error, bundles::NOT_FETCHED, compiled::declared, disk};

/// Every code that the control plane itself can raise.
pub const CODES: &[Code] = &[TRUST_DOMAIN_FIXED, CLUSTER_FIXED, NOT_FETCHED];

const TRUST_DOMAIN_FIXED: Code = Code {
    code: "RS401",
    level: Level::Warning,
    meaning: "the trust domain of a running mesh cannot be changed; the one of its certificate authority stays",
};
const CLUSTER_FIXED: Code = Code {
    code: "RS402",
    level: Level::Warning,
    meaning: "the cluster id of a running mesh cannot be changed; the one that it was first started with stays",
};

/// What a `Mesh` cannot change any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// All certificates name it.
    pub(crate) trust_domain: TrustDomain,
    /// The uids of all workloads begin with it.
    pub(crate) cluster: Arc<str>,
}

// === impl Fixed ===

impl Fixed {
    /// What the state in `state` says: the trust domain of its authority, the cluster id of its
    /// first start; else what is configured, which is kept from now on.
    pub(crate) fn open(objects: &StoreSnapshot, state: &Path) -> Result<Self, Error> {
        let (root, kept) = (state.join("ca/root.pem"), state.join("cluster"));
        let text = |path: &Path| {
            let bytes = disk::read(path).map_err(Error::state("read", path))?;
            Ok::<_, Error>(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
        };
        let configured = configured(objects);
        let trust_domain = text(&root)?.and_then(|pem| Roots::from_pem(&pem).ok()?.trust_domain());
        let trust_domain = trust_domain.unwrap_or_else(|| configured.trust_domain.clone());
        let cluster = if let Some(cluster) = text(&kept)?.filter(|cluster| !cluster.is_empty()) {
            cluster.into()
        } else {
            let text = format!("{}\n", configured.cluster);
            disk::replace(&kept, text.as_bytes()).map_err(Error::state("write", &kept))?;
            configured.cluster.clone()
        };
        Ok(Self { trust_domain, cluster })
    }

    /// Makes every `Mesh` say it, and tells of those that said otherwise in `stored`.
    pub(crate) fn apply(&self, objects: &mut Objects, stored: &BTreeMap<ObjectId, Arc<StoredObject>>) -> Vec<Finding> {
        let default = MeshConfig::default();
        let mut findings = Vec::new();
        let mut found = false;
        let first = ObjectId { kind: Kind::Mesh, namespace: String::new(), name: String::new() };
        for (id, written) in stored.range(first..).take_while(|(id, _)| id.kind == Kind::Mesh) {
            let Spec::Mesh(mesh) = &written.object.spec else { continue };
            found = true;
            let (domain, cluster) = (self.trust_domain.as_str(), &*self.cluster);
            let of_istio = mesh.mesh_config.as_ref().and_then(|config| config.trust_domain.as_deref());
            let wanted_domain = mesh.trust_domain.as_deref().or(of_istio).unwrap_or(default.trust_domain.as_str());
            let wanted_cluster = mesh.cluster_id.as_deref().unwrap_or(&default.cluster);
            let object = &written.object;
            if wanted_domain != domain {
                let message = format!(
                    "trust domain {wanted_domain} has no effect: the certificate authority of this mesh serves {domain}"
                );
                let hint = "start a new mesh with another --state, or go back to the former trust domain";
                findings.push(finding(TRUST_DOMAIN_FIXED, object, "spec.trustDomain", message, hint));
            }
            if wanted_cluster != cluster {
                let message = format!(
                    "cluster id {wanted_cluster} has no effect: the workloads of this mesh are known by {cluster}"
                );
                let hint = "start a new mesh with another --state, or go back to the former cluster id";
                findings.push(finding(CLUSTER_FIXED, object, "spec.clusterId", message, hint));
            }
            let spec = Spec::Mesh(self.say(mesh.clone()));
            let object = Arc::new(Object { spec, ..Object::clone(object) });
            let declared = Declared { object, ..declared(written) };
            // The same again is left alone, so that nothing is compiled anew for it.
            if objects.get(id) != Some(&declared) {
                objects.insert(id.clone(), declared);
            }
        }
        if !found {
            let id = ObjectId { kind: Kind::Mesh, namespace: String::new(), name: "default".into() };
            let spec = Spec::Mesh(self.say(ripstop::Mesh::default()));
            let object = Object { id: id.clone(), meta: Meta::default(), spec, source: Source::default() };
            let declared = Declared { object: Arc::new(object), created: 0, generation: 1 };
            if objects.get(&id) != Some(&declared) {
                objects.insert(id, declared);
            }
        }
        findings.extend(stored.values().filter_map(|written| self.istio_says_otherwise(&written.object)));
        findings
    }

    /// A trust domain in Istio's own settings that is not the one of this mesh.
    fn istio_says_otherwise(&self, object: &Object) -> Option<Finding> {
        let (config, path) = match &object.spec {
            Spec::ConfigMap(map) => (map.mesh.as_ref()?, "data.mesh.trustDomain"),
            Spec::IstioOperator(operator) => (operator.mesh_config.as_ref()?, "spec.meshConfig.trustDomain"),
            _ => return None,
        };
        let wanted = config.trust_domain.as_deref().filter(|wanted| *wanted != self.trust_domain.as_str())?;
        let message = format!(
            "trust domain {wanted} has no effect: the certificate authority of this mesh serves {}",
            self.trust_domain
        );
        let hint = "start a new mesh with another --state, or go back to the former trust domain";
        Some(finding(TRUST_DOMAIN_FIXED, object, path, message, hint))
    }

    fn say(&self, mesh: ripstop::Mesh) -> ripstop::Mesh {
        ripstop::Mesh {
            trust_domain: Some(self.trust_domain.to_string()),
            cluster_id: Some(self.cluster.to_string()),
            ..mesh
        }
    }
}

/// The settings of the mesh as they are written.
fn configured(objects: &StoreSnapshot) -> Arc<MeshConfig> {
    let objects = objects.objects.iter().map(|(id, stored)| (id.clone(), declared(stored))).collect();
    let input = Input {
        objects: &objects,
        instances: &OrdMap::new(),
        captures: &OrdMap::new(),
        assigned: &Assignments::default(),
        previous: None,
    };
    compile(&input).mesh
}

fn finding(code: Code, object: &Object, path: &str, message: String, hint: &str) -> Finding {
    Finding {
        code: code.code,
        level: code.level,
        object: Some(object.id.clone()),
        path: path.into(),
        position: object.source.at(path),
        message,
        hint: hint.into(),
    }
}

#[cfg(test)]
mod tests;
