//! The gateway: from the machine into the mesh, as `Gateway` objects say.

mod announced;
mod bundles;
mod certificates;
mod endings;
mod grpc_web;
mod http;
mod limits;
mod listeners;
mod load;
mod passed_on;
mod passthrough;
mod proven;
mod strangers;
mod tls;

use anyhow::Result;
use ripstop_e2e::{
    NODES, authorities,
    machine::{curl, curl_fails, on_host, opens},
    observe::applied,
    reflect, service,
};
use ripstop_world::{HostNetwork, World};

/// Identity of the default gateway, as policies name it.
const PRINCIPAL: &str = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account";

/// Two versions of `web` and a service `other`, all enrolled, on a machine of its own.
fn world() -> Result<World> {
    let files = [
        ("nodes.yaml", NODES.to_owned()),
        ("service.yaml", service("web", "shop", "http")),
        ("v1.yaml", reflect("web", "v1", "shop", "west")),
        ("v2.yaml", reflect("web", "v2", "shop", "east")),
        ("other-service.yaml", service("other", "shop", "http")),
        ("other.yaml", reflect("other", "v1", "shop", "east")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let world = World::start_in(HostNetwork::create()?, &files)?;
    world.enrol("shop", true)?;
    Ok(world)
}

/// A `Gateway` of the default ingress gateway.
fn gateway(name: &str, servers: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
         selector: {{istio: ingressgateway}}\n  servers:\n{servers}---\n"
    )
}

/// A `VirtualService` of a `Gateway`.
fn routes(name: &str, gateway: &str, hosts: &str, rules: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
         hosts: [{hosts}]\n  gateways: [{gateway}]\n{rules}---\n"
    )
}

/// Routes of everything to `web`.
const TO_WEB: &str = "  http: [{route: [{destination: {host: web}}]}]\n";

/// Applies objects and waits until the gateway has them and listens on `ports`, and on no others.
fn opened(world: &World, mark: &str, objects: &str, ports: &[u16]) -> Result<()> {
    applied(world, "edge.yaml", mark, objects)?;
    opens(world, ports)
}
