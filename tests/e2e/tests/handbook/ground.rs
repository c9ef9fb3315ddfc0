//! What the files presuppose: services, and servers behind them.

use anyhow::Result;
use ripstop_e2e::{NODES, service};
use ripstop_world::{HostNetwork, World};

/// Namespace, name, and how many instances there are of each version.
type App = (&'static str, &'static str, &'static [(&'static str, u32)]);

/// Everything that is called, on a machine of its own, with a service account of its own each.
const APPS: [App; 7] = [
    ("default", "checkout-service", &[("v1", 1), ("v2", 1)]),
    ("default", "backend", &[("v1", 2), ("v2", 1)]),
    ("production", "checkout-service", &[("v1", 1), ("v2", 1)]),
    ("production", "product-service", &[("v1", 1), ("v2", 1)]),
    ("production", "ratings", &[("v1", 1)]),
    ("production", "reviews", &[("v1", 2), ("v2", 2)]),
    ("bookinfo", "reviews", &[("v2", 2), ("v3", 1)]),
];

/// A mesh for what concerns traffic.
pub fn traffic() -> Result<World> {
    world(&APPS, HostNetwork::create()?)
}

/// A mesh for what concerns who may call, all in `production`.
pub fn access() -> Result<World> {
    let apps: [App; 4] = [
        ("production", "checkout-service", &[("v1", 1)]),
        ("production", "backend", &[("v1", 1)]),
        ("production", "ratings", &[("v1", 1)]),
        ("production", "reviews", &[("v1", 4)]),
    ];
    world(&apps, HostNetwork::create()?)
}

fn world(apps: &[App], host: HostNetwork) -> Result<World> {
    let mut files = vec![("nodes.yaml".to_owned(), NODES.to_owned())];
    for (namespace, app, versions) in apps {
        let mut text = service(app, namespace, "http");
        for (index, (version, replicas)) in versions.iter().enumerate() {
            text += "---\n";
            text += &servers(app, version, namespace, ["west", "east"][index % 2], *replicas);
        }
        files.push((format!("ground-{namespace}-{app}.yaml"), text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let world = World::start_in(host, &files)?;
    let mut namespaces: Vec<&str> = apps.iter().map(|(namespace, ..)| *namespace).collect();
    namespaces.dedup();
    for namespace in namespaces {
        world.enrol(namespace, true)?;
    }
    world.settle()?;
    Ok(world)
}

/// Servers of HTTP on port 8080 that tell what they were asked, and call themselves `APP-VERSION-NUMBER`.
fn servers(app: &str, version: &str, namespace: &str, node: &str, replicas: u32) -> String {
    format!(
        "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: {app}-{version}, namespace: {namespace}, labels: {{app: {app}, version: {version}}}}}
spec:
  node: {node}
  replicas: {replicas}
  serviceAccountName: {app}
  command: [bookinfo, reflect]
  ports: [{{name: http, containerPort: 8080}}]
  readinessProbe: {{tcpSocket: {{port: http}}, periodSeconds: 1}}
"
    )
}

/// Versions v1 and v2 of a service as subsets: what some files lack.
pub fn subsets(host: &str, namespace: &str) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host}-versions, namespace: {namespace}}}
spec:
  host: {host}
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
"
    )
}
