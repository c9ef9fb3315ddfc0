//! Which gateway listens, for what, and for whose routes.

use anyhow::{Context, Result, ensure};
use ripstop_world::{SOON, wait_for};
use serde_json::json;

use crate::{TO_WEB, curl, curl_fails, gateway, opened, routes, world};

/// A `VirtualService` of a namespace that answers by itself.
fn answering(namespace: &str, gateway: &str, hosts: &str, status: u16) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: answering, namespace: {namespace}}}\nspec: {{hosts: [{hosts}], gateways: [{gateway}], http: [{{directResponse: {{status: {status}}}}}]}}\n---\n"
    )
}

#[test]
fn hosts_with_a_namespace_are_for_routes_of_that_namespace() -> Result<()> {
    world()?.tell(|world| {
        let hosts = ["shop/a.example", "./b.example", "office/c.example", "'*/d.example'", "e.example"];
        let servers =
            format!("  - {{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [{}]}}\n", hosts.join(", "));
        let names = ["a", "b", "c", "d", "e"];
        let all = names.map(|name| format!("{name}.example")).join(", ");
        // The Gateway is in `shop`.
        for (mark, namespace, named, served) in [
            ("own", "shop", "web", [true, true, false, true, true]),
            ("foreign", "office", "shop/web", [false, false, true, true, true]),
        ] {
            let objects = gateway("web", &servers) + &answering(namespace, named, &all, 418);
            opened(world, mark, &objects, &[80])?;
            for (name, served) in names.into_iter().zip(served) {
                let got = curl(world, &format!("-H 'Host: {name}.example' http://127.0.0.1/"))?;
                let expected = if served { 418 } else { 404 };
                ensure!(got.status == expected, "{name}.example for routes of {namespace}: {}", got.status);
            }
        }
        // A gateway takes only what a server names, whatever routes there are.
        let got = curl(world, "-H 'Host: f.example' http://127.0.0.1/")?;
        ensure!(got.status == 404, "{}", got.status);
        Ok(())
    })
}

#[test]
fn protocols_of_requests_are_alike_and_ports_apart() -> Result<()> {
    world()?.tell(|world| {
        let ports = [(8081, "HTTP", "a"), (8082, "HTTP2", "b"), (8083, "GRPC", "c")];
        let server = |(port, protocol, name): (u16, &str, &str)| {
            format!("  - {{port: {{number: {port}, name: {name}, protocol: {protocol}}}, hosts: [{name}.example]}}\n")
        };
        let rules = |(port, _, _): (u16, &str, &str)| {
            format!("  - match: [{{port: {port}}}]\n    headers: {{response: {{set: {{x-port: '{port}'}}}}}}\n    route: [{{destination: {{host: web}}}}]\n")
        };
        let hosts = "a.example, b.example, c.example";
        let objects = gateway("web", &ports.map(server).concat())
            + &routes("web", "web", hosts, &format!("  http:\n{}", ports.map(rules).concat()));
        opened(world, "ports", &objects, &ports.map(|(port, ..)| port))?;
        for (port, protocol, name) in ports {
            for version in ["--http1.1", "--http2-prior-knowledge"] {
                let at = |host: &str| curl(world, &format!("{version} -H 'Host: {host}.example' http://127.0.0.1:{port}/"));
                let got = at(name)?;
                let from = got.fields.get("x-port").map(String::as_str);
                ensure!(
                    got.status == 200 && from == Some(&*port.to_string()),
                    "{protocol} {version}: {} {from:?}",
                    got.status
                );
                // Hosts of another port are not this one's.
                let other = at(if name == "a" { "b" } else { "a" })?;
                ensure!(other.status == 404, "{protocol} {version}: {}", other.status);
            }
        }
        Ok(())
    })
}

/// One more gateway, with labels of its own.
const SECOND: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: second, namespace: edge, labels: {edge: second}}
spec: {node: west, role: gateway, serviceAccountName: second}
---
";

#[test]
fn a_selector_says_which_gateways_listen() -> Result<()> {
    world()?.tell(|world| {
        world.write("second.yaml", SECOND)?;
        let selecting = |name: &str, selector: &str, port: u16| {
            let server =
                format!("  - {{port: {{number: {port}, name: http, protocol: HTTP}}, hosts: ['{name}.example']}}\n");
            let selected = gateway(name, &server).replace("{istio: ingressgateway}", selector);
            selected + &routes(name, name, &format!("{name}.example"), TO_WEB)
        };
        let second = selecting("second", "{edge: second}", 8081);
        let default = selecting("default", "{istio: ingressgateway}", 8082);
        let nobody = selecting("nobody", "{edge: third}", 8083);
        opened(world, "both", &(second + &default + &nobody), &[8081, 8082])?;
        let rows = world.json(&["get", "gateways"])?;
        let rows = rows.as_array().context("no list")?;
        let told: Vec<_> = rows.iter().map(|row| json!([row["gateway"], row["port"]])).collect();
        ensure!(told == [json!(["edge/second", 8081]), json!(["istio-system/istio-ingressgateway", 8082])], "{rows:?}");
        wait_for("the second gateway to be ready", SOON, || {
            Ok((world.get("edge", "second-0")?["ready"] == true).then_some(()))
        })?;
        for (host, port, status) in
            [("second", 8081, 200), ("default", 8082, 200), ("default", 8081, 404), ("second", 8082, 404)]
        {
            let got = curl(world, &format!("-H 'Host: {host}.example' http://127.0.0.1:{port}/"))?;
            ensure!(got.status == status, "{host} at {port}: {} {}", got.status, got.body);
            // Callees see which one it is.
            let caller = if host == "second" {
                world.get("edge", "second-0")?
            } else {
                world.get("istio-system", "istio-ingressgateway-0")?
            };
            ensure!(
                status == 404 || got.asked["caller"] == caller["addresses"][0],
                "{host}: {} instead of {caller}",
                got.body
            );
        }
        curl_fails(world, "http://127.0.0.1:8083/")?;
        Ok(())
    })
}
