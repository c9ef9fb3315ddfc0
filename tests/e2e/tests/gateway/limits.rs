//! Limits of a gateway that a service counts (`globalRateLimits`).

use anyhow::{Result, ensure};
use ripstop_e2e::python;
use serde_json::json;

use super::{TO_WEB, curl, gateway, opened, routes, world};

/// By Envoy's protocol, on grpcio: of each descriptor it lets two pass.
const SERVER: &str = include_str!("../shaping/limits_server.py");

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: limits, namespace: shop}\nspec: {selector: {app: limits}, ports: [{name: grpc, port: 8081}]}\n---\n";

#[test]
fn a_gateway_asks_about_what_it_lets_in_and_nothing_else() -> Result<()> {
    world()?.tell(|world| {
        python::libraries(world)?;
        let prelude = format!("import sys\nsys.path.insert(0, \"{}\")\n", world.path("python").display());
        let edge = gateway("edge", "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}\n");
        let open = format!("{SERVICE}{edge}{}", routes("web", "edge", "'*'", TO_WEB));
        opened(world, "open", &open, &[80])?;
        let mut limits = world.captured_console("shop", &["--node", "west", "--label", "app=limits"], &format!("{prelude}{SERVER}"))?;
        let policy = "apiVersion: ripstop.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: edge, namespace: shop}\nspec:\n  targetRefs: [{group: networking.istio.io, kind: Gateway, name: edge}]\n  globalRateLimits:\n  - service: {host: limits, port: 8081}\n    domain: edge\n    timeout: 5s\n    failureMode: Deny\n    descriptors: [{entries: [{path: {}}, {destinationService: {}}]}]\n---\n\
                      apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: no-admin, namespace: istio-system}\nspec:\n  action: DENY\n  selector: {matchLabels: {istio: ingressgateway}}\n  rules: [{to: [{operation: {paths: [/admin*]}}]}]\n";
        opened(world, "limited", &format!("{open}{policy}"), &[80])?;
        let status = |path: &str| Ok::<_, anyhow::Error>(curl(world, &format!("http://127.0.0.1{path}"))?.status);
        let seen: Vec<u16> =
            ["/admin", "/admin", "/admin", "/a", "/a", "/a", "/b"].iter().map(|path| status(path)).collect::<Result<_>>()?;
        ensure!(seen == [403, 403, 403, 200, 200, 429, 200], "{seen:?}\n{}", world.story_so_far());
        // What policies refuse is not asked about.
        let asked = limits.ask("[descriptors for _, _, descriptors in asked]")?;
        let of = |path: &str| json!([[["path", path], ["destination_service", "web.shop.svc.cluster.local"]]]);
        ensure!(asked == json!([of("/a"), of("/a"), of("/a"), of("/b")]), "{asked}");
        Ok(())
    })
}
