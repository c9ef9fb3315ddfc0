//! Namespaces and names that nobody has: a note on standard error, since what is asked for may yet come.

use std::collections::BTreeSet;

use anyhow::Result;
use ripstop_api::nearest;
use serde_json::Value;

use crate::{
    mesh::Mesh,
    output::{WARN, paint, tell},
    tables::text,
};

/// What there is in a mesh.
struct Known {
    namespaces: BTreeSet<String>,
    /// Namespaces and names of workloads, their processes, and services.
    named: BTreeSet<(String, String)>,
    /// Hosts that no service is behind are not known here.
    hosts: BTreeSet<String>,
}

/// Tells if there is no such namespace, as far as the mesh can say.
pub async fn namespace(mesh: &Mesh, name: Option<&str>) {
    let Some(name) = name else { return };
    note(Known::of(mesh).await.ok().and_then(|known| known.namespace(name)));
}

/// Tells if nobody is called so: NAME, NAMESPACE/NAME or NAMESPACE/, of a workload, its process or a service.
pub async fn party(mesh: &Mesh, name: Option<&str>) {
    let Some(name) = name else { return };
    note(Known::of(mesh).await.ok().and_then(|known| known.party(name)));
}

fn note(told: Option<String>) {
    if let Some(told) = told {
        tell(&format!("{} {told}\n", paint(WARN, "note:")));
    }
}

// === impl Known ===

impl Known {
    async fn of(mesh: &Mesh) -> Result<Self> {
        let [objects, workloads, services] =
            [mesh.get("/v1/objects").await?, mesh.get("/v1/workloads").await?, mesh.get("/v1/services").await?];
        Ok(Self::from(&objects, &workloads, &services))
    }

    fn from(objects: &Value, workloads: &Value, services: &Value) -> Self {
        let rows = |value: &'static str, of: &Value| -> Vec<(String, String)> {
            let rows = of.as_array().into_iter().flatten();
            rows.map(|row| (text(row, "namespace").to_owned(), text(row, value).to_owned())).collect()
        };
        let declared = objects.as_array().into_iter().flatten();
        let declared = declared.filter(|row| text(row, "kind") == "Namespace").map(|row| text(row, "name").to_owned());
        let all = [objects, workloads, services];
        let used = all.into_iter().flat_map(|of| rows("namespace", of)).map(|(namespace, _)| namespace);
        let mut namespaces: BTreeSet<String> = declared.chain(used).collect();
        // It is there without being declared.
        namespaces.insert("default".to_owned());
        namespaces.remove("");
        let mut named: BTreeSet<_> = rows("name", workloads).into_iter().collect();
        named.extend(rows("process", workloads));
        named.extend(rows("name", services));
        let hosts = rows("hostname", services).into_iter().map(|(_, host)| host).collect();
        Self { namespaces, named, hosts }
    }

    fn namespace(&self, name: &str) -> Option<String> {
        (!self.namespaces.contains(name))
            .then(|| format!("there is no namespace {name:?}{}", meant(name, self.namespaces.iter())))
    }

    fn party(&self, name: &str) -> Option<String> {
        let (namespace, own) = match name.split_once('/') {
            Some((namespace, own)) => (Some(namespace).filter(|namespace| !namespace.is_empty()), own),
            None => (None, name),
        };
        if let Some(told) = namespace.and_then(|namespace| self.namespace(namespace)) {
            return Some(told);
        }
        let is_there =
            |(of, called): &&(String, String)| called == own && namespace.is_none_or(|namespace| of == namespace);
        let is_known = own.is_empty() || self.hosts.contains(own) || self.named.iter().any(|named| is_there(&named));
        let near = self.named.iter().filter(|(of, _)| namespace.is_none_or(|namespace| of == namespace));
        (!is_known).then(|| {
            let what = "no workload, process or service";
            format!("there is {what} {name:?}{}", meant(own, near.map(|(_, called)| called)))
        })
    }
}

fn meant<'a>(name: &str, all: impl Iterator<Item = &'a String>) -> String {
    let near = nearest(name, all.map(String::as_str));
    near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_is_called_is_told_with_what_may_be_meant() {
        let known = Known::from(
            &json!([{"kind": "Namespace", "namespace": "", "name": "bank"}, {"kind": "Gateway", "namespace": "shop", "name": "g"}]),
            &json!([{"namespace": "shop", "name": "web-v1-0", "process": "web-v1"}]),
            &json!([{"namespace": "shop", "name": "web", "hostname": "web.shop.svc.cluster.local"}]),
        );
        let told = Some("there is no namespace \"shpo\"; did you mean \"shop\"?".to_owned());
        assert_eq!(known.namespace("shpo"), told);
        for name in ["shop", "bank", "default"] {
            assert_eq!(known.namespace(name), None, "{name}");
        }
        for name in ["web", "web-v1", "web-v1-0", "shop/web", "shop/", "web.shop.svc.cluster.local"] {
            assert_eq!(known.party(name), None, "{name}");
        }
        assert_eq!(known.party("shpo/web"), told);
        let told = |name: &str| format!("there is no workload, process or service {name:?}");
        assert_eq!(known.party("wbe"), Some(told("wbe") + "; did you mean \"web\"?"));
        assert_eq!(known.party("bank/web"), Some(told("bank/web")));
    }
}
