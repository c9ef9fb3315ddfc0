//! One version of HTTP at one end and another at the other, by nodes and by gateways: trailers, WebSocket, HTTP/1.0.

use std::fs;

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES,
    machine::{on_host, opens},
    observe::applied,
};
use ripstop_world::{HostNetwork, SOON, World, wait_for};
use serde_json::{Value, json};

/// Runs on Debian's own Python, for `h2` is one of its packages.
const PEER: &str = include_str!("versions/peer.py");

/// `old` speaks HTTP/1 and `new` HTTP/2; both are behind the default gateway, too.
fn objects(program: &str) -> String {
    let one = |name: &str, port: &str, target: u16| {
        format!(
            "\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec: {{selector: {{app: peer}}, ports: [{{name: {port}, port: 80, targetPort: {target}}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: shop}}
spec:
  hosts: [{name}, {name}.example]
  gateways: [mesh, edge]
  http: [{{route: [{{destination: {{host: {name}}}}}]}}]
---
"
        )
    };
    format!(
        "{}{}\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*.example']}}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {{name: peer, namespace: shop, labels: {{app: peer}}}}
spec:
  node: west
  command: [/usr/bin/python3, '{program}', serve]
  readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
",
        one("old", "http", 8080),
        one("new", "http2", 8081)
    )
}

#[test]
fn trailers_sockets_and_old_clients_pass_between_versions() -> Result<()> {
    World::start_in(HostNetwork::create()?, &[("nodes.yaml", NODES)])?.tell(|world| {
        world.enrol("shop", true)?;
        let program = world.path("peer.py").display().to_string();
        fs::write(&program, PEER)?;
        applied(world, "objects.yaml", "objects", &objects(&program))?;
        opens(world, &[80])?;
        wait_for("the peer", SOON, || Ok((world.get("shop", "peer-0")?["ready"] == true).then_some(())))?;
        world.settle()?;
        let asked = |from_outside: bool, name: &str, version: &str, more: &Value| -> Result<Value> {
            let (address, host) = if from_outside {
                ("127.0.0.1".to_owned(), format!("{name}.example"))
            } else {
                (format!("{name}.shop"), format!("{name}.shop"))
            };
            let mut order = json!({"address": address, "host": host, "version": version});
            for (key, value) in more.as_object().context("no object")? {
                order[key] = value.clone();
            }
            let script = format!("/usr/bin/python3 {program} ask '{order}'");
            let told = if from_outside { on_host(world, &script)? } else { world.shell("shop", &script)? };
            serde_json::from_str(&told).with_context(|| format!("{told:?}\n{}", world.story_so_far()))
        };
        for from_outside in [false, true] {
            for (name, heard) in [("old", "HTTP/1.1"), ("new", "HTTP/2")] {
                let at = format!("{name}, from outside: {from_outside}");
                for version in ["1.1", "2"] {
                    let got = asked(from_outside, name, version, &json!({}))?;
                    let expected = json!({
                        "status": "200",
                        "trailers": {"x-told": "late"},
                        "told": {"heard": heard, "body": "asked", "trailers": {"x-asked": "late"}},
                    });
                    ensure!(got == expected, "HTTP/{version} to {at}: {got}\n{}", world.story_so_far());
                    // Whoever has HTTP/2 alone is asked by CONNECT, since it has announced that.
                    let got = asked(from_outside, name, version, &json!({"socket": true}))?;
                    ensure!(
                        got == json!({"echo": "across"}),
                        "a socket of HTTP/{version} to {at}: {got}\n{}",
                        world.story_so_far()
                    );
                }
                // An offer of h2c is nobody's but the next hop's, which is not interested.
                let (place, host) =
                    if from_outside { ("127.0.0.1", format!("{name}.example")) } else { ("", format!("{name}.shop")) };
                let address = if place.is_empty() { &host } else { place };
                let script = format!("curl -s -m 20 --http2 -d asked -w '%{{http_version}} %{{http_code}}' -o /dev/null -H 'host: {host}' http://{address}/");
                let told = if from_outside { on_host(world, &script)? } else { world.shell("shop", &script)? };
                ensure!(told.trim() == "1.1 200", "h2c to {at}: {told:?}");
                let got = asked(from_outside, name, "1.0", &json!({}))?;
                let expected = json!({"heard": heard, "body": "asked", "trailers": {}});
                ensure!(
                    got["status"] == "200" && got["told"] == expected && got["trailers"] == json!({}),
                    "HTTP/1.0 to {at}: {got}\n{}",
                    world.story_so_far()
                );
            }
        }
        Ok(())
    })
}
