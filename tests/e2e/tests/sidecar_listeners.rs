//! What `Sidecar` objects say of the listeners of workloads with a proxy of their own.

#[path = "sidecar_listeners/own.rs"]
mod own;
#[path = "sidecar_listeners/requests.rs"]
mod requests;
#[path = "sidecar_listeners/secured.rs"]
mod secured;

use anyhow::Result;
use ripstop_e2e::NODES;
use ripstop_world::World;

/// `shop` asks for sidecars, `front` for the proxies of nodes.
fn world(files: &[(&str, &str)]) -> Result<World> {
    let shop = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio-injection: enabled}}\n";
    let front =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: front, labels: {istio.io/dataplane-mode: ambient}}\n";
    let spaces = format!("{shop}---\n{front}");
    World::start(&[&[("nodes.yaml", NODES), ("spaces.yaml", spaces.as_str())], files].concat())
}

/// A `Sidecar` for those of `shop` with that label `app`.
fn sidecar(app: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: {app}, namespace: shop}}\nspec:\n  workloadSelector: {{labels: {{app: {app}}}}}\n{spec}"
    )
}

/// A web server that says its name, and listens there, with a service of its own.
fn reflects(app: &str, listen: &str, target: u16) -> String {
    format!(
        "\
---
apiVersion: v1
kind: Service
metadata: {{name: {app}, namespace: shop}}
spec: {{selector: {{app: {app}}}, ports: [{{name: http, port: 80, targetPort: {target}}}]}}
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: {app}, namespace: shop, labels: {{app: {app}}}}}
spec:
  node: west
  serviceAccountName: {app}
  command: [bookinfo, reflect, --name, {app}, --listen, '{listen}']
  ports: [{{name: http, containerPort: {target}}}]
"
    )
}
