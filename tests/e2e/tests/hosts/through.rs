//! Connections through a forward proxy (`trafficPolicy.tunnel`), which is tinyproxy, outside of the mesh.

use anyhow::{Result, ensure};
use ripstop_e2e::observe::{applied, logged};
use ripstop_world::{Console, World, interpreter};

use crate::{ALSO_AWAY, AWAY, Scene, entry, is_refused, status};

const PEERS: &str = include_str!("peers.py");

/// Connections to `target.example` go to `forward.example`, the proxy, which is to lead on to `port`.
fn through(port: u16) -> String {
    let target = "{hosts: [target.example], addresses: [240.1.1.1], ports: [{number: 5432, name: tcp, protocol: TCP}, {number: 443, name: tls, protocol: TLS}], resolution: NONE}";
    let proxy = format!(
        "{{hosts: [forward.example], ports: [{{number: 3128, name: tcp, protocol: TCP, targetPort: 8888}}], resolution: STATIC, endpoints: [{{address: {AWAY}}}]}}"
    );
    let route = "[{destination: {host: forward.example, port: {number: 3128}}}]";
    let objects = [
        entry("target", target),
        entry("forward", &proxy),
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: target, namespace: shop}}\nspec:\n  hosts: [target.example, web.example]\n  tcp: [{{match: [{{port: 5432}}], route: {route}}}]\n  tls: [{{match: [{{port: 443, sniHosts: [web.example]}}], route: {route}}}]\n---\n"
        ),
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: forward, namespace: shop}}\nspec: {{host: forward.example, trafficPolicy: {{tunnel: {{protocol: CONNECT, targetHost: {ALSO_AWAY}, targetPort: {port}}}}}}}\n---\n"
        ),
    ];
    objects.concat()
}

#[test]
fn connections_go_through_a_forward_proxy() -> Result<()> {
    Scene::set("  meshConfig: {accessLogFile: /dev/stdout}\n")?.tell_with(|world, tls, away| {
        let mut proxy = Console::start(away.command(&interpreter(PEERS)))?;
        proxy.ask("tinyproxy(8888, 8080, 443, 1)")?;
        let ruled = |mark: &str, port: u16| applied(world, "through.yaml", mark, &through(port));

        ruled("plain", 8080)?;
        let answer = world.shell("shop", "curl -s -m 10 http://240.1.1.1:5432/")?;
        ensure!(answer.contains("other port") && answer.contains(ALSO_AWAY), "{answer}\n{}", world.story_so_far());
        ruled("secured", 443)?;
        let answer = world.shell(
            "shop",
            &format!(
                "curl -s -m 10 --cacert {tls}/ca.pem --connect-to web.example:443:240.1.1.1:443 https://web.example/"
            ),
        )?;
        ensure!(answer.contains("\"tls\"") && answer.contains(ALSO_AWAY), "{answer}\n{}", world.story_so_far());
        // What it does not lead to.
        for (mark, port, told) in [("forbidden", 80, "it answers 403"), ("nobody", 1, "it answers 5")] {
            ruled(mark, port)?;
            let got = status(world, "http://240.1.1.1:5432/")?;
            ensure!(is_refused(&got), "{mark}: {got}");
            denied(world, port, told)?;
        }
        Ok(())
    })
}

/// Waits until a node has told why a connection has ended.
fn denied(world: &World, port: u16, told: &str) -> Result<()> {
    let target = format!("to {ALSO_AWAY}:{port}: {told}");
    logged(world, "node-east", &[&target]).map(drop)
}
