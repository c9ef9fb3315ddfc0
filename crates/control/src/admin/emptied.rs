//! Whom a change leaves without endpoints.

use std::collections::{BTreeMap, BTreeSet};

use ripstop_api::ObjectId;
use ripstop_model::{Health, ServiceKey, Snapshot, Subset, Workload};

/// Ports of services (`host:port`), and subsets (`host:port/subset`), that had a ready endpoint `before` and have none
/// `after`, of services that an instance of `process` was behind. Of a port that has none its subsets are not told.
pub(super) fn emptied(process: &ObjectId, before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let is_of_it = |own: &Workload| {
        *own.namespace == *process.namespace && own.name.rsplit_once('-').is_some_and(|(name, _)| name == process.name)
    };
    let behind = before.services().filter(|service| before.endpoints(&service.key).any(|own| is_of_it(own)));
    let behind: Vec<ServiceKey> = behind.map(|service| service.key.clone()).collect();
    let (was, is) = (served(before, &behind), served(after, &behind));
    let lost: Vec<&String> = was.difference(&is).collect();
    let is_told = |name: &&&String| name.split_once('/').is_none_or(|(port, _)| is.contains(port));
    lost.iter().filter(is_told).map(|name| (**name).clone()).collect()
}

/// What of `services` has a ready endpoint.
fn served(snapshot: &Snapshot, services: &[ServiceKey]) -> BTreeSet<String> {
    let mut subsets: BTreeMap<&str, Vec<&Subset>> = BTreeMap::new();
    for policy in snapshot.traffic().backends.values().flat_map(|policies| policies.iter()) {
        if let Some(host) = policy.host.exact() {
            subsets.entry(host).or_default().extend(&policy.subsets);
        }
    }
    let mut served = BTreeSet::new();
    for service in services.iter().filter_map(|key| snapshot.service(key)) {
        let is_ready = |port: u16| {
            let endpoints = snapshot.endpoints(&service.key);
            endpoints.filter(move |endpoint| {
                endpoint.health == Health::Healthy && endpoint.target_port(&service.key, port).is_some()
            })
        };
        for port in &service.ports {
            let name = format!("{}:{}", service.key.hostname, port.port);
            for subset in subsets.get(&*service.key.hostname).into_iter().flatten() {
                if is_ready(port.port).any(|endpoint| subset.labels.matches(&endpoint.labels)) {
                    served.insert(format!("{name}/{}", subset.name));
                }
            }
            if is_ready(port.port).next().is_some() {
                served.insert(name);
            }
        }
    }
    served
}

#[cfg(test)]
mod tests {
    use ripstop_api::Kind;

    use super::*;
    use crate::compiled::declared;

    /// Two versions of reviews and a subset of each, as `labels` of v1 and v2 say more of them.
    fn mesh([v1, v2]: [&str; 2]) -> ripstop_explain::World {
        let process = |version: &str, labels: &str| {
            format!(
                "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata:\n  name: reviews-{version}\n  namespace: shop\n  labels: {{app: reviews, version: {version}{labels}}}\nspec: {{node: east, command: [a], ports: [{{name: http, containerPort: 8080}}]}}\n---\n"
            )
        };
        let text = process("v1", v1)
            + &process("v2", v2)
            + "apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata: {name: east}
---
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
";
        let stored = ripstop_store::read_texts([("a.yaml".to_owned(), text)]);
        let objects = stored.objects.iter().map(|(id, stored)| (id.clone(), declared(stored))).collect();
        ripstop_explain::offline::world(&objects).0
    }

    #[test]
    fn subsets_and_ports_that_nobody_serves_any_more_are_told() {
        let cut_off = ", ripstop.dev/quarantine: \"true\"";
        let id = |name: &str| ObjectId { kind: Kind::Process, namespace: "shop".into(), name: name.into() };
        let told = |name: &str, before: [&str; 2], after: [&str; 2]| {
            emptied(&id(name), mesh(before).program.snapshot(), mesh(after).program.snapshot())
        };
        let host = "reviews.shop.svc.cluster.local:80";
        assert_eq!(told("reviews-v1", ["", ""], [cut_off, ""]), [format!("{host}/v1")]);
        assert_eq!(told("reviews-v2", [cut_off, ""], [cut_off, cut_off]), [host]);
        assert_eq!(told("reviews-v1", [cut_off, ""], ["", ""]), [] as [&str; 0]);
        assert_eq!(told("cart", ["", ""], [cut_off, ""]), [] as [&str; 0], "another's loss");
    }
}
